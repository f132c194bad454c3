"""What becomes of a task's failures in a row where runs overlap, move, are silenced or get lost."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from local.slack import Message, SlackStandIn
from runbell.closed_channels import ClosedChannels
from runbell.deadline import Deadline
from runbell.notifier import Notifier
from runbell.outbox import DeadLetters
from runbell.quiet import QuietHours
from runbell.rules import Mute, Watch
from runbell.run import timestamp
from runbell.secrets import Secret, parse_slack
from runbell.settings import NOTIFIABLE
from runbell.slack.access import SlackAccess
from runbell.store import RunStore
from runbell.table import Table
from runbell.task_store import TaskStore
from runbell.watcher import Watcher
from tests.integration.conftest import (
    CHANNEL,
    HERE,
    Channel,
    Clock,
    Rebuild,
    Show,
    bot_only,
    pings,
)

ELSEWHERE = "#elsewhere"
ANNA = "U0123ABCD"
HOUR = timedelta(hours=1)
DAYTIME = QuietHours("10:00", "18:00")
RECOVERED = "The task has recovered"


def told_alone(messages: list[Message]) -> list[Message]:
    """The messages that are in no thread."""
    return [each for each in messages if each.thread_ts is None]


def mute(clock: Clock, lasts: timedelta | None = None) -> Mute:
    """Of this moment; until the task recovers unless it says for how long."""
    return Mute(ANNA, timestamp(clock.now), timestamp(clock.now + lasts) if lasts else None)


class Ill:
    """A store that does something else instead of one of its deeds, or before it."""

    def __init__(self, store: RunStore, name: str, deed: Any) -> None:
        self._store, self._name, self._deed = store, name, deed

    def __getattr__(self, name: str) -> Any:
        return self._deed if name == self._name else getattr(self._store, name)


class TestWhatIsAloud:
    @bot_only
    def test_a_task_that_was_switched_off_before_anybody_counted_is_told_aloud_once(
        self, channel: Channel, slack: SlackStandIn
    ) -> None:
        for number in range(6):
            channel.see(f"run-{number}", "skipped", reasonCode="blocking")

        messages = slack.messages(CHANNEL)
        assert len(messages) == 6
        assert pings(messages) == messages[:1]
        assert told_alone(messages) == messages[:1]

    @bot_only
    def test_a_task_that_runs_once_a_night_pings_each_night_though_it_is_not_punctual(
        self, channel: Channel, slack: SlackStandIn, clock: Clock
    ) -> None:
        begin = clock.now
        for day, seconds in enumerate([0, 50, 20, 70, 30, 80, 10]):
            clock.now = begin + timedelta(days=day, seconds=seconds)
            assert len(pings(channel.ends(f"run-{day}", "failure"))) == 1

        assert len(told_alone(slack.messages(CHANNEL))) == 1

    @bot_only
    def test_a_task_that_is_switched_off_again_is_told_aloud_again(
        self, channel: Channel, clock: Clock
    ) -> None:
        for number in range(1, 5):
            channel.ends(f"run-{number}", "failure")
        assert pings(channel.ends("run-5", "failure", reasonCode="blocking"))

        clock.now += HOUR
        aloud = [len(pings(channel.ends(f"run-{number}", "failure"))) for number in range(6, 10)]
        assert aloud == [1, 0, 0, 0], "that it fails still is news once"
        assert len(pings(channel.ends("run-10", "failure", reasonCode="blocking"))) == 1


class TestItsThread:
    @bot_only
    def test_a_run_that_moves_while_it_runs_begins_one_thread_where_it_is_told_now(
        self, channel: Channel, slack: SlackStandIn, tasks: TaskStore
    ) -> None:
        channel.ends("run-1", "failure")
        channel.see("run-2", "started")
        tasks.put_watch("default", "task-1", Watch(channel=ELSEWHERE, mentions=("here",)))
        channel.see("run-2", "finished", "failure")
        for number in range(3, 8):
            channel.ends(f"run-{number}", "failure")

        root, *others = slack.messages(ELSEWHERE)
        assert "run-2" in str(root.metadata)
        assert {each.thread_ts for each in others} == {root.ts}

    @bot_only
    def test_a_thread_whose_run_is_forgotten_goes_on_below_the_next_message(
        self, channel: Channel, slack: SlackStandIn, table: Table
    ) -> None:
        for number in range(1, 6):
            channel.ends(f"run-{number}", "failure")
        before = len(slack.messages(CHANNEL))
        table.delete("run#default#run-1")
        for number in range(6, 10):
            channel.ends(f"run-{number}", "failure")

        root, *others = slack.messages(CHANNEL)[before:]
        assert root.thread_ts is None
        assert others
        assert {each.thread_ts for each in others} == {root.ts}

    @bot_only
    def test_what_a_webhook_began_goes_on_in_one_thread_of_the_bot(
        self,
        channel: Channel,
        slack: SlackStandIn,
        secrets: Any,
        new_secret: Any,
        store: RunStore,
        closed_channels: ClosedChannels,
        dead_letters: DeadLetters,
        clock: Clock,
    ) -> None:
        arn = new_secret({"webhook_url": slack.webhook_url})
        ticks = iter(range(0, 1_000_000, 600))
        secret = Secret(secrets, arn, parse_slack, clock=lambda: float(next(ticks)))
        access = SlackAccess(secret, slack.url)
        channel.notifier = Notifier(store, closed_channels, access, dead_letters, now=clock)
        for number in range(1, 4):
            channel.ends(f"run-{number}", "failure")
        before = len(slack.messages(CHANNEL))
        secrets.put_secret_value(
            SecretId=arn, SecretString=json.dumps({"bot_token": "xoxb-stand-in"})
        )
        for number in range(4, 12):
            channel.ends(f"run-{number}", "failure")

        root, *others = slack.messages(CHANNEL)[before:]
        assert root.thread_ts is None
        assert {each.thread_ts for each in others} == {root.ts}

    @bot_only
    @pytest.mark.parametrize("gap", [timedelta(0), 10 * HOUR], ids=["at once", "hours later"])
    def test_a_run_that_fails_after_the_recovery_begins_a_thread_of_its_own(
        self, gap: timedelta, channel: Channel, slack: SlackStandIn, clock: Clock, tasks: TaskStore
    ) -> None:
        channel.ends("run-1", "failure")
        channel.see("run-5", "started")
        channel.ends("run-2", "success")
        clock.now += gap
        before = len(slack.messages(CHANNEL))
        channel.see("run-5", "finished", "failure")
        channel.ends("run-6", "failure")

        first = slack.messages(CHANNEL)[0]
        assert f"{RECOVERED}: run `run-2`" in first.text, "which is still true of that one"
        root, *others = slack.messages(CHANNEL)[before:]
        assert "run-5" in str(root.metadata)
        assert pings([root]) == [root]
        assert root.thread_ts is None
        assert {each.thread_ts for each in others} == {root.ts}
        assert RECOVERED not in root.text
        incident = tasks.get("default", "task-1").incident
        assert incident is not None
        assert incident.run_id == "run-5"

    @bot_only
    def test_a_tick_that_dies_before_the_first_message_says_that_it_is_over_is_made_up_for(
        self,
        channel: Channel,
        slack: SlackStandIn,
        store: RunStore,
        rebuild: Rebuild,
        show: Show,
        watcher: Watcher,
        clock: Clock,
    ) -> None:
        class DiedError(Exception):
            pass

        def die(*_: Any) -> None:
            raise DiedError

        channel.ends("run-1", "failure")
        show("run-2", "finished", "success")
        with pytest.raises(DiedError):
            rebuild(store=Ill(store, "add_note", die)).check("run-2", Deadline(30))
        watcher.check("run-2", Deadline(30))
        channel.tell()

        root, *_, recovery = slack.messages(CHANNEL)
        assert f"{RECOVERED}: run `run-2`" in root.text
        assert "recovered" in recovery.text
        assert recovery.thread_ts == root.ts


class TestWhileItIsSilenced:
    @bot_only
    def test_a_mute_until_it_recovers_does_not_hide_that_it_never_will(
        self, channel: Channel, slack: SlackStandIn, tasks: TaskStore, clock: Clock
    ) -> None:
        channel.ends("run-1", "failure")
        tasks.put_mute("default", "task-1", mute(clock))
        for number in range(2, 5):
            assert channel.ends(f"run-{number}", "failure") == []
        assert len(pings(channel.ends("run-5", "failure", reasonCode="blocking"))) == 1

        before = len(slack.messages(CHANNEL))
        clock.now += timedelta(days=20)
        channel.see("run-6", "skipped", reasonCode="blocking")
        assert len(pings(slack.messages(CHANNEL)[before:])) == 1

    @bot_only
    def test_a_recovery_in_a_mute_for_a_time_is_told_in_the_thread_alone(
        self, channel: Channel, slack: SlackStandIn, tasks: TaskStore, clock: Clock
    ) -> None:
        channel.ends("run-1", "failure")
        tasks.put_mute("default", "task-1", mute(clock, 8 * HOUR))
        (recovery,) = channel.ends("run-2", "success")

        root = slack.messages(CHANNEL)[0]
        assert "recovered" in recovery.text
        assert HERE not in recovery.text
        assert (recovery.thread_ts, recovery.broadcast) == (root.ts, False)
        assert RECOVERED in root.text
        assert channel.ends("run-3", "failure") == [], "it goes on"
        assert tasks.get("default", "task-1").mute is not None

    @bot_only
    def test_a_recovery_in_quiet_hours_is_told_in_the_thread_alone(
        self, channel: Channel, slack: SlackStandIn, tasks: TaskStore, clock: Clock
    ) -> None:
        tasks.put_watch("default", "task-1", Watch(mentions=("here",), quiet_hours=DAYTIME))
        channel.ends("run-1", "failure")
        clock.now = clock.now.replace(hour=11)
        (recovery,) = channel.ends("run-2", "success")

        root = slack.messages(CHANNEL)[0]
        assert "recovered" in recovery.text
        assert HERE not in recovery.text
        assert (recovery.thread_ts, recovery.broadcast) == (root.ts, False)
        assert f"{RECOVERED}: run `run-2`" in root.text

    @bot_only
    def test_who_was_woken_by_a_standstill_hears_its_end_in_quiet_hours(
        self,
        channel: Channel,
        slack: SlackStandIn,
        tasks: TaskStore,
        clock: Clock,
        watcher: Watcher,
    ) -> None:
        night = QuietHours("09:00", "18:00", break_through=frozenset({"stalled"}))
        watch = Watch(mentions=("here",), stalled_after=30, quiet_hours=night)
        tasks.put_watch("default", "task-1", watch)
        channel.see("run-1", "started")
        assert slack.messages(CHANNEL) == []
        clock.now += timedelta(minutes=40)
        watcher.check("run-1", Deadline(30))
        channel.tell()
        assert len(pings(slack.messages(CHANNEL))) == 1

        before = len(slack.messages(CHANNEL))
        channel.see("run-1", "finished", "failure")
        (end,) = slack.messages(CHANNEL)[before:]
        assert "failed" in end.text
        assert end.in_channel

    @bot_only
    def test_a_success_from_before_the_failures_ends_neither_them_nor_a_mute(
        self, channel: Channel, slack: SlackStandIn, tasks: TaskStore, clock: Clock
    ) -> None:
        channel.ends("run-1", "failure")
        channel.ends("run-3", "failure")
        tasks.put_mute("default", "task-1", mute(clock))
        before_them = timestamp(clock.now - 3 * HOUR)
        channel.see("run-2", "finished", "success", createdAt=before_them, finishedAt=before_them)

        task = tasks.get("default", "task-1")
        assert task.mute is not None
        assert task.incident is not None
        assert task.incident.run_id == "run-1"
        assert RECOVERED not in slack.messages(CHANNEL)[0].text

    @bot_only
    def test_a_mute_that_is_pressed_while_a_success_is_saved_holds(
        self,
        channel: Channel,
        tasks: TaskStore,
        store: RunStore,
        rebuild: Rebuild,
        show: Show,
        clock: Clock,
    ) -> None:
        channel.ends("run-1", "failure")
        tasks.put_mute("default", "task-1", mute(clock))
        pressed = mute(clock, 8 * HOUR)
        times: list[None] = []

        def commit(*arguments: Any, **more: Any) -> Any:
            if not times:
                times.append(None)
                tasks.put_mute("default", "task-1", pressed)
            return store.commit(*arguments, **more)

        show("run-2", "finished", "success")
        rebuild(store=Ill(store, "commit", commit)).check("run-2", Deadline(30))
        assert tasks.get("default", "task-1").mute == pressed

    @bot_only
    def test_a_run_that_somebody_asked_for_is_told_though_its_task_is_muted(
        self, channel: Channel, slack: SlackStandIn, tasks: TaskStore, store: RunStore, clock: Clock
    ) -> None:
        channel.ends("run-1", "failure")
        tasks.put_mute("default", "task-1", mute(clock, HOUR))
        asked = Watch(channel=CHANNEL, notify_on=frozenset(NOTIFIABLE), insists=True)
        store.put_watch("default", "run-2", asked, thread_of="run-1")
        own, recovery = channel.ends("run-2", "success")

        root = slack.messages(CHANNEL)[0]
        assert {own.thread_ts, recovery.thread_ts} == {root.ts}
        assert "recovered" in recovery.text
        assert recovery.in_channel
