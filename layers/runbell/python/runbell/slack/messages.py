"""What people read: a run's item made into messages of Slack's Block Kit.

Limits: https://docs.slack.dev/reference/block-kit/blocks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from runbell.connections import DEFAULT
from runbell.items import HistoryEntry, Note, NoteKind, RunItem
from runbell.rules import MUST_BE_SEEN, Kind
from runbell.slack.blocks import Block, context, preformatted, quote, section, words
from runbell.slack.buttons import buttons, unmute_button
from runbell.slack.details import details, errors, reason, shortened
from runbell.slack.mrkdwn import (
    code_span,
    escape_and_clip,
    mention,
    one_line,
    printable,
    unescape,
)
from runbell.slack.wording import (
    LONGEST_NAME,
    has_name,
    headline,
    moment,
    note_in_words,
    plain_headline,
    task_id,
)
from runbell.text import whole_signs

DEBUGGER = "https://dashboard.algolia.com/connectors/debugger"

LONGEST_TEXT = 3_900
"""Characters of a text that stands alone: an edit over 4,000 is refused."""

LONGEST_POST = 40_000
"""Characters of the text of a post: the rest would be lost."""

LONGEST_PART = 2_800
"""Characters of a long text that one block shows."""

PARTS_AT_ONCE = 2
"""Such blocks in one message: all blocks together are refused from about 13,200 characters, and
some characters count several times."""

_BEGUN = re.compile(r"(<[^<>]*|&[a-z]{0,3})\Z")
"""A token or an entity that is cut in two at the end of a text."""

TOLD_AT_MOST = 10
"""Changes that a run's story shows; a run has three or four."""

MENTIONED_AT_MOST = 20
"""People and groups that one message mentions."""


@dataclass(frozen=True)
class Message:
    """A message before it is sent.

    Args:
        text: The whole of it in plain words, for notifications, screen readers, and for Slack to
            show where the blocks are refused.
        blocks: The same, laid out.
        run_id: The run it is about; for a run that is missing, what Runbell calls it.
        last_change: The number of the latest change that it tells.
        is_reply: Whether it belongs into a thread.
        part: What tells it from other messages about the same change.
        connection: Whose run it is.
        kind: What kind of change that is; see `rules.Kind`.
    """

    text: str
    blocks: tuple[Block, ...]
    run_id: str
    last_change: int = 0
    is_reply: bool = False
    part: str = ""
    connection: str = DEFAULT
    kind: str = ""

    @property
    def delivery_id(self) -> str:
        """What tells this message from all others of its channel, however often it is posted.

        A run's own message is the same one whatever it tells.
        """
        form = f"reply {self.last_change}" if self.is_reply else "run"
        whose = "" if self.connection == DEFAULT else f"{self.connection} "
        return f"{whose}{self.run_id} {form} {self.part}".rstrip()

    @property
    def metadata(self) -> dict[str, Any]:
        """What a program finds with the message: which run and change it tells."""
        return {
            "event_type": "runbell_reply" if self.is_reply else "runbell_run",
            "event_payload": {
                "run_id": self.run_id,
                "last_change": self.last_change,
                "kind": self.kind,
                "delivery_id": self.delivery_id,
            },
        }


def plain(message: Message) -> Message:
    """The words of a message without its layout: short enough for an edit, if it can be edited."""
    limit = LONGEST_POST if message.is_reply else LONGEST_TEXT
    text = message.text
    if len(text) > limit:
        text = _BEGUN.sub("", text[:limit])
    return replace(message, text=text, blocks=())


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
    below = [*filter(None, [story, _standing(item.notes)]), _footer(item)]
    blocks += map(context, below[:-1])
    is_over = any(note.kind == NoteKind.RECOVERED for note in item.notes)
    blocks += [*([] if is_over else buttons(item, entry.kind)), context(below[-1])]
    return Message(
        _with(text, *below),
        tuple(blocks),
        item.run_id,
        entry.number,
        connection=item.connection,
        kind=entry.kind,
    )


def change_message(item: RunItem, entry: HistoryEntry, *, is_reply: bool) -> Message:
    """Tell one change by itself: a reply that people must see, or a webhook's message."""
    text, blocks = _told(item, entry, _mentions(entry))
    below = [_footer(item)]
    if not is_reply:
        below.insert(0, moment(item, entry))
        if shortened(item, entry):
            below.insert(0, _whole_text(item))
    elif not entry.hushed:
        blocks += buttons(item, entry.kind)
    blocks += map(context, below)
    text = _with(text, *below)
    return Message(
        text,
        tuple(blocks),
        item.run_id,
        entry.number,
        is_reply=is_reply,
        part="" if is_reply else f"change {entry.number}",
        connection=item.connection,
        kind=entry.kind,
    )


def whole_texts(item: RunItem, entry: HistoryEntry) -> list[Message]:
    """Show what a message of a change had to shorten, in full: replies for its thread.

    Line breaks stay, what can't be printed goes.
    """
    texts = shortened(item, entry)
    messages: list[Message] = []
    for name, what, text in texts:
        parts = _parts(printable(text))
        for begin in range(0, len(parts), PARTS_AT_ONCE):
            shown = parts[begin : begin + PARTS_AT_ONCE]
            title = f"{what}, in full" if begin == 0 else f"{what}, continued"
            blocks = [section(f"*{title}*"), *(preformatted(part) for part in shown)]
            said = "\n".join(escape_and_clip(part, 6 * LONGEST_PART) for part in shown)
            messages.append(
                Message(
                    f"{title}:\n{said}",
                    tuple(blocks),
                    item.run_id,
                    entry.number,
                    is_reply=True,
                    part=f"{name} from {begin}",
                    connection=item.connection,
                )
            )
    return messages


