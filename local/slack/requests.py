"""Reading what a client of Slack sent, in any of the forms that Slack takes."""

import json
from typing import Any
from urllib.parse import parse_qsl

from local.http_server import Request
from local.slack.interactions import Choice
from local.slack.limits import SlackRefusalError

WRITTEN_AS_JSON = ("blocks", "metadata", "attachments")


def read_arguments(request: Request) -> dict[str, Any]:
    """A method's arguments, from the query and from a body in JSON or as a form."""
    arguments: dict[str, Any] = dict(parse_qsl(request.target.partition("?")[2]))
    # slack_sdk says JSON even where it sends nothing.
    if request.body and request.headers.get("Content-Type", "").startswith("application/json"):
        try:
            body = request.json()
        except ValueError:
            raise SlackRefusalError("invalid_json") from None
        if not isinstance(body, dict):
            raise SlackRefusalError("json_not_object")
        arguments |= body
    else:
        arguments |= parse_qsl(request.body.decode(errors="replace"))
    for name in WRITTEN_AS_JSON:
        if isinstance(arguments.get(name), str):
            arguments[name] = _read_if_json(arguments[name])
    return arguments


def read_payload(request: Request) -> dict[str, Any]:
    """A webhook's message, from JSON or from a form's ``payload``."""
    form = dict(parse_qsl(request.body.decode(errors="replace")))
    written = form.get("payload", request.body)
    try:
        payload = json.loads(written)
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise SlackRefusalError("invalid_payload")
    return payload


def read_choice(request: Request) -> Choice:
    """What a person pressed on the page; raises ValueError when it is not said in full."""
    # A page of another site could send any form, but no JSON without being asked about it.
    if request.headers.get_content_type() != "application/json":
        raise ValueError("a press is described in JSON")
    said = request.json()
    said = said if isinstance(said, dict) else {}
    needed = ("channel", "ts", "action_id", "user", "block_id")
    fields = {name: said[name] for name in needed if isinstance(said.get(name), str)}
    if len(fields) < len(needed):
        raise ValueError(f"a press needs {', '.join(needed)}")
    option = said.get("selected_option")
    if option is not None and not isinstance(option, str):
        raise ValueError("selected_option is the value of an option")
    return Choice(**fields, option=option)


def _read_if_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
