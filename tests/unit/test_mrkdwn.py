"""Text from outside loses its power over Slack and fits."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbell.slack.mrkdwn import (
    code_span,
    date_token,
    day_and_time,
    escape,
    escape_and_clip,
    mention,
    one_line,
    printable,
    unescape,
)

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
    assert unescape(escape(text)) == text


@given(hostile_texts, st.integers(min_value=0, max_value=60))
def test_a_clipped_text_fits_and_holds_nothing_raw_nor_half_an_entity(
    text: str, limit: int
) -> None:
    clipped = escape_and_clip(text, limit)
    assert len(clipped) <= limit
    assert "<" not in clipped
    assert ">" not in clipped
    assert "&" not in ENTITY.sub("", clipped)


@given(st.lists(st.sampled_from(["<", "&", "x", "\N{WOMAN}\u200d\N{WRENCH}", "e\u0301"])))
def test_a_clipped_text_holds_no_half_of_a_sign(signs: list[str]) -> None:
    clipped = escape_and_clip("".join(signs), 30)
    rest = clipped.replace("\N{WOMAN}\u200d\N{WRENCH}", "").replace("e\u0301", "")
    assert not set(rest) & {"\N{WOMAN}", "\u200d", "\N{WRENCH}", "e", "\u0301"}


def test_what_is_written_from_right_to_left_stays_in_its_order() -> None:
    text = "الفهرس מוצרים\u200f 12"
    assert one_line(text, 100) == text
    assert escape(text) == text
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\rc\n\td", "a\nb\nc\n\td"),
        ("a\x00b\x1b[31mc\x7fd\x85e", "ab[31mcde"),
        ("<&> `x` *y*", "<&> `x` *y*"),
        ("👩‍🔧 é\u200b", "👩‍🔧 é\u200b"),
    ],
)
def test_what_can_be_printed_stays_line_by_line(text: str, shown: str) -> None:
    assert printable(text) == shown


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
    day = day_and_time(moment, "due ")
    assert day == "<!date^1769851805^due {date_short_pretty} at {time}|due 2026-01-31 09:30 UTC>"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("U012AB3CD", "<@U012AB3CD>"),
        ("W012AB3CD", "<@W012AB3CD>"),
        ("S012AB3CD", "<!subteam^S012AB3CD>"),
        ("here", "<!here>"),
        ("channel", "<!channel>"),
        ("everyone", ""),
        ("C012AB3CD", ""),
        ("@here", ""),
    ],
)
def test_a_mention_is_of_a_user_a_group_or_a_channel(name: str, written: str) -> None:
    assert mention(name) == written


@given(hostile_texts | st.from_regex(r"[USW<!][A-Z0-9|>\n]*"))
def test_a_mention_is_one_token_or_nothing(name: str) -> None:
    assert re.fullmatch(r"(<(@|!subteam\^)?[USW][A-Z0-9]{2,31}>|<!(here|channel)>)?", mention(name))


@given(st.text(st.sampled_from("a \n\r\t\x00\x1b\x7f\x85\u2028<`")))
def test_one_line_holds_no_breaks_and_nothing_unprintable(text: str) -> None:
    line = one_line(text, 100)
    assert line.splitlines() in ([], [line])
    assert line.isprintable()
    assert line == line.strip()


def test_one_line_keeps_emoji_that_are_joined_of_several() -> None:
    assert one_line("👩‍🔧\n  é", 100) == "👩‍🔧 é"


def test_a_code_span_is_not_ended_by_what_it_shows() -> None:
    assert code_span("`a` <b>\nc", 100) == "`'a' &lt;b&gt; c`"
    assert code_span("\x00 \n", 100) == ""
