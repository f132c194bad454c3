"""Looks at runs: fetch, compare, commit, enqueue."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from runbell.algolia import IngestionClient
from runbell.changes import Change, compare, is_stale, state_of
from runbell.deadline import Deadline
from runbell.errors import (
    AlgoliaCredentialError,
    ConfigurationError,
    LostRaceError,
    OutOfTimeError,
    QueueUnavailableError,
    RunbellError,
    RunNotFoundError,
)
from runbell.items import HistoryEntry, RunItem
from runbell.observability import logger
from runbell.outbox import Outbox, Wake
from runbell.rules import Kind, Routing, announce, kind_of, kind_of_standstill
from runbell.run import Run, instant
from runbell.store import Pending, RunStore, timestamp

LOST_RACES = 25
"""Races lost in a row before a check gives up. Whoever wins one has saved the same news, so a
loser compares once more and finds nothing left to do."""

AT_ONCE = 8
"""Runs that a tick fetches side by side."""

SHORTEST_REST = timedelta(minutes=2)
LONGEST_REST = timedelta(minutes=30)
"""For how long a sweep leaves to the queue what an earlier one has enqueued. The queue tries by
itself; more words for the same run would only pile up behind a channel that is put off."""

UNKNOWN_FOR = timedelta(hours=1)
"""How long a watched run may be unknown to Algolia before it is looked at no more."""


@dataclass(frozen=True)
class Check:
    """What came of one look at a run.

    Args:
        item: The run's item after it.
        previous: What was known of the run before; None at first sight.
        change: What people may want to hear; None when there was nothing, or another check of the
            same moment was first.
        queued: Whether the queue holds a word of it by now.
        stale: Whether what was fetched was older than what is known.
    """

    item: RunItem
    previous: Run | None
    change: Change | None
    queued: bool
    stale: bool = False


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
    """Looks at the runs of one connection.

    Args:
        connection: The connection's name.
        client: Reads its runs.
        store: Remembers them.
        outbox: Wakes notify.
        routing: Where announcements go unless a run's watch says otherwise.
        stalled_after: How long a started run may be without news; None for ever.
        now: The time of day.
    """

    def __init__(
        self,
        connection: str,
        client: IngestionClient,
        store: RunStore,
        outbox: Outbox,
        routing: Routing,
        *,
        stalled_after: timedelta | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connection = connection
        self._client = client
        self._store = store
        self._outbox = outbox
        self._routing = routing
        self._stalled_after = stalled_after
        self._now = now

    def check(self, run_id: str, deadline: Deadline) -> Check:
        """Look at one run now.

        Raises:
            RunNotFoundError: Algolia does not know it.
            AlgoliaError, MalformedRunError: Algolia gave no run.
            ConfigurationError: A setting or a secret is not usable.
            StoreUnavailableError, LostRaceError: The table did not take it; nothing was announced.
            OutOfTimeError: The deadline leaves no time to ask.
        """
        return self._compare_and_commit(self._client.get_run(run_id, deadline))

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
        swept = self.sweep()
        if run_ids is None:
            run_ids = self._store.active(self._connection)
        due = list(dict.fromkeys(run_ids))
        random.shuffle(due)  # when the time does not suffice, it is others each time
        before = self._client.requests_made
        tally: Counter[str] = Counter(enqueued=swept)
        if due:
            with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(due))) as pool:
                for outcome in pool.map(lambda run_id: self._look(run_id, deadline), due):
                    tally += outcome
        return Report(**tally, requests=self._client.requests_made - before)

    def sweep(self) -> int:
        """Enqueue again whatever was committed and has not been delivered.

        Returns:
            How many words the queue took. A queue out of reach is logged: the next sweep goes on.
        """
        sweep_id = uuid.uuid4().hex
        enqueued = 0
        for pending in self._store.pending(self._connection):
            try:
                enqueued += self._outbox.enqueue([Wake.of(pending)], sweep=sweep_id)
            except QueueUnavailableError as error:
                logger.warning("the sweep stops, the next one goes on", extra=_told(error))
                break
            self._store.postpone(pending, by=self._rest_of(pending))
        if enqueued:
            logger.info("the sweep enqueued what was pending", extra={"enqueued": enqueued})
        return enqueued

    def _rest_of(self, pending: Pending) -> timedelta:
        """How long a sweep leaves a run alone: longer, the longer Slack has not taken it."""
        since = instant(pending.since)
        age = self._now() - since if since else timedelta(0)
        return min(LONGEST_REST, max(SHORTEST_REST, age / 2))

    def _look(self, run_id: str, deadline: Deadline) -> Counter[str]:
        """Check one of many runs and count what came of it."""
        try:
            check = self._check_or_retire(run_id, deadline)
        except (ConfigurationError, AlgoliaCredentialError):
            raise  # no other run could be looked at either, and people must hear of it
        except OutOfTimeError:
            return Counter(skipped=1)
        except RunbellError as error:
            logger.error("a run can't be looked at", extra={"run_id": run_id, **_told(error)})
            return Counter(failed=1)
        return Counter(
            checked=1,
            changed=int(check.change is not None),
            enqueued=int(check.queued),
            stale=int(check.stale),
        )

    def _compare_and_commit(self, run: Run) -> Check:
        """Save what is new about a run, once, however many do so at the same time."""
        for _ in range(LOST_RACES):
            item = self._store.get(self._connection, run.run_id)
            known = item.snapshot
            if known is not None and is_stale(known, run):
                logger.info("a stale read is left aside", extra={"run_id": run.run_id})
                self._tidy(item, known)
                return Check(item, known, None, queued=False, stale=True)
            kind = self._kind_of_news(item, run)
            if known == run and kind is None:
                self._tidy(item, run)
                return Check(item, known, None, queued=False)
            try:
                return self._commit(item, run, kind)
            except LostRaceError:
                continue
        raise LostRaceError(f"run {run.run_id} was saved by others {LOST_RACES} times in a row")

    def _kind_of_news(self, item: RunItem, run: Run) -> Kind | None:
        """Tell what has happened to a run since it was saved; None when only details are new."""
        known = item.snapshot
        change = compare(known, run)
        if change is not None:
            return kind_of(change.after)
        saved_at = instant(item.updated_at)
        if known is None or saved_at is None or not item.history:
            return None
        quiet_for = self._now() - saved_at
        last_kind = item.history[-1].kind
        return kind_of_standstill(known, run, last_kind, quiet_for, self._stalled_after)

    def _tidy(self, item: RunItem, known: Run) -> None:
        """Put the marks of an item right which a run's end or its return has overtaken."""
        if item.active and known.is_terminal:  # watched at the moment of its end
            self._store.retire(self._connection, item.run_id)
        elif item.unknown_since:
            self._store.note_known(self._connection, item.run_id)

    def _commit(self, item: RunItem, run: Run, kind: Kind | None) -> Check:
        known = item.snapshot
        change: Change | None = None
        entry: HistoryEntry | None = None
        announce_in: str | None = None
        if kind is not None:
            change = Change(before=state_of(known) if known else None, after=state_of(run))
            announcement = announce(kind, self._routing.with_watch(item.watch))
            entry = HistoryEntry(
                number=item.last_change + 1,
                kind=kind,
                status=run.status,
                outcome=run.outcome,
                at=timestamp(self._now()),
                announced=announcement is not None,
            )
            announce_in = announcement.channel if announcement else None
        if announce_in is None and (item.pending_since or item.deliveries):
            announce_in = item.channel  # nothing new to tell, but a message to keep true
        saved = self._store.commit(item, run, entry, announce_in=announce_in)
        queued = announce_in is not None and self._enqueue(saved)
        if kind is not None:
            logger.info(
                "a run has changed", extra={"run_id": run.run_id, "kind": kind, "queued": queued}
            )
        return Check(saved, known, change, queued=queued)

    def _enqueue(self, item: RunItem) -> bool:
        try:
            self._outbox.enqueue([Wake.of(item)])
        except QueueUnavailableError as error:
            logger.warning(
                "the next sweep has to enqueue a run",
                extra={"run_id": item.run_id, **_told(error)},
            )
            return False
        return True

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


def _told(error: Exception) -> dict[str, str]:
    return {"error": type(error).__name__, "cause": str(error)}
