"""A task runs again once for each wish, whatever dies, and people hear what came of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from local.algolia import AlgoliaStandIn
from local.faults import Fault
from runbell.algolia import IngestionClient
from runbell.background import Background
from runbell.checker import Checker
from runbell.connections import Connection, ConnectionStore
from runbell.deadline import Deadline
from runbell.errors import (
    AlgoliaUnavailableError,
    ConfigurationError,
    OutOfTimeError,
    QueueUnavailableError,
    SecretUnavailableError,
    StoreUnavailableError,
)
from runbell.items import NoteKind, RunItem
from runbell.outbox import Outbox, Wake
from runbell.rerunner import LEAST_TIME, TOO_LATE, TRIES, Rerunner
from runbell.reruns import IN_WORK, RerunStore, State
from runbell.rules import Routing, Watch
from runbell.settings import NOTIFIABLE
from runbell.store import RunStore
from runbell.table import Table
from runbell.task_store import TaskStore
from tests.integration.conftest import CHANNEL, Clock, Look, Queue

RUN = "run-1"
ANNA, BEN = "U0ANNA1", "U0BEN22"


class FakeClient:
    """Algolia's client, but for what it says to a wish."""

    def __init__(self, client: IngestionClient) -> None:
        self._client = client
        self.asked = 0
        self.error: Exception | None = None

    def run_task(self, task_id: str, deadline: Deadline) -> str:
        self.asked += 1
        if self.error:
            raise self.error
        return self._client.run_task(task_id, deadline)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


Reopen = Callable[..., Rerunner]


@pytest.fixture
def reruns(table: Table, clock: Clock) -> RerunStore:
    return RerunStore(table, retention=timedelta(days=30), now=clock)


@pytest.fixture
def fake(client: IngestionClient) -> FakeClient:
    return FakeClient(client)


@pytest.fixture
def reopen(
    connections: ConnectionStore,
    fake: FakeClient,
    store: RunStore,
    tasks: TaskStore,
    reruns: RerunStore,
    outbox: Outbox,
    routing: Routing,
    clock: Clock,
) -> Reopen:
    """Makes rerunners, each with some part of its own."""

    def make(**parts: Any) -> Rerunner:
        client: Any = fake
        connection: Connection = parts.get("connection") or connections.get("default")
        background = Background(client, tasks, now=clock)
        own = parts.get("store", store)
        checker = Checker(connection, client, store, outbox, background, routing, now=clock)
        return Rerunner(checker, own, tasks, parts.get("reruns", reruns), now=clock)

    return make


@pytest.fixture
def failed(look: Look, queue: Queue, algolia: AlgoliaStandIn) -> RunItem:
    """A run that failed and was told of."""
    item = look("finished", "failure").item
    queue.drain()
    algolia.requests.clear()
    return item


@pytest.fixture
def notes(store: RunStore) -> Callable[[], list[tuple[str, str | None, str]]]:
    """What is said of the wish in the thread of the run."""

    def of() -> list[tuple[str, str | None, str]]:
        kept = store.get("default", RUN).notes
        return [(n.kind, n.by, n.text) for n in kept if n.kind != NoteKind.RECOVERED]

    return of


Notes = Callable[[], list[tuple[str, str | None, str]]]


def started(algolia: AlgoliaStandIn) -> list[str]:
    return [each.run_id for each in algolia.started()]


def is_due(store: RunStore) -> bool:
    return ("again", RUN) in set(store.due("default"))


