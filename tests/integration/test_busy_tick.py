"""Ticks with more changes than one has time for: nothing is lost, redone or told out of turn."""

from __future__ import annotations

import itertools
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from local.algolia import AlgoliaStandIn
from local.faults import Fault
from runbell.background import Background
from runbell.batch import FRESH, Batch
from runbell.connections import ConnectionStore
from runbell.deadline import Deadline
from runbell.errors import StoreUnavailableError
from runbell.items import RunItem, run_key
from runbell.looks import AT_ONCE, ROWS_AT_ONCE
from runbell.outbox import BATCH, Outbox, Wake
from runbell.rules import Watch
from runbell.run import Run
from runbell.schema import ATTRIBUTE, SCHEMA
from runbell.store import RunStore
from runbell.table import Table
from runbell.watcher import Watcher
from tests.integration.conftest import CHANNEL, Clock, Queue, Rebuild, Show, deeds

MINUTE = timedelta(minutes=1)


@pytest.fixture
def discover() -> str:
    return "all"


@pytest.fixture
def end(show: Show, clock: Clock, rebuild: Rebuild) -> Callable[[int, int], list[str]]:
    """Lets so many runs of so many tasks end one after the other, after a first tick."""

    def play(runs: int, tasks: int) -> list[str]:
        rebuild().tick(Deadline(60))
        clock.advance(MINUTE)
        names = [f"run-{number:04}" for number in range(runs)]
        for number, name in enumerate(names):
            clock.advance(timedelta(milliseconds=10))
            outcome = "success" if number % 7 else "failure"
            show(name, "finished", outcome, taskID=f"task-{number % tasks:03}")
        return names

    return play


