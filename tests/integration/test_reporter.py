"""What quiet hours hold back and is told at their end, once; and the digest of a day, once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.algolia import AlgoliaStandIn
from local.slack import SlackStandIn
from runbell import reporter
from runbell.connections import Connection, ConnectionStore
from runbell.deadline import Deadline
from runbell.errors import StoreUnavailableError
from runbell.items import RunItem
from runbell.listings import Listings
from runbell.notifier import Notifier
from runbell.quiet import QuietHours
from runbell.reporter import LEFT_TO_THE_EVENT, SETTLED_AFTER
from runbell.rules import Routing, Watch
from runbell.run import timestamp
from runbell.store import RunStore
from runbell.table import Table
from runbell.task_store import TaskStore
from runbell.watcher import Watcher
from tests.integration.conftest import (
    CHANNEL,
    Clock,
    Queue,
    Rebuild,
    Show,
    Told,
    bot_only,
    deeds,
)

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

NIGHT = QuietHours("22:00", "07:00", "Europe/Paris")
MIDNIGHT = datetime(2026, 3, 3, 0, 0, tzinfo=UTC)
MORNING = datetime(2026, 3, 3, 6, 0, tzinfo=UTC)
"""Seven o'clock in Paris."""

MOST_READ = 4
"""Runs that a summary reads where a test says so."""

Deliver = Callable[[], list[str]]
Digest = Callable[..., int]


class Crash(BaseException):
    """The end of a process in the midst of its work."""


@pytest.fixture
def discover() -> str:
    return "all"


@pytest.fixture
def routing(routing: Routing) -> Routing:
    return replace(routing, quiet_hours=NIGHT)


@pytest.fixture
def deliver(queue: Queue, notifier: Notifier, slack: SlackStandIn) -> Deliver:
    """Brings what is on the queue to Slack; answers with the texts that the channel now holds."""

    def bring() -> list[str]:
        for wake in queue.wakes():
            notifier.deliver(wake)
        return [message.text for message in slack.messages(CHANNEL)]

    return bring


@pytest.fixture
def night(watcher: Watcher, clock: Clock) -> None:
    """It is midnight, and everything was looked through in the evening."""
    watcher.tick(Deadline(30))
    clock.now = MIDNIGHT


@pytest.fixture
def reports(table: Table, queue: Queue) -> Callable[[], list[Mapping[str, Any]]]:
    """The reports that the queue has word of, in their order."""

    def read() -> list[Mapping[str, Any]]:
        items = [table.get(f"run#default#{wake.run_id}") or {} for wake in queue.wakes()]
        return [item["report"] for item in items if "report" in item]

    return read


def due(table: Table, kind: str) -> list[str]:
    """What of a kind is still to be done, whenever that is."""
    from boto3.dynamodb.conditions import Key

    found = table.query_all("due", Key("due").eq("default"))
    return [item["pk"] for item in found if item["pk"].startswith(f"{kind}#")]


# ---- Quiet hours ------------------------------------------------------------------------------


@pytest.mark.usefixtures("night")
def test_what_is_held_back_is_told_in_one_message_when_they_are_over(
    show: Show, watcher: Watcher, clock: Clock, told: Told, deliver: Deliver, store: RunStore
) -> None:
    show("run-1", "started")
    show("run-2", "finished", "success", taskID="task-2")
    watcher.tick(Deadline(30))
    clock.advance(HOUR)
    show("run-1", "finished", "failure")
    watcher.tick(Deadline(30))
    clock.now = MORNING + SETTLED_AFTER - SECOND
    watcher.tick(Deadline(30))
    assert deliver() == []
    assert (told("run-1"), told("run-2")) == ([], [])

    clock.advance(SECOND)
    watcher.tick(Deadline(30))
    [text] = deliver()

    assert "1 succeeded · ❌ 1 failed" in text
    assert "failed, still failing" in text
    clock.advance(HOUR)
    assert [*store.pending("default")] == []
    for _ in range(3):
        clock.advance(10 * MINUTE)
        watcher.tick(Deadline(30))
    assert len(deliver()) == 1


