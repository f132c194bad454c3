"""What is rare and must not hurt: another application, requests refused for good, lost moments."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from requests import Session

from local.algolia import AlgoliaStandIn
from local.faults import Fault
from runbell.algolia import ATTEMPTS, PER_PAGE, IngestionClient
from runbell.checker import LONGEST_REST
from runbell.connections import Connection, ConnectionStore
from runbell.deadline import Deadline
from runbell.discovery import WINDOW
from runbell.errors import StoreUnavailableError
from runbell.items import Delivery, RunItem
from runbell.looks import AFTER_A_FAILURE
from runbell.round import MOST_AGAIN
from runbell.rules import Watch
from runbell.run import instant, timestamp
from runbell.secrets import REMEMBERED, Secret, parse_algolia
from runbell.store import LEAST_KEPT, RunStore
from runbell.table import Table
from runbell.task_store import TaskStore
from runbell.tasks import Names, TaskInfo
from runbell.watcher import Watcher
from tests.integration.conftest import (
    Clock,
    Queue,
    Rebuild,
    Show,
    Told,
    asked_of,
    document,
    due_runs,
)

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TOLD = Delivery(channel_id="C1", ts="1.1", told=1, shown=1)


@pytest.fixture
def discover() -> str:
    return "all"


def news(store: RunStore, run_id: str) -> list[tuple[str, bool]]:
    """What has happened to a run, and whether people were told."""
    return [(each.kind, each.announced) for each in store.get("default", run_id).history]


# ---- Another application behind a connection --------------------------------------------------


class Changing:
    """A secret whose value a person replaces, and a client that reads it.

    Args:
        secrets: Secrets Manager's client.
        session: The client's.
        algolia: Where the client asks.
        arn: Which secret.
    """

    def __init__(self, secrets: Any, session: Session, algolia: AlgoliaStandIn, arn: str) -> None:
        self._secrets = secrets
        self._arn = arn
        self._seconds = 0.0
        secret = Secret(secrets, arn, parse_algolia, clock=lambda: self._seconds)
        self.client = IngestionClient(secret, session, base_url=algolia.url, sleep=lambda _: None)

    def put(self, app_id: str, api_key: str) -> None:
        value = json.dumps({"app_id": app_id, "api_key": api_key, "region": "us"})
        self._secrets.put_secret_value(SecretId=self._arn, SecretString=value)

    def let_pass(self) -> None:
        """Let time go by until the secret is read anew."""
        self._seconds += REMEMBERED


@pytest.fixture
def changing(
    secrets: Any, new_secret: Callable[[object], str], algolia: AlgoliaStandIn
) -> Iterator[Changing]:
    arn = new_secret({"app_id": algolia.app_id, "api_key": algolia.api_key, "region": "us"})
    with Session() as session:
        yield Changing(secrets, session, algolia, arn)


@pytest.mark.parametrize("noticed", ["between two ticks", "in the middle of a tick"])
def test_another_application_behind_a_connection_floods_nobody(
    rebuild: Rebuild,
    changing: Changing,
    algolia: AlgoliaStandIn,
    store: RunStore,
    queue: Queue,
    told: Told,
    clock: Clock,
    noticed: str,
) -> None:
    watcher = rebuild(client=changing.client)
    watcher.tick(Deadline(60))
    clock.advance(DAY)
    other = algolia.application("OTHER00001", "other-key")
    over = [f"over-{number}" for number in range(130)]
    for number, run_id in enumerate(over):
        clock.advance(SECOND)
        at = timestamp(clock.now)
        times = {"createdAt": at, "startedAt": at, "finishedAt": at}
        task_id = f"task-{number % 20}"
        other.put_run(document("finished", "failure", run_id=run_id, taskID=task_id, **times))
    other.put_run(document("started", run_id="active", createdAt=at, startedAt=at))
    clock.advance(MINUTE)

    changing.put("OTHER00001", "other-key")
    if noticed == "between two ticks":
        changing.let_pass()
    else:
        algolia.rotate_key("another")  # the key that is remembered is refused from now on
    for _ in range(3):
        watcher.tick(Deadline(60))
        clock.advance(MINUTE)

    assert {wake.run_id for wake in queue.wakes()} == {"active"}
    assert told("active") == ["started"]
    assert {tuple(news(store, run_id)) for run_id in over} == {(("failed", False),)}
    at = timestamp(clock.now)
    other.put_run(document("finished", "failure", run_id="new", createdAt=at, finishedAt=at))
    watcher.tick(Deadline(60))
    assert told("new") == ["failed"]


# ---- A run that somebody names ----------------------------------------------------------------


@pytest.fixture
def recorded(show: Show, watcher: Watcher, queue: Queue, clock: Clock) -> None:
    """A run was over before anybody cared, and is known."""
    show("run-1", "finished", "failure")
    clock.advance(HOUR)
    watcher.tick(Deadline(30))
    assert queue.wakes() == []


@pytest.mark.usefixtures("recorded")
def test_a_run_that_was_recorded_silently_is_told_once_when_somebody_names_it(
    watcher: Watcher, store: RunStore, queue: Queue
) -> None:
    with ThreadPoolExecutor(max_workers=5) as pool:
        checks = list(pool.map(lambda _: watcher.check("run-1", Deadline(30)), range(5)))

    assert sum(check.change is not None for check in checks) == 1
    assert news(store, "run-1") == [("failed", False), ("failed", True)]
    assert [(wake.run_id, wake.version) for wake in queue.wakes()] == [("run-1", 2)]
    assert watcher.check("run-1", Deadline(30)).change is None
    assert queue.wakes() == []


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(
    "wishes",
    [Watch(notify_on=frozenset({"succeeded"})), Watch(muted_until="2027-01-01T00:00:00.000Z")],
    ids=["not asked for", "muted"],
)
def test_a_named_run_is_not_told_where_nobody_wants_to_hear_it(
    watcher: Watcher, store: RunStore, connections: ConnectionStore, queue: Queue, wishes: Watch
) -> None:
    connections.put(Connection("default", wishes=wishes))

    for _ in range(2):
        assert watcher.check("run-1", Deadline(30)).change is None

    assert news(store, "run-1") == [("failed", False)]
    assert queue.wakes() == []


# ---- What Algolia refuses to show -------------------------------------------------------------


Minutes = Callable[[int], None]


@pytest.fixture
def tick_for(watcher: Watcher, clock: Clock) -> Minutes:
    """Lets so many ticks come, one a minute."""

    def go(minutes: int) -> None:
        for _ in range(minutes):
            watcher.tick(Deadline(30))
            clock.advance(MINUTE)

    return go


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("how", ["refused", "no run"])
def test_a_due_run_that_can_not_be_had_is_asked_for_every_five_minutes(
    show: Show,
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    store: RunStore,
    told: Told,
    tick_for: Minutes,
    clock: Clock,
    known: bool,
    how: str,
) -> None:
    watcher.tick(Deadline(30))
    if known:
        show("run-1", "started")
        watcher.tick(Deadline(30))
        clock.advance(LONGEST_REST)
    else:
        store.put_watch("default", "run-1", Watch())
    if how == "refused":
        algolia.faults.add(Fault("status", status=400), path="/1/runs/run-1", times=100)
    else:
        algolia.put_run({"runID": "run-1", "status": 7})

    tick_for(11)

    assert asked_of(algolia).count("runs/run-1") == 3
    algolia.faults.clear()
    show("run-1", "started")
    clock.advance(AFTER_A_FAILURE)
    watcher.tick(Deadline(30))
    assert told("run-1") == ["started"]


def test_a_run_that_can_not_be_put_off_leaves_the_others_alone(
    show: Show,
    rebuild: Rebuild,
    algolia: AlgoliaStandIn,
    table: Table,
    store: RunStore,
    told: Told,
    clock: Clock,
) -> None:
    class Failing(RunStore):
        """Can't read a run alone."""

        def get(self, connection: str, run_id: str) -> RunItem:
            raise StoreUnavailableError("no answer")

    for run_id in ("run-1", "run-2"):
        store.put_watch("default", run_id, Watch())
    show("run-2", "started", createdAt=timestamp(clock.now - 2 * WINDOW))  # no list shows it
    algolia.faults.add(Fault("status", status=400), path="/1/runs/run-1")

    report = rebuild(store=Failing(table, now=clock)).tick(Deadline(30))

    assert (report.failed, report.changed) == (1, 1)
    assert told("run-2") == ["started"]


