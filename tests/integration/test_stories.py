"""How the runs of a task end, one after the other: streaks, recoveries, a task switched off."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.algolia import AlgoliaStandIn
from runbell.deadline import Deadline
from runbell.errors import LostRaceError
from runbell.items import HistoryEntry
from runbell.rules import Watch
from runbell.run import Run, timestamp
from runbell.store import RunStore
from runbell.task_store import TaskStore
from runbell.tasks import End, Story, Streak
from runbell.watcher import Watcher
from tests.integration.conftest import Clock, Rebuild, Show, either_dynamodb, run_of

pytestmark = either_dynamodb

MINUTE = timedelta(minutes=1)


@pytest.fixture
def discover() -> str:
    return "all"


def last(store: RunStore, run_id: str) -> HistoryEntry:
    return store.get("default", run_id).history[-1]


def ended(number: int, outcome: str) -> Run:
    """A run that has ended, the later the higher its number."""
    at = f"2026-03-02T08:0{number}:00.000Z"
    return run_of("finished", outcome, run_id=f"run-{number}", started_at=at, finished_at=at)


# ---- As ticks see it --------------------------------------------------------------------------


def test_a_task_that_fails_again_and_again_counts_its_failures_and_recovers(
    show: Show, watcher: Watcher, store: RunStore, tasks: TaskStore, clock: Clock
) -> None:
    watcher.tick(Deadline(30))
    seen, first = [], None
    for number, outcome in enumerate(["success", "failure", "failure", "failure", "success"]):
        clock.advance(MINUTE)
        show(f"run-{number}", "started")
        watcher.tick(Deadline(30))
        clock.advance(MINUTE)
        show(f"run-{number}", "finished", outcome)
        first = first or (timestamp(clock.now) if outcome == "failure" else None)
        watcher.tick(Deadline(30))
        entry = last(store, f"run-{number}")
        seen.append((entry.kind, entry.streak, entry.since))

    assert seen == [
        ("succeeded", 0, None),
        ("failed", 1, first),
        ("failed", 2, first),
        ("failed", 3, first),
        ("recovered", 3, first),
    ]
    story = tasks.get("default", "task-1").story
    assert (story.streak, len(story.ends)) == (Streak(), 5)
    assert story.last_success == timestamp(clock.now)


def test_runs_of_other_tasks_are_another_story(
    show: Show, watcher: Watcher, store: RunStore, clock: Clock
) -> None:
    watcher.tick(Deadline(30))
    for number, task_id in enumerate(["one", "two", "one", "two"]):
        clock.advance(MINUTE)
        show(f"run-{number}", "finished", "failure", taskID=task_id)
        watcher.tick(Deadline(30))

    assert [last(store, f"run-{n}").streak for n in range(4)] == [1, 1, 2, 2]


@pytest.mark.parametrize("state", [("finished", "failure"), ("skipped",)])
def test_a_task_that_algolia_switches_off_is_told_as_blocked(
    show: Show,
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    store: RunStore,
    clock: Clock,
    state: tuple[str, ...],
) -> None:
    algolia.put_task({"taskID": "task-1", "policies": {"criticalThreshold": 3}})
    watcher.tick(Deadline(30))
    for number in range(2):
        clock.advance(MINUTE)
        show(f"run-{number}", "finished", "failure")
        watcher.tick(Deadline(30))
    clock.advance(MINUTE)
    show("run-2", *state, reasonCode="blocking")
    watcher.tick(Deadline(30))

    entry = last(store, "run-2")
    assert (entry.kind, entry.announced) == ("blocked", True)
    assert last(store, "run-1").threshold == 3


def test_a_skipped_run_neither_ends_a_streak_nor_makes_it_longer(
    show: Show, watcher: Watcher, store: RunStore, clock: Clock
) -> None:
    watcher.tick(Deadline(30))
    states = [("finished", "failure"), ("skipped",), ("finished", "failure"), ("skipped",)]
    for number, state in enumerate([*states, ("finished", "success")]):
        clock.advance(MINUTE)
        show(f"run-{number}", *state)
        watcher.tick(Deadline(30))

    assert [last(store, f"run-{n}").streak for n in (0, 2, 4)] == [1, 2, 2]
    assert last(store, "run-4").kind == "recovered"


def test_what_was_over_before_anybody_cared_is_part_of_the_story(
    show: Show, watcher: Watcher, store: RunStore, clock: Clock
) -> None:
    for number in range(2):
        clock.advance(MINUTE)
        show(f"run-{number}", "finished", "failure")
    clock.advance(MINUTE)
    watcher.tick(Deadline(30))
    show("run-2", "finished", "failure")
    watcher.tick(Deadline(30))

    assert (last(store, "run-1").announced, last(store, "run-2").streak) == (False, 3)


# ---- Whatever order they come in --------------------------------------------------------------


@pytest.mark.parametrize("outcomes", list(itertools.product(["failure", "success"], repeat=3)))
def test_the_story_is_the_same_whatever_order_the_ends_are_seen_in(
    algolia: AlgoliaStandIn,
    watcher: Watcher,
    store: RunStore,
    tasks: TaskStore,
    outcomes: Sequence[str],
) -> None:
    failures = [len(list(group)) if outcome == "failure" else 0
                for outcome, group in itertools.groupby(outcomes)][-1]  # fmt: skip
    for turn, order in enumerate(itertools.permutations(range(3))):
        task_id = f"task-{turn}"
        for number in [*order, *order]:
            at = f"2026-03-02T08:0{number}:00.000Z"
            run_id = f"run-{turn}-{number}"
            algolia.put_run(
                {
                    "runID": run_id,
                    "appID": "STANDIN001",
                    "taskID": task_id,
                    "type": "reindex",
                    "status": "finished",
                    "outcome": outcomes[number],
                    "createdAt": at,
                    "startedAt": at,
                    "finishedAt": at,
                }
            )
            watcher.check(run_id, Deadline(30))

        story = tasks.get("default", task_id).story
        assert [end.run_id for end in story.ends] == [f"run-{turn}-{n}" for n in range(3)]
        assert [end.outcome for end in story.ends] == list(outcomes)
        assert story.streak.failures == failures
        for number in range(3):
            assert len(store.get("default", f"run-{turn}-{number}").history) == 1


def test_an_end_that_comes_late_is_told_without_a_streak_that_is_over(
    algolia: AlgoliaStandIn, watcher: Watcher, store: RunStore, show: Show, clock: Clock
) -> None:
    watcher.tick(Deadline(30))
    clock.advance(MINUTE)
    show("early", "started")
    early_end = timestamp(clock.now)
    clock.advance(MINUTE)
    show("late", "finished", "success")
    watcher.check("late", Deadline(30))
    show("early", "finished", "failure", finishedAt=early_end)
    watcher.check("early", Deadline(30))

    assert (last(store, "late").kind, last(store, "early").streak) == ("succeeded", 0)


def test_ends_that_are_seen_at_the_same_time_are_all_in_the_story(
    show: Show, watcher: Watcher, tasks: TaskStore, store: RunStore, clock: Clock
) -> None:
    for number in range(12):
        clock.advance(MINUTE)
        show(f"run-{number:02}", "finished", "failure")

    with ThreadPoolExecutor(max_workers=12) as pool:
        names = [f"run-{number:02}" for number in range(12)] * 2
        list(pool.map(lambda name: watcher.check(name, Deadline(60)), names))

    task = tasks.get("default", "task-1")
    assert [end.run_id for end in task.story.ends] == sorted(set(names))
    assert task.story.streak.failures == task.version == 12
    assert all(len(store.get("default", name).history) == 1 for name in names)


# ---- One transaction --------------------------------------------------------------------------


def test_a_lost_race_for_the_task_saves_neither_the_run_nor_the_story(
    store: RunStore, tasks: TaskStore, raw: Any
) -> None:
    mine, task = store.get_with_task("default", "run-1", "task-1")
    theirs = store.get("default", "run-2")
    story = task.story.with_run(ended(2, "success"))
    store.commit(
        theirs, ended(2, "success"), None, announce_in=None, task=(task, replace(task, story=story))
    )

    late = task.story.with_run(ended(1, "failure"))
    with pytest.raises(LostRaceError):
        store.commit(
            mine,
            ended(1, "failure"),
            None,
            announce_in="#x",
            task=(task, replace(task, story=late)),
        )

    assert raw("run-1") == {}
    assert tasks.get("default", "task-1").story == story


def test_a_lost_race_for_the_run_leaves_the_story_as_it_was(
    store: RunStore, tasks: TaskStore
) -> None:
    item, task = store.get_with_task("default", "run-1", "task-1")
    store.commit(item, run_of("started"), None, announce_in=None)

    with pytest.raises(LostRaceError):
        store.commit(
            item,
            ended(1, "failure"),
            None,
            announce_in=None,
            task=(task, replace(task, story=task.story.with_run(ended(1, "failure")))),
        )

    assert tasks.get("default", "task-1").story == Story()


def test_a_race_for_the_task_is_run_again_until_both_are_saved(
    show: Show, rebuild: Rebuild, store: RunStore, tasks: TaskStore, table: Any, clock: Clock
) -> None:
    class Overtaken(RunStore):
        """Is overtaken by the end of another run of the task, once."""

        overtaken = False

        def get_with_task(self, connection: str, run_id: str, task_id: str) -> Any:
            found = super().get_with_task(connection, run_id, task_id)
            if not self.overtaken:
                self.overtaken = True
                item = store.get(connection, "run-0")
                story = found[1].story.with_run(ended(0, "failure"))
                store.commit(
                    item,
                    ended(0, "failure"),
                    None,
                    announce_in=None,
                    task=(found[1], replace(found[1], story=story)),
                )
            return found

    show("run-1", "finished", "failure")

    check = rebuild(store=Overtaken(table, now=clock)).check("run-1", Deadline(30))

    assert check.item.history[-1].streak == 2
    assert [end.run_id for end in tasks.get("default", "task-1").story.ends] == ["run-0", "run-1"]


@pytest.mark.parametrize("do", ["put", "delete"])
def test_a_task_that_comes_to_be_watched_meanwhile_is_compared_with_again(
    store: RunStore, tasks: TaskStore, do: str
) -> None:
    if do == "delete":
        tasks.put_watch("default", "task-1", Watch())
    item, task = store.get_with_task("default", "run-1", "task-1")
    if do == "delete":
        tasks.delete_watch("default", "task-1")
    else:
        tasks.put_watch("default", "task-1", Watch())

    story = task.story.with_run(ended(1, "failure"))
    with pytest.raises(LostRaceError):
        store.commit(
            item,
            ended(1, "failure"),
            None,
            announce_in=None,
            task=(task, replace(task, story=story)),
        )


def test_a_story_is_read_back_as_it_was_saved(store: RunStore, tasks: TaskStore) -> None:
    item, task = store.get_with_task("default", "run-1", "task-1")
    story = replace(
        task.story.with_run(ended(1, "failure")).with_end(End("odd", "", None)),
        before=Streak(7, "2026-01-01T00:00:00.000Z"),
    )
    store.commit(
        item, ended(1, "failure"), None, announce_in=None, task=(task, replace(task, story=story))
    )

    saved = tasks.get("default", "task-1")
    assert (saved.story, saved.version) == (story, 1)


def test_the_story_of_a_task_that_nobody_watches_expires_and_that_of_another_does_not(
    store: RunStore, tasks: TaskStore, table: Any, clock: Clock
) -> None:
    tasks.put_watch("default", "watched", Watch())
    for task_id in ("watched", "other"):
        run = replace(ended(1, "failure"), run_id=f"run of {task_id}", task_id=task_id)
        item, task = store.get_with_task("default", run.run_id, task_id)
        story = task.story.with_run(run)
        store.commit(item, run, None, announce_in=None, task=(task, replace(task, story=story)))

    assert "expires_at" not in table.get("task#default#watched")
    in_a_month = int((clock.now + timedelta(days=30)).timestamp())
    assert table.get("task#default#other")["expires_at"] == in_a_month
