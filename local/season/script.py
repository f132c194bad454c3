"""What happens in a season: runs, timetables, and when Runbell looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from local.algolia import RunLife

BEGIN = 1_772_409_600
"""The season's first tick, in seconds since 1970: 2026-03-02, midnight in UTC."""

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Way(Enum):
    """How often a tick runs at its moment."""

    ONCE = 1
    TWICE = 2
    """Once more after it has ended."""
    AT_ONCE = 3
    """Two at the same time."""


@dataclass(frozen=True)
class Tick:
    """A look of Runbell at all that could have changed, in seconds since 1970."""

    at: int
    way: Way = Way.ONCE


@dataclass(frozen=True)
class Planned:
    """What a task's timetable says from a moment on; no `following` run means none is planned."""

    since: int
    last: int
    following: int | None
    enabled: bool = True


@dataclass(frozen=True)
class Timetable:
    """A task with a cron expression, and what it says as time goes by, the earliest first."""

    task_id: str
    cron: str
    plans: Sequence[Planned]

    def at(self, moment: int) -> Planned | None:
        """What it says at a moment."""
        return next((plan for plan in reversed(self.plans) if plan.since <= moment), None)


@dataclass(frozen=True)
class Script:
    """A season; the steps of every life count from 1970.

    Args:
        seed: What it was made of.
        tasks: How many tasks there are.
        lives: The runs, those of a task in the order of their creation.
        timetables: Those of some tasks.
        ticks: When Runbell looks.
        dropped: How many ticks were left out beside those of the outage.
        is_disturbed: Whether the queue loses and doubles words.
    """

    seed: int
    tasks: int
    lives: Sequence[RunLife]
    timetables: Sequence[Timetable]
    ticks: Sequence[Tick]
    dropped: int = 0
    is_disturbed: bool = False

    def ticks_of(self, way: Way) -> int:
        """How many ticks run this way."""
        return sum(tick.way is way for tick in self.ticks)