def asked_by_task(algolia: AlgoliaStandIn) -> int:
    """How often a task's own runs were listed."""
    return sum("taskID" in each.query for each in algolia.requests)


def test_a_watched_task_whose_runs_can_not_be_listed_is_asked_for_every_five_minutes(
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    tasks: TaskStore,
    tick_for: Minutes,
) -> None:
    tasks.put_watch("default", "task-1", Watch())
    algolia.faults.add(Fault("status", status=400), path="taskID=task-1", times=100)

    tick_for(11)

    assert asked_by_task(algolia) == 3
    assert tasks.get("default", "task-1").look_through
    algolia.faults.clear()
    tick_for(5)
    assert asked_by_task(algolia) == 4
    assert not tasks.get("default", "task-1").look_through


@pytest.fixture
def expected(show: Show, watcher: Watcher, algolia: AlgoliaStandIn, clock: Clock) -> None:
    """The next run of a task is to come in an hour, and Runbell knows it."""
    times = {"lastRun": timestamp(clock.now), "nextRun": timestamp(clock.now + HOUR)}
    algolia.put_task({"taskID": "task-1", "cron": "0 * * * *", **times})
    watcher.tick(Deadline(30))
    show("run-1", "finished", "success")
    watcher.tick(Deadline(30))


@pytest.mark.usefixtures("expected")
def test_a_missing_run_that_can_not_be_looked_for_is_told_later(
    watcher: Watcher, algolia: AlgoliaStandIn, tick_for: Minutes, clock: Clock
) -> None:
    clock.advance(HOUR + HOUR / 10)
    algolia.faults.add(Fault("status", status=400), path="taskID=task-1", times=100)

    tick_for(10)

    assert asked_by_task(algolia) == 2
    algolia.faults.clear()
    assert watcher.tick(Deadline(30)).changed == 1


