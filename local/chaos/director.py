"""Moves the runs of a script on, each once Runbell has written down what it was shown."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.algolia import AlgoliaStandIn
from local.algolia.times import moment, rfc3339
from local.chaos.leaks import items
from local.chaos.script import Script, ScriptedRun, State
from local.stack import Stack

WAITS = 0.6
"""How likely a change waits until the one before is told. The others come while that is still
pending, so that one message has several changes to tell."""

LONGEST_WAIT = 10.0
"""Seconds for which it waits at the most, however long its channel is put off."""


@dataclass(frozen=True)
class Known:
    """The state in which Runbell knows a run, and whether it is still to tell something of it."""

    state: State
    is_pending: bool


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
        self._at: dict[str, tuple[int, int]] = dict.fromkeys(script.tasks, (0, -1))
        self._waiting: dict[str, float] = {}
        """The tasks that wait for what is told of them, and until when at the latest."""
        self._documents: dict[str, dict[str, Any]] = {}
        self.shown = 0
        """Changes that have been put on show."""

    def go_on(self, known: Mapping[str, Known]) -> bool:
        """Let each task go on whose latest state is written down.

        Args:
            known: What Runbell knows of each run.

        Returns:
            Whether all is over, and the last states are written down.
        """
        is_over = True
        for task, (run, state) in self._at.items():
            runs = self._script.tasks[task]
            if run == len(runs):
                continue
            is_over = False
            if state >= 0:
                now = known.get(runs[run].run_id)
                if now is None or now.state != runs[run].states[state]:
                    continue
                if now.is_pending and time.monotonic() < self._waiting.get(task, 0):
                    continue
            if state + 1 < len(runs[run].states):
                self._show(runs[run], state + 1)
                self._at[task] = (run, state + 1)
                waits = LONGEST_WAIT if self._chance.random() < WAITS else 0
                self._waiting[task] = time.monotonic() + waits
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


def known_by(stack: Stack) -> dict[str, Known]:
    """What the table holds of each run."""
    known: dict[str, Known] = {}
    for item in items(stack, "pk", "snapshot", "pending"):
        run_id = item["pk"]["S"].rpartition("#")[2]
        if snapshot := item.get("snapshot", {}).get("M"):
            state = (snapshot["status"]["S"], snapshot.get("outcome", {}).get("S"))
            known[run_id] = Known(state, "pending" in item)
    return known
