"""A day of runs in a minute: what the Algolia stand-in plays for the demo."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from local.algolia import AlgoliaStandIn, Application, RunLife, Step
from local.algolia.times import moment, rfc3339

HOUR = 3_600.0

LOOKS = (1.0, 7.0, 13.0, 19.0, 25.0, 31.0, 37.0, 43.0, 49.0)
"""When the demo has Runbell look, in seconds since the day began; the schedule does the rest."""

OTHER = "outlet"
"""The connection that is added over the HTTP API."""

ONCALL = "#search-oncall"
"""The channel of the task that has a watch."""

State = tuple[str, str | None]

WORDS: Mapping[State, str] = {
    ("created", None): "created",
    ("started", None): "started",
    ("finished", "success"): "succeeded",
    ("finished", "failure"): "failed",
    ("skipped", None): "skipped",
}
"""What people read for a state, unless the story of its task makes more of it."""


RECOVERING: Mapping[State, str] = {**WORDS, ("finished", "success"): "recovered"}
"""The same of a run whose task has failed before."""

AGAIN = (Step(0, "created"), Step(4, "started"), Step(11, "finished", "success", reason_code="ok"))
"""What happens to the run that is started by a button, in seconds from then on."""


@dataclass(frozen=True)
class PlayedRun:
    """A run of the day.

    Args:
        life: What happens to it, in seconds since the day began.
        words: What people are to read for each state that Algolia shows of it; nothing for a run
            that was over before the day began.
        also: What they are to read besides.
        checked_at: When somebody asks for a look at it over the HTTP API.
        events: The messages of its failed events.
    """

    life: RunLife
    words: Mapping[State, str] = field(default_factory=lambda: WORDS)
    also: tuple[str, ...] = ()
    checked_at: tuple[float, ...] = ()
    events: tuple[str, ...] = ()


@dataclass(frozen=True)
class Day:
    """What is played.

    Args:
        runs: Those of the first application.
        others: Those of the application that is connected later.
        missing: The tasks whose run does not come.
        pressed: The run that fails and whose task is run again by its button.
        watches: The file of watches that is applied, as YAML.
    """

    runs: tuple[PlayedRun, ...]
    others: tuple[PlayedRun, ...]
    missing: tuple[str, ...]
    pressed: str
    watches: str


def a_day() -> Day:
    """Write the script of a day, with new run IDs."""
    runs = [
        _run(
            "products → catalog",
            [
                Step(0, "created"),
                Step(5, "started", expected=48_000, received=0),
                Step(11, "started", expected=48_000, received=31_200),
                Step(17, "finished", "success", reason_code="ok"),
            ],
            checked_at=(3,),
        ),
        *(_past("prices → catalog", hours, "failure") for hours in (2, 1)),
        _run(
            "prices → catalog",
            [
                Step(2, "created"),
                Step(8, "started", expected=900, received=40),
                Step(
                    20,
                    "finished",
                    "failure",
                    reason_code="too_many_errors",
                    reason="412 of 900 records were refused",
                    expected=900,
                    received=900,
                ),
            ],
            type="update",
            events=(
                "the attribute <objectID> is missing",
                "the attribute <objectID> is missing",
                "price is no number: “on request”",
            ),
        ),
        *(_past("orders → insights", hours, "failure") for hours in (5, 4, 3, 2)),
        _run(
            "orders → insights",
            [
                Step(4, "started", expected=5_000, received=80),
                Step(15, "finished", "failure", reason_code="blocking"),
            ],
            type="push",
            words={**WORDS, ("finished", "failure"): "blocked"},
            events=("The source answered 401: the access token has expired",),
        ),
        _run("stores → places", [Step(9, "skipped", reason_code="idle")]),
        *(_past("reviews → catalog", hours, "success") for hours in (30, 26, 22, 18)),
        _run(
            "reviews → catalog",
            [
                Step(-2_400, "started", expected=12_000, received=11_300),
                Step(34, "finished", "success", reason_code="ok"),
            ],
            also=("stalled",),
        ),
        _run(
            "blog → articles",
            [Step(-1.5 * HOUR, "started"), Step(28, "finished", "success", reason_code="ok")],
        ),
        _run(
            "coupons → offers",
            [
                Step(6, "created"),
                Step(12, "started"),
                Step(23, "finished", "failure", reason_code="critical"),
            ],
            words={("finished", "failure"): "failed"},
            events=("The index offers_v2 does not exist",),
        ),
        _run(
            "faq → help",
            [Step(45, "started"), Step(50, "finished", "success", reason_code="ok")],
            type="update",
        ),
    ]
    pressed = next(run for run in runs if "on request" in "".join(run.events))
    others = [_run("returns → outlet", [Step(12, "started", expected=700, received=260)])]
    watches = f"""\
