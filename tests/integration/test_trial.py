"""A test message on its whole way: table, queue, notify, Slack, and Slack's word back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.faults import Fault
from local.slack import SlackStandIn
from runbell.deadline import Deadline
from runbell.errors import QueueUnavailableError
from runbell.notifier import Notifier
from runbell.outbox import Outbox
from runbell.secrets import PLACEHOLDER
from runbell.store import RunStore
from runbell.trial import TestResult, Trial
from tests.integration.conftest import CHANNEL, Queue, bot_only, webhook_only


@pytest.fixture
def trial(store: RunStore, outbox: Outbox, queue: Queue, notifier: Notifier) -> Trial:
    """A trial that lets notify work whenever it waits."""

    def work(_: float) -> None:
        for wake in queue.wakes():
            notifier.deliver(wake)

    return Trial("default", store, outbox, CHANNEL, sleep=work)


def test_a_test_message_arrives_and_the_answer_says_so(trial: Trial, slack: SlackStandIn) -> None:
    result = trial.send(None, Deadline(20))

    assert result == TestResult(CHANNEL, delivered=True)
    assert result.is_answered
    (message,) = slack.messages(CHANNEL)
    assert "Runbell reaches this channel" in message.text


@bot_only
def test_a_test_message_goes_to_the_channel_that_is_asked_for(
    trial: Trial, slack: SlackStandIn
) -> None:
    assert trial.send("#another", Deadline(20)) == TestResult("#another", delivered=True)

    assert slack.messages(CHANNEL) == []
    assert len(slack.messages("#another")) == 1


@bot_only
@pytest.mark.parametrize(
    ("word", "advice"),
    [
        ("channel_not_found", "no such channel"),
        ("not_in_channel", "/invite"),
        ("is_archived", "archived"),
        ("missing_scope", "chat:write"),
        ("invalid_auth", "secret SLACK"),
        ("restricted_action", "lets only some people post"),
        ("ratelimited", "try again in a minute"),
        ("a_new_word", "docs/operations.md"),
    ],
)
def test_a_refusal_is_answered_with_slacks_word_and_advice(
    trial: Trial, slack: SlackStandIn, word: str, advice: str
) -> None:
    slack.faults.add(Fault("error", error=word), times=2)

    result = trial.send(None, Deadline(20))

    assert (result.delivered, result.is_answered, result.error) == (False, True, word)
    assert advice in (result.advice or "")
    assert slack.messages(CHANNEL) == []


@bot_only
def test_a_missing_scope_is_named_with_those_that_the_app_has(
    trial: Trial, slack: SlackStandIn
) -> None:
    slack.scopes = "channels:read,users:read"

    result = trial.send(None, Deadline(20))

    assert (result.delivered, result.error) == (False, "missing_scope")
    assert "It needs chat:write, and has channels:read,users:read." in (result.advice or "")


@bot_only
def test_a_channel_that_is_not_there_is_answered_with_whose_token_it_is(
    trial: Trial, slack: SlackStandIn
) -> None:
    slack.remove(CHANNEL)

    advice = trial.send(None, Deadline(20)).advice or ""

    assert "no such channel" in advice
    assert "The token is that of runbell in the workspace Stand-in." in advice


@bot_only
def test_a_scope_that_would_do_good_is_named_with_the_delivery(
    trial: Trial, slack: SlackStandIn
) -> None:
    slack.scopes = "chat:write"

    result = trial.send(None, Deadline(20))

    assert result.delivered
    assert "channels:history" in (result.advice or "")


@webhook_only
def test_a_refused_webhook_is_answered_with_slacks_word_and_advice(
    trial: Trial, secrets: Any, slack_secret: str, slack: SlackStandIn
) -> None:
    gone = json.dumps({"webhook_url": slack.webhook_url + "-gone"})
    secrets.put_secret_value(SecretId=slack_secret, SecretString=gone)

    result = trial.send(None, Deadline(20))

    assert (result.delivered, result.error) == (False, "no_service")
    assert "make a new one" in (result.advice or "")


@bot_only
def test_a_placeholder_in_the_secret_is_the_answer(
    trial: Trial, secrets: Any, slack_secret: str, slack: SlackStandIn
) -> None:
    secrets.put_secret_value(
        SecretId=slack_secret, SecretString=json.dumps({"bot_token": PLACEHOLDER})
    )

    result = trial.send(None, Deadline(20))

    assert "placeholder" in (result.error or "")
    assert slack.requests == []


def test_a_token_just_replaced_is_read_anew(
    trial: Trial,
    secrets: Any,
    slack_secret: str,
    slack: SlackStandIn,
    notifier: Notifier,
    way: str,
) -> None:
    right = secrets.get_secret_value(SecretId=slack_secret)["SecretString"]
    wrong = {"bot_token": "xoxb-old"} if way == "bot" else {"webhook_url": slack.webhook_url + "x"}
    secrets.put_secret_value(SecretId=slack_secret, SecretString=json.dumps(wrong))
    truly = slack.handle

    def replace_it(request: Any) -> Any:
        secrets.put_secret_value(SecretId=slack_secret, SecretString=right)
        return truly(request)

    slack.handle = replace_it

    assert trial.send(None, Deadline(20)).delivered
    assert len(slack.messages(CHANNEL)) == 1


def test_a_message_that_nobody_delivers_is_answered_with_that(
    store: RunStore, outbox: Outbox, queue: Queue
) -> None:
    waited: list[float] = []
    trial = Trial("default", store, outbox, CHANNEL, sleep=waited.append)

    result = trial.send(None, Deadline(0.2))

    assert (result.delivered, result.is_answered, result.error) == (False, False, None)
    assert "queued" in (result.advice or "")
    assert waited
    assert [wake.channel for wake in queue.wakes()] == [CHANNEL]


def test_a_late_or_doubled_wake_sends_no_second_test_message(
    store: RunStore, outbox: Outbox, queue: Queue, notifier: Notifier, slack: SlackStandIn
) -> None:
    trial = Trial("default", store, outbox, CHANNEL, sleep=lambda _: None)
    trial.send(None, Deadline(0.05))
    (wake,) = queue.wakes()

    notifier.deliver(wake)
    notifier.deliver(wake)

    assert len(slack.messages(CHANNEL)) == 1


@bot_only
def test_a_refused_test_message_is_no_dead_letter(
    trial: Trial, slack: SlackStandIn, dead_letter_queue: Queue
) -> None:
    slack.archive(CHANNEL)

    assert trial.send(None, Deadline(20)).error == "is_archived"
    assert dead_letter_queue.receive() == []


def test_a_queue_out_of_reach_is_an_error_that_says_so(store: RunStore, sqs: Any) -> None:
    nowhere = Outbox(sqs, "http://127.0.0.1/000000000000/no-such-queue.fifo")

    with pytest.raises(QueueUnavailableError):
        Trial("default", store, nowhere, CHANNEL).send(None, Deadline(5))


@bot_only
def test_every_test_message_is_one_of_its_own(trial: Trial, slack: SlackStandIn) -> None:
    assert trial.send(None, Deadline(20)).delivered
    assert trial.send(None, Deadline(20)).delivered

    assert len(slack.messages(CHANNEL)) == 2
