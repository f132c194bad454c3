"""What people may wish for about runs, as it is said in bodies and answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbell.errors import RequestError
from runbell.quiet import WEEKDAYS, QuietHours
from runbell.rules import Watch
from runbell.run import instant, timestamp


def read_wishes(body: Mapping[str, Any], where: str = "body") -> Watch:
    """Read the wishes in a body that is as the contract has it.

    Args:
        body: What holds them, perhaps beside other members.
        where: The place of it, for errors.

    Raises:
        RequestError: `mutedUntil` is no moment that there is, or `quietHours` are none.
    """
    notify_on, mentions = body.get("notifyOn"), body.get("mentions")
    minutes = body.get("stalledAfterMinutes")
    return Watch(
        channel=body.get("channel"),
        notify_on=None if notify_on is None else frozenset(notify_on),
        mentions=None if mentions is None else tuple(mentions),
        muted_until=_moment(body.get("mutedUntil"), f"{where}.mutedUntil"),
        stalled_after=None if minutes is None else int(minutes),  # 15.0 is a whole number too
        quiet_hours=_quiet_hours(body.get("quietHours"), f"{where}.quietHours"),
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
        "quietHours": watch.quiet_hours and _quiet_hours_view(watch.quiet_hours),
    }


def _quiet_hours(said: Mapping[str, Any] | None, where: str) -> QuietHours | None:
    if said is None:
        return None
    hours = QuietHours(
        begin=said["from"],
        end=said["to"],
        timezone=said["timezone"],
        break_through=frozenset(said.get("breakThrough", ())),
        days=frozenset(said.get("days", ())),
    )
    problem = hours.problem()
    if problem is not None:
        raise RequestError(problem, where)
    return hours


def _quiet_hours_view(hours: QuietHours) -> dict[str, Any]:
    days = [day for day in WEEKDAYS if day in hours.days]
    return {
        "from": hours.begin,
        "to": hours.end,
        "timezone": hours.timezone,
        **({"days": days} if days else {}),
        **({"breakThrough": sorted(hours.break_through)} if hours.break_through else {}),
    }


def _moment(text: str | None, where: str) -> str | None:
    """Write a moment as all others are written, so that the same moment is the same text."""
    if text is None:
        return None
    moment = instant(text)
    if moment is None:
        raise RequestError("is no moment that there is, such as 2026-12-24T18:00:00+01:00", where)
    return timestamp(moment)
