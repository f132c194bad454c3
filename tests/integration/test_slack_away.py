"""Slack is away for an hour while five hundred runs have news: a play in simulated time.

Slack refuses connections, answers 503 and hangs by turns, for five minutes each; then it takes a
message a second in each channel, and refuses what comes faster.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest

from local.aws import LocalAws
from local.simulated import Attempt, Delivery, Invoked, Weather, delivery
from local.slack.stand_in import Call
from runbell.inbox import LONGEST_BACKOFF, TIRED
from runbell.outbox import Wake
from tests.integration.conftest import run_of, save

MINUTE, HOUR = 60.0, 3_600.0

RUNS = 500
"""Runs that have news. A fourth of them is known to its channel, and fails: an edit, and a reply
for all to see. The others are new, and end well half an hour later: one message each."""

TURNS: tuple[Weather, ...] = ("refused", "503", "hanging")

SECONDS_A_POST = 1.3
"""Within how many seconds a channel is told one thing more once Slack is back, on average. Slack
takes one message a second; to go from batch to batch costs the rest."""

REQUESTS_A_TRY = 2
"""A post whose answer is lost is looked for, once, if there is time."""

WORDS_A_RUN = 8
"""Words that are in the queue for a run after an hour: two changes', and those of the sweeps, which
come at longer and longer intervals."""

TABLE_CALLS_A_RUN = 16
"""Requests to DynamoDB in the hour: each change's, each sweep's, and the few of the tries."""


@dataclass
class Seen:
    """What was seen of the hour and of what came after it."""

    channels: dict[str, str]
    before: list[Call]
    began: float
    over: float
    calls: list[Call]
    attempts: list[Attempt]
    invoked: list[Invoked]
    queued: list[int]
    table_calls: list[int]
    dead_letters: list[str]
    pending: int

    @property
    def posts(self) -> list[Call]:
        """What Slack has taken since it is back."""
        return [each for each in self.calls if each.method == "chat.postMessage" and took(each)]

    @property
    def tries(self) -> list[Attempt]:
        """What was asked of Slack while it was away."""
        return [each for each in self.attempts if self.began <= each.at < self.over]

    def posts_in(self, channel: str) -> list[Call]:
        """What Slack has taken for a channel."""
        return [each for each in self.posts if each.arguments["channel"] == channel]


def took(call: Call) -> bool:
    return isinstance(call.answer, dict) and call.answer["ok"] is True


def said(call: Call) -> tuple[str, int]:
    """Which run a message is about, and up to which of its changes it tells."""
    payload = call.arguments["metadata"]["event_payload"]
    return payload["run_id"], payload["last_change"]


def see(of: Delivery, run_id: str, channel: str, status: str, outcome: str | None = None) -> None:
    """Commit a state of a run and wake notify, as a tick does that finds it."""
    item = save(of.store, run_of(status, outcome, run_id=run_id), announce_in=channel)
    of.outbox.enqueue([Wake.of(item)])


def play(aws: LocalAws, channels: list[str]) -> Seen:
    """Let all runs have news the moment Slack goes away, and an hour later let it come back."""
    away: list[float] = []

    def weather(at: float, _: str) -> Weather:
        gone_for = at - away[0] if away else HOUR
        return TURNS[int(gone_for // 300) % 3] if gone_for < HOUR else "fair"

    with delivery(aws, weather) as of:
        time, slack = of.time, of.slack
        slack.rate_limit = 1.0
        where = {f"run-{number:03}": channels[number % len(channels)] for number in range(RUNS)}
        known = list(where)[: RUNS // 4]
        for run_id in known:
            see(of, run_id, where[run_id], "started")
            time.sleep(20.0 / len(channels))
        time.sleep(MINUTE)
        before = slack.calls

        away.append(time.seconds())
        table_calls = [of.table.calls_made]
        for run_id, channel in where.items():
            if run_id in known:
                see(of, run_id, channel, "finished", "failure")
            else:
                see(of, run_id, channel, "started")
        for minute in range(1, 61):
            time.sleep(MINUTE)
            table_calls.append(of.table.calls_made)
            if minute == 30:
                for run_id in where.keys() - known:
                    see(of, run_id, where[run_id], "finished", "success")
        assert slack.calls == before, "nothing is posted meanwhile"

        over, queued = time.seconds(), of.queued[-60:]
        while time.seconds() < over + HOUR and any(of.store.pending("default")):
            time.sleep(MINUTE)
        return Seen(
            {each: name for name in channels for each in (name, slack.make_channel(name))},
            before,
            away[0],
            over,
            slack.calls[len(before) :],
            of.line.attempts,
            of.source.invoked,
            queued,
            table_calls,
            of.queues.bodies("dead"),
            len([*of.store.pending("default")]),
        )  # fmt: skip


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(1, id="one channel", marks=pytest.mark.xdist_group("away 1")),
        pytest.param(20, id="twenty channels", marks=pytest.mark.xdist_group("away 20")),
    ],
)
def seen(request: pytest.FixtureRequest, aws: LocalAws) -> Seen:
    """The play, once with all runs in one channel and once with twenty-five in each of twenty."""
    return play(aws, [f"#channel-{number:02}" for number in range(request.param)])


def test_every_run_is_told_once_and_none_is_laid_away(seen: Seen) -> None:
    told = Counter(said(each) for each in seen.posts)

    assert told == {(f"run-{number:03}", 2): 1 for number in range(RUNS)}
    assert seen.pending == 0
    assert seen.dead_letters == []


def test_the_changes_of_a_run_are_told_in_their_order(seen: Seen) -> None:
    shown: defaultdict[str, list[int]] = defaultdict(list)
    for call in [*seen.before, *seen.calls]:
        if call.method in {"chat.postMessage", "chat.update"} and took(call):
            run_id, last_change = said(call)
            shown[run_id].append(last_change)

    assert all(changes == sorted(changes) for changes in shown.values())
    known = [changes for changes in shown.values() if changes[0] == 1]
    assert len(known) == RUNS // 4
    assert all(changes.count(1) == 1 for changes in known)


def test_slack_is_given_no_more_than_it_takes_and_kept_waiting_no_longer(seen: Seen) -> None:
    """Channels go side by side: the fewer wait in one, the sooner it is told all."""
    for channel in set(seen.channels.values()):
        at = [each.at for each in seen.posts_in(channel)]
        assert min(b - a for a, b in pairwise(at)) >= 1.0
        assert at[-1] - seen.over <= LONGEST_BACKOFF + SECONDS_A_POST * len(at)


def test_while_slack_is_away_a_channel_is_tried_about_once_a_minute(seen: Seen) -> None:
    by_minute = Counter(
        (seen.channels[each.channel], int((each.at - seen.began) // MINUTE)) for each in seen.tries
    )
    channels = len(set(seen.channels.values()))

    at_first = [n for (_, minute), n in by_minute.items() if minute < 2]
    later = [n for (_, minute), n in by_minute.items() if minute >= 2]
    assert max(at_first) <= 4 * REQUESTS_A_TRY  # after 2, 4, 8, 16, 32 seconds
    assert max(later) <= 2 * REQUESTS_A_TRY
    assert len(seen.tries) <= 60 * REQUESTS_A_TRY * channels


def test_a_run_is_tried_no_oftener_than_its_channel_wants(seen: Seen) -> None:
    """The first of a channel is tried for all that wait behind it, until its word is tired."""
    tried = Counter(each.run_id for each in seen.tries if each.run_id)
    assert max(tried.values()) <= TIRED * REQUESTS_A_TRY


def test_words_do_not_pile_up_without_end(seen: Seen) -> None:
    assert max(seen.queued) <= WORDS_A_RUN * RUNS
    assert seen.queued[-1] - seen.queued[-15] <= RUNS  # a run's sweeps rest for half an hour by now


def test_the_table_is_not_hammered(seen: Seen) -> None:
    per_minute = [b - a for a, b in pairwise(seen.table_calls)]

    assert sum(per_minute) <= TABLE_CALLS_A_RUN * RUNS
    assert sorted(per_minute)[len(per_minute) // 2] <= RUNS // 5  # no sweep is due in most minutes


def test_no_invocation_runs_out_of_time(seen: Seen, template: dict[str, Any]) -> None:
    limit = template["Resources"]["NotifyFunction"]["Properties"]["Timeout"]
    assert max(each.seconds for each in seen.invoked) < limit
