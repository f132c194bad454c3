"""A task's failures in a row: one thread, few pings, and a recovery that closes it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from local.algolia import AlgoliaStandIn
from local.slack import SlackStandIn
from runbell.deadline import Deadline
from runbell.events import LONGEST_MESSAGE
from runbell.items import Note, NoteKind
from runbell.notifier import Notifier
from runbell.outbox import Wake
from runbell.rules import Mute, Watch
from runbell.run import timestamp
from runbell.store import RunStore
from runbell.sweeper import Sweeper
from runbell.task_store import TaskStore
from runbell.watcher import Watcher
from tests.integration.conftest import (
    CHANNEL,
    HERE,
    Channel,
    Clock,
    Show,
    bot_only,
    pings,
    webhook_only,
)


@bot_only
def test_ten_failures_in_a_row_are_one_thread_with_three_pings(
    channel: Channel, slack: SlackStandIn
) -> None:
    for number in range(1, 11):
        channel.ends(f"run-{number}", "failure")

    messages = slack.messages(CHANNEL)
    root = messages[0]
    told = [each for each in messages if "failed" in each.text and each.metadata]
    rows = [each.text.split("Still failing, ")[1].split(" ")[0] for each in pings(messages)[1:]]
    assert rows == ["2", "5"]
    assert len(pings(messages)) == 3
    assert {each.thread_ts for each in messages[1:]} == {root.ts}
    assert len([each for each in messages if each.in_channel]) == 4  # the run's own, three aloud
    for number in range(1, 11):
        assert any(f"run-{number}" in str(each.metadata) for each in told)


@bot_only
def test_a_failure_that_pings_nobody_is_read_in_the_runs_own_message_in_the_thread(
    channel: Channel, slack: SlackStandIn
) -> None:
    channel.ends("run-1", "failure")
    channel.ends("run-2", "failure")
    (message,) = channel.ends("run-3", "failure")

    assert "Still failing, 3 in a row" in message.text
    assert message.thread_ts == slack.messages(CHANNEL)[0].ts
    assert not message.broadcast


@bot_only
def test_a_run_that_began_before_the_first_failure_is_told_as_failed_in_its_thread(
    channel: Channel, slack: SlackStandIn
) -> None:
    channel.see("run-0", "started")
    channel.ends("run-1", "failure")
    channel.ends("run-2", "failure")
    before = len(slack.messages(CHANNEL))
    channel.see("run-0", "finished", "failure")

    own, root, *_ = slack.messages(CHANNEL)
    (reply,) = slack.messages(CHANNEL)[before:]
    assert "failed" in own.text
    assert own.thread_ts is None
    assert (reply.thread_ts, reply.broadcast) == (root.ts, False)
    assert "Still failing, 3 in a row" in reply.text


@bot_only
def test_a_task_that_goes_on_failing_pings_once_a_day(
    channel: Channel, slack: SlackStandIn, clock: Clock
) -> None:
    for number in range(6):
        channel.ends(f"run-{number}", "failure")
    before = len(pings(slack.messages(CHANNEL)))

    clock.now += timedelta(hours=21)
    channel.ends("run-7", "failure")
    assert len(pings(slack.messages(CHANNEL))) == before
    clock.now += timedelta(hours=2)
    channel.ends("run-8", "failure")
    channel.ends("run-9", "failure")
    assert len(pings(slack.messages(CHANNEL))) == before + 1


@bot_only
def test_a_recovery_closes_the_thread_aloud_and_the_next_run_is_told_by_itself(
    channel: Channel, slack: SlackStandIn
) -> None:
    channel.ends("run-1", "failure")
    channel.ends("run-2", "failure")
    *_, recovery = channel.ends("run-3", "success")
    (after,) = channel.ends("run-4", "success")

    root = slack.messages(CHANNEL)[0]
    assert "The task has recovered: run `run-3`" in root.text
    assert not any(block["type"] == "actions" for block in root.blocks)
    assert "recovered" in recovery.text
    assert (recovery.thread_ts, recovery.broadcast) == (root.ts, True)
    assert pings([recovery]) == [recovery]
    assert after.thread_ts is None
    assert HERE not in after.text
    again, *_ = channel.ends("run-5", "failure")
    assert again.thread_ts is None


@bot_only
def test_a_day_of_two_hundred_successes_pings_nobody(channel: Channel, slack: SlackStandIn) -> None:
    for number in range(200):
        channel.see(f"run-{number}", "finished", "success")

    messages = slack.messages(CHANNEL)
    assert len(messages) == 200
    assert pings(messages) == []
    assert not any(each.thread_ts for each in messages)


@webhook_only
def test_a_webhook_tells_every_failure_and_mentions_people_as_seldom(
    channel: Channel, slack: SlackStandIn
) -> None:
    for number in range(1, 11):
        channel.ends(f"run-{number}", "failure")

    failures = [each for each in slack.messages(CHANNEL) if "failed" in each.text]
    assert len(failures) == 10
    assert len(pings(failures)) == 3


@bot_only
def test_failures_in_another_channel_begin_a_thread_of_their_own(
    channel: Channel, slack: SlackStandIn, tasks: TaskStore
) -> None:
    channel.ends("run-1", "failure")
    tasks.put_watch("default", "task-1", Watch(channel="#elsewhere", mentions=("here",)))
    channel.ends("run-2", "failure")
    channel.ends("run-3", "failure")

    root, *others = slack.messages("#elsewhere")
    assert "run-2" in str(root.metadata)
    assert {each.thread_ts for each in others} == {root.ts}
    assert HERE in others[0].text


@bot_only
def test_a_thread_whose_first_message_is_gone_goes_on_below_a_new_one(
    channel: Channel, slack: SlackStandIn
) -> None:
    channel.see("run-1", "finished", "failure")
    (root,) = slack.messages(CHANNEL)
    slack.delete(CHANNEL, root.ts)
    channel.see("run-2", "finished", "failure")
    channel.see("run-3", "finished", "failure")

    anew, *others = slack.messages(CHANNEL)
    assert "run-2" in str(anew.metadata)
    assert anew.thread_ts is None
    assert {each.thread_ts for each in others} == {anew.ts}
    assert len(others) == 1


@bot_only
def test_a_long_error_is_whole_in_the_thread(
    channel: Channel, slack: SlackStandIn, algolia: AlgoliaStandIn
) -> None:
    long = "".join(f"line {number}: <!channel> & “سطر” 🧨\n" for number in range(400))[:10_000]
    algolia.put_event("run-1", {"status": "failed", "data": {"message": long}})
    first, *texts = channel.ends("run-1", "failure")

    assert len(long) <= LONGEST_MESSAGE
    assert "…" in texts[0].text
    parts = [
        element["text"]
        for message in texts[1:]
        for block in message.blocks
        if block["type"] == "rich_text"
        for preformatted in block["elements"]
        for element in preformatted["elements"]
    ]
    whole = "".join(parts)
    assert "<!channel>" not in whole, "a sign that nobody sees keeps it from being a mention"
    assert whole.replace("\N{WORD JOINER}", "") == long.strip()
    assert {each.thread_ts for each in texts} == {first.ts}
    assert [each.broadcast for each in texts] == [True, *[False] * (len(texts) - 1)]


@bot_only
def test_mere_progress_is_an_edit_every_thirty_seconds_and_none_is_lost(
    channel: Channel,
    slack: SlackStandIn,
    clock: Clock,
    show: Show,
    watcher: Watcher,
    sweeper: Sweeper,
) -> None:
    channel.see("run-1", "started")
    for received in range(10, 60, 10):
        clock.now += timedelta(seconds=4)
        progress = {"expectedNbOfEvents": 100, "receivedNbOfEvents": received}
        show("run-1", "started", progress=progress)
        watcher.check("run-1", Deadline(30))
        channel.tell()
    (message,) = slack.messages(CHANNEL)
    assert "10 of 100" not in message.text

    clock.now += timedelta(seconds=31)
    sweeper.sweep()
    channel.tell()
    (message,) = slack.messages(CHANNEL)
    assert "50 of 100" in message.text
    assert [call.method for call in slack.calls].count("chat.update") == 1


@bot_only
def test_a_run_that_ends_is_told_at_once_whatever_was_edited_a_moment_ago(
    channel: Channel, slack: SlackStandIn, clock: Clock, show: Show, watcher: Watcher
) -> None:
    channel.see("run-1", "started")
    clock.now += timedelta(seconds=1)
    show("run-1", "finished", "failure")
    watcher.check("run-1", Deadline(30))
    channel.tell()

    message, reply = slack.messages(CHANNEL)
    assert "failed" in message.text
    assert "failed" in reply.text


@bot_only
def test_what_somebody_does_about_a_run_is_told_in_its_thread_once(
    channel: Channel, slack: SlackStandIn, store: RunStore, notifier: Notifier, clock: Clock
) -> None:
    channel.ends("run-1", "failure")
    before = len(slack.messages(CHANNEL))
    note = Note(NoteKind.CLAIMED, "U0123ABCD", timestamp(clock.now))
    for _ in range(2):
        item = store.add_note("default", "run-1", note)
        if item:
            notifier.deliver(Wake.of(item))

    root, *_ = slack.messages(CHANNEL)
    (told,) = slack.messages(CHANNEL)[before:]
    assert "<@U0123ABCD> is on it" in told.text
    assert (told.thread_ts, told.broadcast) == (root.ts, False)
    assert "<@U0123ABCD> is on it" in root.text
    assert store.get("default", "run-1").pending_since is None


@pytest.mark.parametrize("until", ["time", "recovery"])
@bot_only
def test_a_muted_task_is_silent_until_its_time_is_up_or_it_recovers(
    channel: Channel,
    slack: SlackStandIn,
    tasks: TaskStore,
    clock: Clock,
    until: str,
) -> None:
    channel.ends("run-1", "failure")
    before = len(slack.messages(CHANNEL))
    end = timestamp(clock.now + timedelta(hours=1)) if until == "time" else None
    tasks.put_mute("default", "task-1", Mute("U0123ABCD", timestamp(clock.now), end))
    channel.ends("run-2", "failure")
    assert len(slack.messages(CHANNEL)) == before

    clock.now += timedelta(hours=1)
    if until == "time":
        assert channel.ends("run-3", "failure")
    else:
        assert channel.ends("run-3", "failure") == []
        (recovery,) = channel.ends("run-4", "success")
        assert "recovered" in recovery.text
        assert tasks.get("default", "task-1").mute is None
    assert channel.ends("run-5", "success")
