"""Text from outside loses its power over Slack and fits."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbell.slack.mrkdwn import date_token, escape, escape_and_clip

hostile_texts = st.text(st.sampled_from("<>&;!@#|ampltg channel`*é😀")) | st.text()
ENTITY = re.compile(r"&(amp|lt|gt);")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("<!channel> & <@U1>", "&lt;!channel&gt; &amp; &lt;@U1&gt;"),
        ("&lt;", "&amp;lt;"),
        ('it\'s "fine" *so* `far`', 'it\'s "fine" *so* `far`'),
    ],
)
def test_the_three_control_characters_are_escaped_and_nothing_else(text: str, escaped: str) -> None:
    assert escape(text) == escaped


@given(hostile_texts)
def test_an_escaped_text_reads_as_it_was_written(text: str) -> None:
    unescaped = escape(text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert unescaped == text


@given(hostile_texts, st.integers(min_value=0, max_value=60))
def test_a_clipped_text_fits_and_holds_nothing_raw_nor_half_an_entity(
    text: str, limit: int
) -> None:
    clipped = escape_and_clip(text, limit)
    assert len(clipped) <= limit
    assert "<" not in clipped
    assert ">" not in clipped
    assert "&" not in ENTITY.sub("", clipped)


@given(hostile_texts)
def test_a_text_that_fits_is_left_whole(text: str) -> None:
    escaped = escape(text)
    assert escape_and_clip(text, len(escaped)) == escaped


@given(st.text(st.sampled_from("<>&ab"), min_size=100), st.integers(min_value=20, max_value=90))
def test_no_more_is_cut_than_has_to_be(text: str, limit: int) -> None:
    clipped = escape_and_clip(text, limit)
    assert len(clipped) > limit - 25
    assert " … " in clipped


def test_head_and_tail_of_a_long_text_stay() -> None:
    clipped = escape_and_clip("<head>" + "&" * 10_000 + "<tail>", 100)
    assert clipped.startswith("&lt;head&gt;&amp;")
    assert unescape(clipped).endswith("&<tail>")
    assert 90 < len(clipped) <= 100


def test_a_moment_is_shown_in_each_readers_own_zone() -> None:
    moment = datetime(2026, 1, 31, 9, 30, 5, tzinfo=UTC)
    assert date_token(moment) == "<!date^1769851805^{time_secs}|09:30:05 UTC>"
    assert date_token(moment, "{date}") == "<!date^1769851805^{date}|09:30:05 UTC>"
