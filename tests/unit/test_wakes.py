"""The words on the queue: what they say, and in which group they go."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbell.errors import RequestError
from runbell.items import RunItem
from runbell.outbox import LONGEST_GROUP, Wake, group_of, parse_wake

BODY: dict[str, Any] = {
    "connection": "default",
    "runID": "run-1",
    "version": 3,
    "channel": "#läufe",
}
ALLOWED = set(string.ascii_letters + string.digits + string.punctuation)


def test_a_wake_names_the_run_and_nothing_else() -> None:
    item = RunItem("default", "run-1", version=3, channel="#läufe")
    assert json.loads(Wake.of(item).body()) == BODY


@given(st.text(min_size=1), st.text(min_size=1), st.integers(min_value=1), st.text(min_size=1))
def test_a_wake_comes_back_as_it_was_sent(
    connection: str, run_id: str, version: int, channel: str
) -> None:
    wake = Wake(connection, run_id, version, channel)
    assert parse_wake(wake.body()) == wake


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "null",
        "7",
        "[]",
        '"text"',
        "{}",
        "[" * 100_000,
        *(json.dumps({k: v for k, v in BODY.items() if k != name}) for name in BODY),
        *(json.dumps({**BODY, name: None}) for name in BODY),
        *(json.dumps({**BODY, name: ["x"]}) for name in BODY),
        *(json.dumps({**BODY, name: ""}) for name in BODY),
        json.dumps({**BODY, "runID": 7}),
        json.dumps({**BODY, "version": True}),
        json.dumps({**BODY, "version": 1.5}),
    ],
)
def test_what_is_no_wake_is_refused(body: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_wake(body)
    assert caught.value.where == "body"


@pytest.mark.parametrize(
    ("channel", "group"),
    [
        ("#runs", "#runs"),
        ("C0123456789", "C0123456789"),
        ("#data_team-1.x", "#data_team-1.x"),
        ("#läufe", "#l%C3%A4ufe"),
        ("#日本", "#%E6%97%A5%E6%9C%AC"),
        ("a b", "a%20b"),
        ("ä" * 80, ("%C3%A4" * 80)[:LONGEST_GROUP]),
    ],
)
def test_a_channel_has_a_group_of_its_name(channel: str, group: str) -> None:
    assert group_of(channel) == group


@given(st.text(min_size=1))
def test_any_channel_makes_a_group_that_the_queue_takes(channel: str) -> None:
    group = group_of(channel)
    assert 1 <= len(group) <= LONGEST_GROUP
    assert set(group) <= ALLOWED
