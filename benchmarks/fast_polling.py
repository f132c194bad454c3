"""How soon changes are known with FastPolling and without, and what it asks of Algolia.

Run it with `python -m benchmarks.fast_polling`; it takes two minutes on two cores.

Days of runs are played to Runbell's own parts in a time of their own: a tick each minute, and the
looks ahead of them that poll plans. The table is in memory, Algolia is the stand-in. A usual day
has a hundred runs, most of them short and hourly; a busy one has ten times as many, for which the
budget of looks ahead does not suffice.

A change is *foreseeable* if its run was seen to go on before it. The others are those of which a
look finds a run for the first time: nobody could know of it, so it waits for the next look anyway.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from math import ceil
from random import Random
from typing import TYPE_CHECKING, Any, cast

from requests import Session

from local.algolia import AlgoliaStandIn, RunLife, Step
from local.aws import ROOT

sys.path.insert(0, str(ROOT / "layers" / "runbell" / "python"))

from benchmarks import page
from benchmarks.table import keep
from local.simulated.table import MemoryTable
from runbell.ahead import Ahead
from runbell.algolia import IngestionClient
from runbell.background import Background
from runbell.checker import Checker
from runbell.comeback import Comeback, ComebackQueue
from runbell.connections import DEFAULT, ConnectionStore
from runbell.deadline import Deadline
from runbell.outbox import Outbox, Wake
from runbell.rules import Routing
from runbell.run import instant
from runbell.secrets import AlgoliaCredentials
from runbell.settings import NOTIFIABLE
from runbell.store import RunStore
from runbell.sweeper import Sweeper
from runbell.task_store import TaskStore
from runbell.timekeeper import Timekeeper
from runbell.watcher import Report, Watcher

if TYPE_CHECKING:
    from runbell.items import RunItem

BEGIN = datetime(2026, 3, 2, tzinfo=UTC).timestamp()
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0

HANDED_OVER = 0.5
"""Seconds from the moment for which a word is held back until poll runs; assumed."""

LOOK = 0.5
"""Seconds from there, or from a tick's moment, until a change is committed; assumed."""

NOTIFY = 1.5
"""Seconds from the commit until Slack has it; assumed, for a notify that is warm."""

EARLIER = 20
"""Runs of each task before the day begins, so that it is known how long they take."""

WITHIN = 15.0
"""Seconds within which nineteen of twenty foreseeable changes are to be on Slack."""

TIMES = 2.0
"""The requests of a day beside those of a day on which nothing happens: so many at the most."""

A_LOOK = 60.0
"""Seconds of real time that a look may take."""

DAYS: Mapping[str, int] = {"quiet": 0, "usual": 1, "busy": 10}
"""The days that are played: how many times as many tasks as on a usual one."""

SWITCHES: Mapping[str, bool] = {"off": False, "on": True}

PROCESSES = 2


@dataclass(frozen=True)
class Task:
    """What the runs of some tasks are like.

    Args:
        number: How many such tasks there are.
        every: Seconds between two runs of one.
        takes: Seconds that a run takes, most often.
        varies: By how much of that the length of most runs differs from it.
    """

    number: int
    every: float
    takes: float
    varies: float = 0.1


USUAL = (
    Task(2, every=HOUR, takes=75),
    Task(2, every=HOUR, takes=180),
    Task(1, every=4 * HOUR, takes=480, varies=0.15),
    Task(1, every=DAY, takes=1_200, varies=0.15),
    Task(1, every=DAY, takes=2_700, varies=0.15),
)


@dataclass(frozen=True)
class Outcome:
    """What came of a day.

    Args:
        lags: Seconds from each foreseeable change until Slack has it.
        first: The same for those of runs that were seen for the first time by it.
        looks: How often the head of the list was asked for.
        requests: Requests to Algolia in all.
    """

    lags: Sequence[float]
    first: Sequence[float]
    looks: int
    requests: int


class Time:
    """The time of day, which goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = BEGIN

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


class Words(ComebackQueue):
    """Holds words back in simulated time, in whole seconds as SQS does."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self.held: list[tuple[float, str]] = []

    def send(self, comeback: Comeback, after: timedelta) -> None:
        until = self._time.seconds + max(0, ceil(after.total_seconds())) + HANDED_OVER
        heappush(self.held, (until, comeback.moment))


class Nowhere(Outbox):
    """A queue that takes everything; what notify does with it is not measured here."""

    def __init__(self) -> None:
        pass

    def enqueue(self, wakes: Iterable[Wake], *, sweep: str = "") -> int:
        del sweep
        return sum(1 for _ in wakes)


