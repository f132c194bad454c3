"""Tries closed channels again, so that what they have refused is told without a person's help."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice

from runbell.closed_channels import ClosedChannel, ClosedChannels
from runbell.deadline import Deadline
from runbell.errors import NewerItemError, QueueUnavailableError
from runbell.metering import meter
from runbell.observability import logger, told
from runbell.outbox import BATCH, DeadLetters, Outbox, Wake
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
        if self._has_opened(closed):
            logger.info("a closed channel is open again", extra={"channel": channel})
            gone = self._let_go(self._closed.waiting(closed), deadline)
            # By these the next tick knows whether it is still open for those that are left.
            self._closed.note_knocks(closed, gone[-KNOCKS:])
            self._clear_letters(closed, deadline)
        elif waiting := [*self._closed.waiting(closed, limit=KNOCKS)]:
            self._closed.note_knocks(closed, self._let_go(waiting, deadline))
        else:
            if closed.knocks:  # who closes it again has not been tried yet
                self._closed.note_knocks(closed, ())
            is_over = self._clear_letters(closed, deadline)
            noted_at = instant(closed.noted_at)
            if is_over and (noted_at is None or self._now() - noted_at > WATCHED_FOR):
                self._closed.forget(closed)
        return 0

    def _has_opened(self, closed: ClosedChannel) -> bool:
        """Whether a channel has taken one of those that it was tried with, and others wait."""
        try:
            has_taken_one = self._closed.has_taken_one(closed)
        except NewerItemError:  # written since by a later release, which was rolled back
            has_taken_one = False
        return has_taken_one and any(self._closed.waiting(closed, limit=1))

    def _let_go(self, waiting: Iterable[Pending], deadline: Deadline) -> list[str]:
        """Bring announcements on their way to Slack again, a batch of the queue at a time.

        Returns:
            The runs that are on it; the others wait for the next tick.
        """
        sweep_id, gone, left = uuid.uuid4().hex, list[str](), iter(waiting)
        while (batch := list(islice(left, BATCH))) and deadline.remaining():
            wakes = [Wake.of(each) for each in batch if self._is_let_go(each)]
            gone += [wake.run_id for wake in wakes]
            try:
                self._outbox.enqueue(wakes, sweep=sweep_id)
            except QueueUnavailableError as error:  # they are pending, so the next sweep has them
                meter.fail(error)
                extra = told(error)
                logger.warning("the next sweep wakes what a channel is tried with", extra=extra)
        return gone

    def _is_let_go(self, pending: Pending) -> bool:
        try:
            return self._closed.let_go(pending)
        except NewerItemError as error:
            meter.fail(error)
            extra = {"run_id": pending.run_id, **told(error)}
            logger.error("a later release has written a run", extra=extra)
            return False

    def _clear_letters(self, closed: ClosedChannel, deadline: Deadline) -> bool:
        """Take the letters of what is told by now off the dead-letter queue.

        Returns:
            Whether none is left of this channel.
        """
        try:
            seen = self._dead_letters.clear(self._is_told, deadline)
        except QueueUnavailableError as error:
            meter.fail(error)
            logger.warning("the dead letters can't be looked through", extra=told(error))
            return False
        if seen.cleared:
            logger.info("dead letters are delivered by now", extra={"cleared": seen.cleared})
        return seen.is_whole and (closed.connection, closed.channel) not in seen.left

    def _is_told(self, wake: Wake) -> bool:
        """Whether nothing is left to be done for a dead letter, since its run is told."""
        try:
            item = self._store.get(wake.connection, wake.run_id)
        except NewerItemError:
            return False
        if item.channel is not None and item.channel != wake.channel:
            return True  # its new channel is told everything
        is_known = item.channel is not None
        return is_known and item.pending_since is None and item.delivery.error is None
