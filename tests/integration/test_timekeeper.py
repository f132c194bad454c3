"""What time alone makes news: runs that stand still or take long, and runs that do not come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.algolia import AlgoliaStandIn
from local.faults import Fault
from local.slack import SlackStandIn
from runbell.connections import Connection, ConnectionStore
from runbell.deadline import Deadline
from runbell.notifier import Notifier
from runbell.rules import LEAST_OVERTIME, OVERTIME, Routing, Watch
from runbell.run import timestamp
from runbell.store import RunStore
from runbell.task_store import TaskStore
from runbell.timekeeper import AFTER_A_FAILURE, NEXT_LOOK
from runbell.timetable import LEAST_TOLERANCE
from runbell.watcher import Watcher
from tests.integration.conftest import CHANNEL, Clock, Queue, Show, Told, bot_only, deeds

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
PATIENCE = timedelta(minutes=20)


@pytest.fixture
def discover() -> str:
    return "all"


@pytest.fixture
def routing(routing: Routing) -> Routing:
    return replace(routing, stalled_after=PATIENCE)


Pass = Callable[[timedelta], None]


@pytest.fixture
def let_pass(watcher: Watcher, clock: Clock) -> Pass:
    """Lets time go by, with a tick each minute and one at its end."""

    def go(time: timedelta) -> None:
        ends = clock.now + time
        while clock.now < ends:
            clock.advance(min(MINUTE, ends - clock.now))
            assert watcher.tick(Deadline(30)).failed == 0

    return go


# ---- Standing still ---------------------------------------------------------------------------


def progress(received: int) -> dict[str, Any]:
    return {"progress": {"expectedNbOfEvents": 10, "receivedNbOfEvents": received}}


def test_a_quiet_run_is_told_once_and_once_more_when_it_moves_or_ends(
    show: Show, watcher: Watcher, let_pass: Pass, told: Told, store: RunStore
) -> None:
    watcher.tick(Deadline(30))
    show("run-1", "started", **progress(1))
    watcher.tick(Deadline(30))
    let_pass(PATIENCE - SECOND)
    assert told("run-1") == ["started"]
    let_pass(SECOND)
    assert told("run-1") == ["started", "stalled"]
    assert store.get("default", "run-1").history[-1].standstill == "quiet"
    let_pass(2 * PATIENCE)
    assert told("run-1") == ["started", "stalled"]

    show("run-1", "started", **progress(2))
    let_pass(MINUTE)
    assert told("run-1") == ["started", "stalled", "resumed"]
    let_pass(PATIENCE)
    assert told("run-1")[3:] == ["stalled"]
    show("run-1", "finished", "success")
    let_pass(MINUTE)
    assert told("run-1")[4:] == ["succeeded"]


def test_a_run_that_moves_now_and_then_does_not_stand_still(
    show: Show, watcher: Watcher, let_pass: Pass, told: Told
) -> None:
    watcher.tick(Deadline(30))
    for received in range(5):
        show("run-1", "started", **progress(received))
        let_pass(PATIENCE - MINUTE)

    assert told("run-1") == ["started"]


def test_a_run_that_waits_to_start_does_not_stand_still(
    show: Show, watcher: Watcher, let_pass: Pass, told: Told
) -> None:
    watcher.tick(Deadline(30))
    show("run-1", "created")
    let_pass(3 * PATIENCE)

    assert told("run-1") == ["created"]


def live_typically(
    show: Show, watcher: Watcher, clock: Clock, takes: timedelta, runs: int = 3
) -> None:
    """Let runs of the task succeed, each after the same time."""
    watcher.tick(Deadline(30))
    for number in range(runs):
        began = timestamp(clock.now)
        clock.advance(takes)
        show(f"typical-{number}", "finished", "success", createdAt=began, startedAt=began)
        watcher.tick(Deadline(30))


def test_a_run_that_takes_a_multiple_of_the_usual_time_is_told_once(
    show: Show,
    watcher: Watcher,
    tasks: TaskStore,
    let_pass: Pass,
    told: Told,
    store: RunStore,
    clock: Clock,
) -> None:
    takes = timedelta(minutes=4)
    live_typically(show, watcher, clock, takes)
    assert tasks.get("default", "task-1").story.typical == takes
    began = {"startedAt": timestamp(clock.now)}

    def moves(minutes: float) -> None:
        for _ in range(int(minutes)):
            moves.count += 1  # type: ignore[attr-defined]
            show("run-1", "started", **began, **progress(moves.count))  # type: ignore[attr-defined]
            let_pass(MINUTE)

    moves.count = 0  # type: ignore[attr-defined]
    moves(OVERTIME * 4 - 1)
    assert told("run-1") == ["started"]
    let_pass(MINUTE)
    assert told("run-1") == ["started", "stalled"]
    entry = store.get("default", "run-1").history[-1]
    assert (entry.standstill, entry.typical) == ("overtime", takes.total_seconds())
    moves(10)
    assert told("run-1") == ["started", "stalled"], "it moves all the time"

    show("run-1", "finished", "success", **began)
    let_pass(MINUTE)
    assert told("run-1") == ["started", "stalled", "succeeded"]


def test_three_times_a_few_seconds_is_no_standstill(
    show: Show, watcher: Watcher, let_pass: Pass, told: Told, clock: Clock
) -> None:
    live_typically(show, watcher, clock, 2 * SECOND)
    show("run-1", "started")
    watcher.tick(Deadline(30))
    let_pass(LEAST_OVERTIME - SECOND)
    assert told("run-1") == ["started"]
    let_pass(SECOND)
    assert told("run-1") == ["started", "stalled"]


def test_two_runs_do_not_make_a_usual_time(
    show: Show, watcher: Watcher, let_pass: Pass, told: Told, clock: Clock
) -> None:
    live_typically(show, watcher, clock, 2 * SECOND, runs=2)
    show("run-1", "started")
    watcher.tick(Deadline(30))
    let_pass(PATIENCE - MINUTE)

    assert told("run-1") == ["started"]


@pytest.mark.parametrize(("state", "kind"), [("success", "succeeded"), ("failure", "failed")])
def test_who_heard_that_a_run_stalls_hears_of_its_end(
    show: Show,
    watcher: Watcher,
    connections: ConnectionStore,
    let_pass: Pass,
    told: Told,
    state: str,
    kind: str,
) -> None:
    connections.put(Connection("default", wishes=Watch(notify_on=frozenset({"stalled"}))))
    watcher.tick(Deadline(30))
    show("run-1", "started")
    let_pass(PATIENCE + MINUTE)
    show("run-1", "finished", state)
    show("run-2", "finished", state, taskID="task-2")
    let_pass(MINUTE)

    assert (told("run-1"), told("run-2")) == (["stalled", kind], [])


def test_a_run_that_nobody_wants_to_hear_of_when_it_stalls_is_left_in_peace(
    show: Show,
    watcher: Watcher,
    connections: ConnectionStore,
    let_pass: Pass,
    told: Told,
) -> None:
    connections.put(Connection("default", wishes=Watch(stalled_after=0)))
    watcher.tick(Deadline(30))
    show("run-1", "started")
    let_pass(2 * PATIENCE)

    assert told("run-1") == ["started"]


# ---- Runs that do not come --------------------------------------------------------------------


@pytest.fixture
def expect(algolia: AlgoliaStandIn, clock: Clock) -> Callable[..., None]:
    """Lets Algolia say when the task's last run was and when its next one will be."""

    def say(after: timedelta, **more: Any) -> None:
        algolia.put_task(
            {
                "taskID": "task-1",
                "sourceID": "s",
                "destinationID": "d",
                "cron": "0 * * * *",
                "lastRun": timestamp(clock.now + after - HOUR),
                "nextRun": timestamp(clock.now + after),
                **more,
            }
        )

    return say


