"""The watcher between a real table, a real queue and a stand-in for Algolia."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from requests import Session

from local.algolia import AlgoliaStandIn
from local.aws import REGION, free_port
from local.faults import Fault
from runbell.algolia import IngestionClient
from runbell.checker import Check, Checker
from runbell.deadline import Deadline
from runbell.errors import (
    AlgoliaCredentialError,
    AlgoliaRefusedError,
    ConfigurationError,
    MalformedRunError,
    QueueRefusedError,
    RunNotFoundError,
    StoreUnavailableError,
)
from runbell.items import Delivery, RunItem
from runbell.outbox import Outbox, Wake
from runbell.rules import Routing, Watch
from runbell.run import Run, Status
from runbell.secrets import PLACEHOLDER, Secret, parse_algolia
from runbell.store import RunStore
from runbell.table import Table
from runbell.watcher import LONGEST_REST, SHORTEST_REST, UNKNOWN_FOR, Report, Watcher
from tests.integration.conftest import CHANNEL, Clock, Queue, Saw, document, run_of, save

TOLD = Delivery(channel_id="C1", ts="1.1", told=1, shown=1)
SECOND = timedelta(seconds=1)


class Crash(BaseException):
    """The end of a process in the midst of its work."""


class CrashingOutbox(Outbox):
    """Dies before the queue hears of anything."""

    def enqueue(self, wakes: Iterable[Wake], *, sweep: str = "") -> int:
        raise Crash


@pytest.fixture
def look(watcher: Watcher, algolia: AlgoliaStandIn) -> Callable[..., Check]:
    """Lets Algolia show a state of a run, and looks at it."""

    def see(status: str, outcome: str | None = None, **more: Any) -> Check:
        run = document(status, outcome, **more)
        algolia.put_run(run)
        return watcher.check(run["runID"], Deadline(30))

    return see


@pytest.fixture
def dead_outbox(queue: Queue) -> Outbox:
    """An outbox whose SQS is not there."""
    client = boto3.client(
        "sqs",
        endpoint_url=f"http://127.0.0.1:{free_port()}",
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=1),
    )
    return Outbox(client, queue.url)


Rebuild = Callable[..., Watcher]


@pytest.fixture
def rebuild(
    client: IngestionClient, store: RunStore, outbox: Outbox, routing: Routing, clock: Clock
) -> Rebuild:
    """Makes watchers, each with some part of its own."""

    def make(**parts: Any) -> Watcher:
        chosen: dict[str, Any] = {"client": client, "store": store, "outbox": outbox}
        chosen |= {"routing": routing, **parts}
        checker = Checker("default", **chosen, now=clock)
        return Watcher(checker, chosen["store"], chosen["outbox"], now=clock)

    return make


# ---- Standing still --------------------------------------------------------------------------


def test_a_watched_run_that_stands_still_is_announced_once_and_once_more_when_it_moves(
    look: Callable[..., Check], rebuild: Rebuild, clock: Clock
) -> None:
    hour = timedelta(hours=1)
    patient = rebuild(stalled_after=hour)
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
    look: Callable[..., Check], rebuild: Rebuild, clock: Clock, status: str
) -> None:
    look(status)
    clock.advance(timedelta(days=1))
    check = rebuild(stalled_after=timedelta(hours=1)).check("run-1", Deadline(30))
    assert check.change is None


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
    look: Callable[..., Check],
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


def test_an_unchanged_run_costs_one_read_and_nothing_else(
    look: Callable[..., Check], requests_made: list[str]
) -> None:
    look("started", progress={"expectedNbOfEvents": 10, "receivedNbOfEvents": 1}, reason="so")
    requests_made.clear()

    check = look(
        "started", progress={"expectedNbOfEvents": 10, "receivedNbOfEvents": 1}, reason="so"
    )

    assert requests_made == ["GetItem"]
    assert (check.change, check.queued) == (None, False)


def test_a_change_is_told_apart_from_what_was_known(
    look: Callable[..., Check], queue: Queue
) -> None:
    look("started")
    check = look("finished", "failure", reasonCode="critical")

    assert check.previous is not None
    assert check.previous.status == Status.STARTED
    assert check.change is not None
    assert check.change.after.outcome == "failure"
    assert [wake.version for wake in queue.wakes()] == [1, 2]


def test_a_stale_read_is_left_aside(
    look: Callable[..., Check], requests_made: list[str], store: RunStore
) -> None:
    known = look("finished", "success").item
    requests_made.clear()

    check = look("started")

    assert (check.stale, check.change, check.queued) == (True, None, False)
    assert requests_made == ["GetItem"]
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
    look: Callable[..., Check], store: RunStore, queue: Queue
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


def test_a_watchs_wishes_come_before_the_default(
    look: Callable[..., Check], store: RunStore, queue: Queue
) -> None:
    watch = Watch(channel="#mine", notify_on=frozenset({"succeeded"}))
    store.put_watch("default", "run-1", watch)

    look("started")
    look("finished", "success")

    assert queue.wakes() == [Wake("default", "run-1", 2, "#mine")]


def test_a_moved_watch_takes_effect_at_the_next_change(
    look: Callable[..., Check], store: RunStore, queue: Queue
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

    watcher = rebuild(client=Alternating())
    with ThreadPoolExecutor(max_workers=20) as pool:
        list(pool.map(lambda _: watcher.check("run-1", Deadline(30)), range(21)))

    kinds = [each.kind for each in store.get("default", "run-1").history]
    assert kinds == [kind for kind in ("created", "started", "succeeded") if kind in kinds]
    assert kinds[-1] == "succeeded"


# ---- What goes wrong between the table and the queue ----------------------------------------


def test_a_change_is_committed_though_the_queue_is_out_of_reach(
    rebuild: Rebuild, dead_outbox: Outbox, algolia: AlgoliaStandIn, watcher: Watcher, queue: Queue
) -> None:
    algolia.put_run(document("finished", "failure"))

    check = rebuild(outbox=dead_outbox).check("run-1", Deadline(30))

    assert check.change is not None
    assert not check.queued
    assert check.item.pending_since is not None
    assert watcher.tick(Deadline(30)) == Report(enqueued=1)
    assert queue.wakes() == [Wake("default", "run-1", 1, CHANNEL)]


def test_a_crash_between_table_and_queue_is_repaired_by_the_next_tick(
    rebuild: Rebuild, sqs: Any, algolia: AlgoliaStandIn, watcher: Watcher, queue: Queue
) -> None:
    algolia.put_run(document("finished", "failure"))
    crashing = CrashingOutbox(sqs, queue.url)

    with pytest.raises(Crash):
        rebuild(outbox=crashing).check("run-1", Deadline(30))

    assert queue.wakes() == []
    assert watcher.tick(Deadline(30)) == Report(enqueued=1)
    assert queue.wakes() == [Wake("default", "run-1", 1, CHANNEL)]


def test_a_commit_whose_answer_was_lost_is_announced_by_the_next_tick(
    rebuild: Rebuild,
    dynamodb: Any,
    table_name: str,
    algolia: AlgoliaStandIn,
    watcher: Watcher,
    queue: Queue,
    store: RunStore,
    clock: Clock,
) -> None:
    class Repeating(Table):
        """Makes every write twice, as the SDK does when the first answer is lost."""

        def update(self, pk: str, **how: Any) -> dict[str, Any] | None:
            super().update(pk, **how)
            return super().update(pk, **how)

    algolia.put_run(document("started"))
    repeating = RunStore(Repeating(dynamodb, table_name), now=clock)

    check = rebuild(store=repeating).check("run-1", Deadline(30))

    assert check.item == store.get("default", "run-1")
    assert len(check.item.history) == 1
    assert watcher.tick(Deadline(30)).enqueued == len(queue.wakes()) == 1


def test_a_sweep_that_the_queue_does_not_take_is_made_by_the_next_tick(
    rebuild: Rebuild,
    dead_outbox: Outbox,
    look: Callable[..., Check],
    watcher: Watcher,
    queue: Queue,
) -> None:
    look("started", run_id="run-1")
    look("started", run_id="run-2")
    queue.drain()

    assert rebuild(outbox=dead_outbox).tick(Deadline(30)) == Report()
    assert watcher.tick(Deadline(30)) == Report(enqueued=2)
    assert sorted(wake.run_id for wake in queue.wakes()) == ["run-1", "run-2"]


def test_a_sweep_leaves_to_the_queue_what_another_has_just_enqueued(
    look: Callable[..., Check], watcher: Watcher, queue: Queue, clock: Clock
) -> None:
    look("started")
    queue.drain()
    assert watcher.sweep() == 1

    assert watcher.sweep() == 0
    clock.advance(SHORTEST_REST - SECOND)
    assert watcher.sweep() == 0
    clock.advance(SECOND)
    assert watcher.sweep() == 1

    # The second word is as good as the first: SQS has not dropped it as a duplicate.
    assert queue.wakes() == [Wake("default", "run-1", 1, CHANNEL)] * 2


def test_a_sweep_rests_longer_the_longer_a_run_is_pending(
    look: Callable[..., Check], watcher: Watcher, clock: Clock
) -> None:
    look("started")
    words = 0
    for _ in range(4 * 60):
        words += watcher.sweep()
        clock.advance(timedelta(minutes=1))

    # Four hours of trouble: not one word a minute, and yet one every half hour.
    assert 10 <= words <= 20
    clock.advance(LONGEST_REST)
    assert watcher.sweep() == 1


def test_what_is_delivered_is_not_swept(
    look: Callable[..., Check], store: RunStore, watcher: Watcher, queue: Queue
) -> None:
    store.record_delivery(look("started").item, TOLD, settled=True)
    queue.drain()

    assert watcher.sweep() == 0
    assert queue.wakes() == []


def test_a_table_out_of_reach_is_an_error_that_says_so(
    dynamodb: Any, rebuild: Rebuild, algolia: AlgoliaStandIn
) -> None:
    watcher = rebuild(store=RunStore(Table(dynamodb, "no-such-table")))
    algolia.put_run(document("started"))

    with pytest.raises(StoreUnavailableError):
        watcher.check("run-1", Deadline(30))
    with pytest.raises(StoreUnavailableError):
        watcher.tick(Deadline(30))


# ---- A tick ---------------------------------------------------------------------------------


def test_a_tick_looks_at_the_watched_runs_that_have_not_ended(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, queue: Queue
) -> None:
    for number in range(12):
        store.put_watch("default", f"run-{number}", Watch())
        algolia.put_run(document("started", run_id=f"run-{number}"))
    save(store, run_of("finished", "success", run_id="ended"), announce_in=None)
    store.put_watch("default", "ended", Watch())

    first = watcher.tick(Deadline(30))

    assert first == Report(checked=12, changed=12, enqueued=12, requests=12)
    assert sorted(wake.run_id for wake in queue.wakes()) == sorted(f"run-{n}" for n in range(12))


def test_a_quiet_tick_writes_nothing(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, requests_made: list[str]
) -> None:
    for number in range(3):
        store.put_watch("default", f"run-{number}", Watch(notify_on=frozenset()))
        algolia.put_run(document("started", run_id=f"run-{number}"))
    watcher.tick(Deadline(30))
    requests_made.clear()

    report = watcher.tick(Deadline(30))

    assert report == Report(checked=3, requests=3)
    assert sorted(requests_made) == ["GetItem"] * 3 + ["Query"] * 2


def test_a_tick_looks_at_the_runs_it_is_given_once_each(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore
) -> None:
    store.put_watch("default", "watched", Watch())
    algolia.put_run(document("started", run_id="given"))

    report = watcher.tick(Deadline(30), ["given", "given"])

    assert report == Report(checked=1, changed=1, enqueued=1, requests=1)


def test_an_ended_run_is_looked_at_no_more(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore
) -> None:
    store.put_watch("default", "run-1", Watch())
    algolia.put_run(document("finished", "success"))

    assert watcher.tick(Deadline(30)).checked == 1
    store.record_delivery(store.get("default", "run-1"), TOLD, settled=True)
    assert watcher.tick(Deadline(30)) == Report()


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
    assert list(store.active("default")) == ["run-1"]

    algolia.put_run(document(seen, "success" if seen == "finished" else None))
    watcher.tick(Deadline(30))

    assert list(store.active("default")) == []
    assert store.get("default", "run-1").watch == Watch()


def test_one_malformed_run_leaves_the_others_alone(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, queue: Queue
) -> None:
    for number in range(10):
        store.put_watch("default", f"run-{number}", Watch())
        algolia.put_run(document("started", run_id=f"run-{number}"))
    algolia.put_run(document("started", run_id="run-4", createdAt=[]))

    report = watcher.tick(Deadline(30))

    assert report == Report(checked=9, changed=9, enqueued=9, failed=1, requests=10)
    assert len(queue.wakes()) == 9
    assert "run-4" in store.active("default")


def test_a_run_whose_fetch_fails_is_looked_at_by_the_next_tick(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore
) -> None:
    store.put_watch("default", "run-1", Watch())
    algolia.put_run(document("started"))
    algolia.faults.add(Fault("status", status=503), times=4)

    assert watcher.tick(Deadline(30)) == Report(failed=1, requests=4)
    assert watcher.tick(Deadline(30)).checked == 1


def test_a_run_unknown_for_long_is_retired(watcher: Watcher, store: RunStore, clock: Clock) -> None:
    store.put_watch("default", "nobody", Watch())

    assert watcher.tick(Deadline(30)) == Report(failed=1, requests=1)
    clock.advance(UNKNOWN_FOR)
    assert watcher.tick(Deadline(30)) == Report(failed=1, requests=1)
    clock.advance(SECOND)
    assert watcher.tick(Deadline(30)) == Report(failed=1, requests=1)

    assert watcher.tick(Deadline(30)) == Report()
    assert store.get("default", "nobody").watch == Watch()


def test_a_quiet_run_that_is_missed_once_stays_watched(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, clock: Clock
) -> None:
    store.put_watch("default", "run-1", Watch())
    algolia.put_run(document("started"))
    watcher.tick(Deadline(30))
    for _ in range(2):
        clock.advance(2 * UNKNOWN_FOR)
        algolia.faults.add(Fault("status", status=404))

        assert watcher.tick(Deadline(30)).failed == 1
        assert watcher.tick(Deadline(30)).checked == 1

    assert list(store.active("default")) == ["run-1"]


def test_a_run_that_changes_after_it_was_missed_counts_as_known(
    saw: Saw, watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, clock: Clock
) -> None:
    store.put_watch("default", "run-1", Watch())
    watcher.tick(Deadline(30))
    clock.advance(2 * UNKNOWN_FOR)
    saw("started")
    algolia.faults.add(Fault("status", status=404))

    assert watcher.tick(Deadline(30)).failed == 1

    assert list(store.active("default")) == ["run-1"]


def test_a_run_that_is_watched_again_has_its_full_time_to_appear(
    watcher: Watcher, store: RunStore, clock: Clock
) -> None:
    store.put_watch("default", "late", Watch())
    watcher.tick(Deadline(30))
    clock.advance(UNKNOWN_FOR + SECOND)
    watcher.tick(Deadline(30))
    assert list(store.active("default")) == []

    store.put_watch("default", "late", Watch())
    watcher.tick(Deadline(30))

    assert list(store.active("default")) == ["late"]


def test_one_run_that_algolia_refuses_leaves_the_others_alone(
    watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore
) -> None:
    for number in range(20):
        store.put_watch("default", f"run-{number}", Watch())
        algolia.put_run(document("started", run_id=f"run-{number}"))
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


def test_an_entry_that_the_queue_refuses_leaves_the_others_alone(
    look: Callable[..., Check], watcher: Watcher, queue: Queue, outbox: Outbox, clock: Clock
) -> None:
    for number in range(3):
        look("started", run_id=f"run-{number}")
    queue.drain()
    truly = outbox.enqueue

    def refuse_one(wakes: Iterable[Wake], *, sweep: str = "") -> int:
        batch = list(wakes)
        if any(wake.run_id == "run-0" for wake in batch):
            raise QueueRefusedError("the queue refused 1")
        return truly(batch, sweep=sweep)

    outbox.enqueue = refuse_one  # type: ignore[method-assign]
    assert watcher.sweep() == 2
    assert sorted(wake.run_id for wake in queue.wakes()) == ["run-1", "run-2"]


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
    assert second.checked == first.skipped
    assert {wake.run_id for wake in queue.wakes()} == {f"run-{number}" for number in range(20)}


def test_a_placeholder_in_the_secret_is_named_after_the_sweep_is_done(
    rebuild: Rebuild,
    secrets: Any,
    new_secret: Callable[[object], str],
    algolia: AlgoliaStandIn,
    look: Callable[..., Check],
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
