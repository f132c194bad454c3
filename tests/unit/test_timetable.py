"""When a task's next run is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from runbell.run import instant, timestamp
from runbell.tasks import TaskInfo
from runbell.timetable import (
    LEAST_TOLERANCE,
    MOST_TOLERANCE,
    SLACK_OF_CLOCKS,
    is_answered_by,
    is_still_expected,
    overdue_at,
    tolerance_of,
)

NEXT = "2026-03-02T10:00:00.000Z"
MINUTE = timedelta(minutes=1)


def moment(text: str) -> datetime:
    found = instant(text)
    assert found
    return found


def expecting(rhythm: timedelta | None = timedelta(hours=1), **more: Any) -> TaskInfo:
    last = None if rhythm is None else timestamp(moment(NEXT) - rhythm)
    info = TaskInfo(read_at=NEXT, cron="0 * * * *", last_run=last, next_run=NEXT)
    return replace(info, **more)


@pytest.mark.parametrize(
    ("rhythm", "tolerance"),
    [
        (None, LEAST_TOLERANCE),
        (timedelta(minutes=5), LEAST_TOLERANCE),
        (timedelta(minutes=50), LEAST_TOLERANCE),
        (timedelta(hours=2), timedelta(minutes=12)),
        (timedelta(hours=10), MOST_TOLERANCE),
        (timedelta(days=7), MOST_TOLERANCE),
        (timedelta(days=-1), LEAST_TOLERANCE),
    ],
)
def test_a_run_may_be_late_by_a_tenth_of_its_rhythm_within_bounds(
    rhythm: timedelta | None, tolerance: timedelta
) -> None:
    assert tolerance_of(expecting(rhythm)) == tolerance
    assert overdue_at(expecting(rhythm)) == moment(NEXT) + tolerance


@pytest.mark.parametrize(
    "info", [None, expecting(enabled=False), expecting(next_run=None), expecting(next_run="soon")]
)
def test_nothing_is_missing_where_nothing_is_expected(info: TaskInfo | None) -> None:
    assert overdue_at(info) is None


@pytest.mark.parametrize(
    ("created", "answers"),
    [
        (None, False),
        ("never", False),
        (timestamp(moment(NEXT) - SLACK_OF_CLOCKS - timedelta(milliseconds=1)), False),
        (timestamp(moment(NEXT) - SLACK_OF_CLOCKS), True),
        (NEXT, True),
        (timestamp(moment(NEXT) + 90 * MINUTE), True),
    ],
)
def test_a_run_answers_that_was_created_when_it_was_due_or_later(
    created: str | None, answers: bool
) -> None:
    assert is_answered_by(expecting(), created) is answers


def test_nothing_answers_where_nothing_is_expected() -> None:
    assert not is_answered_by(expecting(next_run=None), NEXT)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"next_run": "2026-03-02T11:00:00.000Z"}, True),
        ({"enabled": False}, False),
        ({"cron": "30 * * * *"}, False),
        ({"cron": None}, False),
        ({"next_run": None}, False),
    ],
)
def test_a_task_that_was_switched_off_or_rescheduled_owes_no_run(
    change: dict[str, Any], expected: bool
) -> None:
    assert is_still_expected(expecting(), expecting(**change)) is expected