@pytest.mark.usefixtures("night")
def test_after_them_things_are_told_as_ever(
    show: Show, watcher: Watcher, clock: Clock, told: Told
) -> None:
    show("run-1", "started")
    watcher.tick(Deadline(30))
    clock.now = MORNING
    show("run-1", "finished", "success")
    watcher.tick(Deadline(30))

    assert told("run-1") == ["succeeded"]


@pytest.mark.usefixtures("night")
def test_a_failure_that_breaks_through_is_told_at_once_and_so_is_its_recovery(
    show: Show,
    watcher: Watcher,
    clock: Clock,
    connections: ConnectionStore,
    told: Told,
    table: Table,
    deliver: Deliver,
) -> None:
    hours = replace(NIGHT, break_through=frozenset({"failed"}))
    connections.put(Connection("default", wishes=Watch(quiet_hours=hours)))
    show("run-1", "started")
    watcher.tick(Deadline(30))
    show("run-1", "finished", "failure")
    watcher.tick(Deadline(30))
    clock.advance(HOUR)
    show("run-2", "finished", "success")
    watcher.tick(Deadline(30))
    show("run-3", "finished", "success", taskID="task-2")
    watcher.tick(Deadline(30))

    assert (told("run-1"), told("run-2"), told("run-3")) == (["failed"], ["recovered"], [])
    before = len(deliver())

    clock.now = MORNING + SETTLED_AFTER
    watcher.tick(Deadline(30))
    [summary] = deliver()[before:]
    assert "✅ 1 succeeded\nNothing failed." in summary
    assert due(table, "summary") == []


@pytest.mark.usefixtures("night")
def test_the_recovery_from_a_failure_that_was_held_back_is_held_back_too(
    show: Show, watcher: Watcher, clock: Clock, told: Told, deliver: Deliver
) -> None:
    show("run-1", "finished", "failure")
    watcher.tick(Deadline(30))
    clock.advance(HOUR)
    show("run-2", "finished", "success")
    watcher.tick(Deadline(30))
    clock.now = MORNING + SETTLED_AFTER
    watcher.tick(Deadline(30))

    assert (told("run-1"), told("run-2")) == ([], [])
    [text] = deliver()
    assert "💚 1 recovered · ❌ 1 failed" in text
    assert re.search(r"failed, <!date[^|]*[|]recovered ", text)
    assert "\nRecovered\n" not in text


@pytest.mark.usefixtures("night")
def test_where_the_rest_was_told_at_once_there_is_no_message(
    show: Show,
    watcher: Watcher,
    clock: Clock,
    connections: ConnectionStore,
    table: Table,
    deliver: Deliver,
) -> None:
    hours = replace(NIGHT, break_through=frozenset({"failed"}))
    connections.put(Connection("default", wishes=Watch(quiet_hours=hours)))
    show("run-1", "started")
    watcher.tick(Deadline(30))
    show("run-1", "finished", "failure")
    watcher.tick(Deadline(30))
    before = deliver()
    assert due(table, "summary")

    clock.now = MORNING + SETTLED_AFTER
    watcher.tick(Deadline(30))

    assert deliver() == before
    assert due(table, "summary") == []


