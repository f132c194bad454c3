"""An HTTP API as API Gateway would serve it, in this process: WSGI in, payload 2.0 to a handler."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

Handler = Callable[[dict[str, Any]], Any]


class ApiGateway:
    """Calls the functions of the template's routes.

    `routes` has their handlers, such as that of `POST /slack/interactions`; `$default` takes what
    no other does.
    """

    def __init__(self) -> None:
        self.routes: Mapping[str, Handler] = {}

    def __call__(
        self, environ: Mapping[str, Any], start_response: Callable[..., object]
    ) -> Iterable[bytes]:
        """Answer one WSGI request."""
        event = event_of(environ)
        route = event["routeKey"] = self._route(event["requestContext"]["http"])
        answer = self.routes[route](event)
        # Lambda's runtime writes an answer like this, and fails where it can't.
        answer = json.loads(json.dumps(answer, ensure_ascii=False).encode())
        status = HTTPStatus(answer["statusCode"])
        headers = dict(answer.get("headers", {}))
        for name, values in answer.get("multiValueHeaders", {}).items():
            headers[name] = ",".join(values)
        body = answer.get("body", "")
        body = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
        start_response(f"{status.value} {status.phrase}", list(headers.items()))
        return [body]

    def _route(self, http: Mapping[str, str]) -> str:
        named = f"{http['method']} {http['path']}"
        return named if named in self.routes else "$default"


def event_of(environ: Mapping[str, Any]) -> dict[str, Any]:
    """Make the event of a WSGI request; a body that is no text, and any form, comes in base64."""
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    if kind := environ.get("CONTENT_TYPE"):
        headers["content-type"] = kind
    # WSGI has bytes as text, a character for each. A request's path begins with a slash.
    path = "/" + environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").removeprefix("/")
    raw_query = environ.get("QUERY_STRING", "")
    query: dict[str, str] = {}
    for name, value in parse_qsl(raw_query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    event: dict[str, Any] = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": raw_query,
        "headers": headers,
        "requestContext": {
            "http": {"method": environ["REQUEST_METHOD"], "path": path, "sourceIp": "192.0.2.1"},
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = query
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return event | _body(body, is_text=(kind or "").startswith(("application/json", "text/")))


def _body(body: bytes, *, is_text: bool) -> dict[str, Any]:
    if not body:
        return {}
    try:
        if is_text:
            return {"body": body.decode()}
    except UnicodeDecodeError:
        pass
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
