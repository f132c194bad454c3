"""What the table remembers of a run, and how that is written as an item's attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from runbell.changes import State
from runbell.events import ErrorGroup, WhatWentWrong
from runbell.incidents import Incident
from runbell.quiet import QuietHours
from runbell.rules import Mute, Watch
from runbell.run import Progress, Run
from runbell.tasks import Names, TaskInfo, TaskItem, parse_story


@dataclass(frozen=True)
class HistoryEntry:
    """One change in a run's life.

    Args:
        number: Counts a run's changes from 1.
        kind: What it means; see `rules.Kind`.
        status, outcome: The state that it led to.
        at: When Runbell saw it (RFC 3339, UTC).
        announced: Whether people are told of it.
        mentions: Whom to mention with it; see `rules.Watch`.
        streak: For a failure, how many runs of its task in a row have failed, this one included; 0
            if a later run is known to have ended. For a recovery, how many had failed.
        since: When the first of those failures ended (RFC 3339, UTC).
        threshold: After how many Algolia switches the task off.
        standstill: Why the run is called stalled; see `rules.Standstill`.
        typical: How many seconds a run of its task takes typically, where that is known.
        errors: What went wrong.
        hushed: Whether it is told in its thread only, because people have just been pinged for the
            same.
        held_until: The end of the quiet hours (RFC 3339, UTC) whose summary tells it instead.
        held_in: The channel whose quiet hours they are.
    """

    number: int
    kind: str
    status: str
    outcome: str | None
    at: str
    announced: bool
    mentions: tuple[str, ...] = ()
    streak: int = 0
    since: str | None = None
    threshold: int | None = None
    standstill: str | None = None
    typical: int | None = None
    errors: WhatWentWrong | None = None
    hushed: bool = False
    held_until: str | None = None
    held_in: str | None = None

    @property
    def state(self) -> State:
        """The state that the change led to."""
        return State(self.status, self.outcome)


class NoteKind(StrEnum):
    """What somebody did about a run from Slack, or what came of it."""

    CLAIMED = "claimed"
    """Somebody looks after it."""
    AGAIN = "again"
    """The task runs again: `text` is the new run's ID."""
    REFUSED = "refused"
    """The task could not be run again: `text` says why."""
    MUTED = "muted"
    """Somebody silenced the task: `text` is until when, or empty for until it recovers."""
    UNMUTED = "unmuted"
    RECOVERED = "recovered"
    """A later run of the task has succeeded: `text` is that run's ID."""


_MUTES = frozenset({NoteKind.MUTED, NoteKind.UNMUTED})


@dataclass(frozen=True)
class Note:
    """A word about a run that is no change of it; it is told in the run's thread.

    Args:
        kind: What was done.
        by: Slack's ID of who did it; None for Runbell itself.
        at: When (RFC 3339, UTC).
        text: More about it; see NoteKind.
    """

    kind: str
    by: str | None
    at: str
    text: str = ""

    @property
    def is_pressed(self) -> bool:
        """Whether somebody can have it said as often as they press a button."""
        return self.kind in {NoteKind.CLAIMED, NoteKind.MUTED, NoteKind.UNMUTED}

    def is_among(self, notes: Sequence[Note]) -> bool:
        """Whether the same was said before, and holds; a mute holds until it is taken back."""
        if self.kind in _MUTES:
            notes = [note for note in notes if note.kind in _MUTES][-1:]
        said = [(note.kind, note.by, note.text) for note in notes]
        return (self.kind, self.by, self.text) in said


@dataclass(frozen=True)
class Delivery:
    """What one channel has been told of a run.

    Args:
        channel_id: Slack's own ID of the channel; an edit needs it. None for a webhook.
        ts: Slack's name of the run's message in that channel. None for a webhook.
        told: The number of the last change that was told.
        shown: The version of the item that the message shows.
        error: Slack's last word, if it refused.
        detail: What more is known of it, in a sentence for people.
        given_up: The number of the last change that was laid away, because Slack will never take
            it here.
        parts: How many messages of the change after `told` are out already: a failure with long
            errors takes several.
        noted: How many of the run's notes were told.
        thread: The message in whose thread the run's own is, if it is in another run's.
        shown_at: When the run's message was posted or edited last (RFC 3339, UTC).
    """

    channel_id: str | None = None
    ts: str | None = None
    told: int = 0
    shown: int = 0
    error: str | None = None
    detail: str | None = None
    given_up: int = 0
    parts: int = 0
    noted: int = 0
    thread: str | None = None
    shown_at: str | None = None


