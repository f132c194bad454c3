"""The store on a real table: what is committed, found again, and left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from runbell.commits import HISTORY_KEPT
from runbell.errors import LostRaceError, RequestError
from runbell.items import Delivery, RunItem
from runbell.listings import PAGE, Listings, RunPage, WatchPage
from runbell.outbox import Wake, group_of, parse_wake
from runbell.rules import Watch
from runbell.run import Progress, timestamp
from runbell.store import RunStore
from tests.integration.conftest import (
    CHANNEL,
    Clock,
    Queue,
    due_runs,
    either_dynamodb,
    run_of,
    save,
)

pytestmark = either_dynamodb

Raw = Callable[[str], dict[str, Any]]
Index = Callable[[str], list[str]]

ODD = ["a#b#c", "run.with.dots", "läuft-🏃", "pending", "a b/c?d=e&f", "'\"\\{}[]$:#0", "x" * 256]
TOLD = Delivery(channel_id="C1", ts="1.1", told=1, shown=1)


def pending_runs(store: RunStore) -> list[str]:
    return [pending.run_id for pending in store.pending("default")]


# ---- Committing -----------------------------------------------------------------------------


def test_an_unknown_run_has_an_empty_item(store: RunStore) -> None:
    assert store.get("default", "nobody") == RunItem("default", "nobody")


def test_a_first_commit_is_read_back_as_it_was_saved(store: RunStore, clock: Clock) -> None:
    run = run_of(
        "started",
        started_at="2026-03-02T08:59:10.000Z",
        reason="because",
        reason_code="ok",
        failure_threshold=3,
        progress=Progress(expected=2**63, received=0),
    )

    saved = save(store, run)

    assert saved == store.get("default", "run-1")
    assert saved.snapshot == run
    assert saved.version == 1
    assert saved.channel == CHANNEL
    assert saved.pending_since == saved.updated_at == timestamp(clock.now)
    assert [(entry.number, entry.kind) for entry in saved.history] == [(1, "started")]
    assert not saved.is_active


def test_what_is_not_known_any_more_leaves_the_snapshot(store: RunStore) -> None:
    save(store, run_of("started", reason="slow"))

    assert save(store, run_of("finished", "success")).snapshot == run_of("finished", "success")


def test_a_commit_on_an_old_version_loses_the_race_and_changes_nothing(store: RunStore) -> None:
    save(store, run_of("created"))
    old = store.get("default", "run-1")
    winner = save(store, run_of("started"))

    with pytest.raises(LostRaceError):
        store.commit(old, run_of("finished", "success"), None, announce_in="#elsewhere")

    assert store.get("default", "run-1") == winner


def test_a_second_first_sight_loses_the_race(store: RunStore) -> None:
    unknown = store.get("default", "run-1")
    save(store, run_of("created"))

    with pytest.raises(LostRaceError):
        store.commit(unknown, run_of("started"), None, announce_in=None)


def test_a_watch_put_meanwhile_is_compared_with_again(store: RunStore, clock: Clock) -> None:
    unknown = store.get("default", "run-1")
    store.put_watch("default", "run-1", Watch(channel="#mine"))

    with pytest.raises(LostRaceError):
        store.commit(unknown, run_of("created"), None, announce_in=None)

    known = store.get("default", "run-1")
    saved = store.commit(known, run_of("created"), None, announce_in=None, due_at=clock.now)
    assert saved.watch == Watch(channel="#mine")
    assert saved.is_active


def test_a_watch_deleted_meanwhile_is_compared_with_again(store: RunStore, clock: Clock) -> None:
    store.put_watch("default", "run-1", Watch())
    watched = save(store, run_of("created"))
    clock.advance(timedelta(seconds=1))
    store.delete_watch("default", "run-1")

    with pytest.raises(LostRaceError):
        store.commit(watched, run_of("started"), None, announce_in=None, due_at=clock.now)


def test_changes_are_kept_in_their_order(store: RunStore) -> None:
    for run in (run_of("created"), run_of("started"), run_of("finished", "failure")):
        save(store, run)

    history = store.get("default", "run-1").history

    assert [(entry.number, entry.kind) for entry in history] == [
        (1, "created"),
        (2, "started"),
        (3, "failed"),
    ]


def test_a_look_without_a_change_adds_nothing_to_the_history(store: RunStore) -> None:
    item = save(store, run_of("started"))

    saved = store.commit(item, run_of("started", reason="slow"), None, announce_in=None)

    assert saved.history == item.history
    assert saved.version == 2


def test_only_what_is_told_and_looked_at_no_more_expires(
    store: RunStore, raw: Raw, clock: Clock
) -> None:
    def expiry() -> int | None:
        found = raw("run-1").get("expires_at")
        return int(found["N"]) if found else None

    store.put_watch("default", "run-1", Watch())
    assert expiry() is None, "a watched run does not expire"
    started = save(store, run_of("started"))
    store.record_delivery(started, TOLD, settled=True)
    assert expiry() is None, "a run that goes on does not expire while it is watched"

    ended = save(store, run_of("finished", "failure"))
    assert expiry() is None, "what is still to be told does not expire"
    clock.advance(timedelta(days=2))
    store.record_delivery(store.get("default", "run-1"), replace(TOLD, told=2), settled=True)
    assert ended.pending_since is not None
    assert expiry() == int((clock.now + timedelta(days=30)).timestamp())


@pytest.mark.parametrize("is_deleted", [True, False])
def test_what_is_still_to_be_told_does_not_expire_when_its_watch_ends(
    store: RunStore, raw: Raw, is_deleted: bool
) -> None:
    store.put_watch("default", "run-1", Watch())
    item = save(store, run_of("started"))
    if is_deleted:
        store.delete_watch("default", "run-1")
    store.retire(store.get("default", "run-1"))
    assert "expires_at" not in raw("run-1")
    assert item.pending_since is not None

    store.record_delivery(store.get("default", "run-1"), TOLD, settled=True)
    assert "expires_at" in raw("run-1")
    assert "pending" not in raw("run-1")


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_run_that_nobody_wants_looked_at_expires(
    store: RunStore, raw: Raw, clock: Clock, is_deleted: bool
) -> None:
    store.put_watch("default", "run-1", Watch())
    if is_deleted:
        store.delete_watch("default", "run-1")
    store.retire(store.get("default", "run-1"))
    expiry = int((clock.now + timedelta(days=30)).timestamp())
    assert int(raw("run-1")["expires_at"]["N"]) == expiry


def test_a_reason_of_the_longest_length_fits(store: RunStore) -> None:
    run = run_of("finished", "failure", reason="語" * 8_000)

    assert save(store, run).snapshot == run


def test_a_run_that_changes_for_ever_stays_within_its_item(store: RunStore) -> None:
    for number in range(HISTORY_KEPT + 25):
        state = "success" if number % 2 else "failure"
        item = save(store, run_of("finished-" * 10, state, reason="語" * 8_000))

    assert len(item.history) == HISTORY_KEPT
    assert item.last_change == item.version == HISTORY_KEPT + 25
    numbers = [entry.number for entry in item.history]
    assert numbers == list(range(26, HISTORY_KEPT + 26))


@pytest.mark.parametrize("odd", ODD)
def test_odd_names_of_runs_and_channels_are_only_names(
    store: RunStore, listings: Listings, queue: Queue, outbox: Any, odd: str
) -> None:
    store.put_watch("default", odd, Watch(channel=odd))
    item = save(store, run_of("started", run_id=odd), announce_in=odd)
    assert due_runs(store) == [odd]
    assert [(each.run_id, each.channel) for each in store.pending("default")] == [(odd, odd)]

    outbox.enqueue([Wake.of(item)])
    (message,) = queue.drain()
    assert parse_wake(message["Body"]) == Wake.of(item)
    assert message["Attributes"]["MessageGroupId"] == group_of(odd)

    store.record_delivery(item, TOLD, settled=True)
    assert store.get("default", odd).delivery == TOLD
    assert pending_runs(store) == []
    assert listings.recent("default", {}).items[0].run_id == odd
    assert store.delete_watch("default", odd)


# ---- What is to be announced ----------------------------------------------------------------


def test_a_run_is_pending_until_it_is_delivered(store: RunStore, index: Index) -> None:
    item = save(store, run_of("started"))
    assert index("pending") == ["run-1"]

    store.record_delivery(item, TOLD, settled=True)

    assert index("pending") == []
    saved = store.get("default", "run-1")
    assert saved.pending_since is None
    assert saved.delivery == TOLD


def test_a_part_of_a_delivery_leaves_the_run_pending(store: RunStore, index: Index) -> None:
    item = save(store, run_of("started"))

    store.record_delivery(item, TOLD, settled=False)

    assert store.get("default", "run-1").delivery == TOLD
    assert index("pending") == ["run-1"]


def test_a_run_that_is_announced_nowhere_is_not_pending(store: RunStore, index: Index) -> None:
    save(store, run_of("started"), announce_in=None, announced=False)

    assert index("pending") == []


def test_a_run_that_changed_while_it_was_delivered_stays_pending(
    store: RunStore, index: Index
) -> None:
    old = save(store, run_of("started"))
    save(store, run_of("finished", "success"))

    store.record_delivery(old, TOLD, settled=True)

    assert index("pending") == ["run-1"]
    assert store.get("default", "run-1").delivery == TOLD


def test_a_run_that_moved_while_it_was_delivered_stays_pending_for_its_new_channel(
    store: RunStore, index: Index
) -> None:
    old = save(store, run_of("started"))
    save(store, run_of("finished", "success"), announce_in="#elsewhere")

    store.record_delivery(old, TOLD, settled=True)

    saved = store.get("default", "run-1")
    assert saved.deliveries == {CHANNEL: TOLD}
    assert saved.delivery == Delivery()
    assert index("pending") == ["run-1"]


def test_a_commit_leaves_every_channels_delivery_as_it_was(store: RunStore) -> None:
    first = save(store, run_of("created"), announce_in="#one")
    second = save(store, run_of("started"), announce_in="#two.too")
    store.record_delivery(first, replace(TOLD, ts="1.1"), settled=True)
    store.record_delivery(second, replace(TOLD, ts="2.2"), settled=True)

    item = save(store, run_of("finished", "success"), announce_in="#two.too")

    assert {channel: each.ts for channel, each in item.deliveries.items()} == {
        "#one": "1.1",
        "#two.too": "2.2",
    }


def test_a_delivery_of_an_item_that_is_gone_brings_nothing_back(
    store: RunStore, dynamodb: Any, table_name: str, raw: Raw
) -> None:
    item = save(store, run_of("started"))
    dynamodb.delete_item(TableName=table_name, Key={"pk": {"S": "run#default#run-1"}})

    store.record_delivery(item, TOLD, settled=True)

    assert raw("run-1") == {}


def test_a_postponed_run_stays_pending_and_is_due_later(store: RunStore, clock: Clock) -> None:
    save(store, run_of("started"))
    (pending,) = store.pending("default")
    assert pending.due_at == timestamp(clock())

    store.postpone(pending, by=timedelta(minutes=2))

    (postponed,) = store.pending("default")
    assert postponed.due_at == timestamp(clock() + timedelta(minutes=2))
    assert postponed.since == pending.since


def test_a_run_delivered_since_is_not_postponed_into_the_index(
    store: RunStore, index: Index, raw: Raw
) -> None:
    item = save(store, run_of("started"))
    (pending,) = store.pending("default")
    store.record_delivery(item, TOLD, settled=True)

    store.postpone(pending, by=timedelta(minutes=2))

    assert index("pending") == []
    assert "pending_due" not in raw("run-1")


def test_a_new_change_is_due_at_once_although_the_run_was_postponed(store: RunStore) -> None:
    save(store, run_of("created"))
    (pending,) = store.pending("default")
    store.postpone(pending, by=timedelta(minutes=2))

    save(store, run_of("started"))

    assert pending_runs(store) == ["run-1"]


# ---- Watching -------------------------------------------------------------------------------


def test_a_watch_on_an_unknown_run_makes_it_active(store: RunStore, clock: Clock) -> None:
    watch = Watch(channel="#mine", notify_on=frozenset({"failed", "succeeded"}))

    item = store.put_watch("default", "run-1", watch)

    assert item == store.get("default", "run-1")
    assert (item.watch, item.snapshot, item.version) == (watch, None, 0)
    assert item.watched_since == timestamp(clock.now)
    assert due_runs(store) == ["run-1"]


def test_a_watch_on_a_known_run_leaves_what_is_known(store: RunStore) -> None:
    before = save(store, run_of("started"))

    item = store.put_watch("default", "run-1", Watch())

    assert item.is_active
    assert (item.snapshot, item.version, item.history) == (
        before.snapshot,
        before.version,
        before.history,
    )
    assert item.pending_since == before.pending_since


def test_a_watch_on_an_ended_run_is_listed_and_not_looked_at(store: RunStore, index: Index) -> None:
    save(store, run_of("finished", "success"))

    item = store.put_watch("default", "run-1", Watch())

    assert not item.is_active
    assert (index("due"), index("watches")) == ([], ["run-1"])


def test_a_watch_that_is_put_again_is_replaced_and_keeps_its_age(
    store: RunStore, clock: Clock
) -> None:
    first = store.put_watch("default", "run-1", Watch(channel="#mine"))
    clock.advance(timedelta(hours=1))

    again = store.put_watch("default", "run-1", Watch(notify_on=frozenset()))

    assert again.watch == Watch(notify_on=frozenset())
    assert again.watched_since == first.watched_since


@pytest.mark.parametrize("status", ["finished", "skipped"])
def test_a_watched_run_leaves_the_active_ones_when_it_ends(
    store: RunStore, index: Index, status: str
) -> None:
    store.put_watch("default", "run-1", Watch())
    save(store, run_of("started"))
    assert index("due") == ["run-1"]

    item = save(store, run_of(status))

    assert not item.is_active
    assert item.watch == Watch()
    assert (index("due"), index("watches")) == ([], ["run-1"])


def test_a_deleted_watch_is_listed_no_more_and_its_run_is_due_at_once(
    store: RunStore, index: Index, clock: Clock
) -> None:
    store.put_watch("default", "run-1", Watch())
    save(store, run_of("started"))
    clock.advance(timedelta(seconds=1))

    assert store.delete_watch("default", "run-1")

    assert (index("due"), index("watches")) == (["run-1"], [])
    item = store.get("default", "run-1")
    assert (item.watch, item.watched_since, item.due_at) == (None, None, timestamp(clock.now))
    assert item.snapshot == run_of("started")


def test_the_deleted_watch_of_an_ended_run_leaves_nothing_to_look_at(
    store: RunStore, index: Index, raw: Raw
) -> None:
    save(store, run_of("finished", "success"), announce_in=None)
    store.put_watch("default", "run-1", Watch())

    assert store.delete_watch("default", "run-1")

    assert (index("due"), index("watches")) == ([], [])
    assert "expires_at" in raw("run-1")


def test_a_watch_is_deleted_once(store: RunStore, raw: Raw) -> None:
    store.put_watch("default", "run-1", Watch())

    assert store.delete_watch("default", "run-1")
    assert not store.delete_watch("default", "run-1")
    assert not store.delete_watch("default", "never-watched")
    assert raw("never-watched") == {}


def test_a_retired_run_is_looked_at_again_once_it_is_watched_again(
    store: RunStore, index: Index, clock: Clock
) -> None:
    store.put_watch("default", "run-1", Watch())
    store.retire(store.get("default", "run-1"))
    assert (index("due"), index("watches")) == ([], ["run-1"])
    clock.advance(timedelta(days=1))

    item = store.put_watch("default", "run-1", Watch())

    assert index("due") == ["run-1"]
    assert item.is_active


def test_a_run_that_is_watched_again_meanwhile_is_not_retired(
    store: RunStore, clock: Clock
) -> None:
    store.put_watch("default", "run-1", Watch())
    item = store.get("default", "run-1")
    clock.advance(timedelta(seconds=1))
    store.put_watch("default", "run-1", Watch())

    store.retire(item)

    assert due_runs(store) == ["run-1"]


def test_retiring_what_is_not_active_makes_no_item(
    store: RunStore, raw: Raw, request: pytest.FixtureRequest
) -> None:
    if request.node.callspec.params["dynamodb"] == "second":
        # It takes an attribute that is not there to equal NULL. To DynamoDB the two are different,
        # an attribute that is NULL exists (see NOT_NULL in its API reference, `Condition`).
        pytest.skip("this emulator knows no difference between NULL and nothing")
    store.retire(store.get("default", "run-1"))

    assert raw("run-1") == {}


# ---- Listing --------------------------------------------------------------------------------


P = TypeVar("P", RunPage, WatchPage)


def pages(read: Callable[[str | None], P]) -> list[P]:
    found = [read(None)]
    while found[-1].cursor:
        found.append(read(found[-1].cursor))
    return found


def names(found: Iterable[RunPage | WatchPage]) -> list[str]:
    items = [item for page in found for item in page.items]
    return [item.run_id if isinstance(item, RunItem) else item.task_id for item in items]


@pytest.fixture
def many(store: RunStore, clock: Clock) -> list[str]:
    """Runs whose every third has failed, each a second later than the one before."""
    for number in range(120):
        clock.advance(timedelta(seconds=1))
        state = run_of("finished", "success") if number % 3 else run_of("finished", "failure")
        run = replace(state, run_id=f"run-{number:03}", task_id=f"task-{number % 4}")
        store.commit(RunItem("default", run.run_id), run, None, announce_in=None)
    return [f"run-{number:03}" for number in range(120)]


def test_all_runs_are_listed_once_the_latest_first(listings: Listings, many: list[str]) -> None:
    found = pages(lambda cursor: listings.recent("default", {}, cursor))

    assert names(found) == many[::-1]
    assert [len(page.items) for page in found] == [PAGE, PAGE, 20]


def test_a_run_is_listed_with_what_was_seen_of_it(store: RunStore, listings: Listings) -> None:
    saved = save(store, run_of("finished", "failure", reason="no disk"))

    (item,) = listings.recent("default", {}).items

    assert (item.snapshot, item.updated_at) == (saved.snapshot, saved.updated_at)


@pytest.mark.parametrize(
    ("filters", "matches"),
    [
        ({"outcome": "failure"}, lambda number: number % 3 == 0),
        ({"task_id": "task-2"}, lambda number: number % 4 == 2),
        ({"status": "finished", "outcome": "failure", "task_id": "task-0"},
         lambda number: number % 12 == 0),
        ({"status": "started"}, lambda number: False),
    ],
)  # fmt: skip
def test_filters_leave_out_what_does_not_match(
    listings: Listings, many: list[str], filters: dict[str, str], matches: Callable[[int], bool]
) -> None:
    found = pages(lambda cursor: listings.recent("default", filters, cursor))

    assert names(found) == [many[number] for number in range(119, -1, -1) if matches(number)]


def test_a_run_that_changes_is_the_latest(
    store: RunStore, listings: Listings, many: list[str], clock: Clock
) -> None:
    clock.advance(timedelta(seconds=1))
    save(store, run_of("finished", "failure", run_id="run-000"))

    assert listings.recent("default", {}).items[0].run_id == "run-000"


def test_watches_are_listed_the_oldest_first(
    store: RunStore, listings: Listings, clock: Clock
) -> None:
    for number in range(PAGE + 5):
        clock.advance(timedelta(seconds=1))
        store.put_watch("default", f"run-{number:03}", Watch(channel=f"#team-{number}"))
    save(store, run_of("skipped", run_id="run-001"))

    found = pages(lambda cursor: listings.watches("default", cursor))

    assert names(found) == [f"run-{number:03}" for number in range(PAGE + 5)]
    items = [item for page in found for item in page.items]
    assert items[7].watch == Watch(channel="#team-7")
    runs = [item for item in items if isinstance(item, RunItem)]
    assert [item.run_id for item in runs if not item.is_active] == ["run-001"]


def test_a_cursor_of_another_listing_is_refused(
    store: RunStore, listings: Listings, many: list[str], clock: Clock
) -> None:
    for run_id in many[: PAGE + 1]:
        clock.advance(timedelta(seconds=1))
        store.put_watch("default", run_id, Watch())
    of_runs = listings.recent("default", {}).cursor
    of_watches = listings.watches("default").cursor
    assert of_runs
    assert of_watches

    with pytest.raises(RequestError, match="no cursor of this listing"):
        listings.watches("default", of_runs)
    with pytest.raises(RequestError, match="no cursor of this listing"):
        listings.recent("default", {}, of_watches)
    with pytest.raises(RequestError, match="no cursor of this listing"):
        listings.recent("another", {}, of_runs)


def test_test_items_are_in_no_listing(
    store: RunStore, listings: Listings, raw: Raw, clock: Clock
) -> None:
    store.create_test("default", "test-1", CHANNEL)
    item = store.get("default", "test-1")
    store.record_delivery(item, TOLD, settled=True)

    assert store.get("default", "test-1").delivery == TOLD
    assert pending_runs(store) == []
    assert due_runs(store) == []
    assert listings.recent("default", {}) == RunPage((), None)
    assert listings.watches("default") == WatchPage((), None)
    expiry = int((clock.now + timedelta(days=1)).timestamp())
    assert int(raw("test-1")["expires_at"]["N"]) == expiry


def test_more_pending_runs_than_a_page_are_all_named(store: RunStore) -> None:
    for number in range(110):
        save(store, run_of("started", run_id=f"run-{number:03}", reason="語" * 200))

    assert sorted(pending_runs(store)) == [f"run-{number:03}" for number in range(110)]
