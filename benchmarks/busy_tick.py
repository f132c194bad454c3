"""What poll does with 10,000 changes at once, beside what one request for each of them takes.

Run it with `python -m benchmarks.busy_tick`, or with `--changes 1000` for a tenth of it.

Runs of a thousand tasks end within a second, one in twenty of them badly, and none was known
before. Then ticks go by until one finds nothing more. Each is poll's own handler in a process of
its own, with the time limit that the template gives it; the table and the queue are the local
AWS's, and Algolia is the stand-in. Between two ticks all that is in the queue counts as told.

The peer is handed the runs by their IDs: it fetches each, compares and saves it. Its post to Slack
is left out, as with us it is notify's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from boto3.dynamodb.types import TypeDeserializer

from local.algolia import RunLife, Step
from local.aws import ROOT

sys.path.insert(0, str(ROOT / "layers" / "runbell" / "python"))

from benchmarks.stage import PEER, PYTHON, Stage, stage
from benchmarks.table import keep
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

OURS = (ROOT / ".venv" / "bin" / "python", ROOT / "functions" / "poll", sys.path[0])

TOLD = Delivery(channel_id="C1", ts="1.1", told=1, shown=1)


@dataclass(frozen=True)
class Invoked:
    """What one invocation answered and took; see `benchmarks.warm`."""

    answer: Mapping[str, int]
    seconds: float
    cpu: float
    peak: float
    requests: Mapping[str, int]


class Process:
    """A function's process, which is kept warm."""

    def __init__(self, running: subprocess.Popen[str]) -> None:
        self._running = running

    def invoke(self, event: object, seconds: float) -> Invoked:
        """Have it answer an event, within so many seconds."""
        assert self._running.stdin is not None
        assert self._running.stdout is not None
        print(
            json.dumps({"event": event, "seconds": seconds}),
            file=self._running.stdin,
            flush=True,
        )
        line = self._running.stdout.readline()
        if not line:
            raise SystemExit("the function has died; its last words are above")
        return Invoked(**json.loads(line))


