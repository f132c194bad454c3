"""What the table remembers of tasks: who watches them, and what Algolia calls them.

How their runs have ended is saved with each run's end, by RunStore.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from runbell.items import info_attributes, known, parse_task_item, task_key, watch_attributes
from runbell.rules import Mute, Watch
from runbell.run import instant, timestamp
from runbell.table import Table
from runbell.tasks import TaskInfo, TaskItem, expiry_of

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

_DUE = ("due", "due_at")
_WATCH = ("watch", "watched", "watched_since", "look_through")


class TaskStore:
    """Reads and writes tasks' items.

    Every method raises StoreUnavailableError when DynamoDB doesn't do what it is asked.

    Args:
        table: The table of the template.
        retention: How long the item of a task that nobody watches stays after its last change.
        now: The time of day.
    """

    def __init__(
        self,
        table: Table,
        *,
        retention: timedelta = timedelta(days=30),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._table = table
        self._retention = retention
        self._now = now

    def get(self, connection: str, task_id: str) -> TaskItem:
        """Read a task's item as it is this moment; an empty one if there is none."""
        found = self._table.get(task_key(connection, task_id))
        return parse_task_item(found) if found else TaskItem(connection, task_id)

    def get_many(self, connection: str, task_ids: Iterable[str]) -> dict[str, TaskItem]:
        """Read many tasks' items as they are this moment; one that is not there is left out."""
        found = self._table.get_many(task_key(connection, task_id) for task_id in task_ids)
        return {item.task_id: item for item in map(parse_task_item, found.values())}

    def put_watch(self, connection: str, task_id: str, watch: Watch) -> TaskItem:
        """Watch a task, known or not; a watch that was there before is replaced.

        The next tick looks through the task's runs: some may be new to Runbell, and others may
        count as stalled earlier or later now.
        """
        now = timestamp(self._now())
        put: dict[str, Any] = {
            "connection": connection,
            "task_id": task_id,
            "watch": watch_attributes(watch),
            "watched": connection,
            "look_through": True,
            "due": connection,
            "due_at": now,
        }
        saved = self._table.update(
            task_key(connection, task_id),
            put=put,
            keep={"watched_since": now},
            remove=("expires_at",),  # what is watched does not expire
        )
        return parse_task_item(saved or {})

    def delete_watch(self, connection: str, task_id: str) -> bool:
        """Stop watching a task; its story stays a while. False when it was not watched."""
        from boto3.dynamodb.conditions import Attr

        is_watched = Attr("watch").exists()
        expiry = expiry_of(self.get(connection, task_id), self._now(), self._retention)
        saved = self._table.update(
            task_key(connection, task_id),
            put={"expires_at": expiry},
            remove=_WATCH,
            condition=is_watched,
        )
        return saved is not None

    def put_mute(self, connection: str, task_id: str, mute: Mute | None) -> None:
        """Silence a task, or let it be heard again."""
        key = task_key(connection, task_id)
        named = {"connection": connection, "task_id": task_id}
        if mute is None:
            self._table.update(key, put=named, remove=("mute",))
            return
        task = self.get(connection, task_id)
        put: dict[str, Any] = {**named, "mute": known(asdict(mute))}
        if task.watch is None:
            until = max(self._now(), instant(mute.until) or self._now())
            put["expires_at"] = expiry_of(task, until, self._retention)
        self._table.update(key, put=put)

    def put_info(self, task: TaskItem, info: TaskInfo, due_at: datetime | None = None) -> None:
        """Remember what Algolia says of a task.

        Args:
            task: Which task.
            info: What Algolia says.
            due_at: When to look at the task; None leaves that as it is.
        """
        from boto3.dynamodb.conditions import Attr

        put: dict[str, Any] = {
            "connection": task.connection,
            "task_id": task.task_id,
            "info": info_attributes(info),
        }
        was_due_at = task.due_at
        if due_at is not None and not task.look_through:
            task = replace(task, due_at=timestamp(due_at))
            put |= {"due": task.connection, "due_at": task.due_at}
        if task.watch is None:
            put["expires_at"] = expiry_of(task, self._now(), self._retention)
        watch, as_it_was = Attr("watch"), _as_it_was(was_due_at)
        as_watched = watch.exists() if task.watch else watch.not_exists()
        key = task_key(task.connection, task.task_id)
        # A watch that was put meanwhile counts for more than names, which are asked for again.
        self._table.update(key, put=put, condition=as_watched & as_it_was)

    def look_again(
        self, task: TaskItem, at: datetime | None, *, is_looked_through: bool = True
    ) -> None:
        """Say when a task is to be looked at again.

        A watch that was put since `task` was read wants it looked through, and so it is.

        Args:
            task: Which task.
            at: When; None for not by itself.
            is_looked_through: Whether its runs need not be listed then.
        """
        key = task_key(task.connection, task.task_id)
        put: dict[str, Any] = {"due": task.connection, "due_at": timestamp(at)} if at else {}
        if at and task.watch is None:
            until = replace(task, due_at=timestamp(at))
            put["expires_at"] = expiry_of(until, self._now(), self._retention)
        remove = () if at else _DUE
        self._table.update(
            key,
            put={"connection": task.connection, "task_id": task.task_id, **put},
            remove=(*remove, "look_through") if is_looked_through else remove,
            condition=_as_it_was(task.due_at),
        )


def _as_it_was(due_at: str | None) -> ConditionBase:
    """That nobody has said since when the task is due; who puts a watch does."""
    from boto3.dynamodb.conditions import Attr

    attribute = Attr("due_at")
    return attribute.eq(due_at) if due_at else attribute.not_exists()
