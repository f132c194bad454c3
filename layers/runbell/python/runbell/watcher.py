"""A tick: looks at whatever of a connection's runs could have changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from runbell.checker import Check, Checker
from runbell.connections import Connection, ConnectionStore, Scan
from runbell.deadline import Deadline
from runbell.discovery import Discovery, Finding, Row, Settled, front_after, in_batches
from runbell.errors import (
    AlgoliaCredentialError,
    AlgoliaError,
    ConfigurationError,
    MalformedRunError,
    OutOfTimeError,
    RunbellError,
    RunNotFoundError,
    StoreUnavailableError,
)
from runbell.observability import logger, told
from runbell.run import Run, Status, instant, parse_run, timestamp
from runbell.store import RunStore
from runbell.sweeper import Sweeper
from runbell.table import Table
from runbell.timekeeper import Timekeeper

AT_ONCE = 8
"""Runs that a tick looks at side by side."""

ROWS_AT_ONCE = 400
"""Rows of the list that are worked off before the next ones are begun."""

FEW = 3
"""Due runs that are fetched one by one; more of them are first looked for in a list."""

MANY = 100
"""Rows of which those that show nothing new are left aside, a hundred at a time, before each of
the others is looked at."""

LISTING = 0.4
"""Of a tick's time, how much may go by while the list is read."""

FULL_LOOK = 0.5
"""Of a tick's time, how much must be left to go on with the look at all runs."""

MOST_AGAIN = 100
"""Runs whose look has failed that the next tick is told to look at; for more it looks at all."""

AFTER_A_FAILURE = timedelta(minutes=5)
"""After which a run that Algolia refuses to show is asked for again."""

