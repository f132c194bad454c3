"""When it is quiet: in zones, over midnight, on days, and where clocks are put forward or back."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbell.quiet import WEEKDAYS, QuietHours

NIGHT = QuietHours("22:00", "07:00", "Europe/Paris")
HOUR = timedelta(hours=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        ("2026-01-12 20:59:59", None),
        ("2026-01-12 21:00:00", ("2026-01-12 21:00", "2026-01-13 06:00")),
        ("2026-01-13 00:00:00", ("2026-01-12 21:00", "2026-01-13 06:00")),
        ("2026-01-13 05:59:59", ("2026-01-12 21:00", "2026-01-13 06:00")),
        ("2026-01-13 06:00:00", None),
        ("2026-01-13 12:00:00", None),
        ("2026-07-13 19:59:59", None),
        ("2026-07-13 20:00:00", ("2026-07-13 20:00", "2026-07-14 05:00")),
    ],
)
def test_a_night_is_that_of_its_zone_in_winter_and_in_summer(
    now: str, hours: tuple[str, str] | None
) -> None:
    assert NIGHT.around(utc(now)) == (hours and (utc(hours[0]), utc(hours[1])))


@pytest.mark.parametrize(
    ("now", "is_quiet"),
    [("11:59", False), ("12:00", True), ("13:59", True), ("14:00", False)],
)
def test_hours_need_not_go_over_midnight(now: str, is_quiet: bool) -> None:
    lunch = QuietHours("12:00", "14:00")
    found = lunch.around(utc(f"2026-01-12 {now}"))
    assert found == ((utc("2026-01-12 12:00"), utc("2026-01-12 14:00")) if is_quiet else None)


@pytest.mark.parametrize(
    ("zone", "begin", "end"),
    [
        ("Asia/Kolkata", "2026-01-12 16:30", "2026-01-13 01:30"),
        ("America/Los_Angeles", "2026-01-13 06:00", "2026-01-13 15:00"),
        ("Pacific/Kiritimati", "2026-01-12 08:00", "2026-01-12 17:00"),
        ("Pacific/Pago_Pago", "2026-01-12 09:00", "2026-01-12 18:00"),
    ],
)
def test_a_zone_may_be_far_from_greenwich(zone: str, begin: str, end: str) -> None:
    hours = QuietHours("22:00", "07:00", zone)
    for now in (utc(begin), utc(begin) + 4 * HOUR, utc(end) - timedelta(seconds=1)):
        assert hours.around(now) == (utc(begin), utc(end))
    assert hours.around(utc(begin) - timedelta(seconds=1)) is None
    assert hours.around(utc(end)) is None


def test_a_night_is_an_hour_shorter_when_clocks_are_put_forward_and_longer_when_back() -> None:
    """Europe/Paris on 29 March and 25 October 2026."""
    forward, back = NIGHT.around(utc("2026-03-29 01:30")), NIGHT.around(utc("2026-10-25 01:30"))
    assert forward == (utc("2026-03-28 21:00"), utc("2026-03-29 05:00"))
    assert back == (utc("2026-10-24 20:00"), utc("2026-10-25 06:00"))


@pytest.mark.parametrize("text", ["02:00", "02:30", "02:59"])
def test_a_time_that_the_clocks_leave_out_is_as_far_behind_the_last_one(text: str) -> None:
    """At 02:00 it becomes 03:00, so that 02:30 is what is 03:30 then."""
    minutes = timedelta(minutes=int(text[3:]))
    hours = QuietHours("22:00", text, "Europe/Paris")
    assert hours.around(utc("2026-03-29 00:30")) == (
        utc("2026-03-28 21:00"),
        utc("2026-03-29 01:00") + minutes,
    )


def test_of_a_time_that_comes_twice_the_first_counts() -> None:
    """At 03:00 it becomes 02:00 again."""
    until = QuietHours("22:00", "02:30", "Europe/Paris")
    assert until.around(utc("2026-10-25 00:29")) == (
        utc("2026-10-24 20:00"),
        utc("2026-10-25 00:30"),
    )
    assert until.around(utc("2026-10-25 01:00")) is None


def test_days_are_those_on_which_they_begin() -> None:
    weekdays = QuietHours(
        "22:00", "07:00", "Europe/Paris", days=frozenset({"mon", "tue", "wed", "thu"})
    )
    quiet = [
        day
        for day in range(12, 19)  # 12 January 2026 is a Monday
        if weekdays.around(utc(f"2026-01-{day} 23:30"))  # half an hour past midnight in Paris
    ]
    assert quiet == [12, 13, 14, 15]
    assert weekdays.around(utc("2026-01-16 05:30")), "Thursday's night ends on Friday"
    assert weekdays.around(utc("2026-01-12 05:30")) is None, "Sunday's is none"


DAYS = st.frozensets(st.sampled_from(WEEKDAYS))
TIMES = st.times().map(lambda at: f"{at:%H:%M}")
ZONES = st.sampled_from(
    ["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
)
MOMENTS = st.datetimes(
    min_value=datetime.fromisoformat("2000-01-01"),
    max_value=datetime.fromisoformat("2060-01-01"),
    timezones=st.just(UTC),
)


@given(begin=TIMES, end=TIMES, zone=ZONES, days=DAYS, now=MOMENTS)
def test_quiet_hours_around_now_contain_it(
    begin: str, end: str, zone: str, days: frozenset[str], now: datetime
) -> None:
    """They begin on one of their days, at their time of day unless the clocks leave it out."""
    hours = QuietHours(begin, end, zone, days=days)
    if begin == end:
        assert hours.problem()
        return
    assert hours.problem() is None
    found = hours.around(now)
    if found is None:
        return
    began, ends = found
    assert began <= now < ends
    assert ends - began <= 25 * HOUR
    assert hours.around(began) is not None
    assert hours.around(ends - timedelta(seconds=1)) is not None
    here = began.astimezone(zoneinfo.ZoneInfo(zone))
    assert not days or WEEKDAYS[here.weekday()] in days
    off = abs(
        datetime.combine(date.min, here.time())
        - datetime.combine(date.min, time.fromisoformat(begin))
    )
    assert off <= HOUR


@given(begin=TIMES, end=TIMES, now=MOMENTS)
def test_a_moment_is_either_in_some_hours_or_in_what_is_left_of_the_day(
    begin: str, end: str, now: datetime
) -> None:
    if begin != end:
        quiet = QuietHours(begin, end).around(now) is not None
        assert quiet != (QuietHours(end, begin).around(now) is not None)


@pytest.mark.parametrize(
    ("hours", "problem"),
    [
        (QuietHours("24:00", "07:00"), "has the from '24:00', which is no time of day"),
        (QuietHours("22:00", "7:00"), "has the to '7:00', which is no time of day"),
        (QuietHours("22:00\n", "07:00"), "has the from '22:00\\n', which is no time of day"),
        (QuietHours("22:00", "22:00"), "end when they begin"),
        (QuietHours("22:00", "07:00", ""), "has the timezone ''"),
        (QuietHours("22:00", "07:00", "Europe/Nowhere"), "has the timezone 'Europe/Nowhere'"),
        (QuietHours("22:00", "07:00", "Europe"), "has the timezone 'Europe'"),
        (QuietHours("22:00", "07:00", "../../etc/passwd"), "has the timezone"),
        (QuietHours("22:00", "07:00", "/etc/passwd"), "has the timezone"),
        (QuietHours("22:00", "07:00", "Mars/\x00"), "has the timezone"),
        (QuietHours("22:00", "07:00", "Zürich"), "has the timezone"),
    ],
)
def test_what_are_no_quiet_hours_is_said(hours: QuietHours, problem: str) -> None:
    assert (hours.problem() or "").startswith(problem)


@given(zone=st.text(max_size=64))
def test_any_zone_is_either_known_or_a_problem(zone: str) -> None:
    hours = QuietHours("22:00", "07:00", zone)
    if hours.problem() is None:
        hours.around(utc("2026-01-12 12:00"))


@pytest.mark.usefixtures("_no_zones_of_the_system")
def test_zones_are_known_where_the_system_has_none() -> None:
    assert NIGHT.problem() is None
    assert NIGHT.around(utc("2026-07-13 20:00")) == (
        utc("2026-07-13 20:00"),
        utc("2026-07-14 05:00"),
    )


@pytest.fixture
def _no_zones_of_the_system() -> Iterator[None]:
    """Leaves the layer's own zone data alone."""
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath()
    zoneinfo.ZoneInfo.clear_cache()
