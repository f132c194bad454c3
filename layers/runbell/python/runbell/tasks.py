"""What is known of a task: how its runs have ended, and what it is called. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from runbell.incidents import Incident
from runbell.rules import ENDS_A_MUTE, LEAST_KNOWN, Kind, Mute, Watch
from runbell.run import Outcome, Run, instant, timestamp

ENDS_KEPT = 24
"""Ends of a task's runs that its item holds."""

TYPICAL_OF = 20
"""Successful runs, the latest ones, whose median duration is called typical."""

USUAL_THRESHOLD = 5
"""Failures in a row after which Algolia switches a task off, unless the task says otherwise."""

POSSIBLE_THRESHOLDS = range(1, 11)
"""What a task's policies may say instead."""

NEVER = 9000
"""A year that stands for none: what follows from it could not be reckoned with."""

LONGEST_NAME = 300
"""Characters of a name that are kept."""


@dataclass(frozen=True)
class End:
    """How one run of a task ended.

    `ended_at` is Algolia's own time for it (RFC 3339, UTC), by which ends are in order whenever
    they are seen; `seconds` is how long the run took, where that is known.
    """

    run_id: str
    ended_at: str
    outcome: str | None
    seconds: int | None = None

    @classmethod
    def of(cls, run: Run) -> End:
        """The end of a run that has ended."""
        started, finished = instant(run.started_at), instant(run.finished_at)
        ended = finished or started or instant(run.created_at)
        took = finished - started if started and finished and finished >= started else None
        return cls(
            run_id=run.run_id,
            ended_at=timestamp(ended) if ended else "",
            outcome=run.outcome,
            seconds=None if took is None else round(took.total_seconds()),
        )

    @property
    def order(self) -> tuple[str, str]:
        """What ends are sorted by."""
        return (self.ended_at, self.run_id)


@dataclass(frozen=True)
class Streak:
    """Failures in a row, up to a certain end; `since` is when the first of them ended."""

    failures: int = 0
    since: str | None = None


@dataclass(frozen=True)
class Story:
    """How the runs of a task have ended, in the order of their ends whatever order they came in.

    Only a success ends a streak of failures: a skipped run, or one with an outcome that nobody
    knows, says nothing about the next one.

    Args:
        ends: The latest ends, the oldest first.
        before: The streak that led up to the oldest of them.
        last_success: When the latest success was, also one that is no longer among the ends.
        last_created: When the latest of the runs that have ended was created.
    """

    ends: tuple[End, ...] = ()
    before: Streak = Streak()
    last_success: str | None = None
    last_created: str | None = None

    def with_run(self, run: Run) -> Story:
        """The story with the end of one more run; the same if it adds nothing."""
        story, created = self.with_end(End.of(run)), instant(run.created_at)
        if story is self or created is None:
            return story
        return replace(story, last_created=max(self.last_created or "", timestamp(created)))

    def with_end(self, end: End) -> Story:
        """The story with one more end; the same story if it adds nothing.

        Only successes and failures add to it. An end from before the oldest one that is kept comes
        too late to be told in order.
        """
        if end in self.ends or end.outcome not in {Outcome.SUCCESS, Outcome.FAILURE}:
            return self
        others = [each for each in self.ends if each.run_id != end.run_id]
        if len(others) >= ENDS_KEPT and end.order < others[0].order:
            return self
        ends = sorted([*others, end], key=lambda each: each.order)
        before = self.before
        while len(ends) > ENDS_KEPT:
            before = _after(before, ends.pop(0))
        successes = [each.ended_at for each in ends if each.outcome == Outcome.SUCCESS]
        last_success = max([self.last_success or "", *successes]) or None
        return replace(self, ends=tuple(ends), before=before, last_success=last_success)

    @property
    def streak(self) -> Streak:
        """The failures in a row up to now."""
        streak = self.before
        for end in self.ends:
            streak = _after(streak, end)
        return streak

    def streak_before(self, run_id: str) -> Streak:
        """The failures in a row up to a run's end, that one left out."""
        streak = self.before
        for end in self.ends:
            if end.run_id == run_id:
                break
            streak = _after(streak, end)
        return streak

    def is_latest(self, run_id: str) -> bool:
        """Whether no other run has succeeded or failed since this one did."""
        return bool(self.ends) and self.ends[-1].run_id == run_id

    @property
    def durations(self) -> tuple[int, ...]:
        """How many seconds the latest successes took; none while there are too few."""
        took = [
            end.seconds
            for end in self.ends
            if end.outcome == Outcome.SUCCESS and end.seconds is not None
        ][-TYPICAL_OF:]
        return tuple(took) if len(took) >= LEAST_KNOWN else ()

    @property
    def typical(self) -> timedelta | None:
        """The median duration of the latest successes; None while there are too few."""
        return timedelta(seconds=median(self.durations)) if self.durations else None


def _after(streak: Streak, end: End) -> Streak:
    if end.outcome == Outcome.SUCCESS:
        return Streak()
    if end.outcome == Outcome.FAILURE:
        return Streak(streak.failures + 1, streak.since or end.ended_at)
    return streak


