"""What the buttons do, each safe to be pressed twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from runbell.deeds import Deeds
from runbell.errors import QueueUnavailableError, RequestError
from runbell.items import NoteKind
from runbell.outbox import Outbox, Wake
from runbell.reruns import RerunStore, State
from runbell.rules import Mute
from runbell.run import instant, timestamp
from runbell.slack.press import Press
from runbell.store import RunStore
from runbell.table import Table
from runbell.task_store import TaskStore
from tests.integration.conftest import Clock, Look, Queue, either_dynamodb

pytestmark = either_dynamodb

RUN, TASK = "run-1", "task-1"
ANNA, BEN = "U0ANNA1", "U0BEN22"

CLAIMING = Press("claim", ANNA, "default", RUN)
MUTING = Press("mute", ANNA, "default", RUN, choice="8h")
UNMUTING = Press("unmute", ANNA, "default", RUN)
RUNNING = Press("run_again", ANNA, "default", RUN)

Notes = Callable[[], list[tuple[str, str | None, str]]]


class FakePoll:
    """Notes which ticks are started."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start(self, connection: str) -> None:
        self.started.append(connection)


@pytest.fixture
def poll() -> FakePoll:
    return FakePoll()


@pytest.fixture
def reruns(table: Table, clock: Clock) -> RerunStore:
    return RerunStore(table, now=clock)


@pytest.fixture
def deeds(
    store: RunStore,
    tasks: TaskStore,
    reruns: RerunStore,
    outbox: Outbox,
    poll: FakePoll,
    clock: Clock,
) -> Deeds:
    return Deeds(store, tasks, reruns, outbox, poll, now=clock)


@pytest.fixture(autouse=True)
def failed(look: Look, queue: Queue) -> None:
    """A run that failed and was told of."""
    look("finished", "failure")
    queue.drain()


@pytest.fixture
def notes(store: RunStore) -> Notes:
    def of() -> list[tuple[str, str | None, str]]:
        return [(note.kind, note.by, note.text) for note in store.get("default", RUN).notes]

    return of


def test_a_claim_is_noted_once_for_each_person(deeds: Deeds, notes: Notes, queue: Queue) -> None:
    for _ in range(2):
        assert deeds.do(CLAIMING) is None
    assert [wake.run_id for wake in queue.wakes()] == [RUN]
    deeds.do(replace(CLAIMING, user=BEN))
    assert notes() == [(NoteKind.CLAIMED, ANNA, ""), (NoteKind.CLAIMED, BEN, "")]


def test_a_queue_out_of_reach_leaves_the_word_to_the_sweep(
    deeds: Deeds, outbox: Outbox, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: list[Wake]) -> int:
        raise QueueUnavailableError("away")

    monkeypatch.setattr(outbox, "enqueue", refuse)
    assert deeds.do(CLAIMING) is None
    assert [each.run_id for each in store.pending("default")] == [RUN]


@pytest.mark.parametrize("press", [CLAIMING, MUTING, UNMUTING, RUNNING])
def test_of_a_run_that_is_not_known_any_more_nothing_is_done(
    press: Press, deeds: Deeds, poll: FakePoll, table: Table
) -> None:
    word = deeds.do(replace(press, run_id="gone"))
    assert word is not None
    assert "not" in word or "Nothing" in word
    assert not poll.started
    assert table.get("run#default#gone") is None
    assert table.get("again#default#gone") is None


@pytest.mark.parametrize(
    ("press", "where"),
    [
        (replace(CLAIMING, action="delete_all"), "payload.actions[0].action_id"),
        (replace(CLAIMING, action=""), "payload.actions[0].action_id"),
        (replace(MUTING, choice="9h"), "payload.actions[0].selected_option.value"),
        (replace(MUTING, choice=None), "payload.actions[0].selected_option.value"),
    ],
)
def test_what_no_button_of_ours_says_is_refused(
    press: Press, where: str, deeds: Deeds, notes: Notes
) -> None:
    with pytest.raises(RequestError) as caught:
        deeds.do(press)
    assert caught.value.where == where
    assert not notes()


