"""When a look at what runs is worth it: near a change, and never beyond the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbell.foresight import (
    CLOSE,
    LONGEST,
    SAVED,
    Budget,
    Prospect,
    next_look,
)
from runbell.run import Progress, Run, timestamp

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
EACH_MINUTE, NEVER = "rate(1 minute)", "rate(365 days)"
ALL = Budget()

MOST_A_DAY = 1_440
"""What a connection may ask for beyond its schedule: as much as a tick a minute asks for."""

TEN_MINUTES = (600,) * 12
"""What the earlier runs took."""


def created(ago: timedelta) -> Run:
    return Run("run-1", "app", "task-1", "created", "reindex", timestamp(NOW - ago))


def started(ago: timedelta, progress: tuple[int, int] | None = None) -> Run:
    """A run that started a while ago, with what was received and is expected of its events."""
    run = replace(created(ago + MINUTE), status="started", started_at=timestamp(NOW - ago))
    if progress is None:
        return run
    received, expected = progress
    return replace(run, progress=Progress(expected=expected, received=received))


def wait(
    run: Run, durations: Sequence[int] = (), *, budget: Budget = ALL, schedule: str = NEVER
) -> timedelta | None:
    """For how long a run is left alone; None if until the schedule's next tick."""
    at = next_look([Prospect(run, durations)], NOW, budget, schedule)
    return None if at is None else at - NOW


def test_where_nothing_runs_the_schedule_suffices() -> None:
    assert next_look([], NOW, ALL, NEVER) is None


def test_a_run_that_was_just_created_is_about_to_start() -> None:
    assert wait(created(3 * SECOND)) == CLOSE


def test_a_run_that_waits_for_long_is_looked_at_more_and_more_rarely() -> None:
    waits = [wait(created(ago * MINUTE)) for ago in (1, 5, 20, 60)]
    assert waits == [CLOSE, 45 * SECOND, 3 * MINUTE, None]


def test_no_look_is_worth_it_long_before_the_earlier_runs_ended() -> None:
    assert wait(started(MINUTE), TEN_MINUTES) is None
    assert wait(started(6 * MINUTE), TEN_MINUTES) == 3 * MINUTE


def test_looks_follow_each_other_closely_around_the_end_of_the_earlier_runs() -> None:
    for ago in (9, 10, 11):
        assert wait(started(ago * MINUTE), TEN_MINUTES) == CLOSE


def test_a_run_that_takes_longer_than_any_before_it_is_looked_at_more_rarely() -> None:
    waits = [wait(started(ago * MINUTE), TEN_MINUTES) for ago in (12, 14, 21, 60)]
    assert waits == [CLOSE, 27 * SECOND, 90 * SECOND, None]


def test_the_looks_begin_before_the_shortest_of_the_earlier_runs() -> None:
    varied = (500, 560, 580, 600, 600, 610, 640, 650, 700)
    assert wait(started(5 * MINUTE), varied) == 150 * SECOND
    assert wait(started(12 * MINUTE), varied) == CLOSE


def test_one_run_that_had_nothing_to_do_does_not_bring_the_looks_forward() -> None:
    assert wait(started(6 * MINUTE), (*TEN_MINUTES, 3)) == 3 * MINUTE


def test_a_run_of_a_task_that_nobody_knows_is_looked_at_in_proportion_to_how_long_it_runs() -> None:
    waits = [wait(started(ago * MINUTE)) for ago in (1, 2, 10, 60)]
    assert waits == [CLOSE, 18 * SECOND, 90 * SECOND, None]


def test_the_progress_of_such_a_run_tells_when_it_ends() -> None:
    assert wait(started(2 * MINUTE, progress=(50, 100))) == 96 * SECOND
    assert wait(started(2 * MINUTE, progress=(1, 100))) is None


def test_progress_brings_the_looks_forward() -> None:
    assert wait(started(4 * MINUTE, progress=(60, 100)), TEN_MINUTES) == 2 * MINUTE
    assert wait(started(2 * MINUTE, progress=(95, 100)), TEN_MINUTES) == 18 * SECOND


def test_little_progress_puts_no_look_off() -> None:
    assert wait(started(10 * MINUTE, progress=(20, 100)), TEN_MINUTES) == CLOSE


