"""A tick: enqueues what is pending, and looks at what of a connection's runs could have changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from runbell.checker import Check, Checker
from runbell.connections import Connection, ConnectionStore, Scan
from runbell.deadline import Deadline
from runbell.discovery import Settled
from runbell.errors import AlgoliaCredentialError
from runbell.looks import Duty, Looks, Work
from runbell.metering import Metric, meter
from runbell.round import Round
from runbell.run import timestamp
from runbell.store import RunStore
from runbell.sweeper import Sweeper
from runbell.table import Table

if TYPE_CHECKING:
    from runbell.ahead import Ahead

TROUBLE = ("refused", "unanswered")
"""What is counted of looks that Algolia does not take: with this key, or for now."""

LOOK_AHEAD = 20.0
"""Seconds for a look ahead of the schedule: what there is too much of is the next tick's."""


@dataclass(frozen=True)
class Report:
    """What a tick did.

    Args:
        checked: Runs that were seen and compared.
        changed: Those with another status or outcome than known before, and runs that are missing.
        enqueued: Words put on the queue, those of the sweep included.
        stale: Reads that were older than what is known.
        failed: Things that could not be looked at; each has its line in the log.
        skipped: Runs that the time did not suffice for; the next tick looks at them.
        requests: Requests made to Algolia.
        table_calls: Requests made to DynamoDB.
        pending_age: For how many seconds the oldest announcement is pending, this tick's aside.
    """

    checked: int = 0
    changed: int = 0
    enqueued: int = 0
    stale: int = 0
    failed: int = 0
    skipped: int = 0
    requests: int = 0
    table_calls: int = 0
    pending_age: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


