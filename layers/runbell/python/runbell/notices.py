"""Items of what is told and is no run that was seen: a test message, a missing run, a report.

They go the way of a run's item to Slack. Here is what is written of each, and under which key.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from runbell.items import HistoryEntry, Missed, entry_attributes, known
from runbell.run import timestamp
from runbell.tasks import Names


def trial_item(connection: str, test_id: str, channel: str) -> dict[str, Any]:
    """A test message. No sweep and no listing finds it."""
    blank = _told_once(connection, test_id, channel)
    return {**blank, "test": True}


def missed_id(connection: str, missed: Missed) -> str:
    """What a missing run is called: always the same for a task and a moment."""
    moment = f"{connection} {missed.task_id} {missed.expected_at}"
    return f"missed-{uuid.uuid5(uuid.NAMESPACE_URL, moment)}"


def missed_item(
    connection: str,
    missed: Missed,
    entry: HistoryEntry,
    channel: str,
    names: Names | None,
    thread_of: str | None,
) -> dict[str, Any]:
    """A missing run, and the one change that it is."""
    item = {
        **_told_once(connection, missed_id(connection, missed), channel),
        "missed": asdict(missed),
        "history": [entry_attributes(entry)],
        "names": known(asdict(names)) if names else {},
        "updated_at": entry.at,
    }
    return item if thread_of is None else {**item, "thread_of": thread_of}


def report_item(
    connection: str, name: str, channel: str, report: Mapping[str, Any], at: str
) -> dict[str, Any]:
    """A report with one change to tell, under an ID made of its name."""
    run_id = f"report-{uuid.uuid5(uuid.NAMESPACE_URL, f'{connection} {name}')}"
    entry = HistoryEntry(1, report["kind"], report["kind"], None, at, announced=True)
    return {
        **_told_once(connection, run_id, channel),
        "report": report,
        "history": [entry_attributes(entry)],
        "updated_at": at,
    }


def summary_key(connection: str, end: datetime, channel: str) -> str:
    """Where it is written down that the quiet hours of a channel are to be summed up."""
    return f"summary#{connection}#{timestamp(end)} {channel}"


def summary_item(connection: str, channel: str, begin: datetime, end: datetime) -> dict[str, Any]:
    """That quiet hours have held something back; it is due at their end."""
    until = timestamp(end)
    return {
        "connection": connection,
        "channel": channel,
        "begin": timestamp(begin),
        "end": until,
        "due": connection,
        "due_at": until,
    }


def thread_key(connection: str, thread_of: str, channel: str) -> str:
    """Where it is written down which message stands for a run's own in a channel."""
    return f"thread#{connection}#{thread_of} {channel}"


def _told_once(connection: str, run_id: str, channel: str) -> dict[str, Any]:
    return {
        "connection": connection,
        "run_id": run_id,
        "version": 1,
        "channel": channel,
        "deliveries": {},
    }
