"""Whose wish counts: a run's watch before its task's, before the connection's, before all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from runbell.connections import Connection, ConnectionStore
from runbell.deadline import Deadline
from runbell.quiet import QuietHours
from runbell.rules import Routing, Watch
from runbell.run import timestamp
from runbell.store import RunStore
from runbell.task_store import TaskStore
from runbell.watcher import Watcher
from tests.integration.conftest import Clock, Queue, Show, Told

MINUTE = timedelta(minutes=1)
LEVELS = ("deployment", "connection", "task", "run")

Wish = Callable[[str, Watch], None]


@pytest.fixture
def discover() -> str:
    return "all"


@pytest.fixture
def routing(routing: Routing) -> Routing:
    return replace(routing, channel="#deployment", mentions=("deployment",))


@pytest.fixture
def wish(connections: ConnectionStore, tasks: TaskStore, store: RunStore) -> Wish:
    """Puts what is asked for on one level."""

    def put(level: str, watch: Watch) -> None:
        if level == "connection":
            connections.put(Connection("default", wishes=watch))
        elif level == "task":
            tasks.put_watch("default", "task-1", watch)
        elif level == "run":
            store.put_watch("default", "run-1", watch)

    return put


@pytest.mark.parametrize("level", LEVELS)
def test_the_channel_and_the_mentions_are_those_of_the_nearest_wish(
    wish: Wish, show: Show, watcher: Watcher, store: RunStore, queue: Queue, level: str
) -> None:
    watcher.tick(Deadline(30))
    for each in LEVELS[: LEVELS.index(level) + 1]:
        wish(each, Watch(channel=f"#{each}", mentions=(each,)))
    show("run-1", "finished", "failure")

    watcher.tick(Deadline(30))

    assert [wake.channel for wake in queue.wakes()] == [f"#{level}"]
    assert store.get("default", "run-1").history[-1].mentions == (level,)


@pytest.mark.parametrize("level", LEVELS[1:])
def test_the_kinds_that_are_told_are_those_of_the_nearest_wish(
    wish: Wish, show: Show, watcher: Watcher, told: Told, level: str
) -> None:
    watcher.tick(Deadline(30))
    at = LEVELS.index(level)
    for each in LEVELS[1:at]:
        wish(each, Watch(notify_on=frozenset({"created"})))
    wish(level, Watch(notify_on=frozenset({"failed"})))
    for state in (("created",), ("started",), ("finished", "failure")):
        show("run-1", *state)
        watcher.tick(Deadline(30))

    assert told("run-1") == ["failed"]


@pytest.mark.parametrize("level", LEVELS[1:])
def test_what_is_muted_is_told_to_nobody_until_the_mute_is_over(
    wish: Wish, show: Show, watcher: Watcher, told: Told, clock: Clock, level: str
) -> None:
    watcher.tick(Deadline(30))
    wish(level, Watch(muted_until=timestamp(clock.now + 10 * MINUTE)))
    show("run-1", "created")
    watcher.tick(Deadline(30))
    clock.advance(10 * MINUTE - timedelta(seconds=1))
    show("run-1", "started")
    watcher.tick(Deadline(30))
    clock.advance(timedelta(seconds=1))
    show("run-1", "finished", "failure")
    watcher.tick(Deadline(30))

    assert told("run-1") == ["failed"]


@pytest.mark.parametrize("level", LEVELS[1:])
def test_a_run_stands_still_when_the_nearest_wish_says_so(
    wish: Wish, show: Show, watcher: Watcher, told: Told, clock: Clock, level: str
) -> None:
    watcher.tick(Deadline(30))
    for each in LEVELS[1 : LEVELS.index(level)]:
        wish(each, Watch(stalled_after=2))
    wish(level, Watch(stalled_after=20))
    show("run-1", "started")
    watcher.tick(Deadline(30))
    for minutes, kinds in ((19, ["started"]), (1, ["started", "stalled"])):
        clock.advance(minutes * MINUTE)
        watcher.tick(Deadline(30))
        assert told("run-1") == kinds


@pytest.mark.parametrize("level", LEVELS[1:])
def test_the_quiet_hours_are_those_of_the_nearest_wish(
    wish: Wish, show: Show, watcher: Watcher, store: RunStore, told: Told, level: str
) -> None:
    """It is nine o'clock."""
    watcher.tick(Deadline(30))
    for each in LEVELS[1 : LEVELS.index(level)]:
        wish(each, Watch(quiet_hours=QuietHours("10:00", "11:00")))
    wish(level, Watch(quiet_hours=QuietHours("08:00", "17:00")))
    show("run-1", "finished", "failure")
    watcher.tick(Deadline(30))
    [entry] = store.get("default", "run-1").history
    assert told("run-1") == []
    assert (entry.held_until, entry.held_in) == ("2026-03-02T17:00:00.000Z", "#deployment")

    wish(level, Watch(quiet_hours=QuietHours("17:00", "08:00")))
    show("run-1", "finished", "success")
    show("run-2", "finished", "success")
    watcher.tick(Deadline(30))
    assert told("run-2" if level != "run" else "run-1")


