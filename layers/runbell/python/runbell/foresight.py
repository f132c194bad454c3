"""When a look at what runs is worth it, before the schedule's next one. Pure.

A change can be foreseen of a run that is active in sight: one that was created is about to start,
and one that has started ends about when the earlier runs of its task did. Around that moment looks
follow each other closely; before it they wait, and after it they become rarer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runbell.run import Run, Status, instant

CLOSE = timedelta(seconds=10)
"""Between two looks while a change is expected: what is new is a second or two on its way, and is
to be told within fifteen."""

RARER = 0.15
"""Of the time for which a change is overdue, or for which nobody knows when to expect it, how much
lies between two looks."""

MARGIN = 0.1
"""How much sooner or later than any of the earlier runs one may well end."""

FEW = 0.1
"""Of the earlier runs, how many of the shortest, and of the longest, are no measure."""

NEARLY = 0.9
"""Of a run's events, how many have come when it is nearly done."""

LEAST_SHARE = 0.01
"""Of a run's events, how many must have come before they say how long it takes."""

EARNED = timedelta(seconds=80)
"""After which a connection has earned another look ahead of its schedule: 1,080 a day."""

SAVED = 360
"""Looks that it saves up at the most. With those earned that makes 1,440 in any 24 hours."""

THRIFTY = SAVED / 2
"""Looks left below which they follow each other less closely, so that they last."""

LONGEST = timedelta(minutes=4)
"""How far ahead a look is planned. The queue drops a word a minute later."""

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")


@dataclass(frozen=True)
class Prospect:
    """A run that goes on, and how many seconds the latest successful ones of its task took."""

    run: Run
    durations: Sequence[int] = ()


@dataclass(frozen=True)
class Budget:
    """How many looks a connection may take ahead of its schedule.

    A look is one request to Algolia. What it finds takes more, as it would if a tick had found it.

    Args:
        whole_at: When all that were taken are earned again; None if none was taken.
    """

    whole_at: datetime | None = None

    def left(self, now: datetime) -> int:
        """How many it may take."""
        owed = (self.whole_at or now) - now
        return SAVED if owed <= timedelta() else SAVED - -(-owed // EARNED)

    def spent(self, now: datetime) -> Budget:
        """What is left of it after one more look."""
        return Budget(max(self.whole_at or now, now) + EARNED)


def next_look(
    prospects: Iterable[Prospect], now: datetime, budget: Budget, schedule: str
) -> datetime | None:
    """When to look again; None if that can wait for the schedule.

    Args:
        prospects: The runs that go on.
        now: The time of day.
        budget: What the connection may still spend.
        schedule: The connection's, as EventBridge Scheduler writes it.
    """
    left = budget.left(now)
    if left <= 0:
        return None
    pause = CLOSE * max(1.0, THRIFTY / left)
    wait = min((_wait(prospect, now, pause) for prospect in prospects), default=None)
    if wait is None or wait >= min(LONGEST, _interval(schedule)):
        return None
    return now + wait


def _wait(prospect: Prospect, now: datetime, pause: timedelta) -> timedelta:
    """For how long a look at one run is not worth it; for a `pause` at the least."""
    run = prospect.run
    started = instant(run.started_at) if run.status == Status.STARTED else None
    ran = max(now - (started or instant(run.created_at) or now), timedelta())
    first, last = _usual(prospect.durations) if started else (timedelta(), timedelta())
    share = _share(run) if started else 0.0
    if share >= NEARLY and ran < first:
        first = last = timedelta()  # sooner than any before it, so nobody knows when
    elif LEAST_SHARE <= share < NEARLY:
        expected = ran / share * (1 - MARGIN)
        first = min(first or expected, expected)
    overdue = max(ran - last, timedelta())
    return max(pause, first - ran if ran < first else overdue * RARER)


def _usual(durations: Sequence[int]) -> tuple[timedelta, timedelta]:
    """Between which durations a run may well end; none if nothing is known of earlier ones."""
    if not durations:
        return timedelta(), timedelta()
    ordered, few = sorted(durations), int(len(durations) * FEW)
    shortest, longest = ordered[few], ordered[-1 - few]
    return timedelta(seconds=shortest) * (1 - MARGIN), timedelta(seconds=longest) * (1 + MARGIN)


def _share(run: Run) -> float:
    """How much of a run is done, by its events; 0 where nobody says."""
    progress = run.progress
    if progress is None or progress.expected <= 0 or progress.received <= 0:
        return 0.0
    return min(1.0, progress.received / progress.expected)


def _interval(schedule: str) -> timedelta:
    """What lies between two ticks of a schedule; as much as counts where it has no rate."""
    found = _RATE.fullmatch(schedule.strip())
    if found is None:
        return LONGEST
    number, unit = min(int(found[1]), 1_000), found[2]
    return number * timedelta(**{f"{unit}s": 1})
