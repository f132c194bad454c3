"""The API's document is valid, and requests are held against it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from runbell.api.bodies import YAML, read_body
from runbell.api.contract import Contract, contract, docs_page
from runbell.connections import NAME
from runbell.errors import RequestError
from runbell.quiet import WEEKDAYS
from runbell.rules import Kind
from runbell.settings import DISCOVERIES, NOTIFIABLE

WATCH = "/watches/runs/{runID}"
FILE = "/watches"
CONNECTION = "/connections/{name}"
NIGHT = {"from": "22:00", "to": "07:00", "timezone": "Europe/Paris"}

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


def test_kinds_in_the_history_are_those_that_there_are() -> None:
    schema = contract().document["components"]["schemas"]["HistoryEntry"]
    assert schema["properties"]["kind"]["examples"] == list(Kind)


def test_a_connection_may_be_called_what_a_tick_may_name() -> None:
    schemas = contract().document["components"]["schemas"]
    assert schemas["ConnectionName"]["pattern"] == NAME
    assert tuple(schemas["Discover"]["enum"]) == DISCOVERIES


def test_every_example_is_as_its_own_schema_says() -> None:
    for path, operations in contract().document["paths"].items():
        for method, operation in operations.items():
            if method == "parameters" or "requestBody" not in operation:
                continue
            for kind, content in operation["requestBody"]["content"].items():
                if "example" in content:
                    told = content["example"]
                    text = told if isinstance(told, str) else json.dumps(told)
                    contract().check_body(path, method, read_body(text, kind))


def test_only_a_file_of_watches_may_be_yaml() -> None:
    takers = [
        (path, method)
        for path, operations in contract().document["paths"].items()
        for method, operation in operations.items()
        if method != "parameters"
        and "requestBody" in operation
        and contract().takes_yaml(path, method)
    ]
    assert takers == [(FILE, "put")]
    content = contract().document["paths"][FILE]["put"]["requestBody"]["content"]
    assert content.keys() == {"application/json", *YAML}


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
        ("/watches", "put", "query", {"dryRun": "true", "connection": "emea"}),
        ("/tasks/{taskID}", "get", "query", {"connection": "default"}),
        (CONNECTION, "put", "path", {"name": "e" * 32}),
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
        ("/watches", "put", "query", {"dryRun": "yes"}, "query.dryRun"),
        ("/watches", "put", "query", {"dryRun": ""}, "query.dryRun"),
        ("/watches", "get", "query", {"connection": "#connections"}, "query.connection"),
        ("/watches", "get", "query", {"connection": "Default"}, "query.connection"),
        (CONNECTION, "put", "path", {"name": "e" * 33}, "path.name"),
        (CONNECTION, "put", "path", {"name": "emea\n"}, "path.name"),
        (CONNECTION, "put", "query", {"connection": "emea"}, "query.connection"),
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
    with pytest.raises(RequestError, match="it has status, outcome, taskID, connection, cursor"):
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
        (WATCH, "put", {"mentions": ["U0123456789", "W0123456789", "S0123456789", "here"]}),
        (WATCH, "put", {"mentions": [], "stalledAfterMinutes": 0}),
        (WATCH, "put", {"mutedUntil": "2026-12-24T18:00:00.123+01:00"}),
        (WATCH, "put", {"quietHours": NIGHT}),
        (WATCH, "put", {"quietHours": {**NIGHT, "days": list(WEEKDAYS)}}),
        (WATCH, "put", {"quietHours": {**NIGHT, "breakThrough": list(NOTIFIABLE)}}),
        (CONNECTION, "put", {"quietHours": NIGHT}),
        (FILE, "put", {"tasks": {"t": {"quietHours": NIGHT}}}),
        (FILE, "put", {"tasks": {}}),
        (FILE, "put", {"tasks": {"a.b_c~d:e-1": {}}}),
        (CONNECTION, "put", {"schedule": "rate(1 minute)", "secret": "emea", "discover": "all"}),
        (CONNECTION, "put", {"schedule": "cron(0/10 6-20 ? * MON-FRI *)"}),
        (CONNECTION, "put", {"schedule": "cron(0 12 L * ? 2026)"}),
        ("/test-message", "post", {}),
        ("/test-message", "post", {"channel": "#runs"}),
    ],
)
def test_a_good_body_comes_back(path: str, method: str, body: dict[str, Any]) -> None:
    assert contract().check_body(path, method, body) == body


@pytest.mark.parametrize(
    ("body", "where", "problem"),
    [
        (None, "body", "must be an object"),
        ([], "body", "must be an object"),
        ("text", "body", "must be an object"),
        ({"chanel": "#x"}, "body", "has the unknown name 'chanel': it takes channel, "),
        ({"channel": None}, "body.channel", "must be a text"),
        ({"channel": 7}, "body.channel", "must be a text"),
        ({"channel": ""}, "body.channel", "must be longer than or equal to 1 characters"),
        ({"channel": "x" * 81}, "body.channel", "must be shorter than or equal to 80 characters"),
        ({"channel": "#"}, "body.channel", "must be written like #ingestion or C0123456789"),
        ({"channel": "##x"}, "body.channel", "must be written like #ingestion or C0123456789"),
        (
            {"channel": "two words"},
            "body.channel",
            "must be written like #ingestion or C0123456789",
        ),
        ({"channel": "#x\n"}, "body.channel", "must be written like #ingestion or C0123456789"),
        (
            {"channel": "<!channel>"},
            "body.channel",
            "must be written like #ingestion or C0123456789",
        ),
        ({"channel": "@someone"}, "body.channel", "must be written like #ingestion or C0123456789"),
        ({"channel": "#half\ud800"}, "body", "holds half of a surrogate pair"),
        ({"half\ud800": 1}, "body", "holds half of a surrogate pair"),
        ({"notifyOn": "failed"}, "body.notifyOn", "must be a list"),
        ({"notifyOn": ["failed", "lost"]}, "body.notifyOn[1]", "must be one of"),
        ({"notifyOn": ["failed", "failed"]}, "body.notifyOn", "must contain unique items"),
        ({"notifyOn": [{}]}, "body.notifyOn[0]", "must be a text"),
        ({"mentions": "here"}, "body.mentions", "must be a list"),
        (
            {"mentions": ["U1", "here"]},
            "body.mentions[0]",
            "must be written like U0123456789 or S0123456789 or here or channel",
        ),
        (
            {"mentions": ["here", "here\n"]},
            "body.mentions[1]",
            "must be written like U0123456789 or S0123456789 or here or channel",
        ),
        ({"mentions": ["here", "here"]}, "body.mentions", "must contain unique items"),
        (
            {"mutedUntil": "2026-12-24"},
            "body.mutedUntil",
            "must be written like 2026-12-24T18:00:00+01:00",
        ),
        (
            {"mutedUntil": "2026-12-24T18:00:00"},
            "body.mutedUntil",
            "must be written like 2026-12-24T18:00:00+01:00",
        ),
        ({"stalledAfterMinutes": "5"}, "body.stalledAfterMinutes", "must be a whole number"),
        ({"stalledAfterMinutes": 10081}, "body.stalledAfterMinutes", "must be smaller than"),
        ({"quietHours": None}, "body.quietHours", "must be an object"),
        ({"quietHours": {}}, "body.quietHours", "lacks from, to, timezone"),
        (
            {"quietHours": {**NIGHT, "until": "7"}},
            "body.quietHours",
            "has the unknown name 'until'",
        ),
        (
            {"quietHours": {**NIGHT, "from": "7:00"}},
            "body.quietHours.from",
            "must be written like 22:00",
        ),
        (
            {"quietHours": {**NIGHT, "to": "24:00"}},
            "body.quietHours.to",
            "must be written like 22:00",
        ),
        (
            {"quietHours": {**NIGHT, "to": "07:00\n"}},
            "body.quietHours.to",
            "must be written like 22:00",
        ),
        ({"quietHours": {**NIGHT, "to": 420}}, "body.quietHours.to", "must be a text"),
        ({"quietHours": {**NIGHT, "timezone": ""}}, "body.quietHours.timezone", "must be longer"),
        ({"quietHours": {**NIGHT, "days": []}}, "body.quietHours.days", "must contain at least 1"),
        ({"quietHours": {**NIGHT, "days": ["x"]}}, "body.quietHours.days[0]", "must be one of"),
        (
            {"quietHours": {**NIGHT, "breakThrough": ["lost"]}},
            "body.quietHours.breakThrough[0]",
            "must be one of",
        ),
    ],
)
def test_a_bad_body_is_refused_at_its_place(body: object, where: str, problem: str) -> None:
    with pytest.raises(RequestError) as caught:
        contract().check_body(WATCH, "put", body)
    assert caught.value.where == where
    assert str(caught.value).startswith(f"{where} {problem}")


@pytest.mark.parametrize(
    ("body", "where", "problem"),
    [
        ({}, "body", "lacks tasks"),
        ({"tasks": None}, "body.tasks", "must be an object"),
        ({"tasks": {"a b": {}}}, "body.tasks", "has the unknown name 'a b': letters, digits and"),
        ({"tasks": {"a\n": {}}}, "body.tasks", "has the unknown name 'a\\n'"),
        ({"tasks": {"": {}}}, "body.tasks", "has the unknown name ''"),
        ({"tasks": {"x" * 129: {}}}, "body.tasks", "has the unknown name 'xxx"),
        ({"tasks": {"t": None}}, "body.tasks.t", "must be an object"),
        ({"tasks": {"t-1": {"notifyOn": ["x"]}}}, "body.tasks.t-1.notifyOn[0]", "must be one of"),
        ({"tasks": {"t": {"taskID": "t"}}}, "body.tasks.t", "has the unknown name 'taskID'"),
    ],
)
def test_a_bad_file_is_refused_at_its_place(body: object, where: str, problem: str) -> None:
    with pytest.raises(RequestError) as caught:
        contract().check_body(FILE, "put", body)
    assert caught.value.where == where
    assert str(caught.value).startswith(f"{where} {problem}")


@pytest.mark.parametrize(
    "body",
    [
        {"schedule": "rate(1 minute) "},
        {"schedule": "rate(-1 minutes)"},
        {"schedule": "at(2026-12-24T18:00:00)"},
        {"schedule": "cron(0 12 * * ? *)\n"},
        {"secret": ""},
        {"secret": "arn:aws:secretsmanager:us-east-1:123456789012:secret:x"},
        {"secret": "a b"},
        {"discover": "some"},
        {"name": "emea"},
    ],
)
def test_a_bad_connection_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        contract().check_body(CONNECTION, "put", body)


@given(json_values | st.fixed_dictionaries({"channel": json_values, "notifyOn": json_values}))
def test_any_body_is_good_or_refused(body: Any) -> None:
    with suppress(RequestError):
        assert contract().check_body(WATCH, "put", body) is body


def test_every_form_has_examples_that_it_takes() -> None:
    """What is refused is told to be written like them."""

    def forms(schema: Any) -> Iterator[dict[str, Any]]:
        for each in schema.values() if isinstance(schema, dict) else schema:
            if isinstance(each, dict | list):
                yield from forms(each)
        if isinstance(schema, dict) and isinstance(
            schema.get("pattern", schema.get("format")), str
        ):
            yield schema

    found = list(forms(contract().document["components"]["schemas"]))
    assert len(found) > 7
    for schema in found:
        for example in schema["examples"]:
            Draft202012Validator(schema).validate(example)


def test_no_refusal_repeats_a_value() -> None:
    """Somebody may have put a key where it does not belong."""
    key = "k3y-0123456789"
    for name in contract().document["components"]["schemas"]["ConnectionWishes"]["properties"]:
        for value in (key + "\n<", [key + "<"], {"from": key}, [key, key], key * 100):
            with pytest.raises(RequestError) as caught:
                contract().check_body(CONNECTION, "put", {name: value})
            assert "k3y" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/runs", ("GET", "HEAD")),
        ("/runs/r", ("GET", "HEAD")),
        ("/runs/r/check", ("POST",)),
        ("/watches", ("GET", "HEAD", "PUT")),
        ("/watches/tasks/t", ("DELETE", "GET", "HEAD", "PUT")),
        ("/slack/interactions", ("POST",)),
        ("/runs/", ()),
        ("/runs/r/s/t", ()),
        ("/openapi_json", ()),
        ("/", ()),
    ],
)
def test_a_path_takes_the_methods_that_are_described(path: str, methods: tuple[str, ...]) -> None:
    assert contract().methods(path) == methods


def test_a_check_fills_in_no_defaults() -> None:
    schema = {"type": "object", "properties": {"x": {"type": "string", "default": "y"}}}
    content = {"application/json": {"schema": schema}}
    document = {"paths": {"/x": {"post": {"requestBody": {"content": content}}}}, "components": {}}
    body: dict[str, Any] = {}
    assert Contract(json.dumps(document)).check_body("/x", "post", body) == {}


def test_quiet_hours_may_begin_on_the_days_that_there_are() -> None:
    days = contract().document["components"]["schemas"]["QuietHours"]["properties"]["days"]
    assert tuple(days["items"]["enum"]) == WEEKDAYS