@pytest.mark.parametrize("level", ["task", "run"])
def test_a_watch_that_changes_takes_effect_at_the_next_tick(
    wish: Wish,
    show: Show,
    watcher: Watcher,
    store: RunStore,
    told: Told,
    queue: Queue,
    clock: Clock,
    level: str,
) -> None:
    watcher.tick(Deadline(30))
    wish(level, Watch(channel="#first"))
    show("run-1", "started")
    watcher.tick(Deadline(30))
    clock.advance(30 * MINUTE)
    watcher.tick(Deadline(30))
    queue.drain()

    wish(level, Watch(channel="#second", stalled_after=5))
    watcher.tick(Deadline(30))

    assert told("run-1") == ["started", "stalled"]
    assert store.get("default", "run-1").channel == "#second"


def test_a_wish_of_the_connection_that_changes_counts_for_the_next_change(
    wish: Wish, show: Show, watcher: Watcher, queue: Queue
) -> None:
    watcher.tick(Deadline(30))
    show("run-1", "started")
    watcher.tick(Deadline(30))
    wish("connection", Watch(channel="#new"))
    show("run-1", "finished", "failure")
    queue.drain()

    watcher.tick(Deadline(30))

    assert [wake.channel for wake in queue.wakes() if wake.version == 2] == ["#new"]


@pytest.mark.parametrize("level", ["task", "run"])
def test_a_deleted_watch_leaves_its_runs_to_the_next_wish(
    wish: Wish,
    show: Show,
    watcher: Watcher,
    tasks: TaskStore,
    store: RunStore,
    level: str,
) -> None:
    watcher.tick(Deadline(30))
    wish(level, Watch(channel="#mine"))
    show("run-1", "started")
    watcher.tick(Deadline(30))
    if level == "task":
        tasks.delete_watch("default", "task-1")
    else:
        store.delete_watch("default", "run-1")
    show("run-1", "finished", "failure")

    watcher.tick(Deadline(30))

    item = store.get("default", "run-1")
    assert (item.channel, item.history[-1].announced) == ("#deployment", True)


@pytest.mark.parametrize("level", ["task", "run"])
def test_a_deleted_watch_ends_the_story_where_only_watched_runs_are_told(
    wish: Wish,
    show: Show,
    watcher: Watcher,
    connections: ConnectionStore,
    tasks: TaskStore,
    store: RunStore,
    told: Told,
    clock: Clock,
    level: str,
) -> None:
    connections.put(Connection("default", discover="watched"))
    wish(level, Watch())
    show("run-1", "started")
    watcher.tick(Deadline(30))
    if level == "task":
        assert tasks.delete_watch("default", "task-1")
    else:
        assert store.delete_watch("default", "run-1")
    clock.advance(timedelta(hours=2))
    show("run-1", "finished", "failure")

    watcher.tick(Deadline(30))

    assert told("run-1") == ["started"]
    assert not store.get("default", "run-1").is_active
