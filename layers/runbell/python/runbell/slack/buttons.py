"""What people can do from a message: run a task again, take care of it, silence it.

Interactivity: https://docs.slack.dev/reference/block-kit/blocks/actions-block.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from runbell.items import RunItem
from runbell.rules import FAILURES, Kind

RUN_AGAIN = "run_again"
CLAIM = "claim"
MUTE = "mute"
UNMUTE = "unmute"

MUTE_CHOICES: dict[str, tuple[str, timedelta | None]] = {
    "1h": ("for 1 hour", timedelta(hours=1)),
    "8h": ("for 8 hours", timedelta(hours=8)),
    "recovered": ("until it recovers", None),
}
"""What the menu of mutes offers: a value, its words, and for how long; None until a recovery."""

LONGEST_BLOCK_ID = 255

_OFFERED = FAILURES | {Kind.STALLED}
"""What people may want to do something about."""

_BLOCK = "runbell"


def buttons(item: RunItem, kind: str) -> list[dict[str, Any]]:
    """Offer what can be done about a run in a state; nothing where there is nothing to do.

    A run that stands still is not over, so its task can't be run again yet.
    """
    block_id = f"{_BLOCK} {item.connection} {item.run_id}"
    if kind not in _OFFERED or item.snapshot is None or len(block_id) > LONGEST_BLOCK_ID:
        return []
    again = [_button(RUN_AGAIN, "Run again", style="primary")] if kind in FAILURES else []
    mute = {
        "type": "static_select",
        "action_id": MUTE,
        "placeholder": _plain("Mute task …"),
        "options": [
            {"text": _plain(f"Mute task {words}"), "value": value}
            for value, (words, _) in MUTE_CHOICES.items()
        ],
    }
    elements = [*again, _button(CLAIM, "I'm on it"), mute]
    return [{"type": "actions", "block_id": block_id, "elements": elements}]


def unmute_button(item: RunItem) -> list[dict[str, Any]]:
    """Offer to let a muted task be heard again."""
    block_id = f"{_BLOCK} {item.connection} {item.run_id}"
    if len(block_id) > LONGEST_BLOCK_ID:
        return []
    elements = [_button(UNMUTE, "Unmute task")]
    return [{"type": "actions", "block_id": block_id, "elements": elements}]


def run_of(block_id: str) -> tuple[str, str] | None:
    """Tell which run a block of buttons is about: (connection, run ID); None for another's."""
    name, _, subject = block_id.partition(" ")
    connection, _, run_id = subject.partition(" ")
    return (connection, run_id) if name == _BLOCK and connection and run_id else None


def _button(action_id: str, text: str, style: str | None = None) -> dict[str, Any]:
    button = {"type": "button", "action_id": action_id, "text": _plain(text), "value": action_id}
    return button | ({"style": style} if style else {})


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": True}
