"""What must be told of every run, by the script and the ticks alone.

Told is what a tick sees: a state that no tick saw is not told. In the words of the rules:

- A run that is first seen after its end is told unless it was over before the first tick.
- A started run stalls when no tick has seen anything new of it for an hour, or when it runs three
  times as long as its task's runs typically take, but no less than five minutes. Where both are
  so at the same tick, it is quiet.
- A run that was quiet resumes with the next news while it is started. One that took too long is
  told of no more until its end, and one that has stalled before never takes too long.
- A success recovers, and a failure counts, by the ends of the task's runs in the order in which
  they ended; a skipped run and an unknown outcome are no ends in this sense. Where a task is
  blocked, the failures that have led to it are told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import median

from local.algolia import RunLife, Step
from local.season.missing import missing
from local.season.script import HOUR, MINUTE, Script, Tick, Way

PATIENCE = HOUR
LEAST_OVERTIME = 5 * MINUTE
TIMES_TYPICAL = 3
ENDS_IN_MIND = 24
SUCCESSES_IN_MIND = 20
LEAST_KNOWN = 3


@dataclass(frozen=True)
class Told:
    """One announcement: its kind, and how many failures in a row it speaks of."""

    kind: str
    streak: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.streak}" if self.streak else self.kind


class AmbiguousScriptError(Exception):
    """What must be told depends on which of two ticks at the same time comes first."""


def expected(script: Script) -> dict[str, tuple[Told, ...]]:
    """Compute what must be told, in order, of every run and every missing run of a script.

    A missing run goes by its task and moment, as `missing` names it.

    Raises:
        AmbiguousScriptError: The script leaves something open.
    """
    told: dict[str, tuple[Told, ...]] = {}
    timetables = {timetable.task_id: timetable for timetable in script.timetables}
    for task_id, lives in groupby(script.lives, key=lambda life: life.task_id):
        runs = [*lives]
        task = _Task(runs, began=script.ticks[0].at)
        task.look_at(_looks(script.ticks, at_once=1))
        other = _Task(runs, began=script.ticks[0].at)
        other.look_at(_looks(script.ticks, at_once=2))
        if task.told != other.told:
            raise AmbiguousScriptError(f"{task_id} of seed {script.seed}")
        told |= {run_id: tuple(tellings) for run_id, tellings in task.told.items()}
        if task_id in timetables and task.first_told_at is not None:
            looks = [tick.at for tick in script.ticks if tick.at > task.first_told_at]
            created = [run.steps[0].after for run in runs]
            found = missing(timetables[task_id], created, task.first_told_at, looks)
            told |= dict.fromkeys(found, (Told("missed"),))
    return told


def _looks(ticks: Iterable[Tick], *, at_once: int) -> Iterator[int]:
    times = {Way.ONCE: 1, Way.TWICE: 2, Way.AT_ONCE: at_once}
    return (tick.at for tick in ticks for _ in range(times[tick.way]))


@dataclass
class _Known:
    """What is known of a run that a tick has seen."""

    step: Step
    news_at: int
    is_quiet: bool = False
    takes_too_long: bool = False
    has_stalled: bool = False


@dataclass
class _Task:
    """A task's runs, and what is told of them as the looks go by."""

    runs: Sequence[RunLife]
    began: int
    told: dict[str, list[Told]] = field(default_factory=dict)
    first_told_at: int | None = None
    known: dict[str, _Known] = field(default_factory=dict)
    ends: list[tuple[float, Step, float | None]] = field(default_factory=list)

    def look_at(self, looks: Iterable[int]) -> None:
        self.told = {run.run_id: [] for run in self.runs}
        active = [*self.runs]
        for now in looks:
            seen = [(step, run) for run in active if (step := _shown(run, now)) is not None]
            for step, run in sorted(seen, key=lambda each: each[0].after):
                self._see(run, step, now)
            active = [run for run in active if not self._is_over(run)]

    def _is_over(self, run: RunLife) -> bool:
        return run.run_id in self.known and _is_end(self.known[run.run_id].step)

    def _see(self, run: RunLife, step: Step, now: int) -> None:
        known = self.known.get(run.run_id)
        is_first, is_news = known is None, known is None or known.step is not step
        if known is None or _state(known.step) != _state(step):
            known = self.known[run.run_id] = _Known(
                step, now, has_stalled=known.has_stalled if known else False
            )
            was_over_before = is_first and _is_end(step) and step.after < self.began
            if not was_over_before:
                self._tell(run, self._telling(step), now)
            if _is_end(step):
                self.ends.append((step.after, step, _seconds(run)))
            return
        quiet_for = 0 if is_news else now - known.news_at
        if is_news:
            known.step, known.news_at = step, now
        if step.status != "started" or known.takes_too_long:
            return
        if known.is_quiet and is_news:
            known.is_quiet = False
            self._tell(run, Told("resumed"), now)
        elif known.is_quiet:
            return
        elif quiet_for >= PATIENCE:
            known.is_quiet = known.has_stalled = True
            self._tell(run, Told("stalled"), now)
        elif not known.has_stalled and self._takes_too_long(run, now):
            known.takes_too_long = known.has_stalled = True
            self._tell(run, Told("stalled"), now)

    def _tell(self, run: RunLife, telling: Told, now: int) -> None:
        self.told[run.run_id].append(telling)
        if self.first_told_at is None:
            self.first_told_at = now

    def _telling(self, step: Step) -> Told:
        before = self._failures_before(step.after)
        match step.status, step.outcome, step.reason_code:
            case "finished", "failure", code:
                return Told("blocked" if code == "blocking" else "failed", before + 1)
            case "finished", "success", _:
                return Told("recovered", before) if before else Told("succeeded")
            case "skipped", None, "blocking":
                return Told("blocked", before)
            case "skipped", None, _:
                return Told("skipped")
            case "created" | "started", None, _:
                return Told(step.status)
        return Told("other")

    def _failures_before(self, moment: float) -> int:
        failures = 0
        for _, step, _ in sorted((each for each in self.ends if each[0] < moment), key=_time):
            if step.outcome == "success":
                failures = 0
            elif step.outcome == "failure":
                failures += 1
        return failures

    def _takes_too_long(self, run: RunLife, now: int) -> bool:
        latest = sorted(self.ends, key=_time)[-ENDS_IN_MIND:]
        took = [
            seconds
            for _, step, seconds in latest
            if step.outcome == "success" and seconds is not None
        ][-SUCCESSES_IN_MIND:]
        started = _started(run)
        if started is None or len(took) < LEAST_KNOWN:
            return False
        return now - started >= max(LEAST_OVERTIME, TIMES_TYPICAL * median(took))


def _shown(run: RunLife, now: int) -> Step | None:
    return next((step for step in reversed(run.steps) if step.after <= now), None)


def _state(step: Step) -> tuple[str, str | None]:
    return step.status, step.outcome


def _is_end(step: Step) -> bool:
    return step.status in {"finished", "skipped"}


def _started(run: RunLife) -> float | None:
    return next((step.after for step in run.steps if step.status == "started"), None)


def _seconds(run: RunLife) -> float | None:
    started = _started(run)
    if started is None or run.steps[-1].status != "finished":
        return None
    return run.steps[-1].after - started


def _time(end: tuple[float, Step, float | None]) -> float:
    return end[0]


def total(told: Mapping[str, Sequence[Told]]) -> int:
    """How many announcements there are."""
    return sum(map(len, told.values()))
