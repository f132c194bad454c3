"""Which of a run's posts and edits reach people: what must be seen is a post that mentions them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from runbell.errors import SlackDestinationError, SlackUpdateError
from runbell.events import ErrorGroup, WhatWentWrong
from runbell.items import Delivery, HistoryEntry, Missed, Note, NoteKind, RunItem
from runbell.notifier import Notifier
from runbell.outbox import Wake
from runbell.rules import MUST_BE_SEEN, Kind
from runbell.run import Run
from runbell.slack.messages import Message
from runbell.slack.messenger import Place

MakeRun = Callable[..., Run]

CHANNEL = "#runs"
FALLBACK = "#fallback"
AT = "2026-01-31T09:30:00.000Z"
QUIET = sorted(set(Kind) - MUST_BE_SEEN)
SEEN = sorted(MUST_BE_SEEN)


@dataclass
class Story:
    """A store of one item, of the one in whose thread it may be told, and of what waits."""

    item: RunItem

    def get(self, connection: str, run_id: str) -> RunItem:
        return self.item

    def thread_in(self, connection: str, thread_of: str, channel: str) -> str | None:
        return "0.5" if thread_of == self.item.thread_of else None

    def record_delivery(self, item: RunItem, delivery: Delivery, *, settled: bool) -> None:
        pending = None if settled else self.item.pending_since
        self.item = replace(self.item, deliveries={CHANNEL: delivery}, pending_since=pending)

    def put_aside(self, item: RunItem, delivery: Delivery) -> None:
        self.record_delivery(item, delivery, settled=True)


@dataclass
class Channel:
    """A way into Slack that keeps what comes, and the access to itself."""

    can_edit: bool = True
    is_gone: bool = False
    is_closed: bool = False
    threads: set[str] = field(default_factory=set)
    said: list[tuple[str, Message]] = field(default_factory=list)

    def messenger(self) -> Channel:
        return self

    def post(
        self,
        channel: str,
        message: Message,
        *,
        thread: str | None = None,
        broadcast: bool = False,
    ) -> Place:
        if self.is_closed and channel == CHANNEL:
            raise SlackDestinationError("is_archived")
        if thread:
            self.threads.add(thread)
        in_thread = "broadcast" if broadcast else "reply"
        self.said.append((in_thread if thread else "post", message))
        return Place("C1", f"{len(self.said)}.0") if self.can_edit else Place()

    def edit(self, place: Place, message: Message) -> None:
        if self.is_gone:
            raise SlackUpdateError("message_not_found")
        self.said.append(("edit", message))

    def bury(self, *_: Any, **__: Any) -> None:
        """A dead letter is laid away."""


@pytest.fixture
def item(make_run: MakeRun) -> Callable[..., RunItem]:
    """Makes a run that has gone through changes, each of which mentions somebody."""

    def make(*kinds: str, told: int = 0, ts: str | None = None) -> RunItem:
        history = tuple(
            HistoryEntry(number, kind, "started", None, AT, announced=True, mentions=("U01",))
            for number, kind in enumerate(kinds, start=1)
        )
        run = make_run(status="started")
        return RunItem(
            "default",
            run.run_id,
            version=9,
            snapshot=run,
            history=history,
            channel=CHANNEL,
            pending_since=AT,
            deliveries={CHANNEL: Delivery("C1" if ts else None, ts, told=told)},
        )

    return make


def deliver(item: RunItem, slack: Channel) -> list[tuple[str, bool]]:
    """Bring an item to Slack; what was posted or edited there, and whether it mentions anybody."""
    store = Story(item)
    notifier = Notifier(
        cast(Any, store), cast(Any, store), cast(Any, slack), cast(Any, slack), FALLBACK
    )
    notifier.deliver(Wake.of(item))
    assert store.item.pending_since is None
    for _, message in slack.said:
        in_blocks = "<@U01>" in message.blocks[0]["text"]["text"]
        assert in_blocks is message.text.startswith("<@U01>")
    return [(how, "<@U01>" in message.text) for how, message in slack.said]


@pytest.mark.parametrize("kind", SEEN)
def test_a_change_that_must_be_seen_is_an_edit_and_a_reply_that_the_channel_sees(
    kind: str, item: Callable[..., RunItem]
) -> None:
    told = deliver(item("started", kind, told=1, ts="1.0"), Channel())
    assert told == [("edit", False), ("broadcast", True)]


@pytest.mark.parametrize("kind", QUIET)
def test_any_other_change_is_an_edit_and_no_more(kind: str, item: Callable[..., RunItem]) -> None:
    assert deliver(item("started", kind, told=1, ts="1.0"), Channel()) == [("edit", False)]


@pytest.mark.parametrize("kind", SEEN)
def test_a_first_post_mentions_where_its_latest_change_must_be_seen(
    kind: str, item: Callable[..., RunItem]
) -> None:
    assert deliver(item("started", kind), Channel()) == [("post", True)]
    assert deliver(item(kind, "started"), Channel()) == [("post", False)]


def test_a_message_that_is_gone_mentions_nobody_again(item: Callable[..., RunItem]) -> None:
    untold = item("started", "failed", told=1, ts="1.0")
    assert deliver(untold, Channel(is_gone=True)) == [("post", True)]
    told = item("started", "failed", told=2, ts="1.0")
    assert deliver(told, Channel(is_gone=True)) == [("post", False)]


def test_what_is_not_announced_mentions_nobody(item: Callable[..., RunItem]) -> None:
    run = item("started", "failed")
    quiet = replace(run.history[1], announced=False)
    run = replace(run, history=(run.history[0], quiet))
    assert deliver(run, Channel()) == [("post", False)]


def test_a_webhook_mentions_with_each_change_that_must_be_seen(
    item: Callable[..., RunItem],
) -> None:
    told = deliver(item("started", "failed", "recovered", "resumed"), Channel(can_edit=False))
    assert told == [("post", False), ("post", True), ("post", True), ("post", False)]


def test_the_fallback_channel_is_told_whom_it_was_for(item: Callable[..., RunItem]) -> None:
    assert deliver(item("failed"), Channel(is_closed=True)) == [("post", True)]


def latest(item: RunItem, **fields: Any) -> RunItem:
    """The same item, with something more to say of its latest change."""
    return replace(item, history=(*item.history[:-1], replace(item.history[-1], **fields)))


@pytest.mark.parametrize("kind", [Kind.FAILED, Kind.BLOCKED])
def test_a_failure_that_people_were_just_pinged_for_is_told_to_nobody_aloud(
    kind: str, item: Callable[..., RunItem]
) -> None:
    hushed = latest(item("started", kind, told=1, ts="1.0"), hushed=True)
    assert deliver(hushed, Channel()) == [("edit", False), ("reply", False)]
    unseen = latest(item(kind), hushed=True)
    assert deliver(unseen, Channel()) == [("post", False)]


def test_what_follows_a_failure_is_told_in_its_thread(item: Callable[..., RunItem]) -> None:
    slack = Channel()
    later = replace(item("started", "failed", told=1, ts="1.0"), thread_of="first-run")
    assert deliver(later, slack) == [("edit", False), ("broadcast", True)]
    assert slack.threads == {"0.5"}
    slack = Channel()
    unseen = replace(item("failed"), thread_of="first-run")
    assert deliver(unseen, slack) == [("broadcast", True)]
    hushed = latest(unseen, hushed=True)
    assert deliver(hushed, slack) == [("broadcast", True), ("reply", False)]
    assert slack.threads == {"0.5"}


def test_a_failure_that_pings_nobody_is_told_once_where_its_thread_is_read(
    item: Callable[..., RunItem],
) -> None:
    hushed = latest(item("started", "failed", told=1, ts="1.0"), hushed=True)
    own = replace(hushed, thread_of="first-run")
    assert deliver(own, Channel()) == [("edit", False), ("reply", False)], "it is elsewhere"
    inside = replace(own.delivery, thread="0.5")
    within = replace(own, deliveries={CHANNEL: inside})
    assert deliver(within, Channel()) == [("edit", False)], "it is in the thread itself"


def test_a_long_text_follows_in_the_thread_and_calls_nobody(item: Callable[..., RunItem]) -> None:
    wrong = WhatWentWrong((ErrorGroup("x" * 9_000),), 1)
    told = deliver(latest(item("started", "failed", told=1, ts="1.0"), errors=wrong), Channel())
    assert told == [("edit", False), ("broadcast", True), ("reply", False), ("reply", False)]
    told = deliver(latest(item("failed"), errors=wrong), Channel())
    assert told == [("post", True), ("reply", False), ("reply", False)]
    told = deliver(latest(item("failed"), errors=wrong), Channel(can_edit=False))
    assert told == [("post", True)]


def test_what_somebody_did_is_an_edit_and_a_quiet_reply(item: Callable[..., RunItem]) -> None:
    slack = Channel()
    note = Note(NoteKind.CLAIMED, "U02", AT)
    claimed = replace(item("failed", told=1, ts="1.0"), notes=(note,))
    assert deliver(claimed, slack) == [("edit", False), ("reply", False)]
    assert all("👀 <@U02> is on it" in message.text for _, message in slack.said)


@pytest.mark.parametrize("can_edit", [True, False], ids=["bot", "webhook"])
def test_a_run_that_is_missing_is_posted(can_edit: bool) -> None:
    entry = HistoryEntry(1, Kind.MISSED, "missing", None, AT, announced=True, mentions=("U01",))
    item = RunItem(
        "default",
        "missed-task-1",
        version=1,
        history=(entry,),
        channel=CHANNEL,
        pending_since=AT,
        missed=Missed("task-1", AT),
    )
    slack = Channel(can_edit=can_edit)
    assert deliver(item, slack) == [("post", True)]
    assert "A run is missing" in slack.said[0][1].text


@pytest.mark.parametrize("kind", [Kind.RESUMED, Kind.SUCCEEDED, Kind.SKIPPED])
def test_what_becomes_of_a_stalled_run_is_seen_and_mentions_nobody(
    kind: str, item: Callable[..., RunItem]
) -> None:
    """Or the alarm would stand there alone."""
    told = deliver(item("started", Kind.STALLED, kind, told=2, ts="1.0"), Channel())
    assert told == [("edit", False), ("broadcast", False)]


def test_what_comes_after_the_end_of_a_standstill_is_quiet_again(
    item: Callable[..., RunItem],
) -> None:
    kinds = ("started", Kind.STALLED, Kind.RESUMED, Kind.SUCCEEDED)
    assert deliver(item(*kinds, told=3, ts="1.0"), Channel()) == [("edit", False)]


def test_a_run_of_a_further_connection_says_whose_it_is(item: Callable[..., RunItem]) -> None:
    elsewhere = replace(item("started"), connection="outlet")
    slack = Channel()
    deliver(elsewhere, slack)
    message = slack.said[0][1]
    assert "Connection `outlet`" in message.blocks[-1]["elements"][0]["text"]
    assert "(outlet, task " in message.text
