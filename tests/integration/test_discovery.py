"""How a tick finds what is new by itself, what it asks for that, and that it misses nothing."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from local.algolia import AlgoliaStandIn, RunLife, Step
from local.faults import Fault
from local.http_server import Answer, Request
from runbell.algolia import ATTEMPTS, PER_PAGE, IngestionClient
from runbell.checker import LONGEST_REST
from runbell.connections import Connection, ConnectionStore, Scan
from runbell.deadline import Deadline
from runbell.discovery import FULL_LOOK, WINDOW, Row
from runbell.items import RunItem, run_attributes, run_key
from runbell.round import MOST_AGAIN
from runbell.rules import Watch
from runbell.run import parse_run, timestamp
from runbell.store import RunStore
from runbell.table import Table
from runbell.task_store import TaskStore
from runbell.watcher import Report, Watcher
from tests.integration.conftest import (
    Clock,
    Queue,
    Rebuild,
    Show,
    Told,
    asked_of,
    deeds,
    document,
    due_runs,
)

QUEUE = {"SendMessageBatch", "SendMessage"}
"""What is asked of SQS."""

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def discover() -> str:
    return "all"


# ---- What a tick asks for ---------------------------------------------------------------------


@pytest.fixture
def know(
    dynamodb: Any,
    table_name: str,
    algolia: AlgoliaStandIn,
    client: IngestionClient,
    connections: ConnectionStore,
    clock: Clock,
) -> Callable[[int], None]:
    """Lets Runbell know of many ended runs, as if earlier ticks had seen them."""
    write = TypeSerializer().serialize

    def fill(count: int) -> None:
        runs = []
        for number in range(count):
            created = timestamp(clock.now - WINDOW * 0.9 * (number + 1) / count)
            runs.append(
                document(
                    "finished",
                    "success",
                    run_id=f"known-{number}",
                    taskID=f"task-{number % 500}",
                    createdAt=created,
                    startedAt=created,
                    finishedAt=created,
                )
            )
            algolia.put_run(runs[-1])
        items = [
            {
                "pk": run_key("default", run["runID"]),
                "connection": "default",
                "run_id": run["runID"],
                "recent": "default",
                "updated_at": run["createdAt"],
                "version": 1,
                "snapshot": run_attributes(parse_run(run)),
                "deliveries": {},
            }
            for run in runs
        ]

        def put(batch: list[dict[str, Any]]) -> None:
            puts = [
                {"PutRequest": {"Item": {name: write(value) for name, value in item.items()}}}
                for item in batch
            ]
            dynamodb.batch_write_item(RequestItems={table_name: puts})

        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(put, (items[at : at + 25] for at in range(0, count, 25))))
        head = client.list_runs(
            Deadline(30),
            page=1,
            sort="updatedAt",
            order="desc",
            start=timestamp(clock.now - WINDOW),
        )
        now, front = timestamp(clock.now), tuple(Row.of(each).digest for each in head.items)
        connections.save_scan("default", Scan(front=front, all_since=now, full_at=now))

    return fill


@pytest.mark.parametrize("count", [10, 1_000, 20_000])
def test_a_quiet_tick_asks_for_the_same_however_many_runs_are_known(
    know: Callable[[int], None],
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    clock: Clock,
    requests_made: list[str],
    count: int,
) -> None:
    know(count)
    watcher.tick(Deadline(30))
    for _ in range(3):
        clock.advance(MINUTE)
        asked = len(algolia.requests)
        requests_made.clear()

        quiet = watcher.tick(Deadline(30))

        assert deeds(quiet) == {}
        assert quiet.requests == len(algolia.requests) - asked == 1
        assert quiet.table_calls == len(requests_made) <= 3


@pytest.mark.parametrize("changes", [1, 10, 100])
def test_changes_add_work_in_proportion_to_their_number(
    know: Callable[[int], None],
    show: Show,
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    clock: Clock,
    requests_made: list[str],
    changes: int,
) -> None:
    know(1_000)
    watcher.tick(Deadline(30))
    for number in range(changes):
        show(f"run-{number}", "started", taskID=f"task-{number % 5}")
    watcher.tick(Deadline(30))
    watcher.tick(Deadline(30))
    clock.advance(MINUTE)
    for number in range(changes):
        show(f"run-{number}", "finished", "failure", taskID=f"task-{number % 5}")
    asked = len(algolia.requests)
    requests_made.clear()

    report = watcher.tick(Deadline(30))

    assert report.changed == changes
    assert report.requests == len(algolia.requests) - asked
    assert report.table_calls == sum(name not in QUEUE for name in requests_made)
    pages = changes // PER_PAGE + 2  # the last one shows nothing new
    assert report.requests <= pages + changes, "a list, and the events of each failed run"
    # What a quiet tick asks, where it came to, a look beforehand where many rows are new; then a
    # read and a write of each run, and once more where others end with it.
    assert report.table_calls <= 4 + 2 * pages + 3 * changes


def test_a_day_of_one_task_asks_for_its_names_once(
    show: Show, watcher: Watcher, algolia: AlgoliaStandIn, clock: Clock
) -> None:
    for number in range(23):
        show(f"run-{number}", "finished", "success")
        watcher.tick(Deadline(30))
        clock.advance(HOUR)

    paths = [each.path.split("/")[2] for each in algolia.requests]
    assert [paths.count(name) for name in ("tasks", "sources", "destinations")] == [1, 1, 1]


# ---- Nothing is missed ------------------------------------------------------------------------


def histories(store: RunStore, run_ids: Iterable[str]) -> set[tuple[str, ...]]:
    """The kinds of change of some runs, in their order: one if all runs lived alike."""
    return {
        tuple(entry.kind for entry in store.get("default", run_id).history) for run_id in run_ids
    }


def news(report: Report) -> dict[str, int]:
    """What a tick did about runs; nobody delivers here, so that sweeps enqueue again."""
    return {name: count for name, count in deeds(report).items() if name != "enqueued"}


def versions(queue: Queue) -> list[tuple[str, int]]:
    """What the queue held: each version of a run once, however often it was enqueued."""
    return list(dict.fromkeys((wake.run_id, wake.version) for wake in queue.wakes()))


def before_page(algolia: AlgoliaStandIn, page: int, do: Callable[[], None]) -> None:
    """Do something once, when the head of the list was read and this page of it is asked for."""
    truly = algolia.handle

    def handle(request: Request) -> Answer:
        if (request.query.get("page"), request.query.get("sort")) == ([str(page)], ["updatedAt"]):
            algolia.handle = truly
            do()
        return truly(request)

    algolia.handle = handle


def test_more_changes_than_two_pages_between_two_ticks_are_all_told(
    show: Show, watcher: Watcher, store: RunStore, queue: Queue, clock: Clock
) -> None:
    runs = [f"run-{number}" for number in range(250)]
    watcher.tick(Deadline(60))
    for state in (("created",), ("finished", "success")):
        clock.advance(MINUTE)
        for number, run_id in enumerate(runs):
            show(run_id, *state, taskID=f"task-{number % 40}")
        assert watcher.tick(Deadline(60)).changed == 250

    assert histories(store, runs) == {("created", "succeeded")}
    assert sorted(versions(queue)) == sorted((run_id, n) for run_id in runs for n in (1, 2))


@pytest.mark.parametrize("page", [2, 3])
def test_a_list_that_moves_while_it_is_read_hides_nothing(
    show: Show, watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, clock: Clock, page: int
) -> None:
    early, late = [f"early-{n}" for n in range(250)], [f"late-{n}" for n in range(110)]
    watcher.tick(Deadline(60))
    for number, run_id in enumerate(early):
        clock.advance(timedelta(seconds=1))
        show(run_id, "created", taskID=f"task-{number % 40}")

    def move() -> None:
        clock.advance(timedelta(seconds=1))
        for number, run_id in enumerate(late):
            show(run_id, "created", taskID=f"task-{number % 40}")
        for number, run_id in enumerate(early):
            if number % 10 == 0:
                show(run_id, "finished", "failure", taskID=f"task-{number % 40}")

    before_page(algolia, page, move)
    for _ in range(2):
        clock.advance(MINUTE)
        watcher.tick(Deadline(60))

    assert histories(store, late) == {("created",)}
    failed = [store.get("default", run_id).history[-1].kind for run_id in early[::10]]
    assert failed == ["failed"] * 25
    assert histories(store, set(early) - set(early[::10])) == {("created",)}
    assert news(watcher.tick(Deadline(60))) == {}


def test_ticks_at_the_same_time_tell_each_change_once(
    show: Show, rebuild: Rebuild, store: RunStore, queue: Queue
) -> None:
    runs = [f"run-{number}" for number in range(60)]
    rebuild().tick(Deadline(60))
    for state in (("started",), ("finished", "failure")):
        for number, run_id in enumerate(runs):
            show(run_id, *state, taskID=f"task-{number % 7}")
        with ThreadPoolExecutor(max_workers=4) as pool:
            reports = list(pool.map(lambda _: rebuild().tick(Deadline(60)), range(4)))
        assert sum(report.changed for report in reports) == 60

    assert histories(store, runs) == {("started", "failed")}
    assert sorted(versions(queue)) == sorted((run_id, n) for run_id in runs for n in (1, 2))


def test_after_a_day_without_ticks_each_change_that_still_shows_is_told_once_and_in_order(
    show: Show, watcher: Watcher, store: RunStore, queue: Queue, clock: Clock
) -> None:
    watcher.tick(Deadline(60))
    ends = ["failure", "failure", "success", "failure"] * 30
    for number, outcome in enumerate(ends):
        clock.advance(timedelta(minutes=12))
        show(f"run-{number}", "created")
        clock.advance(timedelta(seconds=9))
        show(f"run-{number}", "finished", outcome)

    report = watcher.tick(Deadline(60))

    assert (report.changed, report.failed) == (len(ends), 0)
    first = [each for each in versions(queue) if each[1] == 1]  # later ones say that it is over
    assert first == [(f"run-{n}", 1) for n in range(len(ends))]
    kinds = [store.get("default", f"run-{n}").history[-1] for n in range(8)]
    assert [(entry.kind, entry.streak) for entry in kinds] == [
        ("failed", 1),
        ("failed", 2),
        ("recovered", 2),
        ("failed", 1),
        ("failed", 2),
        ("failed", 3),
        ("recovered", 3),
        ("failed", 1),
    ]
    assert news(watcher.tick(Deadline(60))) == {}


@pytest.mark.parametrize("page", [1, 2, 3])
def test_a_page_that_can_not_be_had_leaves_what_is_behind_it_to_the_next_tick(
    show: Show, watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, clock: Clock, page: int
) -> None:
    watcher.tick(Deadline(60))
    runs = [f"run-{number}" for number in range(250)]
    for number, run_id in enumerate(runs):
        show(run_id, "finished", "failure", taskID=f"task-{number % 40}")
    algolia.faults.add(Fault("status", status=500), path=f"page={page}", times=4)

    first, second = watcher.tick(Deadline(60)), watcher.tick(Deadline(60))

    assert (first.failed, first.changed) == (1, (page - 1) * PER_PAGE)
    assert (second.failed, second.changed) == (0, 250 - first.changed)
    assert histories(store, runs) == {("failed",)}


class Throttled:
    """DynamoDB's client, which refuses to read an item among many as long as it is told to.

    Args:
        client: The true one.
        alone: Whether it also refuses to read it alone with its task; each time it does counts.
    """

    def __init__(self, client: Any, *, alone: bool = True) -> None:
        self._client = client
        self._alone = alone
        self.refuses: dict[str, int] = {}
        self._counting = threading.Lock()

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._client, operation)

    def batch_get_item(self, **request: Any) -> Any:
        (keys,) = (each["Keys"] for each in request["RequestItems"].values())
        is_alone = len(keys) <= 2
        with self._counting:
            for pk in {key["pk"]["S"] for key in keys} & self.refuses.keys():
                if self.refuses[pk] and (self._alone or not is_alone):
                    self.refuses[pk] -= is_alone
                    code = "ProvisionedThroughputExceededException"
                    raise ClientError({"Error": {"Code": code}}, "BatchGetItem")
        return self._client.batch_get_item(**request)


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_run_that_can_not_be_compared_is_looked_at_again_by_the_next_tick(
    show: Show,
    rebuild: Rebuild,
    dynamodb: Any,
    table_name: str,
    store: RunStore,
    queue: Queue,
    clock: Clock,
    times: int,
) -> None:
    client = Throttled(dynamodb)
    table: Any = Table(client, table_name)  # type: ignore[arg-type]
    watcher = rebuild(store=RunStore(table, now=clock))
    watcher.tick(Deadline(30))
    for number in range(5):
        show(f"run-{number}", "finished", "failure", taskID=f"task-{number}")
    client.refuses["run#default#run-3"] = times

    reports = [news(watcher.tick(Deadline(30))) for _ in range(times + 2)]

    assert reports[0] == {"checked": 4, "changed": 4, "failed": 1}
    assert reports[1:times] == [{"failed": 1}] * (times - 1)
    assert reports[times:] == [{"checked": 1, "changed": 1}, {}]
    assert histories(store, ["run-3"]) == {("failed",)}
    assert sorted(versions(queue)) == [(f"run-{n}", 1) for n in range(5)]


@pytest.mark.parametrize("alone", [True, False])
def test_a_table_that_throttles_everything_loses_nothing(
    show: Show,
    rebuild: Rebuild,
    dynamodb: Any,
    table_name: str,
    store: RunStore,
    clock: Clock,
    alone: bool,
) -> None:
    client = Throttled(dynamodb, alone=alone)
    table: Any = Table(client, table_name)  # type: ignore[arg-type]
    watcher = rebuild(store=RunStore(table, now=clock))
    watcher.tick(Deadline(60))
    runs = [f"run-{number}" for number in range(MOST_AGAIN + 20)]
    for number, run_id in enumerate(runs):
        show(run_id, "finished", "failure", taskID=f"task-{number % 40}")
        client.refuses[f"run#default#{run_id}"] = 1

    first = watcher.tick(Deadline(60))
    client.refuses.clear()
    second = watcher.tick(Deadline(60))

    # What can't be read among others is read alone, and what can't be read at all is left.
    assert (first.failed, first.changed) == ((len(runs), 0) if alone else (0, len(runs)))
    assert second.changed == (len(runs) if alone else 0)
    assert histories(store, runs) == {("failed",)}


def test_a_row_that_is_no_run_is_told_in_the_log_once_and_hides_no_other(
    show: Show,
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    caplog: pytest.LogCaptureFixture,
    told: Told,
    clock: Clock,
) -> None:
    watcher.tick(Deadline(30))
    show("run-1", "started")
    algolia.put_run({"runID": "odd", "status": 7})
    show("run-2", "started")

    with caplog.at_level(logging.ERROR, logger="runbell"):
        for _ in range(5):
            clock.advance(MINUTE)
            watcher.tick(Deadline(30))
        show("run-1", "finished", "failure")
        watcher.tick(Deadline(30))

    assert [record.getMessage() for record in caplog.records] == ["a run can't be read"]
    assert (told("run-1"), told("run-2")) == (["started", "failed"], ["started"])


def in_steps(steps: int, seconds: float = 30.0) -> Deadline:
    """A deadline that comes after it was looked at so often."""
    looks = itertools.count()
    lock = threading.Lock()

    def clock() -> float:
        with lock:
            return next(looks) * seconds / steps

    return Deadline(seconds, clock)


def test_what_the_time_does_not_suffice_for_is_found_by_the_next_tick(
    show: Show, watcher: Watcher, store: RunStore, queue: Queue, clock: Clock
) -> None:
    watcher.tick(Deadline(60))
    runs = [f"run-{number}" for number in range(150)]
    for number, run_id in enumerate(runs):
        clock.advance(timedelta(seconds=1))
        show(run_id, "finished", "failure", taskID=f"task-{number % 3}")

    first = watcher.tick(in_steps(150))
    second = watcher.tick(Deadline(60))

    assert 0 < first.changed < 150
    assert first.skipped
    assert first.changed + second.changed == 150
    assert histories(store, runs) == {("failed",)}
    assert sorted(versions(queue)) == sorted((run_id, 1) for run_id in runs)


def test_a_task_that_is_behind_the_others_when_the_time_is_over_is_not_forgotten(
    show: Show,
    rebuild: Rebuild,
    store: RunStore,
    table: Table,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runbell.looks.ROWS_AT_ONCE", 400)
    saved: set[str] = set()

    class Noting(RunStore):
        """Notes which runs it has saved."""

        def commit(self, item: RunItem, *what: Any, **how: Any) -> RunItem:
            after = super().commit(item, *what, **how)
            saved.add(item.run_id)
            return after

    watcher = rebuild(store=Noting(table, now=clock))
    watcher.tick(Deadline(60))
    many, others = [f"many-{n}" for n in range(120)], [f"other-{n}" for n in range(110)]
    for run_id in many:
        clock.advance(timedelta(seconds=1))
        show(run_id, "finished", "failure", taskID="busy")
    for number, run_id in enumerate(others):
        clock.advance(timedelta(seconds=1))
        show(run_id, "finished", "failure", taskID=f"task-{number}")

    first = watcher.tick(Deadline(60, lambda: 60.0 * saved.issuperset(others)))
    assert first.skipped, "runs of the busy task are left over, and none at the head of the list"
    watcher.tick(Deadline(60))

    assert histories(store, [*many, *others]) == {("failed",)}


def test_a_list_that_takes_too_long_to_read_is_gone_on_with_from_its_other_end(
    show: Show, watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, clock: Clock
) -> None:
    watcher.tick(Deadline(60))
    runs = [f"run-{number}" for number in range(230)]
    for number, run_id in enumerate(runs):
        clock.advance(timedelta(seconds=1))
        show(run_id, "finished", "failure", taskID=f"task-{number % 40}")
    algolia.faults.add(Fault("delay", seconds=0.5), path="sort=updatedAt", times=9)

    watcher.tick(Deadline(1.2))  # time for a page of the list
    algolia.faults.clear()
    watcher.tick(Deadline(60))

    assert histories(store, runs) == {("failed",)}


# ---- Seen for the first time ------------------------------------------------------------------


def test_a_first_tick_tells_what_is_going_on_and_records_what_is_over(
    show: Show, watcher: Watcher, told: Told, store: RunStore, queue: Queue, clock: Clock
) -> None:
    show("over", "finished", "success")
    show("left-out", "skipped")
    show("going-on", "started")
    show("waiting", "created")
    clock.advance(HOUR)

    watcher.tick(Deadline(30))
    assert sorted(wake.run_id for wake in queue.wakes()) == ["going-on", "waiting"]
    for run_id, kind in (("over", "succeeded"), ("left-out", "skipped")):
        (entry,) = store.get("default", run_id).history
        assert (entry.kind, entry.announced) == (kind, False)

    clock.advance(MINUTE)
    show("going-on", "finished", "success")
    show("new", "finished", "failure")
    watcher.tick(Deadline(30))
    assert (told("going-on"), told("new")) == (["started", "succeeded"], ["failed"])


def test_a_run_that_ends_before_it_is_first_seen_is_told_if_somebody_cared_by_then(
    show: Show, watcher: Watcher, algolia: AlgoliaStandIn, told: Told, clock: Clock
) -> None:
    show("run-1", "started")
    clock.advance(MINUTE)
    algolia.faults.add(Fault("status", status=500), times=ATTEMPTS)
    assert watcher.tick(Deadline(30)).failed == 1
    clock.advance(MINUTE)
    show("run-1", "finished", "failure")

    watcher.tick(Deadline(30))

    assert told("run-1") == ["failed"]


def test_many_old_runs_are_recorded_without_a_word(
    show: Show, watcher: Watcher, store: RunStore, queue: Queue, clock: Clock
) -> None:
    runs = [f"run-{number}" for number in range(320)]
    for number, run_id in enumerate(runs):
        show(run_id, "finished", "failure", taskID=f"task-{number % 40}")
    clock.advance(HOUR)

    assert watcher.tick(Deadline(60)).changed == 320

    assert queue.wakes() == []
    assert histories(store, runs) == {("failed",)}
    assert watcher.tick(Deadline(60)).requests == 1


def test_where_only_some_runs_are_watched_the_others_leave_no_trace(
    show: Show,
    watcher: Watcher,
    connections: ConnectionStore,
    tasks: TaskStore,
    raw: Callable[[str], dict[str, Any]],
    told: Told,
) -> None:
    connections.put(Connection("default", discover="watched"))
    tasks.put_watch("default", "mine", Watch())
    watcher.tick(Deadline(30))
    for state in (("started",), ("finished", "failure")):
        show("my-run", *state, taskID="mine")
        show("their-run", *state, taskID="theirs")
        watcher.tick(Deadline(30))

    assert told("my-run") == ["started", "failed"]
    assert raw("their-run") == {}


def test_a_task_that_is_watched_later_tells_of_its_active_runs_at_the_next_tick(
    show: Show,
    watcher: Watcher,
    connections: ConnectionStore,
    tasks: TaskStore,
    told: Told,
    store: RunStore,
    clock: Clock,
) -> None:
    connections.put(Connection("default", discover="watched"))
    show("over", "finished", "failure")
    show("going-on", "started")
    show("ends-at-once", "started")
    watcher.tick(Deadline(30))
    clock.advance(MINUTE)

    tasks.put_watch("default", "task-1", Watch())
    clock.advance(timedelta(seconds=30))
    show("ends-at-once", "finished", "failure")
    watcher.tick(Deadline(30))

    assert (told("over"), told("going-on"), told("ends-at-once")) == ([], ["started"], ["failed"])
    assert [entry.kind for entry in store.get("default", "over").history] == ["failed"]
    assert store.get("default", "going-on").is_active


def test_a_run_known_from_a_check_is_followed_once_its_task_is_watched(
    show: Show,
    watcher: Watcher,
    connections: ConnectionStore,
    tasks: TaskStore,
    store: RunStore,
    raw: Callable[[str], dict[str, Any]],
    told: Told,
    clock: Clock,
) -> None:
    connections.put(Connection("default", discover="watched"))
    show("run-1", "started")
    watcher.check("run-1", Deadline(30))
    assert not store.get("default", "run-1").is_active
    tasks.put_watch("default", "task-1", Watch(stalled_after=30))

    watcher.tick(Deadline(30))
    assert store.get("default", "run-1").is_active
    assert "expires_at" not in raw("run-1")
    clock.advance(HOUR)
    watcher.tick(Deadline(30))
    assert told("run-1") == ["started", "stalled"]


def test_a_connection_that_comes_to_watch_all_runs_tells_of_the_active_ones(
    show: Show, watcher: Watcher, connections: ConnectionStore, told: Told, clock: Clock
) -> None:
    connections.put(Connection("default", discover="watched"))
    show("over", "finished", "failure")
    show("going-on", "started")
    watcher.tick(Deadline(30))
    clock.advance(MINUTE)

    connections.put(Connection("default", discover="all"))
    watcher.tick(Deadline(30))

    assert (told("over"), told("going-on")) == ([], ["started"])


def test_a_run_that_the_head_of_the_list_never_showed_is_found_within_an_hour(
    show: Show, watcher: Watcher, algolia: AlgoliaStandIn, told: Told, clock: Clock
) -> None:
    for number in range(120):
        show(f"run-{number}", "finished", "success")
    watcher.tick(Deadline(60))
    life = RunLife("hidden", "task-1", [Step(0, "started")])
    algolia.play(life, start=(clock.now - HOUR).timestamp())

    clock.advance(FULL_LOOK - MINUTE)
    watcher.tick(Deadline(60))
    assert told("hidden") == []
    clock.advance(MINUTE)
    watcher.tick(Deadline(60))
    assert told("hidden") == ["started"]


def test_a_look_at_all_runs_goes_on_where_the_tick_before_had_to_stop(
    show: Show,
    rebuild: Rebuild,
    algolia: AlgoliaStandIn,
    connections: ConnectionStore,
    told: Told,
    clock: Clock,
) -> None:
    for number in range(450):
        clock.advance(timedelta(seconds=1))
        show(f"run-{number}", "finished", "success", taskID=f"task-{number % 40}")
    clock.advance(MINUTE)
    rebuild().tick(Deadline(60))
    clock.advance(FULL_LOOK)
    life = RunLife("hidden", "task-1", [Step(0, "started")])
    algolia.play(life, start=(clock.now - 2 * HOUR).timestamp())
    algolia.faults.add(Fault("delay", seconds=0.4), path="sort=createdAt", times=100)

    pages: list[int] = []
    while not pages or connections.get("default").scan.full_page:
        rebuild().tick(Deadline(2))
        pages.append(connections.get("default").scan.full_page)

    assert len(pages) > 1
    assert pages[:-1] == sorted(pages[:-1])
    assert told("hidden") == ["started"]
    assert connections.get("default").scan.full_at == timestamp(clock.now)


def test_an_active_run_that_no_list_shows_any_more_is_fetched_within_an_hour(
    show: Show,
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    told: Told,
    store: RunStore,
    clock: Clock,
) -> None:
    show("run-1", "started")
    watcher.tick(Deadline(30))
    clock.advance(WINDOW + HOUR)
    watcher.tick(Deadline(30))
    assert asked_of(algolia)[-1] == "runs/run-1"
    clock.advance(MINUTE)
    show("run-1", "finished", "failure")

    clock.advance(LONGEST_REST - MINUTE)
    watcher.tick(Deadline(30))

    assert told("run-1") == ["started", "failed"]
    assert due_runs(store) == []
