"""How things look in the API's answers: Algolia's names where the thing is Algolia's."""

from __future__ import annotations

from typing import Any

from runbell.changes import Change, State
from runbell.checker import Check
from runbell.items import HistoryEntry, RunItem
from runbell.run import Run
from runbell.store import Page
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
    }


def run_list_view(page: Page) -> dict[str, Any]:
    """A page of runs."""
    runs = [{"run": _run(item.snapshot), "updatedAt": item.updated_at} for item in page.items]
    return {"runs": runs, "cursor": page.cursor}


def watch_view(item: RunItem) -> dict[str, Any]:
    """The watch of a run."""
    watch = item.watch
    notify_on = watch.notify_on if watch else None
    return _known(
        runID=item.run_id,
        channel=watch.channel if watch else None,
        notifyOn=None if notify_on is None else sorted(notify_on),
        since=item.watched_since,
        active=item.active,
    )


def watch_list_view(page: Page) -> dict[str, Any]:
    """A page of watches."""
    return {"watches": [watch_view(item) for item in page.items], "cursor": page.cursor}


def test_result_view(result: TestResult) -> dict[str, Any]:
    """What Slack said to a test message."""
    return _known(
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
    return _known(
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
    return _known(status=state.status, outcome=state.outcome)


def _history_entry(entry: HistoryEntry) -> dict[str, Any]:
    return _known(
        number=entry.number,
        kind=entry.kind,
        status=entry.status,
        outcome=entry.outcome,
        at=entry.at,
        announced=entry.announced,
    )


def _delivery(item: RunItem) -> dict[str, Any] | None:
    if item.channel is None:
        return None
    return _known(
        channel=item.channel,
        told=item.delivery.told,
        pending=item.pending_since is not None,
        ts=item.delivery.ts,
        error=item.delivery.error,
    )


def _known(**members: Any) -> dict[str, Any]:
    """An object without the members that are not known."""
    return {name: value for name, value in members.items() if value is not None}
