"""What a message says below its headline, line by line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from runbell.events import ErrorGroup, WhatWentWrong
from runbell.items import HistoryEntry, RunItem
from runbell.rules import Kind, Standstill
from runbell.run import Run
from runbell.slack.details import (
    LONGEST_REASON,
    details,
    duration_in_words,
    errors,
    reason,
    shortened,
)

MakeRun = Callable[..., Run]

SINCE = "2026-01-31T07:27:00.000Z"
SINCE_THEN = "<!date^1769844420^since {date_short_pretty} at {time}|since 2026-01-31 07:27 UTC>"
SWITCH_ON = "It runs again once somebody has switched it on, in Algolia"


@pytest.fixture
def lines(make_run: MakeRun) -> Callable[..., list[str]]:
    """Gives the details of a run's only change."""

    def make(kind: str, run: dict[str, Any] | None = None, **fields: Any) -> list[str]:
        entry = HistoryEntry(1, kind, "finished", None, SINCE, announced=True, **fields)
        seen = make_run(**(run or {"finishedAt": "2026-01-31T09:32:00Z"}))
        return details(RunItem("default", seen.run_id, snapshot=seen, history=(entry,)), entry)

    return make


@pytest.fixture
def running(make_run: MakeRun) -> Callable[..., list[str]]:
    """Gives the details of a run that is seen at 09:40, of whose 100 records some have come."""

    def make(
        started: str, kind: str = Kind.STARTED, *, received: int | None, typical: int | None = None
    ) -> list[str]:
        entry = HistoryEntry(1, kind, "started", None, SINCE, announced=True, typical=typical)
        progress = {"expectedNbOfEvents": 100, "receivedNbOfEvents": received}
        come = {} if received is None else {"progress": progress}
        run = make_run(status="started", startedAt=started, **come)
        item = RunItem("default", run.run_id, snapshot=run, history=(entry,))
        return details(replace(item, updated_at="2026-01-31T09:40:00.000Z"), entry)

    return make


@pytest.mark.parametrize(
    ("streak", "threshold", "line"),
    [
        (0, 5, None),
        (0, 1, None),
        (-1, 1, None),
        (1, None, None),
        (1, 5, None),
        (1, 1, "First failure; Algolia switches the task off at this point"),
        (2, None, f"Still failing, 2 in a row {SINCE_THEN}"),
        (
            3,
            5,
            f"Still failing, 3 in a row {SINCE_THEN}; Algolia switches this task off after 5",
        ),
        (
            5,
            5,
            f"Still failing, 5 in a row {SINCE_THEN}; Algolia switches the task off at this point",
        ),
        (6, 5, f"Still failing, 6 in a row {SINCE_THEN}"),  # evidently Algolia has not
        (1_011, 10, f"Still failing, 1,011 in a row {SINCE_THEN}"),
    ],
)
def test_failures_are_counted_once_there_is_a_row_of_them(
    streak: int, threshold: int | None, line: str | None, lines: Callable[..., list[str]]
) -> None:
    told = lines(Kind.FAILED, streak=streak, since=SINCE, threshold=threshold)
    assert told == ([line] if line else [])


@pytest.mark.parametrize("since", [None, "", "soon"])
def test_a_row_without_a_beginning_is_counted_all_the_same(
    since: str | None, lines: Callable[..., list[str]]
) -> None:
    told = lines(Kind.FAILED, streak=4, since=since)
    assert told == ["Still failing, 4 in a row"]


@pytest.mark.parametrize(
    ("streak", "threshold", "told"),
    [
        (0, 5, [SWITCH_ON, "Reason: the task failed too often, so Algolia switched it off"]),
        (1, None, ["1 failure", SWITCH_ON]),
        (1, 1, ["1 failure", SWITCH_ON]),
        (6, 5, [f"6 failures in a row {SINCE_THEN}", SWITCH_ON]),
    ],
)
def test_a_task_that_is_switched_off_says_why_once_and_what_is_to_be_done(
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


@pytest.mark.parametrize("standstill", list(Standstill))
@pytest.mark.parametrize("kind", [Kind.STALLED, Kind.RESUMED])
def test_a_run_that_is_called_stalled_says_since_when_it_runs(
    kind: Kind, standstill: Standstill, lines: Callable[..., list[str]]
) -> None:
    told = lines(kind, {"status": "started", "startedAt": SINCE}, standstill=standstill)
    assert told == ([f"Running {SINCE_THEN}"] if kind is Kind.STALLED else [])
    assert lines(kind, {"status": "started", "startedAt": "soon"}, standstill=standstill) == []


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
    ("started", "finished", "typical", "told"),
    [
        ("2026-01-31T09:30:00Z", "2026-01-31T09:42:00Z", None, ["Took 12 min"]),
        ("2026-01-31T09:30:00Z", "2026-01-31T09:42:00Z", 600, ["Took 12 min, usually 10 min"]),
        ("2026-01-31T09:30:00Z", None, 600, []),
        (None, "2026-01-31T09:42:00Z", 600, []),
        ("2026-01-31T09:43:00Z", "2026-01-31T09:42:00Z", 600, []),
    ],
)
def test_an_ended_run_says_how_long_it_took(
    started: str | None,
    finished: str | None,
    typical: int | None,
    told: list[str],
    lines: Callable[..., list[str]],
) -> None:
    run = {"status": "finished", "startedAt": started, "finishedAt": finished}
    assert lines(Kind.SUCCEEDED, run, typical=typical) == told


