"""What Slack tells of a press of a button, read with distrust.

Payload: https://docs.slack.dev/reference/interaction-payloads/block_actions-payload.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from runbell.connections import NAME
from runbell.errors import RequestError
from runbell.run import LONGEST_ID
from runbell.slack.buttons import run_of
from runbell.slack_ids import is_user

_CHANNEL = re.compile("[CDG][A-Z0-9]{2,31}")
_TS = re.compile("[0-9]{1,16}[.][0-9]{1,9}")


@dataclass(frozen=True)
class Press:
    """A press of a button, or a choice from a menu.

    Args:
        action: Which button.
        user: Slack's ID of who pressed it.
        connection, run_id: The run that the message is about.
        choice: What was chosen from a menu.
        channel_id: Slack's ID of the channel where the message is, for a word to the user.
        thread: The message in whose thread it is, if it is in one.
    """

    action: str
    user: str
    connection: str
    run_id: str
    choice: str | None = None
    channel_id: str | None = None
    thread: str | None = None


def parse_press(body: bytes) -> Press | None:
    """Read what Slack sends when somebody does something with a message.

    Returns:
        The press; None for anything else that Slack may tell an app.

    Raises:
        RequestError: It is nothing that Slack sends.
    """
    payload = _payload(body)
    if payload.get("type") != "block_actions":
        return None
    actions = payload.get("actions")
    if not isinstance(actions, list) or not actions or not isinstance(actions[0], dict):
        raise RequestError("must be a list of actions", "payload.actions")
    action, user = actions[0], _text(payload, "user", "id")
    if not user or not is_user(user):
        raise RequestError("is no ID of a user", "payload.user.id")
    subject = run_of(_text(action, "block_id") or "")
    if subject is None:
        return None  # a link button, or something that is not ours
    connection, run_id = subject
    is_id = len(run_id) <= LONGEST_ID and run_id.isprintable()
    if not re.fullmatch(NAME, connection) or not is_id:
        raise RequestError("names no run", "payload.actions[0].block_id")
    channel_id = _text(payload, "channel", "id") or _text(payload, "container", "channel_id") or ""
    thread = _text(payload, "container", "thread_ts") or ""
    return Press(
        action=_text(action, "action_id") or "",
        user=user,
        connection=connection,
        run_id=run_id,
        choice=_text(action, "selected_option", "value"),
        channel_id=channel_id if _CHANNEL.fullmatch(channel_id) else None,
        thread=thread if _TS.fullmatch(thread) else None,
    )


def _payload(body: bytes) -> dict[str, Any]:
    """Read the form that Slack sends: a field `payload` with a JSON object in it."""
    try:
        [text] = parse_qs(body.decode("ascii"), max_num_fields=8).get("payload", [""])
        payload = json.loads(text)
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        raise RequestError("must be a form with one field `payload`, a JSON object", "body")
    return payload


def _text(document: Mapping[str, Any], *path: str) -> str | None:
    """The text at the end of a path through objects; None if there is none."""
    found: Any = document
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) else None
