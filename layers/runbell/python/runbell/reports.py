"""What is told of many runs at once: what quiet hours held back, and how a day went. Pure.

A report is a plain dictionary that a run's item can hold: texts, whole numbers and lists of them,
far below what an item may be, however many runs it tells of.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from runbell.changes import state_of
from runbell.items import HistoryEntry, RunItem
from runbell.rules import FAILURES, Kind, kind_of
from runbell.run import Run, instant, timestamp
from runbell.tasks import End, Names, TaskItem
from runbell.text import clip

SUMMARY = "summary"
"""The kind of a report that tells what quiet hours held back."""

DIGEST = "digest"
"""The kind of a report that tells how a day went."""

DAY = timedelta(days=1)

LISTED = 10
"""Tasks of a list that says which; the others are counted."""

BEST = 5
"""Tasks of a list that says which stand out."""

MENTIONED = 20
"""People and groups that one report mentions."""

LONGEST_NAME = 120
"""Characters of an ID or a name."""

SLOWER = 1.25
LEAST_SLOWER = 30
"""A run is slower than usual if it takes that many times its task's typical duration, and that
many seconds more."""

FEW_OR_MANY = 2.0
LEAST_RUNS = 3
"""A task has changed if it has that many times the runs of the day before, or that share of them,
and the difference is that many runs."""

LONG_OR_SHORT = 1.5
LEAST_LONGER = 60
"""A task has changed if its runs take that many times as long as the day before, or that share of
it, and the difference is that many seconds."""

OUTCOMES = (Kind.SUCCEEDED, Kind.FAILED, Kind.SKIPPED, Kind.OTHER)
"""How a day's runs are counted."""


@dataclass(frozen=True)
class Ended:
    """How and when a run ended, and how long it took, as far as that is known."""

    task_id: str
    kind: Kind
    at: datetime
    seconds: int | None = None

    @classmethod
    def of(cls, run: Run) -> Ended | None:
        """The end of a run; None if it goes on, or nobody knows when it ended."""
        end = End.of(run)
        at = instant(end.ended_at)
        if not run.is_terminal or at is None:
            return None
        kind = kind_of(state_of(run))
        return cls(run.task_id, kind if kind in OUTCOMES else Kind.OTHER, at, end.seconds)


@dataclass(frozen=True)
class Seen:
    """The runs that a digest is made of, the latest first.

    Args:
        ended: Those that have ended.
        task_ids: Whose they are.
        running: How many go on.
        runs: How many were read.
        back_to: Back to which moment all are among them; None if that is far enough.
    """

    ended: Sequence[Ended] = ()
    task_ids: frozenset[str] = frozenset()
    running: int = 0
    runs: int = 0
    back_to: datetime | None = None


def summary_of(
    items: Iterable[RunItem],
    tasks: Mapping[str, TaskItem],
    channel: str,
    begin: str,
    end: str,
    *,
    read_at_most: int | None = None,
) -> dict[str, Any] | None:
    """Sum up what the quiet hours of a channel have held back; None if that is nothing.

    Args:
        items: Runs that have changed since they began, and runs that are missing.
        tasks: Their tasks, as they are now.
        channel: Whose quiet hours.
        begin, end: When they were (RFC 3339, UTC).
        read_at_most: How many runs, the latest ones, were read, if there were more. Then nobody
            knows that there is nothing to tell.
    """
    held = [of for item in items if (of := _held_of(item, channel, end))]
    if not held and not read_at_most:
        return None
    by_task: dict[str, list[_Held]] = defaultdict(list)
    for each in held:
        if each.failures:
            by_task[each.task_id].append(each)
    failed = [_failed(runs, tasks.get(task_id)) for task_id, runs in by_task.items()]
    failed.sort(key=lambda each: (-each["streak"], -each["failures"], each["task_id"]))
    still = {each["task_id"] for each in failed if each["streak"]}
    mentions = dict.fromkeys(
        name
        for each in held
        if each.task_id in still
        for entry in each.failures
        for name in entry.mentions
    )
    stalled = sorted(
        (each for each in held if each.last.kind == Kind.STALLED),
        key=lambda each: (each.last.at, each.item.run_id),
    )
    missed = _missed(held, tasks)
    recovered = _recovered([each for each in held if each.task_id not in by_task], tasks)
    return {
        "kind": SUMMARY,
        "begin": begin,
        "end": end,
        "counts": dict(Counter(_kind_in(each.last) for each in held)),
        "failed": failed[:LISTED],
        "failed_more": max(0, len(failed) - LISTED),
        "stalled": [_stalled(each, tasks.get(each.task_id)) for each in stalled[:LISTED]],
        "stalled_more": max(0, len(stalled) - LISTED),
        "missed": missed[:LISTED],
        "missed_more": max(0, len(missed) - LISTED),
        "recovered": recovered[:LISTED],
        "recovered_more": max(0, len(recovered) - LISTED),
        "mentions": [*mentions][:MENTIONED],
        **({"read_at_most": read_at_most} if read_at_most else {}),
    }


