"""Poll comes back to what runs before its schedule does: by one chain of looks, and in bounds."""

from __future__ import annotations

import logging
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from local.algolia import AlgoliaStandIn
from local.faults import Fault
from runbell.ahead import Ahead
from runbell.comeback import ComebackQueue
from runbell.connections import Connection, ConnectionStore
from runbell.deadline import Deadline
from runbell.errors import AlgoliaRateLimitError, NotKnownError
from runbell.foresight import CLOSE, EARNED, SAVED, Budget
from runbell.metering import meter
from runbell.rules import Watch
from runbell.run import instant, timestamp
from runbell.store import RunStore
from runbell.task_store import TaskStore
from runbell.tick import parse_tick
from runbell.watcher import Report, Watcher
from tests.integration.conftest import Clock, Queue, Rebuild, Show, deeds

NOTHING = Report(table_calls=1)
"""Of a word that counts no more."""


class Words(ComebackQueue):
    """A real queue whose words come when a test's clock says so: it keeps for how long each is held
    back, and hands them out at once."""

    def __init__(self, client: Any, url: str) -> None:
        super().__init__(client, url)
        self._sqs, self._url = client, url
        self.held_back: list[timedelta] = []

    def send(self, comeback: Any, after: timedelta) -> None:
        self.held_back.append(after)
        super().send(comeback, timedelta())

    def take(self) -> list[str]:
        """The moments of the words that are there; a batch of each is read as poll reads it."""
        found = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
        moments = []
        for message in found.get("Messages", []):
            request = parse_tick({"Records": [{"body": message["Body"]}]})
            assert request.connection == "default"
            assert request.comeback is not None
            moments.append(request.comeback)
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return moments


@pytest.fixture
def words(sqs: Any) -> Words:
    made = sqs.create_queue(QueueName=f"runbell-{uuid.uuid4().hex}")
    return Words(sqs, made["QueueUrl"])


@pytest.fixture
def discover() -> str:
    return "all"


@pytest.fixture
def ahead(words: Words, store: RunStore, tasks: TaskStore, clock: Clock) -> Ahead:
    return Ahead("default", store, tasks, words, "rate(1 minute)", now=clock)


@pytest.fixture
def watcher(rebuild: Rebuild, ahead: Ahead) -> Watcher:
    return rebuild(ahead=ahead)


@pytest.fixture
def begun(watcher: Watcher, show: Show, clock: Clock) -> str:
    """A run that has begun, and that a tick has seen; answers with the word of it."""
    show("run-1", "started")
    clock.advance(CLOSE)
    watcher.tick(Deadline(30))
    return "run-1"


def spend(connections: ConnectionStore, budget: Budget) -> None:
    assert budget.whole_at is not None
    planned = replace(connections.get("default").scan, comeback="soon")
    connections.save_scan("default", planned)
    assert connections.take_comeback("default", "soon", timestamp(budget.whole_at))


def the_word(words: Words) -> str:
    [word] = words.take()
    return word


def test_a_tick_has_poll_come_back_to_a_run_that_goes_on(
    watcher: Watcher, words: Words, show: Show, clock: Clock
) -> None:
    show("run-1", "started")
    watcher.tick(Deadline(30))
    assert the_word(words) == timestamp(clock.now + CLOSE)
    assert words.held_back == [CLOSE]


def test_a_look_ahead_finds_the_end_and_is_the_last_one(
    watcher: Watcher, words: Words, show: Show, clock: Clock, begun: str, queue: Queue
) -> None:
    clock.advance(CLOSE)
    quiet = watcher.come_back(the_word(words), Deadline(30))
    assert (deeds(quiet), quiet.requests) == ({}, 1)
    queue.drain()

    show(begun, "finished", "failure")
    clock.advance(CLOSE)
    report = watcher.come_back(the_word(words), Deadline(30))

    assert deeds(report) == {"checked": 1, "changed": 1, "enqueued": 1}
    assert [wake.run_id for wake in queue.wakes()] == [begun]
    assert words.take() == []