UNKNOWN_FOR = timedelta(hours=1)
"""How long a watched run may be unknown to Algolia before it is looked at no more."""


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
    """

    checked: int = 0
    changed: int = 0
    enqueued: int = 0
    stale: int = 0
    failed: int = 0
    skipped: int = 0
    requests: int = 0
    table_calls: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


@dataclass
class _Work:
    """What came of working off some rows or runs."""

    tally: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    """The runs whose look has failed, and may succeed later."""
    left: list[bytes] = field(default_factory=list)
    """The rows that the time did not suffice for."""

    def add(self, other: _Work) -> None:
        self.tally += other.tally
        self.failed += other.failed
        self.left += other.left


T = TypeVar("T")


class Watcher:
    """Looks after the runs of one connection.

    Args:
        name: The connection's.
        connections: Knows what is asked of it, and how far the last tick came.
        store: Remembers its runs.
        sweeper: Enqueues again what is pending.
        open_checker: Makes what looks at one run, as the connection is now.
        open_timekeeper: Makes what looks at one task.
        table: Counts what is asked of it.
        now: The time of day.
    """

    def __init__(
        self,
        name: str,
        connections: ConnectionStore,
        store: RunStore,
        sweeper: Sweeper,
        open_checker: Callable[[Connection], Checker],
        open_timekeeper: Callable[[Checker], Timekeeper],
        table: Table,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._name = name
        self._connections = connections
        self._store = store
        self._sweeper = sweeper
        self._open_checker = open_checker
        self._open_timekeeper = open_timekeeper
        self._table = table
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
        work = _Work(Counter(enqueued=self._sweeper.sweep(deadline)))
        before = self._connections.get(self._name)
        application = self._open_checker(before).client.application
        connection = _begun(before, application, self._now())
        checker = self._open_checker(connection)
        requests = checker.client.requests_made
        if run_ids is None:
            scan = self._look_at_all(connection.scan, checker, deadline, work)
            if scan != before.scan:
                self._connections.save_scan(self._name, scan)
        else:
            check = partial(checker.check, deadline=deadline)
            names = list(dict.fromkeys(run_ids))
            work.add(_side_by_side(partial(self._try, check, deadline=deadline), names))
        if work.tally.pop("refused", 0) and not work.tally["checked"]:
            raise AlgoliaCredentialError("Algolia refuses the credentials of every run looked at")
        return Report(
            **work.tally,
            requests=checker.client.requests_made - requests,
            table_calls=self._table.calls_made - calls,
        )

    def _look_at_all(self, scan: Scan, checker: Checker, deadline: Deadline, work: _Work) -> Scan:
        """Look at the list, at what is due, and now and then at all runs; tells how far it came."""
        discovery = Discovery(checker.client, now=self._now)
        due = [*self._store.due(self._name), *(("run", run_id) for run_id in scan.again)]
        time = deadline.remaining()
        seen: set[str] = set()
        try:
            finding = discovery.look(scan, deadline, Deadline(time * LISTING))
        except (AlgoliaCredentialError, ConfigurationError):
            raise  # nothing can be looked at, and people must hear of it
        except RunbellError as error:
            logger.error("the list of runs can't be read", extra=told(error))
            work.tally["failed"] += 1
            if error.retryable:  # Algolia is away or asks for less: nothing more is asked of it
                return scan
        else:
            if _is_anothers(scan, checker):
                return scan
            scan = self._look_at_head(scan, finding, discovery, checker, deadline, seen, work)
        done = self._look_at_due(discovery, checker, due, seen, deadline)
        done.failed = [name for name in done.failed if name in scan.again]  # the others stay due
        work.add(done)
        if discovery.is_full_look_due(scan):
            scan = self._look_at_the_rest(scan, discovery, checker, deadline, time, seen, work)
        return _with_failures(scan, work.failed)

    def _look_at_head(
        self,
        scan: Scan,
        finding: Finding,
        discovery: Discovery,
        checker: Checker,
        deadline: Deadline,
        seen: set[str],
        work: _Work,
    ) -> Scan:
        """Work off what was found at the head of the list."""
        rows: Sequence[Row] = finding.rows
        if len(rows) > MANY:  # such as after a day's outage, or when the front was lost
            rows = self._worth_a_look(checker, rows)
        done = self._work_off(checker, rows, deadline, seen)
        work.add(done)
        if finding.failure is not None:
            # Nothing is remembered: the next tick comes by here again on its way to the rest.
            logger.error("the list of runs can't be read", extra=told(finding.failure))
            work.tally["failed"] += 1
            return scan
        scan = replace(scan, front=front_after(scan, finding, done.left))
        if not finding.is_whole:
            # What is behind is the full look's to find. One that was begun for that goes on, or it
            # would never end while each tick comes to the end of its time.
            return scan if scan.full_at is None else scan.from_the_start()
        if finding.is_all and not done.left and discovery.is_full_look_due(scan):
            return discovery.with_full_look(scan)
        return scan

    def _look_at_the_rest(
        self,
        scan: Scan,
        discovery: Discovery,
        checker: Checker,
        deadline: Deadline,
        time: float,
        seen: set[str],
        work: _Work,
    ) -> Scan:
        """Go on with the look at all runs, page by page, as long as there is time."""
        while discovery.is_full_look_due(scan) and deadline.remaining() > time * FULL_LOOK:
            try:
                page, after = discovery.page_of_all(scan, deadline)
            except RunbellError as error:
                logger.error("the list of all runs can't be read", extra=told(error))
                work.tally["failed"] += 1
                break
            if _is_anothers(scan, checker):
                break
            done = self._work_off(checker, self._worth_a_look(checker, page), deadline, seen)
            work.add(done)
            if done.left:
                break
            if not done.failed:
                self._settled.add(row.digest for row in page)
            scan = after
        return scan

    def _work_off(
        self, checker: Checker, rows: Sequence[Row], deadline: Deadline, seen: set[str]
    ) -> _Work:
        """Look at runs as the list shows them, those of one task one after the other.

        The rows come in the order in which they were updated, so that the ends of a task's runs
        are seen in theirs.
        """
        work = _Work()
        for batch in in_batches(rows, ROWS_AT_ONCE):
            if not deadline.remaining():
                work.left += [row.digest for row in batch]
                work.tally["skipped"] += len(batch)
                continue
            of_task: dict[str, list[tuple[Row, Run]]] = {}
            for row in batch:
                try:
                    run = parse_run(row.document)
                except MalformedRunError as error:
                    logger.error("a run can't be read", extra=told(error))
                    work.tally["failed"] += 1
                else:
                    seen.add(run.run_id)
                    of_task.setdefault(run.task_id, []).append((row, run))
            chain = partial(self._observe_in_order, checker, deadline)
            work.add(_side_by_side(chain, list(of_task.values())))
        return work

    def _observe_in_order(
        self, checker: Checker, deadline: Deadline, rows: Sequence[tuple[Row, Run]]
    ) -> _Work:
        work = _Work()
        for row, run in rows:
            if not deadline.remaining():
                work.left.append(row.digest)
                work.tally["skipped"] += 1
                continue

            def observe(_: str, run: Run = run) -> Check:
                return checker.observe(run, deadline)

            work.add(self._try(observe, run.run_id, deadline=deadline))
        return work

    def _look_at_due(
        self,
        discovery: Discovery,
        checker: Checker,
        due: Sequence[tuple[str, str]],
        seen: set[str],
        deadline: Deadline,
    ) -> _Work:
        """Look at runs and tasks of which no list needs to show anything new."""
        keeper = self._open_timekeeper(checker)
        runs = {name for kind, name in due if kind == "run"} - seen
        tasks = {name for kind, name in due if kind == "task"}
        work = _Work()
        if len(runs) > FEW:
            shown = self._shown_as_active(discovery, runs, deadline)
            runs -= shown.keys()

            def observe(run_id: str) -> Check:
                return checker.observe(shown[run_id], deadline, is_due=True)

            work.add(_side_by_side(partial(self._try, observe, deadline=deadline), sorted(shown)))
        look = partial(self._try, partial(checker.look, deadline=deadline), deadline=deadline)
        work.add(_side_by_side(look, sorted(runs)))
        of_task = partial(self._try, partial(keeper.look, deadline=deadline), deadline=deadline)
        work.add(_side_by_side(of_task, sorted(tasks)))
        return work

    def _shown_as_active(
        self, discovery: Discovery, runs: set[str], deadline: Deadline
    ) -> dict[str, Run]:
        """Find runs in the list of those that have not ended, a hundred a request."""
        active = f"{Status.CREATED},{Status.STARTED}"
        shown: dict[str, Run] = {}
        try:
            for run in discovery.runs(deadline, status=active):
                if run.run_id in runs:
                    shown[run.run_id] = run
                if len(shown) == len(runs):
                    break
        except (AlgoliaError, OutOfTimeError) as error:
            logger.warning("the list of active runs can't be read", extra=told(error))
        return shown

    def _worth_a_look(self, checker: Checker, rows: Sequence[Row]) -> list[Row]:
        """Leave aside the rows of which nothing is new, or nobody wants to hear."""
        watches_all = checker.connection.watches_all
        runs: dict[bytes, Run] = {}
        new = self._settled.but(rows, watches_all=watches_all)
        for row in new:
            try:
                runs[row.digest] = parse_run(row.document)
            except MalformedRunError:
                continue
        glance = self._store.glance(self._name, runs.values(), with_tasks=not watches_all)
        worth: list[Row] = []
        for row in new:
            run = runs.get(row.digest)
            if run is None:
                worth.append(row)  # to be told of
                continue
            if glance.snapshots.get(run.run_id) == run:
                continue
            watched = run.run_id in glance.watched_runs or run.task_id in glance.watched_tasks
            if watches_all or watched:
                worth.append(row)
        return worth

    def _try(self, look: Callable[[str], Check | int], name: str, *, deadline: Deadline) -> _Work:
        """Look at one of many runs or tasks and count what came of it."""
        if not deadline.remaining():
            return _Work(Counter(skipped=1), [name])
        try:
            found = self._look_or_retire(look, name)
        except ConfigurationError:
            raise  # no other run could be looked at either, and people must hear of it
        except OutOfTimeError:
            return _Work(Counter(skipped=1), [name])
        except RunbellError as error:
            logger.error("a run can't be looked at", extra={"run_id": name, **told(error)})
            refused = isinstance(error, AlgoliaCredentialError)
            may_succeed = error.retryable or refused
            if not may_succeed and not isinstance(error, RunNotFoundError):
                self._put_off(name)
            return _Work(Counter(failed=1, refused=int(refused)), [name] if may_succeed else [])
        except Exception as error:  # noqa: BLE001 (logged: one run must not stop the others)
            logger.exception("a run fails unforeseen", extra={"run_id": name, **told(error)})
            return _Work(Counter(failed=1), [name])
        if isinstance(found, int):
            return _Work(Counter(changed=found))
        return _Work(
            Counter(
                checked=1,
                changed=int(found.change is not None),
                enqueued=int(found.queued),
                stale=int(found.stale),
            )
        )

    def _put_off(self, run_id: str) -> None:
        """Leave a run, at which nothing can be seen, alone for a while if it is due."""
        try:
            item = self._store.get(self._name, run_id)
            if item.is_active:
                self._store.look_again(item, self._now() + AFTER_A_FAILURE)
        except StoreUnavailableError as error:  # then it is asked for once more
            logger.warning("a run can't be put off", extra={"run_id": run_id, **told(error)})

    def _look_or_retire(self, look: Callable[[str], Check | int], run_id: str) -> Check | int:
        """Look at a run; one that Algolia has not known for long is looked at no more."""
        try:
            return look(run_id)
        except RunNotFoundError:
            item = self._store.note_unknown(self._name, run_id)
            since = instant(item.unknown_since) if item else None
            is_watched = item is not None and item.watch is not None
            if item and since and (not is_watched or self._now() - since > UNKNOWN_FOR):
                self._store.retire(item)
                logger.error("a run is unknown, and looked at no more", extra={"run_id": run_id})
            raise


def _side_by_side(look: Callable[[T], _Work], things: Sequence[T]) -> _Work:
    work = _Work()
    if things:
        with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(things))) as pool:
            for done in pool.map(look, things):
                work.add(done)
    return work


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


def _is_anothers(scan: Scan, checker: Checker) -> bool:
    """Whether the secret has come to name another application since the tick began.

    Then what was just read is to be compared with nothing; the next tick begins anew.
    """
    is_other = checker.client.application != scan.application
    if is_other:
        logger.warning("the secret names another application; the next tick looks at its runs")
    return is_other


def _with_failures(scan: Scan, failed: Sequence[str]) -> Scan:
    """Have the next tick look at the runs whose look has failed."""
    again = tuple(sorted(set(failed)))
    if len(again) > MOST_AGAIN:
        # What the front holds counts as looked at, and a tick that comes to the end of the list
        # would take that for a look at all runs.
        return replace(scan, again=(), front=()).from_the_start()
    return replace(scan, again=again)
