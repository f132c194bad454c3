"""Which changes are told, and where. Pure: values in, a value out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from runbell.changes import State
from runbell.run import Outcome, Run, Status


class Kind(StrEnum):
    """What a change means to the people who hear of it."""

    CREATED = "created"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    STALLED = "stalled"
    RESUMED = "resumed"
    """It had stalled and moves again; told to those who hear of stalls."""
    OTHER = "other"
    """A state that this release has no name for. It is always told: nobody could ask for it."""


@dataclass(frozen=True)
class Watch:
    """What somebody asked for about one run; None leaves a wish to the connection's default."""

    channel: str | None = None
    notify_on: frozenset[str] | None = None


@dataclass(frozen=True)
class Routing:
    """Where announcements go and which kinds of change are worth one."""

    channel: str
    notify_on: frozenset[str]

    def with_watch(self, watch: Watch | None) -> Routing:
        """The same, with the wishes of a watch put first."""
        if watch is None:
            return self
        return Routing(
            channel=watch.channel or self.channel,
            notify_on=self.notify_on if watch.notify_on is None else watch.notify_on,
        )


@dataclass(frozen=True)
class Announcement:
    """A change that people are to be told of, in one channel."""

    kind: Kind
    channel: str


def announce(kind: Kind, routing: Routing) -> Announcement | None:
    """Decide whether something that has happened to a run is told, and where."""
    asked_for = Kind.STALLED if kind is Kind.RESUMED else kind
    if kind is not Kind.OTHER and asked_for not in routing.notify_on:
        return None
    return Announcement(kind=kind, channel=routing.channel)


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


def kind_of_standstill(
    previous: Run, current: Run, last_kind: str, quiet_for: timedelta, patience: timedelta | None
) -> Kind | None:
    """Tell whether a started run has stalled, or moves again after it had.

    Args:
        previous: What was known of the run.
        current: What is seen of it now, its state being the same.
        last_kind: The kind of the last thing that happened to it.
        quiet_for: For how long nothing about it has been new.
        patience: How long that may be; None for ever.
    """
    if current.status != Status.STARTED:
        return None
    if last_kind == Kind.STALLED:
        return Kind.RESUMED if current != previous else None
    if patience is None or current != previous or quiet_for < patience:
        return None
    return Kind.STALLED
