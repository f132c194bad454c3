"""How a tick finds what is new by itself, what it asks for that, and that it misses nothing."""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from local.algolia import AlgoliaStandIn
from local.faults import Fault
from local.http_server import Answer, Request
from runbell.algolia import PER_PAGE
from runbell.checker import LONGEST_REST
from runbell.connections import Connection, ConnectionStore
from runbell.deadline import Deadline
from runbell.discovery import FULL_LOOK, WINDOW
from runbell.items import run_attributes, run_key
from runbell.rules import Watch
from runbell.run import parse_run, timestamp
from runbell.store import RunStore
from runbell.table import Table
from runbell.task_store import TaskStore
from runbell.watcher import Watcher
from tests.integration.conftest import (
    Clock,
    Queue,
    Rebuild,
    asked_of,
    deeds,
    document,
    due_runs,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def discover() -> str:
    return "all"


class Show:
    """Lets Algolia show runs that are created, start or end this moment."""

    def __init__(self, algolia: AlgoliaStandIn, clock: Clock) -> None:
        self._algolia = algolia
        self._clock = clock
        self._created: dict[str, str] = {}

    def __call__(self, run_id: str, status: str, outcome: str | None = None, **more: Any) -> None:
        now = timestamp(self._clock.now)
        run = {
            "runID": run_id,
            "appID": "STANDIN001",
            "taskID": "task-1",
            "status": status,
            "type": "reindex",
            "createdAt": self._created.setdefault(run_id, now),
            **({"startedAt": now} if status == "started" else {}),
            **({"finishedAt": now} if status == "finished" else {}),
            **({"outcome": outcome} if outcome else {}),
            **more,
        }
        self._created[run_id] = run["createdAt"]
        self._algolia.put_run(run)


@pytest.fixture
def show(algolia: AlgoliaStandIn, clock: Clock) -> Show:
    return Show(algolia, clock)


@pytest.fixture
def told(store: RunStore) -> Callable[[str], list[str]]:
    """The kinds of change that were announced of a run."""

    def of(run_id: str) -> list[str]:
        history = store.get("default", run_id).history
        return [entry.kind for entry in history if entry.announced]

    return of


Told = Callable[[str], list[str]]


# ---- What a tick asks for ---------------------------------------------------------------------


@pytest.fixture
def know(
    dynamodb: Any, table_name: str, algolia: AlgoliaStandIn, clock: Clock, watcher: Watcher
) -> Callable[[int], None]:
    """Lets Runbell know of many ended runs, as if earlier ticks had seen them."""
    write = TypeSerializer().serialize

    def fill(count: int) -> None:
        runs = []
        for number in range(count):
            created = timestamp(clock.now - WINDOW * 0.9 * (number + 1) / count)
            runs.append(
                document(
                    "finished",
                    "success",
                    run_id=f"known-{number}",
                    taskID=f"task-{number % 500}",
                    createdAt=created,
                    startedAt=created,
                    finishedAt=created,
                )
            )
            algolia.put_run(runs[-1])
        items = [
            {
                "pk": run_key("default", run["runID"]),
                "connection": "default",
                "run_id": run["runID"],
                "recent": "default",
                "updated_at": run["createdAt"],
                "version": 1,
                "snapshot": run_attributes(parse_run(run)),
                "deliveries": {},
            }
            for run in runs
        ]
        for at in range(0, count, 25):
            puts = [
                {"PutRequest": {"Item": {name: write(value) for name, value in item.items()}}}
                for item in items[at : at + 25]
            ]
            dynamodb.batch_write_item(RequestItems={table_name: puts})
        for _ in range(10):
            if watcher.tick(Deadline(60)).table_calls <= 3:
                return
        raise AssertionError("the ticks do not come to rest")

    return fill


@pytest.mark.parametrize("count", [10, 1_000, 20_000])
def test_a_tick_asks_for_what_is_new_however_much_is_known(
    know: Callable[[int], None],
    watcher: Watcher,
    algolia: AlgoliaStandIn,
    clock: Clock,
    requests_made: list[str],
    show: Show,
    count: int,
) -> None:
    began = time.monotonic()
    know(count)
    print("KNOW", count, time.monotonic() - began)
    for _ in range(3):
        clock.advance(MINUTE)
        asked = len(algolia.requests)
        requests_made.clear()

        quiet = watcher.tick(Deadline(30))

        assert deeds(quiet) == {}
        assert quiet.requests == len(algolia.requests) - asked == 1
        assert quiet.table_calls == len(requests_made) <= 3
