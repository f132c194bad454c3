"""Looks at a task by itself: at its runs when its watch is new, and for a run that is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from runbell.checker import Checker
from runbell.deadline import Deadline
from runbell.discovery import Discovery
from runbell.errors import AlgoliaError, OutOfTimeError, RunNotFoundError, StoreRefusedError
from runbell.items import HistoryEntry, Missed
from runbell.metering import Metric, meter
from runbell.observability import logger, told
from runbell.rules import Kind, announce
from runbell.run import Run, timestamp
from runbell.store import RunStore
from runbell.task_store import TaskStore
from runbell.tasks import TaskInfo, TaskItem
from runbell.timetable import is_answered_by, is_still_expected, overdue_at

NEXT_LOOK = timedelta(hours=1)
"""After which a task, whose next run is missing, is looked at again."""

AFTER_A_FAILURE = timedelta(minutes=5)
"""After which a task that can't be read is looked at again: many fail together."""

ATTEMPTS = 2
"""Requests for what a task is, before the next tick tries again."""


class Timekeeper:
    """Looks at one task of a connection at a time; many threads may share it.

    Args:
        checker: Looks at its runs.
        store: Remembers runs, and those that are missing.
        tasks: Remembers tasks.
        now: The time of day.
    """

    def __init__(
        self,
        checker: Checker,
        store: RunStore,
        tasks: TaskStore,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._checker = checker
        self._connection = checker.connection.name
        self._store = store
        self._tasks = tasks
        self._discovery = Discovery(checker.client, now=now)
        self._now = now

    def look(self, task_id: str, deadline: Deadline) -> int:
        """Do for a task what is due.

        Returns:
            How many changes of its runs there were, a missing run included.

        Raises:
            AlgoliaError: It is looked at again in a while.
            OutOfTimeError, StoreUnavailableError, LostRaceError, ConfigurationError: It stays due.
        """
        task = self._tasks.get(self._connection, task_id)
        if not (self._checker.connection.watches_all or task.watch):
            self._tasks.look_again(task, None)
            return 0
        try:
            changed = self._look_through(task, deadline) if task.look_through else 0
        except AlgoliaError:
            after = self._now() + AFTER_A_FAILURE
            self._tasks.look_again(task, after, is_looked_through=False)
            raise
        return changed + self._look_for_the_next(task, deadline)

    def _look_through(self, task: TaskItem, deadline: Deadline) -> int:
        """Look at the runs of a task, the oldest first; those that are over and known are left."""
        runs = list(reversed(list(self._runs_of(task, deadline))))
        known = self._store.glance(self._connection, runs, with_tasks=False).snapshots
        changed = 0
        for run in runs:
            if run.is_terminal and known.get(run.run_id) == run:
                continue
            if not deadline.remaining():
                raise OutOfTimeError("the next tick goes on with the runs of a task")
            try:
                check = self._checker.observe(run, deadline, is_due=True)
            except StoreRefusedError as error:  # and would refuse it again: the others are not it
                meter.fail(error)
                logger.error("a run can't be saved", extra={"run_id": run.run_id, **told(error)})
                continue
            changed += check.change is not None
        return changed

    def _look_for_the_next(self, task: TaskItem, deadline: Deadline) -> int:
        """See whether the run was created that the task's timetable promised."""
        wants_to_know = Kind.STALLED in self._checker.routing_of(task).notify_on
        info: TaskInfo | None = None
        try:
            info = self._checker.background.ask(task, deadline, attempts=ATTEMPTS)
            is_missing = wants_to_know and self._is_missing(task, info, deadline)
        except AlgoliaError as error:
            if info is None and isinstance(error, RunNotFoundError):  # the task was deleted
                self._tasks.look_again(task, None)
                return 0
            self._tasks.look_again(task, self._now() + AFTER_A_FAILURE)
            raise
        missed = self._announce_missed(task, info) if is_missing else 0
        self._tasks.put_info(task, info)
        self._tasks.look_again(task, self._next_look(task.info, info) if wants_to_know else None)
        return missed

    def _next_look(self, before: TaskInfo | None, info: TaskInfo) -> datetime | None:
        """When to look at a task whose run of `before` was looked for, and of which `info` is new.

        A run that is expected only now, and overdue already, is looked for by the next tick.
        """
        overdue = overdue_at(info)
        was_looked_for = before is not None and before.next_run == info.next_run
        if overdue is None or overdue > self._now() or not was_looked_for:
            return overdue
        return self._now() + NEXT_LOOK

    def _is_missing(self, task: TaskItem, info: TaskInfo, deadline: Deadline) -> bool:
        """Whether the run that was expected when the task was last read has not been created."""
        expected, overdue = task.info, overdue_at(task.info)
        if expected is None or overdue is None or overdue > self._now():
            return False
        if not is_still_expected(expected, info):
            return False
        if is_answered_by(expected, task.story.last_created):
            return False
        newest = next(self._runs_of(task, deadline), None)  # it may not have ended yet
        return newest is None or not is_answered_by(expected, newest.created_at)

    def _announce_missed(self, task: TaskItem, info: TaskInfo) -> int:
        """Save that a run is missing, once, and have it told: in the thread of its task's failures,
        if it is failing.
        """
        expected_at = task.info.next_run if task.info else None
        announcement = announce(Kind.MISSED, self._checker.routing_of(task), self._now())
        if announcement is None or expected_at is None:
            return 0
        channel, held, incident = announcement.channel, announcement.held, task.incident
        entry = HistoryEntry(
            number=1,
            kind=Kind.MISSED,
            status=Kind.MISSED,
            outcome=None,
            at=timestamp(self._now()),
            announced=held is None,
            mentions=announcement.mentions,
            held_until=timestamp(held[1]) if held else None,
            held_in=channel if held else None,
        )
        item = self._store.create_missed(
            self._connection,
            Missed(task.task_id, expected_at),
            entry,
            channel,
            info.names,
            held=held,
            thread_of=incident.run_id if incident and incident.channel == channel else None,
        )
        if item is None:
            return 0
        meter.count(Metric.CHANGES)
        logger.info("a run is missing", extra={"task_id": task.task_id, "expected_at": expected_at})
        if held is None:
            self._checker.enqueue(item)
        return 1

    def _runs_of(self, task: TaskItem, deadline: Deadline) -> Iterator[Run]:
        """Read a task's runs, the one created last first."""
        runs = self._discovery.runs(deadline, task_id=task.task_id)
        return (run for run in runs if run.task_id == task.task_id)
