"""Which changes are told, where, and to whom. Pure: values in, a value out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from runbell.changes import State
from runbell.quiet import QuietHours
from runbell.run import Outcome, ReasonCode, Run, Status, instant

OVERTIME = 3
"""How many times its task's typical duration a run may take."""

LEAST_OVERTIME = timedelta(minutes=5)
"""What a run may take in any case: three times a few seconds is no standstill."""

LEAST_KNOWN = 3
"""Runs of a task that must have succeeded before one of them can be called typical."""


class Kind(StrEnum):
    """What a change means to the people who hear of it."""

    CREATED = "created"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    RECOVERED = "recovered"
    """It succeeded, and the run of its task before it had failed."""
    FAILED = "failed"
    BLOCKED = "blocked"
    """Algolia has switched its task off, because too many runs in a row have failed."""
    SKIPPED = "skipped"
    STALLED = "stalled"
    RESUMED = "resumed"
    """It had stalled and moves again."""
    MISSED = "missed"
    """It was to be created by now, and was not."""
    OTHER = "other"
    """A state that this release has no name for. It is always told: nobody could ask for it."""


ASKED_BY: dict[Kind, tuple[Kind, ...]] = {
    Kind.RECOVERED: (Kind.RECOVERED, Kind.SUCCEEDED),
    Kind.BLOCKED: (Kind.FAILED,),
    Kind.RESUMED: (Kind.STALLED,),
    Kind.MISSED: (Kind.STALLED,),
}
"""The words of a notify-on set that ask for a kind, where they are not the kind's own name."""


MUST_BE_SEEN = frozenset(
    {Kind.RECOVERED, Kind.FAILED, Kind.BLOCKED, Kind.STALLED, Kind.MISSED},
)
"""What an edit is too quiet for: it is told in a post of its own, which mentions people."""

FAILURES = frozenset({Kind.FAILED, Kind.BLOCKED})
"""What an incident is made of."""

ENDS_A_MUTE = frozenset({Kind.SUCCEEDED, Kind.RECOVERED})
"""What a task that is muted until it recovers is waiting for."""


class Standstill(StrEnum):
    """Why a run is called stalled."""

    QUIET = "quiet"
    """Nothing about it has been new for too long."""
    OVERTIME = "overtime"
    """It runs for a multiple of the typical duration."""


@dataclass(frozen=True)
class Watch:
    """What somebody asked for about a run or a task; None leaves a wish to the next in line.

    Args:
        channel: Where to announce it.
        notify_on: The kinds of change that are worth a word.
        mentions: Whom to mention where people must look: Slack's IDs of users (U…, W…) and user
            groups (S…), `here` or `channel`.
        muted_until: Nothing is announced before this moment (RFC 3339).
        stalled_after: Minutes without news after which a started run counts as stalled; 0 for
            never.
        quiet_hours: When announcements are held back.
        insists: Whether it is told whatever is muted or held back: somebody has just asked for it.
    """

    channel: str | None = None
    notify_on: frozenset[str] | None = None
    mentions: tuple[str, ...] | None = None
    muted_until: str | None = None
    stalled_after: int | None = None
    quiet_hours: QuietHours | None = None
    insists: bool = False


