"""The two ways into a channel: a bot that can edit, and an incoming webhook that can't.

Both decide about no retry: slack_sdk's own would post twice when a connection drops after the
request was read, and sleep past a function's end on a 429.
"""

from __future__ import annotations

import http.client
import logging
import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.error import URLError

from runbell.errors import (
    SlackAmbiguousError,
    SlackCredentialError,
    SlackError,
    SlackLaterError,
)
from runbell.retry_after import parse_retry_after
from runbell.slack.messages import Message
from runbell.slack.refusals import refusal

if TYPE_CHECKING:
    from slack_sdk import WebClient
    from slack_sdk.webhook import WebhookClient

TIMEOUT = 8
"""Seconds that a request to Slack may take, from connecting to the last byte of the answer."""

LOOKED_THROUGH = 200
"""Messages of a channel or thread among which one is looked for."""

_SCOPE = r"[a-z_.]+(:[a-z_.]+)*"
_SCOPES = re.compile(rf"(?=.{{1,500}}\Z){_SCOPE}(, ?{_SCOPE})*")
_ID = re.compile(r"[CGD][A-Z0-9]{8,}")
_WORD = re.compile(r"[a-z0-9_]{1,60}")

# At DEBUG slack_sdk writes requests down with the webhook's URL, which is a secret.
logging.getLogger("slack_sdk").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Place:
    """Where Slack put a message; all None where it does not say.

    Args:
        channel_id: Slack's ID of the channel.
        ts: Slack's name of the message.
        last_change: What a message tells that was found and not just posted: a change's number.
        kind: What kind of change that is, as far as the found message says it.
        left_thread: Whether it was to be a reply and is none, since the thread is gone.
    """

    channel_id: str | None = None
    ts: str | None = None
    last_change: int | None = None
    kind: str | None = None
    left_thread: bool = False


class Messenger(Protocol):
    """A way into a channel.

    Both methods raise the SlackError whose class says what to do next.
    """

    can_edit: bool
    """Whether a message stays reachable: it can be edited and replied to."""

    def post(
        self,
        channel: str,
        message: Message,
        *,
        thread: str | None = None,
        broadcast: bool = False,
    ) -> Place:
        """Post a message.

        Args:
            channel: Where, by name or ID.
            message: What.
            thread: The message that it replies to, if it does.
            broadcast: Whether the channel sees the reply too.
        """

    def edit(self, place: Place, message: Message) -> None:
        """Put `message` in the place of an earlier one. The same edit twice does no harm."""

    def find(
        self, channel: str, message: Message, *, thread: str | None = None, since: float = 0.0
    ) -> Place | None:
        """Look whether a message has been posted that may have been.

        Args:
            channel: Where, as it was posted to.
            message: What.
            thread: The message that it replies to, if it does.
            since: When it was posted at the earliest, in seconds since 1970.

        Returns:
            Where it is; None if it is not there, or nothing can be said.

        Raises:
            SlackLaterError, SlackAmbiguousError: Nothing can be said now.
        """

    def remark(self) -> str | None:
        """Say what this way into Slack could do better, after a message was posted."""

    def identity(self) -> str | None:
        """Say whose way into Slack it is, if that can be said."""


class BotMessenger:
    """Posts as a bot, with chat.postMessage and chat.update (scope chat:write).

    With the scope channels:history (groups:history for private channels) it can also find what it
    has posted.

    Args:
        client: slack_sdk's client, made without retry handlers.
    """

    can_edit = True

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._ids: dict[str, str] = {}
        self._can_find = True
        self._scopes = ""

    def post(
        self,
        channel: str,
        message: Message,
        *,
        thread: str | None = None,
        broadcast: bool = False,
    ) -> Place:
        """Post a message; see Messenger."""
        arguments = _content(message) | {"unfurl_links": False, "unfurl_media": False}
        if thread is not None:
            arguments |= {"thread_ts": thread, "reply_broadcast": broadcast}
        answer = self._ask("chat.postMessage", {"channel": channel, **arguments})
        posted = answer.get("message")
        # Slack does not refuse a reply to a message that is gone: it posts it into the channel.
        is_there = isinstance(posted, dict) and not posted.get("thread_ts")
        place = Place(
            channel_id=answer.get("channel"),
            ts=answer.get("ts"),
            left_thread=thread is not None and is_there,
        )
        if place.channel_id:
            self._ids[channel] = place.channel_id
        return place

    def find(
        self, channel: str, message: Message, *, thread: str | None = None, since: float = 0.0
    ) -> Place | None:
        """Look for a message among the channel's latest, or its thread's; see Messenger.

        The history is read by a channel's ID, which is known where this process has posted before.
        """
        channel_id = channel if _ID.fullmatch(channel) else self._ids.get(channel)
        if not self._can_find or channel_id is None:
            return None
        wanted = {"include_all_metadata": True, "limit": LOOKED_THROUGH, "oldest": f"{since:.6f}"}
        method = "conversations.history" if thread is None else "conversations.replies"
        of_thread = {} if thread is None else {"ts": thread}
        try:
            answer = self._ask(method, {"channel": channel_id, **of_thread, **wanted}, as_form=True)
        except SlackCredentialError as error:
            self._can_find = error.code != "missing_scope"  # and would be missing again
            return None
        except (SlackLaterError, SlackAmbiguousError):
            raise
        except SlackError:
            return None
        return _found(answer, channel_id, message.delivery_id)

    def remark(self) -> str | None:
        """What the app could do better with another scope; asked after a message was posted.

        Slack names the scopes of a token in the header X-OAuth-Scopes of its answers.
        """
        scopes = {scope.strip() for scope in self._scopes.split(",")}
        if not self._scopes or scopes & {"channels:history", "groups:history"}:
            return None
        return (
            "Without the scope channels:history (groups:history for private channels) Runbell "
            "can't look whether a message arrived when Slack's answer was lost, so that one may "
            "come twice."
        )

    def identity(self) -> str | None:
        """Say whose token it is, as far as Slack does."""
        try:
            answer = self._ask("auth.test", {})
        except SlackError:
            return None
        team, user = (str(answer.get(name) or "") for name in ("team", "user"))
        return f"The token is that of {user} in the workspace {team}." if team and user else None

    def whisper(self, channel_id: str, user: str, text: str, *, thread: str | None = None) -> None:
        """Say something to one person only, who sees it in a channel until they reload.

        Raises:
            SlackError: Slack did not take it.
        """
        of_thread = {} if thread is None else {"thread_ts": thread}
        arguments = {"channel": channel_id, "user": user, "text": text, **of_thread}
        self._ask("chat.postEphemeral", arguments)

    def edit(self, place: Place, message: Message) -> None:
        """Edit a message; see Messenger."""
        self._ask("chat.update", {"channel": place.channel_id, "ts": place.ts} | _content(message))

    def _ask(
        self, method: str, arguments: dict[str, Any], *, as_form: bool = False
    ) -> dict[str, Any]:
        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            # Methods that read take no JSON.
            given: dict[str, Any] = {"params": arguments} if as_form else {"json": arguments}
            answer = self._client.api_call(method, **given)
        except SlackApiError as error:
            said = error.response.data
            raise refusal(
                _word(str(said.get("error", ""))) if isinstance(said, dict) else "",
                status=error.response.status_code,
                retry_after=_header_seconds(dict(error.response.headers)),
                is_update=method == "chat.update",
                detail=_scopes_in(said),
            ) from None
        # slack_sdk takes any JSON for an object, hence the AttributeError.
        except (
            SlackClientError,
            OSError,
            http.client.HTTPException,
            ValueError,
            AttributeError,
        ) as error:
            raise _unanswered(error) from None
        self._scopes = _header(dict(answer.headers), "x-oauth-scopes") or ""
        return dict(answer.data) if isinstance(answer.data, dict) else {}


