"""Times as the API reads and writes them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(seconds: float) -> datetime:
    """The time so many seconds after 1970, to the millisecond that the API shows."""
    return EPOCH + timedelta(milliseconds=round(seconds * 1000))


def rfc3339(at: datetime) -> str:
    """A time as the API writes it: in UTC, with milliseconds and a Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def time_in(item: Mapping[str, Any], field: str) -> datetime | None:
    """The time an item carries in a field, if there is one that can be read."""
    try:
        read = datetime.fromisoformat(item[field])
    except (KeyError, TypeError, ValueError):
        return None
    return read if read.tzinfo else None
