"""What people read: a run's item made into a message of Slack's Block Kit.

Limits: https://docs.slack.dev/reference/block-kit/blocks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from runbell.items import HistoryEntry, RunItem
from runbell.rules import Kind
from runbell.run import Progress, ReasonCode, Run, instant
from runbell.slack.mrkdwn import date_token, escape_and_clip

DEBUGGER = "https://dashboard.algolia.com/connectors/debugger"

LONGEST_REASON = 1_200
"""Characters of a reason that a message shows, escaped: a section holds 3,000 in all."""

LONGEST_TEXT = 3_900
"""Characters of a text that stands alone: an edit over 4,000 is refused."""

LONGEST_NAME = 120
"""Characters of an ID or of a value that is Algolia's to choose."""

TOLD_AT_MOST = 10
"""Changes that a run's story shows; a run has three or four."""

BAR = 10
"""Cells of a progress bar."""

_LOOK: dict[str, tuple[str, str]] = {
    Kind.CREATED: ("🔵", "is waiting to start"),
    Kind.STARTED: ("🔄", "is running"),
    Kind.SUCCEEDED: ("✅", "succeeded"),
    Kind.FAILED: ("❌", "failed"),
    Kind.SKIPPED: ("⏭️", "was skipped"),
    Kind.STALLED: ("⏳", "has not moved for a while"),
    Kind.RESUMED: ("🔄", "moves again"),
}

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

Block = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """A message before it is sent.

    Args:
        text: The whole of it in plain words, for notifications, screen readers, and for Slack to
            show where the blocks are refused.
        blocks: The same, laid out.
        run_id: The run it is about.
        last_change: The number of the latest change that it tells.
        is_reply: Whether it belongs into the thread of the run's message.
    """

    text: str
    blocks: tuple[Block, ...]
    run_id: str
    last_change: int = 0
    is_reply: bool = False

    @property
    def metadata(self) -> dict[str, Any]:
        """What a program finds with the message: which run and change it tells."""
        return {
            "event_type": "runbell_reply" if self.is_reply else "runbell_run",
            "event_payload": {"run_id": self.run_id, "last_change": self.last_change},
        }


def plain(message: Message) -> Message:
    """The words of a message without its layout, short enough for an edit."""
    return replace(message, text=message.text[:LONGEST_TEXT], blocks=())


def run_message(item: RunItem) -> Message:
    """Show a run as it is now, with its whole story: the one message that is edited."""
    run, entry = _seen(item), item.history[-1]
    story = "  →  ".join(_moment(run, past) for past in item.history[-TOLD_AT_MOST:])
    blocks = [*_body(run, entry, _details(run, entry)), _context(story), _footer(run)]
    return Message(
        _plain(run, entry, _details(run, entry)), tuple(blocks), run.run_id, entry.number
    )


def change_message(item: RunItem, entry: HistoryEntry, *, is_reply: bool) -> Message:
    """Tell one change by itself: a reply that people must see, or a webhook's message."""
    run = _seen(item)
    is_latest = entry.number == item.history[-1].number
    details = _details(run, entry) if is_latest else []  # what is known is of the latest change
    blocks = _body(run, entry, details)
    if not is_reply:
        blocks += [_context(_moment(run, entry)), _footer(run)]
    text = _plain(run, entry, details)
    return Message(text, tuple(blocks), run.run_id, entry.number, is_reply=is_reply)


def test_message(test_id: str) -> Message:
    """Show people that Runbell can reach this channel."""
    text = "🔔 Runbell reaches this channel: runs are announced like this."
    return Message(text, (_section(text), _context("A test, asked for over the API.")), test_id)


def misrouted(message: Message, channel: str, code: str) -> Message:
    """The same message for the fallback channel, with the reason why it is there."""
    why = f"Meant for {escape_and_clip(channel, LONGEST_NAME)}, where Slack says `{_code(code)}`."
    return replace(
        message,
        text=f"{message.text}\n{why}",
        blocks=(*message.blocks, _context(why)),
        is_reply=False,
    )


