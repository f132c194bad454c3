"""The count of what was to be told and what was told, from the stand-ins' own records alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from local.algolia import Shown
from local.day import RECOVERING, Day, PlayedRun, State
from local.slack import Call


@dataclass(frozen=True)
class Promise:
    """Something that people are to read.

    Args:
        about: The run's ID; the task's for a run that is missing.
        word: What they read of it.
    """

    about: str
    word: str


@dataclass(frozen=True)
class Ledger:
    """What the records say.

    Args:
        changes: What was to be told.
        announced: What of it a message in Slack tells.
        duplicated: New messages that say what an earlier one has said.
        misshapen: Messages whose form Slack has refused, so that they went out as plain text.
    """

    changes: int
    announced: int
    duplicated: int
    misshapen: int = 0

    @property
    def lost(self) -> int:
        """Changes that nobody was told of."""
        return self.changes - self.announced

    @property
    def is_balanced(self) -> bool:
        """Whether everything was told, once, and in a form that Slack takes."""
        return self.changes > 0 and not (self.lost or self.duplicated or self.misshapen)

    def __str__(self) -> str:
        return (
            f"{self.changes} changes, {self.announced} announced, "
            f"{self.lost} lost, {self.duplicated} duplicated"
            + (f", {self.misshapen} refused for their form" if self.misshapen else "")
        )


def promises_of(day: Day, shown: Sequence[Shown]) -> list[Promise]:
    """Tell what people are to read of a day, given what Algolia has shown of it so far.

    A run that is not in the script is the one that was started by a button.
    """
    runs = {run.life.run_id: run for run in (*day.runs, *day.others)}
    promised = [
        Promise(state.run_id, word)
        for state in shown
        if (word := _words_for(state, runs).get((state.status, state.outcome)))
    ]
    promised += [Promise(day.pressed, "ran the task again")] if day.pressed else []
    promised += [Promise(run_id, word) for run_id, run in runs.items() for word in run.also]
    return [*promised, *(Promise(task_id, "missed") for task_id in day.missing)]


def _words_for(state: Shown, runs: Mapping[str, PlayedRun]) -> Mapping[State, str]:
    run = runs.get(state.run_id)
    return RECOVERING if run is None else run.words


def settle(promised: Collection[Promise], calls: Sequence[Call]) -> Ledger:
    """Hold what was to be told against what Slack took."""
    taken = [call for call in calls if isinstance(call.answer, dict) and call.answer.get("ok")]
    told: dict[str, str] = {}
    posts: Counter[str] = Counter()
    for call in taken:
        if not (metadata := call.arguments.get("metadata")):
            continue
        about = metadata["event_payload"]
        told[about["run_id"]] = told.get(about["run_id"], "") + json.dumps(
            call.arguments["blocks"], ensure_ascii=False
        )
        if call.method == "chat.postMessage":
            posts[about["delivery_id"]] += 1
    announced = sum(
        any(
            f"{each.word} <!date" in text or f"{each.word}: run" in text
            for run, text in told.items()
            if each.about in run + text
        )
        for each in promised
    )
    duplicated = sum(count - 1 for count in posts.values())
    misshapen = sum("invalid_blocks" in str(call.answer) for call in calls)
    return Ledger(len(promised), announced, duplicated, misshapen)
