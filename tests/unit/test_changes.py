"""What is told of a run, whatever the order in which it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbell.changes import Change, State, compare, is_stale, keep_details
from runbell.run import Progress, Run

MakeRun = Callable[..., Run]

RANK = {"created": 0, "started": 1, "finished": 2, "skipped": 2}
KNOWN = [
    ("created", None),
    ("started", None),
    ("finished", None),
    ("finished", "success"),
    ("finished", "failure"),
    ("skipped", None),
]


def test_the_first_sight_of_a_run_is_a_change_from_nothing(make_run: MakeRun) -> None:
    change = compare(None, make_run(status="started"))
    assert change == Change(before=None, after=State("started", None))


@pytest.mark.parametrize(("status", "outcome"), [*KNOWN, ("paused", "unsure")])
def test_the_same_read_twice_is_no_change(
    status: str, outcome: str | None, make_run: MakeRun
) -> None:
    run = make_run(status=status, outcome=outcome)
    assert compare(run, run) is None
    assert not is_stale(run, run)


@pytest.mark.parametrize("later", KNOWN)
@pytest.mark.parametrize("earlier", KNOWN)
def test_a_lower_rank_is_stale_and_a_higher_one_is_a_change(
    earlier: tuple[str, str | None], later: tuple[str, str | None], make_run: MakeRun
) -> None:
    known = make_run(status=earlier[0], outcome=earlier[1])
    read = make_run(status=later[0], outcome=later[1])
    if RANK[later[0]] < RANK[earlier[0]]:
        assert is_stale(known, read)
        assert compare(known, read) is None
    elif RANK[later[0]] > RANK[earlier[0]]:
        assert not is_stale(known, read)
        assert compare(known, read) == Change(State(*earlier), State(*later))


@pytest.mark.parametrize(("earlier", "later"), [("finished", "skipped"), ("skipped", "finished")])
def test_one_end_in_place_of_the_other_is_a_change(
    earlier: str, later: str, make_run: MakeRun
) -> None:
    change = compare(make_run(status=earlier), make_run(status=later))
    assert change == Change(State(earlier, None), State(later, None))


@pytest.mark.parametrize("known_status", RANK)
def test_an_unknown_status_is_told_and_never_stale(known_status: str, make_run: MakeRun) -> None:
    known, unknown = make_run(status=known_status), make_run(status="paused")
    assert compare(known, unknown) == Change(State(known_status, None), State("paused", None))
    assert compare(unknown, known) == Change(State("paused", None), State(known_status, None))


def test_an_outcome_that_comes_later_is_a_change(make_run: MakeRun) -> None:
    ended = make_run(status="finished")
    explained = replace(ended, outcome="failure")
    assert compare(ended, explained) == Change(
        State("finished", None), State("finished", "failure")
    )
    assert is_stale(explained, ended)


@pytest.mark.parametrize(
    "fact",
    [
        {"started_at": "2026-01-31T09:31:00Z"},
        {"finished_at": "2026-01-31T09:32:00Z"},
        {"reason": "because"},
        {"reason_code": "critical"},
        {"progress": Progress(10, 3)},
    ],
)
def test_a_detail_that_comes_later_is_silent_and_stays(
    fact: dict[str, Any], make_run: MakeRun
) -> None:
    before = make_run(status="finished", outcome="failure")
    after = replace(before, **fact)
    assert compare(before, after) is None
    assert keep_details(before, after) == after
    assert compare(after, before) is None
    assert not is_stale(after, before)
    assert keep_details(after, before) == after


def test_fewer_events_than_known_are_an_old_count(make_run: MakeRun) -> None:
    three = replace(make_run(status="started"), progress=Progress(10, 3))
    four = replace(three, progress=Progress(10, 4))
    more_to_come = replace(four, progress=Progress(12, 4))
    assert keep_details(four, three) == four
    assert keep_details(three, four) == four
    assert keep_details(four, more_to_come) == more_to_come
    counted_anew = replace(four, progress=Progress(20, 1))
    assert keep_details(four, counted_anew) == counted_anew


@pytest.mark.parametrize(
    "fact", [{"reason": "because"}, {"progress": Progress(10, 10)}, {"outcome": "success"}]
)
def test_an_outcome_is_told_whatever_else_is_missing(
    fact: dict[str, Any], make_run: MakeRun
) -> None:
    known = replace(make_run(status="finished"), **fact)
    read = make_run(status="finished", outcome="failure")
    assert not is_stale(known, read)
    assert compare(known, read) == Change(
        State("finished", known.outcome), State("finished", "failure")
    )


def test_an_unranked_status_is_never_stale(make_run: MakeRun) -> None:
    paused = make_run(status="paused")
    assert not is_stale(replace(paused, reason="so", outcome="unsure"), paused)


@st.composite
def lives(draw: st.DrawFn) -> list[Run]:
    """A run's true life: each element is all that can be read of it at one time."""
    run = Run("run", "app", "task", "created", draw(st.sampled_from(["push", "new"])), "2026")
    life = [run]
    if draw(st.booleans()):
        run = replace(run, status="started", started_at=draw(st.sampled_from([None, "2026"])))
        life.append(run)
        for received in sorted(draw(st.lists(st.integers(0, 9), max_size=4))):
            run = replace(run, progress=Progress(9, received))
            life.append(run)
    if draw(st.integers(0, 4)) == 0:
        run = replace(run, status="skipped")
    else:
        run = replace(run, status="finished", finished_at=draw(st.sampled_from([None, "2026"])))
    details: list[dict[str, Any]] = [
        {"outcome": draw(st.sampled_from(["success", "failure", "unsure"]))},
        {"reason": "because"},
        {"reason_code": draw(st.sampled_from(["ok", "critical", "new"]))},
        {"finished_at": "2026"},
    ]
    known_at_once = draw(st.sets(st.integers(0, 3)))
    for number in known_at_once:
        run = replace(run, **details[number])
    life.append(run)
    for number in draw(st.permutations([n for n in range(4) if n not in known_at_once])):
        run = replace(run, **details[number])
        if draw(st.booleans()):
            life.append(run)
    return life if life[-1] == run else [*life, run]


