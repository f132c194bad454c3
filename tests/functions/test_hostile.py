"""What no honest caller sends: refused with its place, quickly, and never with a 5xx."""

from __future__ import annotations

import base64
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from runbell.api.bodies import LARGEST, read_body
from runbell.api.contract import contract
from runbell.errors import RequestError
from tests.functions.conftest import TOKEN

Send = Callable[..., dict[str, Any]]

FULL = LARGEST - 100
"""Bytes of a body that is nearly as large as is taken."""

NAMES = [
    "..", ".", "...", "%2e%2e", "%2e%2e%2f", "..%2f..%2fsecret", "a\x00b", "\x00", "\n", "a\r\nb",
    "\ud800", "\udcff", "\u202eevil", "🔔", "é", "a b", " ", "a|b", "a\\b", "%", "%zz", "%00",
    "$(id)", "`id`", "{{7*7}}", "${7*7}", "' OR 1=1 --", "<script>", "x" * 129, "x" * 100_000,
    "run#default#x", "#connections", "-", "_", "~", "a:b",
]  # fmt: skip

CURSORS = [
    "x", "====", "%00", "\ud800", "🔔", "bnVsbA", "W10", "e30",
    base64.urlsafe_b64encode(b"[" * 1_500).decode(),
    base64.urlsafe_b64encode(b'{"pk": "run#o#r", "recent": "other", "updated_at": "2"}').decode(),
    base64.urlsafe_b64encode(b'{"pk": "x", "recent": "default", "updated_at": {"a": 1}}').decode(),
    base64.urlsafe_b64encode(b'{"pk": "\\ud800", "recent": "default", "updated_at": "2"}').decode(),
    "A" * 2_048, "A" * 100_000,
]  # fmt: skip

