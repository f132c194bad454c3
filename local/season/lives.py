"""The lives of a task's runs, one after the other, with failures and standstills among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from local.algolia import RunLife, Step
from local.season.script import HOUR, MINUTE

Moment = Callable[[int], int]

UNKNOWN = "partial"
"""An outcome that the vendor does not document."""

REASONS = ("internal", "critical", "too_many_errors", "lacking_events", "cancelled")


@dataclass(frozen=True)
class Temper:
    """What a task's runs are like.

    Args:
        usual: How many minutes a run takes.
        fails: How many of a hundred runs fail after a success; after a failure most do.
        stands_still: How many of a hundred runs stand still or take too long.
        strange: Whether some end with an outcome that nobody knows.
    """

    usual: int
    fails: int = 12
    stands_still: int = 12
    strange: bool = False


class Storyteller:
    """Makes up the runs of one task.

    A run starts 13 or 43 seconds into a minute and takes whole minutes, so that no tick is at the
    very moment at which it has taken too long.
    """

    def __init__(self, rng: Random, task_id: str, temper: Temper) -> None:
        self._rng = rng
        self._task_id = task_id
        self._temper = temper
        self._failures = 0
        self._successes = 0
        self._told = 0

    def run(self, created: int) -> RunLife:
        """The next run, created at this moment."""
        rng = self._rng
        if rng.random() < 0.06:
            return self._skipped(created)
        if rng.randrange(100) < self._temper.stands_still:
            shape = rng.choice((self._quiet, self._moves_again, self._overtime, self._overtime))
        else:
            shape = rng.choice((self._ordinary, self._ordinary, self._long, self._quick))
        return self._life(shape(created))

    def endless(self, created: int) -> RunLife:
        """A last run, which never ends."""
        start = self._start(created)
        steps = [Step(created, "created"), Step(start, "started")]
        return self._life(steps[: self._rng.choice((1, 2, 2))])

    def _ordinary(self, created: int) -> list[Step]:
        start = self._start(created)
        took = max(1, round(self._temper.usual * self._rng.uniform(0.85, 1.15))) * MINUTE
        steps = [Step(created, "created"), Step(start, "started")]
        if took > 8 * MINUTE:
            expected = self._rng.randrange(90, 50_000)
            for share in (0.3, 0.6):
                at, received = start + round(took * share), round(expected * share)
                steps.append(Step(at, "started", expected=expected, received=received))
        return [*steps, self._end(start + took)]

    def _quick(self, created: int) -> list[Step]:
        start = _start_after(created + self._rng.randrange(2, 20))
        took = max(1, round(self._temper.usual * self._rng.uniform(0.85, 1.0))) * MINUTE
        return [Step(created, "created"), Step(start, "started"), self._end(start + took)]

    def _long(self, created: int) -> list[Step]:
        """Longer than usual, and not too long."""
        steps = self._begun(created)
        took = max(10, round(self._temper.usual * self._rng.uniform(2.0, 2.6)))
        for minute in range(35, took, 35):
            moved = self._moved(steps[-1], 1, 2)
            steps.append(replace(moved, after=steps[1].after + minute * MINUTE))
        return [*steps, self._end(int(steps[1].after) + took * MINUTE)]

    def _quiet(self, created: int) -> list[Step]:
        steps = self._begun(created)
        return [*steps, self._end_after(steps[-1], 75, 200)]

    def _moves_again(self, created: int) -> list[Step]:
        steps = self._begun(created)
        for _ in range(self._rng.choice((1, 1, 2))):
            steps.append(self._moved(steps[-1], 75, 150))
            if self._rng.random() < 0.5:
                steps.append(self._moved(steps[-1], 15, 45))
        return [*steps, self._end_after(steps[-1], *self._rng.choice(((15, 45), (80, 120))))]

    def _overtime(self, created: int) -> list[Step]:
        if self._successes < 3:
            return self._moves_again(created)
        steps = self._begun(created)
        times = self._rng.uniform(3.3, 5.0)
        ends = steps[1].after + max(HOUR, self._temper.usual * times * MINUTE)
        while steps[-1].after < ends:
            steps.append(self._moved(steps[-1], 20, 40))
        return [*steps, self._end_after(steps[-1], 15, 40)]

    def _skipped(self, created: int) -> RunLife:
        is_blocked = self._failures >= 3 and self._rng.random() < 0.6
        code = "blocking" if is_blocked else self._rng.choice(("idle", "no_events", None))
        after = self._rng.choice((0, self._rng.randrange(20, 20 * MINUTE)))
        begin = [Step(created, "created")] if after else []
        return self._life([*begin, Step(created + after, "skipped", reason_code=code)])

    def _begun(self, created: int) -> list[Step]:
        start = self._start(created)
        expected = self._rng.randrange(90_000, 900_000)
        return [
            Step(created, "created"),
            Step(start, "started"),
            Step(start + 5 * MINUTE, "started", expected=expected, received=1),
        ]

    def _moved(self, before: Step, least: int, most: int) -> Step:
        assert before.expected is not None, "it has begun"
        assert before.received is not None, "it has begun"
        after = before.after + self._rng.randrange(least, most) * MINUTE
        received = before.received + self._rng.randrange(1, 9_000)
        return Step(after, "started", expected=before.expected, received=received)

    def _end_after(self, before: Step, least: int, most: int) -> Step:
        return self._end(int(before.after) + self._rng.randrange(least, most) * MINUTE)

    def _end(self, at: int) -> Step:
        rng = self._rng
        if self._temper.strange and rng.random() < 0.05:
            return Step(at, "finished", UNKNOWN)
        if rng.randrange(100) < (60 if self._failures else self._temper.fails):
            self._failures += 1
            is_blocked = self._failures >= 3 and rng.random() < 0.3
            code = "blocking" if is_blocked else rng.choice(REASONS)
            return Step(at, "finished", "failure", reason="The source refuses.", reason_code=code)
        self._failures = 0
        self._successes += 1
        return Step(at, "finished", "success", reason_code=rng.choice(("ok", None)))

    def _start(self, created: int) -> int:
        rng = self._rng
        waits = rng.randrange(15, 200) if rng.random() < 0.7 else rng.randrange(600, 2_400)
        return _start_after(created + waits)

    def _life(self, steps: list[Step]) -> RunLife:
        self._told += 1
        number = self._task_id.removeprefix("task-")
        kind = self._rng.choice(("reindex", "update"))
        return RunLife(f"run-{number}-{self._told:02}", self._task_id, steps, kind)


def shifted(life: RunLife, by: int) -> RunLife:
    """The same life, so many seconds later."""
    steps = [replace(step, after=step.after + by) for step in life.steps]
    return replace(life, steps=steps)


def _start_after(moment: int) -> int:
    return -(-(moment - 13) // 30) * 30 + 13