Expect = Callable[..., None]
OVERDUE = HOUR / 10
"""How late a run of every hour may be."""


@pytest.fixture
def missing(listings: Any, store: RunStore, table: Any, queue: Queue) -> Callable[[], list[str]]:
    """When the runs were expected of which was told that they are missing."""
    found: dict[str, str] = {}

    def read() -> list[str]:
        for wake in queue.wakes():
            missed = store.get("default", wake.run_id).missed
            if missed:
                found[wake.run_id] = missed.expected_at
        return sorted(found.values())

    return read


Missing = Callable[[], list[str]]


@pytest.fixture
def learned(show: Show, watcher: Watcher, expect: Expect) -> None:
    """Runbell has read the timetable of the task, whose next run is due in an hour."""
    expect(HOUR)
    watcher.tick(Deadline(30))
    show("run-1", "finished", "success")
    watcher.tick(Deadline(30))


@pytest.mark.usefixtures("learned")
def test_a_run_that_does_not_come_is_told_once(
    watcher: Watcher,
    expect: Expect,
    missing: Missing,
    store: RunStore,
    queue: Queue,
    clock: Clock,
) -> None:
    due = timestamp(clock.now + HOUR)
    clock.advance(HOUR + OVERDUE - SECOND)
    watcher.tick(Deadline(30))
    assert missing() == []
    clock.advance(SECOND)
    report = watcher.tick(Deadline(30))

    assert (report.changed, missing()) == (1, [due])
    for _ in range(30):
        clock.advance(timedelta(minutes=10))
        watcher.tick(Deadline(30))
    assert missing() == [due], "Algolia has named no other time since"


