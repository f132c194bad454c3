"""What makes an announcement better and must never hold it up: names, and what went wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from runbell.algolia import IngestionClient, ListPage
from runbell.deadline import Deadline
from runbell.errors import RunNotFoundError, StoreUnavailableError
from runbell.events import WhatWentWrong, group_errors
from runbell.metering import meter
from runbell.observability import logger, told
from runbell.rules import Kind
from runbell.run import Run, instant, timestamp
from runbell.task_store import TaskStore
from runbell.tasks import Names, TaskInfo, TaskItem, name_in, read_task
from runbell.timetable import overdue_at

PATIENCE = 3.0
"""Seconds that an announcement waits for all of it."""

REST = 60.0
"""Seconds for which Algolia is not asked again after it has failed, so that many announcements
don't wait one after the other."""

KEPT = timedelta(days=1)
"""How long the names of a task are not asked for again."""

PAGES_OF_ERRORS = 3
"""Pages of a run's events that are read."""

BEFORE = timedelta(minutes=1)
"""From how long before its creation on a run's events are asked for."""

NAMES, EVENTS = "a task's names", "a run's events"
"""What is asked for; one may fail while the other can be had."""

WANTS_ERRORS = frozenset({Kind.FAILED, Kind.BLOCKED})
"""The kinds of change that a run's events explain."""


class Background:
    """Asks Algolia, once and briefly, for what people like to know; nothing depends on it.

    Args:
        client: Reads the tasks and events of a connection.
        tasks: Remembers what tasks are called.
        now: The time of day.
        clock: Seconds that only ever go on.
    """

    def __init__(
        self,
        client: IngestionClient,
        tasks: TaskStore,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._tasks = tasks
        self._now = now
        self._clock = clock
        self._rests_until: dict[str, float] = {}

    def info_of(self, task: TaskItem, deadline: Deadline, *, watches_time: bool) -> TaskInfo | None:
        """Say what Algolia calls a task, from the table if it was asked within a day.

        Args:
            task: Which task.
            deadline: When to be done.
            watches_time: Whether somebody wants to hear of it when the task's next run is missing.

        Returns:
            What Algolia says now, else what it said once; None if it never has.
        """
        if task.info is not None and not self._is_old(task.info):
            return task.info
        if self._is_resting(NAMES):
            return task.info
        info = task.info
        try:
            info = self.ask(task, deadline, attempts=1)
            due_at = overdue_at(info) if watches_time else None
            if task.info is not None and task.due_at is not None:
                # A run is still to be looked for; the timetable is read anew after that.
                info, due_at = info.with_timetable_of(task.info), None
            self._tasks.put_info(task, info, due_at)
        except RunNotFoundError:
            pass  # such as the task of a run that was deleted since
        except StoreUnavailableError as error:
            meter.fail(error)
            logger.warning("a task's names can't be saved", extra=told(error))
        except Exception as error:  # noqa: BLE001 (logged: an announcement goes out without it)
            self._rest(NAMES, error)
        return info

    def ask(self, task: TaskItem, deadline: Deadline, *, attempts: int) -> TaskInfo:
        """Ask what Algolia says of a task now; its names at the most once a day.

        Raises:
            AlgoliaError, OutOfTimeError, ConfigurationError, SecretUnavailableError: As
                IngestionClient.get_task.
        """
        document = self._client.get_task(task.task_id, deadline, attempts=attempts)
        read_at = timestamp(self._now())
        if task.info is not None and not self._is_old(task.info):
            return read_task(document, task.info.names, task.info.read_at)
        return read_task(document, self._names_of(document, deadline, attempts), read_at)

    def what_went_wrong(self, run: Run, deadline: Deadline) -> WhatWentWrong | None:
        """Read a failed run's events; None if there are none, or they can't be had now."""
        if self._is_resting(EVENTS):
            return None
        events: list[object] = []
        page: ListPage | None = None
        try:
            for number in range(1, PAGES_OF_ERRORS + 1):
                page = self._client.list_errors(
                    run.run_id, deadline, page=number, start=self._begin_of(run), attempts=1
                )
                events += page.items
                if not page.has_more:
                    break
        except RunNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 (logged: an announcement goes out without it)
            self._rest(EVENTS, error)
            page = None
        try:
            return group_errors(events, page.total if page else None) if events else None
        except Exception as error:  # noqa: BLE001 (logged: as above)
            logger.warning("a run's events make no sense", extra=told(error))
            return None

    def _names_of(self, task: Mapping[str, Any], deadline: Deadline, attempts: int) -> Names:
        source_id, destination_id = task.get("sourceID"), task.get("destinationID")
        source: Mapping[str, Any] = {}
        destination: Mapping[str, Any] = {}
        with suppress(RunNotFoundError):  # one that was deleted has no name
            if isinstance(source_id, str):
                source = self._client.get_source(source_id, deadline, attempts=attempts)
        with suppress(RunNotFoundError):
            if isinstance(destination_id, str):
                destination = self._client.get_destination(
                    destination_id, deadline, attempts=attempts
                )
        target = destination.get("input")
        return Names(
            source=name_in(source, "name"),
            destination=name_in(destination, "name"),
            index=name_in(target, "indexName"),
        )

    def _begin_of(self, run: Run) -> str:
        created = instant(run.created_at)
        return timestamp((created or self._now() - KEPT) - BEFORE)

    def _is_old(self, info: TaskInfo) -> bool:
        read = instant(info.read_at)
        return read is None or self._now() - read >= KEPT

    def _is_resting(self, what: str) -> bool:
        return self._clock() < self._rests_until.get(what, 0.0)

    def _rest(self, what: str, error: Exception) -> None:
        self._rests_until[what] = self._clock() + REST
        meter.fail(error)
        logger.warning(f"{what} can't be read", extra=told(error))
