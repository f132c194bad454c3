"""How a look at a run is written: each write under the condition that nobody was faster."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from runbell.items import (
    HistoryEntry,
    RunItem,
    entry_attributes,
    known,
    run_attributes,
    run_key,
    task_key,
)
from runbell.table import Write
from runbell.tasks import TaskItem, story_attributes

HISTORY_KEPT = 100
"""Changes of a run that are kept: an item holds 400 KB in all, and a state that Algolia moves to
and fro for ever must not fill it."""

ERRORS_KEPT = 2
"""Changes of a run, the latest ones, of which it is kept what went wrong, for the same reason: see
`events.LONGEST_IN_ALL`."""

UNKNOWN = ("unknown_since",)
DUE = ("due", "due_at")
EXPIRY = "expires_at"


def write_of_run(
    before: RunItem, saved: RunItem, *, is_change: bool, announce_in: str | None, expiry: int
) -> Write:
    """Make of a run's item the next.

    Args:
        before: The item as it was read. The write holds only if nobody has written it since.
        saved: What it is to be.
        is_change: Whether its history has a new entry.
        announce_in: The channel that has to be brought up to date, if any.
        expiry: When the item may go, in seconds since 1970, once nobody needs it.
    """
    from boto3.dynamodb.conditions import Attr

    version = Attr("version")
    assert saved.snapshot is not None, "a look at a run has seen it"
    put: dict[str, Any] = {
        "connection": saved.connection,
        "run_id": saved.run_id,
        "recent": saved.connection,
        "version": saved.version,
        "snapshot": run_attributes(saved.snapshot),
        "updated_at": saved.updated_at,
    }
    if is_change:
        put["history"] = [entry_attributes(each) for each in saved.history]
    if saved.names is not None:
        put["names"] = known(asdict(saved.names))
    if saved.thread_of is not None:
        put["thread_of"] = saved.thread_of
    keep: dict[str, Any] = {"deliveries": {}}
    if announce_in is not None:
        # Saved with the change, so that a crash right after it announces it later.
        put |= {"channel": announce_in, "pending": saved.connection}
        keep["pending_since"] = saved.pending_since
        # A mere detail does not hurry a sweep that leaves the run to the queue.
        (put if is_change else keep)["pending_due"] = saved.updated_at
    remove = [*UNKNOWN]
    if saved.is_active:
        put |= {"due": saved.connection, "due_at": saved.due_at}
    else:
        remove += DUE
    if announce_in is not None or saved.is_active:
        remove.append(EXPIRY)  # what is looked at or still to be told does not expire
    else:
        put[EXPIRY] = expiry
    no_look_since = version.eq(before.version) if before.version else version.not_exists()
    # Who puts or deletes a watch says when the run is due; then it is compared once more.
    due_at = Attr("due_at")
    as_due = due_at.eq(before.due_at) if before.due_at else due_at.not_exists()
    key = run_key(saved.connection, saved.run_id)
    return Write(key, put, keep, remove, no_look_since & as_due)


def write_of_task(before: TaskItem, after: TaskItem, *, expiry: int) -> Write:
    """Go on with what is told of a task: its story, its incident, its mute.

    Args:
        before: The item as it was read. The write holds only if nobody has written it since.
        after: What it is to be.
        expiry: When the item may go, in seconds since 1970, unless somebody watches the task.
    """
    from boto3.dynamodb.conditions import Attr

    version, watch = Attr("version"), Attr("watch")
    no_end_since = version.eq(before.version) if before.version else version.not_exists()
    as_watched = watch.exists() if before.watch else watch.not_exists()
    put: dict[str, Any] = {
        "connection": after.connection,
        "task_id": after.task_id,
        "version": before.version + 1,
        "story": story_attributes(after.story),
    }
    remove: list[str] = []
    if after.incident is not None:
        put["incident"] = asdict(after.incident)
    elif before.incident is not None:
        remove.append("incident")
    as_silenced = None
    if after.mute is None and before.mute is not None:
        remove.append("mute")
        as_silenced = Attr("mute").eq(known(asdict(before.mute)))  # no other was asked for since
    if before.watch is None:
        put[EXPIRY] = expiry
    else:
        remove.append(EXPIRY)  # what is watched does not expire
    key = task_key(after.connection, after.task_id)
    condition = no_end_since & as_watched
    condition = condition & as_silenced if as_silenced is not None else condition
    return Write(key, put, remove=tuple(remove), condition=condition)


def history_with(item: RunItem, entry: HistoryEntry | None) -> tuple[HistoryEntry, ...]:
    """The changes of a run with one more, as far as they are kept."""
    if entry is None:
        return item.history
    history = (*item.history, entry)[-HISTORY_KEPT:]
    old = [replace(each, errors=None) for each in history[:-ERRORS_KEPT]]
    return (*old, *history[-ERRORS_KEPT:])