class TestRunning:
    def test_the_new_run_is_told_in_the_thread_of_the_one_that_failed(
        self,
        failed: RunItem,
        reruns: RerunStore,
        store: RunStore,
        algolia: AlgoliaStandIn,
        reopen: Reopen,
        queue: Queue,
        notes: Notes,
    ) -> None:
        assert reruns.ask("default", RUN, "task-1", ANNA)
        assert is_due(store)
        assert reopen().look(RUN, Deadline(30)) == 1

        [new_id] = started(algolia)
        assert notes() == [(NoteKind.AGAIN, ANNA, new_id)]
        new = store.get("default", new_id)
        assert (new.thread_of, new.channel) == (RUN, CHANNEL)
        assert new.watch == Watch(channel=CHANNEL, notify_on=frozenset(NOTIFIABLE), insists=True)
        assert [entry.announced for entry in new.history] == [True]
        assert [wake.run_id for wake in queue.wakes()] == [RUN, new_id]
        assert not is_due(store)
        wish = reruns.get("default", RUN)
        assert wish is not None
        assert (wish.state, wish.new_run_id) == (State.DONE, new_id)

    def test_a_run_that_is_told_in_a_thread_is_run_again_in_the_same(
        self,
        failed: RunItem,
        look: Look,
        reruns: RerunStore,
        store: RunStore,
        algolia: AlgoliaStandIn,
        reopen: Reopen,
    ) -> None:
        second = look("finished", "failure", run_id="run-2", finishedAt="2026-03-02T08:59:50.000Z")
        assert second.item.thread_of == RUN
        store.put_watch("default", "run-2", Watch(channel="#elsewhere", mentions=("here",)))
        reruns.ask("default", "run-2", "task-1", ANNA)
        reopen().look("run-2", Deadline(30))
        new = store.get("default", started(algolia)[0])
        assert new.thread_of == RUN
        assert new.watch == Watch(
            channel=CHANNEL, notify_on=frozenset(NOTIFIABLE), mentions=("here",), insists=True
        )

    def test_many_ticks_at_once_start_one_run(
        self,
        failed: RunItem,
        reruns: RerunStore,
        algolia: AlgoliaStandIn,
        reopen: Reopen,
        notes: Notes,
    ) -> None:
        reruns.ask("default", RUN, "task-1", ANNA)

        def tick(_: int) -> int:
            return reopen().look(RUN, Deadline(30))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(tick, range(8)))
        assert len(started(algolia)) == 1
        assert len(notes()) == 1

    def test_many_presses_at_once_are_one_wish(self, failed: RunItem, reruns: RerunStore) -> None:
        def ask(number: int) -> bool:
            return reruns.ask("default", RUN, "task-1", f"U0USER{number}")

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(ask, range(8))) == [False] * 7 + [True]

    def test_what_is_done_is_not_done_again(
        self, failed: RunItem, reruns: RerunStore, algolia: AlgoliaStandIn, reopen: Reopen
    ) -> None:
        reruns.ask("default", RUN, "task-1", ANNA)
        reopen().look(RUN, Deadline(30))
        assert not reruns.ask("default", RUN, "task-1", BEN)
        assert reopen().look(RUN, Deadline(30)) == 0
        assert len(started(algolia)) == 1

    def test_a_new_run_that_can_not_be_read_yet_is_left_to_the_next_tick(
        self,
        failed: RunItem,
        reruns: RerunStore,
        store: RunStore,
        algolia: AlgoliaStandIn,
        reopen: Reopen,
        clock: Clock,
        notes: Notes,
    ) -> None:
        reruns.ask("default", RUN, "task-1", ANNA)
        algolia.faults.add(Fault("status", status=503), path="GET /1/runs/", times=20)
        assert reopen().look(RUN, Deadline(30)) == 0
        [new_id] = started(algolia)
        assert notes() == [(NoteKind.AGAIN, ANNA, new_id)]
        assert ("run", new_id) in set(store.due("default"))
        assert not is_due(store)

    def test_without_time_to_ask_nothing_is_begun(
        self,
        failed: RunItem,
        reruns: RerunStore,
        store: RunStore,
        fake: FakeClient,
        reopen: Reopen,
    ) -> None:
        reruns.ask("default", RUN, "task-1", ANNA)
        with pytest.raises(OutOfTimeError):
            reopen().look(RUN, Deadline(LEAST_TIME - 0.1))
        assert not fake.asked
        assert is_due(store)


