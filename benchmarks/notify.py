"""How fast a thousand announcements get to Slack, beside how fast Slack takes them.

Run it with `python -m benchmarks.notify`; it takes a minute.

Twenty channels are to be told of fifty new runs each, all at once, and Slack takes one message a
second in each channel. The table and the FIFO queue are the local AWS's, the code is notify's, and
the clock is the wall's. The local AWS's own mapping serves one batch of a FIFO queue at a time, so
Lambda's is played here: as many places side by side as the template allows, each with parts of its
own as a function's process has, and opened as quickly as Lambda opens them.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from local.aws import ROOT, LocalAws

sys.path.insert(0, str(ROOT / "layers" / "runbell" / "python"))

from benchmarks import page
from benchmarks.table import keep
from local.simulated.mapping import batch_of, places_after
from local.slack import SlackStandIn
from local.slack.stand_in import Call
from local.table import new_table, template
from runbell.closed_channels import ClosedChannels
from runbell.inbox import Inbox
from runbell.items import HistoryEntry
from runbell.notifier import Notifier
from runbell.outbox import DeadLetters, Outbox, Wake
from runbell.run import Run, timestamp
from runbell.secrets import Secret, parse_slack
from runbell.slack.access import SlackAccess
from runbell.store import RunStore
from runbell.table import Table

CHANNELS, EACH = 20, 50

SECONDS_A_POST = 1.0
"""What Slack wants to lie between two posts in a channel."""

GOAL = 1.2
"""All is told within so many times the time that Slack takes for it."""

TOO_LONG = 4.0
"""After so many times that time it is given up."""


@dataclass(frozen=True)
class Told:
    """What came of it.

    Args:
        seconds: From the first word in the queue until Slack has taken the last announcement.
        limit: The seconds in which Slack takes as many.
        posts: How many Slack has taken.
        requests: How many it was asked to take.
        wrong: The channels that were told something twice, not at all, or out of order.
    """

    seconds: float
    limit: float
    posts: int
    requests: int
    wrong: Sequence[str]

    @property
    def factor(self) -> float:
        """The time beside that of Slack's limit."""
        return self.seconds / self.limit

    @property
    def is_met(self) -> bool:
        """Whether it is as fast as it is to be, and right."""
        return not self.wrong and self.factor <= GOAL


class Place:
    """A place of Lambda's concurrency: takes batches until there is nothing left."""

    def __init__(self, sqs: Any, queue_url: str, inbox: Inbox, batch: int, limit: float) -> None:
        self._sqs = sqs
        self._queue_url = queue_url
        self._inbox = inbox
        self._batch = batch
        self._limit = limit

    def serve(self, is_over: Callable[[], bool]) -> None:
        """Hand batches to notify, and delete what it does not give back."""
        while not is_over():
            answer = self._sqs.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=self._batch,
                WaitTimeSeconds=1,
                AttributeNames=["All"],
            )
            messages = answer.get("Messages", [])
            if not messages:
                continue
            response = self._inbox.drain(batch_of(messages), cast("Any", _Invocation(self._limit)))
            back = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
            for message in messages:
                if message["MessageId"] not in back:
                    self._sqs.delete_message(
                        QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"]
                    )


class _Invocation:
    """What Lambda tells a function of its own invocation."""

    def __init__(self, limit: float) -> None:
        self._ends = time.monotonic() + limit

    def get_remaining_time_in_millis(self) -> int:
        return int((self._ends - time.monotonic()) * 1000)


def measure(channels: int = CHANNELS, each: int = EACH) -> Told:
    """Tell channels of new runs, and time it."""
    with LocalAws() as aws, SlackStandIn() as slack:
        slack.rate_limit = SECONDS_A_POST
        table, queue_url = new_table(aws.client("dynamodb")), _new_queue(aws)
        names = [f"#channel-{number:02}" for number in range(channels)]
        outbox = Outbox(aws.client("sqs"), queue_url)
        store = _store(aws, table)
        expected = {
            name: [f"run-{number:02} in {name}" for number in range(each)] for name in names
        }
        # Channel by channel, so that a batch is of one channel as far as possible: so SQS hands out
        # the groups of a FIFO queue in whatever order they came, the local AWS in their order.
        wakes = [_commit(store, run_id, name) for name in names for run_id in expected[name]]
        with _places(aws, table, queue_url, slack.url) as serve:
            began = time.time()
            outbox.enqueue(wakes)
            limit = (each - 1) * SECONDS_A_POST
            ends = began + TOO_LONG * limit
            serve(lambda: time.time() > ends or _taken(slack) >= len(wakes))
        return _told(slack.calls, expected, began, limit)


def _told(
    calls: Sequence[Call], expected: dict[str, list[str]], began: float, limit: float
) -> Told:
    asked = [call for call in calls if call.method == "chat.postMessage"]
    posts = [call for call in asked if isinstance(call.answer, dict) and call.answer["ok"]]
    told: defaultdict[str, list[str]] = defaultdict(list)
    for call in posts:
        payload = call.arguments["metadata"]["event_payload"]
        told[call.arguments["channel"]].append(payload["run_id"])
    return Told(
        seconds=max((call.at for call in posts), default=began) - began,
        limit=limit,
        posts=len(posts),
        requests=len(asked),
        wrong=[name for name, run_ids in expected.items() if told[name] != run_ids],
    )


