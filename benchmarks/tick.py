"""What a tick costs the function: CPU time, requests and memory, by how many runs are known.

Run it with `python -m benchmarks.tick`.

A quiet tick is measured beside the least that it could do (benchmarks/floor) and beside the peer,
which asks for each run by itself. Each side is a warm process with the code that SAM built; the
local AWS and the stand-ins are other processes, so that the CPU time is the function's alone. It is
far from the time on the clock, most of which a tick waits.
"""

from __future__ import annotations

import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, count, islice
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

import requests
from boto3.dynamodb.types import TypeSerializer

from benchmarks import page
from benchmarks.chart import Bar, draw
from benchmarks.stage import Artifacts, Stage, stage
from benchmarks.table import Row, compared, keep, machine, show
from benchmarks.warm_process import Cost, WarmFunction
from local.algolia import AlgoliaStandIn, RunLife, Step
from local.aws import ROOT
from local.counts import quiet_item

sys.path.insert(0, str(ROOT / "layers" / "runbell" / "python"))

from runbell.discovery import FRONT, WINDOW
from runbell.discovery import Row as ListRow
from runbell.run import parse_run, timestamp

KNOWN = (100, 1_000, 10_000, 100_000)
PEERS = 1_000
"""Known runs up to which the peer is measured: it takes seconds for them."""

CHANGING = 10_000
"""Known runs up to which one in a hundred changes in a tick."""

ROUNDS = 25
BUSY_ROUNDS = 5
PEERS_ROUNDS = 3

FLOOR_GOAL = 3.0
PEER_GOAL = 1 / 50
FLAT_GOAL = 1.2

AGE = 7200.0
"""Seconds since the known runs began; they have ended."""


@dataclass(frozen=True)
class Measured:
    """Ticks with so many known runs.

    Args:
        known: How many.
        quiet: Ours, nothing new.
        floor: The least that one can do, by turns with those.
        busy: Ours, one run in a hundred being new.
        peer_quiet: The peer's, nothing new.
        peer_busy: The peer's, one run in a hundred being new.
    """

    known: int
    quiet: list[Cost]
    floor: list[Cost]
    busy: list[Cost]
    peer_quiet: list[Cost]
    peer_busy: list[Cost]


def measure() -> list[Measured]:
    """Measure ticks with few known runs and with many."""
    with tempfile.TemporaryDirectory() as folder:
        artifacts = Artifacts(Path(folder) / "code")
        return [_measure(artifacts, known) for known in KNOWN]


