"""Whole seasons of runs, and an oracle that knows what had to be told of each."""

from __future__ import annotations

import pytest

from local.aws import LocalAws
from local.season.accepted import accepted
from local.season.oracle import expected
from local.season.play import play
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


def assert_told_right(aws: LocalAws, seed: int, *, tasks: int, disturbed: bool) -> None:
    script = write(seed, tasks=tasks, disturbed=disturbed)
    played = play(script, aws, is_bot=seed % 2 == 1)
    found, answers = verdict(script, played), accepted(played.answers)
    assert not found.differences, "\n".join(found.differences)
    assert not answers.refused
    assert answers.count


def test_a_season_of_many_tasks_with_an_outage_of_a_day_is_told_without_gaps(
    aws: LocalAws,
) -> None:
    assert_told_right(aws, 1, tasks=500, disturbed=False)


@pytest.mark.parametrize(("seed", "tasks"), [(2, 200), (3, 60), (4, 60), (5, 60)])
def test_a_season_is_told_the_same_when_ticks_are_lost_doubled_and_overlap(
    aws: LocalAws, seed: int, tasks: int
) -> None:
    assert_told_right(aws, seed, tasks=tasks, disturbed=True)


@pytest.mark.parametrize("seed", range(1, 21))
def test_a_season_leaves_nothing_open_and_knows_every_kind(seed: int) -> None:
    told = expected(write(seed, tasks=500, disturbed=seed % 2 == 0))

    assert set(kinds(told)) - {"other"} == EVERY_KIND
