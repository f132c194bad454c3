"""Closed channels: what they refuse waits, is tried a little each tick, and goes out unasked."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from local.algolia import AlgoliaStandIn
from local.faults import Fault
from local.http_server import Answer, Request
from local.slack import SlackStandIn
from runbell.closed_channels import ClosedChannels
from runbell.connections import ConnectionStore
from runbell.deadline import Deadline
from runbell.errors import QueueUnavailableError, SlackError, StoreUnavailableError
from runbell.items import run_key
from runbell.notifier import Notifier
from runbell.outbox import Clearance, DeadLetters, Outbox
from runbell.reopener import KNOCKS, WATCHED_FOR, Reopener
from runbell.schema import SCHEMA
from runbell.slack.access import SlackAccess
from runbell.store import LEAST_KEPT, RunStore
from runbell.sweeper import Sweeper
from runbell.table import Table
from tests.integration.conftest import CHANNEL, Clock, Queue, Rebuild, Saw, bot_only

pytestmark = bot_only

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def by_bot(way: str) -> None:
    """What a webhook is refused is seen to in test_notifier.py."""


@pytest.fixture
def reopener(
    closed_channels: ClosedChannels,
    store: RunStore,
    outbox: Outbox,
    dead_letters: DeadLetters,
    clock: Clock,
) -> Reopener:
    return Reopener("default", closed_channels, store, outbox, dead_letters, now=clock)


@pytest.fixture
def tick(
    store: RunStore, sweeper: Sweeper, reopener: Reopener, queue: Queue, notifier: Notifier,
    clock: Clock,
) -> Callable[[], int]:  # fmt: skip
    """A minute later, does what a tick does for what is pending and for closed channels, and lets
    notify do what it is asked; answers with how many words it got."""

    def go_on() -> int:
        clock.advance(MINUTE)
        sweeper.sweep()
        for kind, name in [*store.due("default")]:
            if kind == "channel":
                reopener.look(name, Deadline(30))
        wakes = queue.wakes()
        for wake in wakes:
            notifier.deliver(wake)
        return len(wakes)

    return go_on


@pytest.fixture
def refused(saw: Saw, notifier: Notifier, slack: SlackStandIn) -> Callable[[int], None]:
    """Lets a channel refuse some announcements."""

    def refuse(count: int) -> None:
        slack.archive(CHANNEL)
        for number in range(count):
            notifier.deliver(saw("finished", "failure", run_id=f"run-{number:02}"))

    return refuse


def told(slack: SlackStandIn) -> list[str]:
    payloads = [each.metadata or {} for each in slack.messages(CHANNEL)]
    return [payload["event_payload"]["run_id"] for payload in payloads]


def closed_in(store: RunStore) -> list[str]:
    return [name for kind, name in store.due("default") if kind == "channel"]


def test_what_a_channel_refused_is_out_two_ticks_after_it_opened(
    refused: Callable[[int], None], tick: Callable[[], int], slack: SlackStandIn, queue: Queue
) -> None:
    refused(12)
    queue.drain()
    tick()
    assert told(slack) == []

    slack.restore(CHANNEL)
    tick()
    tick()

    assert sorted(told(slack)) == [f"run-{number:02}" for number in range(12)]
    assert tick() == 0


def test_a_closed_channel_is_tried_a_little_each_tick_and_no_more(
    refused: Callable[[int], None], tick: Callable[[], int], slack: SlackStandIn, queue: Queue
) -> None:
    refused(12)
    queue.drain()
    before = len(slack.requests)

    assert [tick() for _ in range(30)] == [KNOCKS] * 30

    assert len(slack.requests) - before == 30 * KNOCKS


def test_all_that_wait_have_their_turn(
    refused: Callable[[int], None],
    tick: Callable[[], int],
    slack: SlackStandIn,
    queue: Queue,
) -> None:
    refused(7)
    queue.drain()
    slack.restore(CHANNEL)
    truly = slack.handle

    def refuse_odd(request: Request) -> Answer:
        payload = request.json().get("metadata", {}).get("event_payload", {})
        if payload.get("run_id", "") < "run-06":
            return Answer.of_json(200, {"ok": False, "error": "is_archived"})
        return truly(request)

    slack.handle = refuse_odd
    for _ in range(3):
        tick()
    assert told(slack) == ["run-06"]


def test_the_letters_of_what_is_told_leave_the_dead_letter_queue_and_others_stay(
    refused: Callable[[int], None],
    tick: Callable[[], int],
    slack: SlackStandIn,
    dead_letter_queue: Queue,
    queue: Queue,
    reopener: Reopener,
    sqs: Any,
) -> None:
    sqs.set_queue_attributes(QueueUrl=dead_letter_queue.url, Attributes={"VisibilityTimeout": "1"})
    refused(5)
    queue.drain()
    dead_letter_queue.send("hello", "#other")
    assert dead_letter_queue.count() == 6
    slack.restore(CHANNEL)

    for _ in range(3):
        tick()
    # A letter that was looked at too early is out of sight for as long as the queue says.
    until = time.monotonic() + 20
    while dead_letter_queue.count() > 1:
        reopener.look(CHANNEL, Deadline(30))
        assert time.monotonic() < until, "the letters of what is told stay"

    while not (letters := dead_letter_queue.drain()):
        assert time.monotonic() < until, "the letter that nobody can read is gone"
    (letter,) = letters
    assert letter["Body"] == "hello"


def test_a_channel_that_refuses_nothing_any_more_costs_nothing_after_a_while(
    refused: Callable[[int], None],
    tick: Callable[[], int],
    slack: SlackStandIn,
    store: RunStore,
    clock: Clock,
) -> None:
    refused(2)
    slack.restore(CHANNEL)
    tick()
    assert closed_in(store) == [CHANNEL]

    clock.advance(WATCHED_FOR)
    tick()

    assert closed_in(store) == []


def test_a_channel_that_closes_again_is_tried_again(
    refused: Callable[[int], None],
    tick: Callable[[], int],
    slack: SlackStandIn,
    clock: Clock,
    saw: Saw,
    notifier: Notifier,
) -> None:
    refused(1)
    slack.restore(CHANNEL)
    tick()
    clock.advance(WATCHED_FOR)
    tick()
    slack.archive(CHANNEL)
    notifier.deliver(saw("finished", "failure", run_id="later"))
    slack.restore(CHANNEL)

    tick()

    assert told(slack) == ["run-00", "later"]


def test_what_waits_is_no_pending_announcement(
    refused: Callable[[int], None], store: RunStore, sweeper: Sweeper, clock: Clock
) -> None:
    refused(2)
    clock.advance(timedelta(hours=1))

    assert [*store.pending("default")] == []
    assert sweeper.sweep().oldest == 0
    assert store.get("default", "run-00").pending_since is None


def test_what_waits_expires_although_it_is_tried_again_and_again(
    refused: Callable[[int], None], tick: Callable[[], int], raw: Callable[[str], dict[str, Any]]
) -> None:
    refused(1)
    expiry = raw("run-00")["expires_at"]
    for _ in range(3):
        tick()

    assert raw("run-00")["expires_at"] == expiry


def test_a_queue_out_of_reach_loses_nothing(
    refused: Callable[[int], None],
    closed_channels: ClosedChannels,
    store: RunStore,
    sqs: Any,
    tick: Callable[[], int],
    slack: SlackStandIn,
    queue: Queue,
    clock: Clock,
) -> None:
    class Away(Outbox):
        """Is out of reach."""

        def enqueue(self, wakes: Any, *, sweep: str = "") -> int:
            raise QueueUnavailableError("the queue does not answer")

    class AwayLetters(DeadLetters):
        """Is out of reach."""

        def clear(self, is_told: Any, deadline: Deadline) -> Clearance:
            raise QueueUnavailableError("the queue does not answer")

    refused(2)
    queue.drain()
    slack.restore(CHANNEL)
    unlucky = Reopener(
        "default", closed_channels, store, Away(sqs, ""), AwayLetters(sqs, ""), now=clock
    )
    unlucky.look(CHANNEL, Deadline(30))

    tick()

    assert sorted(told(slack)) == ["run-00", "run-01"]


def test_a_change_that_comes_while_an_announcement_waits_is_told_at_once_with_it(
    refused: Callable[[int], None], slack: SlackStandIn, saw: Saw, notifier: Notifier,
    tick: Callable[[], int], store: RunStore,
) -> None:  # fmt: skip
    slack.archive(CHANNEL)
    notifier.deliver(saw("started"))
    slack.restore(CHANNEL)

    notifier.deliver(saw("finished", "failure"))

    assert store.get("default", "run-1").pending_since is None
    before = len(slack.messages(CHANNEL))
    tick()
    tick()
    assert len(slack.messages(CHANNEL)) == before


def test_an_item_of_a_later_release_keeps_no_channel_closed(
    refused: Callable[[int], None],
    tick: Callable[[], int],
    slack: SlackStandIn,
    queue: Queue,
    table: Table,
    dynamodb: Any,
    table_name: str,
) -> None:
    refused(5)
    queue.drain()
    later = Table(dynamodb, table_name, schema=SCHEMA + 1)
    later.update(run_key("default", "run-00"), put={"pending_due": "2026-03-01T00:00:00Z"})
    slack.restore(CHANNEL)

    for _ in range(3):
        tick()

    assert sorted(told(slack)) == [f"run-{number:02}" for number in range(1, 5)]


def test_letters_that_stay_hide_none_that_may_go(
    refused: Callable[[int], None],
    tick: Callable[[], int],
    slack: SlackStandIn,
    queue: Queue,
    dead_letters: DeadLetters,
    dead_letter_queue: Queue,
) -> None:
    for _ in range(12):
        dead_letters.bury("nonsense", CHANNEL, "body is no message")
    refused(3)
    queue.drain()
    slack.restore(CHANNEL)

    tick()
    tick()

    assert len(told(slack)) == 3
    assert dead_letter_queue.count() == 12


def test_letters_leave_also_when_telling_takes_longer_than_a_channel_is_watched(
    refused: Callable[[int], None],
    tick: Callable[[], int],
    slack: SlackStandIn,
    store: RunStore,
    sweeper: Sweeper,
    reopener: Reopener,
    notifier: Notifier,
    queue: Queue,
    clock: Clock,
    dead_letter_queue: Queue,
    sqs: Any,
) -> None:
    sqs.set_queue_attributes(QueueUrl=dead_letter_queue.url, Attributes={"VisibilityTimeout": "0"})
    refused(12)
    queue.drain()
    slack.restore(CHANNEL)
    tick()
    clock.advance(MINUTE)
    reopener.look(CHANNEL, Deadline(1))
    slow = queue.wakes()
    clock.advance(2 * WATCHED_FOR)
    reopener.look(CHANNEL, Deadline(1))
    assert closed_in(store) == [CHANNEL], "its letters lie there still"
    for wake in slow:
        notifier.deliver(wake)
    assert len(told(slack)) == 12

    reopener.look(CHANNEL, Deadline(1))

    assert dead_letter_queue.count() == 0
    assert closed_in(store) == []


def test_a_channel_that_opens_leaves_half_of_a_ticks_time_to_the_runs(
    refused: Callable[[int], None],
    tick: Callable[[], int],
    slack: SlackStandIn,
    queue: Queue,
    reopener: Reopener,
    notifier: Notifier,
    clock: Clock,
) -> None:
    """What is not let go in time goes with the next tick, which need not try the channel anew."""
    refused(33)
    queue.drain()
    slack.restore(CHANNEL)
    tick()
    seconds = iter(range(0, 10_000, 4))  # of which each batch of ten takes four

    clock.advance(MINUTE)
    reopener.look(CHANNEL, Deadline(10, clock=lambda: next(seconds)))

    in_time = queue.wakes()
    assert 0 < len(in_time) <= 20
    for wake in in_time:
        notifier.deliver(wake)
    tick()
    assert len(told(slack)) == 33


def test_what_may_have_been_posted_before_the_channel_closed_is_looked_for_from_then_on(
    saw: Saw,
    notifier: Notifier,
    slack: SlackStandIn,
    tick: Callable[[], int],
    queue: Queue,
) -> None:
    notifier.deliver(saw("created", run_id="earlier"))  # by which the channel's ID is known
    wake = saw("finished", "failure")
    slack.faults.add(Fault("drop_after"), path="chat.postMessage")
    slack.faults.add(Fault("error", error="ratelimited"), path="conversations.history")
    with pytest.raises(SlackError):
        notifier.deliver(wake)
    assert len(told(slack)) == 2
    slack.archive(CHANNEL)
    notifier.deliver(wake, is_repeat=True)
    queue.drain()
    for _ in range(20):
        tick()
    slack.restore(CHANNEL)

    tick()
    tick()

    assert told(slack) == ["earlier", "run-1"]


def test_what_is_put_aside_stays_for_as_long_as_algolia_lists_it(
    table: Table,
    clock: Clock,
    saw: Saw,
    slack: SlackStandIn,
    slack_access: SlackAccess,
    dead_letters: DeadLetters,
    store: RunStore,
    raw: Callable[[str], dict[str, Any]],
) -> None:
    closed = ClosedChannels(table, retention=timedelta(days=1), now=clock)
    wake = saw("finished", "failure")
    slack.archive(CHANNEL)

    Notifier(store, closed, slack_access, dead_letters, now=clock).deliver(wake)

    kept = int(raw("run-1")["expires_at"]["N"]) - clock.now.timestamp()
    assert kept == LEAST_KEPT.total_seconds()


def test_a_closed_channel_that_cannot_be_looked_at_is_not_taken_for_a_run(
    rebuild: Rebuild, algolia: AlgoliaStandIn, connections: ConnectionStore, table: Table
) -> None:
    def away(name: str, deadline: Deadline) -> int:
        raise StoreUnavailableError("DynamoDB throttles")

    due = {"connection": "default", "due": "default", "due_at": "2026-03-02T08:00:00Z"}
    table.update("channel#default##ops", put=due)
    watcher = rebuild()
    watcher._open_duties = lambda _: {"channel": away}

    report = watcher.tick(Deadline(30))

    assert report.failed == 1
    assert connections.get("default").scan.again == ()


def test_closed_channels_are_looked_after_although_algolia_is_away(
    rebuild: Rebuild, algolia: AlgoliaStandIn, table: Table
) -> None:
    looked_at: list[str] = []

    def look(name: str, deadline: Deadline) -> int:
        looked_at.append(name)
        return 0

    due = {"connection": "default", "due": "default", "due_at": "2026-03-02T08:00:00Z"}
    table.update("channel#default##ops", put=due)
    watcher = rebuild()
    watcher._open_duties = lambda _: {"channel": look}
    algolia.faults.add(Fault("status", status=503), times=10)

    watcher.tick(Deadline(30))

    assert looked_at == ["#ops"]
