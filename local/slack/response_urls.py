"""The addresses at which an app may answer a press later, for half an hour."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.slack.limits import SlackRefusalError, check_content
from local.slack.message import Message
from local.slack.workspace import Workspace

USES = 5
SECONDS = 30 * 60


@dataclass
class _Place:
    """The message that was pressed on, by whom and when."""

    message: Message
    user: str
    at: float
    uses: int = 0


class ResponseUrls:
    """Says a press's answer where the press was, as Slack's ``response_url`` does.

    https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
    """

    def __init__(self, workspace: Workspace, clock: Callable[[], float]) -> None:
        self._workspace = workspace
        self._clock = clock
        self._places: dict[str, _Place] = {}
        self._lock = threading.Lock()

    def open(self, message: Message, user: str) -> str:
        """A key under which a press on the message can be answered."""
        key = secrets.token_urlsafe(18)
        with self._lock:
            self._places[key] = _Place(message, user, self._clock())
        return key

    def say(self, key: str, answer: dict[str, Any]) -> None:
        """Say it: to the presser alone, to the channel, or in place of the message.

        Raises SlackRefusalError with ``used_url``, ``expired_url`` or what a message may not be.
        """
        place = self._take(key)
        message, workspace = place.message, self._workspace
        if answer.get("delete_original"):
            workspace.delete(message.channel, message.ts)
            return
        text, blocks = check_content(answer.get("text"), answer.get("blocks"))
        if answer.get("replace_original"):
            workspace.rewrite(message.channel, message.ts, text=text, blocks=blocks)
        elif answer.get("response_type") == "in_channel":
            workspace.post(
                message.channel,
                text,
                blocks,
                metadata=None,
                thread_ts=answer.get("thread_ts"),
                broadcast=False,
                by_webhook=True,
                seconds_between=None,
            )
        else:
            workspace.whisper(
                message.channel, place.user, text, blocks, thread_ts=answer.get("thread_ts")
            )

    def _take(self, key: str) -> _Place:
        with self._lock:
            place = self._places.get(key)
            if place is None or self._clock() - place.at > SECONDS:
                raise SlackRefusalError("expired_url")
            if place.uses == USES:
                raise SlackRefusalError("used_url")
            place.uses += 1
            return place
