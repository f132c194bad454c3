"""How long another side asks us to wait, as HTTP says it."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime


def parse_retry_after(value: str | None) -> float | None:
    """Read a Retry-After header: seconds, with or without a fraction, or an HTTP date.

    See https://www.rfc-editor.org/rfc/rfc9110#field.retry-after. None when it makes no sense.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return max(0.0, seconds) if seconds < float("inf") else None
