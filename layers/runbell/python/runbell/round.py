"""One look at whatever of a connection's runs could have changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from runbell.checker import Check, Checker
from runbell.connections import Scan
from runbell.deadline import Deadline
from runbell.discovery import Discovery, Finding, Row, Settled, front_after
from runbell.errors import (
    AlgoliaCredentialError,
    AlgoliaError,
    ConfigurationError,
    MalformedRunError,
    OutOfTimeError,
    RunbellError,
)
from runbell.looks import UNANSWERED, Duty, Looks, Work
from runbell.metering import meter
from runbell.observability import logger, told
from runbell.run import Run, Status, parse_run
from runbell.store import RunStore

FEW = 3
"""Due runs that are fetched one by one; more of them are first looked for in a list."""

LISTING = 0.4
"""Of a round's time, how much may go by while the list is read."""

FULL_LOOK = 0.5
"""Of a round's time, how much must be left to go on with the look at all runs."""

WITHOUT_ALGOLIA = frozenset({"channel"})
"""Kinds of what is due that is done before Algolia is asked, as it may be away."""

MOST_AGAIN = 100
"""Runs whose look has failed that the next round is told to look at; for more it looks at all."""


class Round:
    """Looks at the head of the list, at what is due, and now and then at all runs.

    Afterwards `active` has those of its runs that go on, as far as the head of the list shows them.

    Args:
        checker: Looks at one run.
        duties: What is done, by the kind of the item, for what is due and is no run.
        looks: Looks at many.
        store: Remembers the connection's runs.
        settled: What this process has found in the table as it is.
        work: Takes what comes of it.
        deadline: When to be done; what it does not suffice for is left to the next round.
        now: The time of day.
    """

    def __init__(
        self,
        checker: Checker,
        duties: Mapping[str, Duty],
        looks: Looks,
        store: RunStore,
        settled: Settled,
        work: Work,
        deadline: Deadline,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._checker = checker
        self._duties = duties
        self._looks = looks
        self._store = store
        self._settled = settled
        self._work = work
        self._deadline = deadline
        self._time = deadline.remaining()
        self._discovery = Discovery(checker.client, now=now)
        self._seen: set[str] = set()
        self.active: tuple[Run, ...] = ()

    def go(self, scan: Scan) -> Scan:
        """Go on from where earlier rounds have ended; tells where this one has.

        Raises:
            ConfigurationError, AlgoliaCredentialError: Nothing can be looked at.
            StoreUnavailableError: The table could not tell what is due.
        """
        name = self._checker.connection.name
        due = [*self._store.due(name), *(("run", run_id) for run_id in scan.again)]
        half = Deadline(self._time / 2)  # the other one is Algolia's
        self._work.add(self._do(due, self._duties.keys() & WITHOUT_ALGOLIA, half))
        try:
            finding = self._discovery.look(scan, self._deadline, Deadline(self._time * LISTING))
        except (AlgoliaCredentialError, ConfigurationError):
            raise  # nothing can be looked at, and people must hear of it
        except RunbellError as error:
            self._note_unread(error)
            if error.retryable:  # Algolia is away or asks for less: nothing more is asked of it
                return scan
        else:
            if self._is_anothers(scan):
                return scan
            scan = self._look_at_head(scan, finding)
            self.active = tuple(_runs_in(finding.active))
        self._look_at_due(due, scan)
        if self._discovery.is_full_look_due(scan):
            scan = self._look_at_the_rest(scan)
        return _with_failures(scan, self._work.failed)

    def glance(self, scan: Scan) -> Scan:
        """Look at the head of the list alone, by one request that is not made again.

        Raises:
            AlgoliaError, OutOfTimeError, ConfigurationError, SecretUnavailableError: It can't be
                had.
        """
        listing = Deadline(self._time * LISTING)
        finding = self._discovery.look(scan, self._deadline, listing, attempts=1)
        if self._is_anothers(scan):
            return scan
        scan = self._look_at_head(scan, finding)
        self.active = tuple(_runs_in(finding.active))
        return _with_failures(scan, [*scan.again, *self._work.failed])

    def _look_at_head(self, scan: Scan, finding: Finding) -> Scan:
        """Work off what was found at the head of the list."""
        done = self._look_at_rows(finding.rows)
        if finding.failure is not None:
            # Nothing is remembered: the next round comes by here again on its way to the rest.
            self._note_unread(finding.failure)
            return scan
        scan = replace(scan, front=front_after(scan, finding, done.left))
        if not finding.is_whole:
            # What is behind is the full look's to find. One that was begun for that goes on, or it
            # would never end while each round comes to the end of its time.
            return scan if scan.full_at is None else scan.from_the_start()
        if finding.is_all and not done.left and self._discovery.is_full_look_due(scan):
            return self._discovery.with_full_look(scan)
        return scan

    def _look_at_due(self, due: Sequence[tuple[str, str]], scan: Scan) -> None:
        """Look at runs of which no list needs to show anything new, and do what else is due."""
        deadline, checker = self._deadline, self._checker
        runs = {name for kind, name in due if kind == "run"} - self._seen
        done = Work()
        if len(runs) > FEW:
            shown = self._shown_as_active(runs)
            runs -= shown.keys()

            def observe(run_id: str) -> Check:
                return checker.observe(shown[run_id], deadline, is_due=True)

            done.add(self._looks.at_each(observe, sorted(shown), deadline))

        def look(run_id: str) -> Check:
            return checker.look(run_id, deadline)

        done.add(self._looks.at_each(look, sorted(runs), deadline))
        done.add(self._do(due, self._duties.keys() - WITHOUT_ALGOLIA, deadline))
        done.failed = [name for name in done.failed if name in scan.again]  # the others stay due
        self._work.add(done)

    def _do(self, due: Sequence[tuple[str, str]], kinds: Iterable[str], deadline: Deadline) -> Work:
        """Do what is due and is no look at a run."""
        done = Work()
        for kind in sorted(kinds):
            duty = self._duties[kind]

            def do(name: str, duty: Duty = duty) -> int:
                return duty(name, deadline)

            names = sorted({name for of, name in due if of == kind})
            done.add(self._looks.at_each(do, names, deadline, kind=kind))
        done.failed = []  # it stays due
        return done

    def _look_at_the_rest(self, scan: Scan) -> Scan:
        """Go on with the look at all runs, page by page, as long as there is time."""
        least = self._time * FULL_LOOK
        while self._discovery.is_full_look_due(scan) and self._deadline.remaining() > least:
            try:
                page, after = self._discovery.page_of_all(scan, self._deadline)
            except RunbellError as error:
                self._note("the list of all runs can't be read", error)
                break
            if self._is_anothers(scan):
                break
            done = self._look_at_rows(self._worth_a_look(page))
            if done.left:
                break
            if not done.failed:
                self._settled.add(row.digest for row in page)
            scan = after
        return scan

    def _look_at_rows(self, rows: Sequence[Row]) -> Work:
        done = self._looks.at_rows(self._checker, rows, self._deadline, self._seen)
        self._work.add(done)
        return done

    def _shown_as_active(self, runs: set[str]) -> dict[str, Run]:
        """Find runs in the list of those that have not ended, a hundred a request."""
        active = f"{Status.CREATED},{Status.STARTED}"
        shown: dict[str, Run] = {}
        try:
            for run in self._discovery.runs(self._deadline, status=active):
                if run.run_id in runs:
                    shown[run.run_id] = run
                if len(shown) == len(runs):
                    break
        except (AlgoliaError, OutOfTimeError) as error:
            meter.fail(error)
            logger.warning("the list of active runs can't be read", extra=told(error))
        return shown

    def _worth_a_look(self, rows: Sequence[Row]) -> list[Row]:
        """Leave aside the rows of which nothing is new, or nobody wants to hear."""
        connection = self._checker.connection
        watches_all = connection.watches_all
        runs: dict[bytes, Run] = {}
        new = self._settled.but(rows, watches_all=watches_all)
        for row in new:
            try:
                runs[row.digest] = parse_run(row.document)
            except MalformedRunError:
                continue
        glance = self._store.glance(connection.name, runs.values(), with_tasks=not watches_all)
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

    def _is_anothers(self, scan: Scan) -> bool:
        """Whether the secret has come to name another application since the tick began.

        Then what was just read is to be compared with nothing; the next tick begins anew.
        """
        is_other = self._checker.client.application != scan.application
        if is_other:
            logger.warning("the secret names another application; the next tick looks at its runs")
        return is_other

    def _note_unread(self, error: Exception) -> None:
        """Whatever else is done, the round does not count as a look at the connection's runs."""
        self._note("the list of runs can't be read", error)
        self._work.tally["unread"] = 1

    def _note(self, what: str, error: Exception) -> None:
        meter.fail(error)
        logger.error(what, extra=told(error))
        self._work.tally["failed"] += 1
        self._work.tally["unanswered"] += isinstance(error, UNANSWERED)


def _runs_in(rows: Iterable[Row]) -> Iterator[Run]:
    """The runs that can be read; of the others a look at them has told."""
    for row in rows:
        with suppress(MalformedRunError):
            yield parse_run(row.document)


def _with_failures(scan: Scan, failed: Sequence[str]) -> Scan:
    """Have the next round look at the runs whose look has failed."""
    again = tuple(sorted(set(failed)))
    if len(again) > MOST_AGAIN:
        # What the front holds counts as looked at, and a round that comes to the end of the list
        # would take that for a look at all runs.
        return replace(scan, again=(), front=()).from_the_start()
    return replace(scan, again=again)