def _seen(item: RunItem) -> Run:
    assert item.snapshot is not None, "an item with a change has a snapshot"
    return item.snapshot


def _body(run: Run, entry: HistoryEntry, details: list[str]) -> list[Block]:
    icon, words = _words(entry)
    headline = f"{icon} *{_kind_of_run(run)} {words}*\nTask `{_code(run.task_id)}`"
    blocks = [_section(headline)]
    if details:
        blocks.append(_section("\n".join(details)))
    return blocks


def _plain(run: Run, entry: HistoryEntry, details: list[str]) -> str:
    """The message in plain words."""
    icon, words = _words(entry)
    task = escape_and_clip(run.task_id, LONGEST_NAME)
    return "\n".join([f"{icon} {_kind_of_run(run)} {words} (task {task})", *details])


def _words(entry: HistoryEntry) -> tuple[str, str]:
    """The icon and the words of a state; never the one without the other."""
    if entry.kind in _LOOK:
        return _LOOK[entry.kind]
    state = entry.status if entry.outcome is None else f"{entry.status}, {entry.outcome}"
    return "⚪", f"is now “{escape_and_clip(state, LONGEST_NAME)}”"


def _kind_of_run(run: Run) -> str:
    kind = escape_and_clip(run.type, LONGEST_NAME)
    return f"{kind[:1].upper()}{kind[1:]} run"


def _details(run: Run, entry: HistoryEntry) -> list[str]:
    """What is known beyond the state: progress while it runs, the reason once it has ended."""
    lines = []
    if entry.kind in _RUNNING and run.progress:
        lines.append(_bar(run.progress))
    if run.reason_code not in _REASONS and run.reason_code:
        lines.append(f"Reason: `{_code(run.reason_code)}`")
    elif run.reason_code and _REASONS[run.reason_code]:
        lines.append(f"Reason: {_REASONS[run.reason_code]}")
    reason = " ".join((run.reason or "").split())
    if reason and run.reason_code != ReasonCode.OK:
        lines.append(f"> {escape_and_clip(reason, LONGEST_REASON)}")
    return lines


def _bar(progress: Progress) -> str:
    """Draw how far a run has come; what was expected is a guess of Algolia's and can be passed."""
    received, expected = f"{progress.received:,}", f"{progress.expected:,}"
    if progress.expected <= 0:
        return f"{received} records so far"
    share = min(1.0, max(0.0, progress.received / progress.expected))
    full, percent = int(share * BAR), int(share * 100)  # rounded down: 100 % means all
    return f"`{'█' * full}{'░' * (BAR - full)}` {percent}% · {received} of {expected} records"


def _moment(run: Run, entry: HistoryEntry) -> str:
    """One point of a run's story; Algolia's time for it, else when Runbell saw it."""
    times: dict[str, str | None] = {
        Kind.CREATED: run.created_at,
        Kind.STARTED: run.started_at,
        Kind.STALLED: entry.at,
        Kind.RESUMED: entry.at,
    }
    moment = instant(times.get(entry.kind, run.finished_at)) or instant(entry.at)
    icon, words = _words(entry)
    label = entry.kind if entry.kind in _LOOK else words
    return f"{icon} {label} {date_token(moment)}" if moment else f"{icon} {label}"


def _footer(run: Run) -> Block:
    return _context(f"Run `{_code(run.run_id)}` · <{DEBUGGER}|Connector Debugger>")


def _code(text: str) -> str:
    """Text for a code span, which a backtick would end."""
    return escape_and_clip(" ".join(text.replace("`", "'").split()), LONGEST_NAME)


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _mrkdwn(text: str) -> Block:
    # Not verbatim, Slack would link names and parse mentions that are written out in a reason.
    return {"type": "mrkdwn", "text": text, "verbatim": True}