class Watcher:
    """Looks after the runs of one connection.

    Args:
        name: The connection's.
        connections: Knows what is asked of it, and how far the last tick came.
        store: Remembers its runs.
        sweeper: Enqueues again what is pending.
        open_checker: Makes what looks at one run, as the connection is now.
        open_duties: Makes what does other things that are due; see Round.
        table: Counts what is asked of it.
        ahead: Plans looks ahead of the schedule, if such are wanted.
        now: The time of day.
    """

    def __init__(
        self,
        name: str,
        connections: ConnectionStore,
        store: RunStore,
        sweeper: Sweeper,
        open_checker: Callable[[Connection], Checker],
        open_duties: Callable[[Checker], Mapping[str, Duty]],
        table: Table,
        *,
        ahead: Ahead | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._name = name
        self._connections = connections
        self._store = store
        self._sweeper = sweeper
        self._open_checker = open_checker
        self._open_duties = open_duties
        self._table = table
        self._ahead = ahead
        self._now = now
        self._settled = Settled()

    def check(self, run_id: str, deadline: Deadline) -> Check:
        """Look at one run now; see Checker.

        Raises:
            NotKnownError: There is no such connection.
        """
        return self._open_checker(self._connections.get(self._name)).check(run_id, deadline)

    def tick(self, deadline: Deadline, run_ids: Iterable[str] | None = None) -> Report:
        """Enqueue again what is pending, then look at what could have changed.

        One run that fails leaves the others alone.

        Args:
            deadline: When to be done; what it does not suffice for is left to the next tick.
            run_ids: The runs to look at, if it is not to find them itself.

        Raises:
            NotKnownError: There is no such connection.
            ConfigurationError, AlgoliaCredentialError: A setting or a secret is not usable, so
                nothing can be looked at.
            StoreUnavailableError: The table could not tell what there is to do.
        """
        calls = self._table.calls_made
        sweep = self._sweeper.sweep(deadline)
        meter.measure(Metric.PENDING_AGE, sweep.oldest)
        work = Work(Counter(enqueued=sweep.enqueued))
        before = self._connections.get(self._name)
        connection, checker = self._opened(before)
        requests = checker.client.requests_made
        if run_ids is None:
            about = self._round(checker, work, deadline)
            scan = self._planned(connection, about.go(connection.scan), about, work)
            if scan != before.scan:
                self._connections.save_scan(self._name, scan)
            self._call(scan)
        else:
            check = partial(checker.check, deadline=deadline)
            looks = Looks(self._name, self._store, now=self._now)
            work.add(looks.at_each(check, list(dict.fromkeys(run_ids)), deadline))
        trouble = {name: work.tally.pop(name, 0) for name in TROUBLE}
        if trouble["refused"] and not work.tally["checked"]:
            raise AlgoliaCredentialError("Algolia refuses the credentials of every run looked at")
        if not work.tally.pop("unread", 0):
            meter.count(Metric.TICKS)
        return Report(
            **work.tally,
            requests=checker.client.requests_made - requests,
            table_calls=self._table.calls_made - calls,
            pending_age=sweep.oldest,
        )

    def come_back(self, moment: str, deadline: Deadline) -> Report:
        """Look, ahead of the schedule, at what is new; leave all else to the next tick.

        Only the comeback that the connection waits for does that: another was doubled, or a later
        look has planned anew. It is no tick, since it sweeps nothing.

        Args:
            moment: Which comeback it is.
            deadline: When to be done.

        Raises:
            NotKnownError, ConfigurationError, StoreUnavailableError: As `tick`.
            AlgoliaError, OutOfTimeError, SecretUnavailableError: The list can't be had. Nothing
                further is asked for before the next tick.
        """
        calls = self._table.calls_made
        before = self._connections.get(self._name)
        if self._ahead is None or before.scan.comeback != moment:
            return Report(table_calls=self._table.calls_made - calls)
        taken = self._ahead.spent(replace(before.scan, comeback=None))
        if not self._connections.take_comeback(self._name, moment, taken.budget_whole_at or ""):
            return Report(table_calls=self._table.calls_made - calls)
        work = Work()
        connection, checker = self._opened(replace(before, scan=taken))
        requests = checker.client.requests_made
        about = self._round(checker, work, Deadline(min(LOOK_AHEAD, deadline.remaining())))
        scan = self._planned(connection, about.glance(connection.scan), about, work)
        if scan != taken:
            self._connections.save_scan(self._name, scan, since=taken)
        self._call(scan)
        for name in (*TROUBLE, "unread"):
            work.tally.pop(name, 0)
        return Report(
            **work.tally,
            requests=checker.client.requests_made - requests,
            table_calls=self._table.calls_made - calls,
        )

    def _opened(self, before: Connection) -> tuple[Connection, Checker]:
        """The connection as it is looked at from now on, and what looks at its runs."""
        application = self._open_checker(before).client.application
        connection = _begun(before, application, self._now())
        return connection, self._open_checker(connection)

    def _round(self, checker: Checker, work: Work, deadline: Deadline) -> Round:
        return Round(
            checker,
            self._open_duties(checker),
            Looks(self._name, self._store, now=self._now),
            self._store,
            self._settled,
            work,
            deadline,
            now=self._now,
        )

    def _planned(self, connection: Connection, scan: Scan, about: Round, work: Work) -> Scan:
        """Say when to come back; where Algolia is in trouble, that is left to the schedule."""
        active = () if any(work.tally[name] for name in (*TROUBLE, "unread")) else about.active
        if self._ahead is None:
            return replace(scan, comeback=None)
        return self._ahead.planned(connection, scan, active)

    def _call(self, scan: Scan) -> None:
        if self._ahead is not None:
            self._ahead.call(scan)


def _begun(connection: Connection, application: str, now: datetime) -> Connection:
    """Remember whose runs are looked at, and since when all are watched or that only some are.

    Runs that were over when people began to care are told to nobody. So with another application
    than before everything begins anew; and what was left aside while only some runs were watched
    has to be looked through once all are.
    """
    scan = connection.scan
    if scan.application not in {None, application}:
        scan = Scan()
    scan = replace(scan, application=application)
    if not connection.watches_all:
        scan = replace(scan, all_since=None)
    elif scan.all_since is None:
        scan = replace(scan, all_since=timestamp(now), front=()).from_the_start()
    return replace(connection, scan=scan)