def test_a_list_whose_second_page_fails_is_told_as_far_as_it_goes_and_not_remembered(
    show: Show,
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    connections: ConnectionStore,
    queue: Queue,
    clock: Clock,
) -> None:
    watcher.tick(Deadline(60))
    before = connections.get("default").scan
    runs = [f"run-{number}" for number in range(150)]
    for number, run_id in enumerate(runs):
        clock.advance(SECOND)
        show(run_id, "finished", "failure", taskID=f"task-{number % 20}")
    algolia.faults.add(Fault("status", status=500), path="page=2&", times=ATTEMPTS)

    first = watcher.tick(Deadline(60))
    told = queue.wakes()
    assert (first.changed, first.failed) == (PER_PAGE, 1)
    assert {wake.run_id for wake in told} == set(runs[-PER_PAGE:])
    assert connections.get("default").scan == before

    assert watcher.tick(Deadline(60)).changed == 50
    told += queue.wakes()
    assert {(wake.run_id, wake.version) for wake in told} == {(run_id, 1) for run_id in runs}
    assert watcher.tick(Deadline(60)).changed == 0


# ---- What is forgotten, and when --------------------------------------------------------------


def test_an_ended_run_that_is_still_listed_is_remembered_however_short_the_retention(
    show: Show,
    rebuild: Rebuild,
    table: Table,
    raw: Callable[[str], dict[str, Any]],
    queue: Queue,
    clock: Clock,
) -> None:
    brief = RunStore(table, retention=DAY, now=clock)
    parts = {"store": brief, "tasks": TaskStore(table, retention=DAY, now=clock)}
    show("silent", "finished", "failure")
    clock.advance(HOUR)
    rebuild(**parts).tick(Deadline(30))
    show("announced", "finished", "failure")
    rebuild(**parts).tick(Deadline(30))
    brief.record_delivery(brief.get("default", "announced"), TOLD, settled=True)
    queue.drain()

    for run_id in ("silent", "announced"):
        goes_at = int(raw(run_id)["expires_at"]["N"])
        assert goes_at >= (clock.now - HOUR + LEAST_KEPT).timestamp()
    clock.advance(WINDOW - 2 * HOUR)
    assert rebuild(**parts).tick(Deadline(30)).changed == 0
    assert queue.wakes() == []