@dataclass(frozen=True)
class Missed:
    """A run that was to be created and was not: `expected_at` is RFC 3339, UTC."""

    task_id: str
    expected_at: str


@dataclass(frozen=True)
class RunItem:
    """One run's item.

    `version` grows with each saved look at the run; 0 means that nobody has looked yet.
    `channel` is where the latest announcement belongs; `pending_since` is set while something
    is to be brought to Slack, `unknown_since` while Algolia does not know a run that is looked at.
    `thread_of` is the run in whose thread it is told: the first failure of its task in a row, or
    the one that somebody had run again.
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
    due_at: str | None = None
    unknown_since: str | None = None
    updated_at: str | None = None
    names: Names | None = None
    thread_of: str | None = None
    notes: tuple[Note, ...] = ()
    missed: Missed | None = None
    report: Mapping[str, Any] | None = None
    test: bool = False

    @property
    def is_active(self) -> bool:
        """Whether the run is looked at: as far as known it has not ended, and somebody cares."""
        return self.due_at is not None

    @property
    def last_change(self) -> int:
        """The number of the run's latest change; 0 before the first."""
        return self.history[-1].number if self.history else 0

    @property
    def delivery(self) -> Delivery:
        """What the run's present channel has been told."""
        return self.deliveries.get(self.channel or "", Delivery())


def run_key(connection: str, run_id: str) -> str:
    """Where a run's item is."""
    return f"run#{connection}#{run_id}"


def task_key(connection: str, task_id: str) -> str:
    """Where a task's item is."""
    return f"task#{connection}#{task_id}"


def subject_of(key: str, connection: str) -> tuple[str, str]:
    """Tell what an item of a connection is about: `run` or `task`, and its ID."""
    kind, _, rest = key.partition("#")
    return kind, rest.removeprefix(f"{connection}#")


_SAID = frozenset({"number", "kind", "status", "at", "announced"})
"""What is said of every change."""

_RUN_FIELDS = frozenset(each.name for each in fields(Run))
"""What this release knows of a run; a later one may have written more."""


def run_attributes(run: Run) -> dict[str, Any]:
    """Write a run as a map, leaving out what is not known."""
    return {name: value for name, value in asdict(run).items() if value is not None}


def watch_attributes(watch: Watch) -> dict[str, Any]:
    """Write a watch as a map, leaving out what it leaves to the default."""
    attributes = known(asdict(watch))
    if watch.notify_on is not None:
        attributes["notify_on"] = sorted(watch.notify_on)
    if watch.mentions is not None:
        attributes["mentions"] = list(watch.mentions)
    if not watch.insists:
        del attributes["insists"]
    if watch.quiet_hours is not None:
        hours = watch.quiet_hours
        attributes["quiet_hours"] = {
            **asdict(hours),
            "break_through": sorted(hours.break_through),
            "days": sorted(hours.days),
        }
    return attributes


def entry_attributes(entry: HistoryEntry) -> dict[str, Any]:
    """Write a change as a map, leaving out what there is nothing to say of."""
    attributes = {name: value for name, value in asdict(entry).items() if value or name in _SAID}
    if entry.mentions:
        attributes["mentions"] = list(entry.mentions)
    if entry.errors is not None:
        groups = [[group.text, group.count] for group in entry.errors.groups]
        attributes["errors"] = {"groups": groups, "events": entry.errors.events}
    return attributes


def info_attributes(info: TaskInfo) -> dict[str, Any]:
    """Write what Algolia says of a task as a map."""
    return {**known(asdict(info)), "names": known(asdict(info.names))}