@dataclass(frozen=True)
class Mute:
    """A task that somebody silenced from Slack.

    Args:
        by: Slack's ID of who did.
        at: When (RFC 3339, UTC).
        until: For how long (RFC 3339, UTC); None until the task recovers.
    """

    by: str
    at: str
    until: str | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether its time is up; one until a recovery is over when it is taken away."""
        until = instant(self.until)
        return until is not None and now >= until


@dataclass(frozen=True)
class Routing:
    """Where announcements go and which kinds of change are worth one."""

    channel: str
    notify_on: frozenset[str]
    mentions: tuple[str, ...] = ()
    muted_until: str | None = None
    stalled_after: timedelta | None = None
    quiet_hours: QuietHours | None = None
    mute: Mute | None = None
    insists: bool = False

    def with_watch(self, watch: Watch | None) -> Routing:
        """The same, with the wishes of a watch put first."""
        if watch is None:
            return self
        routing = self
        if watch.channel is not None:
            routing = replace(routing, channel=watch.channel)
        if watch.notify_on is not None:
            routing = replace(routing, notify_on=watch.notify_on)
        if watch.mentions is not None:
            routing = replace(routing, mentions=watch.mentions)
        if watch.muted_until is not None:
            routing = replace(routing, muted_until=watch.muted_until)
        if watch.stalled_after is not None:
            patience = timedelta(minutes=watch.stalled_after) if watch.stalled_after else None
            routing = replace(routing, stalled_after=patience)
        if watch.quiet_hours is not None:
            routing = replace(routing, quiet_hours=watch.quiet_hours)
        return replace(routing, insists=routing.insists or watch.insists)


@dataclass(frozen=True)
class Announcement:
    """A change that people are to be told of, in one channel.

    Args:
        kind: What it means.
        channel: Where.
        mentions: Whom to mention.
        held: The quiet hours (begin and end, UTC) that hold it back; it is told in their summary.
        hushed: Whether it is told in its thread only, for nobody's notice.
    """

    kind: Kind
    channel: str
    mentions: tuple[str, ...] = ()
    held: tuple[datetime, datetime] | None = None
    hushed: bool = False


def announce(
    kind: Kind,
    routing: Routing,
    now: datetime,
    *,
    owed: bool = False,
    in_incident: bool = False,
) -> Announcement | None:
    """Decide whether something that has happened to a run is told, and where.

    Args:
        kind: What has happened.
        routing: What people asked for.
        now: The time of day, for what is muted or held back.
        owed: Whether people were told that the run had stalled, and so must hear what became of
            it.
        in_incident: Whether people were told of failures of its task that it comes after.
    """
    words = ASKED_BY.get(kind, (kind,))
    asked = any(word in routing.notify_on for word in words)
    if not asked and not owed and kind is not Kind.OTHER:
        return None
    said = Announcement(kind, routing.channel, routing.mentions)
    if routing.insists:
        return said
    until = instant(routing.muted_until)
    if until is not None and now < until:
        return None
    # The thread that told of the failures tells that they are over, silently if it must.
    ends_a_thread = kind is Kind.RECOVERED and in_incident
    if routing.mute is not None and not _is_let_through(kind, routing.mute, now):
        return replace(said, hushed=True) if ends_a_thread else None
    hours = routing.quiet_hours
    held = hours.around(now) if hours else None
    if hours is None or held is None:
        return said
    breaks = hours.break_through
    # Who was woken by the beginning of something hears of its end.
    ends_what_woke = (ends_a_thread and Kind.FAILED in breaks) or (owed and Kind.STALLED in breaks)
    if ends_what_woke or any(word in breaks for word in words):
        return said
    return replace(said, hushed=True) if ends_a_thread else replace(said, held=held)


def _is_let_through(kind: Kind, mute: Mute, now: datetime) -> bool:
    """Whether a mute leaves something to be told.

    One until the task recovers must not hide that Algolia has switched it off: then it never will.
    """
    return mute.is_over(now) or (
        mute.until is None and (kind in ENDS_A_MUTE or kind is Kind.BLOCKED)
    )


def kind_of(state: State) -> Kind:
    """Name what a state means; a failure counts before anything else."""
    if state.outcome == Outcome.FAILURE:
        return Kind.FAILED
    if state.status == Status.SKIPPED:
        return Kind.SKIPPED
    if state.status == Status.FINISHED and state.outcome == Outcome.SUCCESS:
        return Kind.SUCCEEDED
    if state.outcome is None and state.status in {Status.CREATED, Status.STARTED}:
        return Kind(state.status)
    return Kind.OTHER


def kind_in_story(state: State, reason_code: str | None, failures_before: int) -> Kind:
    """Name what a state means, given how the runs of the same task before it have ended.

    Args:
        state: Of the run.
        reason_code: Algolia's explanation of it.
        failures_before: How many runs in a row had failed before it.
    """
    kind = kind_of(state)
    if kind in {Kind.FAILED, Kind.SKIPPED} and reason_code == ReasonCode.BLOCKING:
        return Kind.BLOCKED
    if kind is Kind.SUCCEEDED and failures_before:
        return Kind.RECOVERED
    return kind


def may_take(typical: timedelta | None) -> timedelta | None:
    """Give the duration beyond which a run of a task is called stalled; None for any."""
    return None if typical is None else max(LEAST_OVERTIME, OVERTIME * typical)


def has_resumed(previous: Run, current: Run, stalls: Sequence[str]) -> bool:
    """Whether a run that was last called stalled moves again.

    One that takes too long need not have stood still, so only its end is news.
    """
    is_running = current.status == Status.STARTED
    return is_running and stalls[-1] == Standstill.QUIET and current != previous


def standstill_of(
    previous: Run,
    current: Run,
    stalls: Sequence[str],
    *,
    quiet_for: timedelta,
    patience: timedelta | None,
    running_for: timedelta | None,
    at_most: timedelta | None,
) -> Standstill | None:
    """Tell whether a started run that is not called stalled is so now, and why.

    Args:
        previous: What was known of the run.
        current: What is seen of it now, its state being the same.
        stalls: Why it was called stalled before; one that has been needs not hear that it takes
            long.
        quiet_for: For how long nothing about it has been new.
        patience: How long that may be; None for ever, then nothing is ever called stalled.
        running_for: How long it has been running, as far as that is known.
        at_most: How long it may run; None for ever.
    """
    if current.status != Status.STARTED or patience is None:
        return None
    if current == previous and quiet_for >= patience:
        return Standstill.QUIET
    if not stalls and running_for is not None and at_most is not None and running_for >= at_most:
        return Standstill.OVERTIME
    return None
