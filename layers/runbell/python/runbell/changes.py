"""What has happened to a run between two looks at it. Pure: values in, a value out."""

from __future__ import annotations

from dataclasses import dataclass, replace

from runbell.run import Run, Status

_RANK: dict[str, int] = {
    Status.CREATED: 0,
    Status.STARTED: 1,
    Status.FINISHED: 2,
    Status.SKIPPED: 2,
}
"""created < started < finished = skipped; an unknown status has no rank."""


@dataclass(frozen=True)
class State:
    """The part of a run that people care about."""

    status: str
    outcome: str | None


@dataclass(frozen=True)
class Change:
    """What has happened to a run; `before` is None at first sight.

    The two are the same where only time has passed, or has stopped passing: a run that stalls.
    """

    before: State | None
    after: State


def compare(previous: Run | None, current: Run) -> Change | None:
    """Tell how a run's status and outcome differ from what was known of it.

    None means that nobody needs to hear of it: the state is the same, or `current` is stale.
    """
    if previous is None:
        return Change(before=None, after=state_of(current))
    if is_stale(previous, current) or state_of(previous) == state_of(current):
        return None
    return Change(before=state_of(previous), after=state_of(current))


def is_stale(previous: Run, current: Run) -> bool:
    """Whether `current` was read before `previous`, whichever arrived first.

    A run only goes on: a status of lower rank is an old one, and so is the same status when its
    outcome is gone again. What has no rank is never called stale.
    """
    rank_before, rank_now = _RANK.get(previous.status), _RANK.get(current.status)
    if rank_before is None or rank_now is None:
        return False
    if previous.status == current.status:
        return previous.outcome is not None and current.outcome is None
    return rank_now < rank_before


def keep_details(previous: Run, current: Run) -> Run:
    """Give `current` the details that an earlier look at the same state had and it lacks.

    Two looks may overtake each other, and then details would come and go.
    """
    facts = ("started_at", "finished_at", "reason", "reason_code", "progress")
    lacking = {fact: getattr(previous, fact) for fact in facts if not getattr(current, fact)}
    before, now = previous.progress, current.progress
    if before and now and before.expected == now.expected and now.received < before.received:
        lacking["progress"] = before
    return replace(current, **lacking)


def state_of(run: Run) -> State:
    """Take from a run what people care about."""
    return State(run.status, run.outcome)