def known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A map without what is not known."""
    return {name: value for name, value in attributes.items() if value is not None}


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
        watch=parse_watch(item["watch"]) if "watch" in item else None,
        watched_since=item.get("watched_since"),
        due_at=item.get("due_at"),
        unknown_since=item.get("unknown_since"),
        updated_at=item.get("updated_at"),
        names=_names(item["names"]) if "names" in item else None,
        thread_of=item.get("thread_of"),
        notes=tuple(_note(each) for each in item.get("notes", ())),
        report=item.get("report"),
        missed=_missed(item["missed"]) if "missed" in item else None,
        test="test" in item,
    )


def parse_task_item(item: Mapping[str, Any]) -> TaskItem:
    """Read a task's item."""
    blank = TaskItem(item["connection"], item["task_id"])
    return TaskItem(
        connection=item["connection"],
        task_id=item["task_id"],
        version=int(item.get("version", 0)),
        story=parse_story(item["story"]) if "story" in item else blank.story,
        info=_info(item["info"]) if "info" in item else None,
        incident=_incident(item["incident"]) if "incident" in item else None,
        mute=_mute(item["mute"]) if "mute" in item else None,
        watch=parse_watch(item["watch"]) if "watch" in item else None,
        watched_since=item.get("watched_since"),
        look_through="look_through" in item,
        due_at=item.get("due_at"),
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
    threshold, typical = attributes.get("threshold"), attributes.get("typical")
    return HistoryEntry(
        number=int(attributes["number"]),
        kind=attributes["kind"],
        status=attributes["status"],
        outcome=attributes.get("outcome"),
        at=attributes["at"],
        announced=attributes["announced"],
        mentions=tuple(attributes.get("mentions", ())),
        streak=int(attributes.get("streak", 0)),
        since=attributes.get("since"),
        threshold=None if threshold is None else int(threshold),
        standstill=attributes.get("standstill"),
        typical=None if typical is None else int(typical),
        errors=_errors(attributes["errors"]) if "errors" in attributes else None,
        hushed=attributes.get("hushed", False),
        held_until=attributes.get("held_until"),
        held_in=attributes.get("held_in"),
    )


def _note(attributes: Mapping[str, Any]) -> Note:
    return Note(
        attributes["kind"], attributes.get("by"), attributes["at"], attributes.get("text", "")
    )


def _incident(attributes: Mapping[str, Any]) -> Incident:
    return Incident(
        run_id=attributes["run_id"],
        channel=attributes["channel"],
        pinged=int(attributes["pinged"]),
        pinged_at=attributes["pinged_at"],
        is_blocked=attributes["is_blocked"],
    )


def _mute(attributes: Mapping[str, Any]) -> Mute:
    return Mute(attributes["by"], attributes["at"], attributes.get("until"))


def _errors(attributes: Mapping[str, Any]) -> WhatWentWrong:
    groups = tuple(ErrorGroup(text, int(count)) for text, count in attributes["groups"])
    return WhatWentWrong(groups, int(attributes["events"]))


def _delivery(attributes: Mapping[str, Any]) -> Delivery:
    return Delivery(
        channel_id=attributes.get("channel_id"),
        ts=attributes.get("ts"),
        told=int(attributes.get("told", 0)),
        shown=int(attributes.get("shown", 0)),
        error=attributes.get("error"),
        detail=attributes.get("detail"),
        given_up=int(attributes.get("given_up", 0)),
        parts=int(attributes.get("parts", 0)),
        noted=int(attributes.get("noted", 0)),
        thread=attributes.get("thread"),
        shown_at=attributes.get("shown_at"),
    )


def parse_watch(attributes: Mapping[str, Any]) -> Watch:
    """Read a watch back."""
    notify_on, mentions = attributes.get("notify_on"), attributes.get("mentions")
    stalled_after = attributes.get("stalled_after")
    return Watch(
        channel=attributes.get("channel"),
        notify_on=None if notify_on is None else frozenset(notify_on),
        mentions=None if mentions is None else tuple(mentions),
        muted_until=attributes.get("muted_until"),
        stalled_after=None if stalled_after is None else int(stalled_after),
        insists=attributes.get("insists", False),
        quiet_hours=_quiet_hours(attributes["quiet_hours"])
        if "quiet_hours" in attributes
        else None,
    )


def _quiet_hours(attributes: Mapping[str, Any]) -> QuietHours:
    return QuietHours(
        begin=attributes["begin"],
        end=attributes["end"],
        timezone=attributes["timezone"],
        break_through=frozenset(attributes["break_through"]),
        days=frozenset(attributes["days"]),
    )


def _names(attributes: Mapping[str, Any]) -> Names:
    return Names(
        source=attributes.get("source"),
        destination=attributes.get("destination"),
        index=attributes.get("index"),
        action=attributes.get("action"),
    )


def _info(attributes: Mapping[str, Any]) -> TaskInfo:
    threshold = attributes.get("critical_threshold")
    return TaskInfo(
        read_at=attributes["read_at"],
        names=_names(attributes.get("names", {})),
        cron=attributes.get("cron"),
        enabled=attributes.get("enabled", True),
        last_run=attributes.get("last_run"),
        next_run=attributes.get("next_run"),
        critical_threshold=None if threshold is None else int(threshold),
    )


def _missed(attributes: Mapping[str, Any]) -> Missed:
    return Missed(attributes["task_id"], attributes["expected_at"])
