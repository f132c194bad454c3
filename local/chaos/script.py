"""What Algolia has to tell in a campaign: the lives of seeded runs, a task and channel each."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

State = tuple[str, str | None]
"""A run's status and outcome."""

CREATED, STARTED, SKIPPED = ("created", None), ("started", None), ("skipped", None)
SUCCEEDED, FAILED = ("finished", "success"), ("finished", "failure")

LIVES: tuple[tuple[int, tuple[State, ...]], ...] = (
    (6, (CREATED, STARTED, SUCCEEDED)),
    (4, (CREATED, STARTED, FAILED)),
    (1, (STARTED, SUCCEEDED)),
    (1, (CREATED, SKIPPED)),
)
"""How runs live, and how often."""

CHANGES_OF_A_TASK = 12
"""Changes that a task and its channel have on the average; a refusal puts a channel off, so
many channels go on side by side."""

FEWEST_TASKS = 8


@dataclass(frozen=True)
class ScriptedRun:
    """One run, and the states that it goes through."""

    run_id: str
    task_id: str
    states: tuple[State, ...]


@dataclass(frozen=True)
class Script:
    """The runs of each task, one after the other; `changes` counts all their states."""

    seed: int
    tasks: Mapping[str, tuple[ScriptedRun, ...]]

    @property
    def changes(self) -> int:
        """How many changes there are to be told."""
        return sum(len(run.states) for runs in self.tasks.values() for run in runs)

    @property
    def runs(self) -> dict[str, ScriptedRun]:
        """Every run by its ID."""
        return {run.run_id: run for runs in self.tasks.values() for run in runs}


def channel_of(task_id: str) -> str:
    """Where the runs of a task are told."""
    return f"#of-{task_id}"


def write(seed: int, changes: int) -> Script:
    """Write the script with this seed and so many changes."""
    chance = random.Random(f"script {seed}")
    tasks: dict[str, list[ScriptedRun]] = {
        f"task-{seed}-{number}": []
        for number in range(max(FEWEST_TASKS, changes // CHANGES_OF_A_TASK))
    }
    weights, lives = zip(*LIVES, strict=True)
    left, number = changes, 0
    turns: list[str] = []
    while left:
        if not turns:  # one after the other, so that no task is left over at the end
            turns = [*tasks]
            chance.shuffle(turns)
        task_id = turns.pop()
        states = chance.choices(lives, weights)[0][:left]
        tasks[task_id].append(ScriptedRun(f"run-{seed}-{number:05}", task_id, states))
        left, number = left - len(states), number + 1
    return Script(seed, {task_id: tuple(runs) for task_id, runs in tasks.items()})
