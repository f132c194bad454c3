"""A task's story is the same whatever order the ends of its runs are seen in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from itertools import permutations, product
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbell.run import Run
from runbell.tasks import (
    ENDS_KEPT,
    TYPICAL_OF,
    USUAL_THRESHOLD,
    End,
    Names,
    Story,
    Streak,
    TaskInfo,
    parse_story,
    read_task,
    story_attributes,
)

MakeRun = Callable[..., Run]

OUTCOMES = ("success", "failure", None)
"""A run that was skipped has no outcome."""


def at(number: int) -> str:
    """A moment; a greater number is later."""
    return f"2026-01-{1 + number // 24:02}T{number % 24:02}:00:00.000Z"


def end(number: int, outcome: str | None, seconds: int | None = None) -> End:
    return End(f"run-{number}", at(number), outcome, seconds)


def story_of(ends: Iterable[End], story: Story | None = None) -> Story:
    story = story or Story()
    for each in ends:
        story = story.with_end(each)
    return story


def told_in_order(ends: Iterable[End]) -> Streak:
    """The streak as somebody would count it who has all ends before them."""
    ordered = sorted(ends, key=lambda each: (each.ended_at, each.run_id))
    since_success: list[End] = []
    for each in ordered:
        since_success = [] if each.outcome == "success" else [*since_success, each]
    failures = [each for each in since_success if each.outcome == "failure"]
    return Streak(len(failures), failures[0].ended_at if failures else None)


class TestTheOrderOfEnds:
    @pytest.mark.parametrize("outcomes", list(product(OUTCOMES, repeat=3)))
    def test_three_ends_in_any_order_and_twice_make_one_story(
        self, outcomes: tuple[str | None, ...]
    ) -> None:
        ends = [end(number, outcome) for number, outcome in enumerate(outcomes)]
        in_order = story_of(ends)
        assert in_order.streak == told_in_order(ends)
        for seen in permutations(ends):
            assert story_of(seen) == in_order
            for again in range(3):
                for place in range(4):
                    doubled = [*seen[:place], seen[again], *seen[place:]]
                    assert story_of(doubled) == in_order

    @pytest.mark.parametrize("outcomes", list(product(OUTCOMES, repeat=3)))
    def test_the_streak_before_each_end_is_that_of_the_ends_before_it(
        self, outcomes: tuple[str | None, ...]
    ) -> None:
        ends = [end(number, outcome) for number, outcome in enumerate(outcomes)]
        for seen in permutations(ends):
            story = story_of(seen)
            for number, each in enumerate(ends):
                if each.outcome is not None:
                    assert story.streak_before(each.run_id) == told_in_order(ends[:number])
            assert story.streak_before("nobody's") == story.streak

    def test_an_end_that_is_known_leaves_the_very_same_story(self) -> None:
        story = story_of([end(1, "failure"), end(2, "failure")])
        assert story.with_end(end(1, "failure")) is story

    def test_an_end_whose_outcome_is_corrected_counts_once(self) -> None:
        story = story_of([end(1, "failure"), end(2, None), end(2, "failure")])
        assert story.streak == Streak(2, at(1))
        assert len(story.ends) == 2

    def test_a_late_failure_is_the_first_of_its_streak(self) -> None:
        story = story_of([end(2, "failure"), end(3, "failure"), end(1, "failure")])
        assert story.streak == Streak(3, at(1))

    def test_a_late_success_does_not_end_the_failures_after_it(self) -> None:
        story = story_of([end(2, "failure"), end(1, "success")])
        assert story.streak == Streak(1, at(2))
        assert story.last_success == at(1)

    def test_ends_of_the_same_moment_have_an_order_too(self) -> None:
        same = [End(name, at(1), outcome) for name, outcome in [("a", "success"), ("b", "failure")]]
        assert story_of(same) == story_of(reversed(same))

    def test_the_latest_end_is_the_latest_that_succeeded_or_failed(self) -> None:
        story = story_of([end(3, None), end(2, "failure"), end(1, "success")])
        assert story.is_latest("run-2")
        assert not story.is_latest("run-1")
        assert not story.is_latest("run-3")
        assert not Story().is_latest("run-1")

    def test_a_run_that_neither_succeeded_nor_failed_pushes_no_other_out(self) -> None:
        told = [end(number, "success", 60) for number in range(3)]
        story = story_of([*told, *(end(number, None) for number in range(3, 90))])
        assert story == story_of(told)
        assert story.typical == timedelta(seconds=60)


class TestTheHorizon:
    def test_a_streak_that_is_longer_than_the_ends_kept_is_counted_on(self) -> None:
        number = 3 * ENDS_KEPT
        ends = [end(0, "success"), *(end(each, "failure") for each in range(1, number))]
        story = story_of(ends)
        assert story.streak == Streak(number - 1, at(1))
        assert len(story.ends) == ENDS_KEPT
        assert story.last_success == at(0)
        assert story_of([end(number, "success")], story).streak == Streak()

    def test_an_end_from_beyond_the_horizon_comes_too_late(self) -> None:
        story = story_of(end(each, "failure") for each in range(10, 10 + ENDS_KEPT + 1))
        for outcome in OUTCOMES:
            assert story.with_end(end(9, outcome)) is story
            assert story.with_end(end(10, outcome)) is story, "it is counted already"

    def test_an_end_within_the_horizon_takes_its_place(self) -> None:
        others = [end(each, "failure") for each in range(ENDS_KEPT + 1) if each != 5]
        story = story_of([*others, end(5, "success")])
        assert story.streak == Streak(ENDS_KEPT - 5, at(6))
        assert story.before == Streak(1, at(0))
        assert story.last_success == at(5)

    def test_the_last_success_is_remembered_when_its_end_is_not(self) -> None:
        story = story_of(
            [
                end(1, "success"),
                end(0, "success"),
                *(end(each, "failure") for each in range(2, 3 * ENDS_KEPT)),
            ]
        )
        assert story.last_success == at(1)
        assert not any(each.outcome == "success" for each in story.ends)


class TestTheTypicalDuration:
    @pytest.mark.parametrize(
        ("seconds", "typical"),
        [
            ([], None),
            ([60], None),
            ([60, 70], None),
            ([60, 70, 800], 70),
            ([60, 70, 80, 90], 75),
            ([60, None, 80, 90], 80),
            ([60, None, 80], None),
            ([0, 0, 0], 0),
        ],
    )
    def test_it_is_the_median_once_three_are_known(
        self, seconds: list[int | None], typical: float | None
    ) -> None:
        story = story_of(end(number, "success", took) for number, took in enumerate(seconds))
        assert story.typical == (None if typical is None else timedelta(seconds=typical))

    def test_only_successes_count(self) -> None:
        others = [end(number, outcome, 9_999) for number, outcome in enumerate(OUTCOMES[1:] * 4)]
        ends = [*others, *(end(20 + number, "success", 60) for number in range(3))]
        assert story_of(ends).typical == timedelta(seconds=60)
        assert story_of(ends[:-1]).typical is None

    def test_the_latest_twenty_count(self) -> None:
        took = [10_000] * (ENDS_KEPT - TYPICAL_OF) + list(range(TYPICAL_OF))
        ends = [end(number, "success", seconds) for number, seconds in enumerate(took)]
        assert story_of(reversed(ends)).typical == timedelta(seconds=median(range(TYPICAL_OF)))


class TestAnEndOfARun:
    def test_it_is_when_and_how_the_run_finished(self, make_run: MakeRun) -> None:
        run = make_run(
            status="finished",
            outcome="failure",
            startedAt="2026-01-31T10:31:00+01:00",
            finishedAt="2026-01-31T09:32:30.6Z",
        )
        assert End.of(run) == End(run.run_id, "2026-01-31T09:32:30.600Z", "failure", 91)

    @pytest.mark.parametrize(
        ("times", "ended_at"),
        [
            ({"finishedAt": "2026-01-31T09:32:00Z"}, "2026-01-31T09:32:00.000Z"),
            ({"startedAt": "2026-01-31T09:31:00Z"}, "2026-01-31T09:31:00.000Z"),
            ({"finishedAt": "soon"}, "2026-01-31T09:30:00.000Z"),
            ({"createdAt": "soon"}, ""),
            (
                {"startedAt": "2026-01-31T09:33:00Z", "finishedAt": "2026-01-31T09:32:00Z"},
                "2026-01-31T09:32:00.000Z",
            ),
        ],
    )
    def test_what_is_not_known_has_no_duration(
        self, times: dict[str, str], ended_at: str, make_run: MakeRun
    ) -> None:
        run = make_run(status="skipped", **times)
        assert End.of(run) == End(run.run_id, ended_at, None, None)

    def test_a_run_adds_its_end_and_when_it_was_created(self, make_run: MakeRun) -> None:
        ended = {"status": "finished", "outcome": "failure"}
        later = make_run(**ended, runID="b", createdAt="2026-01-31T10:30:00Z")
        earlier = make_run(**ended, runID="a", createdAt="2026-01-31T10:30:00+02:00")
        story = Story().with_run(later).with_run(earlier)
        assert [each.run_id for each in story.ends] == ["a", "b"]
        assert story.last_created == "2026-01-31T10:30:00.000Z"
        assert story.with_run(later) is story

    def test_a_run_without_a_sensible_creation_adds_its_end(self, make_run: MakeRun) -> None:
        story = Story().with_run(make_run(status="finished", outcome="success", createdAt="soon"))
        assert len(story.ends) == 1
        assert story.last_created is None


outcomes = st.sampled_from([*OUTCOMES, "processing"])
ends = st.builds(
    End,
    run_id=st.text("ab", min_size=1, max_size=6),
    ended_at=st.integers(0, 700).map(at),
    outcome=outcomes,
    seconds=st.none() | st.integers(0, 10_000),
)


@given(st.lists(ends, max_size=90, unique_by=lambda each: each.run_id), st.randoms())
def test_whatever_is_seen_the_story_is_that_of_the_ends_that_came_in_time(
    seen: list[End], random: object
) -> None:
    story = Story()
    counted: list[End] = []
    for number, each in enumerate(seen):
        latest = sorted(counted, key=lambda one: one.order)[-ENDS_KEPT:]
        is_in_time = len(latest) < ENDS_KEPT or each.order > latest[0].order
        if each.outcome in {"success", "failure"} and is_in_time:
            counted.append(each)
        story = story.with_end(each).with_end(seen[number // 2])  # one is seen again
        assert story.streak == told_in_order(counted)
    assert list(story.ends) == sorted(counted, key=lambda one: one.order)[-ENDS_KEPT:]
    successes = [each.ended_at for each in counted if each.outcome == "success"]
    assert story.last_success == max(successes, default=None)
    took = [e.seconds for e in story.ends if e.outcome == "success" and e.seconds is not None]
    latest_took = took[-TYPICAL_OF:]
    typical = timedelta(seconds=median(latest_took)) if len(latest_took) >= 3 else None
    assert story.typical == typical


@given(st.lists(ends, max_size=40), st.none() | st.just(at(3)))
def test_a_story_is_read_as_it_was_written(seen: Sequence[End], created: str | None) -> None:
    story = story_of(seen, Story(last_created=created))
    assert parse_story(story_attributes(story)) == story
    assert parse_story(json.loads(json.dumps(story_attributes(story)))) == story


def test_a_story_of_before_a_fact_was_kept_is_read() -> None:
    assert parse_story({"ends": [], "before": [0, None]}) == Story()


class TestWhatAlgoliaSaysOfATask:
    def test_it_is_read_as_documented(self) -> None:
        document = {
            "action": "replace",
            "cron": "0 * * * *",
            "enabled": False,
            "lastRun": "2026-01-31T10:30:00+01:00",
            "nextRun": "2026-01-31T10:30:00Z",
            "policies": {"criticalThreshold": 8},
        }
        assert read_task(document, Names("Feed"), at(1)) == TaskInfo(
            read_at=at(1),
            names=Names("Feed", action="replace"),
            cron="0 * * * *",
            enabled=False,
            last_run="2026-01-31T09:30:00.000Z",
            next_run="2026-01-31T10:30:00.000Z",
            critical_threshold=8,
        )

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"policies": None, "action": None, "cron": "", "enabled": None},
            {"policies": {"criticalThreshold": 0}, "lastRun": "soon", "nextRun": 7},
            {"policies": {"criticalThreshold": 11}, "action": ["replace"]},
            {"policies": {"criticalThreshold": "5"}},
            {"policies": {"criticalThreshold": [5]}},
            {"policies": {"criticalThreshold": True}},
            {"policies": {"criticalThreshold": 5.0}},
            {"policies": [5]},
        ],
    )
    def test_what_is_not_as_documented_counts_as_absent(self, document: dict[str, object]) -> None:
        info = read_task(document, Names(), at(1))
        assert info == TaskInfo(read_at=at(1))
        assert info.threshold == USUAL_THRESHOLD

    def test_a_threshold_of_its_own_is_the_tasks(self) -> None:
        info = read_task({"policies": {"criticalThreshold": 1}}, Names(), at(1))
        assert info.threshold == 1

    def test_halves_of_surrogate_pairs_are_replaced_and_long_names_cut(self) -> None:
        info = read_task({"action": "\ud83d" + "x" * 999}, Names(), at(1))
        assert info.names.action == "?" + "x" * 299
