"""A run's message and its thread when Slack or a delivery fails half-way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from local.algolia import AlgoliaStandIn
from local.http_server import Answer, Request
from local.slack import SlackStandIn
from runbell.closed_channels import ClosedChannels
from runbell.deadline import Deadline
from runbell.errors import SlackLaterError
from runbell.items import HistoryEntry, RunItem
from runbell.notifier import Notifier
from runbell.outbox import DeadLetters, Wake
from runbell.rules import Kind
from runbell.run import timestamp
from runbell.slack.access import SlackAccess
from runbell.store import RunStore
from runbell.sweeper import Sweeper
from runbell.watcher import Watcher
from tests.integration.conftest import (
    CHANNEL,
    Channel,
    Clock,
    Queue,
    Show,
    bot_only,
    pings,
    run_of,
)

FALLBACK = "#fallback"
LONG = "x" * 3_000 + "MIDDLE" + "y" * 3_000


class DiedError(Exception):
    """A function has come to its end in the midst of things."""


class Dying:
    """A store that dies when it is to write down what was told."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def record_delivery(self, *_: Any, **__: Any) -> None:
        raise DiedError


@contextmanager
def answering(
    slack: SlackStandIn, instead: Callable[[Request, Callable[[Request], Answer]], Answer]
) -> Iterator[None]:
    """Let something else answer for Slack, which may ask Slack itself."""
    truly = slack.handle
    slack.handle = lambda request: instead(request, truly)
    yield
    slack.handle = truly


def has_buttons(blocks: list[dict[str, Any]]) -> bool:
    return any(block["type"] == "actions" for block in blocks)


@bot_only
@pytest.mark.parametrize(
    ("end", "word"),
    [(("finished", "success"), "succeeded"), (("skipped", None), "was skipped")],
    ids=["succeeded", "skipped"],
)
def test_a_message_that_is_found_after_a_crash_shows_what_has_happened_since(
    end: tuple[str, str | None],
    word: str,
    channel: Channel,
    slack: SlackStandIn,
    show: Show,
    watcher: Watcher,
    queue: Queue,
    store: RunStore,
    slack_access: SlackAccess,
    closed_channels: ClosedChannels,
    dead_letters: DeadLetters,
    clock: Clock,
) -> None:
    channel.see("run-0", "finished", "success")  # by which the channel's ID is known
    clock.now += timedelta(minutes=1)
    show("run-1", "created")
    watcher.check("run-1", Deadline(30))
    dying = Notifier(
        cast(RunStore, Dying(store)), closed_channels, slack_access, dead_letters, now=clock
    )
    for wake in queue.wakes():
        with pytest.raises(DiedError):
            dying.deliver(wake)
    clock.now += timedelta(minutes=1)
    show("run-1", *end)
    watcher.check("run-1", Deadline(30))
    for wake in queue.wakes():
        channel.notifier.deliver(wake, is_repeat=True)

    _, message = slack.messages(CHANNEL)
    assert word in message.text
    assert store.get("default", "run-1").pending_since is None


@bot_only
def test_a_long_reason_of_a_run_that_was_skipped_is_whole_in_its_thread(
    channel: Channel, slack: SlackStandIn
) -> None:
    channel.see("run-1", "skipped", reason=LONG)

    message, *texts = slack.messages(CHANNEL)
    assert "MIDDLE" not in str(message.blocks)
    assert any("MIDDLE" in str(text.blocks) for text in texts)
    assert {(text.thread_ts, text.broadcast) for text in texts} == {(message.ts, False)}


@bot_only
def test_no_error_is_lost_when_the_run_changes_before_all_of_them_are_told(
    channel: Channel,
    slack: SlackStandIn,
    algolia: AlgoliaStandIn,
    show: Show,
    watcher: Watcher,
    queue: Queue,
    store: RunStore,
    clock: Clock,
) -> None:
    """The reason is the latest change's alone, so a text after it would be passed over."""
    data = {"message": "A" * 6_000 + "MIDDLE" + "B" * 5_000}
    algolia.put_event("run-1", {"status": "failed", "data": data})
    reason = "x" * 2_000 + "because" + "y" * 600
    channel.see("run-1", "started")
    clock.now += timedelta(minutes=1)
    show("run-1", "finished", "failure", reason=reason)
    watcher.check("run-1", Deadline(30))
    posts: list[Request] = []

    def limit(request: Request, truly: Callable[[Request], Answer]) -> Answer:
        if request.path.endswith("chat.postMessage"):
            posts.append(request)
            if len(posts) > 2:
                refusal = {"ok": False, "error": "ratelimited"}
                return Answer.of_json(429, refusal, headers={"Retry-After": "1"})
        return truly(request)

    with answering(slack, limit):
        for wake in queue.wakes():
            with pytest.raises(SlackLaterError):
                channel.notifier.deliver(wake)
    clock.now += timedelta(minutes=1)
    show("run-1", "skipped", "failure", reason=reason)
    watcher.check("run-1", Deadline(30))
    for wake in queue.wakes():
        channel.notifier.deliver(wake, is_repeat=True)

    def told_of(change: int) -> str:
        return "".join(
            str(each.blocks)
            for each in slack.messages(CHANNEL)
            if each.metadata and each.metadata["event_payload"]["last_change"] == change
        )

    assert told_of(2).count("MIDDLE") == 1, "of the failure that was being told"
    assert told_of(3).count("MIDDLE") == 1
    assert told_of(3).count("because") == 1
    assert store.get("default", "run-1").pending_since is None


