"""Slack is away for an hour while five hundred runs have news, in simulated time."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any, cast

import pytest

from local.aws import LocalAws
from local.season.dynamodb import QuickDynamoDB
from local.simulated import Attempt, EventSource, FifoQueues, Invoked, Line, SimulatedTime, Weather
from local.slack import SlackStandIn
from local.table import new_table, template
from runbell.closed_channels import ClosedChannels
from runbell.deadline import Deadline
from runbell.inbox import Inbox
from runbell.items import RunItem
from runbell.notifier import Notifier
from runbell.outbox import DeadLetters, Outbox, Wake
from runbell.reopener import Reopener
from runbell.secrets import Secret, parse_slack
from runbell.slack.access import SlackAccess
from runbell.store import RunStore
from runbell.sweeper import Sweeper
from runbell.table import Table
from tests.integration.conftest import run_of, save

MINUTE, HOUR = 60.0, 3600.0
RUNS = 500
"""Runs that have news while Slack is away; more cannot be said of them by fewer posts."""


class World:
    """All that stands between the table and Slack, for one connection."""

    def __init__(self, aws: LocalAws, time: SimulatedTime, slack: SlackStandIn, line: Line) -> None:
        self.time, self.slack, self.line = time, slack, line
        dynamodb = aws.client("dynamodb")
        self.table = Table(cast("Any", QuickDynamoDB(aws.url)), new_table(dynamodb))
        self.store = RunStore(self.table, retention=timedelta(days=30), now=time.now)
        closed = ClosedChannels(self.table, now=time.now)
        resources = template()["Resources"]
        queue = resources["Queue"]["Properties"]
        self.queues = FifoQueues(time.seconds)
        client = cast("Any", self.queues)
        self.queues.create_queue(QueueName="dead", Attributes={"VisibilityTimeout": "30"})
        redrive = {"deadLetterTargetArn": "dead", **_counted(queue["RedrivePolicy"])}
        self.queues.create_queue(
            QueueName="queue",
            Attributes={
                "VisibilityTimeout": str(queue["VisibilityTimeout"]),
                "RedrivePolicy": json.dumps(redrive),
            },
        )
        letters = DeadLetters(client, "dead")
        secret = aws.client("secretsmanager").create_secret(
            Name=f"slack-{id(self)}", SecretString='{"bot_token": "xoxb-stand-in"}'
        )
        parts = Secret(aws.client("secretsmanager"), secret["ARN"], parse_slack, clock=time.seconds)
        self.outbox = Outbox(client, "queue")
        self.notifier = Notifier(
            self.store, closed, SlackAccess(parts, slack.url), letters, now=time.now
        )
        self.sweeper = Sweeper("default", self.store, self.outbox, now=time.now)
        self.reopener = Reopener("default", closed, self.store, self.outbox, letters, now=time.now)
        mapping = resources["NotifyQueueMapping"]["Properties"]
        self.source = EventSource(
            time,
            self.queues,
            "queue",
            Inbox(client, "queue", self.notifier, letters).drain,
            batch=mapping["BatchSize"],
            at_once=mapping["ScalingConfig"]["MaximumConcurrency"],
            limit=resources["NotifyFunction"]["Properties"]["Timeout"],
        )
        self.in_queue: list[tuple[float, int]] = []

    def tick_for_ever(self) -> None:
        """Do each minute what a tick does for what is pending and for closed channels."""
        while True:
            self.sweeper.sweep()
            for kind, name in [*self.store.due("default")]:
                if kind == "channel":
                    self.reopener.look(name, Deadline(30))
            self.in_queue.append((self.time.seconds(), len(self.queues.bodies("queue"))))
            self.time.sleep(MINUTE)

    def see(self, run_id: str, channel: str, status: str, outcome: str | None = None) -> RunItem:
        """Commit a state of a run, and wake notify, as a tick that finds it does."""
        item = save(self.store, run_of(status, outcome, run_id=run_id), announce_in=channel)
        self.outbox.enqueue([Wake.of(item)])
        return item


def _counted(redrive: dict[str, Any]) -> dict[str, Any]:
    return {"maxReceiveCount": redrive["maxReceiveCount"]}


@dataclass
class Story:
    """What was seen of an hour without Slack, and of what came after it."""

    channels: list[str]
    began: float
    over: float
    caught_up: float
    attempts: list[Attempt]
    invoked: list[Invoked]
    in_queue: list[tuple[float, int]]
    table_calls: list[tuple[float, int]]
    posted: dict[str, list[tuple[float, str, int, bool]]]
    dead_letters: list[str]
    pending: int


def play(aws: LocalAws, channels: list[str]) -> Story:
    """Let 500 runs have news at once, in these channels, at the moment at which Slack goes away."""
    with ExitStack() as stack:
        time = stack.enter_context(SimulatedTime())
        slack = stack.enter_context(SlackStandIn(clock=time.seconds))
        slack.rate_limit = 1.0
        away: list[tuple[float, float]] = []

        def weather(method: str, channel: str) -> Weather:
            now = time.seconds()
            if not any(begin <= now < end for begin, end in away):
                return "fair"
            turns: tuple[Weather, ...] = ("refused", "503", "hanging")
            return turns[int((now - away[0][0]) // 300) % 3]

        line = Line(time, weather)
        world = World(aws, time, slack, line)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("runbell.inbox.Deadline", _deadline_by(time))
        stack.enter_context(line.open())
        time.start(world.source.poll)
        time.start(world.tick_for_ever)

        where = {f"run-{number:03}": channels[number % len(channels)] for number in range(RUNS)}
        known = list(where)[: RUNS // 4]
        for run_id in known:  # people know a fourth of them
            world.see(run_id, where[run_id], "started")
            time.sleep(30.0 / len(channels))
        time.sleep(MINUTE)
        before = len(slack.calls)

        began = time.seconds()
        away.append((began, began + HOUR))
        for run_id, channel in where.items():
            if run_id in known:
                world.see(run_id, channel, "finished", "failure")
            else:
                world.see(run_id, channel, "started")
        calls: list[tuple[float, int]] = []
        for minute in range(60):
            calls.append((time.seconds(), world.table.calls_made))
            if minute == 30:
                for run_id, channel in where.items():
                    if run_id not in known:
                        world.see(run_id, channel, "finished", "success")
            time.sleep(MINUTE)
        calls.append((time.seconds(), world.table.calls_made))
        over = time.seconds()
        assert len(slack.calls) == before, "nothing is posted meanwhile"
        while pending := len([*world.store.pending("default")]):
            if time.seconds() - over > 6 * HOUR:
                break
            time.sleep(10.0)
        calls_to_slack = slack.calls[before:]
        posted: dict[str, list[tuple[float, str, int, bool]]] = defaultdict(list)
        for call in calls_to_slack:
            if call.method == "chat.postMessage" and isinstance(call.answer, dict):
                if call.answer["ok"]:
                    payload = call.arguments["metadata"]["event_payload"]
                    posted[call.arguments["channel"]].append(
                        (call.at, payload["run_id"], payload["last_change"], "thread_ts" in call.arguments)
                    )
        return Story(
            channels, began, over, time.seconds(), line.attempts, world.source.invoked,
            world.in_queue, calls, dict(posted), world.queues.bodies("dead"), pending,
        )  # fmt: skip


def _deadline_by(time: SimulatedTime) -> type[Deadline]:
    class SimulatedDeadline(Deadline):
        """A deadline in simulated time."""

        def __init__(self, seconds: float) -> None:
            super().__init__(seconds, time.seconds)

    return SimulatedDeadline
