"""Reading what a client of Slack sent, in any of the forms that Slack takes."""

import json
from typing import Any
from urllib.parse import parse_qsl

from local.http_server import Request
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


def _read_if_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
