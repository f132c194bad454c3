"""The API's document is valid, and requests are held against it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import validate

from runbell.api.contract import Contract, contract, docs_page
from runbell.errors import RequestError
from runbell.settings import NOTIFIABLE

WATCH = "/watches/runs/{runID}"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def test_the_document_is_valid_openapi() -> None:
    validate(json.loads(contract().text))
    assert contract().document["openapi"].startswith("3.1")


def test_every_operation_says_what_it_is_and_what_can_come_of_it() -> None:
    for operations in contract().document["paths"].values():
        for method, operation in operations.items():
            if method != "parameters":
                assert operation["operationId"]
                assert operation["summary"]
                assert operation["responses"]


def test_what_asks_for_no_token_is_health_and_the_documentation() -> None:
    assert contract().open_paths == {"/health", "/openapi.json", "/docs"}


def test_a_watch_may_ask_for_all_that_the_deployment_knows() -> None:
    schema = contract().document["components"]["schemas"]["NotifyOn"]
    assert tuple(schema["items"]["enum"]) == NOTIFIABLE


def test_the_page_is_html() -> None:
    assert docs_page().lstrip().lower().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("path", "method", "place", "given_values"),
    [
        ("/runs", "get", "query", {}),
        ("/runs", "get", "query", {"status": "finished", "outcome": "failure", "taskID": "t"}),
        ("/runs", "get", "query", {"status": "a value of tomorrow"}),
        ("/watches", "get", "query", {"cursor": "x"}),
        ("/runs/{runID}", "get", "path", {"runID": "6c02aeb1-775e-418e-870b-1faccd4b2c0f"}),
        ("/runs/{runID}", "get", "path", {"runID": "x" * 128}),
        ("/runs/{runID}/check", "post", "path", {"runID": "a.b_c~d:e"}),
        ("/runs/{runID}/check", "post", "query", {}),
        ("/health", "get", "query", {}),
    ],
)
def test_good_parameters_come_back(
    path: str, method: str, place: str, given_values: dict[str, str]
) -> None:
    assert contract().check_parameters(path, method, place, given_values) == given_values


@pytest.mark.parametrize(
    ("path", "method", "place", "given_values", "where"),
    [
        ("/runs/{runID}", "get", "path", {}, "path.runID"),
        ("/runs/{runID}", "get", "path", {"runID": ""}, "path.runID"),
        ("/runs/{runID}", "get", "path", {"runID": "x" * 129}, "path.runID"),
        ("/runs/{runID}", "get", "path", {"runID": "a/b"}, "path.runID"),
        ("/runs/{runID}", "get", "path", {"runID": "a b"}, "path.runID"),
        ("/runs/{runID}", "get", "path", {"runID": "abc\n"}, "path.runID"),
        ("/runs/{runID}", "get", "path", {"runID": "läuft"}, "path.runID"),
        ("/runs/{runID}", "get", "query", {"verbose": "1"}, "query.verbose"),
        ("/runs/{runID}/check", "post", "query", {"runID": "x"}, "query.runID"),
        ("/runs", "get", "query", {"status": ""}, "query.status"),
        ("/runs", "get", "query", {"status": "x" * 129}, "query.status"),
        ("/runs", "get", "query", {"cursor": "x" * 2_049}, "query.cursor"),
        ("/runs", "get", "query", {"taskId": "x"}, "query.taskId"),
        ("/watches", "get", "query", {"status": "created"}, "query.status"),
    ],
)
def test_a_bad_parameter_is_refused_at_its_place(
    path: str, method: str, place: str, given_values: dict[str, str], where: str
) -> None:
    with pytest.raises(RequestError) as caught:
        contract().check_parameters(path, method, place, given_values)
    assert caught.value.where == where
    assert str(caught.value).startswith(f"{where} ")


def test_an_unknown_parameter_is_told_which_there_are() -> None:
    with pytest.raises(RequestError, match="it has status, outcome, taskID, cursor"):
        contract().check_parameters("/runs", "get", "query", {"state": "x"})
    with pytest.raises(RequestError, match="it has none"):
        contract().check_parameters("/health", "get", "query", {"state": "x"})


@pytest.mark.parametrize(
    ("path", "method", "body"),
    [
        (WATCH, "put", {}),
        (WATCH, "put", {"channel": "#ingestion"}),
        (WATCH, "put", {"channel": "C0123456789", "notifyOn": ["failed", "recovered"]}),
        (WATCH, "put", {"channel": "#läufe-日本"}),
        (WATCH, "put", {"notifyOn": []}),
        (WATCH, "put", {"notifyOn": list(NOTIFIABLE)}),
        ("/test-message", "post", {}),
        ("/test-message", "post", {"channel": "#runs"}),
    ],
)
def test_a_good_body_comes_back(path: str, method: str, body: dict[str, Any]) -> None:
    assert contract().check_body(path, method, body) == body


@pytest.mark.parametrize(
    ("body", "where", "problem"),
    [
        (None, "body", "must be object"),
        ([], "body", "must be object"),
        ("text", "body", "must be object"),
        ({"chanel": "#x"}, "body", "must not contain {'chanel'} properties"),
        ({"channel": None}, "body.channel", "must be string"),
        ({"channel": 7}, "body.channel", "must be string"),
        ({"channel": ""}, "body.channel", "must be longer than or equal to 1 characters"),
        ({"channel": "x" * 81}, "body.channel", "must be shorter than or equal to 80 characters"),
        ({"channel": "#"}, "body.channel", "must match pattern"),
        ({"channel": "##x"}, "body.channel", "must match pattern"),
        ({"channel": "two words"}, "body.channel", "must match pattern"),
        ({"channel": "#x\n"}, "body.channel", "must match pattern"),
        ({"channel": "<!channel>"}, "body.channel", "must match pattern"),
        ({"channel": "@someone"}, "body.channel", "must match pattern"),
        ({"channel": "#half\ud800"}, "body", "holds half of a surrogate pair"),
        ({"half\ud800": 1}, "body", "holds half of a surrogate pair"),
        ({"notifyOn": "failed"}, "body.notifyOn", "must be array"),
        ({"notifyOn": ["failed", "lost"]}, "body.notifyOn[1]", "must be one of"),
        ({"notifyOn": ["failed", "failed"]}, "body.notifyOn", "must contain unique items"),
        ({"notifyOn": [{}]}, "body.notifyOn[0]", "must be string"),
    ],
)
def test_a_bad_body_is_refused_at_its_place(body: object, where: str, problem: str) -> None:
    with pytest.raises(RequestError) as caught:
        contract().check_body(WATCH, "put", body)
    assert caught.value.where == where
    assert str(caught.value).startswith(f"{where} {problem}")


@given(json_values | st.fixed_dictionaries({"channel": json_values, "notifyOn": json_values}))
def test_any_body_is_good_or_refused(body: Any) -> None:
    with suppress(RequestError):
        assert contract().check_body(WATCH, "put", body) is body


def test_a_check_fills_in_no_defaults() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "string", "default": "y"}}}
    content = {"application/json": {"schema": schema}}
    document = {"paths": {"/x": {"post": {"requestBody": {"content": content}}}}, "components": {}}
    body: dict[str, Any] = {}
    assert Contract(json.dumps(document)).check_body("/x", "post", body) == {}