tasks:
  {_task_id("coupons → offers")}:
    channel: "{ONCALL}"
    notifyOn: [failed]
    mentions: [here]
"""
    missing = (_task_id("blog → articles"),)
    return Day(tuple(runs), tuple(others), missing, pressed.life.run_id, watches)


def play(day: Day, algolia: AlgoliaStandIn, other: Application, began: float) -> None:
    """Let the stand-in play a day that begins at a moment, in seconds since 1970."""
    for application, runs in ((algolia, day.runs), (other, day.others)):
        for run in runs:
            _name(application, run.life.task_id)
            for text in run.events:
                event = {"status": "failed", "type": "record", "data": {"message": text}}
                published = rfc3339(moment(began + run.life.steps[-1].after))
                application.put_event(run.life.run_id, event | {"publishedAt": published})
        application.play(*(run.life for run in runs), start=began)
    algolia.script_task(_task_id("prices → catalog"), AGAIN, type="update")
    for task_id in day.missing:  # it was due twenty minutes ago, an hour after the last one
        timetable = {
            "cron": "10 * * * *",
            "lastRun": rfc3339(moment(began - 1.34 * HOUR)),
            "nextRun": rfc3339(moment(began - 0.34 * HOUR)),
        }
        algolia.put_task({"taskID": task_id, **_parts(task_id), **timetable})


def _name(application: AlgoliaStandIn | Application, task_id: str) -> None:
    source, _, index = _NAMES[task_id].partition(" → ")
    parts = _parts(task_id)
    policies = {"policies": {"criticalThreshold": 5}, "action": "replace"}
    application.put_task({"taskID": task_id, **parts, **policies})
    application.put_source({"sourceID": parts["sourceID"], "name": f"{source.capitalize()} feed"})
    application.put_destination(
        {"destinationID": parts["destinationID"], "name": index, "input": {"indexName": index}}
    )


def _parts(task_id: str) -> dict[str, str]:
    return {"sourceID": f"source-of-{task_id}", "destinationID": f"destination-of-{task_id}"}


_NAMES: dict[str, str] = {}
"""Tasks by their IDs."""


def _task_id(task: str) -> str:
    task_id = str(uuid.uuid5(uuid.NAMESPACE_URL, task))
    _NAMES[task_id] = task
    return task_id


def _past(task: str, hours: float, outcome: str) -> PlayedRun:
    """A run that was over before the day began: known, and never told."""
    began = -hours * HOUR
    took = 60 + hours
    steps = [Step(began, "started"), Step(began + took, "finished", outcome)]
    return _run(task, steps, words={})


def _run(
    task: str,
    steps: list[Step],
    *,
    words: Mapping[State, str] = WORDS,
    also: tuple[str, ...] = (),
    checked_at: tuple[float, ...] = (),
    events: tuple[str, ...] = (),
    type: str = "reindex",  # noqa: A002 (the vendor's word)
) -> PlayedRun:
    life = RunLife(str(uuid.uuid4()), _task_id(task), tuple(steps), type)
    return PlayedRun(life, words, also, checked_at, events)
