"""When a task's next run is due, and when it is missing. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from runbell.run import instant
from runbell.tasks import TaskInfo

LEAST_TOLERANCE = timedelta(minutes=5)
MOST_TOLERANCE = timedelta(hours=1)
"""How late a run may be created, whatever the task's rhythm."""

SHARE_TOLERATED = 10
"""Within these bounds a run may be late by a tenth of the time between two of them."""

SLACK_OF_CLOCKS = timedelta(minutes=1)
"""By how much a run may seem to be created before it was due."""


def overdue_at(info: TaskInfo | None) -> datetime | None:
    """The moment from which on a task's next run is missing; None if none is expected."""
    expected = instant(info.next_run) if info and info.enabled else None
    return expected + tolerance_of(info) if info and expected else None


def tolerance_of(info: TaskInfo) -> timedelta:
    """How late a task's next run may be created."""
    last, following = instant(info.last_run), instant(info.next_run)
    rhythm = following - last if last and following else timedelta(0)
    return min(MOST_TOLERANCE, max(LEAST_TOLERANCE, rhythm / SHARE_TOLERATED))


def is_answered_by(info: TaskInfo, created_at: str | None) -> bool:
    """Whether a run that was created then is the one that was expected, or a later one."""
    expected, created = instant(info.next_run), instant(created_at)
    return bool(expected and created and created >= expected - SLACK_OF_CLOCKS)


def is_still_expected(before: TaskInfo, now: TaskInfo) -> bool:
    """Whether nobody has switched the task off or changed its timetable meanwhile."""
    return now.enabled and now.cron == before.cron and now.next_run is not None
