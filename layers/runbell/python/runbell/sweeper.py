"""Enqueues again whatever was committed and has not been delivered."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice

from runbell.deadline import Deadline
from runbell.errors import QueueRefusedError, QueueUnavailableError
from runbell.observability import logger, told
from runbell.outbox import BATCH, Outbox, Wake
from runbell.run import instant
from runbell.store import Pending, RunStore

SHORTEST_REST = timedelta(minutes=2)
LONGEST_REST = timedelta(minutes=30)
"""For how long a sweep leaves to the queue what an earlier one has enqueued. The queue tries by
itself; more words for the same run would only pile up behind a channel that is put off."""


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

    def sweep(self, deadline: Deadline | None = None) -> int:
        """Enqueue again whatever was committed and has not been delivered.

        Args:
            deadline: When the whole tick has to be done; half of it is left to the runs.

        Returns:
            How many words the queue took. A queue out of reach is logged: the next sweep goes on.
        """
        sweep_id = uuid.uuid4().hex
        half = deadline.remaining() / 2 if deadline else 0.0
        enqueued = 0
        pending = iter(self._store.pending(self._connection))
        while batch := list(islice(pending, BATCH)):
            taken = self._enqueue(batch, sweep_id)
            for each in taken:
                self._store.postpone(each, by=self._rest_of(each))
            enqueued += len(taken)
            if not taken:
                logger.warning("the queue takes nothing, the next sweep goes on")
                break
            if deadline and deadline.remaining() < half:
                break
        if enqueued:
            logger.info("the sweep enqueued what was pending", extra={"enqueued": enqueued})
        return enqueued

    def _enqueue(self, batch: list[Pending], sweep_id: str) -> list[Pending]:
        """Put runs on the queue; one that it refuses leaves the others alone."""
        try:
            self._outbox.enqueue(map(Wake.of, batch), sweep=sweep_id)
        except QueueRefusedError as error:
            logger.warning("a batch is not taken, so each goes by itself", extra=told(error))
        except QueueUnavailableError as error:
            logger.warning("the queue is out of reach", extra=told(error))
            return []
        else:
            return batch
        taken = []
        for each in batch:
            try:
                self._outbox.enqueue([Wake.of(each)], sweep=sweep_id)
            except QueueRefusedError as error:
                extra = {"run_id": each.run_id, **told(error)}
                logger.error("the next sweep has to enqueue a run", extra=extra)
            except QueueUnavailableError as error:
                logger.warning("the queue is out of reach", extra=told(error))
                break
            else:
                taken.append(each)
        return taken

    def _rest_of(self, pending: Pending) -> timedelta:
        """How long a sweep leaves a run alone: longer, the longer Slack has not taken it."""
        since = instant(pending.since)
        age = self._now() - since if since else timedelta(0)
        return min(LONGEST_REST, max(SHORTEST_REST, age / 2))
