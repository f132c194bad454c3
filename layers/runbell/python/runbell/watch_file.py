"""A whole file of task watches: compared with what is watched, and applied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from runbell.listings import Listings
from runbell.rules import Watch
from runbell.task_store import TaskStore
from runbell.tasks import TaskItem

AT_ONCE = 8
"""Watches that are written side by side."""


@dataclass(frozen=True)
class Applied:
    """What came of a file, or would come of it: the IDs of tasks, in order."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int


def apply_watches(
    connection: str,
    wanted: Mapping[str, Watch],
    tasks: TaskStore,
    listings: Listings,
    *,
    dry_run: bool = False,
) -> Applied:
    """Make a connection's watched tasks those of a file; its watched runs are left alone.

    What is already as it is wanted is not written. The same file again changes nothing, so one
    that was applied in part is simply applied again.

    Args:
        connection: Whose tasks.
        wanted: The file, by the tasks' IDs.
        tasks: Tells what is watched this moment, and writes it.
        listings: Tells which tasks are watched that the file doesn't name.
        dry_run: Whether nothing is to be written.

    Raises:
        StoreUnavailableError: DynamoDB did not do all of it.
    """
    listed = set(_watched(connection, listings)) - wanted.keys()
    # A listing can be a second old, so what it names is looked at again.
    known = tasks.get_many(connection, (*wanted, *listed))
    now = {task_id: task.watch for task_id, task in known.items() if task.watch is not None}
    added = sorted(wanted.keys() - now.keys())
    changed = sorted(each for each in wanted.keys() & now.keys() if wanted[each] != now[each])
    removed = sorted(listed & now.keys())
    unchanged = len(wanted) - len(added) - len(changed)
    if not dry_run:
        _each(lambda each: tasks.put_watch(connection, each, wanted[each]), [*added, *changed])
        gone = _each(lambda each: tasks.delete_watch(connection, each), removed)
        removed = [each for each in removed if gone[each]]
    return Applied(tuple(added), tuple(changed), tuple(removed), unchanged)


def _watched(connection: str, listings: Listings) -> Iterator[str]:
    """Name the watched tasks of all pages of their listing."""
    cursor: str | None = None
    while True:
        page = listings.watches(connection, cursor)
        yield from (item.task_id for item in page.items if isinstance(item, TaskItem))
        cursor = page.cursor
        if cursor is None:
            return


def _each(write: Callable[[str], object], task_ids: list[str]) -> dict[str, object]:
    """Write side by side; answers what came of each."""
    if not task_ids:
        return {}
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        return dict(zip(task_ids, pool.map(write, task_ids), strict=True))