BODIES: dict[str, tuple[str, str]] = {
    "nul": ("\x00", "application/json"),
    "nul in a text": ('{"channel": "a\\u0000b"}', "application/json"),
    "half a character": ('{"channel": "\\ud800"}', "application/json"),
    "half a character in a name": ('{"\\ud800": 1}', "application/json"),
    "half a character as it is": ('{"channel": "\ud800"}', "application/json"),
    "right to left": ('{"channel": "#\u202egnp.exe"}', "application/json"),
    "a name twice": ('{"channel": "#a", "channel": "#b"}', "application/json"),
    "no number": ('{"stalledAfterMinutes": NaN}', "application/json"),
    "infinity": ('{"stalledAfterMinutes": -Infinity}', "application/json"),
    "a huge number": ('{"stalledAfterMinutes": 1e999}', "application/json"),
    "a very long number": (f'{{"stalledAfterMinutes": {"9" * 5_000}}}', "application/json"),
    "deep lists": ("[" * FULL, "application/json"),
    "deep lists that end": ("[" * (FULL // 2) + "]" * (FULL // 2), "application/json"),
    "deep objects": ('{"tasks":' * (FULL // 9), "application/json"),
    "a comment": ("{} // yes", "application/json"),
    "two documents": ("{}{}", "application/json"),
    "a byte order mark": ("\ufeff{}", "application/json"),
    "a form": ("channel=%23x", "application/x-www-form-urlencoded"),
    "xml": ('<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "application/xml"),
    "a python object": ("!!python/object/apply:os.system ['id']", "application/yaml"),
    "billion laughs": (
        "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\ntasks: {}\n",
        "application/yaml",
    ),
    "a content type that is none": ("{", "\ud800; charset=🔔"),
}

BOMBS: dict[str, tuple[str, str]] = {
    "json lists": ("[" * FULL, "application/json"),
    "json members": ("{" + ",".join(f'"k{n}":0' for n in range(45_000)) + "}", "application/json"),
    "json tasks": (
        '{"tasks":{' + ",".join(f'"{n}":{{}}' for n in range(45_000)) + "}}",
        "application/json",
    ),
    "json items": (
        '{"tasks":{"t":{"mentions":[' + ",".join(f"[{n}]" for n in range(50_000)) + "]}}}",
        "application/json",
    ),
    "json digits": ('{"tasks":' + "9" * (FULL - 20) + "}", "application/json"),
    "yaml flow": ("[" * FULL, "text/yaml"),
    "yaml blocks": ("- " * (FULL // 2), "text/yaml"),
    "yaml keys": ("".join(f"k{n}: 1\n" for n in range(48_000)), "text/yaml"),
    "yaml commas": ("[" + "a," * (FULL // 2), "text/yaml"),
    "yaml words": ("a " * (FULL // 2), "text/yaml"),
    "yaml tag": ("!" + "a" * (FULL - 10) + " x", "text/yaml"),
    "yaml tag in brackets": ("!<" + "a" * (FULL - 10) + "> x", "text/yaml"),
    "yaml tag in escapes": ("!" + "%41" * (FULL // 3 - 10) + " x", "text/yaml"),
    "yaml tags": ("".join(f"- !t{n} x\n" for n in range(40_000)), "text/yaml"),
    "yaml anchors": ("".join(f"a{n}: &a{n} [x]\n" for n in range(20_000)), "text/yaml"),
    "yaml documents": ("---\n" * (FULL // 4), "text/yaml"),
    "yaml directives": ("%FOO bar\n" * (FULL // 9), "text/yaml"),
    "yaml folded": (">\n" + " a\n\n" * (FULL // 4), "text/yaml"),
}


@pytest.fixture
def send(handlers: Callable[[str], Callable[[dict[str, Any]], Any]]) -> Send:
    """Sends the API an event such as API Gateway makes; its answer is one that Lambda can pass."""
    api = handlers("api")

    def make(method: str, path: str, body: str | None = None, **more: Any) -> dict[str, Any]:
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"authorization": f"Bearer {TOKEN}", **more.pop("headers", {})},
            "requestContext": {"http": {"method": method, "path": path}, "stage": "$default"},
            "isBase64Encoded": False,
            **more,
            **({"body": body} if body is not None else {}),
        }
        answer: dict[str, Any] = api(event)
        json.dumps(answer, ensure_ascii=False).encode()
        return answer

    return make


def said(answer: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(answer["body"])
    return document


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_an_id_or_refused(send: Send, name: str) -> None:
    for method, path in (
        ("GET", f"/runs/{name}"),
        ("POST", f"/runs/{name}/check"),
        ("GET", f"/tasks/{name}"),
        ("DELETE", f"/watches/tasks/{name}"),
        ("PUT", f"/connections/{name}"),
        ("GET", f"/{name}"),
    ):
        assert send(method, path)["statusCode"] in {400, 404}, path
    for query in ("connection", "status", "cursor", name):
        answer = send("GET", "/runs", queryStringParameters={query: name})
        assert answer["statusCode"] in {200, 400, 404}


@pytest.mark.parametrize("cursor", CURSORS)
def test_a_cursor_is_one_of_ours_or_refused(send: Send, cursor: str) -> None:
    for path in ("/runs", "/watches", "/connections"):
        answer = send("GET", path, queryStringParameters={"cursor": cursor})
        assert answer["statusCode"] == 400, path
        assert said(answer)["where"] == "query.cursor"


@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_what_is_described_or_refused(send: Send, name: str) -> None:
    body, kind = BODIES[name]
    headers = {"content-type": kind}
    for path in ("/watches/tasks/t", "/watches/runs/r", "/watches", "/connections/default"):
        answer = send("PUT", path, body, headers=headers)
        assert answer["statusCode"] == 400, path
        assert said(answer)["where"].startswith("body")
    assert not boto3.client("dynamodb").scan(TableName=table())["Items"], "something was saved"


@pytest.mark.parametrize(
    "body", ["!", "e30", "\ud800", "e30=\n!", base64.b64encode(b"\xff").decode()]
)
def test_base64_that_is_none_is_refused(send: Send, body: str) -> None:
    answer = send("PUT", "/watches/tasks/t", body, isBase64Encoded=True)
    assert (answer["statusCode"], said(answer)["where"]) == (400, "body")


@pytest.mark.parametrize("name", BOMBS)
def test_what_is_small_and_means_much_is_refused_soon(name: str) -> None:
    """Within what one function has of time and memory."""
    text, kind = BOMBS[name]
    assert len(text) <= LARGEST
    began = time.process_time()
    with pytest.raises(RequestError):
        contract().check_body("/watches", "put", read_body(text, kind))
    assert time.process_time() - began < 5


@pytest.mark.parametrize("name", ["json items", "json tasks", "yaml keys", "yaml tags"])
def test_what_is_small_and_means_much_fills_no_memory(name: str) -> None:
    text, kind = BOMBS[name]
    tracemalloc.start()
    try:
        with pytest.raises(RequestError):
            contract().check_body("/watches", "put", read_body(text, kind))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 1024 * 1024


@pytest.mark.parametrize(
    ("method", "path", "methods"),
    [
        ("DELETE", "/runs", "GET, HEAD"),
        ("GET", "/runs/r/check", "POST"),
        ("HEAD", "/runs/r/check", "POST"),
        ("POST", "/watches/tasks/t", "DELETE, GET, HEAD, PUT"),
        ("PATCH", "/connections/default", "DELETE, GET, HEAD, PUT"),
        ("OPTIONS", "/health", "GET, HEAD"),
        ("TRACE", "/docs", "GET, HEAD"),
        ("GET", "/slack/interactions", "POST"),
    ],
)
def test_another_method_is_told_which_there_are(
    send: Send, method: str, path: str, methods: str
) -> None:
    answer = send(method, path)
    assert answer["statusCode"] == 405
    assert answer["headers"]["Allow"] == methods
    if method != "HEAD":
        assert said(answer)["error"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.json", "/runs", "/runs/r", "/x"])
def test_head_is_what_get_says_without_its_body(send: Send, path: str) -> None:
    get, head = send("GET", path), send("HEAD", path)
    assert get["body"]
    assert head == {**get, "body": ""}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/runs"), ("PATCH", "/runs"), ("GET", "/nowhere"), ("HEAD", "/runs")],
)
def test_a_stranger_learns_nothing(send: Send, method: str, path: str) -> None:
    """Neither which paths there are nor what they take."""
    for authorization in ("", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}"):
        answer = send(method, path, headers={"authorization": authorization})
        assert answer["statusCode"] == 401
        assert "Allow" not in answer["headers"]


def test_a_stranger_does_not_learn_what_is_wrong(send: Send, environment: dict[str, str]) -> None:
    """The secret's ARN has the account in it."""
    arn = environment["API_TOKEN_SECRET_ARN"]
    boto3.client("secretsmanager").put_secret_value(SecretId=arn, SecretString="short")
    answer = send("GET", "/runs")
    assert answer["statusCode"] == 503
    assert said(answer) == {
        "error": "not_configured",
        "message": "Runbell can't answer just now: its log says why",
    }
    assert send("GET", "/health")["statusCode"] == 200


def table() -> str:
    from runbell import assembly

    return assembly.settings().table_name
