"""The cost model is fed by the template: what is changed there changes the bill."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.cost import (
    EMPTY_RECEIVES,
    FIXED_GOAL,
    GOAL,
    PRICES,
    ARun,
    Line,
    fixed,
    measure_a_run,
    metrics_of,
    total,
    usage,
)
from local.aws import ROOT

Template = dict[str, Any]

A_RUN = ARun(reads=10, writes=25, stored=1_000, indexed=500)


def bill(template: Template, **more: Any) -> dict[str, float]:
    lines = usage(template, A_RUN, **{"tasks": 100, "runs_a_day": 1, **more})
    return {line.name: line.dollars for line in lines}


@pytest.fixture
def other(template: Template) -> Template:
    """A template of one's own."""
    return copy.deepcopy(template)


def properties(template: Template, resource: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][resource]["Properties"]
    return found


def more_memory(template: Template) -> None:
    properties(template, "PollFunction")["MemorySize"] = 4_096


def more_memory_for_notify(template: Template) -> None:
    properties(template, "NotifyFunction")["MemorySize"] = 4_096


def no_backups(template: Template) -> None:
    wanted = properties(template, "Table")["PointInTimeRecoverySpecification"]
    wanted["PointInTimeRecoveryEnabled"] = False


def longer_memory(template: Template) -> None:
    template["Parameters"]["RetentionDays"]["Default"] *= 2


def longer_logs(template: Template) -> None:
    properties(template, "PollLogGroup")["RetentionInDays"] *= 2


@pytest.mark.parametrize(
    ("change", "concerned"),
    [
        (more_memory, {"Lambda: poll"}),
        (more_memory_for_notify, {"Lambda: notify"}),
        (no_backups, {"DynamoDB: backups"}),
        (longer_memory, {"DynamoDB: storage", "DynamoDB: backups"}),
        (longer_logs, {"Logs: stored"}),
    ],
)
def test_what_the_template_says_is_what_is_paid_for(
    template: Template, other: Template, change: Callable[[Template], None], concerned: set[str]
) -> None:
    change(other)
    before, after = bill(template), bill(other)

    assert {name for name in before if after[name] != before[name]} == concerned


@pytest.mark.parametrize(
    ("kind", "dollars"),
    [
        ("AWS::SecretsManager::Secret", 0.40),
        ("AWS::CloudWatch::Alarm", 0.10),
    ],
)
def test_one_more_in_the_template_is_one_more_on_the_bill(
    template: Template, other: Template, kind: str, dollars: float
) -> None:
    other["Resources"]["OneMore"] = {"Type": kind}

    assert total(fixed(other)) - total(fixed(template)) == pytest.approx(dollars)


def test_each_mapping_polls_its_queue_at_that_queues_price(template: Template) -> None:
    polled = {line.name: line for line in fixed(template) if "empty polls" in line.name}

    million = EMPTY_RECEIVES / 1_000_000
    assert {name: line.dollars for name, line in polled.items()} == {
        "empty polls of NotifyQueueMapping": pytest.approx(million * 0.50),
        "empty polls of ComebackMapping": pytest.approx(million * 0.40),
    }


def test_the_switches_save_what_belongs_to_them(template: Template) -> None:
    def names(**more: bool) -> set[str]:
        return {line.name for line in fixed(template, **more)}

    assert names() - names(is_monitored=False) == {"metrics", "alarms"}
    assert names() - names(is_fast=False) == {"empty polls of ComebackMapping"}


def test_what_is_fixed_stays_below_its_goal_if_the_dashboard_is_free(template: Template) -> None:
    """An account's first three are; with a fourth it is above, as docs/performance.md says."""
    free, paid = total(fixed(template)), total(fixed(template, is_dashboard_paid=True))

    assert free < FIXED_GOAL < paid
    assert paid - free == pytest.approx(3.00)


def test_a_dashboard_that_is_switched_off_is_not_paid_for(template: Template) -> None:
    off = fixed(template, is_monitored=False, is_dashboard_paid=True)

    assert not {"metrics", "alarms", "dashboard"} & {line.name for line in off}


@pytest.mark.parametrize(
    ("runs_a_day", "least", "most"), [(0, 0, 0), (1, 0.03, 0.05), (2_400, 0.89, 0.9)]
)
def test_metrics_of_what_happens_are_paid_for_by_the_hour(
    runs_a_day: float, least: float, most: float
) -> None:
    assert least <= metrics_of(runs_a_day).dollars <= most


def test_the_goal_of_usage_is_missed_without_and_with_fast_polling(template: Template) -> None:
    """Which docs/performance.md says. Once this fails for good, it has to say so too."""
    a_run = measure_a_run(60)
    for is_fast in (False, True):
        assert total(usage(template, a_run, tasks=100, runs_a_day=1, is_fast=is_fast)) > GOAL


def test_use_grows_with_tasks_and_with_runs(template: Template) -> None:
    sums = [sum(bill(template, tasks=tasks).values()) for tasks in (10, 100, 1_000)]
    assert sums == sorted(sums)
    assert sum(bill(template, runs_a_day=24).values()) > sums[1]
    assert sum(bill(template, is_fast=True).values()) > sums[1]


def test_a_runs_life_is_counted_on_the_code(caplog: pytest.LogCaptureFixture) -> None:
    """Three looks, of which each reads run and task and commits, and notify's reads and notes."""
    caplog.set_level(logging.CRITICAL, logger="runbell")

    a_run = measure_a_run(60)

    assert 6 <= a_run.reads <= 20
    assert 12 <= a_run.writes <= 40, "docs/performance.md says what a run costs"
    assert 500 <= a_run.stored <= 4_000


def test_every_price_has_its_source_and_is_used() -> None:
    model = (ROOT / "benchmarks" / "cost.py").read_text("utf-8")
    for name, price in PRICES["prices"].items():
        assert price["source"].startswith("https://aws.amazon.com/")
        assert f'"{name}"' in model


def test_a_line_is_its_number_at_its_price() -> None:
    assert Line("words", 3_000_000, "sqs_fifo_request").dollars == pytest.approx(1.5)
