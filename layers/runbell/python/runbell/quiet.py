"""Quiet hours: when people want to hear of nothing but the worst. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days on which quiet hours may begin."""


@dataclass(frozen=True)
class QuietHours:
    """A time of day during which announcements are held back, and summed up at its end.

    Args:
        begin, end: Times of day, `HH:MM`; an end before the beginning is that of the next day.
        timezone: The zone they are in, as the IANA database names it, such as `Europe/Paris`.
        break_through: The words of a notify-on set that are announced all the same.
        days: On which days they begin; all of them when empty.
    """

    begin: str
    end: str
    timezone: str = "UTC"
    break_through: frozenset[str] = frozenset()
    days: frozenset[str] = frozenset()

    def problem(self) -> str | None:
        """Say what is wrong with them, in words that go on after their name; None if nothing is."""
        for name, text in (("from", self.begin), ("to", self.end)):
            if not _TIME.fullmatch(text):
                return f"has the {name} {text!r}, which is no time of day such as 22:00"
        if self.begin == self.end:
            return "end when they begin: give a from and a to that differ"
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return f"has the timezone {self.timezone!r}, which is none such as Europe/Paris"
        return None

    def around(self, now: datetime) -> tuple[datetime, datetime] | None:
        """Give the beginning and the end (UTC) of the quiet hours that `now` is in, if it is."""
        zone = ZoneInfo(self.timezone)
        today = now.astimezone(zone).date()
        for day in (today - timedelta(days=1), today):
            if self.days and WEEKDAYS[day.weekday()] not in self.days:
                continue
            begin = _at(day, self.begin, zone)
            end = _at(day if self.end > self.begin else day + timedelta(days=1), self.end, zone)
            if begin <= now < end:
                return begin, end
        return None


def _at(day: date, text: str, zone: ZoneInfo) -> datetime:
    """A time of day on a day; one that the clocks leave out is as far behind the one before."""
    return datetime.combine(day, time.fromisoformat(text), zone).astimezone(UTC)
