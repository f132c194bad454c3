"""What a schedule asks of a tick."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from runbell.connections import DEFAULT, NAME
from runbell.errors import RequestError

LONGEST_ID = 128
"""Characters of a run's ID; the vendor's are UUIDs of 36."""


@dataclass(frozen=True)
class TickRequest:
    """A tick of one connection; `run_ids` is None when all that could have changed is meant."""

    connection: str
    run_ids: tuple[str, ...] | None


def parse_tick(event: Any) -> TickRequest:
    """Read a schedule's Input: {"connection": "default"}, optionally with {"runIDs": [...]}.

    Raises:
        RequestError: It is something else.
    """
    if not isinstance(event, dict):
        raise RequestError('must be an object such as {"connection": "default"}', "event")
    connection = event.get("connection", DEFAULT)
    if not isinstance(connection, str) or not re.fullmatch(NAME, connection):
        raise RequestError(
            f"is no name of a connection, such as {DEFAULT!r}: it must match {NAME}",
            "event.connection",
        )
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
