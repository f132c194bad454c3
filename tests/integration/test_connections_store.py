"""Connections on a real table, and two of them side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from requests import Session

from local.algolia import AlgoliaStandIn
from runbell.algolia import IngestionClient
from runbell.connections import DEFAULT, PAGE, Connection, ConnectionStore, Scan
from runbell.deadline import Deadline
from runbell.errors import NotKnownError, RequestError
from runbell.listings import Listings
from runbell.rules import Watch
from runbell.run import timestamp
from runbell.secrets import Secret, parse_algolia
from runbell.store import RunStore
from runbell.table import Table
from runbell.task_store import TaskStore
from runbell.watcher import Watcher
from tests.integration.conftest import (
    Clock,
    Queue,
    Rebuild,
    Saw,
    Show,
    document,
    either_dynamodb,
)

pytestmark = either_dynamodb

SCAN = Scan(
    front=(b"12345678", b"\x00\xff345678"),
    all_since="2026-03-01T00:00:00.000Z",
    full_at="2026-03-01T01:00:00.000Z",
    full_from="2026-03-01T02:00:00.000Z",
    full_page=3,
    again=("run-1", "run-2"),
)
OTHER = Connection("shop", secret="shop-key", schedule="rate(5 minutes)", discover="watched")


# ---- What is asked of them --------------------------------------------------------------------


@pytest.mark.parametrize("discover", ["all", "watched"])
def test_the_connection_of_the_template_is_there_from_the_first_deploy(
    connections: ConnectionStore, discover: str
) -> None:
    connection = connections.get(DEFAULT)

    assert connection == Connection(DEFAULT, discover=discover)
    assert connection.watches_all is (discover == "all")


@pytest.mark.parametrize("name", ["shop", "DEFAULT", "#connections", ""])
def test_a_connection_that_nobody_has_made_is_not_known(
    connections: ConnectionStore, name: str
) -> None:
    with pytest.raises(NotKnownError, match="PUT /connections/"):
        connections.get(name)


def test_a_connection_is_read_back_as_it_was_made(
    connections: ConnectionStore, clock: Clock
) -> None:
    wishes = Watch("#shop", frozenset({"failed"}), ("U1", "here"), "2026-03-03T00:00:00.000Z", 7)
    made = connections.put(replace(OTHER, wishes=wishes))

    assert made == connections.get("shop")
    assert made == replace(OTHER, wishes=wishes, since=timestamp(clock.now))


def test_a_connection_that_is_changed_keeps_its_age_and_how_far_it_is(
    connections: ConnectionStore, clock: Clock
) -> None:
    made = connections.put(OTHER)
    connections.save_scan("shop", SCAN)
    clock.advance(timedelta(days=1))

    changed = connections.put(Connection("shop", secret="new-key"))

    assert changed == connections.get("shop")
    assert (changed.since, changed.scan, changed.secret) == (made.since, SCAN, "new-key")
    assert (changed.schedule, changed.discover) == (None, "watched"), "the deployment's"


def test_how_far_a_connection_is_is_read_back_and_forgotten_where_it_is_nothing(
    connections: ConnectionStore,
) -> None:
    connections.save_scan(DEFAULT, SCAN)
    assert connections.get(DEFAULT).scan == SCAN
    connections.save_scan(DEFAULT, Scan())
    assert connections.get(DEFAULT).scan == Scan()


def test_the_longest_front_fits_its_item(connections: ConnectionStore) -> None:
    from runbell.discovery import LONGEST_FRONT
    from runbell.round import MOST_AGAIN

    front = tuple(number.to_bytes(8, "big") for number in range(LONGEST_FRONT))
    scan = Scan(front=front, again=tuple(f"{n:0128}" for n in range(MOST_AGAIN)))
    connections.save_scan(DEFAULT, scan)

    assert connections.get(DEFAULT).scan == scan


def test_a_deleted_connection_is_not_known_and_no_tick_brings_it_back(
    connections: ConnectionStore, table: Table
) -> None:
    connections.put(OTHER)
    assert connections.delete("shop")
    assert not connections.delete("shop")

    connections.save_scan("shop", SCAN)

    with pytest.raises(NotKnownError):
        connections.get("shop")
    assert table.get("connection#shop") is None


def test_connections_are_listed_the_oldest_first(
    connections: ConnectionStore, listings: Listings, tasks: TaskStore, clock: Clock
) -> None:
    names = [f"shop-{number:02}" for number in range(PAGE + 5, 0, -1)]
    for name in names:
        clock.advance(timedelta(seconds=1))
        connections.put(Connection(name, secret=name))
    tasks.put_watch(DEFAULT, "task-1", Watch())

    first, cursor = connections.list()
    second, end = connections.list(cursor)

    assert [each.name for each in [*first, *second]] == names
    assert (len(first), end) == (PAGE, None)
    assert first[0].secret == names[0]
    with pytest.raises(RequestError):
        listings.watches(DEFAULT, cursor)


def test_the_default_connection_is_listed_once_something_was_asked_of_it(
    connections: ConnectionStore,
) -> None:
    connections.save_scan(DEFAULT, SCAN)
    assert connections.list() == ([], None)
    connections.put(Connection(DEFAULT, discover="all"))
    assert [each.name for each in connections.list()[0]] == [DEFAULT]


# ---- Side by side -----------------------------------------------------------------------------


@pytest.mark.parametrize("look", ["tick", "check"])
def test_what_is_asked_of_an_unknown_connection_says_so(rebuild: Rebuild, look: str) -> None:
    watcher = rebuild("shop")
    with pytest.raises(NotKnownError):
        watcher.tick(Deadline(30)) if look == "tick" else watcher.check("run-1", Deadline(30))


def test_a_connection_that_was_deleted_is_looked_at_no_more(
    rebuild: Rebuild, connections: ConnectionStore, algolia: AlgoliaStandIn
) -> None:
    connections.put(OTHER)
    watcher = rebuild("shop")
    watcher.tick(Deadline(30))
    connections.delete("shop")
    asked = len(algolia.requests)

    with pytest.raises(NotKnownError):
        watcher.tick(Deadline(30))
    assert len(algolia.requests) == asked


@pytest.fixture
def other_client(
    algolia: AlgoliaStandIn, secrets: Any, new_secret: Callable[[object], str]
) -> Iterator[IngestionClient]:
    """The client of a second application."""
    algolia.application("OTHER00001", "other-key")
    arn = new_secret({"app_id": "OTHER00001", "api_key": "other-key", "region": "us"})
    with Session() as session:
        secret = Secret(secrets, arn, parse_algolia)
        yield IngestionClient(secret, session, base_url=algolia.url, sleep=lambda _: None)


def test_two_applications_leave_each_other_alone(
    algolia: AlgoliaStandIn,
    rebuild: Rebuild,
    other_client: IngestionClient,
    connections: ConnectionStore,
    store: RunStore,
    tasks: TaskStore,
    listings: Listings,
    queue: Queue,
    clock: Clock,
) -> None:
    """Their runs and tasks even have the same names."""
    other = algolia.application("OTHER00001", "other-key")
    connections.put(Connection(DEFAULT, discover="all"))
    connections.put(replace(OTHER, discover="all", wishes=Watch(channel="#shop")))
    mine, theirs = rebuild(), rebuild("shop", client=other_client)
    for watcher in (mine, theirs):
        watcher.tick(Deadline(30))
    clock.advance(timedelta(minutes=1))
    now = timestamp(clock.now)
    algolia.put_run(document("started", run_id="run-1", createdAt=now))
    failed = document("finished", "failure", run_id="run-1", createdAt=now, finishedAt=now)
    other.put_run({**failed, "appID": "OTHER00001"})

    for watcher in (mine, theirs):
        assert watcher.tick(Deadline(30)).changed == 1

    assert {(wake.connection, wake.channel) for wake in queue.wakes()} == {
        ("default", "#runs"),
        ("shop", "#shop"),
    }
    kinds = {
        name: [entry.kind for entry in store.get(name, "run-1").history]
        for name in ("default", "shop")
    }
    assert kinds == {"default": ["started"], "shop": ["failed"]}
    assert tasks.get("default", "task-1").story.ends == ()
    assert tasks.get("shop", "task-1").story.streak.failures == 1
    assert [item.connection for item in listings.recent("shop", {}).items] == ["shop"]
    assert list(store.due("shop")) == []
    assert [pending.run_id for pending in store.pending("default")] == ["run-1"]


def test_a_watch_on_one_connection_is_none_on_the_other(
    rebuild: Rebuild,
    connections: ConnectionStore,
    store: RunStore,
    tasks: TaskStore,
    show: Show,
    algolia: AlgoliaStandIn,
) -> None:
    connections.put(OTHER)
    tasks.put_watch("shop", "task-1", Watch())
    store.put_watch("shop", "run-2", Watch())
    show("run-1", "started")
    show("run-2", "started", taskID="task-2")

    mine: Watcher = rebuild()
    assert mine.tick(Deadline(30)).changed == 0
    assert rebuild("shop").tick(Deadline(30)).changed == 2
    assert store.get("default", "run-1").snapshot is None


def test_a_check_through_one_connection_is_not_known_to_the_other(
    saw: Saw, store: RunStore
) -> None:
    saw("started")

    assert store.get("shop", "run-1").snapshot is None


def test_a_look_ahead_is_taken_once(connections: ConnectionStore) -> None:
    connections.save_scan(DEFAULT, Scan(comeback="2026-03-02T09:00:10.000Z"))
    whole_at = "2026-03-02T09:01:30.000Z"

    assert not connections.take_comeback(DEFAULT, "2026-03-02T09:00:00.000Z", whole_at)
    assert connections.take_comeback(DEFAULT, "2026-03-02T09:00:10.000Z", whole_at)
    assert not connections.take_comeback(DEFAULT, "2026-03-02T09:00:10.000Z", whole_at)
    assert connections.get(DEFAULT).scan == Scan(budget_whole_at=whole_at)


def test_a_look_ahead_leaves_what_it_has_not_changed(connections: ConnectionStore) -> None:
    """Meanwhile a tick has looked through all pages, and found a run that failed."""
    before = Scan(front=(b"12345678",), full_at="2026-03-02T08:00:00.000Z")
    connections.save_scan(DEFAULT, before)
    by_a_tick = replace(before, full_at="2026-03-02T09:00:00.000Z", again=("run-1",))
    connections.save_scan(DEFAULT, by_a_tick)

    connections.save_scan(DEFAULT, replace(before, front=(b"87654321",)), since=before)

    assert connections.get(DEFAULT).scan == replace(by_a_tick, front=(b"87654321",))
