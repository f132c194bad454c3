"""`make counts`: what a tick asks of Algolia and DynamoDB, with few known runs and with many."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Iterable
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from requests import Session

from local.algolia import AlgoliaStandIn, RunLife, Step
from local.aws import ROOT, LocalAws
from local.table import new_table

sys.path.insert(0, str(ROOT / "layers" / "runbell" / "python"))

from runbell.algolia import IngestionClient
from runbell.background import Background
from runbell.checker import Checker
from runbell.connections import ConnectionStore
from runbell.deadline import Deadline
from runbell.items import run_attributes, run_key
from runbell.observability import logger
from runbell.outbox import Outbox, Wake
from runbell.rules import Routing
from runbell.run import Run, parse_run
from runbell.secrets import AlgoliaCredentials
from runbell.store import RunStore
from runbell.sweeper import Sweeper
from runbell.table import Table
from runbell.task_store import TaskStore
from runbell.timekeeper import Timekeeper
from runbell.watcher import Report, Watcher

KNOWN = (10, 1_000, 20_000)
CHANGED = (0, 1, 10, 100, 250)
TASKS = 500
DAY = 86_400.0
LONG_AGO = "2000-01-01T00:00:00Z"
PATIENCE = 600.0


def counts() -> int:
    """Print the counts; 0 when a quiet tick keeps to its promise however many runs there are."""
    print("What a tick asks, by how many runs are known and how many of them change:\n")
    print("  known runs  changed  requests to Algolia  calls to DynamoDB")
    keeps = True
    with LocalAws() as aws:
        for known in KNOWN:
            with AlgoliaStandIn() as algolia:
                keeps &= _measure(aws, algolia, known)
    print("\n  a quiet tick: 1 request, 3 calls" if keeps else "\n  a quiet tick asks for MORE")
    return 0 if keeps else 1


def _measure(aws: LocalAws, algolia: AlgoliaStandIn, known: int) -> bool:
    logger.setLevel("ERROR")
    dynamodb: Any = aws.client("dynamodb")
    name = new_table(dynamodb)
    watcher = _watcher(Table(dynamodb, name), algolia)
    began = time.time()
    lives = [
        RunLife(
            str(uuid.uuid4()),
            f"task-{number % TASKS}",
            [Step(0, "started"), Step(60, "finished", "success")],
        )
        for number in range(known)
    ]
    for number, life in enumerate(lives):
        algolia.play(life, start=began - 6 * DAY * (number + 1) / (known + 1) - 120)
    _fill(dynamodb, name, algolia)
    _until_quiet(watcher)
    keeps = True
    for changed in CHANGED:
        _change(algolia, changed)
        report = watcher.tick(Deadline(PATIENCE))
        print(
            f"  {known:>10,}  {changed:>7}  {report.requests:>19}  {report.table_calls:>17}",
            flush=True,
        )
        if changed == 0:
            keeps = report.requests == 1 and report.table_calls <= 3
        _until_quiet(watcher)
    return keeps


def _fill(dynamodb: Any, name: str, algolia: AlgoliaStandIn) -> None:
    """Know every run, as if ticks had seen it: 20,000 looks one by one would take minutes."""
    write, page, client = TypeSerializer().serialize, 1, _client(algolia)
    while True:
        listed = client.list_runs(
            Deadline(PATIENCE), page=page, sort="createdAt", order="asc", start=LONG_AGO
        )
        items = [quiet_item(run) for run in map(parse_run, listed.items)]
        for batch in (items[at : at + 25] for at in range(0, len(items), 25)):
            puts = [{"PutRequest": {"Item": {k: write(v) for k, v in i.items()}}} for i in batch]
            dynamodb.batch_write_item(RequestItems={name: puts})
        if not listed.has_more:
            return
        page += 1


def _until_quiet(watcher: Watcher) -> Report:
    """Let ticks find everything there is."""
    while (report := watcher.tick(Deadline(PATIENCE))).changed or report.checked:
        pass
    return report


def _change(algolia: AlgoliaStandIn, number: int) -> None:
    """Let so many new runs be created, each of a task that is known."""
    algolia.play(
        *(RunLife(str(uuid.uuid4()), f"task-{n}", [Step(0, "created")]) for n in range(number))
    )


class _Nowhere(Outbox):
    """A queue that takes everything; what notify does with it is not counted here."""

    def __init__(self) -> None:
        pass

    def enqueue(self, wakes: Iterable[Wake], *, sweep: str = "") -> int:  # noqa: ARG002
        return sum(1 for _ in wakes)


class _Known:
    """The stand-in's credentials."""

    def __init__(self, credentials: AlgoliaCredentials) -> None:
        self._credentials = credentials

    def get(self) -> AlgoliaCredentials:
        return self._credentials

    def anew(self, _: AlgoliaCredentials) -> AlgoliaCredentials:
        return self._credentials


def _client(algolia: AlgoliaStandIn) -> IngestionClient:
    secret: Any = _Known(AlgoliaCredentials(algolia.app_id, "us", algolia.api_key))
    return IngestionClient(secret, Session(), base_url=algolia.url)


def _watcher(table: Table, algolia: AlgoliaStandIn) -> Watcher:
    client = _client(algolia)
    store, tasks, outbox = RunStore(table), TaskStore(table), _Nowhere()
    routing = Routing("#runs", frozenset({"failed"}))
    return Watcher(
        "default",
        ConnectionStore(table),
        store,
        Sweeper("default", store, outbox),
        lambda c: Checker(c, client, store, outbox, Background(client, tasks), routing),
        lambda checker: {"task": Timekeeper(checker, store, tasks).look},
        table,
    )


def quiet_item(run: Run) -> dict[str, Any]:
    """The item of a run that ticks have seen, and of which nobody is to be told."""
    return {
        "pk": run_key("default", run.run_id),
        "connection": "default",
        "run_id": run.run_id,
        "recent": "default",
        "updated_at": run.created_at,
        "version": 1,
        "snapshot": run_attributes(run),
        "deliveries": {},
    }