def test_news_does_not_wait_for_the_look_at_another_task(
    show: Show, rebuild: Rebuild, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What went wrong in a run is asked for while others' words are few and ready."""
    told, enqueue = threading.Event(), Outbox.enqueue

    def hear(outbox: Outbox, wakes: Iterable[Wake], *, sweep: str = "") -> int:
        words = list(wakes)
        taken = enqueue(outbox, words, sweep=sweep)
        if "good" in {wake.run_id for wake in words}:
            told.set()
        return taken

    def wait(*_: object) -> None:
        assert told.wait(10), "the word of the other task's run is kept back"

    monkeypatch.setattr(Outbox, "enqueue", hear)
    monkeypatch.setattr(Background, "what_went_wrong", wait)
    show("bad", "finished", "failure", taskID="task-1")
    show("good", "finished", "success", taskID="task-2")
    rebuild().tick(Deadline(60))
    assert {wake.run_id for wake in queue.wakes()} == {"bad", "good"}


def test_what_is_saved_is_told_though_the_look_fails_after_that(
    show: Show, rebuild: Rebuild, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first failure's message says that it is over, before the recovery is saved."""
    watcher = rebuild()
    show("bad", "finished", "failure")
    watcher.tick(Deadline(60))
    queue.drain()
    show("well", "finished", "success")

    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailableError("it throttles")

    monkeypatch.setattr(RunStore, "commit", fail)
    with pytest.raises(StoreUnavailableError):
        watcher.check("well", Deadline(60))
    assert [wake.run_id for wake in queue.wakes()] == ["bad"]


def test_what_was_read_long_ago_is_read_again(store: RunStore, outbox: Outbox) -> None:
    """Somebody may have muted a task, or watched a run, which changes no version."""
    moments = iter([0.0, FRESH - 1, FRESH + 1])
    run = Run("run-1", "app", "task-1", "started", "update", "2026-03-02T09:00:00.000Z")
    other = replace(run, run_id="run-2")
    batch = Batch("default", store, outbox, [run, other], clock=moments.__next__)
    store.put_watch("default", "run-1", Watch())
    store.put_watch("default", "run-2", Watch())

    assert batch.items_of(run)[0].watch is None
    assert batch.items_of(other)[0].watch is not None


def in_steps(steps: int) -> Deadline:
    """A deadline that comes after it was looked at so often."""
    looks, lock = itertools.count(), threading.Lock()

    def clock() -> float:
        with lock:
            return next(looks) * 50.0 / steps

    return Deadline(50.0, clock)


def saved(store: RunStore, names: Iterable[str]) -> Counter[tuple[int, tuple[str, ...]]]:
    """How often runs were seen to change, and in which ways."""
    items = [store.get("default", name) for name in names]
    return Counter(
        (len(item.history), tuple(entry.kind for entry in item.history)) for item in items
    )


def of_first_version(wakes: Sequence[Wake]) -> list[str]:
    """The runs that a look, and no sweep, has put on the queue as it first saved them."""
    return [wake.run_id for wake in wakes if wake.version == 1 and not wake.swept]


# ---- When the time runs out -------------------------------------------------------------------


class Crowd(RunStore):
    """Notes how many threads save something at once."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, now=clock)
        self._lock = threading.Lock()
        self._now_saving = 0
        self.most = 0
        self.commits: Counter[str] = Counter()

    def commit(self, item: RunItem, *what: Any, **how: Any) -> RunItem:
        with self._lock:
            self._now_saving += 1
            self.most = max(self.most, self._now_saving)
        try:
            after = super().commit(item, *what, **how)
        finally:
            with self._lock:
                self._now_saving -= 1
        with self._lock:
            self.commits[item.run_id] += 1
        return after


def test_what_takes_several_ticks_is_saved_once_and_enqueued_once_in_the_order_of_each_task(
    end: Callable[[int, int], list[str]],
    rebuild: Rebuild,
    table: Table,
    queue: Queue,
    clock: Clock,
) -> None:
    tasks = 40  # so that a task has more than one run in a batch
    names = end(1_000, tasks)
    store = Crowd(table, clock)
    changed: list[int] = []
    wakes: list[Wake] = []

    while not changed or changed[-1]:  # each tick in a process of its own
        changed.append(rebuild(store=store).tick(in_steps(1_500)).changed)
        wakes += queue.wakes()

    assert len([number for number in changed if number]) > 2
    assert sum(changed) == len(names)
    assert store.commits == Counter(names)
    assert saved(store, names).keys() == {
        (1, ("succeeded",)),
        (1, ("failed",)),
        (1, ("recovered",)),
    }
    assert store.most <= AT_ONCE
    told = of_first_version(wakes)
    assert sorted(told) == names
    of_task: defaultdict[int, list[str]] = defaultdict(list)
    for name in told:
        of_task[int(name.removeprefix("run-")) % tasks].append(name)
    assert all(order == sorted(order) for order in of_task.values())
    assert deeds(rebuild().tick(Deadline(60))).keys() <= {"enqueued"}, "nobody delivers here"


def test_no_look_is_begun_and_no_word_is_kept_back_when_the_time_is_over(
    end: Callable[[int, int], list[str]], watcher: Watcher, queue: Queue
) -> None:
    names = end(150, 150)

    report = watcher.tick(in_steps(100))

    told = of_first_version(queue.wakes())
    assert 0 < report.changed < len(names)
    assert len(told) == report.changed == report.enqueued
    assert report.changed + report.skipped == len(names)


class Killed(BaseException):
    """The process has ended here."""


class Death:
    """Kills a process after so many of its steps; from then on it does nothing more."""

    def __init__(self, after: int) -> None:
        self._left = after
        self._lock = threading.Lock()

    def step(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left < 0:
                raise Killed


@pytest.mark.parametrize("steps", [0, 1, 37, 200, 333])
def test_a_tick_that_is_killed_midway_is_carried_on_and_nothing_is_announced_twice(
    end: Callable[[int, int], list[str]],
    rebuild: Rebuild,
    table: Table,
    sqs: Any,
    queue: Queue,
    clock: Clock,
    connections: ConnectionStore,
    steps: int,
) -> None:
    names = end(250, 40)
    before = connections.get("default").scan
    death = Death(steps)

    class Mortal(RunStore):
        """The table of a process that is killed before a write or after it."""

        def commit(self, item: RunItem, *what: Any, **how: Any) -> RunItem:
            death.step()
            after = super().commit(item, *what, **how)
            death.step()
            return after

    class MortalOutbox(Outbox):
        """The queue of a process that is killed before it is asked."""

        def enqueue(self, wakes: Iterable[Wake], *, sweep: str = "") -> int:
            death.step()
            return super().enqueue(wakes, sweep=sweep)

    mortal = rebuild(store=Mortal(table, now=clock), outbox=MortalOutbox(sqs, queue.url))
    with pytest.raises(Killed):
        mortal.tick(Deadline(60))
    assert connections.get("default").scan == before
    clock.advance(MINUTE)
    for _ in range(2):
        rebuild().tick(Deadline(60))

    store = RunStore(table, now=clock)
    assert set(saved(store, names)) <= {
        (1, (kind,)) for kind in ("succeeded", "failed", "recovered")
    }
    assert {store.get("default", name).pending_since is not None for name in names} == {True}
    wakes = queue.wakes()
    assert {wake.run_id for wake in wakes} == {*names}
    assert max(Counter(of_first_version(wakes)).values()) == 1
    assert deeds(rebuild().tick(Deadline(60))).get("changed", 0) == 0


def test_a_list_that_is_longer_than_a_tick_can_read_comes_to_its_end(
    end: Callable[[int, int], list[str]],
    rebuild: Rebuild,
    algolia: AlgoliaStandIn,
    connections: ConnectionStore,
    store: RunStore,
    queue: Queue,
    clock: Clock,
) -> None:
    names = end(900, 50)
    asked = len(algolia.requests)
    algolia.faults.add(Fault("delay", seconds=0.25), path="/1/runs?", times=10_000)

    ticks = 0
    while ticks == 0 or connections.get("default").scan.full_at is None:
        rebuild().tick(Deadline(2))  # time for four pages, and for some of what they show
        ticks += 1
        assert ticks < 60
    algolia.faults.clear()

    assert ticks > 2
    assert saved(store, names).keys() == {
        (1, ("succeeded",)),
        (1, ("failed",)),
        (1, ("recovered",)),
    }
    assert {wake.run_id for wake in queue.wakes()} == {*names}
    pages = [
        int(request.query["page"][0])
        for request in algolia.requests[asked:]
        if request.query.get("sort") == ["createdAt"] and "status" not in request.query
    ]
    assert pages, "the look at all runs has found what is behind the head of the list"
    assert pages == sorted(pages), "and has gone on where the tick before had stopped"
    clock.advance(MINUTE)
    assert rebuild().tick(Deadline(60)).requests == 1


# ---- What it asks for -------------------------------------------------------------------------


def test_many_changes_share_their_reads_and_their_words(
    end: Callable[[int, int], list[str]],
    watcher: Watcher,
    requests_made: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each second there may be a request of fewer words, but this machine may be slow."""
    monkeypatch.setattr("runbell.looks.PROMPT", 60.0)
    names = end(200, 40)
    requests_made.clear()

    report = watcher.tick(Deadline(60))

    asked = Counter(requests_made)
    assert report.changed == len(names)
    assert asked["TransactWriteItems"] == len(names), "a run's end with its task's story"
    batches = len(names) // ROWS_AT_ONCE
    assert asked["BatchGetItem"] == 2 * batches, "140 items each"
    # A recovery wakes notify for the first failure, too.
    words = report.enqueued / BATCH
    assert asked["SendMessageBatch"] <= words + batches


def test_a_tasks_failures_in_one_tick_are_counted_one_by_one(
    show: Show, watcher: Watcher, store: RunStore, clock: Clock, requests_made: list[str]
) -> None:
    watcher.tick(Deadline(30))
    for number in range(5):
        clock.advance(MINUTE)
        show(f"run-{number}", "finished", "failure", taskID="task-1")
    requests_made.clear()

    watcher.tick(Deadline(30))

    streaks = [store.get("default", f"run-{n}").history[-1].streak for n in range(5)]
    assert streaks == [1, 2, 3, 4, 5]
    assert requests_made.count("BatchGetItem") == 1


# ---- One that fails leaves the others alone ---------------------------------------------------


def test_a_run_that_another_saves_between_reading_and_writing_is_announced_once(
    end: Callable[[int, int], list[str]],
    rebuild: Rebuild,
    table: Table,
    store: RunStore,
    queue: Queue,
    clock: Clock,
) -> None:
    class Overtaken(RunStore):
        """Is overtaken by a check of one of the runs."""

        def get_many_with_tasks(self, connection: str, runs: Sequence[Run]) -> Any:
            found = super().get_many_with_tasks(connection, runs)
            rebuild().check("run-0011", Deadline(30))
            return found

    names = end(40, 4)

    report = rebuild(store=Overtaken(table, now=clock)).tick(Deadline(60))

    assert (report.changed, report.failed) == (len(names) - 1, 0)
    assert sorted(of_first_version(queue.wakes())) == names
    assert sum(saved(store, names).values()) == len(names)
    assert {item_changes for item_changes, _ in saved(store, names)} == {1}


def test_an_item_of_a_later_release_leaves_the_rest_of_its_batch_alone(
    end: Callable[[int, int], list[str]],
    watcher: Watcher,
    table: Table,
    dynamodb: Any,
    table_name: str,
) -> None:
    names = end(30, 30)
    item = {"pk": {"S": run_key("default", names[7])}, ATTRIBUTE: {"N": str(SCHEMA + 1)}}
    dynamodb.put_item(TableName=table_name, Item=item)

    report = watcher.tick(Deadline(60))

    assert (report.changed, report.failed, report.enqueued) == (29, 1, 29)


class Picky:
    """SQS's client, which refuses one run's words.

    Args:
        client: The true one.
        run_id: Whose.
    """

    def __init__(self, client: Any, run_id: str) -> None:
        self._client, self._run_id = client, run_id

    def send_message_batch(self, **request: Any) -> Any:
        refused = [each for each in request["Entries"] if self._run_id in each["MessageBody"]]
        request["Entries"] = [each for each in request["Entries"] if each not in refused]
        answer = self._client.send_message_batch(**request) if request["Entries"] else {}
        failed = [{"Id": each["Id"], "Code": "InternalError"} for each in refused]
        return {**answer, "Failed": failed} if failed else answer


def test_a_word_that_the_queue_refuses_is_left_to_the_sweep_and_the_others_go_out(
    end: Callable[[int, int], list[str]], rebuild: Rebuild, sqs: Any, queue: Queue, clock: Clock
) -> None:
    names = end(35, 35)
    picky: Any = Picky(sqs, names[17])

    report = rebuild(outbox=Outbox(picky, queue.url)).tick(Deadline(60))

    assert (report.changed, report.enqueued) == (35, 34)
    assert sorted(of_first_version(queue.wakes())) == [*names[:17], *names[18:]]
    rebuild().tick(Deadline(60))
    assert Wake("default", names[17], 1, CHANNEL, swept=True) in queue.wakes()


class Away:
    """SQS's client while SQS is away."""

    def __init__(self) -> None:
        self.asked = 0

    def send_message_batch(self, **_: Any) -> Any:
        self.asked += 1
        raise EndpointConnectionError(endpoint_url="http://nowhere")


def test_a_queue_that_is_away_is_tried_once_for_a_batch_and_holds_up_no_look(
    end: Callable[[int, int], list[str]], rebuild: Rebuild, queue: Queue
) -> None:
    names = end(2 * ROWS_AT_ONCE, 50)
    away: Any = Away()

    report = rebuild(outbox=Outbox(away, queue.url)).tick(Deadline(60))

    assert (report.changed, report.enqueued, away.asked) == (len(names), 0, 2)
    rebuild().tick(Deadline(60))
    assert {wake.run_id for wake in queue.wakes()} == {*names}
