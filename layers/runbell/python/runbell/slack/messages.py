"""What people read: a run's item made into a message of Slack's Block Kit.

Limits: https://docs.slack.dev/reference/block-kit/blocks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from runbell.connections import DEFAULT
from runbell.items import HistoryEntry, RunItem
from runbell.rules import Kind
from runbell.slack.details import details, errors
from runbell.slack.mrkdwn import code_span, mention, one_line
from runbell.slack.wording import (
    LONGEST_NAME,
    has_name,
    headline,
    moment,
    plain_headline,
    task_id,
)

DEBUGGER = "https://dashboard.algolia.com/connectors/debugger"

LONGEST_TEXT = 3_900
"""Characters of a text that stands alone: an edit over 4,000 is refused."""

TOLD_AT_MOST = 10
"""Changes that a run's story shows; a run has three or four."""

MENTIONED_AT_MOST = 20
"""People and groups that one message mentions."""

MUST_BE_SEEN = frozenset(
    {Kind.RECOVERED, Kind.FAILED, Kind.BLOCKED, Kind.STALLED, Kind.MISSED},
)
"""What an edit is too quiet for: it is told in a post of its own, which mentions people."""

Block = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """A message before it is sent.

    Args:
        text: The whole of it in plain words, for notifications, screen readers, and for Slack to
            show where the blocks are refused.
        blocks: The same, laid out.
        run_id: The run it is about; for a run that is missing, what Runbell calls it.
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


def run_message(item: RunItem, *, is_news: bool = False) -> Message:
    """Show a run as it is now, with its whole story: the one message that is edited.

    Args:
        item: The run, or the one that is missing.
        is_news: Whether it is posted to tell the latest change, and so mentions people where that
            must be seen; an edit would not reach them.
    """
    entry = item.history[-1]
    story = "  →  ".join(moment(item, past) for past in item.history[-TOLD_AT_MOST:])
    text, blocks = _told(item, entry, _mentions(entry) if is_news else "")
    blocks += [_context(story), _footer(item)]
    return Message(text, tuple(blocks), item.run_id, entry.number)


def change_message(item: RunItem, entry: HistoryEntry, *, is_reply: bool) -> Message:
    """Tell one change by itself: a reply that people must see, or a webhook's message."""
    text, blocks = _told(item, entry, _mentions(entry))
    if not is_reply:
        blocks += [_context(moment(item, entry)), _footer(item)]
    return Message(text, tuple(blocks), item.run_id, entry.number, is_reply=is_reply)


def must_be_seen(item: RunItem, entry: HistoryEntry) -> bool:
    """Whether a change is told in a post of its own.

    What becomes of a run that was called stalled is so too, or the alarm would stand there alone.
    """
    told = [each for each in item.history if each.announced and each.number < entry.number]
    return entry.kind in MUST_BE_SEEN or bool(told and told[-1].kind == Kind.STALLED)


def test_message(test_id: str) -> Message:
    """Show people that Runbell can reach this channel."""
    text = "🔔 Runbell reaches this channel: runs are announced like this."
    return Message(text, (_section(text), _context("A test, asked for over the API.")), test_id)


def misrouted(message: Message, channel: str, code: str) -> Message:
    """The same message for the fallback channel, with the reason why it is there."""
    says = code_span(code, LONGEST_NAME)
    why = f"Meant for {one_line(channel, LONGEST_NAME)}, where Slack says {says}."
    return replace(
        message,
        text=f"{message.text}\n{why}",
        blocks=(*message.blocks, _context(why)),
        is_reply=False,
    )


def _told(item: RunItem, entry: HistoryEntry, mentions: str) -> tuple[str, list[Block]]:
    """A change in plain words, and laid out: each part is a section's worth at the most."""
    lines, wrong = details(item, entry), errors(entry)
    head = [mentions] if mentions else []
    parts = [[*head, headline(item, entry)], lines, wrong]
    text = "\n".join([*head, plain_headline(item, entry), *lines, *wrong])
    return text, [_section("\n".join(part)) for part in parts if part]


def _mentions(entry: HistoryEntry) -> str:
    """Whom to mention with a change that must be seen; a name twice is mentioned once."""
    if entry.kind not in MUST_BE_SEEN:
        return ""
    everyone = dict.fromkeys(written for name in entry.mentions if (written := mention(name)))
    return " ".join([*everyone][:MENTIONED_AT_MOST])


def _footer(item: RunItem) -> Block:
    """The IDs that the headline leaves out, and where to look further."""
    ids = [] if item.snapshot is None else [f"Run {code_span(item.run_id, LONGEST_NAME)}"]
    if item.connection != DEFAULT:
        ids.insert(0, f"Connection {code_span(item.connection, LONGEST_NAME)}")
    if has_name(item):
        ids.append(f"Task {code_span(task_id(item), LONGEST_NAME)}")
    return _context(" · ".join([*ids, f"<{DEBUGGER}|Connector Debugger>"]))


def _section(text: str) -> Block:
    return {"type": "section", "text": _mrkdwn(text)}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _mrkdwn(text: str) -> Block:
    # Not verbatim, Slack would link names and parse mentions that are written out in a reason.
    return {"type": "mrkdwn", "text": text, "verbatim": True}
