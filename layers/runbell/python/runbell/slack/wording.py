"""What a change is called: its icon and words, what it happened to, and when."""

from __future__ import annotations

from runbell.connections import DEFAULT
from runbell.items import HistoryEntry, Note, NoteKind, RunItem
from runbell.rules import Kind, Standstill
from runbell.run import Outcome, Status, instant
from runbell.slack.mrkdwn import code_span, date_token, day_and_time, mention, one_line

LONGEST_NAME = 120
"""Characters of an ID, of a name, or of a value that is Algolia's to choose."""

LONGEST_WORD = 1_000
"""Characters of an explanation that comes from elsewhere."""

_LOOK: dict[str, tuple[str, str]] = {
    Kind.CREATED: ("🔵", "is waiting to start"),
    Kind.STARTED: ("🔄", "is running"),
    Kind.SUCCEEDED: ("✅", "succeeded"),
    Kind.RECOVERED: ("💚", "recovered"),
    Kind.FAILED: ("❌", "failed"),
    Kind.BLOCKED: ("⛔", "failed, and Algolia has switched its task off"),
    Kind.SKIPPED: ("⏭️", "was skipped"),
    Kind.STALLED: ("⏳", "has not moved for a while"),
    Kind.RESUMED: ("🔄", "moves again"),
    Kind.MISSED: ("⏰", "is missing"),
}


def headline(item: RunItem, entry: HistoryEntry) -> str:
    """What has happened, and to which task's run, laid out."""
    icon, words = _words(entry)
    name = _name(item)
    if name and item.snapshot is None:
        return f"{icon} A run of *{name}* {words}"
    whose = f"*{name}*" if name else f"Task {code_span(task_id(item), LONGEST_NAME)}"
    action = code_span(_action(item), LONGEST_NAME)
    return f"{icon} *{_subject(item)} {words}*\n{whose} {action}".rstrip()


def plain_headline(item: RunItem, entry: HistoryEntry) -> str:
    """The same in plain words, on one line."""
    icon, words = _words(entry)
    name = _name(item)
    where = "" if item.connection == DEFAULT else f"{one_line(item.connection, LONGEST_NAME)}, "
    task = f"({where}task {one_line(task_id(item), LONGEST_NAME)})"
    if name and item.snapshot is None:
        return f"{icon} A run of {name} {words} {task}"
    called = ", ".join(filter(None, [name, one_line(_action(item), LONGEST_NAME)]))
    return f"{icon} {_subject(item)} {words}{f': {called}' if called else ''} {task}"


def has_name(item: RunItem) -> bool:
    """Whether the headline names the task, and so leaves out its ID."""
    return bool(_name(item))


def task_id(item: RunItem) -> str:
    """The task whose run it is, or was to be."""
    of = item.snapshot or item.missed
    assert of is not None, "what has a change has been seen, or is missing"
    return of.task_id


def moment(item: RunItem, entry: HistoryEntry) -> str:
    """One point of a run's story; Algolia's time for it, else when Runbell saw it."""
    run, time = item.snapshot, None
    if run is not None and entry.kind not in {Kind.STALLED, Kind.RESUMED, Kind.MISSED}:
        times: dict[str, str | None] = {Kind.CREATED: run.created_at, Kind.STARTED: run.started_at}
        time = times.get(entry.kind, run.finished_at)
    at = instant(time) or instant(entry.at)
    icon, words = _words(entry)
    label = entry.kind if entry.kind in _LOOK else words
    return f"{icon} {label} {date_token(at)}" if at else f"{icon} {label}"


def note_in_words(note: Note) -> str:
    """Say what somebody has done about a run, or what came of it."""
    who = mention(note.by or "") or "Somebody"
    text = one_line(note.text, LONGEST_WORD)
    match note.kind:
        case NoteKind.CLAIMED:
            return f"👀 {who} is on it"
        case NoteKind.AGAIN:
            return f"🔁 {who} ran the task again: run {code_span(note.text, LONGEST_NAME)}"
        case NoteKind.REFUSED:
            return f"⚠️ {who} asked to run the task again. {text}"
        case NoteKind.MUTED:
            until = instant(note.text)
            end = day_and_time(until, "until ") if until else "until it recovers"
            return f"🔕 {who} muted this task {end}"
        case NoteKind.RECOVERED:
            return f"💚 The task has recovered: run {code_span(note.text, LONGEST_NAME)}"
        case NoteKind.UNMUTED:
            return f"🔔 {who} unmuted this task"
    return f"{who}: {text}"


def _words(entry: HistoryEntry) -> tuple[str, str]:
    """The icon and the words of a state; never the one without the other."""
    if entry.kind not in _LOOK:
        state = entry.status if entry.outcome is None else f"{entry.status}, {entry.outcome}"
        return "⚪", f"is now “{one_line(state, LONGEST_NAME)}”"
    icon, words = _LOOK[entry.kind]
    if entry.kind == Kind.FAILED and entry.streak > 1:
        return icon, "failed again"
    if entry.kind == Kind.STALLED and entry.standstill == Standstill.OVERTIME:
        return icon, "takes far longer than usual"
    skipped = entry.status == Status.SKIPPED and entry.outcome != Outcome.FAILURE
    if entry.kind == Kind.BLOCKED and skipped:
        return icon, "was skipped: Algolia has switched its task off"
    return icon, words


def _subject(item: RunItem) -> str:
    if item.snapshot is None:
        return "A run"
    kind = one_line(item.snapshot.type, LONGEST_NAME)
    return f"{kind[:1].upper()}{kind[1:]} run" if kind else "A run"


def _name(item: RunItem) -> str:
    """What people call the task: where its records come from and where they go."""
    if item.names is None:
        return ""
    ends = (item.names.source, item.names.index or item.names.destination)
    return " → ".join(text for end in ends if (text := one_line(end or "", LONGEST_NAME)))


def _action(item: RunItem) -> str:
    return (item.names and item.names.action) or ""