@pytest.mark.usefixtures("night")
def test_each_channel_is_told_of_its_own_and_each_night_too(
    show: Show,
    watcher: Watcher,
    clock: Clock,
    tasks: TaskStore,
    queue: Queue,
    store: RunStore,
) -> None:
    tasks.put_watch("default", "task-2", Watch(channel="#others"))
    told: list[tuple[str, int]] = []
    for night in range(2):
        clock.now = MIDNIGHT + night * DAY
        show(f"run-{night}", "finished", "success")
        show(f"other-{night}", "finished", "success", taskID="task-2")
        show(f"more-{night}", "finished", "success", taskID="task-2")
        watcher.tick(Deadline(30))
        clock.now = MORNING + night * DAY + SETTLED_AFTER
        watcher.tick(Deadline(30))
        for wake in queue.wakes():
            report = store.get("default", wake.run_id).report or {}
            told.append((wake.channel, int(report["counts"]["succeeded"])))
            store.postpone(store.get("default", wake.run_id), 2 * DAY)

    assert sorted(told) == [("#others", 2), ("#others", 2), (CHANNEL, 1), (CHANNEL, 1)]


@pytest.mark.usefixtures("night")
def test_who_watches_a_task_that_still_fails_is_mentioned_and_nobody_else(
    show: Show,
    watcher: Watcher,
    clock: Clock,
    tasks: TaskStore,
    reports: Callable[[], list[Mapping[str, Any]]],
) -> None:
    tasks.put_watch("default", "task-1", Watch(mentions=("S01",)))
    tasks.put_watch("default", "task-2", Watch(mentions=("S02",)))
    show("run-1", "finished", "failure")
    show("run-2", "finished", "failure", taskID="task-2")
    watcher.tick(Deadline(30))
    clock.now = MORNING
    show("run-3", "finished", "success", taskID="task-2")
    watcher.tick(Deadline(30))
    clock.advance(SETTLED_AFTER)
    watcher.tick(Deadline(30))

    [report] = reports()
    assert report["mentions"] == ["S01"]
    assert [(each["task_id"], each["streak"]) for each in report["failed"]] == [
        ("task-1", 1),
        ("task-2", 0),
    ]


@pytest.mark.usefixtures("night")
def test_a_run_that_stalls_is_named(
    show: Show,
    watcher: Watcher,
    clock: Clock,
    connections: ConnectionStore,
    reports: Callable[[], list[Mapping[str, Any]]],
) -> None:
    connections.put(Connection("default", wishes=Watch(stalled_after=20)))
    show("run-1", "started")
    watcher.tick(Deadline(30))
    clock.advance(20 * MINUTE)
    watcher.tick(Deadline(30))
    clock.now = MORNING + SETTLED_AFTER
    watcher.tick(Deadline(30))

    [report] = reports()
    assert report["counts"] == {"stalled": 1}
    assert [each["run_id"] for each in report["stalled"]] == ["run-1"]


@pytest.mark.usefixtures("night")
def test_a_look_that_was_under_way_at_their_end_is_in_the_summary(
    show: Show,
    watcher: Watcher,
    clock: Clock,
    rebuild: Rebuild,
    store: RunStore,
    table: Table,
    deliver: Deliver,
) -> None:
    class Slow(RunStore):
        """Saves a minute after it was decided what is held back."""

        def commit(self, *args: Any, **kwargs: Any) -> RunItem:
            clock.advance(MINUTE)
            watcher.tick(Deadline(30), [])
            return super().commit(*args, **kwargs)

    show("run-1", "finished", "failure")
    clock.now = MORNING - SECOND
    rebuild(store=Slow(table, now=clock)).check("run-1", Deadline(30))
    watcher.tick(Deadline(30))
    assert deliver() == []

    clock.advance(MINUTE)
    watcher.tick(Deadline(30))
    [text] = deliver()
    assert "❌ 1 failed" in text


