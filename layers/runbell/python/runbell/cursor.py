"""Where a listing goes on: a table's key, made opaque, and checked when it comes back."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping

from runbell.errors import RequestError

LONGEST = 2_048
"""Characters of a cursor that are read at all."""

LONGEST_KEY = 1_024
"""Bytes that a table's sort key may have."""


def write_cursor(key: Mapping[str, str]) -> str:
    """Make an opaque cursor of a table's key, whose attributes are all strings."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def read_cursor(cursor: str, expected: Mapping[str, str | None]) -> dict[str, str]:
    """Read a cursor back.

    Args:
        cursor: What a caller sent.
        expected: The key's attributes; each with the value it must have, or None for any string.

    Raises:
        RequestError: It is none that `write_cursor` made for this listing.
    """
    refusal = RequestError("is no cursor of this listing: begin again without one", "query.cursor")
    if len(cursor) > LONGEST or not cursor.isascii():
        raise refusal
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise refusal from None
    if not isinstance(key, dict) or key.keys() != expected.keys():
        raise refusal
    for name, value in key.items():
        if not isinstance(value, str) or not value or expected[name] not in {None, value}:
            raise refusal
        try:
            size = len(value.encode())
        except UnicodeEncodeError:  # half of a surrogate pair
            raise refusal from None
        if size > LONGEST_KEY:
            raise refusal
    return key
