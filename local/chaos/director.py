"""Moves the runs of a script on, each once Runbell has written down what it was shown."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

from local.algolia import AlgoliaStandIn
from local.algolia.times import moment, rfc3339
from local.chaos.leaks import items
from local.chaos.script import Script, ScriptedRun, State
from local.stack import Stack

MOVES = 0.8
"""How likely a task goes on at each look; so that what is told differs in how much is new."""


class Director:
    """Shows a script on the stand-in for Algolia.

    Args:
        script: What is to happen.
        algolia: Where it is shown.
    """

    def __init__(self, script: Script, algolia: AlgoliaStandIn) -> None:
        self._script = script
        self._algolia = algolia
        self._chance = random.Random(f"director {script.seed}")
        self._at: dict[str, tuple[int, int]] = {task: (0, -1) for task in script.tasks}
        self._documents: dict[str, dict[str, Any]] = {}
        self.shown = 0
        """Changes that have been put on show."""

    def go_on(self, written_down: Mapping[str, State]) -> bool:
        """Let each task whose latest state is written down go on, or not yet.

        Args:
            written_down: The state in which Runbell knows each run.

        Returns:
            Whether all is over, and the last states are written down.
        """
        is_over = True
        for task, (run, state) in self._at.items():
            runs = self._script.tasks[task]
            if run == len(runs):
                continue
            is_over = False
            if state >= 0 and written_down.get(runs[run].run_id) != runs[run].states[state]:
                continue
            if state + 1 < len(runs[run].states):
                if self._chance.random() < MOVES:
                    self._show(runs[run], state + 1)
                    self._at[task] = (run, state + 1)
            else:
                self._at[task] = (run + 1, -1)
        return is_over

    def live(self) -> list[str]:
        """The runs that are on show, and may still change."""
        at = ((self._script.tasks[task], run, state) for task, (run, state) in self._at.items())
        return [runs[run].run_id for runs, run, state in at if run < len(runs) and state >= 0]

    def _show(self, run: ScriptedRun, number: int) -> None:
        status, outcome = run.states[number]
        now = rfc3339(moment(time.time()))
        document = self._documents.setdefault(
            run.run_id,
            {
                "runID": run.run_id,
                "appID": self._algolia.app_id,
                "taskID": run.task_id,
                "type": "reindex",
                "createdAt": now,
            },
        )
        times = {"started": "startedAt", "finished": "finishedAt", "skipped": "finishedAt"}
        document |= {"status": status} | ({"outcome": outcome} if outcome else {})
        if status in times:
            document[times[status]] = now
        self._algolia.put_run(document)
        self.shown += 1


def written_down(stack: Stack) -> dict[str, State]:
    """The state in which the table holds each run."""
    known: dict[str, State] = {}
    for item in items(stack, "pk, snapshot"):
        run_id = item["pk"]["S"].rpartition("#")[2]
        if snapshot := item.get("snapshot", {}).get("M"):
            known[run_id] = (snapshot["status"]["S"], snapshot.get("outcome", {}).get("S"))
    return known
