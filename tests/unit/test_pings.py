"""Which failures of a task in a row are told aloud, and in whose thread they and others are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbell.incidents import PING_AGAIN, Incident, is_ping, thread_for, with_failure
from runbell.rules import Kind
from runbell.run import timestamp

BEGIN = datetime(2026, 3, 2, 9, tzinfo=UTC)
TOLD = Incident("run-1", "#runs", 2, timestamp(BEGIN))
OFF = replace(TOLD, pinged=5, is_blocked=True)


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


def fail(
    incident: Incident | None,
    kind: Kind = Kind.FAILED,
    *,
    channel: str = "#runs",
    failures: int = 3,
    at: datetime = BEGIN,
) -> tuple[Incident, bool]:
    """Tell of one more failure, which is run-9's; five of them switch the task off."""
    return with_failure(
        incident,
        kind,
        run_id="run-9",
        channel=channel,
        failures=failures,
        threshold=5,
        now=at,
    )


@pytest.mark.parametrize("kind", [Kind.FAILED, Kind.BLOCKED])
def test_the_first_failure_begins_an_incident_that_is_named_by_its_run(kind: Kind) -> None:
    begun = Incident("run-9", "#runs", 1, timestamp(BEGIN), is_blocked=kind is Kind.BLOCKED)
    assert fail(None, kind, failures=1) == (begun, True)


def test_a_failure_that_pings_nobody_leaves_the_incident_as_it_is() -> None:
    assert fail(TOLD) == (TOLD, False)


def test_a_failure_that_is_told_aloud_belongs_to_the_incident_of_the_first() -> None:
    later = BEGIN + timedelta(hours=1)
    expected = replace(TOLD, pinged=5, pinged_at=timestamp(later))
    assert fail(TOLD, failures=5, at=later) == (expected, True)


def test_another_channel_has_heard_of_none() -> None:
    begun = Incident("run-9", "#elsewhere", 3, timestamp(BEGIN))
    assert fail(TOLD, channel="#elsewhere") == (begun, True)
    assert fail(OFF, Kind.BLOCKED, channel="#elsewhere") == (replace(begun, is_blocked=True), True)


def test_a_task_that_was_switched_on_again_is_told_aloud_in_the_same_thread() -> None:
    assert fail(OFF, Kind.BLOCKED, failures=6) == (OFF, False)
    on, is_aloud = fail(OFF, failures=6)
    assert (on, is_aloud) == (replace(TOLD, pinged=6), True)
    assert fail(on, failures=7) == (on, False)
    off, is_aloud = fail(on, Kind.BLOCKED, failures=8)
    assert (off, is_aloud) == (replace(OFF, pinged=8), True)


@pytest.mark.parametrize(
    ("incident", "run_id", "thread_of", "channel", "told_with"),
    [
        (None, "run-1", None, "#runs", None),
        (None, "run-2", "run-1", "#runs", "run-1"),
        (TOLD, "run-1", None, "#runs", None),
        (TOLD, "run-2", None, "#runs", "run-1"),
        (TOLD, "run-2", "run-1", "#runs", "run-1"),
        (TOLD, "run-2", "run-0", "#runs", "run-1"),
        (TOLD, "run-1", "run-0", "#runs", "run-1"),
        (TOLD, "run-2", None, "#elsewhere", None),
        (TOLD, "run-2", "run-0", "#elsewhere", "run-0"),
        (TOLD, "run-2", "run-0", None, "run-0"),
        (TOLD, "run-1", None, None, None),
    ],
    ids=[
        "no incident",
        "no incident any more",
        "it began the incident",
        "it came after",
        "it is in its thread",
        "it is in an older one's thread",
        "it began the incident in an older one's thread",
        "an incident of another channel",
        "the same, and in a thread",
        "not told, and in a thread",
        "not told",
    ],
)
def test_a_run_is_told_in_the_thread_of_its_tasks_incident(
    incident: Incident | None,
    run_id: str,
    thread_of: str | None,
    channel: str | None,
    told_with: str | None,
) -> None:
    named = thread_for(incident, run_id=run_id, thread_of=thread_of, channel=channel)
    assert named == told_with
