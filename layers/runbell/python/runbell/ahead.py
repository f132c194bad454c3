"""Looking ahead of the schedule: has poll come back to what runs as soon as that is worth it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from runbell.comeback import Comeback, ComebackQueue
from runbell.connections import Connection, Scan
from runbell.errors import QueueUnavailableError, StoreUnavailableError
from runbell.foresight import Budget, Prospect, next_look
from runbell.metering import meter
from runbell.observability import logger, told
from runbell.run import Run, instant, timestamp
from runbell.store import RunStore
from runbell.task_store import TaskStore
from runbell.tasks import TaskItem

REMEMBERED = timedelta(minutes=2)
"""For how long a process goes by what it has read of runs that go on, and of their tasks."""


class Ahead:
    """Plans the next look at a connection, and has poll come back for it.

    What fails here is logged and leaves the next look to the schedule: no tick fails of it.

    Args:
        connection: The connection's name.
        store: Knows which runs are watched.
        tasks: Knows how long the runs of a task take.
        queue: Has poll come back.
        schedule: The template's; a connection may have one of its own.
        now: The time of day.
    """

    def __init__(
        self,
        connection: str,
        store: RunStore,
        tasks: TaskStore,
        queue: ComebackQueue,
        schedule: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._connection = connection
        self._store = store
        self._tasks = tasks
        self._queue = queue
        self._schedule = schedule
        self._now = now
        self._known: dict[str, Sequence[int] | None] = {}
        self._known_since = datetime.min.replace(tzinfo=UTC)

    def planned(self, connection: Connection, scan: Scan, active: Iterable[Run]) -> Scan:
        """Say in the scan when to come back, in the place of what it said before.

        Args:
            connection: The connection as it is now.
            scan: How far its runs have been looked through.
            active: Those of its runs that go on.
        """
        moment: datetime | None = None
        try:
            prospects = self._prospects(connection, list(active))
        except StoreUnavailableError as error:
            self._leave(error)
        else:
            budget, schedule = _budget_in(scan), connection.schedule or self._schedule
            moment = next_look(prospects, self._now(), budget, schedule)
        return replace(scan, comeback=timestamp(moment) if moment else None)

    def call(self, scan: Scan) -> None:
        """Have poll come back when the scan says so."""
        moment = instant(scan.comeback)
        if scan.comeback is None or moment is None:
            return
        try:
            self._queue.send(Comeback(self._connection, scan.comeback), moment - self._now())
        except QueueUnavailableError as error:
            self._leave(error)

    def spent(self, scan: Scan) -> Scan:
        """Count a look ahead of the schedule against the connection's budget."""
        whole_at = _budget_in(scan).spent(self._now()).whole_at
        return replace(scan, budget_whole_at=timestamp(whole_at) if whole_at else None)

    def _prospects(self, connection: Connection, active: list[Run]) -> list[Prospect]:
        """What is known of the runs that somebody wants to hear of."""
        if self._now() - self._known_since >= REMEMBERED:
            self._known, self._known_since = {}, self._now()
        new = [run for run in active if run.run_id not in self._known]
        if new:
            tasks = self._tasks.get_many(self._connection, {run.task_id for run in new})
            watched: frozenset[str] = frozenset()
            if not connection.watches_all:
                glance = self._store.glance(self._connection, new, with_tasks=False)
                watched = glance.watched_runs
            for run in new:
                task = tasks.get(run.task_id) or TaskItem(self._connection, run.task_id)
                is_wanted = connection.watches_all or task.watch or run.run_id in watched
                self._known[run.run_id] = task.story.durations if is_wanted else None
        known = [(run, self._known[run.run_id]) for run in active]
        return [Prospect(run, durations) for run, durations in known if durations is not None]

    def _leave(self, error: Exception) -> None:
        meter.fail(error)
        logger.warning("the next look is left to the schedule", extra=told(error))


def _budget_in(scan: Scan) -> Budget:
    return Budget(instant(scan.budget_whole_at))
