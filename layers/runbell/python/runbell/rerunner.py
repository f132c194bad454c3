"""Runs a task again because somebody pressed the button of one of its runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from runbell.checker import Checker
from runbell.deadline import Deadline
from runbell.errors import (
    AlgoliaAmbiguousError,
    AlgoliaCredentialError,
    AlgoliaError,
    AlgoliaRateLimitError,
    AlgoliaUnavailableError,
    ConfigurationError,
    OutOfTimeError,
    RunbellError,
    RunNotFoundError,
    SecretUnavailableError,
)
from runbell.items import Note, NoteKind, RunItem
from runbell.metering import meter
from runbell.observability import logger, told
from runbell.reruns import Rerun, RerunStore, State
from runbell.rules import Watch
from runbell.run import instant, timestamp
from runbell.settings import NOTIFIABLE
from runbell.store import RunStore
from runbell.task_store import TaskStore

TRIES = 3
"""Ticks that try to reach Algolia before a wish is given up."""

TOO_LATE = timedelta(hours=1)
"""After which nobody expects any more that what was asked for begins."""

LEAST_TIME = 10.0
"""Seconds that must be left to ask: an answer that is cut off leaves in doubt what was done."""

NOTHING_SENT = (AlgoliaUnavailableError, SecretUnavailableError, OutOfTimeError)
"""Errors after which certainly no run was started, and the next tick may succeed."""


class Rerunner:
    """Runs tasks of a connection again, each at most once for a wish; many threads may share it.

    Args:
        checker: Looks at the new run.
        store: Remembers runs.
        tasks: Remembers tasks.
        reruns: Remembers the wishes.
        now: The time of day.
    """

    def __init__(
        self,
        checker: Checker,
        store: RunStore,
        tasks: TaskStore,
        reruns: RerunStore,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._checker = checker
        self._connection = checker.connection.name
        self._store = store
        self._tasks = tasks
        self._reruns = reruns
        self._now = now

    def look(self, run_id: str, deadline: Deadline) -> int:
        """Go on with the wish to run a run's task again, from wherever it is.

        Returns:
            How many changes of runs there were.

        Raises:
            OutOfTimeError: Too little time is left to ask Algolia; it stays due.
            StoreUnavailableError, LostRaceError: A later tick goes on with it.
        """
        wish = self._reruns.get(self._connection, run_id)
        due_at = instant(wish.due_at) if wish else None
        if wish is None or due_at is None or due_at > self._now():
            return 0  # another tick has it
        answered: Rerun | None = wish
        if wish.state == State.ASKED and self._now() - due_at > TOO_LATE:
            words = "Runbell did not get to it for over an hour, and nothing was started."
            answered = self._reruns.refused(wish, words)
        elif wish.state == State.ASKED:
            answered = self._ask(wish, deadline)
        elif wish.state == State.BEGUN:
            logger.error("a tick has died while it ran a task again", extra={"run_id": run_id})
            words = f"Nobody knows whether the task was started. {self._if_begun(wish)}"
            answered = self._reruns.refused(wish, words)
        if answered is None:
            return 0
        return self._tell(answered, deadline)

    def _ask(self, wish: Rerun, deadline: Deadline) -> Rerun | None:
        """Have Algolia run the task; the wish with its answer, None when there is none yet."""
        if deadline.remaining() < LEAST_TIME:
            raise OutOfTimeError("the next tick runs a task again")
        begun = self._reruns.begin(wish)
        if begun is None:
            return None
        try:
            new_run_id = self._checker.client.run_task(wish.task_id, deadline)
        except NOTHING_SENT as error:
            self._log(wish, error)
            if wish.tries + 1 < TRIES:
                self._reruns.give_back(begun)
                return None
            words = "Algolia is out of reach, and nothing was started."
            return self._reruns.refused(begun, words)
        except (AlgoliaError, ConfigurationError) as error:
            self._log(wish, error)
            return self._reruns.refused(begun, self._words(wish, error))
        logger.info("a task runs again", extra={"run_id": wish.run_id, "new_run_id": new_run_id})
        return self._reruns.started(begun, new_run_id)

    def _tell(self, wish: Rerun, deadline: Deadline) -> int:
        """Have people told what came of a wish; doing so twice does no harm."""
        if wish.new_run_id is None:
            words = wish.refusal or "Algolia did not run it."
            if wish.asked > 1:  # the same words once more are news, and a note is told once
                words = f"{words} (Asked {wish.asked} times.)"
            self._note(wish, NoteKind.REFUSED, words)
            self._reruns.settle(wish)
            return 0
        item = self._store.get(self._connection, wish.run_id)
        thread_of = item.thread_of or item.run_id
        self._store.put_watch(self._connection, wish.new_run_id, _watch(item), thread_of=thread_of)
        self._note(wish, NoteKind.AGAIN, wish.new_run_id)
        self._reruns.settle(wish)
        try:
            check = self._checker.check(wish.new_run_id, deadline)
        except RunbellError as error:  # being watched, it is due, and the next tick looks at it
            meter.fail(error)
            extra = {"run_id": wish.new_run_id, **told(error)}
            logger.warning("a run that was just started can't be looked at yet", extra=extra)
            return 0
        return int(check.change is not None)

    def _note(self, wish: Rerun, kind: NoteKind, text: str) -> None:
        """Have a word told in the thread of the run whose button was pressed."""
        note = Note(kind, wish.by, timestamp(self._now()), text)
        item = self._store.add_note(self._connection, wish.run_id, note)
        if item is not None:
            self._checker.enqueue(item)

    def _words(self, wish: Rerun, error: RunbellError) -> str:
        """Say to people why a task was not run, or what is not known of it."""
        if isinstance(error, AlgoliaAmbiguousError):
            return f"Algolia did not answer as it should. {self._if_begun(wish)}"
        if isinstance(error, AlgoliaRateLimitError):
            wait = error.retry_after
            when = "in a while" if wait is None else f"in {math.ceil(wait)} s"
            return f"Algolia asks for fewer requests. Try again {when}."
        if isinstance(error, RunNotFoundError):
            return "Algolia does not know the task any more."
        if isinstance(error, AlgoliaCredentialError):
            return (
                f"Algolia refuses the key: {_sentence(error)} "
                "To run a task it needs the ACLs addObject, deleteIndex and editSettings."
            )
        if isinstance(error, ConfigurationError):
            return "The credentials for Algolia are not usable. The log of the function says why."
        return _sentence(error)

    def _if_begun(self, wish: Rerun) -> str:
        """What becomes of a run that may have begun without our knowing its ID."""
        is_watched = self._checker.connection.watches_all
        if is_watched or self._tasks.get(self._connection, wish.task_id).watch is not None:
            return "If a run has begun, it is announced by itself. Look before you ask again."
        return "Look in Algolia's dashboard whether a run has begun before you ask again."

    def _log(self, wish: Rerun, error: RunbellError) -> None:
        meter.fail(error)
        extra = {"run_id": wish.run_id, "task_id": wish.task_id, **told(error)}
        logger.error("a task could not be run again", extra=extra)


def _sentence(error: RunbellError) -> str:
    """An error as a sentence; Algolia's words may end as one already."""
    words = str(error)
    return words if words.endswith((".", "!", "?")) else f"{words}."


def _watch(item: RunItem) -> Watch:
    """What is asked for about the new run: all of it, since somebody wants to know, as the old."""
    watch = item.watch or Watch()
    return replace(watch, channel=item.channel, notify_on=frozenset(NOTIFIABLE), insists=True)
