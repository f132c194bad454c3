"""A day of runs in a minute: what the Algolia stand-in plays for the demo."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from local.algolia import RunLife, Step


@dataclass(frozen=True)
class PlayedRun:
    """A run of the day.

    Args:
        life: What happens to it, in seconds since the day began.
        checked_at: When somebody asks for a look at it over the HTTP API.
        watched: Whether the schedule looks at it.
    """

    life: RunLife
    checked_at: tuple[float, ...] = ()
    watched: bool = False


def a_day(tick: float) -> list[PlayedRun]:
    """Write the script of a day in which the schedule looks once.

    Args:
        tick: When that is about to be, in seconds since the day began.

    Returns:
        The runs, with new IDs.
    """
    after = tick + 6
    return [
        _run(
            "products → catalog",
            [
                Step(0, "created"),
                Step(5, "started", expected=48_000, received=0),
                Step(11, "started", expected=48_000, received=31_200),
                Step(17, "finished", "success", reason_code="ok"),
            ],
            checked_at=(1, 6, 12, 18),
        ),
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
                    reason="412 of 900 records were refused: the attribute <objectID> is missing "
                    "in product-4711, product-4712 & 410 more",
                    expected=900,
                    received=900,
                ),
            ],
            checked_at=(3, 9, 21),
            type="update",
        ),
        _run("stores → places", [Step(4, "skipped", reason_code="idle")], checked_at=(7,)),
        _run("blog → articles", [Step(10, "created")], watched=True),
        _run(
            "reviews → catalog",
            [
                Step(12, "created"),
                Step(20, "started", expected=12_000, received=4_300),
                Step(after, "finished", "success", reason_code="ok"),
            ],
            watched=True,
            checked_at=(after + 1,),
        ),
        _run(
            "orders → insights",
            [
                Step(15, "started", expected=5_000, received=80),
                Step(
                    30,
                    "finished",
                    "failure",
                    reason_code="critical",
                    reason="The source answered 401: the access token has expired",
                ),
            ],
            watched=True,
            type="push",
        ),
        _run(
            "faq → help",
            [
                Step(18, "started"),
                Step(25, "finished", "success", reason_code="ok"),
            ],
            watched=True,
            type="update",
        ),
        _run("coupons → offers", [Step(28, "skipped", reason_code="no_events")], watched=True),
    ]


def _run(
    task: str,
    steps: list[Step],
    *,
    checked_at: tuple[float, ...] = (),
    watched: bool = False,
    type: str = "reindex",  # noqa: A002 (the vendor's word)
) -> PlayedRun:
    task_id = str(uuid.uuid5(uuid.NAMESPACE_URL, task))
    return PlayedRun(RunLife(str(uuid.uuid4()), task_id, tuple(steps), type), checked_at, watched)
