"""The channels of the stand-in for Slack and the messages in them."""

import hashlib
import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from local.slack.limits import Block, SlackRefusalError

AUTHOR = "Runbell"
SHOWN_ON_THE_PAGE = 500
CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{8,}")


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

    @property
    def in_channel(self) -> bool:
        return self.thread_ts is None or self.broadcast

    def as_answered(self, *, with_metadata: bool = True) -> dict[str, Any]:
        """The message as Slack's methods write it."""
        optional = {
            "blocks": self.blocks,
            "metadata": self.metadata if with_metadata else None,
            "thread_ts": self.thread_ts,
            "subtype": "thread_broadcast" if self.broadcast else None,
            "edited": {"user": "U0RUNBELL", "ts": self.edited} if self.edited else None,
        }
        always = {"type": "message", "user": "U0RUNBELL", "ts": self.ts, "text": self.text}
        return always | {name: value for name, value in optional.items() if value}

    def as_shown(self) -> dict[str, Any]:
        """The message as the page draws it."""
        return {
            "author": AUTHOR,
            "ts": self.ts,
            "text": self.text,
            "blocks": self.blocks,
            "thread_ts": self.thread_ts,
            "broadcast": self.broadcast,
            "edited": self.edited is not None,
        }


@dataclass
class Channel:
    """A channel and its messages by ts, in the order they were posted."""

    id: str
    name: str
    archived: bool = False
    removed: bool = False
    last_post: float = -math.inf
    messages: dict[str, Message] = field(default_factory=dict)


