"""Looks at one run: fetch, compare, commit, enqueue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runbell.algolia import IngestionClient
from runbell.changes import Change, compare, is_stale, keep_details, state_of
from runbell.deadline import Deadline
from runbell.errors import LostRaceError, QueueUnavailableError
from runbell.items import HistoryEntry, RunItem
from runbell.observability import logger, told
from runbell.outbox import Outbox, Wake
from runbell.rules import Kind, Routing, announce, kind_of, kind_of_standstill
from runbell.run import Run, instant
from runbell.store import RunStore, timestamp

LOST_RACES = 25
"""Races lost in a row before a check gives up. Whoever wins one has saved the same news, so a
loser compares once more and finds nothing left to do."""


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


class Checker:
    """Looks at one run of a connection at a time; many threads may share it.

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
        self.connection = connection
        self.client = client
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
        return self._compare_and_commit(self.client.get_run(run_id, deadline))

    def _compare_and_commit(self, run: Run) -> Check:
        """Save what is new about a run, once, however many do so at the same time."""
        for _ in range(LOST_RACES):
            item = self._store.get(self.connection, run.run_id)
            known = item.snapshot
            if known is not None and is_stale(known, run):
                logger.info("a stale read is left aside", extra={"run_id": run.run_id})
                self._tidy(item, known)
                return Check(item, known, None, queued=False, stale=True)
            if known is not None and state_of(known) == state_of(run):
                run = keep_details(known, run)
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
            self._store.retire(self.connection, item.run_id)
        elif item.unknown_since:
            self._store.note_known(self.connection, item.run_id)

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
                extra={"run_id": item.run_id, **told(error)},
            )
            return False
        return True