@pytest.mark.usefixtures("learned")
def test_each_run_that_does_not_come_is_told(
    watcher: Watcher, expect: Expect, missing: Missing, clock: Clock
) -> None:
    first = clock.now + HOUR
    clock.advance(HOUR + OVERDUE)
    expect(HOUR - OVERDUE)
    watcher.tick(Deadline(30))
    clock.advance(HOUR)
    watcher.tick(Deadline(30))

    assert missing() == [timestamp(first), timestamp(first + HOUR)]


@pytest.mark.usefixtures("learned")
def test_a_missing_run_says_whose_it_is(
    watcher: Watcher, queue: Queue, store: RunStore, clock: Clock
) -> None:
    queue.drain()
    clock.advance(HOUR + OVERDUE)
    watcher.tick(Deadline(30))

    (wake,) = {wake for wake in queue.wakes() if wake.run_id != "run-1"}
    item = store.get("default", wake.run_id)
    assert item.missed is not None
    assert item.missed.task_id == "task-1"
    assert [(entry.kind, entry.announced) for entry in item.history] == [("missed", True)]
    assert item.names is not None
    assert item.pending_since is not None


@bot_only
@pytest.mark.usefixtures("learned")
@pytest.mark.parametrize("channel", [CHANNEL, "#others"])
def test_a_missing_run_of_a_failing_task_is_told_in_the_thread_of_its_failures(
    watcher: Watcher,
    show: Show,
    tasks: TaskStore,
    queue: Queue,
    notifier: Notifier,
    slack: SlackStandIn,
    clock: Clock,
    channel: str,
) -> None:
    slack.make_channel("#others")
    show("run-2", "finished", "failure")
    watcher.tick(Deadline(30))
    tasks.put_watch("default", "task-1", Watch(channel=channel))
    clock.advance(HOUR + OVERDUE)
    watcher.tick(Deadline(30))
    for wake in queue.wakes():
        notifier.deliver(wake)

    [failed] = [each for each in slack.messages(CHANNEL) if "run-2" in each.text]
    [missed] = [each for each in slack.messages(channel) if "is missing" in each.text]
    if channel == CHANNEL:
        assert (missed.thread_ts, missed.broadcast) == (failed.ts, True)
    else:
        assert missed.thread_ts is None


@pytest.mark.usefixtures("learned")
@pytest.mark.parametrize(
    "change",
    [
        {"enabled": False},
        {"cron": "0 0 * * *", "nextRun": "2026-03-03T00:00:00.000Z"},
        {"nextRun": None},
    ],
    ids=["switched off", "rescheduled", "by hand"],
)
def test_a_task_that_was_changed_meanwhile_misses_no_run(
    watcher: Watcher, expect: Expect, missing: Missing, clock: Clock, change: dict[str, Any]
) -> None:
    expect(HOUR, **change)
    for _ in range(5):
        clock.advance(HOUR)
        assert watcher.tick(Deadline(30)).failed == 0

    assert missing() == []


