"""A message of the stand-in for Slack, as its methods answer it and as its page draws it."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass, field
from typing import Any

from local.slack.limits import Block

AUTHOR = "Runbell"
BOT_USER = "U0RUNBELL"
TOMBSTONE = "This message was deleted."


@dataclass(frozen=True)
class Message:
    """One message as the channel holds it now."""

    channel: str
    """The channel's id."""
    ts: str
    text: str
    blocks: list[Block] = field(default_factory=list)
    metadata: dict[str, Any] | None = None
    thread_ts: str | None = None
    """The message it replies to."""
    broadcast: bool = False
    """A reply that the channel shows too."""
    edited: str | None = None
    """When it was last edited, as a ts."""
    by_webhook: bool = False
    frozen: bool = False
    """Slack no longer lets it be edited."""
    deleted: bool = False
    """A tombstone: the message is gone, and its replies are still there."""
    only_for: str | None = None
    """The one user who sees it, when it is ephemeral."""

    @property
    def in_channel(self) -> bool:
        return self.thread_ts is None or self.broadcast

    def as_answered(self, *, with_metadata: bool = True, replies: int = 0) -> dict[str, Any]:
        """The message as Slack's methods write it; the first of a thread names its replies."""
        of_thread = {"thread_ts": self.thread_ts or self.ts, "reply_count": replies}
        if self.deleted:
            gone = {"subtype": "tombstone", "text": TOMBSTONE, "user": "USLACKBOT", "hidden": True}
            return {"type": "message", "ts": self.ts} | gone | of_thread
        optional = {
            "blocks": with_ids(self.blocks, self.ts),
            "metadata": self.metadata if with_metadata else None,
            "thread_ts": self.thread_ts,
            "subtype": "thread_broadcast" if self.broadcast else None,
            "edited": {"user": BOT_USER, "ts": self.edited} if self.edited else None,
        } | (of_thread if replies else {})
        always = {"type": "message", "user": BOT_USER, "ts": self.ts, "text": self.text}
        return always | {name: value for name, value in optional.items() if value}

    def as_shown(self) -> dict[str, Any]:
        """The message as the page draws it."""
        return {
            "author": AUTHOR,
            "ts": self.ts,
            "text": self.text,
            "blocks": with_ids(self.blocks, self.ts),
            "thread_ts": self.thread_ts,
            "broadcast": self.broadcast,
            "edited": self.edited is not None,
            "deleted": self.deleted,
            "only_for": self.only_for,
        }


def with_ids(blocks: list[Block], ts: str) -> list[Block]:
    """The blocks with the ids that Slack makes up for blocks and controls that have none.

    An edit that leaves a block's controls alone leaves its ids alone.
    """
    named = copy.deepcopy(blocks)
    taken = {block.get("block_id") for block in named}
    for i, block in enumerate(named):
        found = controls(block)
        for j, control in enumerate(found):
            control.setdefault("action_id", _made_up(ts, i, j))
        made_up = _made_up(ts, [control["action_id"] for control in found] or i)
        block.setdefault("block_id", _made_up(ts, i) if made_up in taken else made_up)
        taken.add(block["block_id"])
    return named


def controls(block: Block) -> list[dict[str, Any]]:
    """The elements of a block that a person can press or choose from."""
    match block:
        case {"type": "actions", "elements": [*elements]}:
            found = elements
        case {"type": "section", "accessory": accessory}:
            found = [accessory]
        case _:
            found = []
    return [each for each in found if each["type"] in ("button", "static_select", "overflow")]


def _made_up(*of: object) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()[:5]