class TestMutes:
    @pytest.mark.parametrize(("choice", "hours"), [("1h", 1), ("8h", 8)])
    def test_a_task_is_muted_for_a_while(
        self, choice: str, hours: int, deeds: Deeds, tasks: TaskStore, notes: Notes, clock: Clock
    ) -> None:
        clock.advance(timedelta(seconds=12.5))
        assert deeds.do(replace(MUTING, choice=choice)) is None
        mute = tasks.get("default", TASK).mute
        assert mute is not None
        assert (mute.by, mute.at) == (ANNA, timestamp(clock.now))
        until = instant(mute.until)
        assert until is not None
        extra = until - clock.now - timedelta(hours=hours)
        assert timedelta(0) <= extra < timedelta(minutes=1), "as long as asked for, and no minute"
        assert notes() == [(NoteKind.MUTED, ANNA, mute.until)]

    def test_a_task_is_muted_until_it_recovers(
        self, deeds: Deeds, tasks: TaskStore, notes: Notes, clock: Clock
    ) -> None:
        deeds.do(replace(MUTING, choice="recovered"))
        assert tasks.get("default", TASK).mute == Mute(ANNA, timestamp(clock.now))
        assert notes() == [(NoteKind.MUTED, ANNA, "")]

    @pytest.mark.parametrize("choice", ["1h", "8h", "recovered"])
    def test_the_same_within_a_minute_is_one_mute(
        self, choice: str, deeds: Deeds, tasks: TaskStore, notes: Notes, clock: Clock
    ) -> None:
        press = replace(MUTING, choice=choice)
        deeds.do(press)
        before = tasks.get("default", TASK).mute
        for _ in range(3):
            clock.advance(timedelta(seconds=19))
            assert deeds.do(press) is None
        assert tasks.get("default", TASK).mute == before
        assert len(notes()) == 1

    def test_the_same_at_the_same_moment_is_one_mute(self, deeds: Deeds, notes: Notes) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(deeds.do, [MUTING] * 4))
        assert len(notes()) == 1

    def test_another_choice_another_person_or_a_later_minute_is_another_mute(
        self, deeds: Deeds, tasks: TaskStore, notes: Notes, clock: Clock
    ) -> None:
        for press in (MUTING, replace(MUTING, choice="1h"), replace(MUTING, user=BEN)):
            deeds.do(press)
        clock.advance(timedelta(minutes=2))
        deeds.do(replace(MUTING, user=BEN))
        assert [by for _, by, _ in notes()] == [ANNA, ANNA, BEN, BEN]
        assert len({text for _, _, text in notes()}) == 3
        mute = tasks.get("default", TASK).mute
        assert mute is not None
        assert mute.at == timestamp(clock.now)

    def test_a_press_that_died_before_the_word_is_finished_by_the_next(
        self, deeds: Deeds, tasks: TaskStore, notes: Notes, clock: Clock
    ) -> None:
        until = timestamp(clock.now + timedelta(hours=8))
        tasks.put_mute("default", TASK, Mute(ANNA, timestamp(clock.now), until))
        clock.advance(timedelta(seconds=5))
        deeds.do(MUTING)
        assert notes() == [(NoteKind.MUTED, ANNA, until)]

    def test_a_muted_task_is_heard_again(
        self, deeds: Deeds, tasks: TaskStore, notes: Notes
    ) -> None:
        deeds.do(MUTING)
        assert deeds.do(replace(UNMUTING, user=BEN)) is None
        assert tasks.get("default", TASK).mute is None
        assert notes()[1:] == [(NoteKind.UNMUTED, BEN, "")]
        word = deeds.do(replace(UNMUTING, user=BEN))
        assert word == "The task is not muted any more."
        assert len(notes()) == 2

    def test_a_task_muted_anew_is_said_anew(
        self, deeds: Deeds, tasks: TaskStore, notes: Notes
    ) -> None:
        press = replace(MUTING, choice="recovered")
        for _ in range(2):
            assert deeds.do(press) is None
            assert deeds.do(UNMUTING) is None
        assert tasks.get("default", TASK).mute is None
        assert len(notes()) == 4

    def test_a_mute_whose_time_is_up_is_none(
        self, deeds: Deeds, clock: Clock, notes: Notes
    ) -> None:
        deeds.do(MUTING)
        clock.advance(timedelta(hours=9))
        assert deeds.do(UNMUTING) == "The task is not muted any more."
        assert len(notes()) == 1


class TestRunningAgain:
    def test_the_wish_is_saved_before_a_tick_is_started(
        self, deeds: Deeds, reruns: RerunStore, poll: FakePoll, store: RunStore
    ) -> None:
        assert deeds.do(RUNNING) is None
        wish = reruns.get("default", RUN)
        assert wish is not None
        assert (wish.task_id, wish.by, wish.state) == (TASK, ANNA, State.ASKED)
        assert ("again", RUN) in set(store.due("default"))
        assert poll.started == ["default"]

    def test_pressed_twice_it_is_one_wish(
        self, deeds: Deeds, reruns: RerunStore, poll: FakePoll
    ) -> None:
        deeds.do(RUNNING)
        word = deeds.do(replace(RUNNING, user=BEN))
        assert word is not None
        assert "about to run again" in word
        assert poll.started == ["default"]
        wish = reruns.get("default", RUN)
        assert wish is not None
        assert (wish.by, wish.asked) == (ANNA, 1)

    @pytest.mark.parametrize(("user", "who"), [(ANNA, "You have"), (BEN, "Somebody has")])
    def test_what_was_run_again_is_not_run_once_more(
        self, user: str, who: str, deeds: Deeds, reruns: RerunStore, poll: FakePoll
    ) -> None:
        deeds.do(RUNNING)
        wish = reruns.get("default", RUN)
        assert wish is not None
        begun = reruns.begin(wish)
        assert begun is not None
        answered = reruns.started(begun, "run-2")
        assert answered is not None
        reruns.settle(answered)
        word = deeds.do(replace(RUNNING, user=user))
        assert word is not None
        assert word.startswith(who)
        assert len(poll.started) == 1

    def test_what_was_refused_can_be_asked_for_again(
        self, deeds: Deeds, reruns: RerunStore, poll: FakePoll
    ) -> None:
        deeds.do(RUNNING)
        wish = reruns.get("default", RUN)
        assert wish is not None
        begun = reruns.begin(wish)
        assert begun is not None
        answered = reruns.refused(begun, "No.")
        assert answered is not None
        reruns.settle(answered)
        assert deeds.do(replace(RUNNING, user=BEN)) is None
        again = reruns.get("default", RUN)
        assert again is not None
        assert (again.by, again.asked, again.refusal) == (BEN, 2, None)
        assert len(poll.started) == 2
