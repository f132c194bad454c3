"""A run's failed events become a few messages with counts, whatever the events hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbell.events import (
    GROUPS_KEPT,
    LONGEST_MESSAGE,
    WORDS,
    ErrorGroup,
    WhatWentWrong,
    group_errors,
)

NOTHING: tuple[object, ...] = (None, {}, [], "", "  ", 0, False)


def events(*messages: str) -> list[dict[str, Any]]:
    return [{"status": "failed", "data": {"message": message}} for message in messages]


def test_equal_messages_are_one_group_with_their_number() -> None:
    what = group_errors(events("b", "a", "b", "b"))
    assert what == WhatWentWrong((ErrorGroup("b", 3), ErrorGroup("a", 1)), events=4)


def test_the_first_message_comes_first_and_then_the_most_frequent() -> None:
    said = ["cause", *"a", *"bb", *"ccc", *"dddd", *"eeeee", *"ffffff"]
    what = group_errors(events(*said))
    assert [(group.text, group.count) for group in what.groups] == [
        ("cause", 1),
        ("f", 6),
        ("e", 5),
        ("d", 4),
        ("c", 3),
    ]
    assert what.events == len(said)


def test_as_often_is_in_the_order_of_the_events() -> None:
    assert [group.text for group in group_errors(events(*"bacabc")).groups] == ["b", "a", "c"]


@pytest.mark.parametrize(("total", "counted"), [(None, 2), (0, 2), (1, 2), (2, 2), (900, 900)])
def test_events_that_were_not_read_are_counted(total: int | None, counted: int) -> None:
    assert group_errors(events("a", "b"), total).events == counted


def test_nothing_went_wrong() -> None:
    assert group_errors([]) == WhatWentWrong()
    assert group_errors([], 7) == WhatWentWrong(events=7)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("as it is", "as it is"),
        ("  with room around \n", "with room around"),
        ({"message": "m", "error": "e"}, "m"),
        ({"detail": "d", "error": "e"}, "e"),
        ({"message": "", "reason": "r"}, "r"),
        ({"message": " \n", "reason": "r"}, "r"),
        ({"message": None, "description": "d"}, "d"),
        ({"error": {"message": "inside"}}, "inside"),
        ({"error": {"error": {"detail": "deep"}}}, "deep"),
        ({"error": {"code": 400}, "reason": "beside"}, "beside"),
        ({"error": {"error": {"error": {"error": "too deep"}}}}, None),
        ({"message": ["a", "b"]}, '{"message": ["a", "b"]}'),
        ({"code": 400, "objectID": "é"}, '{"code": 400, "objectID": "é"}'),
        (["a", {"message": "b"}], '["a", {"message": "b"}]'),
        (404, "404"),
        (True, "true"),
        ({"message": "half \ud83d of a pair"}, "half ? of a pair"),
        ({"\udc00": 1}, '{"?": 1}'),
    ],
)
def test_the_words_are_found_wherever_they_are_and_else_the_data_is_shown(
    data: object, text: str | None
) -> None:
    (group,) = group_errors([{"data": data}]).groups
    assert group.text == text if text else "too deep" in group.text


@pytest.mark.parametrize(
    "event",
    [None, "failed", 7, [], {}, {"status": "failed"}, *({"data": data} for data in NOTHING)],
)
def test_what_says_nothing_is_left_aside_and_counted(event: object) -> None:
    assert group_errors([event, event]) == WhatWentWrong(events=2)
    said = group_errors([event, *events("a")])
    assert said == WhatWentWrong((ErrorGroup("a"),), events=2)


def test_a_huge_message_keeps_its_head_and_its_tail() -> None:
    huge = "head " + "x" * 10**6 + " tail"
    (group,) = group_errors(events(huge, huge)).groups
    assert LONGEST_MESSAGE - 10 <= len(group.text) <= LONGEST_MESSAGE
    assert group.text.startswith("head ")
    assert group.text.endswith(" tail")
    assert group.count == 2


def test_huge_data_without_words_is_clipped() -> None:
    (group,) = group_errors([{"data": {"rows": list(range(10**5))}}]).groups
    assert LONGEST_MESSAGE - 10 <= len(group.text) <= LONGEST_MESSAGE


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*WORDS, "data", "code"]) | st.text(), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(
    st.lists(json | st.fixed_dictionaries({"data": json}), max_size=30), st.none() | st.integers()
)
def test_any_events_give_few_short_messages_that_a_table_can_hold(
    said: list[object], total: int | None
) -> None:
    what = group_errors(said, total)
    assert len(what.groups) <= GROUPS_KEPT
    assert len({group.text for group in what.groups}) == len(what.groups)
    assert sum(group.count for group in what.groups) <= len(said) <= what.events
    for group in what.groups:
        assert group.text.encode("utf-8")
        assert len(group.text) <= LONGEST_MESSAGE
        assert group.count >= 1
    counts = [group.count for group in what.groups[1:]]
    assert counts == sorted(counts, reverse=True)