@pytest.mark.usefixtures("night")
@pytest.mark.parametrize("which", range(3))
def test_a_run_that_changes_while_the_others_are_read_is_counted_once(
    show: Show,
    watcher: Watcher,
    clock: Clock,
    rebuild: Rebuild,
    dynamodb: Any,
    table_name: str,
    deliver: Deliver,
    monkeypatch: pytest.MonkeyPatch,
    which: int,
) -> None:
    monkeypatch.setattr(reporter, "PAGE", 1)
    for number in range(3):
        show(f"run-{number}", "started", taskID=f"task-{number}")
        watcher.tick(Deadline(30))
        clock.advance(MINUTE)

    class Moving(Table):
        """While the first page is read, a run gets on."""

        has_moved = False

        def query(self, index: str, *args: Any, **kwargs: Any) -> Any:
            found = super().query(index, *args, **kwargs)
            if index == "recent" and not self.has_moved:
                self.has_moved = True
                put = {"updated_at": timestamp(clock.now)}
                self.update(f"run#default#run-{which}", put=put)
            return found

    clock.now = MORNING + SETTLED_AFTER
    table = Moving(dynamodb, table_name)
    rebuild(table=table).tick(Deadline(30))
    [text] = deliver()
    assert table.has_moved
    assert "🔄 3 started" in text


@pytest.mark.usefixtures("night")
def test_of_too_many_runs_the_latest_are_counted_and_that_is_said(
    show: Show,
    watcher: Watcher,
    clock: Clock,
    deliver: Deliver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reporter, "MOST_OF_SUMMARY", 4)
    monkeypatch.setattr(reporter, "PAGE", 3)
    for number in range(5):
        show(f"run-{number}", "finished", "failure" if number == 4 else "success")
        watcher.tick(Deadline(30))
        clock.advance(MINUTE)
    clock.now = MORNING + SETTLED_AFTER
    watcher.tick(Deadline(30))

    [text] = deliver()
    assert "✅ 3 succeeded · ❌ 1 failed" in text
    assert "failed, still failing" in text
    assert "Only the latest 4 runs are counted" in text


@bot_only
@pytest.mark.usefixtures("night")
@pytest.mark.parametrize("own", [MOST_READ - 1, 0])
def test_where_not_all_runs_were_read_nobody_claims_that_none_has_failed(
    show: Show,
    watcher: Watcher,
    clock: Clock,
    tasks: TaskStore,
    deliver: Deliver,
    slack: SlackStandIn,
    monkeypatch: pytest.MonkeyPatch,
    own: int,
) -> None:
    slack.make_channel("#others")
    monkeypatch.setattr(reporter, "MOST_OF_SUMMARY", MOST_READ)
    monkeypatch.setattr(reporter, "PAGE", 3)
    tasks.put_watch("default", "task-2", Watch(channel="#others"))
    show("run-0", "finished", "failure")
    for number in range(1, MOST_READ + 1):
        watcher.tick(Deadline(30))
        clock.advance(MINUTE)
        of = "task-1" if number <= own else "task-2"
        show(f"run-{number}", "finished", "success", taskID=of)
    watcher.tick(Deadline(30))
    clock.now = MORNING + SETTLED_AFTER
    watcher.tick(Deadline(30))

    [text] = deliver()
    assert "Nothing failed." not in text
    assert "among the runs that are counted" in text
    assert f"Only the latest {MOST_READ} runs are counted" in text


@pytest.mark.usefixtures("night")
def test_the_recovery_from_a_failure_of_another_night_names_its_task(
    show: Show, watcher: Watcher, clock: Clock, told: Told, deliver: Deliver
) -> None:
    show("run-1", "finished", "failure")
    watcher.tick(Deadline(30))
    clock.now = MORNING + SETTLED_AFTER
    watcher.tick(Deadline(30))
    clock.now = MIDNIGHT + DAY
    show("run-2", "finished", "success")
    watcher.tick(Deadline(30))
    clock.now = MORNING + DAY + SETTLED_AFTER
    watcher.tick(Deadline(30))

    first, second = deliver()
    assert told("run-2") == []
    assert "failed, still failing" in first
    assert "💚 1 recovered\nNothing failed.\nRecovered\n• " in second
    assert re.search(r": <!date[^|]*[|]recovered 2026-03-04 00:00 UTC>", second)


# ---- Runs that do not come --------------------------------------------------------------------