def expiry_and_due(table: Table) -> tuple[float, float]:
    item = table.get("task#default#task-1") or {}
    due_at = instant(item["due_at"])
    assert due_at is not None
    return float(item["expires_at"]), due_at.timestamp()


@pytest.mark.parametrize("watched", [True, False])
def test_a_task_is_remembered_until_after_its_next_run_is_due(
    show: Show,
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    tasks: TaskStore,
    table: Table,
    clock: Clock,
    watched: bool,
) -> None:
    times = {"lastRun": timestamp(clock.now), "nextRun": timestamp(clock.now + 90 * DAY)}
    algolia.put_task({"taskID": "task-1", "cron": "0 0 1 */3 *", **times})
    if watched:
        tasks.put_watch("default", "task-1", Watch())
    watcher.tick(Deadline(30))
    for number in range(2):
        show(f"run-{number}", "finished", "success")
        watcher.tick(Deadline(30))
        if watched:
            tasks.delete_watch("default", "task-1")

        expires, due = expiry_and_due(table)
        assert expires > due > (clock.now + 90 * DAY).timestamp()


def test_a_next_run_that_never_comes_is_no_reason_to_say_nothing(
    show: Show, watcher: Watcher, algolia: AlgoliaStandIn, told: Told
) -> None:
    algolia.put_task({"taskID": "task-1", "nextRun": "9999-12-31T23:59:59.000Z"})
    watcher.tick(Deadline(30))
    show("run-1", "finished", "failure")

    assert watcher.tick(Deadline(30)).failed == 0
    assert told("run-1") == ["failed"]


# ---- Many at once -----------------------------------------------------------------------------


def test_many_due_runs_are_looked_for_in_the_list_of_active_ones(
    show: Show,
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    store: RunStore,
    clock: Clock,
) -> None:
    show("old", "started")
    watcher.tick(Deadline(30))
    clock.advance(WINDOW)
    watcher.tick(Deadline(30))
    for number in range(120):
        show(f"run-{number}", "started", taskID=f"task-{number % 20}")
    clock.advance(SECOND)  # `old` has left the window
    watcher.tick(Deadline(30))
    clock.advance(LONGEST_REST)
    assert len(due_runs(store)) == 121
    asked = len(asked_of(algolia))

    report = watcher.tick(Deadline(30))

    since = asked_of(algolia)[asked:]
    assert [each for each in since if each != "runs"] == ["runs/old"]
    assert report.requests <= 6, "a page of the list, two of all, two of active runs, and one run"
    assert (report.checked, report.changed, report.failed) == (121, 0, 0)
    assert due_runs(store) == []


def test_when_more_fail_than_are_remembered_all_are_looked_at_again(
    show: Show, rebuild: Rebuild, table: Table, told: Told, clock: Clock
) -> None:
    class Failing(RunStore):
        """Can't compare a run as long as it is told so."""

        fails = False

        def get_with_task(self, *which: Any) -> Any:
            if self.fails:
                raise StoreUnavailableError("no answer")
            return super().get_with_task(*which)

        def get_many_with_tasks(self, *which: Any) -> Any:
            if self.fails:
                raise StoreUnavailableError("no answer")
            return super().get_many_with_tasks(*which)

    store = Failing(table, now=clock)
    watcher = rebuild(store=store)
    watcher.tick(Deadline(60))
    runs = [f"run-{number}" for number in range(MOST_AGAIN + 20)]
    for number, run_id in enumerate(runs):
        show(run_id, "finished", "failure", taskID=f"task-{number % 20}")
    store.fails = True
    assert watcher.tick(Deadline(60)).failed == len(runs)
    store.fails = False
    clock.advance(MINUTE)
    show("new", "started")

    assert watcher.tick(Deadline(60)).changed == len(runs) + 1
    assert all(told(run_id) == ["failed"] for run_id in runs)


# ---- Watches that come meanwhile --------------------------------------------------------------


