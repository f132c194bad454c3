"""What goes wrong with telling of trouble is told to nobody on Slack: it would never end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from local.faults import Fault
from local.slack import SlackStandIn
from runbell.closed_channels import ClosedChannels
from runbell.errors import QueueUnavailableError, RunbellError, StoreUnavailableError
from runbell.notifier import Notifier
from runbell.outbox import DeadLetters, Wake
from runbell.slack.access import SlackAccess
from runbell.store import RunStore
from tests.integration.conftest import CHANNEL, Clock, Queue, Saw, bot_only, run_of, save

pytestmark = bot_only

FALLBACK = "#fallback"
TRIES = 5


@pytest.fixture
def guarded(
    store: RunStore,
    closed_channels: ClosedChannels,
    slack_access: SlackAccess,
    dead_letters: DeadLetters,
    clock: Clock,
) -> Notifier:
    """A notifier that tells a fallback channel of what its channel refuses."""
    return Notifier(store, closed_channels, slack_access, dead_letters, FALLBACK, now=clock)


def posts(slack: SlackStandIn) -> list[str]:
    """The channels that Slack was asked to post in, in order."""
    return [call.arguments["channel"] for call in slack.calls if call.method == "chat.postMessage"]


def all_told(slack: SlackStandIn) -> list[str]:
    """Every message in any channel that anybody could read."""
    return [each.text for name in (CHANNEL, FALLBACK, "#general") for each in slack.messages(name)]


@pytest.mark.parametrize("how", ["archived", "removed", "the form"])
def test_a_fallback_channel_that_refuses_is_asked_once_and_told_of_nowhere(
    saw: Saw, guarded: Notifier, slack: SlackStandIn, dead_letter_queue: Queue, how: str
) -> None:
    wake = saw("finished", "failure")
    slack.archive(CHANNEL)
    if how == "archived":
        slack.archive(FALLBACK)
    elif how == "removed":
        slack.remove(FALLBACK)
    else:
        guarded_posts = [Fault("error", error="is_archived")]
        guarded_posts += [Fault("error", error="invalid_blocks")] * 2  # the plain text as well
        for fault in guarded_posts:
            slack.faults.add(fault, path="chat.postMessage")

    for _ in range(TRIES):
        guarded.deliver(wake)

    assert all_told(slack) == []
    asked = len([each for each in slack.requests if each.path.endswith("chat.postMessage")])
    assert asked == (3 if how == "the form" else 2)
    (letter,) = dead_letter_queue.drain()  # of the announcement, and of nothing else
    assert letter["MessageAttributes"]["cause"]["StringValue"] == "is_archived"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("error", error="token_revoked"),
        Fault("error", error="service_unavailable"),
        Fault("status", status=503),
        Fault("status", status=429, retry_after="30"),
        Fault("drop_before"),
        Fault("html"),
        Fault("garbage"),
    ],
    ids=lambda fault: fault.error or f"{fault.kind} {fault.status}",
)
def test_trouble_with_slack_is_no_message_on_slack(
    saw: Saw, guarded: Notifier, slack: SlackStandIn, dead_letter_queue: Queue, fault: Fault
) -> None:
    """Neither while it lasts nor when it is over; then the news itself is told, and no more."""
    wake = saw("finished", "failure")
    slack.faults.add(fault, path="/api/", times=100)
    for _ in range(TRIES):
        with pytest.raises(RunbellError):
            guarded.deliver(wake, is_repeat=True)
    assert all_told(slack) == []

    slack.faults.clear()
    guarded.deliver(wake, is_repeat=True)

    assert len(all_told(slack)) == 1
    assert slack.messages(FALLBACK) == []
    assert dead_letter_queue.drain() == []


def test_a_dead_letter_that_can_not_be_laid_away_is_told_to_nobody(
    saw: Saw,
    store: RunStore,
    closed_channels: ClosedChannels,
    slack_access: SlackAccess,
    slack: SlackStandIn,
    sqs: Any,
    clock: Clock,
) -> None:
    class Away(DeadLetters):
        """Is out of reach."""

        def bury(self, body: str, group: str, cause: str, *, once: str = "") -> None:
            raise QueueUnavailableError("the dead-letter queue took nothing")

    notifier = Notifier(store, closed_channels, slack_access, Away(sqs, ""), FALLBACK, now=clock)
    slack.archive(CHANNEL)
    wake = saw("finished", "failure")

    for _ in range(TRIES):
        with pytest.raises(QueueUnavailableError):
            notifier.deliver(wake)

    assert all_told(slack) == []
    assert set(posts(slack)) == {CHANNEL}


def test_a_table_that_can_not_note_a_refusal_repeats_no_letter_for_people_without_end(
    saw: Saw,
    guarded: Notifier,
    closed_channels: ClosedChannels,
    slack: SlackStandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A try repeats the word in the fallback channel, which is about the run and not the table."""

    def away(*_: Any) -> None:
        raise StoreUnavailableError("DynamoDB did not answer")

    wake = saw("finished", "failure")
    slack.archive(CHANNEL)
    with monkeypatch.context() as patch:
        patch.setattr(closed_channels, "put_aside", away)
        with suppress(StoreUnavailableError):
            guarded.deliver(wake)
    guarded.deliver(wake)
    guarded.deliver(wake)

    assert len(slack.messages(FALLBACK)) <= 2
    assert not [each for each in all_told(slack) if "DynamoDB" in each]


def test_a_digest_that_no_channel_takes_is_told_nowhere_and_laid_away_once(
    guarded: Notifier,
    digest: Callable[..., int],
    store: RunStore,
    slack: SlackStandIn,
    dead_letter_queue: Queue,
) -> None:
    save(store, run_of("finished", "failure"))
    assert digest() == 1
    slack.archive(CHANNEL)
    slack.archive(FALLBACK)
    (report,) = [each for each in store.pending("default") if each.run_id != "run-1"]

    for _ in range(TRIES):
        guarded.deliver(Wake.of(report))

    assert all_told(slack) == []
    assert posts(slack) == [CHANNEL, FALLBACK]
    assert len(dead_letter_queue.drain()) == 1
