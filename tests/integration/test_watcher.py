"""A tick, and what it looks at."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from requests import Session

from local.algolia import AlgoliaStandIn
from local.faults import Fault
from runbell.algolia import IngestionClient
from runbell.checker import LONGEST_REST
from runbell.deadline import Deadline
from runbell.errors import AlgoliaCredentialError, ConfigurationError
from runbell.items import Delivery, RunItem
from runbell.looks import UNKNOWN_FOR
from runbell.rules import Watch
from runbell.secrets import PLACEHOLDER, Secret, parse_algolia
from runbell.store import RunStore
from runbell.table import Table
from runbell.watcher import Watcher
from tests.integration.conftest import (
    Clock,
    Look,
    Queue,
    Rebuild,
    Saw,
    asked_of,
    deeds,
    document,
    due_runs,
    run_of,
    save,
)

TOLD = Delivery(channel_id="C1", ts="1.1", told=1, shown=1)
SECOND = timedelta(seconds=1)

OLD = {"createdAt": "2026-01-02T08:59:00.000Z"}
"""Of a run that no list shows any more."""


def test_a_tick_looks_at_the_watched_runs_that_have_not_ended(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, queue: Queue
) -> None:
    for number in range(12):
        store.put_watch("default", f"run-{number}", Watch())
        algolia.put_run(document("started", run_id=f"run-{number}", **OLD))
    save(store, run_of("finished", "success", run_id="ended"), announce_in=None)
    store.put_watch("default", "ended", Watch())

    first = watcher.tick(Deadline(30))

    assert deeds(first) == {"checked": 12, "changed": 12, "enqueued": 12}
    asked = sorted(asked_of(algolia))
    lists = ["runs", "runs"]  # of what is new, and of what goes on
    assert asked == [*lists, *sorted(f"runs/run-{n}" for n in range(12))]
    assert sorted(wake.run_id for wake in queue.wakes()) == sorted(f"run-{n}" for n in range(12))


def test_a_quiet_tick_writes_nothing(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, requests_made: list[str]
) -> None:
    for number in range(3):
        store.put_watch("default", f"run-{number}", Watch(notify_on=frozenset()))
        algolia.put_run(document("started", run_id=f"run-{number}", **OLD))
    watcher.tick(Deadline(30))
    requests_made.clear()

    report = watcher.tick(Deadline(30))

    assert (deeds(report), report.requests, report.table_calls) == ({}, 1, 3)
    assert sorted(requests_made) == ["GetItem", "Query", "Query"]


def test_a_run_that_no_list_shows_is_looked_at_within_an_hour(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, clock: Clock
) -> None:
    store.put_watch("default", "run-1", Watch())
    algolia.put_run(document("started", **OLD))
    watcher.tick(Deadline(30))
    store.record_delivery(store.get("default", "run-1"), TOLD, settled=True)
    algolia.put_run(document("finished", "failure", **OLD))

    clock.advance(LONGEST_REST - SECOND)
    assert deeds(watcher.tick(Deadline(30))) == {}
    clock.advance(SECOND)
    assert watcher.tick(Deadline(30)).changed == 1


def test_a_run_whose_watch_was_deleted_is_looked_at_once_more_and_expires(
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    store: RunStore,
    raw: Callable[[str], dict[str, Any]],
    queue: Queue,
) -> None:
    store.put_watch("default", "run-1", Watch())
    algolia.put_run(document("started", **OLD))
    watcher.tick(Deadline(30))
    store.record_delivery(store.get("default", "run-1"), TOLD, settled=True)
    queue.drain()
    store.delete_watch("default", "run-1")
    algolia.put_run(document("finished", "failure", **OLD))

    assert deeds(watcher.tick(Deadline(30))) == {"checked": 1}

    assert due_runs(store) == []
    assert "expires_at" in raw("run-1")
    assert queue.wakes() == []


def test_a_check_of_a_run_that_nobody_watches_announces_it_and_follows_it_no_further(
    watcher: Watcher, saw: Saw, algolia: AlgoliaStandIn, queue: Queue, store: RunStore, clock: Clock
) -> None:
    saw("started")
    assert len(queue.wakes()) == 1
    store.record_delivery(store.get("default", "run-1"), TOLD, settled=True)

    algolia.put_run(document("finished", "failure"))
    clock.advance(2 * LONGEST_REST)
    watcher.tick(Deadline(30))

    assert queue.wakes() == []
    assert [entry.kind for entry in store.get("default", "run-1").history] == ["started"]


def test_a_tick_looks_at_the_runs_it_is_given_once_each(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore
) -> None:
    store.put_watch("default", "watched", Watch())
    algolia.put_run(document("started", run_id="given"))

    report = watcher.tick(Deadline(30), ["given", "given"])

    assert deeds(report) == {"checked": 1, "changed": 1, "enqueued": 1}
    assert asked_of(algolia) == ["runs/given"]


def test_an_ended_run_is_looked_at_no_more(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, clock: Clock
) -> None:
    store.put_watch("default", "run-1", Watch())
    algolia.put_run(document("finished", "success"))

    assert watcher.tick(Deadline(30)).checked == 1
    store.record_delivery(store.get("default", "run-1"), TOLD, settled=True)
    clock.advance(2 * LONGEST_REST)
    assert deeds(watcher.tick(Deadline(30))) == {}


@pytest.mark.parametrize("seen", ["finished", "started"], ids=["seen again", "seen stale"])
def test_a_watch_put_at_the_moment_of_the_end_is_retired(
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    store: RunStore,
    dynamodb: Any,
    table_name: str,
    clock: Clock,
    seen: str,
) -> None:
    class Slow(RunStore):
        """Reads a run just before it ends."""

        def get(self, connection: str, run_id: str) -> RunItem:
            return RunItem(connection, run_id)

    algolia.put_run(document("finished", "success"))
    watcher.check("run-1", Deadline(30))
    Slow(Table(dynamodb, table_name), now=clock).put_watch("default", "run-1", Watch())
    assert due_runs(store) == ["run-1"]

    algolia.put_run(document(seen, "success" if seen == "finished" else None))
    watcher.tick(Deadline(30))

    assert due_runs(store) == []
    assert store.get("default", "run-1").watch == Watch()


def test_one_malformed_run_leaves_the_others_alone(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, queue: Queue
) -> None:
    for number in range(10):
        store.put_watch("default", f"run-{number}", Watch())
        algolia.put_run(document("started", run_id=f"run-{number}", **OLD))
    algolia.put_run(document("started", run_id="run-4", taskID=7, **OLD))

    report = watcher.tick(Deadline(30))

    assert deeds(report) == {"checked": 9, "changed": 9, "enqueued": 9, "failed": 1}
    assert len(asked_of(algolia)) == 2 + 10
    assert len(queue.wakes()) == 9
    assert store.get("default", "run-4").is_active
    assert due_runs(store) == [], "it is asked for again, and not by the next tick"


def test_a_run_whose_fetch_fails_is_looked_at_by_the_next_tick(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore
) -> None:
    store.put_watch("default", "run-1", Watch())
    algolia.put_run(document("started", **OLD))
    algolia.faults.add(Fault("status", status=503), path="/1/runs/run-1", times=4)

    report = watcher.tick(Deadline(30))
    assert deeds(report) == {"failed": 1}
    assert report.requests == 1 + 4
    assert watcher.tick(Deadline(30)).checked == 1


def test_a_run_unknown_for_long_is_retired(watcher: Watcher, store: RunStore, clock: Clock) -> None:
    store.put_watch("default", "nobody", Watch())

    assert deeds(watcher.tick(Deadline(30))) == {"failed": 1}
    clock.advance(UNKNOWN_FOR)
    assert deeds(watcher.tick(Deadline(30))) == {"failed": 1}
    clock.advance(SECOND)
    assert deeds(watcher.tick(Deadline(30))) == {"failed": 1}

    assert deeds(watcher.tick(Deadline(30))) == {}
    assert store.get("default", "nobody").watch == Watch()


def test_a_quiet_run_that_is_missed_once_stays_watched(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, clock: Clock
) -> None:
    store.put_watch("default", "run-1", Watch())
    algolia.put_run(document("started", **OLD))
    watcher.tick(Deadline(30))
    for _ in range(2):
        clock.advance(2 * UNKNOWN_FOR)
        algolia.faults.add(Fault("status", status=404), path="/1/runs/run-1")

        assert watcher.tick(Deadline(30)).failed == 1
        assert watcher.tick(Deadline(30)).checked == 1

    assert store.get("default", "run-1").is_active


def test_a_run_that_changes_after_it_was_missed_counts_as_known(
    saw: Saw, watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, clock: Clock
) -> None:
    store.put_watch("default", "run-1", Watch())
    watcher.tick(Deadline(30))
    clock.advance(2 * UNKNOWN_FOR)
    saw("started", **OLD)
    clock.advance(LONGEST_REST)
    algolia.faults.add(Fault("status", status=404), path="/1/runs/run-1")

    assert watcher.tick(Deadline(30)).failed == 1

    assert due_runs(store) == ["run-1"]


def test_a_run_that_is_watched_again_has_its_full_time_to_appear(
    watcher: Watcher, store: RunStore, clock: Clock
) -> None:
    store.put_watch("default", "late", Watch())
    watcher.tick(Deadline(30))
    clock.advance(UNKNOWN_FOR + SECOND)
    watcher.tick(Deadline(30))
    assert due_runs(store) == []

    store.put_watch("default", "late", Watch())
    watcher.tick(Deadline(30))

    assert due_runs(store) == ["late"]


def test_one_run_that_algolia_refuses_leaves_the_others_alone(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore
) -> None:
    for number in range(20):
        store.put_watch("default", f"run-{number}", Watch())
        algolia.put_run(document("started", run_id=f"run-{number}", **OLD))
    algolia.faults.add(Fault("status", status=403), path="run-7", times=1000)

    report = watcher.tick(Deadline(30))
    assert (report.checked, report.failed) == (19, 1)


def test_a_key_that_is_refused_for_all_fails_the_tick(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore
) -> None:
    store.put_watch("default", "run-1", Watch())
    algolia.rotate_key("another-key")
    with pytest.raises(AlgoliaCredentialError):
        watcher.tick(Deadline(30))


def test_runs_that_the_time_does_not_suffice_for_are_left_to_the_next_tick(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, queue: Queue
) -> None:
    for number in range(20):
        store.put_watch("default", f"run-{number}", Watch())
        algolia.put_run(document("finished", "success", run_id=f"run-{number}"))
    looks = itertools.count()

    first = watcher.tick(Deadline(2.0, lambda: next(looks) * 0.05))
    second = watcher.tick(Deadline(30))

    assert first.skipped >= 1
    assert first.checked + first.skipped == 20
    assert second.changed == first.skipped
    assert {wake.run_id for wake in queue.wakes()} == {f"run-{number}" for number in range(20)}


def test_a_placeholder_in_the_secret_is_named_after_the_sweep_is_done(
    rebuild: Rebuild,
    secrets: Any,
    new_secret: Callable[[object], str],
    algolia: AlgoliaStandIn,
    look: Look,
    store: RunStore,
    queue: Queue,
) -> None:
    look("started")
    queue.drain()
    for number in range(20):
        store.put_watch("default", f"run-{number}", Watch())
    arn = new_secret({"app_id": PLACEHOLDER, "api_key": PLACEHOLDER, "region": "us"})
    asked = len(algolia.requests)

    with Session() as session:
        client = IngestionClient(Secret(secrets, arn, parse_algolia), session, base_url=algolia.url)
        with pytest.raises(ConfigurationError, match="placeholder"):
            rebuild(client=client).tick(Deadline(30))

    assert [wake.run_id for wake in queue.wakes()] == ["run-1"]
    assert len(algolia.requests) == asked


def test_every_run_that_fails_has_its_line_in_the_log(
    watcher: Watcher, store: RunStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.put_watch("default", "nobody", Watch())

    with caplog.at_level(logging.ERROR, logger="runbell"):
        watcher.tick(Deadline(30))

    (line,) = [record for record in caplog.records if record.name == "runbell"]
    assert vars(line)["run_id"] == "nobody"
    assert vars(line)["error"] == "RunNotFoundError"