class Workspace:
    """Channels that exist from their first use on, safe to use from any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._channels: dict[str, Channel] = {}
        self._last_ts = 0
        self._version = 0
        self._closed = False
        self._change = threading.Condition(threading.RLock())

    def find(self, name_or_id: str) -> Channel | None:
        """The channel with this id or name, with or without its ``#``."""
        name = name_or_id.removeprefix("#").lower()
        with self._change:
            for channel in self._channels.values():
                if name_or_id == channel.id or name == channel.name:
                    return channel
        return None

    def channel(self, name_or_id: str) -> Channel:
        """The channel with this id or name, made if it is not there yet."""
        with self._change:
            channel = self.find(name_or_id)
            if channel is None:
                name = name_or_id.removeprefix("#").lower()
                is_id = CHANNEL_ID.fullmatch(name_or_id)
                channel = Channel(name_or_id if is_id else _channel_id(name), name)
                self._channels[channel.id] = channel
            return channel

    def open_channel(self, name_or_id: object) -> Channel:
        """The channel to post in; raises ``channel_not_found`` or ``is_archived``."""
        if not isinstance(name_or_id, str) or not name_or_id.removeprefix("#"):
            raise SlackRefusalError("channel_not_found")
        channel = self.channel(name_or_id)
        if channel.removed:
            raise SlackRefusalError("channel_not_found")
        if channel.archived:
            raise SlackRefusalError("is_archived")
        return channel

    def known_channel(self, channel_id: object) -> Channel:
        """The channel with this id; raises ``channel_not_found``, for a name as well."""
        with self._change:
            channel = self._channels.get(channel_id) if isinstance(channel_id, str) else None
        if channel is None or channel.removed:
            raise SlackRefusalError("channel_not_found")
        return channel

    def archive(self, name_or_id: str) -> None:
        with self._change:
            self.channel(name_or_id).archived = True
            self._tell()

    def remove(self, name_or_id: str) -> None:
        with self._change:
            self.channel(name_or_id).removed = True
            self._tell()

    def restore(self, name_or_id: str) -> None:
        with self._change:
            channel = self.channel(name_or_id)
            channel.archived = channel.removed = False
            self._tell()

    def post(
        self,
        name_or_id: object,
        text: str,
        blocks: list[Block],
        *,
        metadata: dict[str, Any] | None,
        thread_ts: str | None,
        broadcast: bool,
        by_webhook: bool,
        seconds_between: float | None,
    ) -> Message:
        """Store a new message, no sooner than ``seconds_between`` after the channel's last."""
        with self._change:
            channel = self.open_channel(name_or_id)
            if thread_ts is not None:
                _parent(channel, thread_ts)
            now = self._clock()
            wait = channel.last_post + (seconds_between or 0) - now
            if seconds_between and wait > 0:
                raise SlackRefusalError("ratelimited", retry_after=math.ceil(wait))
            channel.last_post = now
            message = Message(
                channel=channel.id,
                ts=self._next_ts(),
                text=text,
                blocks=blocks,
                metadata=metadata,
                thread_ts=thread_ts,
                broadcast=broadcast and thread_ts is not None,
                by_webhook=by_webhook,
            )
            channel.messages[message.ts] = message
            self._tell()
            return message

    def edit(self, channel_id: object, ts: object, **changes: Any) -> Message:
        """Change a message in its place, for nobody's notice."""
        with self._change:
            channel = self.known_channel(channel_id)
            if channel.archived:
                raise SlackRefusalError("is_archived")
            message = channel.messages.get(ts) if isinstance(ts, str) else None
            if message is None:
                raise SlackRefusalError("message_not_found")
            if message.by_webhook:
                raise SlackRefusalError("cant_update_message")
            edited = replace(message, edited=self._next_ts(), **changes)
            channel.messages[edited.ts] = edited
            self._tell()
            return edited

    def history(self, channel_id: object) -> list[Message]:
        """What the channel itself shows, newest first."""
        messages = self.messages(self.known_channel(channel_id).id)
        return [message for message in reversed(messages) if message.in_channel]

    def thread(self, channel_id: object, ts: object) -> list[Message]:
        """A message and its replies, oldest first; raises ``thread_not_found``."""
        channel = self.known_channel(channel_id)
        with self._change:
            parent = _parent(channel, ts)
            replies = [each for each in channel.messages.values() if each.thread_ts == ts]
        return [parent, *replies]

    def messages(self, name_or_id: str) -> list[Message]:
        """Every message and reply of a channel, in the order they were posted."""
        with self._change:
            channel = self.find(name_or_id)
            return list(channel.messages.values()) if channel else []

    def picture(self, name: str) -> dict[str, Any]:
        """What the page shows: a channel by its name, or the only one there is."""
        with self._change:
            channels = [each for each in self._channels.values() if not each.removed]
            named = [each for each in channels if name in (each.name, each.id)]
            shown = named or (channels if not name and len(channels) == 1 else [])
            messages = list(shown[0].messages.values())[-SHOWN_ON_THE_PAGE:] if shown else []
            return {
                "version": self._version,
                "channels": [{"id": each.id, "name": each.name} for each in channels],
                "channel": (
                    {"id": shown[0].id, "name": shown[0].name, "archived": shown[0].archived}
                    if shown
                    else None
                ),
                "messages": [message.as_shown() for message in messages],
            }

    def wait_for_news(self, seen: int, seconds: float) -> None:
        """Wait until there is something newer than the version seen, or the time is up."""
        with self._change:
            self._change.wait_for(lambda: self._closed or self._version != seen, seconds)

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def _tell(self) -> None:
        self._version += 1
        self._change.notify_all()

    def _next_ts(self) -> str:
        """The time in microseconds, and always after the one before."""
        self._last_ts = max(int(self._clock() * 1_000_000), self._last_ts + 100)
        seconds, micros = divmod(self._last_ts, 1_000_000)
        return f"{seconds}.{micros:06d}"


def _channel_id(name: str) -> str:
    """An id that a channel of this name has in every workspace."""
    return "C0" + hashlib.sha256(name.encode()).hexdigest()[:9].upper()


def _parent(channel: Channel, ts: object) -> Message:
    message = channel.messages.get(ts) if isinstance(ts, str) else None
    if message is None or message.thread_ts is not None:
        raise SlackRefusalError("thread_not_found")
    return message