def test_the_soonest_of_many_decides() -> None:
    prospects = [Prospect(started(6 * MINUTE), TEN_MINUTES), Prospect(started(9 * MINUTE), (600,))]
    assert next_look(prospects, NOW, ALL, NEVER) == NOW + CLOSE


@pytest.mark.parametrize(
    ("schedule", "waits"),
    [
        (EACH_MINUTE, None),
        ("rate(3 minutes)", None),
        ("rate(5 minutes)", 3 * MINUTE),
        ("rate(1 hour)", 3 * MINUTE),
        ("cron(0/15 * * * ? *)", 3 * MINUTE),
    ],
)
def test_what_is_not_before_the_next_tick_is_the_schedules(
    schedule: str, waits: timedelta | None
) -> None:
    assert wait(started(6 * MINUTE), TEN_MINUTES, schedule=schedule) == waits


def spent(number: int) -> Budget:
    """What is left after so many looks at this moment."""
    budget = ALL
    for _ in range(number):
        budget = budget.spent(NOW)
    return budget


def test_looks_become_rarer_when_the_budget_runs_low_and_end_with_it() -> None:
    run = created(SECOND)
    waits = [wait(run, budget=spent(number)) for number in (0, 180, 270, 350, 359, 360)]
    assert waits == [CLOSE, CLOSE, 2 * CLOSE, 18 * CLOSE, None, None]


def test_what_was_spent_is_earned_again() -> None:
    assert spent(SAVED).left(NOW) == 0
    assert spent(SAVED).left(NOW + 79 * SECOND) == 0
    assert spent(SAVED).left(NOW + 80 * SECOND) == 1
    assert spent(SAVED).left(NOW + DAY) == SAVED


runs = st.builds(
    lambda ago, is_started, received: started(ago, (received, 100)) if is_started else created(ago),
    st.timedeltas(-MINUTE, 3 * DAY),
    st.booleans(),
    st.integers(-5, 120),
)
prospects = st.lists(
    st.builds(Prospect, runs, st.lists(st.integers(0, 100_000), max_size=24)), max_size=5
)


@given(prospects, st.integers(0, SAVED), st.sampled_from([EACH_MINUTE, "rate(5 minutes)", NEVER]))
def test_a_look_is_never_sooner_than_the_least_nor_later_than_the_queue_holds_it(
    many: list[Prospect], taken: int, schedule: str
) -> None:
    at = next_look(many, NOW, spent(taken), schedule)
    assert at is None or NOW + CLOSE <= at < NOW + LONGEST
    if schedule == EACH_MINUTE:
        assert at is None or at < NOW + MINUTE


@given(
    st.lists(st.tuples(st.integers(0, 6 * 3600), st.integers(1, 3_000)), min_size=1, max_size=12),
    st.sampled_from([EACH_MINUTE, NEVER]),
)
@settings(max_examples=30, deadline=None)
def test_no_24_hours_have_more_looks_than_the_budget(
    phases: list[tuple[int, int]], schedule: str
) -> None:
    """Whatever the pauses in which nothing runs, and however long the runs that follow them."""
    budget, now, looks = ALL, NOW, []
    for pause, number in phases:
        now += pause * SECOND
        for _ in range(number):
            run = replace(created(timedelta()), created_at=timestamp(now))
            at = next_look([Prospect(run)], now, budget, schedule)
            if at is None:  # the next tick asks again
                now += MINUTE
                continue
            now = at
            looks.append(now)
            budget = budget.spent(now)
    first = 0
    for last, look in enumerate(looks):
        while look - looks[first] >= DAY:
            first += 1
        assert last - first + 1 <= MOST_A_DAY


def test_moments_that_make_no_sense_do_no_harm() -> None:
    for moment in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "soon"):
        for progress in (Progress(10**18, 1), Progress(-1, -1), Progress(0, 5), Progress(100, 2)):
            run = replace(started(MINUTE), created_at=moment, started_at=moment, progress=progress)
            for durations in ((), (0, 0, 0), TEN_MINUTES):
                at = next_look([Prospect(run, durations)], NOW, ALL, NEVER)
                assert at is None or at >= NOW + CLOSE
