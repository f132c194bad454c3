"""What a message says below its headline, line by line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from runbell.events import ErrorGroup, WhatWentWrong
from runbell.items import HistoryEntry, RunItem
from runbell.rules import Kind, Standstill
from runbell.run import Run
from runbell.slack.details import details, duration_in_words, errors

MakeRun = Callable[..., Run]

SINCE = "2026-01-31T07:27:00.000Z"
FIRST_FAILED = "<!date^1769844420^{date_short_pretty} at {time}|2026-01-31 07:27 UTC>"


@pytest.fixture
def lines(make_run: MakeRun) -> Callable[..., list[str]]:
    """Gives the details of a run's only change."""

    def make(kind: str, run: dict[str, Any] | None = None, **fields: Any) -> list[str]:
        entry = HistoryEntry(1, kind, "finished", None, SINCE, announced=True, **fields)
        seen = make_run(**(run or {"finishedAt": "2026-01-31T09:32:00Z"}))
        return details(RunItem("default", seen.run_id, snapshot=seen, history=(entry,)), entry)

    return make


@pytest.mark.parametrize(
    ("streak", "threshold", "line"),
    [
        (0, 5, None),
        (0, 1, None),
        (-1, 1, None),
        (1, None, None),
        (1, 5, None),
        (1, 1, "1st failure; Algolia switches the task off at this point"),
        (2, None, f"2nd failure in a row since {FIRST_FAILED}"),
        (
            3,
            5,
            f"3rd failure in a row since {FIRST_FAILED}; Algolia switches this task off after 5",
        ),
        (
            5,
            5,
            f"5th failure in a row since {FIRST_FAILED};"
            " Algolia switches the task off at this point",
        ),
        (
            11,
            10,
            f"11th failure in a row since {FIRST_FAILED};"
            " Algolia switches the task off at this point",
        ),
    ],
)
def test_failures_are_counted_once_there_is_a_row_of_them(
    streak: int, threshold: int | None, line: str | None, lines: Callable[..., list[str]]
) -> None:
    told = lines(Kind.FAILED, streak=streak, since=SINCE, threshold=threshold)
    assert told == ([line] if line else [])


@pytest.mark.parametrize(
    ("streak", "ordinal"),
    [
        (2, "2nd"),
        (4, "4th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (111, "111th"),
        (1003, "1,003rd"),
    ],
)
def test_a_row_without_a_beginning_is_counted_all_the_same(
    streak: int, ordinal: str, lines: Callable[..., list[str]]
) -> None:
    for since in (None, "", "soon"):
        told = lines(Kind.FAILED, streak=streak, since=since)
        assert told == [f"{ordinal} failure in a row"]


@pytest.mark.parametrize(
    ("streak", "threshold", "told"),
    [
        (0, 5, ["Reason: the task failed too often, so Algolia switched it off"]),
        (1, None, ["1 failure"]),
        (1, 1, ["1 failure"]),
        (
            6,
            5,
            [f"6 failures in a row since {FIRST_FAILED}"],
        ),
    ],
)
def test_a_task_that_is_switched_off_says_why_once(
    streak: int, threshold: int | None, told: list[str], lines: Callable[..., list[str]]
) -> None:
    run = {"reasonCode": "blocking"}
    assert lines(Kind.BLOCKED, run, streak=streak, since=SINCE, threshold=threshold) == told


@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.FAILED, Kind.BLOCKED, Kind.RECOVERED}))
def test_what_is_neither_failure_nor_recovery_has_no_row(
    kind: Kind, lines: Callable[..., list[str]]
) -> None:
    assert lines(kind, streak=4, since=SINCE, threshold=5) == []


@pytest.mark.parametrize(
    ("streak", "since", "told"),
    [
        (3, SINCE, ["After 3 failures in a row, failing for 2 h 5 min"]),
        (1, SINCE, ["After 1 failure, failing for 2 h 5 min"]),
        (3, None, ["After 3 failures in a row"]),
        (3, "soon", ["After 3 failures in a row"]),
        (3, "2026-02-01T00:00:00.000Z", ["After 3 failures in a row"]),
        (0, SINCE, []),
    ],
)
def test_a_recovery_tells_from_what(
    streak: int, since: str | None, told: list[str], lines: Callable[..., list[str]]
) -> None:
    assert lines(Kind.RECOVERED, streak=streak, since=since) == told


def test_a_recovery_without_an_end_has_no_duration(lines: Callable[..., list[str]]) -> None:
    told = lines(Kind.RECOVERED, {"status": "finished"}, streak=2, since=SINCE)
    assert told == ["After 2 failures in a row"]


@pytest.mark.parametrize(
    ("standstill", "typical", "told"),
    [
        (Standstill.OVERTIME, 600, ["Usually a run of this task takes 10 min"]),
        (Standstill.OVERTIME, None, []),
        (Standstill.QUIET, 600, []),
        (None, 600, []),
    ],
)
def test_the_usual_duration_is_told_of_what_takes_longer(
    standstill: str | None,
    typical: int | None,
    told: list[str],
    lines: Callable[..., list[str]],
) -> None:
    assert lines(Kind.STALLED, standstill=standstill, typical=typical) == told


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (None, []),
        (WhatWentWrong(), []),
        (WhatWentWrong(events=1), ["1 failed event"]),
        (WhatWentWrong(events=1200), ["1,200 failed events"]),
        (WhatWentWrong((ErrorGroup("a"),), events=1), ["• a"]),
        (WhatWentWrong((ErrorGroup("a"),), events=0), ["• a"]),
        (
            WhatWentWrong((ErrorGroup("a", 2), ErrorGroup("b\n> <!here>")), events=4),
            ["• a ×2", "• b &gt; &lt;!here&gt;", "… and 1 more failed event"],  # noqa: RUF001
        ),
        (
            WhatWentWrong(tuple(ErrorGroup(text) for text in "abcdefg"), events=9),
            [*(f"• {text}" for text in "abcde"), "… and 4 more failed events"],
        ),
    ],
)
def test_errors_are_listed_with_how_often_they_came(
    what: WhatWentWrong | None, told: list[str]
) -> None:
    assert errors(_failed(what)) == told


@pytest.mark.parametrize(("number", "longest"), [(1, 402), (2, 402), (5, 202)])
def test_errors_share_the_room_there_is(number: int, longest: int) -> None:
    what = WhatWentWrong((ErrorGroup("x" * 2_000),) * number, events=number)
    assert [len(line) for line in errors(_failed(what))] == [longest] * number


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=45.9), "45 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(minutes=12, seconds=59), "12 min"),
        (timedelta(hours=1), "1 h"),
        (timedelta(hours=2, minutes=5), "2 h 5 min"),
        (timedelta(days=1, minutes=59), "1 d"),
        (timedelta(days=3, hours=4), "3 d 4 h"),
        (timedelta(days=400), "400 d"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(duration: timedelta, words: str) -> None:
    assert duration_in_words(duration) == words


def _failed(what: WhatWentWrong | None) -> HistoryEntry:
    return HistoryEntry(1, Kind.FAILED, "finished", "failure", SINCE, announced=True, errors=what)
