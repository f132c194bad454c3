"""What goes wrong between the table and the queue, and how a sweep makes it good."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config

from local.algolia import AlgoliaStandIn
from local.aws import REGION, free_port
from runbell.deadline import Deadline
from runbell.errors import QueueRefusedError, StoreUnavailableError
from runbell.items import Delivery
from runbell.outbox import Outbox, Wake
from runbell.store import RunStore
from runbell.sweeper import LONGEST_REST, SHORTEST_REST, Sweeper
from runbell.table import Table, Write
from runbell.watcher import Watcher
from tests.integration.conftest import CHANNEL, Clock, Look, Queue, Rebuild, deeds, document

TOLD = Delivery(channel_id="C1", ts="1.1", told=1, shown=1)
SECOND = timedelta(seconds=1)


class Crash(BaseException):
    """The end of a process in the midst of its work."""


class CrashingOutbox(Outbox):
    """Dies before the queue hears of anything."""

    def enqueue(self, wakes: Iterable[Wake], *, sweep: str = "") -> int:
        raise Crash


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


def test_a_change_is_committed_though_the_queue_is_out_of_reach(
    rebuild: Rebuild, dead_outbox: Outbox, algolia: AlgoliaStandIn, watcher: Watcher, queue: Queue
) -> None:
    algolia.put_run(document("finished", "failure"))

    check = rebuild(outbox=dead_outbox).check("run-1", Deadline(30))

    assert check.change is not None
    assert not check.queued
    assert check.item.pending_since is not None
    assert deeds(watcher.tick(Deadline(30))) == {"enqueued": 1, "checked": 1}
    assert queue.wakes() == [Wake("default", "run-1", 1, CHANNEL, swept=True)]


def test_a_crash_between_table_and_queue_is_repaired_by_the_next_tick(
    rebuild: Rebuild, sqs: Any, algolia: AlgoliaStandIn, watcher: Watcher, queue: Queue
) -> None:
    algolia.put_run(document("finished", "failure"))
    crashing = CrashingOutbox(sqs, queue.url)

    with pytest.raises(Crash):
        rebuild(outbox=crashing).check("run-1", Deadline(30))

    assert queue.wakes() == []
    assert deeds(watcher.tick(Deadline(30))) == {"enqueued": 1, "checked": 1}
    assert queue.wakes() == [Wake("default", "run-1", 1, CHANNEL, swept=True)]


@pytest.mark.parametrize("state", [("started",), ("finished", "failure")])
def test_a_commit_whose_answer_was_lost_is_announced_by_the_next_tick(
    rebuild: Rebuild,
    dynamodb: Any,
    table_name: str,
    algolia: AlgoliaStandIn,
    watcher: Watcher,
    queue: Queue,
    store: RunStore,
    clock: Clock,
    state: tuple[str, ...],
) -> None:
    class Repeating(Table):
        """Makes every write twice, as the SDK does when the first answer is lost."""

        def write(self, *writes: Write) -> bool:
            super().write(*writes)
            return super().write(*writes)

    algolia.put_run(document(*state))
    repeating = RunStore(Repeating(dynamodb, table_name), now=clock)

    check = rebuild(store=repeating).check("run-1", Deadline(30))

    assert check.item == store.get("default", "run-1")
    assert len(check.item.history) == 1
    assert watcher.tick(Deadline(30)).enqueued == len(queue.wakes()) == 1


def test_a_sweep_that_the_queue_does_not_take_is_made_by_the_next_tick(
    rebuild: Rebuild,
    dead_outbox: Outbox,
    look: Look,
    watcher: Watcher,
    queue: Queue,
) -> None:
    look("started", run_id="run-1")
    look("started", run_id="run-2")
    queue.drain()

    assert deeds(rebuild(outbox=dead_outbox).tick(Deadline(30))) == {"checked": 2}
    assert deeds(watcher.tick(Deadline(30))) == {"enqueued": 2}
    assert sorted(wake.run_id for wake in queue.wakes()) == ["run-1", "run-2"]


def test_a_sweep_leaves_to_the_queue_what_another_has_just_enqueued(
    look: Look, sweeper: Sweeper, queue: Queue, clock: Clock
) -> None:
    look("started")
    queue.drain()
    assert sweeper.sweep().enqueued == 1

    assert sweeper.sweep().enqueued == 0
    clock.advance(SHORTEST_REST - SECOND)
    assert sweeper.sweep().enqueued == 0
    clock.advance(SECOND)
    assert sweeper.sweep().enqueued == 1

    # The second word is as good as the first: SQS has not dropped it as a duplicate.
    assert queue.wakes() == [Wake("default", "run-1", 1, CHANNEL, swept=True)] * 2


def test_a_sweep_rests_longer_the_longer_a_run_is_pending(
    look: Look, sweeper: Sweeper, clock: Clock
) -> None:
    look("started")
    words = 0
    for _ in range(4 * 60):
        words += sweeper.sweep().enqueued
        clock.advance(timedelta(minutes=1))

    # Four hours of trouble: not one word a minute, and yet one every half hour.
    assert 10 <= words <= 20
    clock.advance(LONGEST_REST)
    assert sweeper.sweep().enqueued == 1


def test_what_is_delivered_is_not_swept(
    look: Look, store: RunStore, sweeper: Sweeper, queue: Queue
) -> None:
    store.record_delivery(look("started").item, TOLD, settled=True)
    queue.drain()

    assert sweeper.sweep().enqueued == 0
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


def test_an_entry_that_the_queue_refuses_leaves_the_others_alone(
    look: Look, sweeper: Sweeper, queue: Queue, outbox: Outbox, clock: Clock
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
    assert sweeper.sweep().enqueued == 2
    assert sorted(wake.run_id for wake in queue.wakes()) == ["run-1", "run-2"]
