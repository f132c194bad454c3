"""A run as Algolia's Ingestion API describes it, read with tolerance.

The vendor's vocabulary has changed before (the outcome `processing` went away in January 2025),
so a value that Runbell does not know is kept and shown, never refused.
See https://www.algolia.com/doc/rest-api/ingestion/get-run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from runbell.errors import MalformedRunError
from runbell.text import clip

LONGEST_ID = 128
"""Characters of an ID; the vendor's are UUIDs of 36."""

MAX_WORD = 300
"""Characters of any other value that is Algolia's to choose, IDs aside."""

MAX_REASON = 12_000
"""Characters of a run's reason that are kept: a table's item holds 400 KB in all."""

LARGEST_NUMBER = 2**63
"""Numbers beyond it are no counts of anything; a table's number ends at 38 digits."""


class Status(StrEnum):
    """The statuses that the vendor documents."""

    CREATED = "created"
    STARTED = "started"
    FINISHED = "finished"
    SKIPPED = "skipped"


class Outcome(StrEnum):
    """The outcomes that the vendor documents."""

    SUCCESS = "success"
    FAILURE = "failure"


class ReasonCode(StrEnum):
    """The codes by which the vendor explains an outcome."""

    INTERNAL = "internal"
    CANCELLED = "cancelled"
    CRITICAL = "critical"
    NO_EVENTS = "no_events"
    TOO_MANY_ERRORS = "too_many_errors"
    LACKING_EVENTS = "lacking_events"
    OK = "ok"
    BLOCKING = "blocking"
    IDLE = "idle"


TERMINAL = frozenset({Status.FINISHED, Status.SKIPPED})


@dataclass(frozen=True)
class Progress:
    """How many of a run's events have been received."""

    expected: int
    received: int


@dataclass(frozen=True)
class Run:
    """One run of a task.

    `status`, `outcome`, `type` and `reason_code` are plain strings, because the vendor's lists
    move. Times are the vendor's RFC 3339 strings; `instant` reads them.
    """

    run_id: str
    app_id: str
    task_id: str
    status: str
    type: str
    created_at: str
    started_at: str | None = None
    finished_at: str | None = None
    outcome: str | None = None
    reason: str | None = None
    reason_code: str | None = None
    failure_threshold: int | None = None
    progress: Progress | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended: nothing but its details can still change."""
        return self.status in TERMINAL


def parse_run(document: object) -> Run:
    """Read a run as the API answers it.

    Required fields must be there and be strings. An optional field of the wrong type counts as
    absent; a field that is not documented is left aside.

    Raises:
        MalformedRunError: It is no object, or a required field is missing or no string.
    """
    if not isinstance(document, Mapping):
        raise MalformedRunError(None, "the run", f"is no object but {_kind(document)}")
    run_id = _required(document, "runID", None)
    reason = _text(document, "reason")
    return Run(
        run_id=run_id,
        app_id=_required(document, "appID", run_id),
        task_id=_required(document, "taskID", run_id),
        status=clip(_required(document, "status", run_id), MAX_WORD),
        type=clip(_required(document, "type", run_id), MAX_WORD),
        created_at=_required(document, "createdAt", run_id),
        started_at=_word(document, "startedAt"),
        finished_at=_word(document, "finishedAt"),
        outcome=_word(document, "outcome"),
        reason=clip(reason, MAX_REASON) if reason else None,
        reason_code=_word(document, "reasonCode"),
        failure_threshold=_number(document, "failureThreshold"),
        progress=_progress(document.get("progress")),
    )


def instant(timestamp: str | None) -> datetime | None:
    """Read one of the vendor's timestamps, in UTC; None when there is none or it makes no sense."""
    if not timestamp:
        return None
    try:
        moment = datetime.fromisoformat(timestamp)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def timestamp(moment: datetime) -> str:
    """Write a moment so that texts sort as moments do (RFC 3339, UTC, milliseconds)."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _required(document: Mapping[str, Any], field: str, run_id: str | None) -> str:
    value = document.get(field)
    if value is None:
        raise MalformedRunError(run_id, field, "is missing")
    if not isinstance(value, str):
        raise MalformedRunError(run_id, field, f"is no string but {_kind(value)}")
    if not value:
        raise MalformedRunError(run_id, field, "is empty")
    return _writable(value)


def _text(document: Mapping[str, Any], field: str) -> str | None:
    value = document.get(field)
    return _writable(value) if isinstance(value, str) and value else None


def _word(document: Mapping[str, Any], field: str) -> str | None:
    text = _text(document, field)
    return clip(text, MAX_WORD) if text else None


def _writable(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can say and a table can't hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _number(document: Mapping[str, Any], field: str) -> int | None:
    value = document.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > LARGEST_NUMBER:
        return None
    return value


def _progress(document: object) -> Progress | None:
    if not isinstance(document, Mapping):
        return None
    expected = _number(document, "expectedNbOfEvents")
    received = _number(document, "receivedNbOfEvents")
    if expected is None or received is None:
        return None
    return Progress(expected=expected, received=received)


def _kind(value: object) -> str:
    """Name a JSON value's type the way a reader of JSON would."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"
