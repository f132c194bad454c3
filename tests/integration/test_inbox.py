"""The inbox on a real FIFO queue: what is delivered leaves it, what is not comes again in order."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import EndpointConnectionError

from local.faults import Fault
from local.http_server import Answer, Request
from local.slack import SlackStandIn
from runbell.closed_channels import ClosedChannels
from runbell.deadline import Deadline
from runbell.errors import QueueUnavailableError, StoreUnavailableError
from runbell.inbox import LONGEST_WAIT, TIRED, Inbox
from runbell.items import RunItem
from runbell.notifier import Notifier
from runbell.outbox import DeadLetters, Wake
from runbell.rules import Watch
from runbell.slack.access import SlackAccess
from runbell.store import RunStore
from runbell.sweeper import Sweeper
from runbell.table import Table
from tests.integration.conftest import CHANNEL, Queue, Saw, bot_only, limited


class Invocation:
    """What Lambda tells a function of its own invocation."""

    def __init__(self, seconds: float = 20.0) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


class Drain:
    """Hands a batch of the queue to the inbox, and does with the answer what Lambda does."""

    def __init__(self, queue: Queue, inbox: Inbox) -> None:
        self._queue = queue
        self.inbox = inbox

    def __call__(self, *, seconds: float = 20.0, most: int = 10) -> list[str]:
        """Answers the run IDs that went back, or the bodies that name none."""
        messages = self._queue.receive(most)
        response = self.inbox.drain(event(messages), cast("LambdaContext", Invocation(seconds)))
        back = [failure["itemIdentifier"] for failure in response["batchItemFailures"]]
        for message in messages:
            if message["MessageId"] not in back:
                self._queue.delete(message)
        return [named(message) for message in messages if message["MessageId"] in back]


def event(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch as Lambda hands it to a function."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "messageAttributes": {},
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:runbell.fifo",
                "awsRegion": "us-east-1",
            }
            for message in messages
        ]
    }


def named(message: dict[str, Any]) -> str:
    try:
        return str(json.loads(message["Body"])["runID"])
    except (ValueError, KeyError, TypeError):
        return str(message["Body"])


@pytest.fixture
def drain(queue: Queue, inbox: Inbox) -> Drain:
    return Drain(queue, inbox)


@pytest.fixture
def waits(sqs: Any) -> Iterator[list[int]]:
    """The visibility time-outs that SQS is asked for, message by message."""
    asked: list[int] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        asked.append(params["VisibilityTimeout"])

    name = "provide-client-params.sqs.ChangeMessageVisibility"
    sqs.meta.events.register(name, note)
    yield asked
    sqs.meta.events.unregister(name, note)


@pytest.fixture
def saw_in(saw: Saw, store: RunStore) -> Callable[[str, str], Wake]:
    """Lets a run be seen that belongs in a channel."""

    def see(run_id: str, channel: str) -> Wake:
        store.put_watch("default", run_id, Watch(channel=channel))
        return saw("started", run_id=run_id)

    return see


def told(slack: SlackStandIn, channel: str) -> list[str]:
    """The runs that a channel was told of, in order."""
    return [
        message.metadata["event_payload"]["run_id"]
        for message in slack.messages(channel)
        if message.metadata
    ]


def test_a_batch_is_delivered_and_leaves_the_queue(
    saw: Saw, drain: Drain, slack: SlackStandIn, queue: Queue, waits: list[int]
) -> None:
    for number in range(3):
        saw("started", run_id=f"run-{number}")

    assert drain() == []

    assert len(slack.messages(CHANNEL)) == 3
    assert waits == []
    assert queue.receive() == []


@bot_only
def test_a_channel_in_trouble_holds_up_itself_alone_and_stays_in_order(
    saw_in: Callable[[str, str], Wake],
    drain: Drain,
    slack: SlackStandIn,
    queue: Queue,
    waits: list[int],
) -> None:
    for run_id, channel in (("a1", "#a"), ("b1", "#b"), ("a2", "#a"), ("b2", "#b"), ("a3", "#a")):
        saw_in(run_id, channel)

    with limited(slack, "#a"):
        assert drain() == ["a1", "a2", "a3"]

    assert told(slack, "#b") == ["b1", "b2"]
    assert told(slack, "#a") == []
    assert waits == [30, 30, 30]
    assert queue.receive() == []  # put off, not there at once

    queue.make_visible()
    assert drain() == []
    assert told(slack, "#a") == ["a1", "a2", "a3"]


@bot_only
def test_what_was_delivered_before_the_trouble_does_not_come_again(
    saw_in: Callable[[str, str], Wake], drain: Drain, slack: SlackStandIn, waits: list[int]
) -> None:
    for run_id in ("a1", "a2", "a3"):
        saw_in(run_id, "#a")
    slack.on_posted = lambda call: slack.faults.add(Fault("status", status=429, retry_after="2.5"))

    assert drain() == ["a2", "a3"]

    assert told(slack, "#a") == ["a1"]
    assert waits == [3, 3]


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [("2.5", 3), ("30", 30), ("86400", LONGEST_WAIT), ("soon", 2), (None, 2)],
)
def test_slacks_retry_after_is_how_long_a_channel_waits(
    saw: Saw,
    drain: Drain,
    slack: SlackStandIn,
    waits: list[int],
    retry_after: str | None,
    wait: int,
) -> None:
    saw("started")
    slack.faults.add(Fault("status", status=429, retry_after=retry_after))

    assert drain() == ["run-1"]

    assert waits == [wait]


def test_a_channel_that_stays_in_trouble_waits_longer_each_time(
    saw: Saw, drain: Drain, slack: SlackStandIn, queue: Queue, waits: list[int]
) -> None:
    saw("started")
    slack.faults.add(Fault("status", status=503), times=3)

    for _ in range(3):
        assert drain() == ["run-1"]
        queue.make_visible()

    assert [wait for wait in waits if wait] == [2, 4, 8]  # 0 makes it visible for the test
    assert drain() == []
    assert len(slack.messages(CHANNEL)) >= 1


@pytest.mark.parametrize(("receives", "wait"), [("5", 32), ("6", 60), (str(TIRED - 1), 60)])
def test_no_wait_without_a_word_of_slacks_is_longer_than_a_minute(
    saw: Saw,
    inbox: Inbox,
    slack: SlackStandIn,
    queue: Queue,
    waits: list[int],
    receives: str,
    wait: int,
) -> None:
    saw("started")
    slack.faults.add(Fault("status", status=503))
    batch = event(queue.receive())
    batch["Records"][0]["attributes"]["ApproximateReceiveCount"] = receives

    inbox.drain(batch, cast("LambdaContext", Invocation()))

    assert waits == [wait]


def test_what_the_time_does_not_suffice_for_comes_back_at_once(
    saw: Saw, drain: Drain, slack: SlackStandIn, waits: list[int]
) -> None:
    for run_id in ("a1", "a2"):
        saw("started", run_id=run_id)

    assert drain(seconds=9) == ["a1", "a2"]

    assert slack.requests == []
    assert waits == [0, 0]
    assert drain() == []
    assert len(slack.messages(CHANNEL)) == 2


@pytest.mark.parametrize(
    "nonsense",
    ["", "hello", "[]", "7", '{"runID": "run-1"}', '{"connection": 1, "runID": [], "version": 1, '
     '"channel": {}}', "[" * 50_000],
    ids=["empty", "words", "list", "number", "incomplete", "wrong types", "deep"],
)  # fmt: skip
@bot_only
def test_nonsense_is_laid_away_with_its_cause_and_holds_nobody_up(
    saw: Saw,
    drain: Drain,
    slack: SlackStandIn,
    queue: Queue,
    dead_letter_queue: Queue,
    nonsense: str,
) -> None:
    queue.send(nonsense or " ", CHANNEL)
    saw("started")

    assert drain() == []

    (letter,) = dead_letter_queue.drain()
    assert letter["Body"] == (nonsense or " ")
    assert letter["MessageAttributes"]["cause"]["StringValue"].startswith("body ")
    assert len(slack.messages(CHANNEL)) == 1
    assert queue.receive() == []


@bot_only
def test_nonsense_that_cannot_be_laid_away_comes_again(
    sqs: Any, queue: Queue, notifier: Notifier
) -> None:
    class Away(DeadLetters):
        """Is out of reach."""

        def bury(self, body: str, group: str, cause: str, *, once: str = "") -> None:
            raise QueueUnavailableError("the dead-letter queue took nothing")

    queue.send("hello", CHANNEL)

    assert Drain(queue, Inbox(sqs, queue.url, notifier, Away(sqs, "")))() == ["hello"]


@bot_only
def test_an_unforeseen_error_is_logged_and_the_message_comes_again(
    saw: Saw,
    sqs: Any,
    queue: Queue,
    store: RunStore,
    closed_channels: ClosedChannels,
    slack_access: SlackAccess,
    dead_letters: DeadLetters,
    slack: SlackStandIn,
    waits: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Notifier):
        """Has a bug that only one run brings out."""

        def deliver(
            self, wake: Wake, deadline: Deadline | None = None, *, is_repeat: bool = False
        ) -> bool:
            if wake.run_id == "odd":
                raise ZeroDivisionError("a bug")
            return super().deliver(wake, deadline, is_repeat=is_repeat)

    for run_id in ("fine", "odd", "behind"):
        saw("started", run_id=run_id)
    drain = Drain(
        queue,
        Inbox(
            sqs, queue.url, Broken(store, closed_channels, slack_access, dead_letters), dead_letters
        ),
    )

    with caplog.at_level(logging.ERROR, logger="runbell"):
        assert drain() == ["odd", "behind"]

    (line,) = [record for record in caplog.records if record.exc_info]
    assert "a bug" in str(line.exc_info)
    assert told(slack, CHANNEL) == ["fine"]
    assert waits == [2, 2]


@bot_only
def test_what_was_delivered_counts_although_the_queue_cannot_be_told_of_the_rest(
    saw_in: Callable[[str, str], Wake],
    queue: Queue,
    notifier: Notifier,
    dead_letters: DeadLetters,
    slack: SlackStandIn,
) -> None:
    class Deaf:
        """An SQS that takes no word about visibility."""

        def change_message_visibility(self, **_: Any) -> None:
            raise EndpointConnectionError(endpoint_url="https://sqs")

    saw_in("a1", "#a")
    saw_in("b1", "#b")
    drain = Drain(queue, Inbox(cast("Any", Deaf()), queue.url, notifier, dead_letters))

    with limited(slack, "#a"):
        assert drain() == ["a1"]

    assert told(slack, "#b") == ["b1"]


def tired(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """A batch of words that have come often."""
    batch = event(messages)
    for record in batch["Records"]:
        record["attributes"]["ApproximateReceiveCount"] = str(TIRED)
    return batch


@bot_only
def test_a_word_that_has_come_often_leaves_the_queue_for_the_next_sweep_to_send_another(
    saw: Saw, inbox: Inbox, slack: SlackStandIn, queue: Queue, sweeper: Sweeper
) -> None:
    saw("started")
    sweeper.sweep()  # so that the next one would leave the run to the queue
    assert sweeper.sweep().enqueued == 0
    slack.faults.add(Fault("status", status=503))

    answer = inbox.drain(tired(queue.drain()[:1]), cast("LambdaContext", Invocation()))

    assert answer["batchItemFailures"] == []
    assert sweeper.sweep().enqueued == 1
    assert Drain(queue, inbox)() == []
    assert len(slack.messages(CHANNEL)) == 1


@bot_only
def test_what_is_behind_a_word_that_has_come_often_waits_as_slack_asks(
    saw_in: Callable[[str, str], Wake],
    inbox: Inbox,
    slack: SlackStandIn,
    queue: Queue,
    waits: list[int],
) -> None:
    for run_id in ("a1", "a2", "a3"):
        saw_in(run_id, "#a")
    messages = queue.receive()
    batch = event(messages)
    batch["Records"][0]["attributes"]["ApproximateReceiveCount"] = str(TIRED)
    slack.faults.add(Fault("status", status=429, retry_after="90"))

    answer = inbox.drain(batch, cast("LambdaContext", Invocation()))

    back = [each["itemIdentifier"] for each in answer["batchItemFailures"]]
    assert back == [each["MessageId"] for each in messages[1:]]
    assert len(slack.requests) == 1
    assert waits == [90, 90]


@bot_only
def test_a_word_that_no_sweep_would_send_again_stays_in_the_queue(
    inbox: Inbox, queue: Queue, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("DynamoDB did not answer")

    monkeypatch.setattr(Notifier, "deliver", unavailable)
    store.create_test("default", "test-1", CHANNEL)
    queue.send(Wake("default", "test-1", 1, CHANNEL).body(), CHANNEL)

    answer = inbox.drain(tired(queue.receive()), cast("LambdaContext", Invocation()))

    assert len(answer["batchItemFailures"]) == 1


@bot_only
def test_a_message_that_always_fails_unforeseen_is_laid_away_with_why_and_holds_nobody_up(
    saw: Saw,
    inbox: Inbox,
    slack: SlackStandIn,
    queue: Queue,
    dead_letter_queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    truly = Notifier.deliver

    def with_a_bug(self: Notifier, wake: Wake, *rest: Any, **more: Any) -> None:
        if wake.run_id == "odd":
            raise ZeroDivisionError("a bug that names xoxb-secret")
        truly(self, wake, *rest, **more)

    monkeypatch.setattr(Notifier, "deliver", with_a_bug)
    for run_id in ("odd", "behind"):
        saw("started", run_id=run_id)

    answer = inbox.drain(tired(queue.receive()), cast("LambdaContext", Invocation()))

    assert answer["batchItemFailures"] == []
    (letter,) = dead_letter_queue.drain()
    assert letter["MessageAttributes"]["cause"]["StringValue"] == "unforeseen: ZeroDivisionError"
    assert told(slack, CHANNEL) == ["behind"]


@bot_only
@pytest.mark.parametrize(("seconds", "is_granted"), [(20.0, True), (13.0, False)])
def test_a_moment_that_slack_asks_for_is_waited_for_where_the_time_suffices(
    saw: Saw,
    sqs: Any,
    queue: Queue,
    notifier: Notifier,
    dead_letters: DeadLetters,
    slack: SlackStandIn,
    waits: list[int],
    seconds: float,
    is_granted: bool,
) -> None:
    """The queue would take longer, and the rest of the batch would go back with it."""
    slept: list[float] = []
    inbox = Inbox(sqs, queue.url, notifier, dead_letters, sleep=slept.append)
    for run_id in ("run-1", "run-2"):
        saw("started", run_id=run_id)
    slack.faults.add(Fault("status", status=429, retry_after="1.5"))

    back = Drain(queue, inbox)(seconds=seconds)

    assert slept == ([1.5] if is_granted else [])
    assert back == ([] if is_granted else ["run-1", "run-2"])
    assert waits == ([] if is_granted else [2, 2])


@bot_only
def test_what_is_behind_news_that_was_told_just_now_is_not_looked_for(
    saw: Saw, drain: Drain, slack: SlackStandIn, queue: Queue, notifier: Notifier
) -> None:
    """It has come before, yet never had its turn: a channel is told one thing after the other."""
    notifier.deliver(saw("started", run_id="another"))  # so that the channel's ID is known
    queue.drain()
    for number in range(4):
        saw("started", run_id=f"run-{number}")
    slack.faults.add(Fault("status", status=503))
    assert len(drain()) == 4
    queue.make_visible()

    assert drain() == []

    looks = [call for call in slack.calls if call.method == "conversations.history"]
    assert len(looks) == 1 + 1, "after the 503, which may hide a post, and on its return"
    assert len(slack.messages(CHANNEL)) == 5


@bot_only
def test_what_a_killed_batch_has_posted_is_looked_for_behind_a_run_that_has_gone_on_since(
    saw: Saw,
    drain: Drain,
    slack: SlackStandIn,
    queue: Queue,
    notifier: Notifier,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That there is something new to tell of the first does not say how far the batch has come."""
    notifier.deliver(saw("started", run_id="another"))  # so that the channel's ID is known
    queue.drain()
    for run_id in ("first", "second"):
        saw("started", run_id=run_id)
    truly = RunStore.record_delivery

    def die_of_the_second(self: RunStore, item: RunItem, *rest: Any, **more: Any) -> None:
        if item.run_id == "second":
            raise KeyboardInterrupt
        truly(self, item, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(RunStore, "record_delivery", die_of_the_second)
        with pytest.raises(KeyboardInterrupt):
            drain(most=2)
    saw("finished", "success", run_id="first")
    queue.make_visible()

    assert drain() == []

    assert told(slack, CHANNEL) == ["another", "first", "second"]


@bot_only
def test_a_word_of_slacks_that_nobody_knows_holds_its_channel_up_for_a_while_and_only_once(
    saw: Saw,
    inbox: Inbox,
    slack: SlackStandIn,
    queue: Queue,
    dead_letter_queue: Queue,
    store: RunStore,
) -> None:
    """It may ask for patience, or mean this one message."""
    truly = slack.handle

    def refuse_odd(request: Request) -> Answer:
        if b"odd" in request.body:
            return Answer.of_json(200, {"ok": False, "error": "cannot_reply_to_message"})
        return truly(request)

    slack.handle = refuse_odd
    saw("started", run_id="odd")
    assert Drain(queue, inbox)() == ["odd"], "it is tried again"
    queue.make_visible()

    saw("started", run_id="behind")
    messages = queue.receive()
    answer = inbox.drain(tired(messages), cast("LambdaContext", Invocation()))
    assert answer["batchItemFailures"] == []
    for message in messages:
        queue.delete(message)
    assert told(slack, CHANNEL) == ["behind"]
    (letter,) = dead_letter_queue.drain()
    assert letter["MessageAttributes"]["cause"]["StringValue"] == "cannot_reply_to_message"
    assert store.get("default", "odd").delivery.error == "cannot_reply_to_message"

    queue.send(letter["Body"], CHANNEL)
    assert Drain(queue, inbox)() == [], "given up before, it goes at once"


@bot_only
def test_a_table_that_is_away_for_long_lays_nothing_away(
    saw: Saw, inbox: Inbox, queue: Queue, monkeypatch: pytest.MonkeyPatch, sweeper: Sweeper
) -> None:
    """What a word names is pending, so that a sweep sends another once the table is back."""

    def away(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("DynamoDB did not answer")

    saw("started")
    messages = queue.receive()
    with monkeypatch.context() as patched:
        patched.setattr(Table, "_try", away)
        answer = inbox.drain(tired(messages), cast("LambdaContext", Invocation()))

    assert answer["batchItemFailures"] == []
    assert sweeper.sweep().enqueued == 1