def test_a_quiet_look_ahead_is_one_request_and_asks_the_table_for_little(
    watcher: Watcher, words: Words, clock: Clock, begun: str, requests_made: list[str]
) -> None:
    clock.advance(CLOSE)
    word = the_word(words)
    requests_made.clear()

    report = watcher.come_back(word, Deadline(30))

    assert (report.requests, report.table_calls) == (1, 3)
    assert requests_made == ["GetItem", "UpdateItem", "UpdateItem", "SendMessage"]


def test_a_look_ahead_counts_its_requests_and_is_no_tick(
    watcher: Watcher, words: Words, clock: Clock, begun: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An alarm goes off when there is no tick: then nothing is swept, whatever is looked at."""
    clock.advance(CLOSE)
    word = the_word(words)
    meter.flush()
    capsys.readouterr()

    watcher.come_back(word, Deadline(30))
    meter.flush()

    written = capsys.readouterr().out
    assert '"Requests"' in written
    assert '"Ticks"' not in written
    assert '"PendingAge"' not in written


def test_without_a_run_that_goes_on_a_tick_asks_for_nothing_more(
    watcher: Watcher, show: Show, clock: Clock, requests_made: list[str]
) -> None:
    show("run-1", "started")
    watcher.tick(Deadline(30))
    show("run-1", "finished", "success")
    watcher.tick(Deadline(30))
    clock.advance(timedelta(minutes=30))  # the sweep of what nobody has delivered here
    watcher.tick(Deadline(30))
    requests_made.clear()

    report = watcher.tick(Deadline(30))

    assert (report.requests, report.table_calls) == (1, 3)
    assert sorted(requests_made) == ["GetItem", "Query", "Query"]


@pytest.mark.parametrize("is_late", [False, True], ids=["at once", "after the look"])
def test_a_word_that_comes_twice_counts_once(
    watcher: Watcher,
    words: Words,
    clock: Clock,
    algolia: AlgoliaStandIn,
    begun: str,
    *,
    is_late: bool,
) -> None:
    clock.advance(CLOSE)
    word = the_word(words)
    watcher.come_back(word, Deadline(30))
    following, asked = words.take(), len(algolia.requests)
    assert len(following) == 1
    if is_late:
        clock.advance(CLOSE)
        watcher.come_back(following[0], Deadline(30))
        following, asked = words.take(), len(algolia.requests)

    assert watcher.come_back(word, Deadline(30)) == NOTHING

    assert len(algolia.requests) == asked
    assert words.take() == []


def test_a_tick_of_the_schedule_takes_the_chain_over(
    watcher: Watcher, words: Words, clock: Clock, algolia: AlgoliaStandIn, begun: str
) -> None:
    superseded = the_word(words)
    clock.advance(CLOSE / 2)
    watcher.tick(Deadline(30))
    word = the_word(words)
    asked = len(algolia.requests)

    assert watcher.come_back(superseded, Deadline(30)) == NOTHING
    assert len(algolia.requests) == asked
    assert watcher.come_back(word, Deadline(30)).requests == 1


def test_a_word_that_was_lost_is_made_up_for_by_the_next_tick(
    watcher: Watcher, words: Words, clock: Clock, begun: str
) -> None:
    words.take()
    clock.advance(timedelta(minutes=1))
    watcher.tick(Deadline(30))
    assert watcher.come_back(the_word(words), Deadline(30)).requests == 1


def test_of_ticks_at_once_one_chain_comes(
    rebuild: Rebuild, ahead: Ahead, words: Words, show: Show, clock: Clock
) -> None:
    class Ticking:
        """The time of day, which goes on a little each time that somebody asks for it."""

        def __call__(self) -> Any:
            clock.advance(timedelta(milliseconds=7))
            return clock.now

    ahead._now = Ticking()
    show("run-1", "started")
    watchers = [rebuild(ahead=ahead) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda watcher: watcher.tick(Deadline(30)), watchers))
    sent = words.take()
    assert len(sent) == 4

    clock.advance(CLOSE)
    looked = [
        report for word in sent if (report := watchers[0].come_back(word, Deadline(30))).requests
    ]

    assert len(looked) == 1
    assert len(words.take()) == 1


def test_while_algolia_asks_for_less_nothing_more_is_asked_before_the_next_tick(
    watcher: Watcher,
    words: Words,
    clock: Clock,
    algolia: AlgoliaStandIn,
    begun: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    algolia.faults.add(Fault("status", status=429, retry_after="1"), path="/1/runs", times=2)
    clock.advance(CLOSE)
    word, asked = the_word(words), len(algolia.requests)

    with pytest.raises(AlgoliaRateLimitError):
        watcher.come_back(word, Deadline(30))

    assert len(algolia.requests) == asked + 1, "it is not tried again"
    assert words.take() == []
    assert watcher.come_back(word, Deadline(30)) == NOTHING
    watcher.tick(Deadline(30))  # which meets the second refusal, and goes on after a pause
    assert len(words.take()) == 1


def test_a_tick_that_can_not_read_the_list_begins_no_chain(
    watcher: Watcher, words: Words, clock: Clock, algolia: AlgoliaStandIn, begun: str
) -> None:
    words.take()
    algolia.faults.add(Fault("status", status=503), path="/1/runs", times=4)
    clock.advance(timedelta(minutes=1))
    assert watcher.tick(Deadline(30)).failed == 1
    assert words.take() == []


def test_a_run_that_can_not_be_looked_at_keeps_no_other_from_it(
    watcher: Watcher, words: Words, show: Show, clock: Clock, algolia: AlgoliaStandIn, begun: str
) -> None:
    algolia.put_run(
        {"runID": "strange", "taskID": 7, "status": "started", "createdAt": timestamp(clock.now)}
    )
    clock.advance(CLOSE)
    report = watcher.come_back(the_word(words), Deadline(30))
    assert deeds(report) == {"failed": 1}
    assert len(words.take()) == 1


def test_a_watched_run_that_algolia_does_not_know_keeps_no_other_from_it(
    watcher: Watcher, words: Words, store: RunStore, clock: Clock, begun: str
) -> None:
    """It is looked at by every tick for an hour, and fails each time."""
    words.take()
    store.put_watch("default", "nobody-knows", Watch())
    clock.advance(CLOSE)
    assert watcher.tick(Deadline(30)).failed == 1
    assert len(words.take()) == 1


def test_a_word_that_comes_twice_at_once_is_one_look(
    watcher: Watcher,
    words: Words,
    clock: Clock,
    connections: ConnectionStore,
    begun: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other one has taken it between this one's reading of the item and its own try."""
    clock.advance(CLOSE)
    word, get = the_word(words), ConnectionStore.get

    def get_and_lose(store: ConnectionStore, name: str) -> Connection:
        found = get(store, name)
        assert connections.take_comeback(name, word, timestamp(clock.now + EARNED))
        return found

    monkeypatch.setattr(ConnectionStore, "get", get_and_lose)
    assert watcher.come_back(word, Deadline(30)) == replace(NOTHING, table_calls=3)
    assert words.take() == []


def test_a_table_or_a_queue_that_fails_ends_the_chain_and_no_tick(
    rebuild: Rebuild,
    ahead: Ahead,
    words: Words,
    show: Show,
    store: RunStore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    words._queue_url += "-gone"
    show("run-1", "started")
    with caplog.at_level(logging.WARNING):
        report = rebuild(ahead=ahead).tick(Deadline(30))
    assert report.changed == 1
    assert "the next look is left to the schedule" in caplog.text


def test_runs_that_nobody_cares_for_are_no_reason_to_come_back(
    rebuild: Rebuild,
    ahead: Ahead,
    words: Words,
    show: Show,
    clock: Clock,
    tasks: TaskStore,
    store: RunStore,
    connections: ConnectionStore,
) -> None:
    connections.put(Connection("default", discover="watched"))
    watcher = rebuild(ahead=ahead)
    show("run-1", "started")
    watcher.tick(Deadline(30))
    assert words.take() == []

    tasks.put_watch("default", "task-2", Watch())
    show("of-a-watched-task", "started", taskID="task-2")
    watcher.tick(Deadline(30))
    assert len(words.take()) == 1

    show("of-a-watched-task", "finished", "success", taskID="task-2")
    store.put_watch("default", "run-3", Watch())
    show("run-3", "started")
    watcher.tick(Deadline(30))
    assert len(words.take()) == 1


def test_the_chain_waits_until_the_runs_of_the_task_usually_end(
    watcher: Watcher, words: Words, show: Show, clock: Clock, begun: str
) -> None:
    """A tick every minute meanwhile, and then looks that follow each other closely."""
    for number in range(5):
        run_id = f"known-{number}"
        show(run_id, "started")
        began = clock.now
        clock.advance(timedelta(minutes=10))
        show(run_id, "finished", "success", startedAt=timestamp(began))
        watcher.tick(Deadline(30))
    show(begun, "finished", "skipped")
    watcher.tick(Deadline(30))
    words.take()
    show("run-2", "started")
    ticks = {}
    for minute in range(12):
        watcher.tick(Deadline(30))
        ticks[minute] = [instant(word) for word in words.take()]
        clock.advance(timedelta(minutes=1))

    began = clock.now - timedelta(minutes=12)
    assert [minute for minute, sent in ticks.items() if sent] == [9, 10, 11]
    assert ticks[9] == [began + timedelta(minutes=9) + CLOSE]


def test_a_look_that_is_made_counts_and_one_that_is_planned_anew_does_not(
    watcher: Watcher,
    words: Words,
    clock: Clock,
    connections: ConnectionStore,
    begun: str,
) -> None:
    def owed() -> timedelta:
        whole_at = instant(connections.get("default").scan.budget_whole_at)
        return whole_at - clock.now if whole_at else timedelta()

    for _ in range(3):
        watcher.tick(Deadline(30))
    assert owed() == timedelta()
    *_, word = words.take()
    watcher.come_back(word, Deadline(30))
    assert owed() == EARNED


def test_a_connection_that_has_spent_its_budget_keeps_to_its_schedule(
    watcher: Watcher,
    words: Words,
    clock: Clock,
    show: Show,
    connections: ConnectionStore,
    begun: str,
) -> None:
    words.take()
    budget = Budget()
    for _ in range(SAVED):
        budget = budget.spent(clock.now)
    spend(connections, budget)

    watcher.tick(Deadline(30))
    assert words.take() == []

    clock.advance(timedelta(hours=8))
    show("run-2", "started")
    watcher.tick(Deadline(30))
    assert len(words.take()) == 1


def test_a_tick_of_the_schedule_leaves_the_budget_as_it_is_by_now(
    connections: ConnectionStore, clock: Clock
) -> None:
    """It has read it before a look ahead has spent some of it, and ends after that."""
    read = connections.get("default").scan
    spend(connections, Budget(clock.now))
    connections.save_scan("default", read)
    assert connections.get("default").scan.budget_whole_at == timestamp(clock.now)


def test_a_word_of_a_connection_that_was_deleted_is_refused(rebuild: Rebuild, ahead: Ahead) -> None:
    with pytest.raises(NotKnownError):
        rebuild("gone", ahead=ahead).come_back(timestamp(Clock().now), Deadline(30))


def test_without_fast_polling_a_word_does_nothing_and_none_is_sent(
    rebuild: Rebuild, watcher: Watcher, words: Words, clock: Clock, begun: str
) -> None:
    """Also right after it was switched off."""
    word, plain = the_word(words), rebuild()
    assert plain.come_back(word, Deadline(30)) == NOTHING
    clock.advance(timedelta(minutes=1))
    plain.tick(Deadline(30))
    assert words.take() == []
    assert watcher.come_back(word, Deadline(30)) == NOTHING