def note_message(item: RunItem, note: Note, number: int) -> Message:
    """Tell what somebody has done about a run: a quiet reply in its thread."""
    text = note_in_words(note)
    blocks = [section(text)]
    if note.kind == NoteKind.MUTED:
        blocks += unmute_button(item)
    return Message(
        text,
        tuple(blocks),
        item.run_id,
        is_reply=True,
        part=f"note {number} {note.at}",
        connection=item.connection,
    )


def must_be_seen(item: RunItem, entry: HistoryEntry) -> bool:
    """Whether a change is told in a post of its own.

    What becomes of a run that was called stalled is so too, or the alarm would stand there alone.
    """
    told = [each for each in item.history if each.announced and each.number < entry.number]
    return entry.kind in MUST_BE_SEEN or bool(told and told[-1].kind == Kind.STALLED)


def test_message(test_id: str) -> Message:
    """Show people that Runbell can reach this channel."""
    text = "🔔 Runbell reaches this channel: runs are announced like this."
    return Message(text, (section(text), context("A test, asked for over the API.")), test_id)


def misrouted(message: Message, channel: str, code: str) -> Message:
    """The same message for the fallback channel, with the reason why it is there."""
    says = code_span(code, LONGEST_NAME)
    why = f"Meant for {one_line(channel, LONGEST_NAME)}, where Slack says {says}."
    return replace(
        message,
        text=f"{message.text}\n{why}",
        # Without buttons: what they do is told in the channel that refuses.
        blocks=(*(each for each in message.blocks if each["type"] != "actions"), context(why)),
        is_reply=False,
    )


def _told(item: RunItem, entry: HistoryEntry, mentions: str) -> tuple[str, list[Block]]:
    """A change in plain words, and laid out: each part is a block's worth at the most.

    What Algolia and the source say stands in blocks where nothing is markup.
    """
    lines, why, wrong = details(item, entry), reason(item, entry), errors(entry)
    head = [mentions] if mentions else []
    blocks = [section("\n".join([*head, headline(item, entry)]))]
    if lines:
        blocks.append(section("\n".join(lines)))
    if why:
        blocks.append(quote(unescape(why)))
    if wrong:
        blocks.append(words(unescape("\n".join(wrong))))
    said = [f"> {why}"] if why else []
    return "\n".join([*head, plain_headline(item, entry), *lines, *said, *wrong]), blocks


def _with(text: str, *lines: str) -> str:
    """A text with more lines, as far as there is room; the first ones count for more."""
    for line in lines:
        if len(text) + len(line) < LONGEST_TEXT:
            text = f"{text}\n{line}"
    return text


def _mentions(entry: HistoryEntry) -> str:
    """Whom to mention with a change that must be seen; a name twice is mentioned once."""
    if entry.kind not in MUST_BE_SEEN or entry.hushed:
        return ""
    everyone = dict.fromkeys(written for name in entry.mentions if (written := mention(name)))
    return " ".join([*everyone][:MENTIONED_AT_MOST])


def _standing(notes: Sequence[Note]) -> str:
    """What holds of what people have done about a run: who is on it, whether it is muted."""
    standing: dict[str, Note] = {}
    for note in notes:
        if note.kind == NoteKind.CLAIMED:
            standing[f"claimed {note.by}"] = note
        elif note.kind in {NoteKind.MUTED, NoteKind.UNMUTED}:
            standing["muted"] = note
        elif note.kind == NoteKind.RECOVERED:
            standing = {"recovered": note}  # nothing of what was to be done is to be done any more
    shown = [note for note in standing.values() if note.kind != NoteKind.UNMUTED]
    return " · ".join(note_in_words(note) for note in shown[-MENTIONED_AT_MOST:])


def _whole_text(item: RunItem) -> str:
    """Say where to find what was shortened, in a channel without threads."""
    run = code_span(f"GET /runs/{item.run_id}", LONGEST_NAME + 20)
    return f"Runbell's API has the whole text: {run}"


def _parts(text: str) -> list[str]:
    """A text in pieces that a block can show, each ending with a line where one does."""
    parts = []
    while len(text) > LONGEST_PART:
        end = text.rfind("\n", LONGEST_PART // 2, LONGEST_PART) + 1
        end = end or whole_signs(text, LONGEST_PART)
        parts.append(text[:end])
        text = text[end:]
    return [*parts, text]


def _footer(item: RunItem) -> str:
    """The IDs that the headline leaves out, and where to look further."""
    ids = [] if item.snapshot is None else [f"Run {code_span(item.run_id, LONGEST_NAME)}"]
    if item.connection != DEFAULT:
        ids.insert(0, f"Connection {code_span(item.connection, LONGEST_NAME)}")
    if has_name(item):
        ids.append(f"Task {code_span(task_id(item), LONGEST_NAME)}")
    return " · ".join([*ids, f"<{DEBUGGER}|Connector Debugger>"])
