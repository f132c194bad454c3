"""What Slack sends to an app when a person presses a button or chooses from a menu."""

from __future__ import annotations

import copy
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests
from slack_sdk.signature import SignatureVerifier

from local.slack.channel import Channel
from local.slack.message import Message, controls, with_ids
from local.slack.people import DOMAIN, TEAM, name_of
from local.slack.workspace import Workspace

APP = "A0RUNBELL"
AGENT = "Slackbot 1.0 (+https://api.slack.com/robots)"
ANSWER_WITHIN = 3.0
"""Seconds that Slack gives an app for its answer."""


@dataclass(frozen=True)
class Press:
    """A press or a choice as the app was told of it, and what the app answered."""

    at: float
    payload: dict[str, Any]
    """The ``block_actions`` payload."""
    status: int | None
    """The status that the app answered with; None when no answer came in time."""
    body: str = ""
    """What it answered, or why no answer came."""

    @property
    def taken(self) -> bool:
        """The app said in time that it has it; otherwise Slack shows a warning."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True)
class Choice:
    """What a person does to a message: the control, and the option chosen from it."""

    channel: str
    """A name or an id."""
    ts: str
    action_id: str
    user: str
    block_id: str | None = None
    """Needed only where several blocks have the same action_id."""
    option: str | None = None
    """The value of the option chosen; none for a button."""


class Interactions:
    """Sends presses to ``url``, signed, and keeps them.

    The payload is what Slack documents:
    https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        signing_secret: str,
        response_url: Callable[[Message, str], str],
        clock: Callable[[], float],
    ) -> None:
        self.url: str | None = None
        self.answer_within = ANSWER_WITHIN
        self._workspace = workspace
        self._signer = SignatureVerifier(signing_secret)
        self._response_url = response_url
        self._clock = clock
        self._presses: list[Press] = []
        self._lock = threading.Lock()

    @property
    def presses(self) -> list[Press]:
        """Every press that was sent, oldest first."""
        with self._lock:
            return copy.deepcopy(self._presses)

    def press(self, choice: Choice) -> Press:
        """Tell the app of a press and wait for its answer.

        Raises LookupError when there is no such message, control or option, and ValueError
        when no address is set to send it to.
        """
        if self.url is None:
            raise ValueError("no interactions_url is set, so a press goes nowhere")
        payload = self._payload(choice)
        status, body = self._send(self.url, payload)
        press = Press(self._clock(), payload, status, body)
        with self._lock:
            self._presses.append(press)
        return press

    def _send(self, url: str, payload: dict[str, Any]) -> tuple[int | None, str]:
        body = urlencode({"payload": json.dumps(payload)})
        # The app checks the moment against its own clock, not against the stand-in's.
        timestamp = str(int(time.time()))
        signature = self._signer.generate_signature(timestamp=timestamp, body=body)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": AGENT,
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature,
        }
        with requests.Session() as session:
            session.trust_env = False
            try:
                answer = session.post(
                    url,
                    data=body,
                    headers=headers,
                    timeout=self.answer_within,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                return None, str(error)
        return answer.status_code, answer.text

    def _payload(self, choice: Choice) -> dict[str, Any]:
        channel, message = self._workspace.find_message(choice.channel, choice.ts)
        block_id, control = _find_control(message, choice)
        payload: dict[str, Any] = {
            "type": "block_actions",
            "user": {
                "id": choice.user,
                "username": name_of(choice.user),
                "name": name_of(choice.user),
                "team_id": TEAM,
            },
            "api_app_id": APP,
            "container": _container(channel, message),
            "trigger_id": f"{time.time_ns()}.{TEAM}.{secrets.token_hex(16)}",
            "team": {"id": TEAM, "domain": DOMAIN},
            "enterprise": None,
            "is_enterprise_install": False,
            "channel": {"id": channel.id, "name": channel.name},
            "state": {"values": _state(message, choice)},
            "response_url": self._response_url(message, choice.user),
            "actions": [_action(block_id, control, choice.option, f"{self._clock():.6f}")],
        }
        # Slack keeps no ephemeral message, so it has none to send along.
        if message.only_for is None:
            payload["message"] = self._workspace.answered(message)
        return payload


def _find_control(message: Message, choice: Choice) -> tuple[str, dict[str, Any]]:
    for block in with_ids(message.blocks, message.ts):
        if choice.block_id in (None, block["block_id"]):
            for control in controls(block):
                if control["action_id"] == choice.action_id:
                    return block["block_id"], control
    raise LookupError(f"the message has no control {choice.action_id}")


def _container(channel: Channel, message: Message) -> dict[str, Any]:
    container = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": message.only_for is not None,
    }
    return container | ({"thread_ts": message.thread_ts} if message.thread_ts else {})


def _action(block_id: str, control: dict[str, Any], option: str | None, at: str) -> dict[str, Any]:
    """The one action: what the control is, and what was chosen from it."""
    told = ("type", "text", "value", "style", "placeholder", "initial_option")
    action = {"action_id": control["action_id"], "block_id": block_id, "action_ts": at}
    action |= {name: control[name] for name in told if name in control}
    if control["type"] == "button":
        if option is not None:
            raise LookupError("a button has no options")
        return action
    return action | {"selected_option": _find_option(control, option)}


def _find_option(control: dict[str, Any], value: str | None) -> dict[str, Any]:
    groups = control.get("option_groups") or [{"options": control.get("options", [])}]
    for group in groups:
        for option in group["options"]:
            if option.get("value") == value:
                found: dict[str, Any] = option
                return found
    raise LookupError(f"{control['action_id']} has no option {value}")


def _state(message: Message, choice: Choice) -> dict[str, dict[str, Any]]:
    """What every menu of the message stands at: the one just chosen from, and the others."""
    values: dict[str, dict[str, Any]] = {}
    for block in with_ids(message.blocks, message.ts):
        for control in controls(block):
            if control["type"] == "static_select":
                chosen = control.get("initial_option")
                if control["action_id"] == choice.action_id and choice.block_id in (
                    None,
                    block["block_id"],
                ):
                    chosen = _find_option(control, choice.option)
                values.setdefault(block["block_id"], {})[control["action_id"]] = {
                    "type": "static_select",
                    "selected_option": chosen,
                }
    return values
