"""What a schedule asks of poll, or poll of itself."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runbell.connections import DEFAULT, NAME
from runbell.errors import RequestError
from runbell.run import LONGEST_ID, instant


@dataclass(frozen=True)
class TickRequest:
    """A tick of one connection, or its digest.

    Args:
        connection: Which.
        run_ids: The runs to look at; None when all that could have changed are meant.
        digest: Whether people are to be told how the last day went, instead of a tick.
        at: For when that was scheduled; None where nobody says.
        comeback: The moment of the look ahead of the schedule that this is, instead of a tick.
    """

    connection: str
    run_ids: tuple[str, ...] | None
    digest: bool = False
    at: datetime | None = None
    comeback: str | None = None


def parse_tick(event: Any) -> TickRequest:
    """Read a schedule's Input: {"connection": "default"}, optionally with {"runIDs": [...]}.

    With {"digest": true} it asks for the digest, whose `at` EventBridge Scheduler fills in; one
    that nobody has filled in counts for nothing. See
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html.

    With {"comeback": "…"} it is a look ahead of the schedule. Such a word comes in a batch of one
    from a queue: see Comeback.

    Raises:
        RequestError: It is something else.
    """
    event = _word_in(event)
    if not isinstance(event, dict):
        raise RequestError('must be an object such as {"connection": "default"}', "event")
    connection = event.get("connection", DEFAULT)
    if not isinstance(connection, str) or not re.fullmatch(NAME, connection):
        raise RequestError(
            f"is no name of a connection, such as {DEFAULT!r}: it must match {NAME}",
            "event.connection",
        )
    digest = event.get("digest", False)
    if not isinstance(digest, bool):
        raise RequestError("must be true or false", "event.digest")
    if digest:
        at = event.get("at")
        moment = instant(at) if isinstance(at, str) else None
        return TickRequest(connection, None, digest=True, at=moment)
    comeback = event.get("comeback")
    if comeback is not None:
        if not isinstance(comeback, str):
            raise RequestError("must be a moment", "event.comeback")
        return TickRequest(connection, None, comeback=comeback)
    run_ids = event.get("runIDs")
    if run_ids is None:
        return TickRequest(connection, None)
    if not isinstance(run_ids, list) or not all(
        isinstance(run_id, str) and 0 < len(run_id) <= LONGEST_ID for run_id in run_ids
    ):
        raise RequestError(
            f"must be a list of run IDs, strings of up to {LONGEST_ID} characters", "event.runIDs"
        )
    return TickRequest(connection, tuple(run_ids))


def _word_in(event: Any) -> Any:
    """The queue message in a batch of one; the event itself if it is no batch."""
    records = event.get("Records") if isinstance(event, dict) else None
    if records is None:
        return event
    try:
        [record] = records
        return json.loads(record["body"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise RequestError("must be a batch of one message of JSON", "event.Records") from None