@bot_only
def test_the_fallback_channel_has_nothing_to_press(
    channel: Channel,
    slack: SlackStandIn,
    store: RunStore,
    slack_access: SlackAccess,
    closed_channels: ClosedChannels,
    dead_letters: DeadLetters,
    clock: Clock,
) -> None:
    """What the buttons do is told in the channel that refuses."""
    channel.notifier = Notifier(
        store, closed_channels, slack_access, dead_letters, FALLBACK, now=clock
    )
    slack.archive(CHANNEL)
    channel.see("run-1", "finished", "failure")

    (message,) = slack.messages(FALLBACK)
    assert "failed" in message.text
    assert f"Meant for {CHANNEL}, where Slack says `is_archived`." in message.text
    assert not has_buttons(message.blocks)


@bot_only
def test_an_edit_of_mere_progress_that_fails_holds_nothing_up_and_is_made_later(
    channel: Channel,
    slack: SlackStandIn,
    refuse: Callable[..., None],
    show: Show,
    watcher: Watcher,
    sweeper: Sweeper,
    clock: Clock,
) -> None:
    channel.see("run-1", "started")
    clock.now += timedelta(seconds=40)
    progress = {"expectedNbOfEvents": 100, "receivedNbOfEvents": 5}
    show("run-1", "started", progress=progress)
    watcher.check("run-1", Deadline(30))
    refuse("internal_error")
    channel.tell()
    (message,) = slack.messages(CHANNEL)
    assert "5 of 100" not in message.text

    clock.now += timedelta(minutes=1)
    sweeper.sweep()
    channel.tell()
    (message,) = slack.messages(CHANNEL)
    assert "5 of 100" in message.text


@bot_only
def test_a_reply_that_slack_puts_beside_its_thread_is_the_beginning_of_another(
    channel: Channel, slack: SlackStandIn
) -> None:
    """Slack takes a reply to a message that is gone, and posts it into the channel."""
    channel.see("run-1", "finished", "failure")
    (root,) = slack.messages(CHANNEL)
    slack.delete(CHANNEL, root.ts)

    def unthread(request: Request, truly: Callable[[Request], Answer]) -> Answer:
        if request.path.endswith("chat.postMessage"):
            body = request.json()
            if body.get("thread_ts") == root.ts:
                del body["thread_ts"], body["reply_broadcast"]
                request = replace(request, body=json.dumps(body).encode())
        return truly(request)

    with answering(slack, unthread):
        for number in range(2, 9):
            channel.ends(f"run-{number}", "failure")

    anew, *others = slack.messages(CHANNEL)
    assert anew.thread_ts is None
    assert {each.thread_ts for each in others} == {anew.ts}
    assert len(pings(others)) == 2


@bot_only
def test_runs_of_two_connections_with_one_id_are_not_taken_for_each_other(
    slack: SlackStandIn, store: RunStore, notifier: Notifier, clock: Clock
) -> None:
    """Two connections may be of one application, and look for what has been posted of a run."""

    def save(connection: str) -> RunItem:
        at = timestamp(clock.now)
        entry = HistoryEntry(1, Kind.FAILED, "finished", "failure", at, announced=True)
        item = store.get(connection, "run-1")
        return store.commit(item, run_of("finished", "failure"), entry, announce_in=CHANNEL)

    notifier.deliver(Wake.of(save("default")))
    notifier.deliver(replace(Wake.of(save("outlet")), swept=True))

    first, second = slack.messages(CHANNEL)
    assert (first.thread_ts, second.thread_ts) == (None, None)
    assert "Connection `outlet`" in str(second.blocks)


@bot_only
def test_a_message_that_can_not_be_edited_is_posted_anew_only_for_news(
    channel: Channel, slack: SlackStandIn, show: Show, watcher: Watcher, clock: Clock
) -> None:
    channel.see("run-1", "started")
    slack.freeze(CHANNEL, slack.messages(CHANNEL)[0].ts)
    for received in range(1, 11):
        clock.now += timedelta(seconds=40)
        progress = {"expectedNbOfEvents": 100, "receivedNbOfEvents": received}
        show("run-1", "started", progress=progress)
        watcher.check("run-1", Deadline(30))
        channel.tell()
    assert len(slack.messages(CHANNEL)) == 1

    channel.see("run-1", "finished", "success")
    _, anew = slack.messages(CHANNEL)
    assert "succeeded" in anew.text
