"""Looks at many runs or tasks side by side; one that fails leaves the others alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from runbell.batch import Batch
from runbell.checker import Check, Checker
from runbell.deadline import Deadline
from runbell.discovery import Row, in_batches
from runbell.errors import (
    AlgoliaCredentialError,
    AlgoliaRateLimitError,
    AlgoliaUnavailableError,
    ConfigurationError,
    MalformedRunError,
    NewerItemError,
    OutOfTimeError,
    RunbellError,
    RunNotFoundError,
    StoreUnavailableError,
)
from runbell.metering import meter
from runbell.observability import logger, told
from runbell.run import Run, instant, parse_run
from runbell.store import RunStore

AT_ONCE = 8
"""Runs that are looked at side by side."""

ROWS_AT_ONCE = 100
"""Rows of the list that are worked off before the next ones are begun."""

PROMPT = 1.0
"""Seconds after which words go to the queue though a request takes more of them: the look at one
task may take its time, and the news of others does not wait for it."""

UNANSWERED = (AlgoliaRateLimitError, AlgoliaUnavailableError)
"""What says that Algolia is away, or asks for less."""

AFTER_A_FAILURE = timedelta(minutes=5)
"""After which a run that Algolia refuses to show is asked for again."""

UNKNOWN_FOR = timedelta(hours=1)
"""How long a watched run may be unknown to Algolia before it is looked at no more."""


@dataclass
class Work:
    """What came of looking at some rows, runs or tasks; `tally` counts by the names of a report."""

    tally: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    """The runs whose look has failed, and may succeed later."""
    left: list[bytes] = field(default_factory=list)
    """The rows that the time did not suffice for."""

    def add(self, other: Work) -> None:
        self.tally += other.tally
        self.failed += other.failed
        self.left += other.left


T = TypeVar("T")

Duty = Callable[[str, Deadline], int]
"""Does what is due for a thing of this name; answers with how many changes there were."""


class Looks:
    """Looks at runs and tasks of one connection, and counts what comes of it.

    Args:
        connection: The connection's name.
        store: Remembers its runs.
        now: The time of day.
    """

    def __init__(
        self,
        connection: str,
        store: RunStore,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connection = connection
        self._store = store
        self._now = now

    def at_each(
        self,
        look: Callable[[str], Check | int],
        names: Sequence[str],
        deadline: Deadline,
        *,
        kind: str = "run",
    ) -> Work:
        """Look at runs or tasks by their IDs.

        Args:
            look: Looks at one of them; answers with what came of it, or with how many changes.
            names: The IDs.
            deadline: After which no further look is begun.
            kind: What they are; for the log.

        Raises:
            ConfigurationError: A setting or a secret is not usable, so none can be looked at.
        """
        return _side_by_side(partial(self._try, look, deadline=deadline, kind=kind), names)

    def at_rows(
        self, checker: Checker, rows: Sequence[Row], deadline: Deadline, seen: set[str]
    ) -> Work:
        """Look at runs as the list shows them, those of one task one after the other.

        Args:
            checker: Looks at one of them.
            rows: In the order in which they were updated, so that the ends of a task's runs are
                seen in theirs.
            deadline: After which no further look is begun.
            seen: Takes the IDs of the runs.

        Raises:
            ConfigurationError: As `at_each`.
        """
        work = Work()
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
                    meter.fail(error)
                    logger.error("a run can't be read", extra=told(error))
                    work.tally["failed"] += 1
                else:
                    seen.add(run.run_id)
                    of_task.setdefault(run.task_id, []).append((row, run))
            work.add(self._observe_together(checker, deadline, list(of_task.values())))
        return work

    def _observe_together(
        self, checker: Checker, deadline: Deadline, tasks: Sequence[Sequence[tuple[Row, Run]]]
    ) -> Work:
        """Observe runs, those of each task one after the other, with one batch for them all."""
        batch = checker.batch([run for rows in tasks for _, run in rows])
        work = Work()
        try:
            chain = partial(self._observe_in_order, checker, batch, deadline)
            work.add(_side_by_side(chain, tasks, meanwhile=batch.enqueue))
        finally:  # what is saved by then is told
            work.tally["enqueued"] += len(batch.enqueue())
        return work

    def _observe_in_order(
        self, checker: Checker, batch: Batch, deadline: Deadline, rows: Sequence[tuple[Row, Run]]
    ) -> Work:
        work = Work()
        for row, run in rows:
            if not deadline.remaining():
                work.left.append(row.digest)
                work.tally["skipped"] += 1
                continue

            def observe(_: str, run: Run = run) -> Check:
                return checker.observe_in(batch, run, deadline)

            work.add(self._try(observe, run.run_id, deadline=deadline))
        return work

    def _try(
        self,
        look: Callable[[str], Check | int],
        name: str,
        *,
        deadline: Deadline,
        kind: str = "run",
    ) -> Work:
        """Look at one of many runs or tasks and count what came of it."""
        if not deadline.remaining():
            return Work(Counter(skipped=1), [name])
        try:
            found = self._look_or_retire(look, name)
        except ConfigurationError:
            raise  # no other run could be looked at either, and people must hear of it
        except OutOfTimeError:
            return Work(Counter(skipped=1), [name])
        except RunbellError as error:
            meter.fail(error)
            logger.error(f"a {kind} can't be looked at", extra={f"{kind}_id": name, **told(error)})
            refused = isinstance(error, AlgoliaCredentialError)
            may_succeed = error.retryable or refused or isinstance(error, NewerItemError)
            if not may_succeed and not isinstance(error, RunNotFoundError):
                self._put_off(name)
            tally = Counter(
                failed=1, refused=int(refused), unanswered=int(isinstance(error, UNANSWERED))
            )
            return Work(tally, [name] if may_succeed else [])
        except Exception as error:  # noqa: BLE001 (logged: one run must not stop the others)
            meter.fail(error)
            logger.exception("a look fails unforeseen", extra={f"{kind}_id": name, **told(error)})
            return Work(Counter(failed=1), [name])
        if isinstance(found, int):
            return Work(Counter(changed=found))
        return Work(
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
            item = self._store.get(self._connection, run_id)
            if item.is_active:
                self._store.look_again(item, self._now() + AFTER_A_FAILURE)
        except StoreUnavailableError as error:  # then it is asked for once more
            meter.fail(error)
            logger.warning("a run can't be put off", extra={"run_id": run_id, **told(error)})

    def _look_or_retire(self, look: Callable[[str], Check | int], run_id: str) -> Check | int:
        """Look at a run; one that Algolia has not known for long is looked at no more."""
        try:
            return look(run_id)
        except RunNotFoundError:
            item = self._store.note_unknown(self._connection, run_id)
            since = instant(item.unknown_since) if item else None
            is_watched = item is not None and item.watch is not None
            if item and since and (not is_watched or self._now() - since > UNKNOWN_FOR):
                self._store.retire(item)
                logger.error("a run is unknown, and looked at no more", extra={"run_id": run_id})
            raise


def _side_by_side(
    look: Callable[[T], Work],
    things: Sequence[T],
    meanwhile: Callable[[], object] = lambda: None,
) -> Work:
    """Look at things; `meanwhile` is called about once a second until all are done."""
    work = Work()
    if not things:
        return work
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(things))) as pool:
        looks = [pool.submit(look, thing) for thing in things]
        waiting = set(looks)
        while waiting:
            done, waiting = wait(waiting, PROMPT, FIRST_EXCEPTION)
            if any(each.exception() for each in done):
                break  # then no other is begun
            meanwhile()
        for each in waiting:
            each.cancel()
    for each in looks:  # one that was cancelled comes after the one that has failed
        work.add(each.result())
    return work
