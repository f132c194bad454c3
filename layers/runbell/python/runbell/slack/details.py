"""What a message says below its headline: how far, how often, how long, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from runbell.events import ErrorGroup, WhatWentWrong
from runbell.items import HistoryEntry, Missed, RunItem
from runbell.rules import Kind, Standstill
from runbell.run import Progress, ReasonCode, Run, instant
from runbell.slack.mrkdwn import code_span, day_and_time, one_line
from runbell.slack.wording import LONGEST_NAME

LONGEST_REASON = 1_000
"""Characters of a reason that a message shows, escaped: a section holds 3,000 in all."""

ERRORS_SHOWN = 5
"""Messages of failed events that a message shows."""

LONGEST_ERRORS = 1_000
"""Characters that those share, escaped: with all the rest, an edit holds 4,000."""

LONGEST_ERROR = 400
"""Characters that one of them has at the most."""

BAR = 10
"""Cells of a progress bar."""

LEAST_SHARE = 0.05
"""Of what is expected, what a run must have received before its end is guessed by that."""

FARTHEST_END = timedelta(days=2)
"""How far away an end may be guessed."""

_RUNNING = frozenset({Kind.STARTED, Kind.STALLED, Kind.RESUMED})

_REASONS: dict[str, str] = {
    ReasonCode.INTERNAL: "an error inside Algolia",
    ReasonCode.CANCELLED: "it was cancelled",
    ReasonCode.CRITICAL: "a critical error stopped it",
    ReasonCode.NO_EVENTS: "the source sent no records",
    ReasonCode.TOO_MANY_ERRORS: "too many records failed",
    ReasonCode.LACKING_EVENTS: "fewer records came than expected",
    ReasonCode.OK: "",
    ReasonCode.BLOCKING: "the task failed too often, so Algolia switched it off",
    ReasonCode.IDLE: "nothing came from the source for too long",
}


def details(item: RunItem, entry: HistoryEntry) -> list[str]:
    """What is known beyond a change's state, a line each.

    What is known of the run itself belongs to its latest change.
    """
    run = item.snapshot if entry.number == item.last_change else None
    lines = [_due(item.missed)] if item.missed else []
    if run and run.progress and entry.kind in _RUNNING:
        lines.append(_bar(run.progress))
    if run and entry.kind in _RUNNING and (end := _expected_end(item, run, entry)):
        lines.append(end)
    if run and run.is_terminal and (took := _took(run, entry)):
        lines.append(took)
    if entry.kind in {Kind.FAILED, Kind.BLOCKED}:
        lines += _failures(entry)
    if entry.kind == Kind.RECOVERED and entry.streak > 0:
        lines.append(_recovery(item.snapshot, entry))
    if entry.kind == Kind.BLOCKED:
        lines.append("It runs again once somebody has switched it on, in Algolia")
    if run and entry.kind == Kind.STALLED and (started := instant(run.started_at)):
        lines.append(f"Running {day_and_time(started, 'since ')}")
    if entry.standstill == Standstill.OVERTIME and entry.typical is not None:
        usual = duration_in_words(timedelta(seconds=entry.typical))
        lines.append(f"Usually a run of this task takes {usual}")
    return lines + (_reason_code(run, entry) if run else [])


def reason(item: RunItem, entry: HistoryEntry) -> str:
    """Algolia's explanation of how the run ended, in its own words, escaped."""
    run = item.snapshot if entry.number == item.last_change else None
    return one_line(run.reason or "", LONGEST_REASON) if run and _is_reason_shown(run) else ""


def errors(entry: HistoryEntry) -> list[str]:
    """What went wrong, in the words of the run's failed events: the first one, then by number."""
    if entry.errors is None:
        return []
    groups, limit = _shown_of(entry.errors)
    lines = [f"• {one_line(group.text, limit)}{_times(group.count)}" for group in groups]
    unnamed = entry.errors.events - sum(group.count for group in groups)
    if unnamed > 0 and lines:
        lines.append(f"… and {_count(unnamed, 'more failed event')}")
    elif unnamed > 0:
        lines.append(_count(unnamed, "failed event"))
    return lines


def shortened(item: RunItem, entry: HistoryEntry) -> list[tuple[str, str, str]]:
    """What a change's message shows by head and tail only: its name, its title, the whole of it.

    The reason comes last: it is the latest change's alone, and what goes before it stays.
    """
    texts: list[tuple[str, str, str]] = []
    if entry.errors is not None:
        groups, limit = _shown_of(entry.errors)
        for number, group in enumerate(groups, start=1):
            if _is_cut(group.text, limit):
                which = f"Error {number} of {len(groups)}" if len(groups) > 1 else "The error"
                texts.append((f"error {number}", which + _times(group.count), group.text))
    run = item.snapshot if entry.number == item.last_change else None
    if run and _is_reason_shown(run) and _is_cut(run.reason or "", LONGEST_REASON):
        texts.append(("reason", "The reason", run.reason or ""))
    return texts