@pytest.mark.usefixtures("learned")
def test_a_task_that_was_deleted_misses_no_run(
    watcher: Watcher, algolia: AlgoliaStandIn, missing: Missing, clock: Clock
) -> None:
    algolia.faults.add(Fault("status", status=404), path="/2/tasks/", times=100)
    for _ in range(3):
        clock.advance(HOUR + OVERDUE)
        assert deeds(watcher.tick(Deadline(30))).get("failed", 0) == 0

    assert missing() == []


@pytest.mark.usefixtures("learned")
@pytest.mark.parametrize("state", [("started",), ("finished", "failure"), ("skipped",)])
def test_a_run_that_came_late_but_in_time_is_not_missing(
    watcher: Watcher,
    show: Show,
    expect: Expect,
    missing: Missing,
    clock: Clock,
    state: tuple[str, ...],
) -> None:
    clock.advance(HOUR + OVERDUE - MINUTE)
    show("run-2", *state)
    watcher.tick(Deadline(30))
    clock.advance(MINUTE)
    expect(HOUR - OVERDUE)
    watcher.tick(Deadline(30))

    assert missing() == []


@pytest.mark.usefixtures("learned")
def test_a_run_that_no_tick_has_seen_is_looked_for_before_it_is_called_missing(
    watcher: Watcher, show: Show, algolia: AlgoliaStandIn, missing: Missing, clock: Clock
) -> None:
    clock.advance(HOUR)
    show("run-2", "started")
    clock.advance(OVERDUE)
    algolia.faults.add(Fault("status", status=400), path="sort=updatedAt")
    assert watcher.tick(Deadline(30)).failed == 1

    assert any("taskID" in each.query for each in algolia.requests)
    assert missing() == []


@pytest.mark.usefixtures("learned")
def test_a_look_that_fails_is_made_again_soon(
    watcher: Watcher, algolia: AlgoliaStandIn, missing: Missing, clock: Clock
) -> None:
    due = timestamp(clock.now + HOUR)
    clock.advance(HOUR + OVERDUE)
    algolia.faults.add(Fault("status", status=500), path="/2/tasks/", times=2)
    assert watcher.tick(Deadline(30)).failed == 1
    assert missing() == []

    clock.advance(AFTER_A_FAILURE)
    watcher.tick(Deadline(30))
    assert missing() == [due]


@pytest.mark.parametrize(
    ("wishes", "told_of"),
    [
        (Watch(notify_on=frozenset({"failed", "succeeded"})), 0),
        (Watch(notify_on=frozenset({"stalled", "succeeded"})), 1),
    ],
)
def test_only_who_wants_to_hear_of_standstills_hears_of_missing_runs(
    watcher: Watcher,
    show: Show,
    expect: Expect,
    connections: ConnectionStore,
    missing: Missing,
    clock: Clock,
    wishes: Watch,
    told_of: int,
) -> None:
    connections.put(Connection("default", wishes=wishes))
    expect(HOUR)
    watcher.tick(Deadline(30))
    show("run-1", "finished", "success")
    for _ in range(5):
        watcher.tick(Deadline(30))
        clock.advance(HOUR)

    assert len(missing()) == told_of


def test_a_watched_task_misses_runs_where_others_do_not(
    watcher: Watcher,
    expect: Expect,
    connections: ConnectionStore,
    tasks: TaskStore,
    missing: Missing,
    clock: Clock,
) -> None:
    connections.put(Connection("default", discover="watched"))
    tasks.put_watch("default", "task-1", Watch(channel="#mine"))
    expect(HOUR)
    due = timestamp(clock.now + HOUR)
    watcher.tick(Deadline(30))

    clock.advance(HOUR + OVERDUE)
    watcher.tick(Deadline(30))
    assert missing() == [due]

    tasks.delete_watch("default", "task-1")
    expect(HOUR)
    for _ in range(4):
        clock.advance(NEXT_LOOK + LEAST_TOLERANCE)
        watcher.tick(Deadline(30))
    assert missing() == [due]