@pytest.fixture
def hourly(night: None, algolia: AlgoliaStandIn, show: Show, clock: Clock) -> Callable[[], None]:
    """A task that is to run each hour: what Algolia says of it at this moment."""

    def say() -> None:
        next_run = clock.now.replace(minute=0) + HOUR
        algolia.put_task(
            {
                "taskID": "task-1",
                "sourceID": "s",
                "destinationID": "d",
                "cron": "0 * * * *",
                "lastRun": timestamp(next_run - HOUR),
                "nextRun": timestamp(next_run),
            }
        )

    say()
    show("run-1", "finished", "success")
    return say


@pytest.mark.usefixtures("night")
def test_runs_that_do_not_come_are_summed_up(
    hourly: Callable[[], None],
    watcher: Watcher,
    clock: Clock,
    store: RunStore,
    listings: Listings,
    deliver: Deliver,
) -> None:
    watcher.tick(Deadline(30))
    while clock.now < MORNING:
        clock.advance(10 * MINUTE)
        if clock.now < MIDNIGHT + 3 * HOUR:
            hourly()  # and from then on it names no other time
        watcher.tick(Deadline(30))
        assert [*store.pending("default")] == []
    clock.now = MORNING + SETTLED_AFTER
    watcher.tick(Deadline(30))

    [text] = deliver()
    assert "✅ 1 succeeded · ⏰ 3 did not come\nNothing failed.\nMissed\n" in text
    due = int((MIDNIGHT + HOUR).timestamp())
    assert f"3 runs did not come, <!date^{due}^the first due " in text
    assert [item.run_id for item in listings.recent("default", {}).items] == ["run-1"]
    for _ in range(9):
        clock.advance(HOUR)
        watcher.tick(Deadline(30))
    assert len(deliver()) == 1, "each was told"


@pytest.mark.usefixtures("night")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_next_to_the_saving_of_a_missing_run_does_no_harm(
    hourly: Callable[[], None],
    watcher: Watcher,
    rebuild: Rebuild,
    table: Table,
    clock: Clock,
    deliver: Deliver,
    dynamodb: Any,
    table_name: str,
    when: str,
) -> None:
    class Crashing(Table):
        def update(self, pk: str, **changes: Any) -> Any:
            is_missing = pk.startswith("run#default#missed-")
            if is_missing and when == "before":
                raise Crash
            saved = super().update(pk, **changes)
            if is_missing:
                raise Crash
            return saved

    watcher.tick(Deadline(30))
    clock.advance(HOUR + 10 * MINUTE)
    crashing = RunStore(Crashing(dynamodb, table_name), now=clock)
    with pytest.raises(Crash):
        rebuild(store=crashing).tick(Deadline(30))
    clock.advance(10 * MINUTE)
    watcher.tick(Deadline(30))
    clock.now = MORNING + SETTLED_AFTER
    watcher.tick(Deadline(30))

    [text] = deliver()
    assert "1 run did not come" in text


@pytest.mark.usefixtures("night")
def test_a_run_that_was_told_missing_before_them_is_no_news_in_them(
    hourly: Callable[[], None],
    watcher: Watcher,
    clock: Clock,
    queue: Queue,
    table: Table,
) -> None:
    watcher.tick(Deadline(30))
    clock.now = MORNING + 3 * HOUR
    hourly()
    watcher.tick(Deadline(30))
    clock.advance(HOUR + 10 * MINUTE)
    watcher.tick(Deadline(30))
    assert any(wake.run_id.startswith("missed-") for wake in queue.wakes())
    clock.now = MIDNIGHT + DAY
    for _ in range(3):
        watcher.tick(Deadline(30))
        clock.advance(HOUR)

    assert due(table, "summary") == []


# ---- Once, whatever happens -------------------------------------------------------------------


