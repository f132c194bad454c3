"""A channel of the stand-in for Slack."""

import math
from dataclasses import dataclass, field
from typing import Any

from local.slack.message import Message


@dataclass
class Channel:
    """A channel and its messages by ts, in the order they were posted."""

    id: str
    name: str
    archived: bool = False
    removed: bool = False
    has_bot: bool = True
    """The bot is a member."""
    last_post: float = -math.inf
    messages: dict[str, Message] = field(default_factory=dict)
    ephemerals: dict[str, Message] = field(default_factory=dict)

    def replies(self, ts: str) -> list[Message]:
        """The replies to a message, oldest first."""
        return [each for each in self.messages.values() if each.thread_ts == ts]

    def parent(self, ts: object) -> Message | None:
        """The message that a thread begins with, or can begin with; None for any other ts."""
        message = self.messages.get(ts) if isinstance(ts, str) else None
        return None if message is None or message.thread_ts is not None else message

    def as_answered(self) -> dict[str, Any]:
        """The channel as Slack's methods write it."""
        return {
            "id": self.id,
            "name": self.name,
            "is_channel": True,
            "is_archived": self.archived,
            "is_member": self.has_bot,
            "is_private": False,
        }
