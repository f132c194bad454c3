"""The notifier between a real table and a stand-in for Slack: each change told once, in order."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.faults import Fault
from local.slack import Call, SlackStandIn
from local.slack.workspace import Message
from runbell.closed_channels import ClosedChannels
from runbell.connections import Connection, ConnectionStore
from runbell.errors import (
    QueueUnavailableError,
    SlackAmbiguousError,
    SlackCredentialError,
    SlackError,
    SlackLaterError,
    StoreUnavailableError,
)
from runbell.items import Delivery, RunItem
from runbell.notifier import Notifier
from runbell.outbox import DeadLetters, Wake, parse_wake
from runbell.rules import Watch
from runbell.secrets import Secret, parse_slack
from runbell.slack.access import SlackAccess
from runbell.store import RunStore
from runbell.sweeper import SHORTEST_REST, Sweeper
from runbell.table import Table
from tests.integration.conftest import CHANNEL, Clock, Queue, Saw, bot_only, limited, webhook_only

POST = "chat.postMessage"
FALLBACK = "#fallback"
ALL_POSTS = {"bot": POST, "webhook": "webhook"}


class ForgetfulStore(RunStore):
    """Loses some writes of deliveries, as a process does that is killed before them."""

    lost = 0
    lost_so_far = 0
    kept_before = 0

    def record_delivery(self, item: RunItem, delivery: Delivery, *, settled: bool) -> None:
        if self.lost and not self.kept_before:
            self.lost -= 1
            self.lost_so_far += 1
            raise StoreUnavailableError("the process was killed")
        self.kept_before = max(0, self.kept_before - 1)
        super().record_delivery(item, delivery, settled=settled)


@pytest.fixture
def store(dynamodb: Any, table_name: str, clock: Clock) -> ForgetfulStore:
    return ForgetfulStore(Table(dynamodb, table_name), now=clock)


@pytest.fixture
def guarded(
    store: RunStore,
    closed_channels: ClosedChannels,
    slack_access: SlackAccess,
    dead_letters: DeadLetters,
) -> Notifier:
    """A notifier with a fallback channel."""
    return Notifier(store, closed_channels, slack_access, dead_letters, FALLBACK)


def methods(slack: SlackStandIn) -> list[str]:
    """What Slack was asked for and gave."""
    return [
        call.method
        for call in slack.calls
        if call.answer == "ok" or (isinstance(call.answer, dict) and call.answer["ok"])
    ]


def written(message: Message) -> str:
    """All that a person reads in a message."""
    return message.text + json.dumps(message.blocks, ensure_ascii=False)


def headlines(slack: SlackStandIn, channel: str = CHANNEL) -> list[str]:
    """The first line of each message and reply in a channel, in the order of posting."""
    return [message.text.splitlines()[0] for message in slack.messages(channel)]


def told_in_order(slack: SlackStandIn, *words: str) -> bool:
    lines = headlines(slack)
    return len(lines) == len(words) and all(
        word in line for word, line in zip(words, lines, strict=True)
    )


def is_settled(store: RunStore, run_id: str = "run-1") -> bool:
    item = store.get("default", run_id)
    return item.pending_since is None and item.delivery.error is None


# ---- A run's life ---------------------------------------------------------------------------


def test_a_run_is_announced_by_one_post(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, store: RunStore, way: str
) -> None:
    notifier.deliver(saw("started"))

    assert methods(slack) == [ALL_POSTS[way]]
    (message,) = slack.messages(CHANNEL)
    assert "is running" in message.text
    assert "run-1" in written(message)
    delivery = store.get("default", "run-1").delivery
    assert (delivery.told, delivery.shown) == (1, 1)
    assert (delivery.channel_id, delivery.ts) == (
        (message.channel, message.ts) if way == "bot" else (None, None)
    )
    assert is_settled(store)


@bot_only
def test_a_run_that_goes_on_is_an_edit_of_its_message(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, store: RunStore
) -> None:
    for state in (["created"], ["started"], ["finished", "success"]):
        notifier.deliver(saw(*state))

    assert methods(slack) == [POST, "chat.update", "chat.update"]
    (message,) = slack.messages(CHANNEL)
    assert "succeeded" in message.text
    assert all(word in written(message) for word in ("created", "started", "succeeded"))
    assert is_settled(store)


@webhook_only
def test_a_webhook_posts_a_message_for_every_change(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, store: RunStore
) -> None:
    for state in (["created"], ["started"], ["finished", "success"]):
        notifier.deliver(saw(*state))

    assert told_in_order(slack, "waiting to start", "is running", "succeeded")
    assert is_settled(store)


@bot_only
def test_a_failure_is_told_in_the_thread_for_the_channel_to_see(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, store: RunStore
) -> None:
    notifier.deliver(saw("started"))
    notifier.deliver(saw("finished", "failure", reason="disk full"))

    assert methods(slack) == [POST, "chat.update", POST]
    message, reply = slack.messages(CHANNEL)
    assert (reply.thread_ts, reply.broadcast) == (message.ts, True)
    assert "failed" in message.text
    assert "disk full" in written(reply)
    assert is_settled(store)


def test_a_failure_seen_first_is_one_message(
    saw: Saw, notifier: Notifier, slack: SlackStandIn
) -> None:
    notifier.deliver(saw("finished", "failure"))

    assert told_in_order(slack, "failed")


@bot_only
def test_a_detail_that_comes_later_is_a_silent_edit(
    saw: Saw, notifier: Notifier, slack: SlackStandIn
) -> None:
    notifier.deliver(saw("finished", "failure"))
    notifier.deliver(saw("finished", "failure", reason="disk full"))

    assert methods(slack) == [POST, "chat.update"]
    assert "disk full" in written(slack.messages(CHANNEL)[0])


@webhook_only
def test_a_detail_that_comes_later_is_no_message_of_a_webhook(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, store: RunStore
) -> None:
    notifier.deliver(saw("finished", "failure"))
    notifier.deliver(saw("finished", "failure", reason="disk full"))

    assert methods(slack) == ["webhook"]
    assert is_settled(store)


def test_changes_that_piled_up_are_told_in_their_order(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, store: RunStore, way: str
) -> None:
    for state in (["created"], ["started"], ["finished", "failure"]):
        wake = saw(*state)

    notifier.deliver(wake)

    if way == "bot":
        assert told_in_order(slack, "failed")
        story = written(slack.messages(CHANNEL)[0])
        places = [story.index(f" {kind} <!date") for kind in ("created", "started", "failed")]
        assert places == sorted(places)
    else:
        assert told_in_order(slack, "waiting to start", "is running", "failed")
    assert is_settled(store)


def test_a_change_that_nobody_asked_for_posts_nothing(
    saw: Saw, connections: ConnectionStore, notifier: Notifier, slack: SlackStandIn
) -> None:
    connections.put(Connection("default", wishes=Watch(notify_on=frozenset({"failed"}))))

    wake = saw("created")
    notifier.deliver(wake)
    notifier.deliver(replace(wake, channel=CHANNEL))
    assert slack.calls == []

    notifier.deliver(saw("finished", "failure"))
    assert told_in_order(slack, "failed")


def test_an_expired_item_is_nobodys_news(
    saw: Saw,
    notifier: Notifier,
    slack: SlackStandIn,
    dynamodb: Any,
    table_name: str,
    raw: Callable[[str], dict[str, Any]],
) -> None:
    wake = saw("started")
    dynamodb.delete_item(TableName=table_name, Key={"pk": {"S": "run#default#run-1"}})

    notifier.deliver(wake)

    assert slack.calls == []
    assert raw("run-1") == {}


# ---- Wakes that come twice, late or out of order --------------------------------------------


def test_a_wake_that_comes_twice_asks_nothing_of_slack(
    saw: Saw, notifier: Notifier, slack: SlackStandIn
) -> None:
    wake = saw("finished", "failure")
    notifier.deliver(wake)
    asked = len(slack.requests)

    notifier.deliver(wake)
    notifier.deliver(wake)

    assert len(slack.requests) == asked


def test_wakes_out_of_order_ask_nothing_more_of_slack(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, way: str
) -> None:
    wakes = [saw("created"), saw("started"), saw("finished", "success")]
    notifier.deliver(wakes[2])
    asked = len(slack.requests)

    notifier.deliver(wakes[1])
    notifier.deliver(wakes[0])

    assert len(slack.requests) == asked == (1 if way == "bot" else 3)


def test_a_lost_wake_is_made_up_for_by_the_sweep(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, queue: Queue, sweeper: Sweeper
) -> None:
    saw("finished", "failure")
    queue.drain()

    sweeper.sweep()
    for wake in queue.wakes():
        notifier.deliver(wake)

    assert told_in_order(slack, "failed")


# ---- Killed between Slack's answer and the table --------------------------------------------


@pytest.mark.parametrize("first_lost", [0, 1])
def test_a_crash_after_a_post_repeats_that_one_at_the_most(
    saw: Saw,
    notifier: Notifier,
    slack: SlackStandIn,
    store: ForgetfulStore,
    way: str,
    first_lost: int,
) -> None:
    saw("started")
    wake = saw("finished", "failure")
    store.lost, store.kept_before = 1, first_lost if way == "webhook" else 0

    with pytest.raises(StoreUnavailableError):
        notifier.deliver(wake)
    notifier.deliver(wake)
    notifier.deliver(wake)

    if way == "bot":
        assert told_in_order(slack, "failed", "failed")
    elif first_lost:
        assert told_in_order(slack, "is running", "failed", "failed")
    else:
        assert told_in_order(slack, "is running", "is running", "failed")
    assert is_settled(store)


@bot_only
@pytest.mark.parametrize(
    ("scopes", "replies"),
    [("chat:write", 2), ("chat:write,channels:history", 1)],
    ids=["may not look", "may look"],
)
def test_a_crash_after_a_reply_repeats_that_one_only_where_the_app_may_not_look(
    saw: Saw,
    notifier: Notifier,
    slack: SlackStandIn,
    store: ForgetfulStore,
    scopes: str,
    replies: int,
) -> None:
    slack.scopes = scopes
    notifier.deliver(saw("started"))
    wake = saw("finished", "failure")
    store.lost, store.kept_before = 1, 1  # the edit is written down, the reply is not

    with pytest.raises(StoreUnavailableError):
        notifier.deliver(wake)
    notifier.deliver(wake, is_repeat=True)

    message, *thread = slack.messages(CHANNEL)
    assert [reply.thread_ts for reply in thread] == [message.ts] * replies
    assert is_settled(store)


def test_a_crash_before_slack_hears_of_it_loses_nothing(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, store: RunStore
) -> None:
    wake = saw("finished", "failure")
    slack.faults.add(Fault("drop_before"))

    with pytest.raises(SlackAmbiguousError):
        notifier.deliver(wake)
    notifier.deliver(wake)

    assert told_in_order(slack, "failed")
    assert is_settled(store)


@pytest.mark.parametrize("fault", ["drop_after", "truncated", "500 after all"])
def test_a_lost_answer_repeats_one_message_at_the_most(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, store: RunStore, fault: str
) -> None:
    def fail(_: Call) -> None:
        slack.on_posted = None
        raise RuntimeError("Slack stumbles after it has posted")

    wake = saw("finished", "failure")
    if fault == "500 after all":
        slack.on_posted = fail
    else:
        slack.faults.add_described({"kind": fault})

    with pytest.raises(SlackAmbiguousError):
        notifier.deliver(wake)
    assert not is_settled(store)
    notifier.deliver(wake)
    notifier.deliver(wake)

    assert told_in_order(slack, "failed", "failed")
    assert is_settled(store)


@bot_only
@pytest.mark.parametrize("after", [0, 11], ids=["at once", "after eleven minutes"])
def test_what_may_be_there_waits_for_slack_to_let_us_look_but_not_for_ever(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, clock: Clock, after: int
) -> None:
    notifier.deliver(saw("started", run_id="another"))  # so that the channel's ID is known
    wake = saw("finished", "failure")
    slack.faults.add(Fault("drop_after"))
    slack.faults.add(Fault("status", status=503), path="conversations.history", times=3)
    with pytest.raises(SlackAmbiguousError):
        notifier.deliver(wake)
    clock.advance(timedelta(minutes=after))

    with nullcontext() if after else pytest.raises(SlackAmbiguousError):
        notifier.deliver(wake, is_repeat=True)

    assert len(headlines(slack)) == (3 if after else 2)


@bot_only
@pytest.mark.parametrize("fault", ["drop_after", "truncated", "500 after all"])
@pytest.mark.parametrize("at_once", [True, False], ids=["looked for at once", "looked for later"])
def test_a_lost_answer_repeats_nothing_where_the_app_may_look(
    saw: Saw,
    notifier: Notifier,
    slack: SlackStandIn,
    store: RunStore,
    fault: str,
    at_once: bool,
) -> None:
    def fail(_: Call) -> None:
        slack.on_posted = None
        raise RuntimeError("Slack stumbles after it has posted")

    notifier.deliver(saw("started", run_id="another"))  # so that the channel's ID is known
    wake = saw("finished", "failure")
    if fault == "500 after all":
        slack.on_posted = fail
    else:
        slack.faults.add_described({"kind": fault})
    if not at_once:
        slack.faults.add(Fault("status", status=503), path="conversations.history")

    with nullcontext() if at_once else pytest.raises(SlackAmbiguousError):
        notifier.deliver(wake)
    notifier.deliver(wake, is_repeat=True)

    assert told_in_order(slack, "running", "failed")
    assert is_settled(store)


@bot_only
@pytest.mark.parametrize(
    ("method", "replies"), [("chat.update", 1), (POST, 2)], ids=["of the edit", "of the reply"]
)
def test_a_lost_answer_in_a_failures_two_steps_repeats_a_reply_at_the_most(
    saw: Saw,
    notifier: Notifier,
    slack: SlackStandIn,
    store: RunStore,
    method: str,
    replies: int,
) -> None:
    slack.scopes = "chat:write"  # so that it can't look whether the message is there
    notifier.deliver(saw("started"))
    wake = saw("finished", "failure")
    slack.faults.add(Fault("drop_after"), path=method)

    with pytest.raises(SlackAmbiguousError):
        notifier.deliver(wake)
    notifier.deliver(wake)

    assert len(slack.messages(CHANNEL)) == 1 + replies
    assert is_settled(store)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status", status=429, retry_after="30"), SlackLaterError),
        (Fault("status", status=503), SlackAmbiguousError),
        (Fault("html", status=502), SlackAmbiguousError),
        (Fault("truncated"), SlackAmbiguousError),
    ],
    ids=["429", "503", "proxy", "cut short"],
)
def test_trouble_at_slack_leaves_the_run_pending(
    saw: Saw,
    notifier: Notifier,
    slack: SlackStandIn,
    store: RunStore,
    fault: Fault,
    error: type[Exception],
) -> None:
    wake = saw("finished", "failure")
    slack.faults.add(fault)

    with pytest.raises(error):
        notifier.deliver(wake)

    assert not is_settled(store)
    notifier.deliver(wake)
    assert is_settled(store)
    assert set(headlines(slack)) == {headlines(slack)[0]}


@webhook_only
def test_trouble_in_the_middle_of_several_changes_goes_on_where_it_was(
    saw: Saw, notifier: Notifier, slack: SlackStandIn
) -> None:
    for state in (["created"], ["started"], ["finished", "failure"]):
        wake = saw(*state)
    slack.on_posted = lambda call: slack.faults.add(Fault("status", status=429, retry_after="1"))

    for _ in range(2):
        with pytest.raises(SlackLaterError):
            notifier.deliver(wake)
    slack.on_posted = None
    notifier.deliver(wake)

    assert told_in_order(slack, "waiting to start", "is running", "failed")


def test_a_change_that_comes_while_slack_answers_is_told_by_its_own_wake(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, store: RunStore, way: str
) -> None:
    wake = saw("started")
    later: list[Wake] = []

    def change(_: Call) -> None:
        slack.on_posted = None
        later.append(saw("finished", "failure"))

    slack.on_posted = change
    notifier.deliver(wake)

    item = store.get("default", "run-1")
    assert (item.pending_since is None, item.delivery.told, item.delivery.shown) == (False, 1, 1)
    notifier.deliver(later[0])
    words = ["failed", "failed"] if way == "bot" else ["is running", "failed"]
    assert told_in_order(slack, *words)
    assert is_settled(store)


TROUBLES = (
    Fault("status", status=429, retry_after="1"),
    Fault("status", status=503),
    Fault("html", status=502),
    Fault("drop_before"),
    Fault("drop_after"),
    Fault("truncated"),
)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_every_change_is_told_in_order(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, store: ForgetfulStore, way: str, seed: int
) -> None:
    chance = random.Random(seed)
    wakes: list[Wake] = []
    life: list[dict[str, Any]] = [
        {"status": "created"},
        {"status": "started"},
        {"status": "started", "reason": "slow"},
        {"status": "finished", "outcome": "failure"},
        {"status": "finished", "outcome": "failure", "reason": "disk full"},
    ]
    for state in life:
        wakes.append(saw(**state))
        for wake in chance.choices(wakes, k=chance.randrange(4)):
            if chance.random() < 0.6:
                slack.faults.add(chance.choice(TROUBLES))
            store.lost, store.kept_before = chance.choice([(0, 0), (0, 0), (1, 0), (1, 1)])
            with suppress(SlackError, StoreUnavailableError):
                notifier.deliver(wake)
            slack.faults.clear()
    store.lost = 0
    notifier.deliver(wakes[-1])
    notifier.deliver(wakes[0])

    assert is_settled(store)
    counts = slack.faults.counts
    losses = counts["drop_after"] + counts["truncated"] + store.lost_so_far
    lines = headlines(slack)
    if way == "webhook":
        once = [line for line, before in zip(lines, [None, *lines], strict=False) if line != before]
        assert len(lines) - len(once) <= losses
        words = ["waiting to start", "is running", "failed"]
        assert all(word in line for word, line in zip(words, once, strict=True))
    else:
        own = [message for message in slack.messages(CHANNEL) if message.thread_ts is None]
        assert len(own) <= 1 + losses
        assert "disk full" in written(own[-1])
        failures = [line for line in lines if "failed" in line]
        assert 1 <= len(failures) <= 2 + losses


# ---- Messages that Slack refuses ------------------------------------------------------------


@bot_only
@pytest.mark.parametrize("word", ["message_not_found", "cant_update_message", "edit_window_closed"])
def test_a_message_that_cannot_be_edited_is_posted_anew(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, store: RunStore, word: str
) -> None:
    notifier.deliver(saw("created"))
    slack.faults.add(Fault("error", error=word), path="chat.update")

    notifier.deliver(saw("started"))
    first, second = slack.messages(CHANNEL)
    assert store.get("default", "run-1").delivery.ts == second.ts

    notifier.deliver(saw("finished", "success"))
    assert "waiting to start" in slack.messages(CHANNEL)[0].text
    assert "succeeded" in slack.messages(CHANNEL)[1].text
    assert len(slack.messages(CHANNEL)) == 2
    assert first.thread_ts is second.thread_ts is None


@bot_only
def test_a_failure_whose_message_is_gone_is_seen_as_a_new_message(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, store: RunStore
) -> None:
    notifier.deliver(saw("started"))
    wake = saw("finished", "failure")
    slack.faults.add(Fault("error", error="thread_not_found"), path=POST)

    notifier.deliver(wake)

    _, anew = slack.messages(CHANNEL)
    assert anew.thread_ts is None
    assert "failed" in anew.text
    assert is_settled(store)


def test_a_message_whose_form_is_refused_goes_out_in_plain_words(
    saw: Saw,
    notifier: Notifier,
    slack: SlackStandIn,
    store: RunStore,
    way: str,
    refuse: Callable[..., None],
) -> None:
    wake = saw("finished", "failure", reason="disk full")
    refuse("msg_blocks_too_long" if way == "bot" else "invalid_payload")

    notifier.deliver(wake)

    (message,) = slack.messages(CHANNEL)
    assert message.blocks == []
    assert "failed" in message.text
    assert "disk full" in message.text
    assert is_settled(store)


def test_a_message_that_is_refused_in_plain_words_too_is_laid_away(
    saw: Saw,
    notifier: Notifier,
    slack: SlackStandIn,
    store: RunStore,
    dead_letter_queue: Queue,
    way: str,
    refuse: Callable[..., None],
) -> None:
    wake = saw("finished", "failure")
    word = "invalid_blocks" if way == "bot" else "invalid_payload"
    refuse(word, times=2)

    notifier.deliver(wake)

    assert len(slack.requests) == 2
    assert causes(dead_letter_queue) == [("run-1", word)]
    assert store.get("default", "run-1").delivery.error == word


@bot_only
def test_an_edit_whose_form_is_refused_is_made_in_plain_words(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, store: RunStore
) -> None:
    notifier.deliver(saw("started"))
    slack.faults.add(Fault("error", error="msg_blocks_too_long"), path="chat.update")

    notifier.deliver(saw("finished", "success"))

    (message,) = slack.messages(CHANNEL)
    assert message.blocks == []
    assert "succeeded" in message.text
    assert is_settled(store)


# ---- Credentials that are refused -----------------------------------------------------------


@bot_only
def test_a_replaced_token_is_read_anew_once(
    saw: Saw,
    notifier: Notifier,
    slack: SlackStandIn,
    store: RunStore,
    secrets: Any,
    slack_secret: str,
) -> None:
    notifier.deliver(saw("started"))
    slack.rotate_token("xoxb-new")
    secrets.put_secret_value(SecretId=slack_secret, SecretString='{"bot_token": "xoxb-new"}')

    notifier.deliver(saw("finished", "success"))

    assert "succeeded" in slack.messages(CHANNEL)[0].text
    assert methods(slack) == [POST, "chat.update"]
    assert len(slack.calls) == 3
    assert is_settled(store)


@webhook_only
def test_a_replaced_webhook_is_read_anew_once(
    saw: Saw,
    notifier: Notifier,
    slack: SlackStandIn,
    store: RunStore,
    secrets: Any,
    slack_secret: str,
) -> None:
    right = slack.webhook_url
    secrets.put_secret_value(
        SecretId=slack_secret, SecretString=json.dumps({"webhook_url": right + "-revoked"})
    )
    wake = saw("started")

    def replace_it(request: Any) -> Any:
        slack.handle = truly
        secrets.put_secret_value(
            SecretId=slack_secret, SecretString=json.dumps({"webhook_url": right})
        )
        return truly(request)

    truly, slack.handle = slack.handle, replace_it
    notifier.deliver(wake)

    assert told_in_order(slack, "is running")
    assert len(slack.calls) == 2
    assert is_settled(store)


def test_a_credential_that_stays_refused_is_an_error_and_loses_nothing(
    saw: Saw,
    guarded: Notifier,
    slack: SlackStandIn,
    store: RunStore,
    dead_letter_queue: Queue,
    way: str,
    refuse: Callable[..., None],
) -> None:
    wake = saw("finished", "failure")
    refuse("token_revoked" if way == "bot" else "no_service", status=404, times=2)

    for _ in range(2):
        with pytest.raises(SlackCredentialError):
            guarded.deliver(wake)

    assert not is_settled(store)
    assert store.get("default", "run-1").delivery == Delivery()
    assert dead_letter_queue.receive() == []
    guarded.deliver(wake)
    assert told_in_order(slack, "failed")


def test_a_refusal_reads_the_secret_once_and_no_more(
    saw: Saw,
    store: RunStore,
    closed_channels: ClosedChannels,
    slack: SlackStandIn,
    dead_letters: DeadLetters,
) -> None:
    class CountingSecrets:
        """Counts how often the secret is read."""

        read = 0

        def get_secret_value(self, **_: str) -> dict[str, str]:
            self.read += 1
            return {"SecretString": '{"bot_token": "xoxb-wrong"}'}

    counting = CountingSecrets()
    ticks = iter(range(0, 1_000, 6))
    secret = Secret(counting, "arn", parse_slack, clock=lambda: next(ticks))  # type: ignore[arg-type]
    notifier = Notifier(store, closed_channels, SlackAccess(secret, slack.url), dead_letters)

    with pytest.raises(SlackCredentialError):
        notifier.deliver(saw("started"))

    assert counting.read == 2


# ---- Destinations that are gone -------------------------------------------------------------


def causes(queue: Queue) -> list[tuple[str, str]]:
    """The run and the cause of each dead letter."""
    return [
        (json.loads(message["Body"])["runID"], message["MessageAttributes"]["cause"]["StringValue"])
        for message in queue.drain()
    ]


@pytest.mark.parametrize(
    ("trouble", "word"), [("archive", "is_archived"), ("remove", "channel_not_found")]
)
def test_a_channel_that_is_gone_leaves_a_dead_letter_with_its_cause(
    saw: Saw,
    notifier: Notifier,
    slack: SlackStandIn,
    store: RunStore,
    dead_letter_queue: Queue,
    way: str,
    trouble: str,
    word: str,
) -> None:
    getattr(slack, trouble)(CHANNEL)
    if (way, word) == ("webhook", "is_archived"):
        word = "channel_is_archived"

    notifier.deliver(saw("finished", "failure"))

    assert causes(dead_letter_queue) == [("run-1", word)]
    item = store.get("default", "run-1")
    assert item.pending_since is None
    assert item.delivery.error == word
    assert item.delivery.told == 0


def test_a_dead_letter_that_is_sent_back_is_told_once_its_channel_is_there_again(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, store: RunStore, dead_letter_queue: Queue
) -> None:
    slack.archive(CHANNEL)
    wake = saw("finished", "failure")
    notifier.deliver(wake)
    (letter,) = dead_letter_queue.drain()
    notifier.deliver(wake)
    assert not dead_letter_queue.drain(), "a doubled wake is no second letter"

    sent_back = parse_wake(letter["Body"])
    notifier.deliver(sent_back)
    (again,) = dead_letter_queue.drain()
    assert again["Body"] == letter["Body"], "a letter that is refused again is kept again"

    slack.restore(CHANNEL)
    notifier.deliver(sent_back)
    notifier.deliver(sent_back)
    (message,) = slack.messages(CHANNEL)
    assert "failed" in message.text
    assert store.get("default", "run-1").delivery.error is None


@bot_only
def test_the_fallback_channel_is_told_of_what_could_not_be_told(
    saw: Saw, guarded: Notifier, slack: SlackStandIn, store: RunStore
) -> None:
    slack.archive(CHANNEL)

    guarded.deliver(saw("finished", "failure", reason="disk full"))

    (message,) = slack.messages(FALLBACK)
    assert "failed" in message.text
    assert "Meant for #runs, where Slack says `is_archived`" in message.text
    assert store.get("default", "run-1").channel == CHANNEL


@bot_only
def test_a_fallback_channel_that_is_gone_too_leaves_the_dead_letter(
    saw: Saw, guarded: Notifier, slack: SlackStandIn, store: RunStore, dead_letter_queue: Queue
) -> None:
    slack.archive(CHANNEL)
    slack.remove(FALLBACK)

    guarded.deliver(saw("finished", "failure"))

    assert causes(dead_letter_queue) == [("run-1", "is_archived")]
    assert store.get("default", "run-1").pending_since is None


@bot_only
def test_the_fallback_channel_itself_is_told_nothing_of_its_own_trouble(
    saw: Saw, guarded: Notifier, slack: SlackStandIn, store: RunStore, dead_letter_queue: Queue
) -> None:
    store.put_watch("default", "run-1", Watch(channel=FALLBACK))
    slack.archive(FALLBACK)

    guarded.deliver(saw("finished", "failure"))

    assert len(slack.calls) == 1
    assert causes(dead_letter_queue) == [("run-1", "is_archived")]


def test_the_next_change_tries_a_refused_channel_again(
    saw: Saw,
    notifier: Notifier,
    slack: SlackStandIn,
    store: RunStore,
    dead_letter_queue: Queue,
    way: str,
    refuse: Callable[..., None],
) -> None:
    wake = saw("started")
    refuse("is_archived" if way == "bot" else "channel_is_archived", status=410)
    notifier.deliver(wake)
    assert slack.messages(CHANNEL) == []

    notifier.deliver(saw("finished", "failure"))

    words = ["failed"] if way == "bot" else ["is running", "failed"]
    assert told_in_order(slack, *words)
    assert is_settled(store)
    assert len(causes(dead_letter_queue)) == 1


@bot_only
def test_wakes_that_come_again_after_giving_up_ask_nothing_of_slack(
    saw: Saw, guarded: Notifier, slack: SlackStandIn, dead_letter_queue: Queue
) -> None:
    slack.archive(CHANNEL)
    wake = saw("finished", "failure")
    guarded.deliver(wake)
    asked = len(slack.requests)

    guarded.deliver(wake)
    guarded.deliver(replace(wake, version=0))

    assert len(slack.requests) == asked
    assert len(slack.messages(FALLBACK)) == 1
    assert len(causes(dead_letter_queue)) == 1


@bot_only
def test_details_of_a_run_that_was_given_up_are_no_news_for_the_fallback_channel(
    saw: Saw, guarded: Notifier, slack: SlackStandIn, store: RunStore, dead_letter_queue: Queue
) -> None:
    guarded.deliver(saw("created"))
    slack.archive(CHANNEL)
    guarded.deliver(saw("started"))
    for received in range(3):
        progress = {"expectedNbOfEvents": 10, "receivedNbOfEvents": received}
        guarded.deliver(saw("started", progress=progress))

    assert len(slack.messages(FALLBACK)) == 1
    assert causes(dead_letter_queue) == [("run-1", "is_archived")]
    assert store.get("default", "run-1").pending_since is None

    guarded.deliver(saw("finished", "failure"))
    assert len(slack.messages(FALLBACK)) == 2
    assert causes(dead_letter_queue) == [("run-1", "is_archived")]


@bot_only
def test_the_fallback_channel_is_told_once_though_the_dead_letter_queue_is_away(
    saw: Saw,
    store: RunStore,
    closed_channels: ClosedChannels,
    slack_access: SlackAccess,
    slack: SlackStandIn,
    sqs: Any,
    dead_letter_queue: Queue,
) -> None:
    class LateLetters(DeadLetters):
        """Takes nothing at first."""

        away = 2

        def bury(self, body: str, group: str, cause: str, *, once: str = "") -> None:
            if self.away:
                self.away -= 1
                raise QueueUnavailableError("not now")
            super().bury(body, group, cause, once=once)

    notifier = Notifier(
        store, closed_channels, slack_access, LateLetters(sqs, dead_letter_queue.url), FALLBACK
    )
    slack.archive(CHANNEL)
    wake = saw("finished", "failure")

    for _ in range(2):
        with pytest.raises(QueueUnavailableError):
            notifier.deliver(wake)
    notifier.deliver(wake)

    assert len(slack.messages(FALLBACK)) == 1
    assert causes(dead_letter_queue) == [("run-1", "is_archived")]


@bot_only
def test_trouble_at_the_fallback_channel_is_tried_again(
    saw: Saw,
    guarded: Notifier,
    slack: SlackStandIn,
    store: RunStore,
    dead_letter_queue: Queue,
) -> None:
    wake = saw("finished", "failure")
    slack.archive(CHANNEL)

    with limited(slack, FALLBACK), pytest.raises(SlackLaterError):
        guarded.deliver(wake)
    assert store.get("default", "run-1").pending_since is not None
    guarded.deliver(wake)

    assert len(slack.messages(FALLBACK)) == 1
    assert causes(dead_letter_queue) == [("run-1", "is_archived")]


@bot_only
def test_a_change_that_comes_while_a_channel_refuses_the_last_one_is_tried_as_well(
    saw: Saw,
    guarded: Notifier,
    slack: SlackStandIn,
    store: RunStore,
    sweeper: Sweeper,
    queue: Queue,
) -> None:
    slack.archive(CHANNEL)
    wake = saw("started")

    def change(request: Any) -> Any:
        slack.handle = truly
        saw("finished", "failure")
        queue.drain()  # the new change's wake is lost
        return truly(request)

    truly, slack.handle = slack.handle, change
    guarded.deliver(wake)
    assert store.get("default", "run-1").pending_since is not None
    assert ["failed" in line for line in headlines(slack, FALLBACK)] == [True]

    sweeper.sweep()
    for swept in queue.wakes():
        guarded.deliver(swept)
    assert store.get("default", "run-1").pending_since is None
    assert len(slack.messages(FALLBACK)) == 1


# ---- Runs that move to another channel ------------------------------------------------------


@bot_only
def test_a_run_moved_by_its_watch_is_told_in_its_new_channel(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, store: RunStore
) -> None:
    notifier.deliver(saw("created"))
    store.put_watch("default", "run-1", Watch(channel="#mine"))
    old = saw("created", reason="busy")
    new = saw("started")

    notifier.deliver(old)
    assert slack.messages("#mine") == []  # it has a wake of its own, in a group of its own
    notifier.deliver(new)

    assert ["waiting to start" in line for line in headlines(slack)] == [True]
    (message,) = slack.messages("#mine")
    assert "is running" in message.text
    assert "created" in written(message)
    notifier.deliver(saw("finished", "success"))
    assert "succeeded" in slack.messages("#mine")[0].text
    assert len(slack.messages("#mine")) == 1
    assert is_settled(store)


@webhook_only
def test_a_moved_run_repeats_nothing_to_the_one_channel_of_a_webhook(
    saw: Saw, notifier: Notifier, slack: SlackStandIn, store: RunStore
) -> None:
    notifier.deliver(saw("created"))
    store.put_watch("default", "run-1", Watch(channel="#mine"))
    notifier.deliver(saw("started"))
    store.put_watch("default", "run-1", Watch())
    notifier.deliver(saw("finished", "success"))

    assert told_in_order(slack, "waiting to start", "is running", "succeeded")
    assert is_settled(store)


@bot_only
def test_a_run_that_moves_while_its_old_channel_refuses_it_is_still_told_in_the_new_one(
    saw: Saw,
    guarded: Notifier,
    slack: SlackStandIn,
    store: RunStore,
    sweeper: Sweeper,
    queue: Queue,
    clock: Clock,
) -> None:
    slack.archive(CHANNEL)
    wake = saw("started")

    def move(request: Any) -> Any:
        slack.handle = truly
        store.put_watch("default", "run-1", Watch(channel="#mine"))
        saw("finished", "failure")
        queue.drain()  # the new channel's wake is lost
        return truly(request)

    truly, slack.handle = slack.handle, move
    guarded.deliver(wake)
    assert store.get("default", "run-1").delivery.error is None

    clock.advance(SHORTEST_REST)
    sweeper.sweep()
    for swept in queue.wakes():
        guarded.deliver(swept)
    (message,) = slack.messages("#mine")
    assert "failed" in message.text
    assert is_settled(store)


# ---- From one way into Slack to the other ---------------------------------------------------


@pytest.mark.parametrize("first", ["bot", "webhook"])
@bot_only
def test_a_run_goes_on_when_the_secret_changes_the_way_into_slack(
    saw: Saw,
    notifier: Notifier,
    slack: SlackStandIn,
    store: RunStore,
    closed_channels: ClosedChannels,
    dead_letters: DeadLetters,
    secrets: Any,
    new_secret: Callable[[object], str],
    first: str,
) -> None:
    arn = new_secret({"webhook_url": slack.webhook_url})
    webhook = SlackAccess(Secret(secrets, arn, parse_slack), slack.url)
    by_webhook = Notifier(store, closed_channels, webhook, dead_letters)
    before, after = (notifier, by_webhook) if first == "bot" else (by_webhook, notifier)

    before.deliver(saw("started"))
    after.deliver(saw("finished", "success"))
    after.deliver(saw("finished", "success", reason="late word"))

    assert told_in_order(slack, "is running", "succeeded")
    assert is_settled(store)