@contextmanager
def process(
    environment: Mapping[str, str], python: Path, *path: Path | str, options: Sequence[str] = ()
) -> Iterator[Process]:
    """Start a function's process, and end it."""
    with subprocess.Popen(
        [python, Path(__file__).with_name("warm.py"), *options],
        env={**environment, "PYTHONPATH": ":".join(map(str, path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        yield Process(running)
        assert running.stdin is not None
        running.stdin.close()


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
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._name, ConsistentRead=True
        )
        for page in pages:
            for found in page["Items"]:
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


def play(on: Stage, changes: int, limit: float) -> tuple[list[Invoked], list[str], float]:
    """Let poll find the changes; answers with its ticks, what is wrong, and its memory before."""
    environment = on.ours()
    queue = Queue(on, environment)
    for number in range(TASKS):
        names = {"sourceID": f"source-{number}", "destinationID": f"destination-{number}"}
        on.algolia.put_task({"taskID": f"task-{number}", "action": "replace", **names})
        on.algolia.put_source({"sourceID": names["sourceID"], "name": f"Source {number}"})
        on.algolia.put_destination(
            {
                "destinationID": names["destinationID"],
                "name": f"Destination {number}",
                "input": {"indexName": f"index-{number}"},
            }
        )
    ticks: list[Invoked] = []
    with process(environment, *OURS) as poll:
        before = poll.invoke({}, limit).peak
        began = time.time()
        made = lives(changes)
        time.sleep(changes * APART)
        on.algolia.play(*made, start=began)
        while len(ticks) < MOST_TICKS:
            ticks.append(poll.invoke({}, limit))
            print(f"  {_words_for(ticks[-1])}", flush=True)
            if not ticks[-1].answer["checked"]:
                break
            queue.drain()
    return ticks, list(_faults(made, queue)), before


def _faults(made: Sequence[RunLife], queue: Queue) -> Iterator[str]:
    expected = [life.run_id for life in made]
    versions = {item.run_id: item.version for item in queue.runs()}
    saved = Counter(versions.get(run_id, 0) for run_id in expected)
    # A first failure that is over by now is saved once more, with a note that says so.
    if saved[0] or len(versions) != len(expected):
        yield f"{saved[0]} of {len(expected)} runs are not in the table"
    histories = Counter(len(item.history) for item in queue.runs())
    if histories != {1: len(expected)}:
        yield f"runs have been seen to change so often: {dict(histories)}"
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


def _words_for(tick: Invoked) -> str:
    done = {name: n for name, n in tick.answer.items() if n}
    return f"{tick.seconds:.1f} s, {tick.cpu:.1f} s CPU, {tick.peak:.0f} MB: {done}"


def play_peer(on: Stage, changes: int) -> Invoked:
    """Hand the peer the runs."""
    on.peers_algolia.play(*lives(changes), start=time.time() - 60)
    run_ids = [f"run-{number:06}" for number in range(changes)]
    (packages,) = (ROOT / ".venv-peer" / "lib").glob("python*/site-packages")
    with process(on.peer(), PYTHON, PEER, packages, options=["--without-slack"]) as peer:
        peer.invoke({"runIDs": []}, 600)
        taken = peer.invoke({"runIDs": run_ids}, 600)
    assert taken.answer["announced"] == changes, taken.answer
    return taken


def main() -> int:
    """Measure, print and keep; answer 1 if anything is lost or done twice."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.busy_tick", description=__doc__)
    parser.add_argument("--changes", type=int, default=CHANGES, help="how many (%(default)s)")
    parser.add_argument("--limit", type=float, help="seconds of a tick, if not the template's")
    options = parser.parse_args()
    changes = options.changes
    if changes < PEERS_SHARE:
        parser.error(f"the peer has nothing to do with fewer than {PEERS_SHARE}")
    template_says = float(template()["Resources"]["PollFunction"]["Properties"]["Timeout"])
    limit = options.limit or template_says
    print(f"{changes:,} changes, {limit:.0f} s a tick:")
    with stage() as on:
        ticks, wrong, before = play(on, changes, limit)
        peers = changes // PEERS_SHARE
        peer = play_peer(on, peers)
    *busy, quiet = ticks
    seconds, cpu = sum(tick.seconds for tick in busy), sum(tick.cpu for tick in busy)
    asked: Counter[str] = sum((Counter(tick.requests) for tick in busy), Counter())
    queued = asked.pop("SendMessageBatch", 0)
    facts = {
        "changes": changes,
        "limit": limit,
        "ticks": len(busy),
        "longest": round(max(tick.seconds for tick in busy), 1),
        "changes_a_second": round(changes / seconds, 1),
        "cpu_ms": round(1000 * cpu / changes, 2),
        "table_calls": round(asked.total() / changes, 3),
        "queue_requests": round(queued / changes, 3),
        "algolia_requests": round(sum(tick.answer["requests"] for tick in busy) / changes, 3),
        "megabytes": round(quiet.peak),
        "megabytes_before": round(before),
        "peers_changes": peers,
        "peers_changes_a_second": round(peers / peer.seconds, 1),
        "peers_cpu_ms": round(1000 * peer.cpu / peers, 2),
        "peers_table_calls": round(sum(peer.requests.values()) / peers, 3),
        "wrong": len(wrong),
    }
    print(
        f"{facts['ticks']} ticks, the longest {facts['longest']} s; "
        f"{facts['changes_a_second']} changes a second (peer {facts['peers_changes_a_second']})\n"
        f"for each change: {facts['cpu_ms']} ms CPU (peer {facts['peers_cpu_ms']}), "
        f"{facts['table_calls']} table calls (peer {facts['peers_table_calls']}), "
        f"{facts['queue_requests']} to the queue, {facts['algolia_requests']} to Algolia (peer 1)\n"
        f"memory: {facts['megabytes']} MB at the most, {facts['megabytes_before']} before"
    )
    print("\n".join(wrong) or f"{changes:,} committed once and enqueued once")
    keep("busy_tick", [], facts)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