class WebhookMessenger:
    """Posts through an incoming webhook, whose one channel Slack has fixed.

    Args:
        client: slack_sdk's client, made without retry handlers.
    """

    can_edit = False

    def __init__(self, client: WebhookClient) -> None:
        self._client = client

    def post(
        self,
        channel: str,
        message: Message,
        *,
        thread: str | None = None,
        broadcast: bool = False,
    ) -> Place:
        """Post a message into the webhook's channel; see Messenger."""
        del channel, thread, broadcast  # a webhook has one channel and knows no threads
        try:
            answer = self._client.send_dict(
                {
                    "text": message.text,
                    "blocks": list(message.blocks),
                    "unfurl_links": False,
                    "unfurl_media": False,
                }
            )
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unanswered(error) from None
        # Whatever answers otherwise is something in between, and the message may be lost.
        if answer.status_code != 200 or answer.body.strip() != "ok":
            raise refusal(
                _word(answer.body),
                status=answer.status_code,
                retry_after=_header_seconds(dict(answer.headers)),
            )
        return Place()

    def edit(self, place: Place, message: Message) -> None:
        """A webhook's message can't be edited; nobody asks for it."""
        raise NotImplementedError("an incoming webhook's message can't be edited")

    def find(
        self, channel: str, message: Message, *, thread: str | None = None, since: float = 0.0
    ) -> Place | None:
        """Nothing can be said: a webhook reads nothing."""
        del channel, message, thread, since
        return None

    def remark(self) -> str | None:
        """A webhook has no scopes."""
        return None

    def identity(self) -> str | None:
        """A webhook's URL says nothing that people could read."""
        return None


def _content(message: Message) -> dict[str, Any]:
    content: dict[str, Any] = {"text": message.text, "blocks": list(message.blocks)}
    return content | ({"metadata": message.metadata} if message.blocks else {})


def _found(answer: dict[str, Any], channel_id: str, delivery_id: str) -> Place | None:
    for each in answer.get("messages") or ():
        metadata = each.get("metadata") if isinstance(each, dict) else None
        payload = metadata.get("event_payload") if isinstance(metadata, dict) else None
        if isinstance(payload, dict) and payload.get("delivery_id") == delivery_id:
            told, kind = payload.get("last_change"), payload.get("kind")
            return Place(
                channel_id,
                each.get("ts"),
                told if isinstance(told, int) else None,
                kind if isinstance(kind, str) and kind else None,
            )
    return None


def _unanswered(error: Exception) -> SlackError:
    """Tell a request that certainly was not taken from one that may have been."""
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, ConnectionRefusedError | socket.gaierror):
        return SlackLaterError("no_connection")
    return SlackAmbiguousError("no_answer")


def _header_seconds(headers: dict[str, Any]) -> float | None:
    waits = _header(headers, "retry-after")
    return None if waits is None else parse_retry_after(waits)


def _header(headers: dict[str, Any], wanted: str) -> str | None:
    for name, value in headers.items():
        if name.lower() == wanted:
            return str(value[0] if isinstance(value, list) else value)
    return None


def _scopes_in(said: object) -> str | None:
    """What a refusal says of the scopes that the app has and needs."""
    needed, provided = (
        str(said.get(name) or "") if isinstance(said, dict) else ""
        for name in ("needed", "provided")
    )
    if not _SCOPES.fullmatch(needed):
        return None
    has = provided if _SCOPES.fullmatch(provided) else "none that Slack names"
    return f"it needs {needed}, and has {has}"


def _word(body: str) -> str:
    """The word by which Slack refuses; a page of HTML has none."""
    text = body.strip()
    return text if _WORD.fullmatch(text) else ""
