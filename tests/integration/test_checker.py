"""One look at a run, between a real table, a real queue and a stand-in for Algolia."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.algolia import AlgoliaStandIn
from local.faults import Fault
from runbell.deadline import Deadline
from runbell.errors import AlgoliaRefusedError, MalformedRunError, RunNotFoundError
from runbell.items import Delivery
from runbell.outbox import Wake
from runbell.rules import Routing, Watch
from runbell.run import Run, Status
from runbell.store import RunStore
from runbell.watcher import Watcher
from tests.integration.conftest import (
    CHANNEL,
    Clock,
    Look,
    Queue,
    Rebuild,
    Saw,
    document,
    run_of,
)

TOLD = Delivery(channel_id="C1", ts="1.1", told=1, shown=1)
SECOND = timedelta(seconds=1)


# ---- One look -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "outcome", "kind"),
    [
        ("created", None, "created"),
        ("started", None, "started"),
        ("finished", "success", "succeeded"),
        ("finished", "failure", "failed"),
        ("skipped", None, "skipped"),
        ("paused", None, "other"),
    ],
)
def test_a_run_is_announced_at_first_sight_as_it_is(
    look: Look,
    queue: Queue,
    store: RunStore,
    status: str,
    outcome: str | None,
    kind: str,
) -> None:
    check = look(status, outcome)

    assert check.queued
    assert (check.previous, check.stale) == (None, False)
    assert [(each.kind, each.announced) for each in check.item.history] == [(kind, True)]
    assert queue.wakes() == [Wake("default", "run-1", 1, CHANNEL)]
    assert store.get("default", "run-1") == check.item


def test_an_unchanged_run_costs_two_reads_and_nothing_else(
    look: Look, requests_made: list[str]
) -> None:
    look("started", progress={"expectedNbOfEvents": 10, "receivedNbOfEvents": 1}, reason="so")
    requests_made.clear()

    check = look(
        "started", progress={"expectedNbOfEvents": 10, "receivedNbOfEvents": 1}, reason="so"
    )

    assert requests_made == ["GetItem", "BatchGetItem"]
    assert (check.change, check.queued) == (None, False)


def test_a_change_is_told_apart_from_what_was_known(look: Look, queue: Queue) -> None:
    look("started")
    check = look("finished", "failure", reasonCode="critical")

    assert check.previous is not None
    assert check.previous.status == Status.STARTED
    assert check.change is not None
    assert check.change.after.outcome == "failure"
    assert [wake.version for wake in queue.wakes()] == [1, 2]


def test_a_stale_read_is_left_aside(look: Look, requests_made: list[str], store: RunStore) -> None:
    known = look("finished", "success").item
    requests_made.clear()

    check = look("started")

    assert (check.stale, check.change, check.queued) == (True, None, False)
    assert requests_made == ["GetItem", "BatchGetItem"]
    assert store.get("default", "run-1") == known


def test_a_detail_is_saved_silently_while_nobody_has_a_message_of_the_run(
    rebuild: Rebuild, algolia: AlgoliaStandIn, queue: Queue
) -> None:
    watcher = rebuild(routing=Routing(CHANNEL, frozenset({"failed"})))
    algolia.put_run(document("started"))
    watcher.check("run-1", Deadline(30))
    algolia.put_run(document("started", reason="slow"))

    check = watcher.check("run-1", Deadline(30))

    assert (check.change, check.queued) == (None, False)
    assert check.item.snapshot is not None
    assert check.item.snapshot.reason == "slow"
    assert check.item.pending_since is None
    assert queue.wakes() == []


def test_a_detail_wakes_notify_when_there_is_a_message_to_keep_true(
    look: Look, store: RunStore, queue: Queue
) -> None:
    store.record_delivery(look("started").item, TOLD, settled=True)
    queue.drain()

    check = look("started", reason="slow")

    assert check.change is None
    assert check.queued
    assert check.item.pending_since is not None
    assert len(check.item.history) == 1
    assert queue.wakes() == [Wake("default", "run-1", 2, CHANNEL)]


def test_changes_that_nobody_asked_for_are_part_of_the_story_later(
    rebuild: Rebuild, algolia: AlgoliaStandIn, queue: Queue
) -> None:
    watcher = rebuild(routing=Routing(CHANNEL, frozenset({"failed"})))
    for status in ("created", "started"):
        algolia.put_run(document(status))
        check = watcher.check("run-1", Deadline(30))
        assert check.change is not None
        assert not check.queued
        assert check.item.channel is None
    assert queue.wakes() == []

    algolia.put_run(document("finished", "failure"))
    check = watcher.check("run-1", Deadline(30))

    assert check.queued
    assert [(each.kind, each.announced) for each in check.item.history] == [
        ("created", False),
        ("started", False),
        ("failed", True),
    ]


def test_a_watchs_wishes_come_before_the_default(look: Look, store: RunStore, queue: Queue) -> None:
    watch = Watch(channel="#mine", notify_on=frozenset({"succeeded"}))
    store.put_watch("default", "run-1", watch)

    look("started")
    look("finished", "success")

    assert queue.wakes() == [Wake("default", "run-1", 2, "#mine")]


def test_a_moved_watch_takes_effect_at_the_next_change(
    look: Look, store: RunStore, queue: Queue
) -> None:
    look("created")
    store.put_watch("default", "run-1", Watch(channel="#mine"))
    look("created", reason="busy")
    look("started")

    assert [wake.channel for wake in queue.wakes()] == [CHANNEL, CHANNEL, "#mine"]


@pytest.mark.parametrize("status", [404, 400])
def test_a_refused_check_leaves_no_trace(
    watcher: Watcher, algolia: AlgoliaStandIn, raw: Callable[[str], dict[str, Any]], status: int
) -> None:
    algolia.faults.add(Fault("status", status=status))

    with pytest.raises(RunNotFoundError if status == 404 else AlgoliaRefusedError):
        watcher.check("run-1", Deadline(30))

    assert raw("run-1") == {}


def test_a_malformed_run_is_named_and_leaves_no_trace(
    watcher: Watcher, algolia: AlgoliaStandIn, raw: Callable[[str], dict[str, Any]]
) -> None:
    algolia.put_run(document("started", taskID=7))

    with pytest.raises(MalformedRunError, match=r"run-1.*taskID"):
        watcher.check("run-1", Deadline(30))

    assert raw("run-1") == {}


# ---- Many looks at once ---------------------------------------------------------------------


@pytest.mark.parametrize("known", [None, "created"], ids=["unknown", "known"])
def test_twenty_checks_at_once_make_one_announcement(
    saw: Saw,
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    queue: Queue,
    store: RunStore,
    known: str | None,
) -> None:
    if known:
        saw(known)
        queue.drain()
    algolia.put_run(document("finished", "failure"))

    with ThreadPoolExecutor(max_workers=20) as pool:
        checks = list(pool.map(lambda _: watcher.check("run-1", Deadline(30)), range(20)))

    history = store.get("default", "run-1").history
    assert [each.kind for each in history] == ([known] if known else []) + ["failed"]
    assert len(queue.wakes()) == 1
    assert sum(check.change is not None for check in checks) == 1
    assert sum(check.queued for check in checks) == 1


def test_checks_that_see_a_run_at_different_moments_keep_its_order(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, rebuild: Rebuild
) -> None:
    class Alternating:
        """Answers an older and a newer state in turn, as replicas do."""

        def __init__(self) -> None:
            self.states = [run_of("created"), run_of("started"), run_of("finished", "success")] * 7
            self.requests_made = 0

        def get_run(self, run_id: str, deadline: Deadline) -> Run:
            return self.states.pop()

        def get_task(self, task_id: str, deadline: Deadline, *, attempts: int) -> Any:
            raise RunNotFoundError("no such task", status=404)

    watcher = rebuild(client=Alternating())
    with ThreadPoolExecutor(max_workers=20) as pool:
        list(pool.map(lambda _: watcher.check("run-1", Deadline(30)), range(21)))

    kinds = [each.kind for each in store.get("default", "run-1").history]
    assert kinds == [kind for kind in ("created", "started", "succeeded") if kind in kinds]
    assert kinds[-1] == "succeeded"


# ---- Standing still --------------------------------------------------------------------------


def test_a_watched_run_that_stands_still_is_announced_once_and_once_more_when_it_moves(
    look: Look, rebuild: Rebuild, routing: Routing, clock: Clock
) -> None:
    hour = timedelta(hours=1)
    patient = rebuild(routing=replace(routing, stalled_after=hour))
    progress = {"expectedNbOfEvents": 10, "receivedNbOfEvents": 1}
    look("started", progress=progress)

    def kinds() -> list[str]:
        return [entry.kind for entry in patient.check("run-1", Deadline(30)).item.history]

    clock.advance(hour - SECOND)
    assert kinds() == ["started"]
    clock.advance(SECOND)
    assert kinds() == ["started", "stalled"]
    clock.advance(3 * hour)
    assert kinds() == ["started", "stalled"]

    check = look("started", progress={**progress, "receivedNbOfEvents": 2})
    assert [entry.kind for entry in check.item.history] == ["started", "stalled", "resumed"]
    assert all(entry.announced for entry in check.item.history)
    assert check.queued
    clock.advance(hour)
    assert kinds()[2:] == ["resumed", "stalled"]
    check = look("finished", "success")
    assert check.item.history[-1].kind == "succeeded"


@pytest.mark.parametrize("status", ["created", "finished"])
def test_only_a_started_run_can_stand_still(
    look: Look, rebuild: Rebuild, routing: Routing, clock: Clock, status: str
) -> None:
    look(status)
    clock.advance(timedelta(days=1))
    patient = rebuild(routing=replace(routing, stalled_after=timedelta(hours=1)))
    check = patient.check("run-1", Deadline(30))
    assert check.change is None
