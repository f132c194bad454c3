"""Which runs are missing that a timetable has promised, by the timetable and the looks alone."""

from __future__ import annotations

from collections.abc import Iterable

from local.season.script import HOUR, MINUTE, Planned, Timetable

LEAST_TOLERANCE = 5 * MINUTE
MOST_TOLERANCE = HOUR
SHARE_TOLERATED = 10
EARLY = MINUTE
"""By how much a run may be created before it was due."""

LOOK_AGAIN = HOUR
"""After which a timetable that promises nothing new is looked at again."""


def missing(
    timetable: Timetable, created: Iterable[float], read_at: int, looks: Iterable[int]
) -> list[str]:
    """Name the runs that are told to be missing.

    Args:
        timetable: What was promised.
        created: When runs were created.
        read_at: When Runbell read the timetable for the first time.
        looks: When Runbell looks after that.
    """
    creations = [*created]
    named: dict[str, None] = {}
    plan = timetable.at(read_at)
    due = _overdue(plan)
    for now in looks:
        if plan is None or due is None:
            break
        if now < due:
            continue
        after = timetable.at(now)
        came = any(_answers(plan, moment) for moment in creations if moment <= now)
        was_due = (_overdue(plan) or now + 1) <= now
        if was_due and not came and after and after.enabled and plan.following is not None:
            named[name_of(timetable.task_id, plan.following)] = None
        overdue = _overdue(after)
        is_judged = after is not None and after.following == plan.following
        is_late = overdue is not None and overdue <= now
        due = now + LOOK_AGAIN if is_judged and is_late else overdue
        plan = after
    return [*named]


def name_of(task_id: str, moment: int) -> str:
    """What a missing run is called here."""
    return f"{task_id} at {moment}"


def _overdue(plan: Planned | None) -> int | None:
    if plan is None or not plan.enabled or plan.following is None:
        return None
    share = (plan.following - plan.last) // SHARE_TOLERATED
    return plan.following + min(MOST_TOLERANCE, max(LEAST_TOLERANCE, share))


def _answers(plan: Planned, created: float) -> bool:
    return plan.following is not None and created >= plan.following - EARLY
