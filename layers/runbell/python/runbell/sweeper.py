"""Enqueues again whatever was committed and has not been delivered."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from runbell.deadline import Deadline
from runbell.errors import NewerItemError
from runbell.metering import meter
from runbell.observability import logger, told
from runbell.outbox import BATCH, Outbox, Wake
from runbell.run import instant, timestamp
from runbell.store import Pending, RunStore

SHORTEST_REST = timedelta(minutes=2)
LONGEST_REST = timedelta(minutes=30)
"""For how long a sweep leaves to the queue what an earlier one has enqueued. The queue tries by
itself; more words for the same run would only pile up behind a channel that is put off."""


@dataclass(frozen=True)
class Sweep:
    """What a sweep did and saw.

    Args:
        enqueued: How many words the queue took.
        oldest: For how many seconds the announcement that has waited longest is pending; 0 where
            none is.
    """

    enqueued: int
    oldest: int


class Sweeper:
    """Sees to it that what is pending gets to Slack, whatever has failed in between.

    Args:
        connection: Whose runs.
        store: Knows what is pending.
        outbox: Wakes notify.
        now: The time of day.
    """

    def __init__(
        self,
        connection: str,
        store: RunStore,
        outbox: Outbox,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connection = connection
        self._store = store
        self._outbox = outbox
        self._now = now

    def sweep(self, deadline: Deadline | None = None) -> Sweep:
        """Enqueue again whatever was committed and has not been delivered.

        A queue out of reach is logged: the next sweep goes on.

        Args:
            deadline: When the whole tick has to be done; half of it is left to the runs.
        """
        sweep_id = uuid.uuid4().hex
        half = deadline.remaining() / 2 if deadline else 0.0
        enqueued = 0
        pending = list(self._store.pending(self._connection))
        now = timestamp(self._now())
        due = iter(each for each in pending if each.due_at <= now)
        while batch := list(islice(due, BATCH)):
            taken = self._outbox.enqueue_each(map(Wake.of, batch), sweep=sweep_id)
            for each in batch:
                if Wake.of(each) in taken:
                    self._postpone(each)
            enqueued += len(taken)
            if not taken:
                logger.warning("the queue takes nothing, the next sweep goes on")
                break
            if deadline and deadline.remaining() < half:
                break
        if enqueued:
            logger.info("the sweep enqueued what was pending", extra={"enqueued": enqueued})
        oldest = max(map(self._age_of, pending), default=timedelta(0))
        return Sweep(enqueued, int(oldest.total_seconds()))

    def _postpone(self, pending: Pending) -> None:
        """Leave to the queue what it has been told; what a later release has written stays due."""
        try:
            self._store.postpone(pending, by=self._rest_of(pending))
        except NewerItemError as error:
            meter.fail(error)
            extra = {"run_id": pending.run_id, **told(error)}
            logger.error("a later release has written a run", extra=extra)

    def _rest_of(self, pending: Pending) -> timedelta:
        """How long a sweep leaves a run alone: longer, the longer Slack has not taken it."""
        return min(LONGEST_REST, max(SHORTEST_REST, self._age_of(pending)))

    def _age_of(self, pending: Pending) -> timedelta:
        since = instant(pending.since)
        return self._now() - since if since else timedelta(0)