class SharedTable(MemoryTable):
    """A table in memory for the threads of a look."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.RLock()

    def get_many(self, pks: Iterable[str], *, consistent: bool = True) -> dict[str, Any]:
        with self._turn:
            return super().get_many(pks, consistent=consistent)

    def update(self, pk: str, **said: Any) -> dict[str, Any] | None:
        with self._turn:
            return super().update(pk, **said)

    def write(self, *writes: Any) -> bool:
        with self._turn:
            return super().write(*writes)


class Known:
    """The stand-in's credentials."""

    def __init__(self, algolia: AlgoliaStandIn) -> None:
        self._credentials = AlgoliaCredentials(algolia.app_id, "us", algolia.api_key)

    def get(self) -> AlgoliaCredentials:
        return self._credentials

    def anew(self, _: AlgoliaCredentials) -> AlgoliaCredentials:
        return self._credentials


@dataclass(frozen=True)
class Parts:
    """Runbell's own parts, as `assembly` puts them together."""

    watcher: Watcher
    store: RunStore
    words: Words


@contextmanager
def runbell(algolia: AlgoliaStandIn, time: Time, *, is_fast: bool) -> Iterator[Parts]:
    """Put Runbell together, to watch all runs and to tell everything."""
    table, words, outbox = SharedTable(), Words(time), Nowhere()
    store, tasks = RunStore(table, now=time.now), TaskStore(table, now=time.now)
    routing = Routing("#runs", frozenset(NOTIFIABLE), stalled_after=timedelta(hours=1))
    ahead = Ahead(DEFAULT, store, tasks, words, "rate(1 minute)", now=time.now)
    with Session() as session:
        session.trust_env = False  # no proxy is on the way to loopback
        client = IngestionClient(
            cast("Any", Known(algolia)), session, base_url=algolia.url, sleep=lambda _: None
        )
        background = Background(client, tasks, now=time.now)
        watcher = Watcher(
            DEFAULT,
            ConnectionStore(table, now=time.now),
            store,
            Sweeper(DEFAULT, store, outbox, now=time.now),
            lambda c: Checker(c, client, store, outbox, background, routing, now=time.now),
            lambda checker: {"task": Timekeeper(checker, store, tasks, now=time.now).look},
            table,
            ahead=ahead if is_fast else None,
            now=time.now,
        )
        yield Parts(watcher, store, words)


def lives(tasks: Sequence[Task], times: int, seed: int = 1) -> list[RunLife]:
    """Make up the runs of a day, and those before it; their steps count from its beginning."""
    rng, made = Random(seed), []
    for kind, task in enumerate(tasks):
        for number in range(task.number * times):
            name, first = f"task-{kind}-{number}", rng.uniform(0, task.every)
            apart = min(task.every, 6 * DAY / EARLIER)
            created = [-apart * (n + 1) for n in range(EARLIER)]
            created += [first + task.every * n for n in range(int(DAY / task.every))]
            made += [_life(rng, f"{name} {n:+03}", name, task, at) for n, at in enumerate(created)]
    return made


def _life(rng: Random, run_id: str, task_id: str, task: Task, created: float) -> RunLife:
    started = created + rng.uniform(3, 30)
    ended = started + max(1.0, task.takes * rng.lognormvariate(0, task.varies))
    return RunLife(
        run_id,
        task_id,
        [
            Step(created, "created"),
            Step(started, "started"),
            Step(ended, "finished", "failure" if rng.random() < 0.03 else "success"),
        ],
    )


def play(made: Sequence[RunLife], *, is_fast: bool) -> Outcome:
    """Play a day to Runbell."""
    time = Time()
    with (
        AlgoliaStandIn(clock=lambda: time.seconds) as algolia,
        runbell(algolia, time, is_fast=is_fast) as parts,
    ):
        algolia.play(*made, start=BEGIN)
        while parts.watcher.tick(Deadline(A_LOOK)).checked:
            pass  # what was before the day is known
        parts.words.held.clear()
        reports, looks = [], len(_lists(algolia))
        ticks, held = (
            [BEGIN + MINUTE * n for n in range(int(DAY / MINUTE), 0, -1)],
            parts.words.held,
        )
        while ticks:
            if held and held[0][0] < ticks[-1]:
                time.seconds, moment = heappop(held)
                time.seconds += LOOK
                reports.append(parts.watcher.come_back(moment, Deadline(A_LOOK)))
            else:
                time.seconds = max(time.seconds, ticks.pop() + LOOK)
                reports.append(parts.watcher.tick(Deadline(A_LOOK)))
        items = [parts.store.get(DEFAULT, life.run_id) for life in made]
        return _outcome(items, reports, len(_lists(algolia)) - looks)