def digest_of(seen: Seen, tasks: Mapping[str, TaskItem], at: datetime) -> dict[str, Any]:
    """Tell how the 24 hours up to a moment went, against the 24 hours before.

    Args:
        seen: The runs.
        tasks: Their tasks, as they are now.
        at: The moment.
    """
    today = [each for each in seen.ended if at - DAY <= each.at < at]
    before = [each for each in seen.ended if at - 2 * DAY <= each.at < at - DAY]
    is_whole = seen.back_to is None or seen.back_to <= at - DAY
    compares = seen.back_to is None or seen.back_to <= at - 2 * DAY
    counts, counts_before = (Counter(each.kind for each in day) for day in (today, before))
    failing = sorted(
        (task for task in tasks.values() if task.story.streak.failures),
        key=lambda task: (-task.story.streak.failures, task.story.streak.since or "", task.task_id),
    )
    return {
        "kind": DIGEST,
        "at": timestamp(at),
        "counts": [
            {
                "kind": kind,
                "runs": counts[kind],
                **({"before": counts_before[kind]} if compares else {}),
            }
            for kind in OUTCOMES
        ],
        "running": seen.running,
        "failing": [_failing(task) for task in failing[:LISTED]],
        "failing_more": max(0, len(failing) - LISTED),
        "slow": _slow(today, tasks),
        "changed": _changed(today, before, tasks) if compares else [],
        **({} if is_whole else {"read_at_most": seen.runs}),
    }


@dataclass(frozen=True)
class _Held:
    """A run of which something was held back: the last of it, and the failures among it."""

    item: RunItem
    task_id: str
    last: HistoryEntry
    failures: list[HistoryEntry] = field(default_factory=list)


def _held_of(item: RunItem, channel: str, end: str) -> _Held | None:
    """What quiet hours held back of a run; None if nothing, or people know by now."""
    held = [each for each in item.history if (each.held_in, each.held_until) == (channel, end)]
    of = item.snapshot or item.missed
    if not held or of is None:
        return None
    last = held[-1]
    if any(each.announced and each.number > last.number for each in item.history):
        return None  # the run's message tells all of it
    failures = [each for each in held if each.kind in FAILURES]
    return _Held(item, of.task_id, last, failures)


def _kind_in(entry: HistoryEntry) -> str:
    return entry.kind if entry.kind in {*Kind} else Kind.OTHER


def _failed(runs: Sequence[_Held], task: TaskItem | None) -> dict[str, Any]:
    """A task of which failures were held back, and what has become of it."""
    item = runs[0].item
    story = task.story if task else None
    streak = story.streak if story else None
    is_failing = streak is not None and streak.failures > 0
    recovered_at = story.last_success if story and not is_failing else None
    return {
        **_called(runs[0].task_id, task, item.names),
        "failures": len(runs),
        "streak": streak.failures if streak else 0,
        **({"since": streak.since} if streak and streak.since else {}),
        **({"recovered_at": recovered_at} if recovered_at else {}),
    }


def _stalled(held: _Held, task: TaskItem | None) -> dict[str, Any]:
    """A run that was called stalled, and whether nothing has become of it since."""
    return {
        **_called(held.task_id, task, held.item.names),
        "run_id": clip(held.item.run_id, LONGEST_NAME),
        "since": held.last.at,
        "moved": held.item.history[-1].number > held.last.number,
    }


def _missed(held: Iterable[_Held], tasks: Mapping[str, TaskItem]) -> list[dict[str, Any]]:
    """The tasks of which runs did not come: how many, and when the first of them was due."""
    due: dict[str, list[str]] = defaultdict(list)
    names: dict[str, Names | None] = {}
    for each in held:
        if each.item.missed is not None:
            due[each.task_id].append(each.item.missed.expected_at)
            names[each.task_id] = each.item.names
    order = sorted(due, key=lambda task_id: (-len(due[task_id]), min(due[task_id]), task_id))
    return [
        {
            **_called(task_id, tasks.get(task_id), names[task_id]),
            "runs": len(due[task_id]),
            "expected_at": min(due[task_id]),
        }
        for task_id in order
    ]


