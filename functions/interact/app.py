"""The buttons' function: does what somebody asks for by pressing one in Slack."""

from __future__ import annotations

import base64
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import slack_sdk.signature  # noqa: F401 (see below)

from runbell import assembly
from runbell.api.problems import problem
from runbell.errors import RequestError, RunbellError
from runbell.metering import meter, metered
from runbell.observability import logger, told

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Slack waits for three seconds, and Lambda gives a start more of a CPU than what comes after it: so
# everything is imported and made here, and nothing with the first event.
assembly.prepare(assembly.interactions)


@logger.inject_lambda_context(clear_state=True, log_event=False)  # it can be sent again
@metered
def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """Answer one request of Slack's."""
    try:
        answer = assembly.interactions().answer(event.get("headers") or {}, _body(event))
    except RunbellError as error:
        status, body, headers = problem(error, to_stranger=True)
        log = logger.error if status >= HTTPStatus.INTERNAL_SERVER_ERROR else logger.warning
        log("a button's request was not taken", extra=told(error))
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            meter.fail(error)
        return _json(status, body, headers)
    if answer.status == HTTPStatus.OK:
        return {"statusCode": answer.status.value, "body": ""}
    return _json(answer.status, {"error": answer.error, "message": answer.message}, {})


def _body(event: dict[str, Any]) -> bytes:
    """The request's body as Slack has signed it."""
    text = event.get("body") or ""
    if not event.get("isBase64Encoded"):
        return text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise RequestError("is no base64", "body") from None


def _json(status: HTTPStatus, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", **headers}
    return {"statusCode": status.value, "headers": headers, "body": json.dumps(body)}
