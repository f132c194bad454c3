"""A notify that is killed between any two of its steps: nothing is lost, and little said twice."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from local.algolia import AlgoliaStandIn
from local.slack import SlackStandIn
from runbell.closed_channels import ClosedChannels
from runbell.deadline import Deadline
from runbell.items import Delivery, Note, NoteKind, RunItem
from runbell.notifier import Notifier
from runbell.outbox import DeadLetters, Wake
from runbell.run import timestamp
from runbell.slack.access import SlackAccess
from runbell.slack.messages import Message
from runbell.slack.messenger import Messenger, Place
from runbell.store import RunStore
from runbell.watcher import Watcher
from tests.integration.conftest import CHANNEL, Clock, Queue, Show, bot_only

EDGES = 24
"""Moments before and after a request to Slack or a write to the table."""


class Killed(BaseException):
    """The process has ended here."""


class Death:
    """Kills the process at one of the edges of its steps."""

    def __init__(self) -> None:
        self.after: int | None = None
        self.edges = 0

    def edge(self) -> None:
        """One edge: before or after a request to Slack or a write to the table."""
        self.edges += 1
        if self.after is not None and self.edges > self.after:
            raise Killed


class MortalSlack(SlackAccess):
    """The way into Slack of a process that may be killed."""

    def __init__(self, slack: SlackAccess, death: Death) -> None:
        self._slack, self._death = slack, death

    can_edit = True

    def messenger(self) -> Messenger:
        return self

    def renewed(self) -> Messenger | None:
        return None

    def post(self, channel: str, message: Message, **more: Any) -> Place:
        self._death.edge()
        place = self._slack.messenger().post(channel, message, **more)
        self._death.edge()
        return place

    def edit(self, place: Place, message: Message) -> None:
        self._death.edge()
        self._slack.messenger().edit(place, message)
        self._death.edge()

    def find(self, channel: str, message: Message, **more: Any) -> Place | None:
        return self._slack.messenger().find(channel, message, **more)

    def remark(self) -> str | None:
        return self._slack.messenger().remark()

    def identity(self) -> str | None:
        return self._slack.messenger().identity()


class MortalStore(RunStore):
    """The table of a process that may be killed."""

    def __init__(self, store: RunStore, death: Death) -> None:
        vars(self).update(vars(store))
        self._death = death

    def record_delivery(self, item: RunItem, delivery: Delivery, *, settled: bool) -> None:
        self._death.edge()
        super().record_delivery(item, delivery, settled=settled)
        self._death.edge()


@pytest.fixture
def death() -> Death:
    return Death()


@pytest.fixture
def mortal(
    store: RunStore,
    slack_access: SlackAccess,
    closed_channels: ClosedChannels,
    dead_letters: DeadLetters,
    death: Death,
    clock: Clock,
) -> Notifier:
    slack = MortalSlack(slack_access, death)
    return Notifier(MortalStore(store, death), closed_channels, slack, dead_letters, now=clock)


@pytest.fixture
def much_to_tell(
    show: Show,
    watcher: Watcher,
    queue: Queue,
    notifier: Notifier,
    store: RunStore,
    algolia: AlgoliaStandIn,
    clock: Clock,
) -> Wake:
    """A failure of a run that was announced: an edit, a reply, two texts in full, two notes."""
    show("run-1", "started")
    watcher.check("run-1", Deadline(30))
    for wake in queue.wakes():
        notifier.deliver(wake)
    algolia.put_event("run-1", {"status": "failed", "data": {"message": "long " * 2_000}})
    show("run-1", "finished", "failure")
    watcher.check("run-1", Deadline(30))
    for kind in (NoteKind.CLAIMED, NoteKind.UNMUTED):
        store.add_note("default", "run-1", Note(kind, "U0123ABCD", timestamp(clock.now)))
    return Wake.of(store.get("default", "run-1"))


def told(slack: SlackStandIn) -> Counter[str]:
    """How often each message of a channel is there."""
    return Counter(
        str(each.metadata and each.metadata["event_payload"]["delivery_id"])
        for each in slack.messages(CHANNEL)
    )


@bot_only
@pytest.mark.parametrize("may_look", [True, False], ids=["may look", "may not look"])
@pytest.mark.parametrize("edge", range(EDGES))
def test_killed_at_any_edge_nothing_is_lost_and_at_most_one_message_comes_twice(
    much_to_tell: Wake,
    mortal: Notifier,
    death: Death,
    slack: SlackStandIn,
    store: RunStore,
    edge: int,
    may_look: bool,
) -> None:
    slack.scopes = "chat:write,channels:history" if may_look else "chat:write"
    death.after = edge
    with pytest.raises(Killed):
        mortal.deliver(much_to_tell)
    death.after = None
    mortal.deliver(much_to_tell, is_repeat=True)

    counts = told(slack)
    assert [*counts] == [  # in this order, each
        "run-1 run",
        "run-1 reply 2",
        "run-1 reply 2 error 1 from 0",
        "run-1 reply 2 error 1 from 2",
        *(each for each in counts if "note" in each),
    ]
    assert len([each for each in counts if "note" in each]) == 2
    assert counts.total() - len(counts) <= (0 if may_look else 1)
    assert store.get("default", "run-1").pending_since is None


@bot_only
def test_those_are_all_the_edges_there_are(
    much_to_tell: Wake, mortal: Notifier, death: Death
) -> None:
    mortal.deliver(much_to_tell)
    assert death.edges == EDGES