@dataclass(frozen=True)
class Names:
    """What people call a task and what it does; None where Algolia does not say."""

    source: str | None = None
    destination: str | None = None
    index: str | None = None
    action: str | None = None


@dataclass(frozen=True)
class TaskInfo:
    """What Algolia's getTask, getSource and getDestination say of a task.

    Args:
        names: What it is called.
        cron: Its timetable, if it has one.
        enabled: Whether it runs at all.
        last_run, next_run: RFC 3339, where Algolia says so.
        critical_threshold: After how many failures in a row Algolia switches it off.
        read_at: When Runbell asked (RFC 3339).
    """

    read_at: str
    names: Names = Names()
    cron: str | None = None
    enabled: bool = True
    last_run: str | None = None
    next_run: str | None = None
    critical_threshold: int | None = None

    def with_timetable_of(self, other: TaskInfo) -> TaskInfo:
        """The same, with what another reading said of when the task runs."""
        return replace(
            self,
            cron=other.cron,
            enabled=other.enabled,
            last_run=other.last_run,
            next_run=other.next_run,
        )

    @property
    def threshold(self) -> int:
        """After how many failures in a row Algolia switches the task off."""
        return self.critical_threshold or USUAL_THRESHOLD


@dataclass(frozen=True)
class TaskItem:
    """One task's item.

    `version` grows with each end in its story. `incident` is there while it fails and people know,
    `mute` while somebody on Slack wants to hear nothing of it.
    """

    connection: str
    task_id: str
    version: int = 0
    story: Story = Story()
    info: TaskInfo | None = None
    incident: Incident | None = None
    mute: Mute | None = None
    watch: Watch | None = None
    watched_since: str | None = None
    look_through: bool = False
    """Whether its runs are still to be listed, because its watch is new or has changed."""
    due_at: str | None = None


def after_end(task: TaskItem, story: Story, kind: Kind | None) -> TaskItem:
    """A task's item with a run's end in its story; a success ends what was told of failures.

    Args:
        task: The item before it.
        story: The story with it.
        kind: What is told of the end; None if nothing of it is new.
    """
    after = replace(task, story=story)
    if story == task.story or story.streak.failures:
        return after
    waits = task.mute is not None and task.mute.until is None
    mute = None if waits and kind in ENDS_A_MUTE else task.mute
    return replace(after, incident=None, mute=mute)


def expiry_of(task: TaskItem, now: datetime, retention: timedelta) -> int:
    """When the item of a task that nobody watches may go, in seconds since 1970.

    A task that is to be looked at some day is remembered until after that, and so is one that is
    to run.
    """
    moments = [instant(task.due_at), instant(task.info.next_run) if task.info else None]
    latest = max([now, *(moment for moment in moments if moment)])
    return int((latest + retention).timestamp())


def story_attributes(story: Story) -> dict[str, Any]:
    """Write a story as a map; an end as a list, since a task's item is written at each."""
    return {
        "ends": [[end.run_id, end.ended_at, end.outcome, end.seconds] for end in story.ends],
        "before": [story.before.failures, story.before.since],
        "last_success": story.last_success,
        "last_created": story.last_created,
    }


def parse_story(attributes: Mapping[str, Any]) -> Story:
    """Read a story back."""
    failures, since = attributes["before"]
    return Story(
        ends=tuple(
            End(run_id, ended_at, outcome, None if seconds is None else int(seconds))
            for run_id, ended_at, outcome, seconds in attributes["ends"]
        ),
        before=Streak(int(failures), since),
        last_success=attributes.get("last_success"),
        last_created=attributes.get("last_created"),
    )


def read_task(document: Mapping[str, Any], names: Names, read_at: str) -> TaskInfo:
    """Read a task as getTask answers it; what is not as documented counts as absent.

    See https://www.algolia.com/doc/rest-api/ingestion/get-task.
    """
    policies = document.get("policies")
    threshold = policies.get("criticalThreshold") if isinstance(policies, Mapping) else None
    is_possible = type(threshold) is int and threshold in POSSIBLE_THRESHOLDS
    return TaskInfo(
        read_at=read_at,
        names=replace(names, action=name_in(document, "action")),
        cron=name_in(document, "cron"),
        enabled=document.get("enabled") is not False,
        last_run=_moment(document, "lastRun"),
        next_run=_moment(document, "nextRun"),
        critical_threshold=threshold if is_possible else None,
    )


def _moment(document: Mapping[str, Any], name: str) -> str | None:
    moment = instant(name_in(document, name))
    return timestamp(moment) if moment and moment.year < NEVER else None


def name_in(document: object, name: str) -> str | None:
    """Read a text of one of the vendor's documents; None if it is not there."""
    value = document.get(name) if isinstance(document, Mapping) else None
    if not isinstance(value, str) or not value:
        return None
    return value.encode("utf-8", "replace").decode("utf-8")[:LONGEST_NAME]
