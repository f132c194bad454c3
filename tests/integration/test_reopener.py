"""Closed channels: what they refuse waits, is tried a little each tick, and goes out unasked."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from local.http_server import Answer, Request
from local.slack import SlackStandIn
from runbell.closed_channels import ClosedChannels
from runbell.deadline import Deadline
from runbell.errors import QueueUnavailableError
from runbell.notifier import Notifier
from runbell.outbox import DeadLetters, Outbox
from runbell.reopener import KNOCKS, WATCHED_FOR, Reopener
from runbell.store import RunStore
from runbell.sweeper import Sweeper
from tests.integration.conftest import CHANNEL, Clock, Queue, Saw, bot_only

pytestmark = bot_only

MINUTE = timedelta(minutes=1)


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

        def clear(self, is_told: Any, deadline: Deadline) -> int:
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
