"""Runbell's own parts between the table and Slack, put together in simulated time."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast
from unittest.mock import patch

from local.aws import LocalAws
from local.season.dynamodb import QuickDynamoDB
from local.simulated.clock import SimulatedTime
from local.simulated.fifo import FifoQueues
from local.simulated.line import Line, Weather
from local.simulated.mapping import EventSource, Handle
from local.slack import SlackStandIn
from local.table import new_table, template
from runbell.closed_channels import ClosedChannels
from runbell.deadline import Deadline
from runbell.inbox import Inbox
from runbell.notifier import Notifier
from runbell.outbox import DeadLetters, Outbox
from runbell.reopener import Reopener
from runbell.secrets import Secret, parse_slack
from runbell.slack.access import SlackAccess
from runbell.slack.pace import Pace
from runbell.store import RunStore
from runbell.sweeper import Sweeper
from runbell.table import Table

BETWEEN_TICKS = 60.0
"""Seconds from one tick to the next."""

QUEUE, DEAD = "queue", "dead"
"""What the queues are called."""


@dataclass
class Delivery:
    """All that brings to Slack what is in the table.

    Args:
        time: By which all of it lives.
        slack: The stand-in that it talks to.
        line: The way there.
        queues: The queue and the dead-letter queue.
        store: What is to be told, and what has been.
        outbox: The queue's sending end.
        source: Its receiving end.
        table: Counts what is asked of it.
        queued: How many words were in the queue after each tick.
    """

    time: SimulatedTime
    slack: SlackStandIn
    line: Line
    queues: FifoQueues
    store: RunStore
    outbox: Outbox
    source: EventSource
    table: Table
    queued: list[int]


@contextmanager
def delivery(
    aws: LocalAws, weather: Callable[[float, str], Weather], *, fallback_channel: str | None = None
) -> Iterator[Delivery]:
    """Put the parts together over a new table, with limits as the template has them.

    A tick does each minute what poll does for what is pending and for closed channels; Algolia has
    no part in it.

    Args:
        aws: Has the table and the secret.
        weather: How a request to Slack fares, by its time and channel.
        fallback_channel: Where people are told of what its channel refuses.
    """
    with ExitStack() as stack:
        time = stack.enter_context(SimulatedTime())
        slack = stack.enter_context(SlackStandIn(clock=time.seconds))
        line = Line(time, weather)
        queues = _queues(time)
        sqs = cast("Any", queues)
        dynamodb = QuickDynamoDB(aws.url)
        stack.callback(dynamodb.close)
        table = Table(cast("Any", dynamodb), new_table(aws.client("dynamodb")))
        store = RunStore(table, retention=timedelta(days=30), now=time.now)
        closed = ClosedChannels(table, now=time.now)
        letters = DeadLetters(sqs, DEAD)
        outbox = Outbox(sqs, QUEUE)
        access = SlackAccess(_secret(aws, time), slack.url)

        def start_process() -> Handle:
            pace = Pace(clock=time.seconds, sleep=time.sleep)
            notifier = Notifier(
                store, closed, access, letters, fallback_channel, now=time.now, pace=pace
            )
            return Inbox(sqs, QUEUE, notifier, letters, sleep=time.sleep).drain

        source = _source(time, queues, start_process)
        sweeper = Sweeper("default", store, outbox, now=time.now)
        reopener = Reopener("default", closed, store, outbox, letters, now=time.now)
        queued: list[int] = []

        def tick_for_ever() -> None:
            while True:
                sweeper.sweep()
                for kind, name in [*store.due("default")]:
                    if kind == "channel":
                        reopener.look(name, Deadline(30))
                queued.append(len(queues.bodies(QUEUE)))
                time.sleep(BETWEEN_TICKS)

        stack.enter_context(patch("runbell.inbox.Deadline", _deadline_by(time)))
        stack.enter_context(line.open())
        time.start(source.poll)
        time.start(tick_for_ever)
        yield Delivery(time, slack, line, queues, store, outbox, source, table, queued)


def _queues(time: SimulatedTime) -> FifoQueues:
    """The template's queue and dead-letter queue."""
    wanted = template()["Resources"]["Queue"]["Properties"]
    redrive = {
        "deadLetterTargetArn": DEAD,
        "maxReceiveCount": wanted["RedrivePolicy"]["maxReceiveCount"],
    }
    queues = FifoQueues(time.seconds)
    queues.create_queue(QueueName=DEAD, Attributes={"VisibilityTimeout": "30"})
    queues.create_queue(
        QueueName=QUEUE,
        Attributes={
            "VisibilityTimeout": str(wanted["VisibilityTimeout"]),
            "RedrivePolicy": json.dumps(redrive),
        },
    )
    return queues


def _source(
    time: SimulatedTime,
    queues: FifoQueues,
    start_process: Callable[[], Handle],
) -> EventSource:
    """The template's event source mapping, with notify's time limit."""
    resources = template()["Resources"]
    mapping = resources["NotifyQueueMapping"]["Properties"]
    return EventSource(
        time,
        queues,
        QUEUE,
        start_process,
        batch=mapping["BatchSize"],
        at_once=mapping["ScalingConfig"]["MaximumConcurrency"],
        limit=resources["NotifyFunction"]["Properties"]["Timeout"],
    )


def _secret(aws: LocalAws, time: SimulatedTime) -> Secret[Any]:
    client = aws.client("secretsmanager")
    value = json.dumps({"bot_token": "xoxb-stand-in"})
    made = client.create_secret(Name=f"runbell-{uuid.uuid4().hex}", SecretString=value)
    return Secret(client, made["ARN"], parse_slack, clock=time.seconds)


def _deadline_by(time: SimulatedTime) -> type[Deadline]:
    class SimulatedDeadline(Deadline):
        """A deadline in simulated time."""

        def __init__(self, seconds: float) -> None:
            super().__init__(seconds, time.seconds)

    return SimulatedDeadline
