"""How things look in the API's answers: Algolia's names where the thing is Algolia's."""

from __future__ import annotations

from typing import Any

from runbell import items
from runbell.api.wishes import wishes_view
from runbell.changes import Change, State
from runbell.checker import Check
from runbell.events import WhatWentWrong
from runbell.incidents import Incident
from runbell.items import HistoryEntry, RunItem
from runbell.listings import RunPage, WatchPage
from runbell.rules import Mute
from runbell.run import Run
from runbell.tasks import End, Names, TaskItem
from runbell.trial import TestResult


def check_view(check: Check) -> dict[str, Any]:
    """What came of a look at a run."""
    return {
        "run": _run(check.item.snapshot),
        "previous": _run(check.previous),
        "change": check.change and _change(check.change, check.item.history[-1].kind),
        "queued": check.queued,
        "stale": check.stale,
    }


def known_run_view(item: RunItem) -> dict[str, Any]:
    """What is known of a run."""
    return {
        "run": _run(item.snapshot),
        "version": item.version,
        "updatedAt": item.updated_at,
        "history": [_history_entry(entry) for entry in item.history],
        "delivery": _delivery(item),
        **known(task=_names(item.names)),
    }


def run_list_view(page: RunPage) -> dict[str, Any]:
    """A page of runs."""
    runs = [{"run": _run(item.snapshot), "updatedAt": item.updated_at} for item in page.items]
    return {"runs": runs, "cursor": page.cursor}


def task_view(task: TaskItem) -> dict[str, Any]:
    """What is known of a task."""
    info, story = task.info, task.story
    return known(
        taskID=task.task_id,
        **(_names(info.names) or {} if info else {}),
        enabled=info.enabled if info else None,
        streak=story.streak.failures,
        failingSince=story.streak.since,
        lastSuccess=story.last_success,
        typicalSeconds=round(story.typical.total_seconds()) if story.typical else None,
        criticalThreshold=info.threshold if info else None,
        nextRun=info.next_run if info else None,
        mute=task.mute and _mute(task.mute),
        incident=task.incident and _incident(task.incident),
        ends=[_end(end) for end in reversed(story.ends)],
    )


def watch_view(item: RunItem | TaskItem) -> dict[str, Any]:
    """The watch of a run or a task."""
    if isinstance(item, RunItem):
        of: dict[str, Any] = {"runID": item.run_id, "active": item.is_active}
    else:
        of = {"taskID": item.task_id}
    return known(**of, **wishes_view(item.watch), since=item.watched_since)


def watch_list_view(page: WatchPage) -> dict[str, Any]:
    """A page of watches."""
    return {"watches": [watch_view(item) for item in page.items], "cursor": page.cursor}


def test_result_view(result: TestResult) -> dict[str, Any]:
    """What Slack said to a test message."""
    return known(
        delivered=result.delivered,
        channel=result.channel,
        error=result.error,
        message=result.advice,
    )


def _run(run: Run | None) -> dict[str, Any] | None:
    if run is None:
        return None
    progress = run.progress and {
        "expectedNbOfEvents": run.progress.expected,
        "receivedNbOfEvents": run.progress.received,
    }
    return known(
        runID=run.run_id,
        appID=run.app_id,
        taskID=run.task_id,
        status=run.status,
        outcome=run.outcome,
        type=run.type,
        reason=run.reason,
        reasonCode=run.reason_code,
        failureThreshold=run.failure_threshold,
        progress=progress,
        createdAt=run.created_at,
        startedAt=run.started_at,
        finishedAt=run.finished_at,
    )


def _change(change: Change, kind: str) -> dict[str, Any]:
    before = change.before and _state(change.before)
    return {"kind": kind, "before": before, "after": _state(change.after)}


def _state(state: State) -> dict[str, Any]:
    return known(status=state.status, outcome=state.outcome)


def _history_entry(entry: HistoryEntry) -> dict[str, Any]:
    return known(
        number=entry.number,
        kind=entry.kind,
        status=entry.status,
        outcome=entry.outcome,
        at=entry.at,
        announced=entry.announced,
        streak=entry.streak or None,
        since=entry.since,
        threshold=entry.threshold,
        standstill=entry.standstill,
        typicalSeconds=entry.typical,
        errors=entry.errors and _errors(entry.errors),
        heldUntil=entry.held_until,
    )


def _errors(errors: WhatWentWrong) -> dict[str, Any]:
    groups = [{"text": group.text, "count": group.count} for group in errors.groups]
    return {"events": errors.events, "groups": groups}


def _names(names: Names | None) -> dict[str, Any] | None:
    if names is None:
        return None
    return (
        known(
            source=names.source,
            destination=names.destination,
            index=names.index,
            action=names.action,
        )
        or None
    )


def _mute(mute: Mute) -> dict[str, Any]:
    return known(by=mute.by, until=mute.until, at=mute.at)


def _incident(incident: Incident) -> dict[str, Any]:
    return {"runID": incident.run_id, "channel": incident.channel, "pinged": incident.pinged}


def _end(end: End) -> dict[str, Any]:
    return known(runID=end.run_id, endedAt=end.ended_at, outcome=end.outcome, seconds=end.seconds)


def _delivery(item: RunItem) -> dict[str, Any] | None:
    if item.channel is None:
        return None
    return known(
        channel=item.channel,
        told=item.delivery.told,
        pending=item.pending_since is not None,
        ts=item.delivery.ts,
        error=item.delivery.error,
    )


def known(**members: Any) -> dict[str, Any]:
    """An object without the members that are not known."""
    return items.known(members)