@pytest.mark.parametrize("before", [None, Watch(channel="#before")])
def test_names_do_not_take_back_what_a_watch_that_was_put_meanwhile_wants(
    tasks: TaskStore, table: Table, clock: Clock, before: Watch | None
) -> None:
    if before:
        tasks.put_watch("default", "task-1", before)
    task = tasks.get("default", "task-1")
    clock.advance(SECOND)
    put = tasks.put_watch("default", "task-1", Watch(channel="#mine"))

    info = TaskInfo(timestamp(clock.now), Names(source="Products"))
    tasks.put_info(task, info, clock.now + HOUR)

    assert tasks.get("default", "task-1") == put
    assert (put.look_through, put.due_at) == (True, timestamp(clock.now))
    assert "expires_at" not in (table.get("task#default#task-1") or {})


def test_a_watch_that_is_put_while_its_run_is_unknown_is_kept(
    show: Show,
    rebuild: Rebuild,
    algolia: AlgoliaStandIn,
    table: Table,
    told: Told,
    clock: Clock,
) -> None:
    class Overtaken(RunStore):
        """Is overtaken by a watch when it has noted that Algolia does not know a run."""

        def note_unknown(self, connection: str, run_id: str) -> RunItem | None:
            item = super().note_unknown(connection, run_id)
            clock.advance(SECOND)
            self.put_watch(connection, run_id, Watch())
            return item

    show("run-1", "started")
    store = Overtaken(table, now=clock)
    watcher = rebuild(store=store)
    watcher.tick(Deadline(30))
    clock.advance(LONGEST_REST)
    algolia.faults.add(Fault("status", status=404), path="/1/runs/run-1")
    assert watcher.tick(Deadline(30)).failed == 1

    item = store.get("default", "run-1")
    assert item.is_active
    assert item.watch is not None


# ---- Names and events -------------------------------------------------------------------------


@pytest.fixture
def named(algolia: AlgoliaStandIn) -> Names:
    """A task with a source and a destination of its own."""
    task = {"taskID": "task-1", "sourceID": "s", "destinationID": "d", "action": "replace"}
    algolia.put_task(task)
    algolia.put_source({"sourceID": "s", "name": "Products feed"})
    search = {"destinationID": "d", "name": "Search", "input": {"indexName": "products"}}
    algolia.put_destination(search)
    return Names("Products feed", "Search", "products", "replace")


class Odd:
    """A client of Algolia, one of whose methods fails as nobody foresaw."""

    def __init__(self, client: IngestionClient, method: str) -> None:
        self._client = client
        self._method = method

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            raise ValueError("unforeseen")
        return getattr(self._client, name)


@pytest.mark.parametrize("method", ["get_task", "get_source", "get_destination", "list_errors"])
def test_what_nobody_foresaw_holds_no_announcement_up(
    show: Show, rebuild: Rebuild, client: IngestionClient, told: Told, queue: Queue, method: str
) -> None:
    watcher = rebuild(client=Odd(client, method))
    watcher.tick(Deadline(30))
    show("run-1", "finished", "failure")

    assert watcher.tick(Deadline(30)).failed == 0
    assert told("run-1") == ["failed"]
    assert [wake.run_id for wake in queue.wakes()] == ["run-1"]