def _recovered(held: Iterable[_Held], tasks: Mapping[str, TaskItem]) -> list[dict[str, Any]]:
    """The tasks that have recovered, and when: people were told before that they fail."""
    found: list[tuple[str, str, Names | None]] = []
    for each in held:
        run = each.item.snapshot
        if run is not None and each.last.kind == Kind.RECOVERED:
            found.append((End.of(run).ended_at or each.last.at, each.task_id, each.item.names))
    found.sort(key=lambda each: each[:2])
    latest = {task_id: (at, names) for at, task_id, names in found}
    return [
        {**_called(task_id, tasks.get(task_id), names), "recovered_at": at}
        for task_id, (at, names) in latest.items()
    ]


def _failing(task: TaskItem) -> dict[str, Any]:
    streak = task.story.streak
    return {
        **_called(task.task_id, task),
        "streak": streak.failures,
        **({"since": streak.since} if streak.since else {}),
        "enabled": task.info is None or task.info.enabled,
    }


def _slow(today: Sequence[Ended], tasks: Mapping[str, TaskItem]) -> list[dict[str, Any]]:
    """The tasks whose longest run took the most beyond what is typical of them."""
    longest: dict[str, int] = {}
    for each in today:
        if each.seconds is not None:
            longest[each.task_id] = max(longest.get(each.task_id, 0), each.seconds)
    found: list[tuple[int, str, int, int]] = []
    for task_id, seconds in longest.items():
        task = tasks.get(task_id)
        if task is None or task.story.typical is None:
            continue
        typical = round(task.story.typical.total_seconds())
        if seconds >= max(SLOWER * typical, typical + LEAST_SLOWER):
            found.append((typical - seconds, task_id, seconds, typical))
    return [
        {**_called(task_id, tasks.get(task_id)), "seconds": seconds, "typical": typical}
        for _, task_id, seconds, typical in sorted(found)[:BEST]
    ]


def _changed(
    today: Sequence[Ended], before: Sequence[Ended], tasks: Mapping[str, TaskItem]
) -> list[dict[str, Any]]:
    """The tasks that ran far more or less often, or longer or shorter, than the day before."""
    found: list[tuple[float, str, dict[str, Any]]] = []
    days = _by_task(today), _by_task(before)
    for task_id in days[0].keys() | days[1].keys():
        now, then = (day.get(task_id, []) for day in days)
        change = max(
            _factor(len(now), len(then), FEW_OR_MANY, LEAST_RUNS),
            _factor(_typical(now), _typical(then), LONG_OR_SHORT, LEAST_LONGER),
        )
        if change:
            told = {"runs": len(now), "runs_before": len(then)}
            took, took_before = _typical(now), _typical(then)
            if took is not None and took_before is not None:
                told |= {"seconds": took, "seconds_before": took_before}
            found.append((-change, task_id, told))
    found.sort(key=lambda each: each[:2])
    return [{**_called(task_id, tasks.get(task_id)), **told} for _, task_id, told in found[:BEST]]


def _by_task(ended: Iterable[Ended]) -> dict[str, list[Ended]]:
    runs: dict[str, list[Ended]] = defaultdict(list)
    for each in ended:
        runs[each.task_id].append(each)
    return runs


def _typical(ended: Iterable[Ended]) -> int | None:
    """The median duration of the successes among some runs."""
    took = [e.seconds for e in ended if e.kind is Kind.SUCCEEDED and e.seconds is not None]
    return round(median(took)) if took else None


def _factor(now: int | None, then: int | None, least: float, least_difference: int) -> float:
    """How many times more or less something is than it was; 0 where that is not worth a word."""
    if now is None or then is None or abs(now - then) < least_difference:
        return 0.0
    factor = max(now, then) / max(1, min(now, then))
    return factor if factor >= least else 0.0


def _called(task_id: str, task: TaskItem | None, known: Names | None = None) -> dict[str, Any]:
    """A task's ID, where its records come from and where they go, as far as that is known."""
    names = task.info.names if task and task.info else known
    source, to = (names.source, names.index or names.destination) if names else (None, None)
    return {
        "task_id": clip(task_id, LONGEST_NAME),
        **({"source": clip(source, LONGEST_NAME)} if source else {}),
        **({"to": clip(to, LONGEST_NAME)} if to else {}),
    }
