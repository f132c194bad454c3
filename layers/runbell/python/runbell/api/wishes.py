"""What people may wish for about runs, as it is said in bodies and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbell.errors import RequestError
from runbell.rules import Watch
from runbell.run import instant, timestamp


def read_wishes(body: Mapping[str, Any], where: str = "body") -> Watch:
    """Read the wishes in a body that is as the contract has it.

    Args:
        body: What holds them, perhaps beside other members.
        where: The place of it, for errors.

    Raises:
        RequestError: `mutedUntil` is no moment that there is.
    """
    notify_on, mentions = body.get("notifyOn"), body.get("mentions")
    minutes = body.get("stalledAfterMinutes")
    return Watch(
        channel=body.get("channel"),
        notify_on=None if notify_on is None else frozenset(notify_on),
        mentions=None if mentions is None else tuple(mentions),
        muted_until=_moment(body.get("mutedUntil"), f"{where}.mutedUntil"),
        stalled_after=None if minutes is None else int(minutes),  # 15.0 is a whole number too
    )


def wishes_view(watch: Watch | None) -> dict[str, Any]:
    """Say what was wished for; what was left to the next in line is None."""
    watch = watch or Watch()
    return {
        "channel": watch.channel,
        "notifyOn": None if watch.notify_on is None else sorted(watch.notify_on),
        "mentions": None if watch.mentions is None else list(watch.mentions),
        "mutedUntil": watch.muted_until,
        "stalledAfterMinutes": watch.stalled_after,
    }


def _moment(text: str | None, where: str) -> str | None:
    """Write a moment as all others are written, so that the same moment is the same text."""
    if text is None:
        return None
    moment = instant(text)
    if moment is None:
        raise RequestError("is no moment that there is, such as 2026-12-24T18:00:00+01:00", where)
    return timestamp(moment)