def _measure(artifacts: Artifacts, known: int) -> Measured:
    _say(f"a tick with {known:,} known runs")
    with stage() as surroundings:
        environment = surroundings.ours()
        lives = lives_of(known)
        surroundings.algolia.play(*lives, start=time.time() - AGE)
        know(surroundings, environment["TABLE_NAME"])
        quiet, floor = [], []
        start = timestamp(datetime.now(UTC) - WINDOW)
        least = {"path": _path(1, "updatedAt", start), "pk": "connection#default"}
        with (
            WarmFunction(artifacts.ours("poll"), environment) as ours,
            WarmFunction(artifacts.floor(), environment) as bare,
        ):
            settle(ours)
            bare.answer(least)
            for _ in range(ROUNDS):
                quiet.append(_quiet(ours))
                floor.append(bare.answer(least))
            busy = []
            if known <= CHANGING:
                for _ in range(BUSY_ROUNDS):
                    surroundings.algolia.play(*_new(known // 100))
                    busy.append(ours.answer({"connection": "default"}))
                    assert busy[-1].answer["changed"] == known // 100, busy[-1].answer
                    settle(ours)
        if known > PEERS:
            return Measured(known, quiet, floor, busy, [], [])
        with _peer(artifacts, surroundings, lives) as peer:
            peer_quiet, peer_busy = [], []
            for _ in range(PEERS_ROUNDS):
                peer_quiet.append(peer(0))
                peer_busy.append(peer(known // 100))
        return Measured(known, quiet, floor, busy, peer_quiet, peer_busy)


def _quiet(ours: WarmFunction) -> Cost:
    cost = ours.answer({"connection": "default"})
    assert cost.answer["checked"] == cost.answer["failed"] == 0, cost.answer
    return cost


def settle(ours: WarmFunction) -> None:
    """Have ticks until nothing is new."""
    while (answer := ours.answer({"connection": "default"}).answer)["checked"]:
        assert not answer["failed"], answer


@contextmanager
def _peer(artifacts: Artifacts, surroundings: Stage, lives: list[RunLife]) -> Iterator[Any]:
    """The peer, which knows the same runs; answers what one look at them costs."""
    environment = surroundings.peer()
    surroundings.peers_algolia.play(*lives, start=time.time() - AGE)
    known = [life.run_id for life in lives]
    items = ({"run_id": name, "status": "finished", "outcome": "success"} for name in known)
    _put(surroundings, environment["TABLE_NAME"], items)
    with WarmFunction(artifacts.peer(), environment) as function:
        function.answer({"runIDs": known[:1]})

        def look(new: int) -> Cost:
            added = _new(new)
            surroundings.peers_algolia.play(*added)
            names = [life.run_id for life in added] + known[new:]
            cost = function.answer({"runIDs": names})
            wanted = {"checked": len(known), "announced": new, "failed": 0}
            assert cost.answer == wanted, cost.answer
            return cost

        yield look


def lives_of(number: int) -> list[RunLife]:
    """Runs of which each has ended."""
    ended = (Step(0, "started"), Step(60, "finished", "success"))
    return [RunLife(str(uuid.uuid4()), f"task-{n % 500}", ended) for n in range(number)]


def _new(number: int) -> list[RunLife]:
    return [RunLife(str(uuid.uuid4()), f"task-{n}", [Step(0, "created")]) for n in range(number)]


def know(surroundings: Stage, table: str) -> None:
    """Know every run, as if ticks had seen it: one by one that would take many minutes."""
    now = timestamp(datetime.now(UTC))
    items = (
        quiet_item(run)
        for page in _pages(surroundings.algolia, sort="createdAt")
        for run in map(parse_run, page)
    )
    _put(surroundings, table, items)
    head = chain.from_iterable(_pages(surroundings.algolia, sort="updatedAt"))
    front = (ListRow.of(document).digest for document in islice(head, FRONT))
    connection = {
        "pk": "connection#default",
        "connection": "default",
        "front": b"".join(front),
        "all_since": now,
        "full_at": now,
        "application": f"{surroundings.algolia.app_id} us",
    }
    _put(surroundings, table, [connection])


def _pages(algolia: AlgoliaStandIn, *, sort: str) -> Iterator[list[Any]]:
    """The list of runs, page by page, the latest first."""
    headers = {"x-algolia-application-id": algolia.app_id, "x-algolia-api-key": algolia.api_key}
    start = timestamp(datetime.now(UTC) - WINDOW)
    with requests.Session() as session:
        for page in count(1):
            answer = session.get(
                algolia.url + _path(page, sort, start), headers=headers, timeout=60
            ).json()
            yield answer["runs"]
            if page >= answer["pagination"]["nbPages"]:
                return


def _path(page: int, sort: str, start: str) -> str:
    query = {
        "itemsPerPage": "100",
        "page": str(page),
        "sort": sort,
        "order": "desc",
        "startDate": start,
    }
    return f"/1/runs?{urlencode(query)}"


def _put(surroundings: Stage, table: str, items: Iterable[Mapping[str, Any]]) -> None:
    """Write items, 25 a request."""
    dynamodb, write = surroundings.aws.client("dynamodb"), TypeSerializer().serialize
    requests_ = ({"PutRequest": {"Item": {k: write(v) for k, v in i.items()}}} for i in items)
    while batch := list(islice(requests_, 25)):
        dynamodb.batch_write_item(RequestItems={table: batch})


def _say(word: str) -> None:
    print(f"{word} …", file=sys.stderr, flush=True)


def rows(measured: Sequence[Measured]) -> list[Row]:
    """Compare quiet ticks with the least that they could do, and with the peer's."""
    made = []
    for each in measured:
        pairs = [(one.cpu, other.cpu) for one, other in zip(each.quiet, each.floor, strict=True)]
        made.append(compared(f"the floor, {each.known:,} known runs", "ms", pairs, FLOOR_GOAL))
    for each in measured:
        if each.known == PEERS:
            ours = median(one.cpu for one in each.quiet)
            pairs = [(ours, other.cpu) for other in each.peer_quiet]
            made.append(compared(f"the peer, {each.known:,} known runs", "ms", pairs, PEER_GOAL))
    few, many = measured[0], measured[-1]
    pairs = [(one.cpu, other.cpu) for one, other in zip(many.quiet, few.quiet, strict=True)]
    made.append(compared(f"{many.known:,} known runs beside {few.known:,}", "ms", pairs, FLAT_GOAL))
    return made


def figures(each: Measured) -> dict[str, float]:
    """What is kept of ticks with so many known runs; CPU in milliseconds, memory in MB."""
    last = each.quiet[-1]
    found = {
        "known": each.known,
        "quiet": median(one.cpu for one in each.quiet),
        "requests": last.answer["requests"],
        "table_calls": last.answer["table_calls"],
        "memory": last.memory,
        "floor": median(one.cpu for one in each.floor),
    }
    for name, costs in (
        ("busy", each.busy),
        ("peer", each.peer_quiet),
        ("its_busy", each.peer_busy),
    ):
        if costs:
            found[name] = median(one.cpu for one in costs)
    if each.busy:
        found["busy_requests"] = each.busy[-1].answer["requests"]
        found["busy_table_calls"] = each.busy[-1].answer["table_calls"]
    return {name: round(value, 2) for name, value in found.items()}


def in_words(found: Mapping[str, float]) -> list[str]:
    """A line of the page's table."""

    def say(name: str, form: str = ",.1f") -> str:
        return format(found[name], form) if name in found else "-"

    return [
        say("known", ",.0f"),
        say("quiet"),
        f"{say('requests', '.0f')} + {say('table_calls', '.0f')}",
        say("memory", ".0f"),
        say("floor"),
        say("busy"),
        f"{say('busy_requests', '.0f')} + {say('busy_table_calls', '.0f')}"
        if "busy" in found
        else "-",
        say("peer", ",.0f"),
        say("its_busy", ",.0f"),
    ]


HEAD = (
    "known runs",
    "quiet tick, ms",
    "requests + table calls",
    "memory, MB",
    "floor, ms",
    "1 % new, ms",
    "requests + table calls",
    "peer, ms",
    "peer, 1 % new, ms",
)


def chart(found: Sequence[Mapping[str, float]]) -> str:
    """Draw what a quiet tick costs."""
    bars = [Bar(f"Runbell, {each['known']:,} known", (each["quiet"],), True) for each in found]
    bars += [
        Bar(f"peer, {each['known']:,} known", (each["peer"],), False)
        for each in found
        if "peer" in each
    ]
    return draw("CPU time of a tick that finds nothing new", "ms", bars)


def main() -> int:
    """Measure, print and keep; answer 1 if a goal is missed."""
    measured = measure()
    made, found = rows(measured), [figures(each) for each in measured]
    in_full = page.table(HEAD, map(in_words, found))
    print(show("a quiet tick's CPU beside", made))
    print(in_full)
    keep("tick", made, {**machine(), "rounds": ROUNDS, "ticks": found})
    page.put_image("tick", chart(found))
    page.put("tick", f"{page.comparison('a quiet tick beside', made)}\n\n{in_full}")
    return 0 if all(row.is_met for row in made) else 1


if __name__ == "__main__":
    sys.exit(main())