def test_events_that_can_not_be_grouped_hold_no_announcement_up(
    show: Show,
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def group(*_: Any) -> None:
        raise RecursionError("unforeseen")

    monkeypatch.setattr("runbell.background.group_errors", group)
    watcher.tick(Deadline(30))
    algolia.put_event("run-1", {"status": "failed", "data": {"message": "bad field"}})
    show("run-1", "finished", "failure")

    assert watcher.tick(Deadline(30)).failed == 0
    assert told("run-1") == ["failed"]


@pytest.mark.parametrize(("path", "fails"), [("/2/tasks/", "names"), ("/events", "errors")])
def test_names_can_be_had_while_events_can_not_and_the_other_way_round(
    show: Show,
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    store: RunStore,
    named: Names,
    path: str,
    fails: str,
) -> None:
    watcher.tick(Deadline(30))
    algolia.faults.add(Fault("status", status=500), path=path, times=100)
    for number in range(2):
        run_id = f"run-{number}"
        algolia.put_event(run_id, {"status": "failed", "data": {"message": "bad field"}})
        show(run_id, "finished", "failure")
        watcher.tick(Deadline(30))

        item = store.get("default", run_id)
        errors = item.history[-1].errors
        assert item.names == (None if fails == "names" else named)
        assert (errors is None) == (fails == "errors")


def test_a_source_that_was_deleted_leaves_the_other_names(
    show: Show, watcher: Watcher, algolia: AlgoliaStandIn, store: RunStore, named: Names
) -> None:
    algolia.faults.add(Fault("status", status=404), path="/1/sources/", times=100)
    watcher.tick(Deadline(30))
    show("run-1", "finished", "failure")
    watcher.tick(Deadline(30))

    names = Names(None, named.destination, named.index, named.action)
    assert store.get("default", "run-1").names == names


# ---- What DynamoDB refuses for good -----------------------------------------------------------


class TooLarge:
    """DynamoDB's client, which takes one run for too large an item."""

    def __init__(self, client: Any, run_id: str) -> None:
        self._client = client
        self._pk = f"run#default#{run_id}"
        self._counting = threading.Lock()
        self.refused = 0

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._client, operation)

    def update_item(self, **request: Any) -> Any:
        if self._refuses(request):
            raise ClientError({"Error": {"Code": "ValidationException"}}, "UpdateItem")
        return self._client.update_item(**request)

    def transact_write_items(self, **request: Any) -> Any:
        refuses = [self._refuses(each["Update"]) for each in request["TransactItems"]]
        if any(refuses):
            reasons = [{"Code": "ValidationError" if each else "None"} for each in refuses]
            answer: Any = {
                "Error": {"Code": "TransactionCanceledException"},
                "CancellationReasons": reasons,
            }
            raise ClientError(answer, "TransactWriteItems")
        return self._client.transact_write_items(**request)

    def _refuses(self, request: Any) -> bool:
        names = request["ExpressionAttributeNames"].values()
        refuses = request["Key"]["pk"]["S"] == self._pk and "snapshot" in names
        with self._counting:
            self.refused += refuses
        return refuses


@pytest.fixture
def large(dynamodb: Any) -> TooLarge:
    return TooLarge(dynamodb, "large")


@pytest.fixture
def strict(large: TooLarge, table_name: str, rebuild: Rebuild, clock: Clock) -> Watcher:
    """A watcher whose table takes no item of the run `large`."""
    table: Any = Table(large, table_name)  # type: ignore[arg-type]
    return rebuild(store=RunStore(table, now=clock))


@pytest.mark.parametrize("state", [("started",), ("finished", "failure")])
def test_a_run_that_is_too_large_is_not_saved_again_and_again(
    show: Show,
    strict: Watcher,
    large: TooLarge,
    connections: ConnectionStore,
    told: Told,
    clock: Clock,
    state: tuple[str, ...],
) -> None:
    strict.tick(Deadline(30))
    for run_id in ("large", "small"):
        show(run_id, *state)

    for _ in range(5):
        strict.tick(Deadline(30))
        clock.advance(MINUTE)

    assert large.refused == 1
    assert connections.get("default").scan.again == ()
    assert len(told("small")) == 1


def test_a_due_run_that_is_too_large_is_put_off(
    show: Show, strict: Watcher, watcher: Watcher, large: TooLarge, clock: Clock
) -> None:
    watcher.tick(Deadline(30))
    created = timestamp(clock.now)
    show("large", "started")
    watcher.tick(Deadline(30))
    clock.advance(WINDOW + HOUR)  # no list shows it any more
    show("large", "finished", "failure", createdAt=created)

    for _ in range(11):
        strict.tick(Deadline(30))
        clock.advance(MINUTE)

    assert large.refused == 3


def test_a_run_that_is_too_large_hides_none_of_its_watched_task(
    show: Show,
    strict: Watcher,
    large: TooLarge,
    connections: ConnectionStore,
    tasks: TaskStore,
    told: Told,
    clock: Clock,
) -> None:
    connections.put(Connection("default", discover="watched"))
    show("large", "started")
    clock.advance(SECOND)
    show("later", "started")
    strict.tick(Deadline(30))
    tasks.put_watch("default", "task-1", Watch())

    for _ in range(5):
        strict.tick(Deadline(30))
        clock.advance(MINUTE)

    assert large.refused == 1
    assert told("later") == ["started"]
    assert not tasks.get("default", "task-1").look_through
