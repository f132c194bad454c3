"""The channels of the stand-in for Slack and the messages in them."""

import hashlib
import math
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from local.slack.channel import Channel
from local.slack.limits import Block, SlackRefusalError
from local.slack.message import TOMBSTONE, Message

__all__ = ["Message", "Workspace"]

SHOWN_ON_THE_PAGE = 500
CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{8,}")


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
            self.tell()

    def remove(self, name_or_id: str) -> None:
        with self._change:
            self.channel(name_or_id).removed = True
            self.tell()

    def leave(self, name_or_id: str) -> None:
        with self._change:
            self.channel(name_or_id).has_bot = False
            self.tell()

    def restore(self, name_or_id: str) -> None:
        with self._change:
            channel = self.channel(name_or_id)
            channel.archived = channel.removed = False
            channel.has_bot = True
            self.tell()

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
        """Store a new message, no sooner than ``seconds_between`` after the channel's last.

        With a ``thread_ts`` that names no message Slack refuses nothing: it posts the message in
        the channel itself, and its answer has no ``thread_ts``. Slack does not document that;
        people have reported it: https://github.com/slack-go/slack/issues/1571 and
        https://github.com/langchain-ai/open-swe/pull/2753. What becomes of a reply to a reply is
        said nowhere but that one should not ask for it; here it is posted in the channel as well,
        where it is noticed.
        """
        with self._change:
            channel = self.open_channel(name_or_id)
            if channel.parent(thread_ts) is None:
                thread_ts = None
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
            self.tell()
            return message

    def whisper(
        self,
        name_or_id: object,
        user: str,
        text: str,
        blocks: list[Block],
        *,
        thread_ts: str | None,
    ) -> Message:
        """Show a message to one user alone; the channel's history never has it.

        Slack takes one for a thread that is not there, and nobody sees it: in threads they "are
        only shown if there is already an active thread", says
        https://docs.slack.dev/reference/methods/chat.postEphemeral.
        """
        with self._change:
            channel = self.open_channel(name_or_id)
            message = Message(
                channel=channel.id,
                ts=self._next_ts(),
                text=text,
                blocks=blocks,
                thread_ts=thread_ts,
                only_for=user,
            )
            if thread_ts is None or channel.parent(thread_ts):
                channel.ephemerals[message.ts] = message
                self.tell()
            return message

    def ephemerals(self) -> list[Message]:
        """What was shown to one user alone, in every channel, oldest first."""
        with self._change:
            shown = [each for one in self._channels.values() for each in one.ephemerals.values()]
        return sorted(shown, key=lambda each: float(each.ts))

    def find_message(self, name_or_id: str, ts: str) -> tuple[Channel, Message]:
        """A message that a person can see; raises LookupError when there is none such."""
        with self._change:
            channel = self.find(name_or_id)
            seen = channel and (channel.messages | channel.ephemerals).get(ts)
            if channel is None or not seen or seen.deleted:
                raise LookupError(f"there is no message {ts} in {name_or_id}")
            return channel, seen

    def delete(self, name_or_id: str, ts: str) -> None:
        """Take a message away; a tombstone stays in its place as long as it has replies."""
        with self._change:
            channel, message = self.find_message(name_or_id, ts)
            if message.only_for:
                del channel.ephemerals[ts]
            elif channel.replies(ts):
                gone = Message(channel.id, ts, TOMBSTONE, deleted=True)
                channel.messages[ts] = gone
            else:
                del channel.messages[ts]
                parent = channel.messages.get(message.thread_ts or "")
                if parent and parent.deleted and not channel.replies(parent.ts):
                    del channel.messages[parent.ts]
            self.tell()

    def freeze(self, name_or_id: str, ts: str) -> None:
        with self._change:
            channel, message = self.find_message(name_or_id, ts)
            channel.messages[ts] = replace(message, frozen=True)

    def edit(self, channel_id: object, ts: object, **changes: Any) -> Message:
        """Change a message in its place, for nobody's notice."""
        with self._change:
            channel = self.known_channel(channel_id)
            if channel.archived:
                raise SlackRefusalError("is_archived")
            message = channel.messages.get(ts) if isinstance(ts, str) else None
            if message is None or message.deleted:
                raise SlackRefusalError("message_not_found")
            if message.by_webhook or message.frozen:
                raise SlackRefusalError("cant_update_message")
            edited = replace(message, edited=self._next_ts(), **changes)
            channel.messages[edited.ts] = edited
            self.tell()
            return edited

    def rewrite(self, name_or_id: str, ts: str, **changes: Any) -> None:
        """Change any message that a person can see, an ephemeral one too."""
        with self._change:
            channel, message = self.find_message(name_or_id, ts)
            kept = channel.ephemerals if message.only_for else channel.messages
            # Nothing tells an edit of an ephemeral message from its first sight.
            edited = None if message.only_for else self._next_ts()
            kept[ts] = replace(message, edited=edited, **changes)
            self.tell()

    def history(self, channel_id: object) -> list[Message]:
        """What the channel itself shows, newest first."""
        messages = self.messages(self.known_channel(channel_id).id)
        return [message for message in reversed(messages) if message.in_channel]

    def thread(self, channel_id: object, ts: object) -> list[Message]:
        """A message and its replies, oldest first; raises ``thread_not_found``."""
        channel = self.known_channel(channel_id)
        with self._change:
            parent = channel.parent(ts)
            if parent is None:
                raise SlackRefusalError("thread_not_found")
            return [parent, *channel.replies(parent.ts)]

    def answered(self, message: Message, *, with_metadata: bool = True) -> dict[str, Any]:
        """A message as Slack's methods write it, the first of a thread with its replies."""
        with self._change:
            replies = len(self._channels[message.channel].replies(message.ts))
        return message.as_answered(with_metadata=with_metadata, replies=replies)

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
            seen = shown[0].messages | shown[0].ephemerals if shown else {}
            messages = [seen[ts] for ts in sorted(seen, key=float)][-SHOWN_ON_THE_PAGE:]
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

    def tell(self) -> None:
        """Let whoever waits know that there is something new."""
        with self._change:
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
