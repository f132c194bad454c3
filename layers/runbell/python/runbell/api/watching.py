"""The calls about watches: of runs, of tasks, and of a whole file of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runbell.api.views import known, watch_view
from runbell.api.wishes import read_wishes
from runbell.errors import NotKnownError
from runbell.items import RunItem
from runbell.listings import Listings
from runbell.store import RunStore
from runbell.task_store import TaskStore
from runbell.tasks import TaskItem
from runbell.watch_file import apply_watches

Kept = RunStore | TaskStore


def put_watch(kept: Kept, connection: str, subject: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Watch a run or a task, whichever `kept` keeps."""
    return watch_view(kept.put_watch(connection, subject, read_wishes(body)))


def get_watch(kept: Kept, connection: str, subject: str) -> dict[str, Any]:
    """Read the watch of a run or a task.

    Raises:
        NotKnownError: Nobody watches it.
    """
    item: RunItem | TaskItem = kept.get(connection, subject)
    if item.watch is None:
        raise _not_watched(kept, subject)
    return watch_view(item)


def delete_watch(kept: Kept, connection: str, subject: str) -> None:
    """Stop watching a run or a task.

    Raises:
        NotKnownError: Nobody watches it.
    """
    if not kept.delete_watch(connection, subject):
        raise _not_watched(kept, subject)


def put_watches(
    tasks: TaskStore,
    listings: Listings,
    connection: str,
    body: Mapping[str, Any],
    *,
    dry_run: bool,
) -> dict[str, Any]:
    """Apply a whole file of task watches, or tell what that would do."""
    wanted = {
        task_id: read_wishes(wishes, f"body.tasks.{task_id}")
        for task_id, wishes in body["tasks"].items()
    }
    applied = apply_watches(connection, wanted, tasks, listings, dry_run=dry_run)
    return known(
        added=list(applied.added),
        changed=list(applied.changed),
        removed=list(applied.removed),
        unchanged=applied.unchanged,
        dryRun=dry_run,
    )


def _not_watched(kept: Kept, subject: str) -> NotKnownError:
    kind = "task" if isinstance(kept, TaskStore) else "run"
    return NotKnownError(f"the {kind} {subject} is not watched")
