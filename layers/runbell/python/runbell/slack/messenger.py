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

from runbell.errors import SlackAmbiguousError, SlackError, SlackLaterError
from runbell.retry_after import parse_retry_after
from runbell.slack.messages import Message
from runbell.slack.refusals import refusal

if TYPE_CHECKING:
    from slack_sdk import WebClient
    from slack_sdk.webhook import WebhookClient

TIMEOUT = 8
"""Seconds that Slack may take for an answer."""

_WORD = re.compile(r"[a-z0-9_]{1,60}")

# At DEBUG slack_sdk writes requests down with the webhook's URL, which is a secret.
logging.getLogger("slack_sdk").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Place:
    """Where Slack put a message; both None where it does not say."""

    channel_id: str | None = None
    ts: str | None = None


class Messenger(Protocol):
    """A way into a channel.

    Both methods raise the SlackError whose class says what to do next.
    """

    can_edit: bool
    """Whether a message stays reachable: it can be edited and replied to."""

    def post(self, channel: str, message: Message, *, thread: str | None = None) -> Place:
        """Post a message; as a broadcast reply to the message `thread`, if that is given."""

    def edit(self, place: Place, message: Message) -> None:
        """Put `message` in the place of an earlier one. The same edit twice does no harm."""


class BotMessenger:
    """Posts as a bot, with chat.postMessage and chat.update (scope chat:write).

    Args:
        client: slack_sdk's client, made without retry handlers.
    """

    can_edit = True

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def post(self, channel: str, message: Message, *, thread: str | None = None) -> Place:
        """Post a message; see Messenger."""
        arguments = _content(message) | {"unfurl_links": False, "unfurl_media": False}
        if thread is not None:
            arguments |= {"thread_ts": thread, "reply_broadcast": True}
        answer = self._ask("chat.postMessage", {"channel": channel, **arguments})
        return Place(channel_id=answer.get("channel"), ts=answer.get("ts"))

    def edit(self, place: Place, message: Message) -> None:
        """Edit a message; see Messenger."""
        self._ask("chat.update", {"channel": place.channel_id, "ts": place.ts} | _content(message))

    def _ask(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        from slack_sdk.errors import SlackApiError, SlackClientError

        try:
            answer = self._client.api_call(method, json=arguments)
        except SlackApiError as error:
            said = error.response.data
            raise refusal(
                _word(str(said.get("error", ""))) if isinstance(said, dict) else "",
                status=error.response.status_code,
                retry_after=_retry_after(dict(error.response.headers)),
                is_update=method == "chat.update",
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
        return dict(answer.data) if isinstance(answer.data, dict) else {}


class WebhookMessenger:
    """Posts through an incoming webhook, whose one channel Slack has fixed.

    Args:
        client: slack_sdk's client, made without retry handlers.
    """

    can_edit = False

    def __init__(self, client: WebhookClient) -> None:
        self._client = client

    def post(self, channel: str, message: Message, *, thread: str | None = None) -> Place:
        """Post a message into the webhook's channel; see Messenger."""
        del channel, thread  # a webhook has one channel and knows no threads
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
                retry_after=_retry_after(dict(answer.headers)),
            )
        return Place()

    def edit(self, place: Place, message: Message) -> None:
        """A webhook's message can't be edited; nobody asks for it."""
        raise NotImplementedError("an incoming webhook's message can't be edited")


def _content(message: Message) -> dict[str, Any]:
    content: dict[str, Any] = {"text": message.text, "blocks": list(message.blocks)}
    return content | ({"metadata": message.metadata} if message.blocks else {})


def _unanswered(error: Exception) -> SlackError:
    """Tell a request that certainly was not taken from one that may have been."""
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, ConnectionRefusedError | socket.gaierror):
        return SlackLaterError("no_connection")
    return SlackAmbiguousError("no_answer")


def _retry_after(headers: dict[str, Any]) -> float | None:
    for name, value in headers.items():
        if name.lower() == "retry-after":
            return parse_retry_after(value[0] if isinstance(value, list) else value)
    return None


def _word(body: str) -> str:
    """The word by which Slack refuses; a page of HTML has none."""
    text = body.strip()
    return text if _WORD.fullmatch(text) else ""