@st.composite
def readings(draw: st.DrawFn) -> tuple[list[Run], Run]:
    """Reads of one life in any order, some twice, some never; and its last moment."""
    life = draw(lives())
    order = draw(st.lists(st.integers(0, len(life) - 1), max_size=20))
    return [_with_gaps(draw, life[number]) for number in order], life[-1]


def _with_gaps(draw: st.DrawFn, run: Run) -> Run:
    """A read may lack any detail that another one had."""
    gaps: dict[str, Any] = {
        fact: None
        for fact in ("started_at", "finished_at", "reason", "reason_code", "progress")
        if draw(st.integers(0, 5)) == 0
    }
    return replace(run, **gaps)


def fold(reads: list[Run]) -> tuple[list[Run], list[State]]:
    """Read as the watcher does: what was known after each read, and what was told in all."""
    known: Run | None = None
    history: list[Run] = []
    told: list[State] = []
    for each in reads:
        read = each
        if known is None or not is_stale(known, read):
            if known and (known.status, known.outcome) == (read.status, read.outcome):
                read = keep_details(known, read)
            if change := compare(known, read):
                assert change.before == (known and State(known.status, known.outcome))
                told.append(change.after)
            known = read
        history.append(known)
    return history, told


@given(readings())
def test_no_state_is_told_twice(case: tuple[list[Run], Run]) -> None:
    _, told = fold([*case[0], case[1], *case[0]])
    assert len(told) == len(set(told))


@given(readings())
def test_the_final_state_is_told_once_it_was_read_and_stays_known(
    case: tuple[list[Run], Run],
) -> None:
    reads, last = case
    history, told = fold([*reads, last, *reads])
    assert told[-1] == State(last.status, last.outcome)
    assert history[-1] == last


@given(readings())
def test_the_furthest_state_that_was_read_is_told(case: tuple[list[Run], Run]) -> None:
    reads, _ = case
    _, told = fold(reads)
    if reads:
        furthest = max(reads, key=lambda run: (RANK[run.status], run.outcome is not None))
        assert told[-1] == State(furthest.status, furthest.outcome)


@given(readings())
def test_what_is_known_never_goes_back(case: tuple[list[Run], Run]) -> None:
    history, told = fold(case[0])
    ranks = [RANK[run.status] for run in history]
    assert ranks == sorted(ranks)
    assert [RANK[state.status] for state in told] == sorted(RANK[state.status] for state in told)


@given(readings(), st.integers(0, 19))
def test_the_order_of_reads_does_not_change_what_is_known_in_the_end(
    case: tuple[list[Run], Run], cut: int
) -> None:
    reads, last = case
    one_way, _ = fold([*reads, last])
    other_way, _ = fold([*reads[cut:], last, *reads[:cut]])
    assert one_way[-1] == other_way[-1] == last
