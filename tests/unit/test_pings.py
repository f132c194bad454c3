"""Which failures of a task in a row are told aloud."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbell.incidents import PING_AGAIN, Incident, is_ping
from runbell.rules import Kind
from runbell.run import timestamp

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)


@dataclass
class Row:
    """Failures in a row, told by the rule."""

    threshold: int = 5
    incident: Incident | None = None

    def tell(self, failures: int, at: datetime, kind: Kind = Kind.FAILED) -> bool:
        """Tell one; whether it is told aloud."""
        aloud = is_ping(kind, self.incident, failures, self.threshold, at)
        if aloud:
            is_blocked = kind is Kind.BLOCKED or bool(self.incident and self.incident.is_blocked)
            self.incident = Incident("run-1", "#runs", failures, timestamp(at), is_blocked)
        return aloud


def aloud(row: Row, *failures: int) -> list[int]:
    return [number for number in failures if row.tell(number, BEGIN)]


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [(5, [1, 2, 5]), (3, [1, 2, 3]), (10, [1, 2, 10]), (2, [1, 2]), (1, [1, 2])],
)
def test_of_ten_the_first_the_second_and_the_one_at_the_threshold_are(
    threshold: int, expected: list[int]
) -> None:
    assert aloud(Row(threshold), *range(1, 11)) == expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [((3, 4), [3]), ((1, 4, 6), [1, 4, 6]), ((7, 8, 9), [7]), ((1, 1, 2, 2), [1, 2])],
    ids=["known late", "some not seen", "known beyond the last rung", "seen twice"],
)
def test_a_rung_that_was_passed_unseen_is_made_up_for_once(
    seen: tuple[int, ...], expected: list[int]
) -> None:
    assert aloud(Row(), *seen) == expected


def test_a_task_that_is_switched_off_is_told_aloud_once() -> None:
    row = Row(threshold=5)
    assert aloud(row, 1, 2) == [1, 2]
    assert row.tell(3, BEGIN, Kind.BLOCKED)
    assert not row.tell(3, BEGIN, Kind.BLOCKED)
    assert not row.tell(4, BEGIN)


def test_a_moment_that_makes_no_sense_is_long_ago() -> None:
    incident = replace(Incident("run-1", "#runs", 5, ""), pinged_at="yesterday")
    assert is_ping(Kind.FAILED, incident, 6, 5, BEGIN)


@given(
    gaps=st.lists(st.integers(0, 3_000), min_size=1, max_size=60),
    threshold=st.integers(1, 10),
)
def test_nobody_is_pinged_more_than_that_and_nobody_waits_for_longer_than_a_day(
    gaps: list[int], threshold: int
) -> None:
    row, now = Row(threshold), BEGIN
    pings: list[datetime] = []
    for failures, minutes in enumerate(gaps, start=1):
        now += timedelta(minutes=minutes)
        waited = now - pings[-1] if pings else PING_AGAIN
        is_aloud = row.tell(failures, now)
        assert is_aloud or waited < PING_AGAIN
        if is_aloud:
            pings.append(now)
    days = (now - pings[0]) // PING_AGAIN
    assert len(pings) <= 3 + days