class TestDying:
    """A tick that dies at any step is gone on with by a later one, without a second run."""

    def test_while_algolia_is_asked_nobody_knows_and_that_is_said(
        self,
        failed: RunItem,
        reruns: RerunStore,
        fake: FakeClient,
        store: RunStore,
        reopen: Reopen,
        clock: Clock,
        notes: Notes,
    ) -> None:
        reruns.ask("default", RUN, "task-1", ANNA)
        fake.error = KeyboardInterrupt()  # type: ignore[assignment]
        with pytest.raises(KeyboardInterrupt):
            reopen().look(RUN, Deadline(30))
        fake.error = None
        assert reopen().look(RUN, Deadline(30)) == 0
        assert not notes(), "another tick may still be at it"
        clock.advance(IN_WORK)
        assert is_due(store)
        reopen().look(RUN, Deadline(30))
        [(kind, by, text)] = notes()
        assert (kind, by) == (NoteKind.REFUSED, ANNA)
        assert text.startswith("Nobody knows whether the task was started.")
        assert fake.asked == 1
        assert not is_due(store)
        assert reruns.ask("default", RUN, "task-1", BEN), "it can be asked for again"

    @pytest.mark.parametrize("method", ["get", "put_watch", "add_note"])
    def test_after_algolias_answer_it_is_told_later(
        self,
        method: str,
        failed: RunItem,
        reruns: RerunStore,
        store: RunStore,
        algolia: AlgoliaStandIn,
        reopen: Reopen,
        clock: Clock,
        notes: Notes,
        queue: Queue,
    ) -> None:
        class Dying:
            def __getattr__(self, name: str) -> Any:
                if name == method:
                    raise StoreUnavailableError("gone")
                return getattr(store, name)

        reruns.ask("default", RUN, "task-1", ANNA)
        with pytest.raises(StoreUnavailableError):
            reopen(store=Dying()).look(RUN, Deadline(30))
        assert not notes()
        clock.advance(IN_WORK)
        assert is_due(store)
        reopen().look(RUN, Deadline(30))
        [new_id] = started(algolia)
        assert notes() == [(NoteKind.AGAIN, ANNA, new_id)]
        assert store.get("default", new_id).thread_of == RUN
        assert {wake.run_id for wake in queue.wakes()} == {RUN, new_id}

    def test_before_it_settles_nothing_is_told_twice(
        self,
        failed: RunItem,
        reruns: RerunStore,
        store: RunStore,
        algolia: AlgoliaStandIn,
        reopen: Reopen,
        clock: Clock,
        notes: Notes,
    ) -> None:
        class Dying:
            def __getattr__(self, name: str) -> Any:
                if name == "settle":
                    raise StoreUnavailableError("gone")
                return getattr(reruns, name)

        reruns.ask("default", RUN, "task-1", ANNA)
        with pytest.raises(StoreUnavailableError):
            reopen(reruns=Dying()).look(RUN, Deadline(30))
        clock.advance(IN_WORK)
        reopen().look(RUN, Deadline(30))
        assert len(notes()) == len(started(algolia)) == 1
        assert not is_due(store)


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "words"),
        [
            (400, "The task is disabled"),
            (401, "Algolia refuses the key"),
            (403, "addObject, deleteIndex and editSettings"),
            (404, "does not know the task any more"),
            (429, "Try again in 7 s"),
            (500, "did not answer as it should"),
        ],
    )
    def test_a_refusal_is_told_in_words_and_can_be_followed_by_another_try(
        self,
        status: int,
        words: str,
        failed: RunItem,
        reruns: RerunStore,
        store: RunStore,
        algolia: AlgoliaStandIn,
        reopen: Reopen,
        notes: Notes,
        queue: Queue,
    ) -> None:
        reruns.ask("default", RUN, "task-1", ANNA)
        fault = Fault("error", status=status, error="The task is disabled", retry_after="7")
        algolia.faults.add(fault, path="/run", times=2)
        assert reopen().look(RUN, Deadline(30)) == 0
        [(kind, by, text)] = notes()
        assert (kind, by) == (NoteKind.REFUSED, ANNA)
        assert words in text
        assert text[0].isupper()
        assert text.endswith("."), "it stands after a sentence that says who asked"
        assert algolia.api_key not in text
        assert [wake.run_id for wake in queue.wakes()] == [RUN]
        assert not is_due(store)

        algolia.faults.clear()
        assert reruns.ask("default", RUN, "task-1", ANNA)
        reopen().look(RUN, Deadline(30))
        assert notes()[1:] == [(NoteKind.AGAIN, ANNA, started(algolia)[-1])]

    @pytest.mark.parametrize(("status", "word"), [(400, "No."), (403, "Not this key!")])
    def test_what_algolia_says_as_a_sentence_stays_one(
        self,
        status: int,
        word: str,
        failed: RunItem,
        reruns: RerunStore,
        algolia: AlgoliaStandIn,
        reopen: Reopen,
        notes: Notes,
    ) -> None:
        reruns.ask("default", RUN, "task-1", ANNA)
        algolia.faults.add(Fault("error", status=status, error=word), path="/run", times=2)
        reopen().look(RUN, Deadline(30))
        [(_, _, text)] = notes()
        assert word in text
        assert f"{word}." not in text

    def test_the_same_refusal_twice_is_told_twice(
        self,
        failed: RunItem,
        reruns: RerunStore,
        algolia: AlgoliaStandIn,
        reopen: Reopen,
        notes: Notes,
    ) -> None:
        algolia.faults.add(Fault("error", status=400, error="No"), path="/run", times=3)
        for _ in range(3):
            assert reruns.ask("default", RUN, "task-1", ANNA)
            reopen().look(RUN, Deadline(30))
        texts = [text for _, _, text in notes()]
        assert len(set(texts)) == 3

    def test_an_answer_that_was_lost_says_where_a_run_would_be_seen(
        self,
        failed: RunItem,
        reruns: RerunStore,
        tasks: TaskStore,
        algolia: AlgoliaStandIn,
        reopen: Reopen,
        notes: Notes,
    ) -> None:
        algolia.faults.add(Fault("drop_after"), path="/run", times=2)
        reruns.ask("default", RUN, "task-1", ANNA)
        reopen().look(RUN, Deadline(30))
        assert "dashboard" in notes()[0][2], "nobody watches the task"
        tasks.put_watch("default", "task-1", Watch())
        reruns.ask("default", RUN, "task-1", ANNA)
        reopen().look(RUN, Deadline(30))
        assert "is announced by itself" in notes()[1][2]
        assert len(started(algolia)) == 2, "each press asked once, and not again by itself"

    @pytest.mark.parametrize(
        "error",
        [AlgoliaUnavailableError("away"), SecretUnavailableError("away"), OutOfTimeError("late")],
    )
    def test_an_algolia_out_of_reach_is_tried_by_three_ticks(
        self,
        error: Exception,
        failed: RunItem,
        reruns: RerunStore,
        store: RunStore,
        fake: FakeClient,
        reopen: Reopen,
        notes: Notes,
    ) -> None:
        reruns.ask("default", RUN, "task-1", ANNA)
        fake.error = error
        for number in range(1, TRIES):
            reopen().look(RUN, Deadline(30))
            assert (fake.asked, notes()) == (number, [])
            assert is_due(store)
        reopen().look(RUN, Deadline(30))
        assert [kind for kind, _, _ in notes()] == [NoteKind.REFUSED]
        assert "out of reach, and nothing was started" in notes()[0][2]
        assert not is_due(store)

    def test_an_algolia_that_is_back_runs_the_task(
        self,
        failed: RunItem,
        reruns: RerunStore,
        fake: FakeClient,
        algolia: AlgoliaStandIn,
        reopen: Reopen,
        notes: Notes,
    ) -> None:
        reruns.ask("default", RUN, "task-1", ANNA)
        fake.error = AlgoliaUnavailableError("away")
        reopen().look(RUN, Deadline(30))
        fake.error = None
        reopen().look(RUN, Deadline(30))
        assert notes() == [(NoteKind.AGAIN, ANNA, started(algolia)[0])]

    def test_a_secret_that_is_not_usable_is_told_without_its_name(
        self, failed: RunItem, reruns: RerunStore, fake: FakeClient, reopen: Reopen, notes: Notes
    ) -> None:
        reruns.ask("default", RUN, "task-1", ANNA)
        fake.error = ConfigurationError("the secret arn:aws:x can't be read")
        reopen().look(RUN, Deadline(30))
        assert "credentials for Algolia are not usable" in notes()[0][2]
        assert "arn:" not in notes()[0][2]

    def test_a_queue_out_of_reach_leaves_the_word_to_the_sweep(
        self,
        failed: RunItem,
        reruns: RerunStore,
        store: RunStore,
        outbox: Outbox,
        reopen: Reopen,
        monkeypatch: pytest.MonkeyPatch,
        clock: Clock,
    ) -> None:
        def refuse(_: list[Wake], *, sweep: str = "") -> int:
            raise QueueUnavailableError("away")

        monkeypatch.setattr(outbox, "enqueue", refuse)
        reruns.ask("default", RUN, "task-1", ANNA)
        reopen().look(RUN, Deadline(30))
        assert RUN in {each.run_id for each in store.pending("default")}


