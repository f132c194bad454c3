"""Whole seasons of runs, and an oracle that knows what had to be told of each."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from local.algolia import RunLife, Step
from local.aws import LocalAws
from local.season.accepted import accepted
from local.season.oracle import AmbiguousScriptError, expected
from local.season.play import play
from local.season.script import BEGIN, MINUTE, Planned, Script, Tick, Timetable, Way
from local.season.verdict import kinds, verdict
from local.season.writing import write

EVERY_KIND = {
    "created",
    "started",
    "succeeded",
    "recovered",
    "failed",
    "blocked",
    "skipped",
    "stalled",
    "resumed",
    "missed",
}


def at(
    minute: float,
    status: str,
    outcome: str | None = None,
    *,
    code: str | None = None,
    done: int | None = None,
) -> Step:
    """A step so many minutes after the beginning; `done` is how far the run is, of a hundred."""
    most = None if done is None else 100
    moment = BEGIN + round(minute * MINUTE)
    return Step(moment, status, outcome, reason_code=code, expected=most, received=done)


def told(
    *runs: list[Step], looks: Iterable[int], way: Way = Way.ONCE, plans: tuple[Planned, ...] = ()
) -> list[str]:
    """What the oracle wants of each run of one task, in words, by looks in these minutes."""
    lives = [RunLife(f"run-{number}", "task-1", steps) for number, steps in enumerate(runs)]
    ticks = [Tick(BEGIN + minute * MINUTE, way) for minute in looks]
    timetables = [Timetable("task-1", "0 * * * *", plans)] if plans else []
    script = Script(0, 1, lives, timetables, ticks)
    return [", ".join(map(str, tellings)) for tellings in expected(script).values()]


def assert_told_right(aws: LocalAws, seed: int, *, tasks: int, disturbed: bool) -> None:
    script = write(seed, tasks=tasks, disturbed=disturbed)
    played = play(script, aws, is_bot=seed % 2 == 1)
    found, answers = verdict(script, played), accepted(played.answers)
    assert not found.differences, "\n".join([found.line, *found.differences])
    assert not answers.refused
    assert answers.count


# ---- What the oracle wants, by hand ----------------------------------------------------------


def test_a_state_that_no_tick_saw_is_not_told() -> None:
    run = [at(1, "created"), at(2, "started"), at(3, "finished", "success")]

    assert told(run, looks=(0, 2, 9)) == ["started, succeeded"]
    assert told(run, looks=(0, 9)) == ["succeeded"]


def test_what_was_over_before_the_first_tick_is_not_told_and_counts() -> None:
    over = [at(-9, "started"), at(-5, "finished", "failure")]
    active = [at(-2, "started"), at(3, "finished", "failure")]

    assert told(over, active, looks=(0, 5)) == ["", "started, failed 2"]


def test_skipped_runs_and_unknown_outcomes_leave_a_streak_alone() -> None:
    runs = [
        [at(1, "finished", "failure")],
        [at(2, "skipped", code="idle")],
        [at(3, "finished", "failure", code="blocking")],
        [at(4, "finished", "partial")],
        [at(5, "skipped", code="blocking")],
        [at(6, "finished", "success")],
        [at(7, "finished", "success")],
    ]

    wanted = ["failed 1", "skipped", "blocked 2", "other", "blocked 2", "recovered 2", "succeeded"]
    assert told(*runs, looks=(0, 10)) == wanted


def test_failures_count_by_their_ends_whichever_run_was_created_first() -> None:
    first = [at(1, "started"), at(9, "finished", "failure")]
    second = [at(2, "started"), at(8, "finished", "failure")]

    assert told(first, second, looks=(0, 5, 10)) == ["started, failed 2", "started, failed 1"]


def test_a_run_without_news_for_an_hour_stalls_once_and_resumes_with_the_next() -> None:
    run = [at(1, "started"), at(31, "started", done=5), at(149, "started", done=6)]

    assert told(run, looks=range(0, 92, 2)) == ["started"]
    assert told(run, looks=range(0, 94, 2)) == ["started, stalled"]
    assert told(run, looks=range(0, 200, 2)) == ["started, stalled, resumed"]
    assert told(run, looks=range(0, 300, 2)) == ["started, stalled, resumed, stalled"]


def test_a_run_that_takes_three_times_as_long_as_usual_stalls_until_its_end() -> None:
    usual = [
        [at(-60 + 12 * n, "started"), at(-50 + 12 * n, "finished", "success")] for n in range(3)
    ]
    run = [at(1, "started"), *(at(9 * n, "started", done=n) for n in range(1, 9))]
    run.append(at(80, "finished", "success"))

    assert told(*usual, run, looks=range(0, 32, 2)) == ["", "", "", "started"]
    assert told(*usual, run, looks=range(0, 90, 2))[-1] == "started, stalled, succeeded"
    assert told(*usual[1:], run, looks=range(0, 90, 2))[-1] == "started, succeeded"


def test_a_run_is_missing_once_its_tolerance_is_over() -> None:
    run = [at(1, "finished", "success")]
    plans = (Planned(BEGIN, BEGIN - 60 * MINUTE, BEGIN + 60 * MINUTE),)

    assert told(run, looks=range(0, 66, 2), plans=plans) == ["succeeded"]
    assert told(run, looks=range(0, 300, 2), plans=plans) == ["succeeded", "missed"]
    late = [at(62, "created")]
    assert told(run, late, looks=range(0, 300, 2), plans=plans) == ["succeeded", "created"]


def test_a_script_in_which_two_looks_at_once_could_tell_either_is_refused() -> None:
    usual = [[at(n - 9, "started"), at(n - 8, "finished", "success")] for n in range(3)]
    long = [at(1, "started"), at(21, "finished", "success")]

    assert told(*usual, long, looks=(0, 20, 30))[-1] == "started, succeeded"
    assert told(*usual, long, looks=(0, 20, 30), way=Way.TWICE)[-1] == "started, stalled, succeeded"
    with pytest.raises(AmbiguousScriptError):
        told(*usual, long, looks=(0, 20, 30), way=Way.AT_ONCE)


# ---- What Runbell tells ----------------------------------------------------------------------


def test_a_season_of_many_tasks_with_an_outage_of_a_day_is_told_without_gaps(
    aws: LocalAws,
) -> None:
    assert_told_right(aws, 1, tasks=500, disturbed=False)


@pytest.mark.parametrize(("seed", "tasks"), [(2, 200), (3, 60), (4, 60), (6, 60)])
def test_a_season_is_told_the_same_when_ticks_are_lost_doubled_and_overlap(
    aws: LocalAws, seed: int, tasks: int
) -> None:
    assert_told_right(aws, seed, tasks=tasks, disturbed=True)


def test_a_run_stays_awaited_though_its_task_is_read_anew_after_a_day(aws: LocalAws) -> None:
    day = 24 * 60
    planned = BEGIN + (day + 30) * MINUTE
    plans = (
        Planned(BEGIN - MINUTE, planned - day * MINUTE, planned),
        Planned(planned + 1, planned - day * MINUTE, planned + day * MINUTE),
    )
    first = [at(3, "created"), at(6, "started"), at(9, "finished", "success")]
    by_hand = [
        at(day - 60, "created"),
        at(day - 57, "started"),
        at(day - 30, "started", done=1),
        at(day + 12, "started", done=2),
        at(day + 54, "finished", "success"),  # the run that is planned does not come
    ]
    lives = [RunLife("run-1", "task-1", first), RunLife("run-2", "task-1", by_hand)]
    ticks = [Tick(BEGIN + minute * MINUTE) for minute in range(0, day + 360, 10)]
    script = Script(0, 1, lives, [Timetable("task-1", "0 * * * *", plans)], ticks)

    found = verdict(script, play(script, aws, is_bot=True))

    assert not found.differences, "\n".join(found.differences)


@pytest.mark.parametrize("seed", range(1, 21))
def test_a_season_leaves_nothing_open_and_knows_every_kind(seed: int) -> None:
    told_of = expected(write(seed, tasks=500, disturbed=seed % 4 != 1))

    assert set(kinds(told_of)) - {"other"} == EVERY_KIND