@contextmanager
def _places(
    aws: LocalAws, table: str, queue_url: str, slack_url: str
) -> Iterator[Callable[[Callable[[], bool]], None]]:
    """Make the places, and answer with what lets them serve until something is over."""
    resources = template()["Resources"]
    mapping = resources["NotifyQueueMapping"]["Properties"]
    limit = resources["NotifyFunction"]["Properties"]["Timeout"]
    arn = _secret(aws)
    places = [
        Place(
            aws.client("sqs"),
            queue_url,
            _inbox(aws, table, queue_url, arn, slack_url),
            mapping["BatchSize"],
            limit,
        )
        for _ in range(mapping["ScalingConfig"]["MaximumConcurrency"])
    ]

    def serve(is_over: Callable[[], bool]) -> None:
        began = time.monotonic()
        threads: list[threading.Thread] = []
        while not is_over():
            for place in places[len(threads) : places_after(time.monotonic() - began)]:
                threads.append(threading.Thread(target=place.serve, args=(is_over,)))
                threads[-1].start()
            time.sleep(0.1)
        for thread in threads:
            thread.join()

    yield serve


def _inbox(aws: LocalAws, table: str, queue_url: str, arn: str, slack_url: str) -> Inbox:
    """A process's own parts, as `assembly` puts them together."""
    sqs, store = aws.client("sqs"), _store(aws, table)
    letters = DeadLetters(sqs, queue_url)  # no letter is laid away
    secret = Secret(aws.client("secretsmanager"), arn, parse_slack)
    closed = ClosedChannels(Table(aws.client("dynamodb"), table))
    return Inbox(
        sqs, queue_url, Notifier(store, closed, SlackAccess(secret, slack_url), letters), letters
    )


def _store(aws: LocalAws, table: str) -> RunStore:
    return RunStore(Table(aws.client("dynamodb"), table), retention=timedelta(days=30))


def _commit(store: RunStore, run_id: str, channel: str) -> Wake:
    """Save a run that was seen for the first time, to be told in a channel."""
    now = timestamp(datetime.now(UTC))
    run = Run(run_id, "STANDIN001", "task-1", "started", "reindex", created_at=now)
    entry = HistoryEntry(1, "started", "started", None, now, announced=True)
    item = store.get("default", run_id)
    return Wake.of(store.commit(item, run, entry, announce_in=channel))


def _new_queue(aws: LocalAws) -> str:
    wanted = template()["Resources"]["Queue"]["Properties"]
    fifo = {
        "FifoQueue": "true",
        "DeduplicationScope": wanted["DeduplicationScope"],
        "FifoThroughputLimit": wanted["FifoThroughputLimit"],
        "VisibilityTimeout": str(wanted["VisibilityTimeout"]),
    }
    name = f"runbell-{uuid.uuid4().hex}.fifo"
    return str(aws.client("sqs").create_queue(QueueName=name, Attributes=fifo)["QueueUrl"])


def _secret(aws: LocalAws) -> str:
    value = json.dumps({"bot_token": "xoxb-stand-in"})
    made = aws.client("secretsmanager").create_secret(
        Name=f"runbell-{uuid.uuid4().hex}", SecretString=value
    )
    return str(made["ARN"])


def _taken(slack: SlackStandIn) -> int:
    """How many requests Slack has answered with a 200."""
    return sum(asked.status == 200 for asked in slack.requests)


def in_words(facts: Mapping[str, Any]) -> str:
    """The page's table."""
    factor = f"{facts['factor']:.2f}"
    return page.table(
        ["announcements", "channels", "seconds", "times the limit", "goal", "requests for each"],
        [
            [
                f"{facts['announcements']:,}",
                f"{facts['channels']}",
                f"{facts['seconds']:.1f}",
                factor if facts["met"] else f"**{factor}**",
                f"{facts['goal']:.2f}",
                f"{facts['requests'] / facts['announcements']:.2f}",
            ]
        ],
    )


def main() -> int:
    """Measure, print and keep; answer 1 if the goal is missed."""
    logging.getLogger("runbell").setLevel(logging.ERROR)
    told = measure()
    print(
        f"{CHANNELS} channels, {EACH} announcements each: told in {told.seconds:.1f} s, "
        f"{told.factor:.2f} times what Slack takes ({told.limit:.0f} s); "
        f"goal {GOAL:.2f} {'ok' if told.factor <= GOAL else 'missed'}\n"
        f"requests: {told.requests} for {told.posts} announcements, "
        f"{told.requests / max(told.posts, 1):.3f} each"
    )
    if told.wrong:
        print(f"told wrongly: {', '.join(told.wrong)}")
    facts = {
        "channels": CHANNELS,
        "announcements": CHANNELS * EACH,
        "seconds": round(told.seconds, 2),
        "limit": told.limit,
        "factor": round(told.factor, 3),
        "requests": told.requests,
        "goal": GOAL,
        "met": told.is_met,
    }
    keep("notify", [], facts)
    page.put("notify", in_words(facts))
    return 0 if told.is_met else 1


if __name__ == "__main__":
    sys.exit(main())
