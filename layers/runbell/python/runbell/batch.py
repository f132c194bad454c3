"""What looks at many runs share: their items are read at once, their words go ten a request."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from runbell.errors import StoreUnavailableError
from runbell.items import RunItem
from runbell.metering import meter
from runbell.observability import logger, told
from runbell.outbox import BATCH, Outbox, Wake
from runbell.run import Run
from runbell.store import RunStore
from runbell.tasks import TaskItem

FRESH = 5.0
"""Seconds for which what was read beforehand is good. A watch that is put meanwhile, or a mute, has
no version, so it would pass unseen."""


class Batch:
    """Has the table and the queue asked for many runs at once, and not for each.

    Many threads may share it, as long as all runs of a task are looked at by the same one.

    Args:
        connection: Whose runs.
        store: Remembers them.
        outbox: Wakes notify.
        runs: Those whose items are read now, and those of their tasks. Any other's are read when
            they are asked for.
        clock: Seconds that only ever go on.
    """

    def __init__(
        self,
        connection: str,
        store: RunStore,
        outbox: Outbox,
        runs: Sequence[Run] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._store = store
        self._outbox = outbox
        self._clock = clock
        self._read_at = clock()
        self._runs: dict[str, RunItem] = {}
        self._tasks: dict[str, TaskItem] = {}
        self._words: deque[Wake] = deque()
        self._sending = threading.Lock()
        self._is_queue_away = False
        self._taken: set[Wake] = set()
        if runs:
            self._read(runs)

    def items_of(self, run: Run) -> tuple[RunItem, TaskItem]:
        """What the table holds of a run and of its task.

        What was read beforehand is good for one answer: who asks again has lost a race, and is
        told how it is this moment. What is written then has conditions, so it is none the worse
        for having been compared with what was read a moment ago.

        Raises:
            StoreUnavailableError: The table did not answer.
        """
        item, task = self._runs.pop(run.run_id, None), self._tasks.get(run.task_id)
        if item is None or task is None or self._clock() - self._read_at > FRESH:
            item, task = self._store.get_with_task(self._connection, run.run_id, run.task_id)
            self._tasks[run.task_id] = task
        return item, task

    def hand_on(self, task: TaskItem) -> None:
        """Let the next run of a task be compared with the task's item as one has left it."""
        self._tasks[task.task_id] = task

    def tell(self, item: RunItem) -> None:
        """Have notify woken for a run, as soon as there are as many words as a request takes."""
        self._words.append(Wake.of(item))
        if len(self._words) >= BATCH:
            self._send(BATCH)

    def enqueue(self) -> AbstractSet[Wake]:
        """Put the words that are left on the queue; answers with all that it took.

        What it did not take stays pending in the table, and the next sweep enqueues it.
        """
        self._send(1)
        return self._taken

    def _read(self, runs: Sequence[Run]) -> None:
        try:
            self._runs, self._tasks = self._store.get_many_with_tasks(self._connection, runs)
        except StoreUnavailableError as error:  # it may be about one of them alone
            meter.fail(error)
            logger.warning("a batch can't be read, so each run is by itself", extra=told(error))

    def _send(self, least: int) -> None:
        """Send words as long as there are so many, in the order in which they came."""
        with self._sending:
            while len(self._words) >= least and not self._is_queue_away:
                words = [self._words.popleft() for _ in range(min(BATCH, len(self._words)))]
                taken = self._outbox.enqueue_each(words)
                self._is_queue_away = not taken  # and each try may take its time
                self._taken.update(taken)
