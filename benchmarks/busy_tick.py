"""What poll does with 10,000 changes at once, beside what one request for each of them takes.

Run it with `python -m benchmarks.busy_tick`, or with `--changes 1000` for a tenth of it.

Runs of a thousand tasks end within a second, one in twenty of them badly, and none was known
before. Then ticks go by until one finds nothing more. Each is poll as SAM has built it, in a
process of its own, with the time limit that the template gives it; the table and the queue are the
local AWS's, and Algolia is the stand-in. Between two ticks all that is in the queue counts as told.

The peer is handed runs by their IDs: it fetches each, compares it, posts a message, and saves it.
The post is in its figures; with us it is notify's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from boto3.dynamodb.types import TypeDeserializer

from local.algolia import RunLife, Step
from local.aws import ROOT

sys.path.insert(0, str(ROOT / "layers" / "runbell" / "python"))

from benchmarks import page
from benchmarks.stage import Artifacts, Code, Stage, stage
from benchmarks.table import keep, machine
from benchmarks.warm_process import Cost, WarmFunction
from local.season.dynamodb import QuickDynamoDB
from local.table import template
from runbell.items import Delivery, RunItem, parse_item
from runbell.outbox import Wake, parse_wake
from runbell.store import RunStore
from runbell.table import Table

CHANGES, TASKS = 10_000, 1_000

FAILS = 20
"""One run in so many fails."""

APART = 0.0001
"""Seconds between the ends of two runs."""

PEERS_SHARE = 20
"""The peer is handed one run in so many."""

MOST_TICKS = 30

PEERS_TIME = 600.0
"""Seconds that the peer has for all of them: it has no way to go on with another invocation."""

TOLD = Delivery(channel_id="C1", ts="1.1", told=1, shown=1)


class Queue:
    """The queue that notify would drain, and the table that it would note it in."""

    def __init__(self, on: Stage, environment: Mapping[str, str]) -> None:
        self._sqs = on.aws.client("sqs")
        self._url = environment["QUEUE_URL"]
        self._name = environment["TABLE_NAME"]
        self._dynamodb = on.aws.client("dynamodb")
        table = Table(cast("Any", QuickDynamoDB(on.aws.url)), self._name)
        self._store = RunStore(table)
        self.words: list[Wake] = []

    def drain(self) -> None:
        """Take all that is in the queue, and note it as told."""
        while True:
            answer = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=0
            )
            messages = answer.get("Messages", [])
            if not messages:
                break
            self.words += [parse_wake(each["Body"]) for each in messages]
            entries = [
                {"Id": str(number), "ReceiptHandle": each["ReceiptHandle"]}
                for number, each in enumerate(messages)
            ]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)
        for item in self.runs():
            if item.pending_since is not None:
                self._store.record_delivery(item, TOLD, settled=True)

    def runs(self) -> Iterator[RunItem]:
        """All runs that the table holds."""
        read = TypeDeserializer().deserialize
        parts = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._name, ConsistentRead=True
        )
        for part in parts:
            for found in part["Items"]:
                if found["pk"]["S"].startswith("run#"):
                    yield parse_item({name: read(value) for name, value in found.items()})


def lives(changes: int) -> list[RunLife]:
    """Runs that end one shortly after the other; their steps count from the first."""
    return [
        RunLife(
            f"run-{number:06}",
            f"task-{number % TASKS}",
            [
                Step(number * APART, "created"),
                Step(number * APART, "started"),
                Step(number * APART, "finished", "success" if number % FAILS else "failure"),
            ],
        )
        for number in range(changes)
    ]


def play(on: Stage, poll: Code, changes: int, limit: float) -> tuple[list[Cost], list[str], float]:
    """Let poll find the changes; answers with its ticks, what is wrong, and its memory before."""
    environment = on.ours()
    queue = Queue(on, environment)
    _put_tasks(on)
    ticks: list[Cost] = []
    with WarmFunction(poll, environment) as function:
        before = function.answer({}, limit).memory
        began = time.time()
        made = lives(changes)
        time.sleep(changes * APART)
        on.algolia.play(*made, start=began)
        while len(ticks) < MOST_TICKS:
            ticks.append(function.answer({}, limit))
            print(f"  {_in_words(ticks[-1])}", flush=True)
            if not ticks[-1].answer["checked"]:
                break
            queue.drain()
    return ticks, list(_faults(made, queue)), before


def _put_tasks(on: Stage) -> None:
    """Let Algolia know what the tasks are called."""
    for number in range(TASKS):
        source, destination = f"source-{number}", f"destination-{number}"
        on.algolia.put_task(
            {
                "taskID": f"task-{number}",
                "action": "replace",
                "sourceID": source,
                "destinationID": destination,
            }
        )
        on.algolia.put_source({"sourceID": source, "name": f"Source {number}"})
        on.algolia.put_destination(
            {
                "destinationID": destination,
                "name": f"Destination {number}",
                "input": {"indexName": f"index-{number}"},
            }
        )


def _faults(made: Sequence[RunLife], queue: Queue) -> Iterator[str]:
    expected = [life.run_id for life in made]
    changes = {item.run_id: len(item.history) for item in queue.runs()}
    if changes != dict.fromkeys(expected, 1):
        counts = Counter(changes.get(run_id, 0) for run_id in expected)
        yield f"runs were saved with so many changes, and not with one: {dict(counts)}"
    first = Counter(wake.run_id for wake in queue.words if wake.version == 1)
    if first != Counter(expected):
        lost = len(set(expected) - first.keys())
        yield f"{lost} changes are not in the queue, {first.total() - len(first)} twice"
    swept = sum(wake.swept for wake in queue.words)
    if swept:
        yield f"{swept} words are a sweep's"
    order: defaultdict[str, list[str]] = defaultdict(list)
    task_of = {life.run_id: life.task_id for life in made}
    for wake in queue.words:
        if wake.version == 1:
            order[task_of[wake.run_id]].append(wake.run_id)
    if disordered := sum(of_task != sorted(of_task) for of_task in order.values()):
        yield f"the runs of {disordered} tasks are not in the queue in the order of their ends"


def _in_words(tick: Cost) -> str:
    done = {name: n for name, n in tick.answer.items() if n}
    return f"{tick.wall / 1000:.1f} s, {tick.cpu / 1000:.1f} s CPU, {tick.memory:.0f} MB: {done}"


def play_peer(on: Stage, peer: Code, changes: int) -> Cost:
    """Hand the peer the runs."""
    on.peers_algolia.play(*lives(changes), start=time.time() - 60)
    run_ids = [f"run-{number:06}" for number in range(changes)]
    with WarmFunction(peer, on.peer()) as function:
        function.answer({"runIDs": []})
        cost = function.answer({"runIDs": run_ids}, PEERS_TIME)
    assert cost.answer["announced"] == changes, cost.answer
    return cost


def main() -> int:
    """Measure, print and keep; answer 1 if anything is lost or done twice."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.busy_tick", description=__doc__)
    parser.add_argument("--changes", type=int, default=CHANGES, help="how many (%(default)s)")
    parser.add_argument("--limit", type=float, help="seconds of a tick, if not the template's")
    options = parser.parse_args()
    changes = options.changes
    if changes < PEERS_SHARE:
        parser.error(f"the peer has nothing to do with fewer than {PEERS_SHARE}")
    limit = options.limit or template()["Resources"]["PollFunction"]["Properties"]["Timeout"]
    print(f"{changes:,} changes, {limit:.0f} s a tick:", flush=True)
    with tempfile.TemporaryDirectory() as folder, stage() as on:
        artifacts = Artifacts(Path(folder))
        ticks, wrong, before = play(on, artifacts.ours("poll"), changes, limit)
        peers = changes // PEERS_SHARE
        peer = play_peer(on, artifacts.peer(), peers)
    *busy, quiet = ticks
    asked: Counter[str] = sum((Counter(tick.requests) for tick in busy), Counter())
    words = asked.pop("SendMessageBatch", 0)
    wall, cpu = sum(tick.wall for tick in busy), sum(tick.cpu for tick in busy)
    theirs = Counter(peer.requests)
    of_each = {
        "changes a second": (1000 * changes / wall, 1000 * peers / peer.wall),
        "CPU for each change, ms": (cpu / changes, peer.cpu / peers),
        "calls to DynamoDB for each": (asked.total() / changes, theirs.total() / peers),
        "requests to SQS for each": (words / changes, 0.0),
        "requests to Algolia for each": (
            sum(tick.answer["requests"] for tick in busy) / changes,
            1.0,
        ),
    }
    lines = [[name, f"{ours:.2f}", f"{peers:.2f}"] for name, (ours, peers) in of_each.items()]
    drawn = page.table(["", "Runbell", "peer"], lines)
    longest = max(tick.wall for tick in busy) / 1000
    remark = (
        f"{changes:,} changes at once took {len(busy)} ticks of up to {longest:.0f} s; each was "
        f"committed once and enqueued once. The function held {quiet.memory:.0f} MB at the most, "
        f"and {before:.0f} MB before. The peer was handed {peers:,}; its figures have its posts to "
        "Slack in them, which with us are notify's."
    )
    print("\n".join([drawn, *(wrong or [remark])]))
    facts = {
        **machine(),
        "changes": changes,
        "limit": limit,
        "ticks": len(busy),
        "longest": round(longest, 1),
        "megabytes": round(quiet.memory),
        "megabytes_before": round(before),
        "of_each": {name: [round(each, 3) for each in both] for name, both in of_each.items()},
        "wrong": wrong,
    }
    keep("busy_tick", [], facts)
    if not wrong:
        page.put("busy_tick", f"{remark}\n\n{drawn}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
