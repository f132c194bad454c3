"""Writes a season's script from a seed."""

from __future__ import annotations

from random import Random

from local.algolia import RunLife
from local.season.lives import Storyteller, Temper, shifted
from local.season.script import BEGIN, DAY, HOUR, MINUTE, Script, Tick, Timetable, Way
from local.season.timetables import timetabled

BEFORE = DAY
"""How long before the first tick the first runs are created."""

DAYTIME = 15 * HOUR
"""How long Runbell looks before its outage, and after it."""

OUTAGE = DAY
END = BEGIN + DAYTIME + OUTAGE + DAYTIME

EVERY = 10 * MINUTE
"""The time from tick to tick."""

MOST_DROPPED = 2
"""Ticks in a row that are left out at the most."""


def write(seed: int, *, tasks: int, disturbed: bool) -> Script:
    """Write a season of so many tasks.

    Args:
        seed: The same seed writes the same season.
        tasks: How many tasks.
        disturbed: Whether ticks are left out, doubled, or run two at once.
    """
    rng = Random(seed)
    lives: list[RunLife] = []
    timetables: list[Timetable] = []
    for number in range(tasks):
        task_id = f"task-{number:03}"
        dice = rng.random()
        if dice < 0.06:
            timetable, runs = timetabled(rng, task_id, begin=BEGIN - BEFORE, end=END)
            timetables.append(timetable)
        else:
            runs = _runs(rng, task_id, dice, strange=seed % 4 == 0)
        lives += [run for run in runs if run.steps[0].after < END]
    ticks, dropped = _ticks(rng, disturbed=disturbed)
    return Script(seed, tasks, lives, timetables, ticks, dropped, disturbed)


def _runs(rng: Random, task_id: str, dice: float, *, strange: bool) -> list[RunLife]:
    """The runs of a task without a timetable: a few, some or many."""
    if dice < 0.08:
        return _one_after_the_other(rng, task_id, strange, rng.randrange(1, 16), (90, 240))
    if dice < 0.16:
        return _one_after_the_other(rng, task_id, strange, rng.randrange(18, 50), (300, 900))
    if dice < 0.19:
        return _overlapping(rng, task_id)
    teller = Storyteller(rng, task_id, _temper(30, strange))
    created = BEGIN + rng.randrange(-4 * HOUR, END - BEGIN - HOUR)
    first = teller.run(created)
    if rng.random() < 0.1:
        return [teller.endless(created)]
    if rng.random() < 0.75:
        return [first]
    return [first, teller.run(_end_of(first) + rng.randrange(10 * MINUTE, 12 * HOUR))]


def _one_after_the_other(
    rng: Random, task_id: str, strange: bool, usual: int, pause: tuple[int, int]
) -> list[RunLife]:
    teller = Storyteller(rng, task_id, _temper(usual, strange))
    lives: list[RunLife] = []
    created = BEGIN - BEFORE + rng.randrange(pause[1] * MINUTE)
    while created < END:
        if rng.random() < 0.01:
            return [*lives, teller.endless(created)]
        lives.append(teller.run(created))
        created = _end_of(lives[-1]) + rng.randrange(pause[0] * MINUTE, pause[1] * MINUTE)
    return lives


def _overlapping(rng: Random, task_id: str) -> list[RunLife]:
    """Two runs of a task of which the later one begins, and may end, before the other's end."""
    teller = Storyteller(rng, task_id, Temper(usual=40, fails=60, stands_still=30))
    created = BEGIN + rng.randrange(-4 * HOUR, END - BEGIN - HOUR)
    first, second = teller.run(created), teller.run(created + rng.randrange(60, 20 * MINUTE))
    if first.steps[-1].after == second.steps[-1].after:
        second = shifted(second, MINUTE)
    return [first, second]


def _temper(usual: int, strange: bool) -> Temper:
    return Temper(usual=usual, strange=strange)


def _end_of(life: RunLife) -> int:
    return int(life.steps[-1].after)


def _ticks(rng: Random, *, disturbed: bool) -> tuple[list[Tick], int]:
    """When Runbell looks, and how many ticks are left out beside those of the outage."""
    outage = range(BEGIN + DAYTIME, BEGIN + DAYTIME + OUTAGE)
    ticks: list[Tick] = []
    dropped = in_a_row = 0
    is_back = True
    for at in range(BEGIN, END, EVERY):
        if at in outage:
            is_back = True
            continue
        if disturbed and not is_back and in_a_row < MOST_DROPPED and rng.random() < 0.12:
            dropped, in_a_row = dropped + 1, in_a_row + 1
            continue
        in_a_row = 0
        way = rng.choices([*Way], (84, 9, 7))[0] if disturbed else Way.ONCE
        if is_back and way is Way.AT_ONCE:
            way = Way.TWICE  # what is long overdue would be told now or at the next tick
        ticks.append(Tick(at, way))
        is_back = False
    return ticks, dropped
