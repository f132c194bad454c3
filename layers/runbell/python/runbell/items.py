"""What the table remembers of a run, and how that is written as an item's attributes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from runbell.changes import State
from runbell.rules import Watch
from runbell.run import Progress, Run


@dataclass(frozen=True)
class HistoryEntry:
    """One change in a run's life.

    `number` counts a run's changes from 1; `at` is when Runbell saw it (RFC 3339, UTC).
    """

    number: int
    kind: str
    status: str
    outcome: str | None
    at: str
    announced: bool

    @property
    def state(self) -> State:
        """The state that the change led to."""
        return State(self.status, self.outcome)


@dataclass(frozen=True)
class Delivery:
    """What one channel has been told of a run.

    Args:
        channel_id: Slack's own ID of the channel; an edit needs it. None for a webhook.
        ts: Slack's name of the run's message in that channel. None for a webhook.
        told: The number of the last change that was told.
        shown: The version of the item that the message shows.
        error: Slack's last word, if it refused.
        given_up: The number of the last change that was laid away, because Slack will never take
            it here.
    """

    channel_id: str | None = None
    ts: str | None = None
    told: int = 0
    shown: int = 0
    error: str | None = None
    given_up: int = 0


@dataclass(frozen=True)
class RunItem:
    """One run's item.

    `version` grows with each saved look at the run; 0 means that nobody has looked yet.
    `channel` is where the latest announcement belongs; `pending_since` is set while something
    is to be brought to Slack, `unknown_since` while Algolia does not know a run that is looked at.
    """

    connection: str
    run_id: str
    version: int = 0
    snapshot: Run | None = None
    history: tuple[HistoryEntry, ...] = ()
    channel: str | None = None
    pending_since: str | None = None
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)
    watch: Watch | None = None
    watched_since: str | None = None
    active: bool = False
    unknown_since: str | None = None
    updated_at: str | None = None
    test: bool = False

    @property
    def last_change(self) -> int:
        """The number of the run's latest change; 0 before the first."""
        return self.history[-1].number if self.history else 0

    @property
    def delivery(self) -> Delivery:
        """What the run's present channel has been told."""
        return self.deliveries.get(self.channel or "", Delivery())


_RUN_FIELDS = frozenset(each.name for each in fields(Run))
"""What this release knows of a run; a later one may have written more."""


def run_attributes(run: Run) -> dict[str, Any]:
    """Write a run as a map, leaving out what is not known."""
    return {name: value for name, value in asdict(run).items() if value is not None}


def watch_attributes(watch: Watch) -> dict[str, Any]:
    """Write a watch as a map, leaving out what it leaves to the default."""
    attributes: dict[str, Any] = {}
    if watch.channel is not None:
        attributes["channel"] = watch.channel
    if watch.notify_on is not None:
        attributes["notify_on"] = sorted(watch.notify_on)
    return attributes


def parse_item(item: Mapping[str, Any]) -> RunItem:
    """Read a run's item."""
    return RunItem(
        connection=item["connection"],
        run_id=item["run_id"],
        version=int(item.get("version", 0)),
        snapshot=_run(item["snapshot"]) if "snapshot" in item else None,
        history=tuple(_history_entry(entry) for entry in item.get("history", ())),
        channel=item.get("channel"),
        pending_since=item.get("pending_since"),
        deliveries={
            channel: _delivery(entry) for channel, entry in item.get("deliveries", {}).items()
        },
        watch=_watch(item["watch"]) if "watch" in item else None,
        watched_since=item.get("watched_since"),
        active="active" in item,
        unknown_since=item.get("unknown_since"),
        updated_at=item.get("updated_at"),
        test="test" in item,
    )


def _run(attributes: Mapping[str, Any]) -> Run:
    threshold = attributes.get("failure_threshold")
    progress = attributes.get("progress")
    known = {name: attributes[name] for name in _RUN_FIELDS if name in attributes}
    return Run(
        **{
            **known,
            "failure_threshold": None if threshold is None else int(threshold),
            "progress": progress
            and Progress(expected=int(progress["expected"]), received=int(progress["received"])),
        }
    )


def _history_entry(attributes: Mapping[str, Any]) -> HistoryEntry:
    return HistoryEntry(
        number=int(attributes["number"]),
        kind=attributes["kind"],
        status=attributes["status"],
        outcome=attributes.get("outcome"),
        at=attributes["at"],
        announced=attributes["announced"],
    )


def _delivery(attributes: Mapping[str, Any]) -> Delivery:
    return Delivery(
        channel_id=attributes.get("channel_id"),
        ts=attributes.get("ts"),
        told=int(attributes.get("told", 0)),
        shown=int(attributes.get("shown", 0)),
        error=attributes.get("error"),
        given_up=int(attributes.get("given_up", 0)),
    )


def _watch(attributes: Mapping[str, Any]) -> Watch:
    notify_on = attributes.get("notify_on")
    return Watch(
        channel=attributes.get("channel"),
        notify_on=None if notify_on is None else frozenset(notify_on),
    )
