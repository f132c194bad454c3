"""A cursor comes back as it was given out, or is refused."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbell.cursor import LONGEST, read_cursor, write_cursor
from runbell.errors import RequestError

KEY = {"owner": "default", "order": "2026-01-31T09:30:00Z", "pk": "run#default#1"}
EXPECTED = {"owner": "default", "order": None, "pk": None}


def encoded(document: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def test_a_key_comes_back() -> None:
    cursor = write_cursor(KEY)
    assert read_cursor(cursor, EXPECTED) == KEY
    assert cursor.replace("-", "").replace("_", "").isalnum()


@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=60))
def test_any_key_comes_back(order: str, pk: str) -> None:
    key = {"owner": "default", "order": order, "pk": pk}
    assert read_cursor(write_cursor(key), EXPECTED) == key


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "a",
        "abcde",
        "é",
        "\x00",
        "x" * (LONGEST + 1),
        write_cursor(KEY)[:-3],
        "=" + write_cursor(KEY),
        encoded(None),
        encoded([]),
        encoded("text"),
        encoded(7),
        encoded({}),
        encoded({**KEY, "more": "x"}),
        encoded({"owner": "default", "order": "x"}),
        encoded({**KEY, "owner": "another"}),
        encoded({**KEY, "pk": 7}),
        encoded({**KEY, "pk": None}),
        encoded({**KEY, "pk": ["x"]}),
        encoded({**KEY, "pk": ""}),
        encoded({**KEY, "pk": "half \ud800"}),
        encoded({**KEY, "order": "x" * 1_025}),
        base64.urlsafe_b64encode(b"[" * 1_200).decode(),
        base64.urlsafe_b64encode(json.dumps(KEY).encode() + b" " * LONGEST).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe\xfd").decode(),
    ],
)
def test_anything_else_is_refused(cursor: str) -> None:
    with pytest.raises(RequestError, match=r"query\.cursor is no cursor of this") as caught:
        read_cursor(cursor, EXPECTED)
    assert caught.value.where == "query.cursor"


@given(st.text() | st.binary().map(lambda data: base64.urlsafe_b64encode(data).decode()))
def test_no_text_breaks_it(text: str) -> None:
    with pytest.raises(RequestError):
        read_cursor(text, EXPECTED)
