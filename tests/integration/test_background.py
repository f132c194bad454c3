"""Names and errors: fetched once, saved with the change, and never in its way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from local.algolia import AlgoliaStandIn
from local.faults import Fault
from runbell.background import KEPT, PATIENCE
from runbell.deadline import Deadline
from runbell.events import ErrorGroup, WhatWentWrong
from runbell.store import RunStore
from runbell.task_store import TaskStore
from runbell.tasks import Names
from runbell.watcher import Watcher
from tests.integration.conftest import Clock, Rebuild, Show

MINUTE = timedelta(minutes=1)


@pytest.fixture
def discover() -> str:
    return "all"


@pytest.fixture
def named(algolia: AlgoliaStandIn) -> Names:
    """A task with a source and a destination of its own."""
    algolia.put_task(
        {"taskID": "task-1", "sourceID": "s", "destinationID": "d", "action": "replace"}
    )
    algolia.put_source({"sourceID": "s", "name": "Products feed"})
    algolia.put_destination(
        {"destinationID": "d", "name": "Search", "input": {"indexName": "products"}}
    )
    return Names("Products feed", "Search", "products", "replace")


def asked(algolia: AlgoliaStandIn) -> list[str]:
    """What was asked for beside runs."""
    found = []
    for each in algolia.requests:
        part = each.path.split("/")[2]
        if part != "runs" or each.path.endswith("/events"):
            found.append("events" if part == "runs" else part)
    return found


def event(text: str, **more: Any) -> dict[str, Any]:
    return {"status": "failed", "type": "record", "data": {"message": text}, **more}


def test_a_failure_is_saved_with_names_and_what_went_wrong(
    show: Show, watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, named: Names
) -> None:
    watcher.tick(Deadline(30))
    show("run-1", "started")
    watcher.tick(Deadline(30))
    for text in ("bad field", "too large", "bad field"):
        algolia.put_event("run-1", event(text))
    algolia.put_event("run-1", event("all is well", status="succeeded"))
    show("run-1", "finished", "failure")

    watcher.tick(Deadline(30))

    item = store.get("default", "run-1")
    assert item.names == named
    groups = (ErrorGroup("bad field", 2), ErrorGroup("too large", 1))
    assert item.history[-1].errors == WhatWentWrong(groups, events=3)
    assert item.history[0].errors is None
    assert asked(algolia) == ["tasks", "sources", "destinations", "events"]


def test_events_of_a_run_that_began_long_ago_are_read_as_well(
    show: Show, watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, clock: Clock
) -> None:
    watcher.tick(Deadline(30))
    show("run-1", "started")
    algolia.put_event("run-1", event("early"))
    clock.advance(timedelta(days=1))
    show("run-1", "finished", "failure")

    watcher.tick(Deadline(30))

    errors = store.get("default", "run-1").history[-1].errors
    assert errors == WhatWentWrong((ErrorGroup("early"),), events=1)


def test_what_went_wrong_is_asked_for_only_where_somebody_is_told(
    show: Show, watcher: Watcher, algolia: AlgoliaStandIn, clock: Clock
) -> None:
    show("over", "finished", "failure")
    clock.advance(MINUTE)
    watcher.tick(Deadline(30))
    assert asked(algolia) == []

    show("fine", "finished", "success", taskID="task-2")
    watcher.tick(Deadline(30))
    assert "events" not in asked(algolia)


def test_names_are_asked_for_once_a_day_and_remembered_by_the_next_process(
    show: Show, rebuild: Rebuild, algolia: AlgoliaStandIn, tasks: TaskStore, clock: Clock
) -> None:
    rebuild().tick(Deadline(30))
    times = []
    for run, wait in enumerate([timedelta(0), KEPT - MINUTE, MINUTE]):
        clock.advance(wait)
        show(f"run-{run}", "started")
        rebuild().tick(Deadline(30))
        times.append(asked(algolia).count("sources"))

    assert times == [1, 1, 2]
    assert tasks.get("default", "task-1").info is not None


SOURCES = ["/2/tasks/", "/1/sources/", "/1/destinations/", "/events"]


@pytest.mark.parametrize("path", SOURCES)
@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", status=404),
        Fault("status", status=500),
        Fault("status", status=429, retry_after="60"),
        Fault("status", status=400),
        Fault("garbage"),
        Fault("drop_before"),
        Fault("html"),
    ],
    ids=lambda fault: f"{fault.kind} {fault.status}",
)
def test_a_failure_is_told_at_once_though_algolia_does_not_say_more(
    show: Show,
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    told: Any,
    path: str,
    fault: Fault,
) -> None:
    watcher.tick(Deadline(30))
    algolia.put_event("run-1", event("bad field"))
    algolia.faults.add(fault, path=path, times=100)
    show("run-1", "finished", "failure")

    report = watcher.tick(Deadline(30))

    assert (report.changed, report.failed) == (1, 0)
    assert told("run-1") == ["failed"]


@pytest.mark.parametrize("path", SOURCES)
def test_an_answer_that_does_not_come_holds_nothing_up_for_long(
    show: Show, watcher: Watcher, algolia: AlgoliaStandIn, told: Any, path: str
) -> None:
    watcher.tick(Deadline(30))
    algolia.put_event("run-1", event("bad field"))
    algolia.faults.add(Fault("delay", seconds=60), path=path, times=100)
    for number in range(6):
        show(f"run-{number}", "finished", "failure")
    began = time.monotonic()

    watcher.tick(Deadline(30))

    assert time.monotonic() - began < PATIENCE + 2, "once, and not once for each run"
    assert all(told(f"run-{number}") == ["failed"] for number in range(6))


@pytest.mark.parametrize(
    "document",
    [
        {"taskID": "task-1", "sourceID": 7, "destinationID": [], "policies": 3, "enabled": "no"},
        {"taskID": "task-1", "cron": 5, "action": {}, "nextRun": 7, "lastRun": "soon"},
        {"taskID": "task-1", "policies": {"criticalThreshold": "many"}, "nextRun": "9999-99"},
    ],
)
def test_a_task_that_makes_no_sense_is_no_reason_to_say_nothing(
    show: Show, watcher: Watcher, algolia: AlgoliaStandIn, told: Any, document: dict[str, Any]
) -> None:
    algolia.put_task(document)
    watcher.tick(Deadline(30))
    show("run-1", "finished", "failure")

    assert watcher.tick(Deadline(30)).failed == 0
    assert told("run-1") == ["failed"]


@pytest.mark.parametrize(
    "data",
    [None, 7, [], "text", {"message": 5}, {"error": {"message": {"message": {"message": "x"}}}},
     {"message": "語" * 5_000}, {"message": "half \ud800"}, {"a": [[[[1e300]]]]}],
    ids=range(9),
)  # fmt: skip
def test_an_event_that_makes_no_sense_is_no_reason_to_say_nothing(
    show: Show, watcher: Watcher, algolia: AlgoliaStandIn, told: Any, data: object
) -> None:
    watcher.tick(Deadline(30))
    algolia.put_event("run-1", {"status": "critical", "data": data})
    show("run-1", "finished", "failure")

    assert watcher.tick(Deadline(30)).failed == 0
    assert told("run-1") == ["failed"]


def test_old_names_are_better_than_none(
    show: Show,
    rebuild: Rebuild,
    algolia: AlgoliaStandIn,
    store: RunStore,
    named: Names,
    clock: Clock,
) -> None:
    rebuild().tick(Deadline(30))
    show("run-1", "started")
    rebuild().tick(Deadline(30))
    clock.advance(2 * KEPT)
    algolia.faults.add(Fault("status", status=500), path="/2/tasks/", times=10)
    show("run-2", "started")
    rebuild().tick(Deadline(30))

    assert store.get("default", "run-2").names == named


@pytest.mark.parametrize(("what", "path"), [("tasks", "/2/tasks/"), ("events", "/events")])
def test_algolia_is_not_asked_again_at_once_after_it_has_failed(
    show: Show, watcher: Watcher, algolia: AlgoliaStandIn, what: str, path: str
) -> None:
    watcher.tick(Deadline(30))
    algolia.faults.add(Fault("status", status=500), path=path, times=100)
    for number in range(3):
        show(f"run-{number}", "finished", "failure", taskID=f"task-{number}")
        watcher.tick(Deadline(30))

    assert asked(algolia).count(what) == 1


def test_a_run_that_fails_for_ever_in_many_words_stays_within_its_item(
    show: Show,
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    store: RunStore,
    raw: Callable[[str], dict[str, Any]],
    clock: Clock,
) -> None:
    watcher.tick(Deadline(30))
    for number in range(5):
        algolia.put_event("run-1", event(f"{number}" + "語" * 2_500))
    for _ in range(16):
        for outcome in ("failure", "success"):
            clock.advance(MINUTE)
            show("run-1", "finished", outcome)
            assert watcher.tick(Deadline(30)).failed == 0

    item = store.get("default", "run-1")
    assert item.last_change == len(item.history) == 32
    latest = item.history[-2].errors
    assert latest is not None
    assert len(latest.groups) == 5
    size = len(json.dumps(raw("run-1"), ensure_ascii=False).encode())
    assert size < 400_000, "DynamoDB takes no larger item"
