"""A queue within the process that brings every word to Slack at once, and a Slack that records."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from local.slack.limits import check_content
from runbell.errors import QueueUnavailableError
from runbell.outbox import Outbox, Wake
from runbell.slack.access import SlackAccess
from runbell.slack.messages import Message
from runbell.slack.messenger import Messenger, Place

REFUSED = 0.03
"""The share of the words that a disturbed queue does not take."""

DOUBLED = 0.03
"""The share of the words that a disturbed queue delivers twice."""


@dataclass(frozen=True)
class Post:
    """What Slack was told: up to which change of a run, and in which form."""

    run_id: str
    last_change: int
    is_edit: bool
    is_reply: bool
    delivery_id: str = ""


class RecordingSlack(SlackAccess):
    """A Slack that takes everything and writes it down.

    Args:
        can_edit: Whether it is a bot's way into Slack, and no webhook's.
    """

    def __init__(self, *, can_edit: bool) -> None:
        self.can_edit = can_edit
        self.posts: list[Post] = []

    def messenger(self) -> Messenger:
        """Itself."""
        return self

    def renewed(self) -> None:
        """It never refuses."""

    def post(
        self,
        channel: str,
        message: Message,
        *,
        thread: str | None = None,
        broadcast: bool = False,
    ) -> Place:
        """Take a message that keeps Slack's types and limits."""
        del thread, broadcast
        check_content(message.text, [*message.blocks])
        self.posts.append(
            Post(message.run_id, message.last_change, False, message.is_reply, message.delivery_id)
        )
        return Place(channel, f"{len(self.posts)}.0") if self.can_edit else Place()

    def find(
        self, channel: str, message: Message, *, thread: str | None = None, since: float = 0.0
    ) -> Place | None:
        """It has no history."""
        del channel, message, thread, since
        return None

    def remark(self) -> None:
        """It could do nothing better."""

    def identity(self) -> None:
        """It is nobody's."""

    def edit(self, place: Place, message: Message) -> None:
        """Take an edit that keeps Slack's types and limits."""
        check_content(message.text, [*message.blocks])
        assert place.ts is not None, "only what was posted is edited"
        self.posts.append(Post(message.run_id, message.last_change, True, False))


class PromptQueue(Outbox):
    """Delivers as it takes, one word at a time for a run, as a message group does.

    Args:
        deliver: Brings a word to Slack.
        disturbance: What decides which words are refused or doubled; None for a queue without
            trouble.
    """

    def __init__(self, deliver: Callable[[Wake], object], disturbance: Random | None) -> None:
        self._deliver = deliver
        self._disturbance = disturbance
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self.refused = 0

    def enqueue(self, wakes: Iterable[Wake], *, sweep: str = "") -> int:
        """Take words; see Outbox."""
        taken = 0
        for wake in wakes:
            dice = self._disturbance.random() if self._disturbance and not sweep else 1.0
            if dice < REFUSED:
                self.refused += 1
                raise QueueUnavailableError("the queue does not answer")
            for _ in range(2 if dice > 1 - DOUBLED and self._disturbance else 1):
                with self._turns[wake.run_id]:
                    self._deliver(wake)
            taken += 1
        return taken
