"""How a report looks: what quiet hours held back, and how a day went."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from runbell.connections import DEFAULT
from runbell.items import RunItem
from runbell.reports import DIGEST, SUMMARY
from runbell.rules import Kind
from runbell.run import instant
from runbell.slack.blocks import Block, context, header, section
from runbell.slack.details import duration_in_words
from runbell.slack.messages import LONGEST_TEXT, Message
from runbell.slack.mrkdwn import code_span, day_and_time, mention, one_line

LONGEST_NAME = 50
"""Characters of an ID or a name: a list of eleven tasks has to fit into one section."""

BAR = 12
"""Block characters of the longest bar."""

_HELD: dict[str, tuple[str, str]] = {
    Kind.SUCCEEDED: ("✅", "succeeded"),
    Kind.RECOVERED: ("💚", "recovered"),
    Kind.FAILED: ("❌", "failed"),
    Kind.BLOCKED: ("⛔", "blocked"),
    Kind.SKIPPED: ("⏭️", "skipped"),
    Kind.STALLED: ("⏳", "stalled"),
    Kind.MISSED: ("⏰", "did not come"),
    Kind.RESUMED: ("🔄", "moved again"),
    Kind.STARTED: ("🔄", "started"),
    Kind.CREATED: ("🔵", "created"),
    Kind.OTHER: ("⚪", "changed otherwise"),
}
"""The words for how many runs were held back, in the order in which they are said."""

_ENDED: dict[str, tuple[str, str]] = {
    Kind.SUCCEEDED: ("✅", "succeeded"),
    Kind.FAILED: ("❌", "failed"),
    Kind.SKIPPED: ("⏭️", "skipped"),
    Kind.OTHER: ("⚪", "ended otherwise"),
}
"""The words for how the runs of a day have ended."""

_ALWAYS = frozenset({Kind.SUCCEEDED, Kind.FAILED})
"""What a digest counts even where there was none."""

Parts = Sequence[Sequence[str]]
"""The paragraphs of a report, each with its lines."""


def report_message(item: RunItem) -> Message:
    """Show the report that an item holds: one message, with nothing that could be edited.

    Raises:
        ValueError: It is of a kind that this release does not know.
    """
    report = item.report or {}
    kind, head = report.get("kind"), ""
    if kind == SUMMARY:
        title, tell, below = "🌅 What the quiet hours held back", _summary, _read(report)
        head = " ".join(filter(None, map(mention, report["mentions"])))
    elif kind == DIGEST:
        title, tell, below = "📊 The last 24 hours", _digest, _compared(report)
    else:
        raise ValueError(f"no report is of the kind {kind!r}")
    if item.connection != DEFAULT:
        below = [f"Connection {code_span(item.connection, LONGEST_NAME)}", *below]
    laid_out = ["\n".join(part) for part in tell(report, _bold) if part]
    if head:
        laid_out[0] = f"{head}\n{laid_out[0]}"
    blocks: list[Block] = [header(title), *map(section, laid_out)]
    if below:
        blocks.append(context(" · ".join(below)))
    plain = [line for part in tell(report, _plain) for line in part]
    text = _fitting([*([head] if head else []), title, *plain, *below])
    return Message(text, tuple(blocks), item.run_id)


def _summary(report: Mapping[str, Any], name: Callable[[str], str]) -> Parts:
    """What was held back: how many runs, which tasks failed, and what else people must see."""
    counts = report["counts"]
    said = [
        f"{icon} {_number(counts[kind])} {words}"
        for kind, (icon, words) in _HELD.items()
        if counts.get(kind)
    ]
    hours = f"{_when(report['begin'], 'From ')} {_when(report['end'], 'to ')}"
    among = " among the runs that are counted" if "read_at_most" in report else ""
    parts: list[list[str]] = [[hours, " · ".join(said) or f"Nothing was held back{among}."]]
    failed, stalled = report["failed"], report["stalled"]
    missed, recovered = report.get("missed"), report.get("recovered")
    if failed:
        lines = [f"• {_task(each, name)}: {_became(each)}" for each in failed]
        parts.append([name("Failed"), *lines, *_more(report["failed_more"], "task")])
    elif said:
        parts[0].append(f"Nothing failed{among}.")
    if recovered:
        lines = [
            f"• {_task(each, name)}: {_when(each['recovered_at'], 'recovered ')}"
            for each in recovered
        ]
        parts.append([name("Recovered"), *lines, *_more(report["recovered_more"], "task")])
    if stalled:
        lines = [f"• {_task(each, name)}: {_stood(each)}" for each in stalled]
        parts.append([name("Stalled"), *lines, *_more(report["stalled_more"], "run")])
    if missed:
        lines = [f"• {_task(each, name)}: {_came_not(each)}" for each in missed]
        parts.append([name("Missed"), *lines, *_more(report["missed_more"], "task")])
    return parts


def _became(failed: Mapping[str, Any]) -> str:
    """How often a task failed in the quiet hours, and how it is now."""
    failures, streak = int(failed["failures"]), int(failed["streak"])
    often = "failed" if failures == 1 else f"failed {_number(failures)} times"
    if streak:
        row = f", {_number(streak)} in a row" if streak > 1 else ""
        since = f" {_when(failed['since'], 'since ')}" if "since" in failed else ""
        return f"{often}, still failing{row}{since}"
    if "recovered_at" in failed:
        return f"{often}, {_when(failed['recovered_at'], 'recovered ')}"
    return often


def _stood(stalled: Mapping[str, Any]) -> str:
    run = code_span(stalled["run_id"], LONGEST_NAME)
    if stalled["moved"]:
        return f"run {run} stood still {_when(stalled['since'], 'from ')} on, and went on"
    return f"run {run} stands still {_when(stalled['since'], 'since ')}"


def _came_not(missed: Mapping[str, Any]) -> str:
    runs = int(missed["runs"])
    due = _when(missed["expected_at"], "due " if runs == 1 else "the first due ")
    return f"{_count(runs, 'run')} did not come, {due}"


def _digest(report: Mapping[str, Any], name: Callable[[str], str]) -> Parts:
    """How a day went: how its runs ended, what fails, what was slow and what has changed."""
    counts = report["counts"]
    runs = sum(int(each["runs"]) for each in counts)
    running = int(report["running"])
    ended = _count(runs, "run") + " ended" if runs else "No run ended: a quiet day"
    if all("before" in each for each in counts):
        before = sum(int(each["before"]) for each in counts)
        ended += f", {_number(before) if before else 'none'} the day before"
    first = ended + (f" · {_number(running)} {_be(running)} under way" if running else "")
    parts: list[list[str]] = [[first]]
    if runs:
        parts.append(_chart(counts))
    failing, slow, changed = report["failing"], report["slow"], report["changed"]
    if failing:
        lines = [f"• {_task(each, name)}: {_fails(each)}" for each in failing]
        parts.append([name("Failing now"), *lines, *_more(report["failing_more"], "task")])
    else:
        parts[0].append("No task is failing.")
    if slow:
        lines = [f"• {_task(each, name)}: {_took(each)}" for each in slow]
        parts.append([name("Slower than usual"), *lines])
    if changed:
        lines = [f"• {_task(each, name)}: {_differs(each)}" for each in changed]
        parts.append([name("Most changed"), *lines])
    return parts


def _chart(counts: Sequence[Mapping[str, Any]]) -> list[str]:
    """A bar for each way to end, the longest for the most frequent."""
    most = max(1, *(int(each["runs"]) for each in counts))
    lines = []
    for each in counts:
        runs, kind = int(each["runs"]), each["kind"]
        if kind not in _ENDED or not (runs or each.get("before") or kind in _ALWAYS):
            continue
        icon, words = _ENDED[kind]
        full = max(1, runs * BAR // most) if runs else 0
        bar = f"`{'█' * full}{'░' * (BAR - full)}`"
        against = f" {_against(runs, int(each['before']))}" if "before" in each else ""
        lines.append(f"{icon} {bar} {_number(runs)} {words}{against}")
    return lines


def _against(runs: int, before: int) -> str:
    if runs > before:
        return f"▲ {_number(runs - before)} more"
    return f"▼ {_number(before - runs)} fewer" if runs < before else "as many"


def _fails(failing: Mapping[str, Any]) -> str:
    streak = int(failing["streak"])
    since = failing.get("since")
    if streak > 1:
        row = " ".join(
            [f"{_number(streak)} in a row", *([_when(since, "since ")] if since else [])]
        )
    else:
        row = _when(since, "failed ") if since else "failed once"
    return f"{row}{'' if failing['enabled'] else '; it is switched off'}"


def _took(slow: Mapping[str, Any]) -> str:
    return f"took up to {_long(slow['seconds'])}, usually {_long(slow['typical'])}"


def _differs(changed: Mapping[str, Any]) -> str:
    runs, before = int(changed["runs"]), int(changed["runs_before"])
    said = f"{_count(runs, 'run')}, {_number(before)} the day before ({_against(runs, before)})"
    if runs == before:
        said = f"{_count(runs, 'run')}, {_against(runs, before)} as the day before"
    if "seconds" not in changed:
        return said
    now, then = int(changed["seconds"]), int(changed["seconds_before"])
    arrow = "▲" if now > then else "▼" if now < then else "="
    return f"{said}; each about {_long(now)}, {_long(then)} the day before {arrow}"


def _compared(report: Mapping[str, Any]) -> list[str]:
    up_to = _when(report["at"], "Up to ")
    counts = report["counts"]
    compares = all("before" in each for each in counts) and any(each["runs"] for each in counts)
    return [up_to, *(["▲ ▼ against the 24 hours before"] if compares else []), *_read(report)]


def _read(report: Mapping[str, Any]) -> list[str]:
    """That there was too much to count all of it."""
    if "read_at_most" not in report:
        return []
    return [f"Only the latest {_number(report['read_at_most'])} runs are counted"]


def _task(task: Mapping[str, Any], name: Callable[[str], str]) -> str:
    """What people call a task, as in the messages of its runs; else its ID."""
    ends = (one_line(task.get(end, ""), LONGEST_NAME) for end in ("source", "to"))
    called = " → ".join(end for end in ends if end)
    return name(called) if called else f"Task {code_span(task['task_id'], LONGEST_NAME)}"


def _bold(words: str) -> str:
    return f"*{words}*"


def _plain(words: str) -> str:
    return words


def _more(number: Any, what: str) -> list[str]:
    return [f"… and {_number(number)} more {what}{'' if number == 1 else 's'}"] if number else []


def _when(text: str, before: str) -> str:
    moment = instant(text)
    return day_and_time(moment, before) if moment else before + one_line(text, LONGEST_NAME)


def _long(seconds: Any) -> str:
    return duration_in_words(timedelta(seconds=int(seconds)))


def _number(number: Any) -> str:
    return f"{int(number):,}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _be(number: int) -> str:
    return "is" if number == 1 else "are"


def _fitting(lines: Iterable[str]) -> str:
    """As many lines as a text that stands alone may have."""
    text = ""
    for line in lines:
        if len(text) + len(line) + 3 > LONGEST_TEXT:
            return f"{text}\n…"
        text += f"\n{line}" if text else line
    return text