def test_a_wish_is_forgotten_some_day_whatever_becomes_of_it(
    failed: RunItem, reruns: RerunStore, table: Table, reopen: Reopen, clock: Clock
) -> None:
    in_thirty_days = int((clock.now + timedelta(days=30)).timestamp())
    reruns.ask("default", RUN, "task-1", ANNA)
    assert (table.get(f"again#default#{RUN}") or {})["expires_at"] == in_thirty_days
    reopen().look(RUN, Deadline(30))
    done = table.get(f"again#default#{RUN}") or {}
    assert done["expires_at"] == in_thirty_days
    assert not {"due", "due_at"} & done.keys()


def test_what_nobody_expects_any_more_is_not_begun(
    failed: RunItem,
    reruns: RerunStore,
    fake: FakeClient,
    reopen: Reopen,
    clock: Clock,
    notes: Notes,
) -> None:
    """No tick came by for hours: a run that begins in the night would be a surprise."""
    reruns.ask("default", RUN, "task-1", ANNA)
    clock.advance(TOO_LATE + timedelta(seconds=1))
    reopen().look(RUN, Deadline(30))
    assert not fake.asked
    assert [kind for kind, _, _ in notes()] == [NoteKind.REFUSED]
    assert reruns.ask("default", RUN, "task-1", ANNA)


def test_a_wish_of_nobody_is_no_work(reopen: Reopen, fake: FakeClient) -> None:
    assert reopen().look("unknown", Deadline(30)) == 0
    assert not fake.asked


def test_a_tick_that_comes_late_does_not_answer_for_the_next(
    failed: RunItem, reruns: RerunStore, clock: Clock
) -> None:
    """One has begun, given back and lost its way; another has begun since."""
    reruns.ask("default", RUN, "task-1", ANNA)
    asked = reruns.get("default", RUN)
    assert asked is not None
    late = reruns.begin(asked)
    assert late is not None
    given_back = reruns.give_back(late)
    assert given_back is not None
    clock.advance(timedelta(minutes=1))
    assert reruns.begin(given_back) is not None
    assert reruns.refused(late, "No.") is None
    assert reruns.started(late, "run-2") is None