@pytest.mark.parametrize(
    ("received", "started", "typical", "end"),
    [
        (50, "09:30", None, "09:50"),  # half of it came in ten minutes
        (50, "09:30", 3_600, "09:50"),  # how far it is counts for more than what is typical
        (4, "09:30", 3_600, "10:30"),  # so little came that it tells nothing
        (4, "09:30", None, None),
        (100, "09:30", 3_600, None),  # all of it is there
        (150, "09:30", 3_600, "10:30"),  # what was expected was wrong
        (None, "09:30", 3_600, "10:30"),
        (None, "09:30", 600, None),  # it would be over by now
        (None, "09:41", 600, None),  # a clock is wrong
    ],
)
def test_a_running_run_says_when_it_will_have_ended(
    received: int | None,
    started: str,
    typical: int | None,
    end: str | None,
    running: Callable[..., list[str]],
) -> None:
    told = running(f"2026-01-31T{started}:00Z", received=received, typical=typical)
    expected = [line for line in told if line.startswith("Expected to end ")]
    assert re.findall(r"\|about 2026-01-31 (.*) UTC>", "".join(expected)) == ([end] if end else [])
    assert len(expected) == (1 if end else 0)


@pytest.mark.parametrize(
    "started", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "soon"]
)
@pytest.mark.parametrize("received", [5, 50, None])
def test_a_beginning_that_makes_no_sense_promises_no_end(
    started: str, received: int | None, running: Callable[..., list[str]]
) -> None:
    told = running(started, received=received, typical=10**9)
    assert not any("Expected" in line for line in told)


def test_a_run_that_stands_still_promises_no_end(running: Callable[..., list[str]]) -> None:
    began = "2026-01-31T09:30:00Z"
    assert any("Expected" in line for line in running(began, received=50))
    assert not any("Expected" in line for line in running(began, Kind.STALLED, received=50))


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


LONG = "x" * 3_000


@pytest.mark.parametrize(
    ("why", "said", "told"),
    [
        (None, (), []),
        ("short", ("short",), []),
        ("x" * LONGEST_REASON, (), []),
        ("two\n lines", ("two\n lines",), []),
        (LONG, (), [("reason", "The reason")]),
        (None, (LONG,), [("error 1", "The error")]),
        (None, ("short", LONG), [("error 2", "Error 2 of 2")]),
        (LONG, (LONG, "short"), [("error 1", "Error 1 of 2"), ("reason", "The reason")]),
        (None, (*tuple("abcde"), LONG), []),  # it is not shown at all
    ],
)
def test_what_a_message_shortens_is_named_errors_first(
    why: str | None,
    said: tuple[str, ...],
    told: list[tuple[str, str]],
    make_run: MakeRun,
) -> None:
    run = make_run(status="finished", outcome="failure", reason=why)
    entry = _failed(WhatWentWrong(tuple(ErrorGroup(text) for text in said), len(said)))
    item = RunItem("default", run.run_id, snapshot=run, history=(entry,))
    assert shortened(item, entry) == [(name, title, LONG) for name, title in told]


def test_the_reason_is_the_latest_changes_alone(make_run: MakeRun) -> None:
    run = make_run(status="finished", outcome="failure", reason=LONG)
    entry = _failed(WhatWentWrong((ErrorGroup(LONG),), 1))
    later = replace(entry, number=2)
    item = RunItem("default", run.run_id, snapshot=run, history=(entry, later))
    assert [name for name, _, _ in shortened(item, entry)] == ["error 1"]
    assert [name for name, _, _ in shortened(item, later)] == ["error 1", "reason"]
    assert reason(item, entry) == ""
    assert reason(item, later).startswith("xxx")


def test_the_reason_of_a_run_that_went_well_is_not_shown(make_run: MakeRun) -> None:
    run = make_run(status="finished", outcome="success", reasonCode="ok", reason=LONG)
    entry = HistoryEntry(1, Kind.SUCCEEDED, "finished", "success", SINCE, announced=True)
    item = RunItem("default", run.run_id, snapshot=run, history=(entry,))
    assert shortened(item, entry) == []
    assert details(item, entry) == []
    assert reason(item, entry) == ""


def test_how_often_a_shortened_error_came_is_said() -> None:
    entry = _failed(WhatWentWrong((ErrorGroup(LONG, 1_200),), 1_200))
    (told,) = shortened(RunItem("default", "run", history=(entry,)), entry)
    assert told == ("error 1", "The error ×1,200", LONG)  # noqa: RUF001


def _failed(what: WhatWentWrong | None) -> HistoryEntry:
    return HistoryEntry(1, Kind.FAILED, "finished", "failure", SINCE, announced=True, errors=what)
