"""Scripted lives of runs, and what each life looks like at a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from local.algolia.rows import Listed
from local.algolia.times import moment, rfc3339, time_in


@dataclass(frozen=True)
class Step:
    """One moment in a run's life, ``after`` so many seconds since the life began.

    Any status, outcome and reason code may be played, also ones the vendor does not
    document. Progress needs both numbers or neither; a later step without them keeps
    showing the last ones. Raises ValueError for one number alone.
    """

    after: float
    status: str
    outcome: str | None = None
    reason: str | None = None
    reason_code: str | None = None
    expected: int | None = None
    received: int | None = None

    def __post_init__(self) -> None:
        if (self.expected is None) != (self.received is None):
            raise ValueError("progress needs both expected and received")


@dataclass(frozen=True)
class RunLife:
    """The script of one run, its steps in order of time.

    The run does not exist before its first step. Raises ValueError for a life
    without steps, or with steps that go back in time.
    """

    run_id: str
    task_id: str
    steps: Sequence[Step]
    type: str = "reindex"
    failure_threshold: int | None = None

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError("a life has at least one step")
        if any(later.after < earlier.after for earlier, later in pairwise(self.steps)):
            raise ValueError("the steps of a life go forward in time")


@dataclass(frozen=True)
class PlayedLife:
    """A life that began at ``start``, in seconds since 1970."""

    life: RunLife
    app_id: str
    start: float

    def at(self, now: float) -> Listed | None:
        """The run as the API shows it now, or None while it does not exist yet."""
        reached = [step for step in self.life.steps if self.start + step.after <= now]
        if not reached:
            return None
        latest, created_at = reached[-1], self._moment_of(reached[0])
        run = {
            "runID": self.life.run_id,
            "appID": self.app_id,
            "taskID": self.life.task_id,
            "status": latest.status,
            "type": self.life.type,
            "createdAt": rfc3339(created_at),
            "startedAt": self._first(reached, "started"),
            "finishedAt": self._first(reached, "finished"),
            "outcome": latest.outcome,
            "reason": latest.reason,
            "reasonCode": latest.reason_code,
            "failureThreshold": self.life.failure_threshold,
            "progress": _progress(reached),
        }
        shown = {name: value for name, value in run.items() if value is not None}
        return Listed(shown, {"createdAt": created_at, "updatedAt": self._moment_of(latest)})

    def next_step(self, now: float) -> float | None:
        """When the run will look otherwise than now, or None for never again."""
        times = (self.start + step.after for step in self.life.steps)
        return next((time for time in times if time > now), None)

    def _moment_of(self, step: Step) -> datetime:
        return moment(self.start + step.after)

    def _first(self, steps: Sequence[Step], status: str) -> str | None:
        first = next((step for step in steps if step.status == status), None)
        return rfc3339(self._moment_of(first)) if first else None


@dataclass(frozen=True)
class LiteralRun:
    """A run that is answered word for word, put at a time that counts as its update."""

    run: dict[str, Any]
    put_at: float

    def at(self, now: float) -> Listed:  # noqa: ARG002
        put = moment(self.put_at)
        return Listed(
            self.run, {"createdAt": time_in(self.run, "createdAt") or put, "updatedAt": put}
        )

    def next_step(self, now: float) -> None:
        """It stays as it is."""


def _progress(steps: Sequence[Step]) -> dict[str, int] | None:
    for step in reversed(steps):
        if step.expected is not None and step.received is not None:
            return {"expectedNbOfEvents": step.expected, "receivedNbOfEvents": step.received}
    return None
