"""Tasks with a timetable, whose runs come, come late, or do not come."""

from __future__ import annotations

from random import Random

from local.algolia import RunLife
from local.season.lives import Storyteller, Temper
from local.season.script import HOUR, MINUTE, Planned, Timetable

OFF_AFTER = 0.15
"""The share of the timetables that somebody switches off."""


def timetabled(
    rng: Random, task_id: str, *, begin: int, end: int
) -> tuple[Timetable, list[RunLife]]:
    """Make up a task that is planned to run every few hours.

    Its timetable says the following moment once the run of the moment before was created. When a
    run does not come, some timetables go on all the same and others stand still until one comes.
    """
    period = rng.choice((2, 4, 6, 8, 12, 12, 12)) * HOUR
    teller = Storyteller(rng, task_id, Temper(usual=rng.randrange(2, 20), stands_still=0))
    goes_on = rng.random() < 0.6
    first = begin + rng.randrange(period // MINUTE) * MINUTE
    off_at = end if rng.random() > OFF_AFTER else rng.randrange(begin, end)
    plans = [Planned(begin, first - period, first)]
    lives: list[RunLife] = []
    for planned in range(first, end, period):
        last = plans[-1].last
        following = planned + period
        if planned > off_at:
            plans.append(Planned(off_at, last, plans[-1].following, enabled=False))
            break
        late = _lateness(rng, period)
        if late is None:
            if goes_on:
                plans.append(Planned(planned + 1, last, following))
            continue
        if goes_on and late > 0:
            plans.append(Planned(planned + 1, last, following))
        life = teller.run(planned + late)
        lives.append(life)
        plans.append(Planned(planned + late, planned, following))
    return Timetable(task_id, f"0 */{period // HOUR} * * *", tuple(plans)), lives


def _lateness(rng: Random, period: int) -> int | None:
    """By how many seconds a run is late; None for one that does not come at all."""
    tolerance = min(HOUR, max(5 * MINUTE, period // 10))
    dice = rng.random()
    if dice < 0.15:
        return None
    if dice < 0.22:
        return tolerance + rng.randrange(2, 45) * MINUTE
    if dice < 0.35:
        return rng.randrange(MINUTE, tolerance - MINUTE)
    return rng.randrange(-30, 40)
