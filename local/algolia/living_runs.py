"""The runs of one application, moved on from step to step as time goes."""

import heapq
import math
from collections.abc import Sequence

from local.algolia.rows import Listed, Rows
from local.algolia.runs import LiteralRun, PlayedLife


class LivingRuns:
    """Runs by their IDs, and all of them as rows of a list at a moment.

    A run is written anew only when it was put or has reached a step, so that a list of
    many runs is cheap to look at often. Time may go back; everything is then written
    anew. One thread at a time.
    """

    def __init__(self, sorts: Sequence[str]) -> None:
        self._numbers: dict[str, int] = {}
        self._runs: list[PlayedLife | LiteralRun] = []
        self._rows = Rows(sorts)
        self._outdated: set[int] = set()
        self._steps: list[tuple[float, int]] = []
        """A heap of each run's next step; one of a run since replaced does no harm."""
        self._as_of = -math.inf

    def __len__(self) -> int:
        return len(self._runs)

    def put(self, run_id: str, run: PlayedLife | LiteralRun) -> None:
        """Add a run, or let it take the place of the one with its ID."""
        number = self._numbers.setdefault(run_id, len(self._runs))
        self._runs[number : number + 1] = [run]
        self._outdated.add(number)

    def at(self, run_id: str, now: float) -> Listed | None:
        """One run as it is now, or None while it does not exist."""
        number = self._numbers.get(run_id)
        return None if number is None else self._runs[number].at(now)

    def rows(self, now: float) -> Rows:
        """Every run that exists now."""
        if now < self._as_of:
            self._outdated.update(range(len(self._runs)))
            self._steps.clear()
        self._as_of = now
        while self._steps and self._steps[0][0] <= now:
            self._outdated.add(heapq.heappop(self._steps)[1])
        for number in self._outdated:
            run = self._runs[number]
            self._rows.put(number, run.at(now))
            step = run.next_step(now)
            if step is not None:
                heapq.heappush(self._steps, (step, number))
        self._outdated.clear()
        return self._rows
