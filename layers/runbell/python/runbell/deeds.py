"""What the buttons of a message do, each safe to be pressed twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from runbell.errors import QueueUnavailableError, RequestError
from runbell.items import Note, NoteKind, RunItem
from runbell.observability import logger, told
from runbell.outbox import Outbox, Wake
from runbell.reruns import RerunStore, State
from runbell.rules import Mute
from runbell.run import instant, timestamp
from runbell.slack.buttons import CLAIM, MUTE, MUTE_CHOICES, RUN_AGAIN, UNMUTE
from runbell.slack.press import Press
from runbell.store import RunStore
from runbell.task_store import TaskStore

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

SAME_PRESS = timedelta(minutes=1)
"""Within which the same choice by the same person counts once."""


class Starter(Protocol):
    """Starts a tick."""

    def start(self, connection: str) -> None:
        """Let a connection's runs be looked at now; nobody waits for it."""


class PollStarter:
    """Starts poll as its schedule does.

    Args:
        client: The boto3 client of Lambda.
        function: Poll's name or ARN.
    """

    def __init__(self, client: LambdaClient, function: str) -> None:
        self._client = client
        self._function = function

    def start(self, connection: str) -> None:
        """Start a tick; when that fails, the next scheduled one does what it was to do."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.invoke(
                FunctionName=self._function,
                InvocationType="Event",
                Payload=json.dumps({"connection": connection}),
            )
        except (BotoCoreError, ClientError) as error:
            extra = {"connection": connection, **told(error)}
            logger.warning("the next scheduled tick has to run a task again", extra=extra)


class Deeds:
    """Does what the buttons say, each safe to be pressed twice.

    Args:
        store: Remembers runs.
        tasks: Remembers tasks.
        reruns: Remembers the wishes to run a task again.
        outbox: Wakes notify.
        poll: Starts a tick.
        now: The time of day.
    """

    def __init__(
        self,
        store: RunStore,
        tasks: TaskStore,
        reruns: RerunStore,
        outbox: Outbox,
        poll: Starter,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._tasks = tasks
        self._reruns = reruns
        self._outbox = outbox
        self._poll = poll
        self._now = now

    def do(self, press: Press) -> str | None:
        """Do what was asked for.

        Returns:
            A word for who pressed the button, where the thread will not show what came of it.

        Raises:
            RequestError: There is no such button, or no such choice.
            StoreUnavailableError, LostRaceError: It is not done, or only a part of it; to press
                again does no harm.
        """
        deeds = {
            CLAIM: self._claim,
            MUTE: self._mute,
            UNMUTE: self._unmute,
            RUN_AGAIN: self._run_again,
        }
        if press.action not in deeds:
            raise RequestError(f"is none of {', '.join(deeds)}", "payload.actions[0].action_id")
        item = self._store.get(press.connection, press.run_id)
        if item.snapshot is None:
            return "Nothing is known of this run any more, so nothing was done."
        return deeds[press.action](press, item, item.snapshot.task_id)

    def _claim(self, press: Press, item: RunItem, task_id: str) -> str | None:
        del item, task_id
        self._note(press, NoteKind.CLAIMED)
        return None

    def _mute(self, press: Press, item: RunItem, task_id: str) -> str | None:
        del item
        if press.choice not in MUTE_CHOICES:
            choices = ", ".join(MUTE_CHOICES)
            raise RequestError(f"is none of {choices}", "payload.actions[0].selected_option.value")
        words, length = MUTE_CHOICES[press.choice]
        before, now = self._tasks.get(press.connection, task_id).mute, self._now()
        mute = Mute(press.user, timestamp(now), _until(now, length))
        if before is not None and _is_same(before, mute):
            mute = before  # pressed twice: the second time must not say another minute
        else:
            self._tasks.put_mute(press.connection, task_id, mute)
        was_told = self._note(press, NoteKind.MUTED, mute.until or "")
        return None if was_told or mute is before else f"The task is muted {words}."

    def _unmute(self, press: Press, item: RunItem, task_id: str) -> str | None:
        del item
        mute = self._tasks.get(press.connection, task_id).mute
        if mute is None or mute.is_over(self._now()):
            return "The task is not muted any more."
        # The word comes first, so that whoever presses again after a crash finishes both.
        was_told = self._note(press, NoteKind.UNMUTED)
        self._tasks.put_mute(press.connection, task_id, None)
        return None if was_told else "The task is unmuted."

    def _run_again(self, press: Press, item: RunItem, task_id: str) -> str | None:
        del item
        if self._reruns.ask(press.connection, press.run_id, task_id, press.user):
            self._poll.start(press.connection)
            return None
        wish = self._reruns.get(press.connection, press.run_id)
        if wish is not None and wish.state != State.DONE:
            return "The task is about to run again: its thread tells what comes of it."
        who = "You have" if wish and wish.by == press.user else "Somebody has"
        return f"{who} had the task run again already. To run it once more, ask from the new run."

    def _note(self, press: Press, kind: NoteKind, text: str = "") -> bool:
        """Have a word told in the run's thread; False if it was told before."""
        note = Note(kind, press.user, timestamp(self._now()), text)
        item = self._store.add_note(press.connection, press.run_id, note)
        if item is None:
            return False
        try:
            self._outbox.enqueue([Wake.of(item)])
        except QueueUnavailableError as error:
            extra = {"run_id": press.run_id, **told(error)}
            logger.warning("the next sweep has to enqueue a run", extra=extra)
        return True


def _until(now: datetime, length: timedelta | None) -> str | None:
    """The end of a mute, at a full minute, so that two presses at once mean the same."""
    if length is None:
        return None
    return timestamp((now + length + timedelta(seconds=59)).replace(second=0, microsecond=0))


def _is_same(before: Mute, mute: Mute) -> bool:
    """Whether a mute is the one before, asked for twice."""
    times = [instant(text) for text in (before.at, mute.at, before.until, mute.until)]
    before_at, at, before_until, until = times
    if before.by != mute.by or before_at is None or at is None or at - before_at > SAME_PRESS:
        return False
    if before_until is None or until is None:
        return before_until is until
    return abs(until - before_until) <= SAME_PRESS
