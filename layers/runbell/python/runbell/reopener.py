"""Tries closed channels again, so that what they have refused is told without a person's help."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from runbell.closed_channels import ClosedChannel, ClosedChannels
from runbell.deadline import Deadline
from runbell.errors import QueueUnavailableError
from runbell.metering import meter
from runbell.observability import logger, told
from runbell.outbox import DeadLetters, Outbox, Wake
from runbell.run import instant
from runbell.store import Pending, RunStore

KNOCKS = 3
"""Announcements that a tick tries a closed channel with: enough that one of an odd form, which no
channel takes, does not hide that the channel is open, and few enough to bother nobody."""

WATCHED_FOR = timedelta(minutes=10)
"""For how long a channel is watched after it has refused something last."""


class Reopener:
    """Looks after the channels of one connection that have refused something.

    Args:
        connection: Whose announcements.
        closed: Knows what waits for which channel.
        store: Knows what has been told.
        outbox: Wakes notify.
        dead_letters: Where a letter lies for each refused announcement.
        now: The time of day.
    """

    def __init__(
        self,
        connection: str,
        closed: ClosedChannels,
        store: RunStore,
        outbox: Outbox,
        dead_letters: DeadLetters,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connection = connection
        self._closed = closed
        self._store = store
        self._outbox = outbox
        self._dead_letters = dead_letters
        self._now = now

    def look(self, channel: str, deadline: Deadline) -> int:
        """Try a channel with a few of the announcements that it has refused.

        Once it has taken one, all that wait for it go out, and the letters of what is told leave
        the dead-letter queue.

        Returns:
            0: what is told again is no change.
        """
        closed = self._closed.get(self._connection, channel)
        if closed is None:
            return 0
        waiting = self._closed.waiting(closed)
        is_open = self._closed.has_taken_one(closed)
        if is_open:
            logger.info("a closed channel is open again", extra={"channel": channel})
            self._send(closed, waiting, deadline, knocks=())
        elif waiting:
            tried = waiting[:KNOCKS]
            self._send(closed, tried, deadline, knocks=tuple(each.run_id for each in tried))
        if is_open or not waiting:
            self._clear_letters(deadline)
        noted_at = instant(closed.noted_at)
        if not waiting and (noted_at is None or self._now() - noted_at > WATCHED_FOR):
            self._closed.forget(closed)
        return 0

    def _send(
        self,
        closed: ClosedChannel,
        waiting: list[Pending],
        deadline: Deadline,
        *,
        knocks: tuple[str, ...],
    ) -> None:
        """Bring announcements on their way to Slack again."""
        self._closed.note_knocks(closed, knocks)
        gone = []
        for each in waiting:
            if not deadline.remaining():
                break  # the others wait for the next tick, which finds the channel closed
            if self._closed.let_go(each):
                gone.append(Wake.of(each))
        try:
            self._outbox.enqueue(gone, sweep=uuid.uuid4().hex)
        except QueueUnavailableError as error:  # they are pending, so the next sweep has them
            meter.fail(error)
            logger.warning("the next sweep wakes what a channel is tried with", extra=told(error))

    def _clear_letters(self, deadline: Deadline) -> None:
        """Take the letters of what is told by now off the dead-letter queue."""
        try:
            cleared = self._dead_letters.clear(self._is_told, deadline)
        except QueueUnavailableError as error:
            meter.fail(error)
            logger.warning("the dead letters can't be looked through", extra=told(error))
        else:
            if cleared:
                logger.info("dead letters are delivered by now", extra={"cleared": cleared})

    def _is_told(self, wake: Wake) -> bool:
        """Whether nothing is left to be done for a dead letter."""
        item = self._store.get(wake.connection, wake.run_id)
        if item.channel != wake.channel:
            return True  # its new channel is told everything
        return item.pending_since is None and item.delivery.error is None
