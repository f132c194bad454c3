"""A file of watches is compared with what is watched this moment, whatever a listing says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from runbell.items import RunItem
from runbell.listings import WatchPage
from runbell.rules import Watch
from runbell.tasks import TaskItem
from runbell.watch_file import Applied, apply_watches

WATCH = Watch(channel="#x")


class Tasks:
    """Watched tasks as they are this moment; some are let go while a file is applied."""

    def __init__(self, watched: dict[str, Watch], *, let_go: Iterable[str] = ()) -> None:
        self.watched = watched
        self.let_go = set(let_go)
        self.written: list[str] = []

    def get_many(self, _: str, task_ids: Iterable[str]) -> dict[str, TaskItem]:
        known = {each: TaskItem("default", each) for each in {*task_ids} if each != "never-seen"}
        watched = {
            each: TaskItem("default", each, watch=watch) for each, watch in self.watched.items()
        }
        return {each: watched.get(each, item) for each, item in known.items()}

    def put_watch(self, _: str, task_id: str, watch: Watch) -> None:
        self.written.append(task_id)
        self.watched[task_id] = watch

    def delete_watch(self, _: str, task_id: str) -> bool:
        return task_id not in self.let_go and self.watched.pop(task_id, None) is not None


class Listings:
    """A listing that may be a second old, a task a page."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def watches(self, connection: str, cursor: str | None = None) -> WatchPage:
        at = int(cursor or 0)
        items = (RunItem(connection, "a-run"), TaskItem(connection, self.names[at]))
        return WatchPage(items, str(at + 1) if at + 1 < len(self.names) else None)


def apply(wanted: dict[str, Watch], tasks: Tasks, *listed: str, dry_run: bool = False) -> Applied:
    listings = cast("Any", Listings(*listed))
    return apply_watches("default", wanted, cast("Any", tasks), listings, dry_run=dry_run)


def test_what_is_as_wanted_is_not_written() -> None:
    tasks = Tasks({"a": WATCH, "b": Watch(channel="#old")})
    applied = apply({"a": WATCH, "b": WATCH, "c": WATCH, "never-seen": WATCH}, tasks, "a", "b")
    assert applied == Applied(("c", "never-seen"), ("b",), (), 1)
    assert sorted(tasks.written) == ["b", "c", "never-seen"]


def test_an_old_listing_neither_removes_twice_nor_adds_anew() -> None:
    tasks = Tasks({"new": WATCH})
    assert apply({"new": WATCH}, tasks, "gone") == Applied((), (), (), 1)


def test_a_watch_that_another_ends_meanwhile_is_not_counted() -> None:
    tasks = Tasks({"a": WATCH, "b": WATCH}, let_go=["b"])
    assert apply({}, tasks, "a", "b") == Applied((), (), ("a",), 0)


def test_the_order_of_wishes_makes_no_difference() -> None:
    before = Watch(notify_on=frozenset({"failed", "stalled"}), mentions=("S1", "here"))
    same = Watch(notify_on=frozenset({"stalled", "failed"}), mentions=("S1", "here"))
    assert apply({"a": same}, Tasks({"a": before}), "a").unchanged == 1


def test_a_dry_run_writes_nothing() -> None:
    tasks = Tasks({"a": WATCH, "b": WATCH})
    would = apply({"a": Watch(), "c": WATCH}, tasks, "a", "b", dry_run=True)
    assert would == Applied(("c",), ("a",), ("b",), 0)
    assert tasks.watched == {"a": WATCH, "b": WATCH}
