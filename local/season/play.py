"""Plays a season to Runbell and tells what it made of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from local.algolia import AlgoliaStandIn, GivenAnswer
from local.aws import LocalAws
from local.season.delivery import Post
from local.season.missing import name_of
from local.season.oracle import Told
from local.season.parts import Runbell, runbell
from local.season.script import Planned, Script, Tick, Timetable, Way
from runbell.deadline import Deadline
from runbell.items import RunItem
from runbell.run import instant
from runbell.watcher import Report

A_TICK = 600.0
"""Seconds of real time that a tick may take."""

LAST_TICKS = 3
"""Ticks after the season, in which the sweep finds what the queue did not take."""


@dataclass(frozen=True)
class Played:
    """What came of a season.

    Args:
        told: What Runbell has announced, in its order; a missing run as `missing` names it.
        undelivered: The runs of which Slack has not been told all.
        posts: What Slack was told of each, in its order.
        reports: What the ticks have done.
        answers: Those of Algolia that Runbell was given, each distinct one.
        seconds: How long it took.
        refused: The words that the queue did not take at once.
    """

    told: Mapping[str, Sequence[Told]]
    undelivered: Sequence[str]
    posts: Mapping[str, Sequence[Post]]
    reports: Sequence[Report]
    answers: frozenset[GivenAnswer]
    seconds: float
    refused: int


class SeasonClock:
    """The time of day, as the stand-in and as Runbell's parts ask for it."""

    def __init__(self) -> None:
        self.seconds = 0

    def stand_in(self) -> float:
        """Seconds since 1970."""
        return float(self.seconds)

    def now(self) -> datetime:
        """The same as a date."""
        return datetime.fromtimestamp(self.seconds, UTC)


def play(script: Script, aws: LocalAws, *, is_bot: bool) -> Played:
    """Play a season.

    Args:
        script: What happens.
        aws: Where Runbell's table is made.
        is_bot: Whether Slack is a bot's, and no webhook's.
    """
    began, clock = time.monotonic(), SeasonClock()
    disturbance = Random(script.seed) if script.is_disturbed else None
    answers: set[GivenAnswer] = set()
    with (
        AlgoliaStandIn(clock=clock.stand_in) as algolia,
        runbell(aws, algolia, clock.now, is_bot=is_bot, disturbance=disturbance) as parts,
    ):
        algolia.on_answer = answers.add
        algolia.play(*script.lives, start=0)
        reports: list[Report] = []
        put: dict[str, Planned] = {}
        for tick in script.ticks:
            clock.seconds = tick.at
            for timetable in script.timetables:
                plan = timetable.at(tick.at)
                if plan is not None and put.get(timetable.task_id) is not plan:
                    algolia.put_task(_document(timetable, plan))
                    put[timetable.task_id] = plan
            reports += _tick(parts, tick)
        for _ in range(LAST_TICKS if script.is_disturbed else 0):
            reports.append(parts.watcher.tick(Deadline(A_TICK), run_ids=()))
        items = parts.items()
        posts: dict[str, list[Post]] = {}
        names = {item.run_id: _name(item) for item in items}
        for post in parts.slack.posts:
            posts.setdefault(names[post.run_id], []).append(post)
        return Played(
            told={_name(item): _told(item) for item in items},
            undelivered=[_name(item) for item in items if not _is_delivered(item)],
            posts=posts,
            reports=reports,
            answers=frozenset(answers),
            seconds=time.monotonic() - began,
            refused=parts.queue.refused,
        )


def _tick(parts: Runbell, tick: Tick) -> list[Report]:
    def look(_: int) -> Report:
        return parts.watcher.tick(Deadline(A_TICK))

    match tick.way:
        case Way.ONCE:
            return [look(1)]
        case Way.TWICE:
            return [look(1), look(2)]
        case Way.AT_ONCE:
            with ThreadPoolExecutor(2) as pool:
                return [*pool.map(look, (1, 2))]


def _document(timetable: Timetable, plan: Planned) -> dict[str, object]:
    following = {} if plan.following is None else {"nextRun": _moment(plan.following)}
    return {
        "taskID": timetable.task_id,
        "cron": timetable.cron,
        "enabled": plan.enabled,
        "action": "replace",
        "lastRun": _moment(plan.last),
        **following,
    }


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _name(item: RunItem) -> str:
    if item.missed is None:
        return item.run_id
    expected = instant(item.missed.expected_at)
    assert expected is not None, "a missing run has its moment"
    return name_of(item.missed.task_id, int(expected.timestamp()))


def _told(item: RunItem) -> list[Told]:
    return [Told(str(entry.kind), entry.streak) for entry in item.history if entry.announced]


def _is_delivered(item: RunItem) -> bool:
    last = max((entry.number for entry in item.history if entry.announced), default=0)
    return item.pending_since is None and item.delivery.told >= last
