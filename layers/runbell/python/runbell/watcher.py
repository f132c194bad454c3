"""Looks at many runs: what is pending is enqueued again, what is watched is checked."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from runbell.checker import Check, Checker
from runbell.deadline import Deadline
from runbell.errors import (
    AlgoliaCredentialError,
    ConfigurationError,
    OutOfTimeError,
    QueueRefusedError,
    QueueUnavailableError,
    RunbellError,
    RunNotFoundError,
)
from runbell.observability import logger, told
from runbell.outbox import BATCH, Outbox, Wake
from runbell.run import instant
from runbell.store import Pending, RunStore

AT_ONCE = 8
"""Runs that a tick fetches side by side."""

SHORTEST_REST = timedelta(minutes=2)
LONGEST_REST = timedelta(minutes=30)
"""For how long a sweep leaves to the queue what an earlier one has enqueued. The queue tries by
itself; more words for the same run would only pile up behind a channel that is put off."""

UNKNOWN_FOR = timedelta(hours=1)
"""How long a watched run may be unknown to Algolia before it is looked at no more."""


@dataclass(frozen=True)
class Report:
    """What a tick did.

    Args:
        checked: Runs that were fetched and compared.
        changed: Those with another status or outcome than known before.
        enqueued: Words put on the queue, those of the sweep included.
        stale: Reads that were older than what is known.
        failed: Runs that could not be looked at; each has its line in the log.
        skipped: Runs that the time did not suffice for; the next tick looks at them.
        requests: Requests made to Algolia.
    """

    checked: int = 0
    changed: int = 0
    enqueued: int = 0
    stale: int = 0
    failed: int = 0
    skipped: int = 0
    requests: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


class Watcher:
    """Looks after the runs of one connection.

    Args:
        checker: Looks at one of them.
        store: Remembers them.
        outbox: Wakes notify.
        now: The time of day.
    """

    def __init__(
        self,
        checker: Checker,
        store: RunStore,
        outbox: Outbox,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._checker = checker
        self._connection = checker.connection
        self._store = store
        self._outbox = outbox
        self._now = now

    def check(self, run_id: str, deadline: Deadline) -> Check:
        """Look at one run now; see Checker."""
        return self._checker.check(run_id, deadline)

    def tick(self, deadline: Deadline, run_ids: Iterable[str] | None = None) -> Report:
        """Enqueue again what is pending, then look at runs side by side.

        One run that fails leaves the others alone.

        Args:
            deadline: When to be done; runs that it does not suffice for are left to the next tick.
            run_ids: Which runs; all that are watched and have not ended, if not given.

        Raises:
            ConfigurationError, AlgoliaCredentialError: A setting or a secret is not usable, so none
                can be looked at.
            StoreUnavailableError: The table could not tell which runs there are.
        """
        swept = self.sweep(deadline)
        if run_ids is None:
            run_ids = self._store.active(self._connection)
        due = list(dict.fromkeys(run_ids))
        random.shuffle(due)  # when the time does not suffice, it is others each time
        before = self._checker.client.requests_made
        tally: Counter[str] = Counter(enqueued=swept)
        if due:
            with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(due))) as pool:
                for outcome in pool.map(lambda run_id: self._look(run_id, deadline), due):
                    tally += outcome
        if tally.pop("refused", 0) and not tally["checked"]:
            raise AlgoliaCredentialError("Algolia refuses the credentials of every run looked at")
        return Report(**tally, requests=self._checker.client.requests_made - before)

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

    def _look(self, run_id: str, deadline: Deadline) -> Counter[str]:
        """Check one of many runs and count what came of it."""
        try:
            check = self._check_or_retire(run_id, deadline)
        except ConfigurationError:
            raise  # no other run could be looked at either, and people must hear of it
        except OutOfTimeError:
            return Counter(skipped=1)
        except RunbellError as error:
            logger.error("a run can't be looked at", extra={"run_id": run_id, **told(error)})
            refused = isinstance(error, AlgoliaCredentialError)
            return Counter(failed=1, refused=int(refused))
        except Exception as error:  # noqa: BLE001 (logged: one run must not stop the others)
            logger.exception("a run fails unforeseen", extra={"run_id": run_id, **told(error)})
            return Counter(failed=1)
        return Counter(
            checked=1,
            changed=int(check.change is not None),
            enqueued=int(check.queued),
            stale=int(check.stale),
        )

    def _check_or_retire(self, run_id: str, deadline: Deadline) -> Check:
        """Check a run; one that Algolia has not known for long is looked at no more."""
        try:
            return self.check(run_id, deadline)
        except RunNotFoundError:
            item = self._store.note_unknown(self._connection, run_id)
            since = instant(item.unknown_since) if item else None
            if since and self._now() - since > UNKNOWN_FOR:
                self._store.retire(self._connection, run_id)
                logger.error("a run is unknown for long, its watch ends", extra={"run_id": run_id})
            raise