def duration_in_words(duration: timedelta) -> str:
    """Say how long something took as people do: `45 s`, `12 min`, `2 h 5 min`, `3 d 4 h`."""
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        parts = [f"{days} d", f"{hours} h" if hours else ""]
    elif hours:
        parts = [f"{hours} h", f"{minutes} min" if minutes else ""]
    else:
        parts = [f"{minutes} min" if minutes else f"{seconds} s"]
    return " ".join(part for part in parts if part)


def _shown_of(wrong: WhatWentWrong) -> tuple[Sequence[ErrorGroup], int]:
    """The errors that a message shows, and how many characters it has for each."""
    groups = wrong.groups[:ERRORS_SHOWN]
    return groups, min(LONGEST_ERROR, LONGEST_ERRORS // max(1, len(groups)))


def _is_cut(text: str, limit: int) -> bool:
    return one_line(text, limit) != one_line(text, 6 * len(text) + 1)


def _took(run: Run, entry: HistoryEntry) -> str:
    """How long an ended run took, against what is typical of its task."""
    started, finished = instant(run.started_at), instant(run.finished_at)
    if started is None or finished is None or finished < started:
        return ""
    took = f"Took {duration_in_words(finished - started)}"
    if entry.typical is None:
        return took
    return f"{took}, usually {duration_in_words(timedelta(seconds=entry.typical))}"


def _expected_end(item: RunItem, run: Run, entry: HistoryEntry) -> str:
    """When a run will have ended, going by how far it has come, else by what is typical.

    Nothing for one that stands still, or is over its time.
    """
    started, seen_at = instant(run.started_at), instant(item.updated_at)
    if entry.kind == Kind.STALLED or started is None or seen_at is None or seen_at <= started:
        return ""
    running_for, left = seen_at - started, timedelta(0)
    if entry.typical is not None:
        left = timedelta(seconds=entry.typical) - running_for
    progress = run.progress
    if progress and progress.expected >= progress.received >= LEAST_SHARE * progress.expected > 0:
        left = running_for * (progress.expected / progress.received - 1)
    if not timedelta(0) < left <= FARTHEST_END:
        return ""
    end = seen_at + left
    return f"Expected to end {day_and_time(end, 'about ')}"


def _failures(entry: HistoryEntry) -> list[str]:
    """How often the task has failed in a row; nothing where that is no news or not known."""
    streak, threshold, is_blocked = entry.streak, entry.threshold, entry.kind == Kind.BLOCKED
    if streak <= 0 or (streak == 1 and threshold != 1 and not is_blocked):
        return []
    # A blocked run may not be a failure itself: Algolia skips it because of those before it.
    since = instant(entry.since)
    if is_blocked or streak == 1:
        many = _count(streak, "failure") if is_blocked else "First failure"
        many += " in a row" if streak > 1 else ""
    else:
        many = f"Still failing, {streak:,} in a row"
    if streak > 1 and since:
        many += f" {day_and_time(since, 'since ')}"
    if not threshold or is_blocked:
        return [many]
    if streak > threshold:  # evidently it has not
        return [many]
    if streak == threshold:
        return [f"{many}; Algolia switches the task off at this point"]
    return [f"{many}; Algolia switches this task off after {threshold:,}"]


def _recovery(run: Run | None, entry: HistoryEntry) -> str:
    many = _count(entry.streak, "failure") + (" in a row" if entry.streak > 1 else "")
    since, until = instant(entry.since), instant(run.finished_at if run else None)
    if since is None or until is None or until < since:
        return f"After {many}"
    return f"After {many}, failing for {duration_in_words(until - since)}"


def _due(missed: Missed) -> str:
    due = instant(missed.expected_at)
    if due is None:
        return f"It was due at {one_line(missed.expected_at, LONGEST_NAME)}"
    return f"It was {day_and_time(due, 'due ')}"


def _reason_code(run: Run, entry: HistoryEntry) -> list[str]:
    """Why the run ended as it did, unless the lines above it say as much."""
    is_said = entry.kind == Kind.BLOCKED and entry.streak > 0
    code = "" if is_said else run.reason_code or ""
    words = _REASONS[code] if code in _REASONS else code_span(code, LONGEST_NAME)
    return [f"Reason: {words}"] if words else []


def _is_reason_shown(run: Run) -> bool:
    """A run that went well needs no explanation."""
    return run.reason_code != ReasonCode.OK


def _bar(progress: Progress) -> str:
    """Draw how far a run has come; what was expected is a guess of Algolia's and can be passed."""
    received, expected = f"{progress.received:,}", f"{progress.expected:,}"
    if progress.expected <= 0:
        return f"{received} records so far"
    share = min(1.0, max(0.0, progress.received / progress.expected))
    full, percent = int(share * BAR), int(share * 100)  # rounded down: 100 % means all
    return f"`{'█' * full}{'░' * (BAR - full)}` {percent}% · {received} of {expected} records"


def _times(number: int) -> str:
    return f" \N{MULTIPLICATION SIGN}{number:,}" if number > 1 else ""


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
