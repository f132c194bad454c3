"""The methods of Slack's Web API that the stand-in answers."""

import base64
import re
from collections.abc import Callable, Sequence
from typing import Any

from local.slack.channel import Channel
from local.slack.limits import UPDATED_TEXT, SlackRefusalError, check_content, check_metadata
from local.slack.message import AUTHOR, BOT_USER
from local.slack.people import TEAM
from local.slack.scopes import POST_ANYWHERE, check_scope, read_scopes
from local.slack.workspace import Message, Workspace

Arguments = dict[str, Any]
TRUE = (True, 1, "1", "true", "True")
LISTED = 100
LISTED_AT_MOST = 999
USER_ID = re.compile(r"[UW][A-Z0-9]{2,}")


class Methods:
    """Slack's methods by name, for arguments already read.

    Each gives the answer without its ``ok``, or raises SlackRefusalError.
    ``rate_limit`` is the seconds that must lie between two posts in one channel, and
    ``scopes`` what the token may do, in a list with commas.
    """

    def __init__(self, workspace: Workspace, scopes: str) -> None:
        self.rate_limit: float | None = None
        self.scopes = scopes
        self._workspace = workspace
        self._by_name: dict[str, Callable[[Arguments], Arguments]] = {
            "auth.test": self._auth_test,
            "chat.postEphemeral": self._chat_post_ephemeral,
            "chat.postMessage": self._chat_post_message,
            "chat.update": self._chat_update,
            "conversations.history": self._conversations_history,
            "conversations.info": self._conversations_info,
            "conversations.replies": self._conversations_replies,
        }

    def call(self, name: str, arguments: Arguments) -> Arguments:
        if name not in self._by_name:
            raise SlackRefusalError("unknown_method")
        check_scope(name, self.scopes)
        return self._by_name[name](arguments)

    def post(self, channel: object, arguments: Arguments, *, by_webhook: bool = False) -> Message:
        """Post what the arguments say, as chat.postMessage and a webhook both do."""
        opened = self._workspace.open_channel(channel)
        if not by_webhook:
            self._check_membership(opened)
        text, blocks = check_content(arguments.get("text"), arguments.get("blocks"))
        return self._workspace.post(
            channel,
            text,
            blocks,
            metadata=check_metadata(arguments.get("metadata")),
            thread_ts=arguments.get("thread_ts"),
            broadcast=arguments.get("reply_broadcast") in TRUE,
            by_webhook=by_webhook,
            seconds_between=self.rate_limit,
        )

    def _auth_test(self, arguments: Arguments) -> Arguments:  # noqa: ARG002
        return {
            "team": "Stand-in",
            "team_id": TEAM,
            "user": AUTHOR.lower(),
            "user_id": BOT_USER,
            "bot_id": "B0RUNBELL",
        }

    def _chat_post_message(self, arguments: Arguments) -> Arguments:
        message = self.post(arguments.get("channel"), arguments)
        answered = self._workspace.answered(message)
        return {"channel": message.channel, "ts": message.ts, "message": answered}

    def _chat_post_ephemeral(self, arguments: Arguments) -> Arguments:
        channel = self._workspace.open_channel(arguments.get("channel"))
        self._check_membership(channel)
        user = arguments.get("user")
        if not isinstance(user, str) or not USER_ID.fullmatch(user):
            raise SlackRefusalError("user_not_in_channel")
        text, blocks = check_content(arguments.get("text"), arguments.get("blocks"))
        thread_ts = arguments.get("thread_ts")
        message = self._workspace.whisper(channel.id, user, text, blocks, thread_ts=thread_ts)
        return {"message_ts": message.ts}

    def _chat_update(self, arguments: Arguments) -> Arguments:
        text, blocks = check_content(arguments.get("text"), arguments.get("blocks"))
        if len(text) > UPDATED_TEXT:
            raise SlackRefusalError("msg_too_long")
        # A text without blocks takes the place of the old blocks too; blocks without a text
        # leave the old text; metadata stays unless it is given.
        changes: dict[str, Any] = {"blocks": blocks}
        if text:
            changes["text"] = text
        if arguments.get("metadata") is not None:
            changes["metadata"] = check_metadata(arguments["metadata"])
        message = self._workspace.edit(arguments.get("channel"), arguments.get("ts"), **changes)
        return {
            "channel": message.channel,
            "ts": message.ts,
            "text": message.text,
            "message": self._workspace.answered(message),
        }

    def _conversations_history(self, arguments: Arguments) -> Arguments:
        channel = self._readable_channel(arguments)
        return self._listed(self._workspace.history(channel.id), arguments)

    def _conversations_replies(self, arguments: Arguments) -> Arguments:
        channel = self._readable_channel(arguments)
        return self._listed(self._workspace.thread(channel.id, arguments.get("ts")), arguments)

    def _conversations_info(self, arguments: Arguments) -> Arguments:
        return {"channel": self._workspace.known_channel(arguments.get("channel")).as_answered()}

    def _check_membership(self, channel: Channel) -> None:
        if not channel.has_bot and POST_ANYWHERE not in read_scopes(self.scopes):
            raise SlackRefusalError("not_in_channel")

    def _readable_channel(self, arguments: Arguments) -> Channel:
        channel = self._workspace.known_channel(arguments.get("channel"))
        if not channel.has_bot:
            raise SlackRefusalError("not_in_channel")
        return channel

    def _listed(self, messages: list[Message], arguments: Arguments) -> Arguments:
        """A page of the messages, each as Slack writes it."""
        page, cursor = _page_asked_for(messages, arguments)
        with_metadata = arguments.get("include_all_metadata") in TRUE
        answer: Arguments = {
            "messages": [
                self._workspace.answered(message, with_metadata=with_metadata) for message in page
            ],
            "has_more": cursor is not None,
        }
        return answer | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})


def _page_asked_for(
    messages: list[Message], arguments: Arguments
) -> tuple[Sequence[Message], str | None]:
    """One page of the messages between ``oldest`` and ``latest``, without those two."""
    try:
        limit = int(arguments.get("limit") or LISTED)
    except ValueError:
        limit = 0
    if not 1 <= limit <= LISTED_AT_MOST:
        raise SlackRefusalError("invalid_limit")
    oldest = _seconds(arguments, "oldest", "0")
    latest = _seconds(arguments, "latest", "inf")
    at_the_ends = arguments.get("inclusive") in TRUE
    between = [
        message
        for message in messages
        if oldest < float(message.ts) < latest
        or (at_the_ends and float(message.ts) in (oldest, latest))
    ]
    return _page(between, limit, str(arguments.get("cursor") or ""))


def _seconds(arguments: Arguments, name: str, default: str) -> float:
    try:
        return float(arguments.get(name) or default)
    except (TypeError, ValueError):
        raise SlackRefusalError(f"invalid_ts_{name}") from None


def _page(
    messages: Sequence[Message], limit: int, cursor: str
) -> tuple[Sequence[Message], str | None]:
    """Up to ``limit`` messages from the cursor on, and the cursor of those that follow."""
    start = 0
    if cursor:
        cursors = [_cursor(message) for message in messages]
        if cursor not in cursors:
            raise SlackRefusalError("invalid_cursor")
        start = cursors.index(cursor)
    rest = messages[start + limit :]
    return messages[start : start + limit], _cursor(rest[0]) if rest else None


def _cursor(message: Message) -> str:
    return base64.b64encode(f"next_ts:{message.ts}".encode()).decode()