def _lists(algolia: AlgoliaStandIn) -> list[str]:
    return [asked.path for asked in algolia.requests if asked.path == "/1/runs"]


def _outcome(items: Sequence[RunItem], reports: Sequence[Report], looks: int) -> Outcome:
    lags: list[float] = []
    first: list[float] = []
    for item in items:
        for entry in item.history:
            run, seen = item.snapshot, instant(entry.at)
            assert run is not None, "it was seen"
            assert seen is not None, "it was seen at some time"
            moments = {"created": run.created_at, "started": run.started_at}
            happened = instant(moments.get(entry.status, run.finished_at))
            if happened is None or happened.timestamp() < BEGIN:
                continue  # before the day, or no change of Algolia's
            lag = (seen - happened).total_seconds() + NOTIFY
            (lags if entry.number > 1 else first).append(lag)
    return Outcome(lags, first, looks, sum(report.requests for report in reports))


def share(lags: Sequence[float], of: float) -> float:
    """The lag within which this share of the changes is."""
    ordered = sorted(lags)
    return ordered[ceil(of * len(ordered)) - 1] if ordered else 0.0


def a_day(name: str, switch: str) -> Outcome:
    """Play one of the days, with FastPolling or without."""
    logging.getLogger("runbell").setLevel(logging.CRITICAL)
    times = DAYS[name]
    return play(lives(USUAL, times) if times else [], is_fast=SWITCHES[switch])


def figures(day: Outcome, quiet: int) -> dict[str, Any]:
    """What is kept of a day, beside the requests of one on which nothing happens."""
    return {
        "foreseeable": len(day.lags),
        "median": round(share(day.lags, 0.5), 1),
        "p95": round(share(day.lags, 0.95), 1),
        "first_sight_p95": round(share(day.first, 0.95), 1),
        "looks": day.looks,
        "requests": day.requests,
        "times": round(day.requests / quiet, 2),
    }


def in_words(facts: Mapping[str, Any]) -> str:
    """The page's table; the goals are those of a usual day."""

    def seconds(name: str, fact: str) -> str:
        return f"{facts[name][fact]:.1f}" if facts[name]["foreseeable"] else "-"

    def held(name: str, fact: str, drawn: str, goal: float) -> str:
        return f"**{drawn}**" if name == "usual on" and facts[name][fact] > goal else drawn

    return page.table(
        [
            "day, FastPolling",
            "foreseeable changes",
            "median, s",
            "p95, s",
            "first sight p95, s",
            "looks",
            "requests",
            "times a quiet day's",
        ],
        [
            *(
                [
                    f"{day}, {switch}",
                    f"{facts[name]['foreseeable']:,}",
                    seconds(name, "median"),
                    held(name, "p95", seconds(name, "p95"), WITHIN),
                    seconds(name, "first_sight_p95"),
                    f"{facts[name]['looks']:,}",
                    f"{facts[name]['requests']:,}",
                    held(name, "times", f"{facts[name]['times']:.2f}", TIMES),
                ]
                for day in DAYS
                for switch in SWITCHES
                for name in [f"{day} {switch}"]
            ),
            ["goal for a usual day, on", "", "", f"{WITHIN:.1f}", "", "", "", f"{TIMES:.2f}"],
        ],
    )


def main() -> int:
    """Measure, print and keep; answer 1 if a usual day misses a goal."""
    with ProcessPoolExecutor(PROCESSES) as pool:
        # What takes longest begins first.
        played = {
            f"{day} {switch}": pool.submit(a_day, day, switch)
            for day in reversed(list(DAYS))
            for switch in SWITCHES
        }
        quiet = played["quiet off"].result().requests
        facts: dict[str, Any] = {
            name: figures(each.result(), quiet) for name, each in played.items()
        }
    usual = facts["usual on"]
    is_met = usual["p95"] <= WITHIN and usual["times"] <= TIMES
    drawn = in_words(facts)
    print(drawn)
    said = "ok" if is_met else "missed"
    print(f"goal for a usual day: p95 {WITHIN:.0f} s, {TIMES:.0f} times: {said}")
    keep("fast_polling", [], {**facts, "goals": {"p95": WITHIN, "times": TIMES}, "met": is_met})
    page.put("fast_polling", drawn)
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