@pytest.fixture
def held(night: None, show: Show, watcher: Watcher, clock: Clock) -> None:
    """A failure was held back, and it is time to tell."""
    show("run-1", "finished", "failure")
    watcher.tick(Deadline(30))
    clock.now = MORNING + SETTLED_AFTER


@pytest.mark.usefixtures("held")
def test_ticks_at_once_tell_it_once(rebuild: Rebuild, deliver: Deliver, table: Table) -> None:
    watchers = [rebuild() for _ in range(6)]
    with ThreadPoolExecutor(len(watchers)) as pool:
        done = [*pool.map(lambda each: each.tick(Deadline(30)), watchers)]

    assert sum(report.changed for report in done) == 1
    assert not any(report.failed for report in done)
    assert len(deliver()) == 1
    assert due(table, "summary") == []


@pytest.mark.usefixtures("held")
def test_a_tick_that_another_overtakes_tells_nothing_twice(
    rebuild: Rebuild, watcher: Watcher, table: Table, clock: Clock, deliver: Deliver
) -> None:
    class Overtaken(RunStore):
        def create_report(self, *args: Any) -> RunItem | None:
            assert deeds(watcher.tick(Deadline(30))) == {"changed": 1}
            return super().create_report(*args)

    assert deeds(rebuild(store=Overtaken(table, now=clock)).tick(Deadline(30))) == {}
    assert len(deliver()) == 1


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_next_to_the_saving_of_a_report_does_no_harm(
    rebuild: Rebuild,
    watcher: Watcher,
    table: Table,
    clock: Clock,
    deliver: Deliver,
    when: str,
) -> None:
    class Crashing(RunStore):
        def create_report(self, *args: Any) -> RunItem | None:
            if when == "after":
                super().create_report(*args)
            raise Crash

    with pytest.raises(Crash):
        rebuild(store=Crashing(table, now=clock)).tick(Deadline(30))
    assert deliver() == []
    for _ in range(3):
        clock.advance(10 * MINUTE)
        watcher.tick(Deadline(30))

    assert len(deliver()) == 1
    assert due(table, "summary") == []


@pytest.mark.usefixtures("held")
def test_a_tick_without_time_leaves_it_to_the_next(
    watcher: Watcher, deliver: Deliver, table: Table
) -> None:
    assert watcher.tick(Deadline(0)).changed == 0
    assert (deliver(), len(due(table, "summary"))) == ([], 1)
    watcher.tick(Deadline(30))
    assert len(deliver()) == 1


@bot_only
@pytest.mark.usefixtures("held")
def test_once_they_are_summed_up_a_tick_costs_what_it_did(
    watcher: Watcher, deliver: Deliver, clock: Clock, requests_made: list[str]
) -> None:
    watcher.tick(Deadline(30))
    deliver()
    watcher.tick(Deadline(30))
    requests_made.clear()
    clock.advance(MINUTE)
    watcher.tick(Deadline(30))

    assert sorted(requests_made) == ["GetItem", "Query", "Query"]


# ---- The digest -------------------------------------------------------------------------------


@pytest.fixture
def days(night: None, show: Show, watcher: Watcher, clock: Clock, deliver: Deliver) -> int:
    """Two days of runs have gone by, all of which was told; answers with how many messages."""
    clock.now = MORNING + 3 * HOUR
    for day, outcomes in enumerate((["success"] * 2, ["success", "success", "failure"])):
        clock.now += DAY
        for number, outcome in enumerate(outcomes):
            show(f"run-{day}-{number}", "finished", outcome)
            watcher.tick(Deadline(30))
            clock.advance(MINUTE)
    clock.advance(HOUR)
    return len(deliver())


def test_a_day_is_told_against_the_day_before(
    digest: Digest, days: int, deliver: Deliver, clock: Clock
) -> None:
    assert digest() == 1
    [text] = deliver()[days:]
    assert "3 runs ended, 2 the day before" in text
    assert "2 succeeded as many" in text
    assert "1 failed ▲ 1 more" in text
    assert "Failing now" in text


