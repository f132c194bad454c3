"""Which changes are told, and where. Pure: values in, a value out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from runbell.changes import Change, State
from runbell.run import Outcome, Status


class Kind(StrEnum):
    """What a change means to the people who hear of it."""

    CREATED = "created"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
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


def announce(change: Change, routing: Routing) -> Announcement | None:
    """Decide whether a change is told, and where."""
    kind = kind_of(change.after)
    if kind is not Kind.OTHER and kind not in routing.notify_on:
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