def test_a_digest_that_is_asked_for_twice_is_told_once(
    digest: Digest, days: int, deliver: Deliver, clock: Clock, watcher: Watcher, show: Show
) -> None:
    clock.now = clock.now.replace(minute=1)
    assert [digest(), digest()] == [1, 0]
    clock.advance(58 * MINUTE)
    assert digest() == 0
    clock.advance(2 * MINUTE)
    assert digest() == 1, "another hour"
    watcher.tick(Deadline(30))
    assert len(deliver()[days:]) == 2


def test_a_doubled_event_of_a_schedule_is_known_by_its_time(
    digest: Digest, days: int, deliver: Deliver, clock: Clock
) -> None:
    at = clock.now.replace(minute=59, second=0)
    clock.now = at + 59 * SECOND
    assert digest(at) == 1
    clock.advance(2 * SECOND)
    assert digest(at) == 0
    assert len(deliver()[days:]) == 1


def test_events_at_once_tell_it_once(digest: Digest, days: int, deliver: Deliver) -> None:
    with ThreadPoolExecutor(6) as pool:
        made = [*pool.map(lambda _: digest(), range(6))]
    assert sum(made) == 1
    assert len(deliver()[days:]) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_digest_that_its_event_could_not_make_is_made_by_a_tick(
    digest: Digest,
    days: int,
    table: Table,
    watcher: Watcher,
    clock: Clock,
    deliver: Deliver,
    when: str,
) -> None:
    class Failing(RunStore):
        def create_report(self, *args: Any) -> RunItem | None:
            if when == "after":
                super().create_report(*args)
            raise StoreUnavailableError("DynamoDB does not answer")

    with pytest.raises(StoreUnavailableError):
        digest(store=Failing(table, now=clock))
    clock.advance(LEFT_TO_THE_EVENT)
    for _ in range(3):
        watcher.tick(Deadline(30))
        clock.advance(10 * MINUTE)

    [text] = deliver()[days:]
    assert "3 runs ended" in text
    assert due(table, "digest") == []


def test_a_digest_goes_where_the_connection_announces_and_mentions_nobody(
    digest: Digest, days: int, queue: Queue, connections: ConnectionStore, table: Table
) -> None:
    wishes = Watch(channel="#search", mentions=("S01",))
    connections.put(Connection("default", wishes=wishes))
    digest()
    [wake] = queue.wakes()
    assert wake.channel == "#search"
    assert "S01" not in str(table.get(f"run#default#{wake.run_id}"))


def test_a_muted_connection_has_no_digest(
    digest: Digest,
    days: int,
    queue: Queue,
    connections: ConnectionStore,
    table: Table,
    clock: Clock,
) -> None:
    until = timestamp(clock.now + HOUR)
    connections.put(Connection("default", wishes=Watch(muted_until=until)))
    assert digest() == 0
    assert (queue.wakes(), due(table, "digest")) == ([], [])


def test_a_day_without_runs_is_told_so(digest: Digest, deliver: Deliver) -> None:
    assert digest() == 1
    [text] = deliver()
    assert "No run ended: a quiet day" in text
    assert "No task is failing." in text


def test_of_too_many_runs_a_digest_counts_the_latest(
    digest: Digest, days: int, deliver: Deliver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporter, "MOST_OF_DIGEST", 2)
    monkeypatch.setattr(reporter, "PAGE", 1)
    digest()
    [text] = deliver()[days:]
    assert "2 runs ended\n" in text
    assert "Only the latest 2 runs are counted" in text


def test_a_task_that_has_not_run_for_days_and_fails_is_in_the_digest(
    digest: Digest, days: int, deliver: Deliver, clock: Clock
) -> None:
    clock.advance(4 * DAY)
    digest()
    [text] = deliver()[days:]
    assert "No run ended: a quiet day, none the day before" in text
    assert "Failing now" in text
