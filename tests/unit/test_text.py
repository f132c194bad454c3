"""Long texts are cut in their middle."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbell.text import clip


@pytest.mark.parametrize(
    ("text", "limit", "clipped"),
    [
        ("", 0, ""),
        ("short", 5, "short"),
        ("short", 100, "short"),
        ("0123456789", 9, "0123 … 89"),
        ("0123456789", 5, "01 … "),
        ("0123456789", 4, "0123"),
        ("0123456789", 1, "0"),
        ("0123456789", 0, ""),
    ],
)
def test_a_text_is_cut_to_its_limit(text: str, limit: int, clipped: str) -> None:
    assert clip(text, limit) == clipped


MECHANIC = "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{WRENCH}"
FAMILY = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}\u200d\N{BOY}"
FLAG = "\U0001f1eb\U0001f1f7"
SIGNS = [
    "a",
    "é",
    "e\u0301",
    "e\u0323\u0301",
    MECHANIC,
    FAMILY,
    "\N{THUMBS UP SIGN}\U0001f3fd",
    "\N{BLACK HEART SUIT}\ufe0f",
    "\N{WAVING BLACK FLAG}\U000e0067\U000e0062\U000e007f",
    FLAG,
    "שָׁ",
    "ن",
    "नि",
]
"""What people take for one character each."""


@given(st.text(), st.integers(min_value=0, max_value=60))
def test_a_clipped_text_fits_and_keeps_its_beginning(text: str, limit: int) -> None:
    clipped = clip(text, limit)
    assert len(clipped) <= min(len(text), limit)
    assert text.startswith(clipped.partition(" … ")[0]) or " … " in text


@given(st.text(alphabet="abc<&\n", min_size=41, max_size=300), st.integers(10, 40))
def test_head_and_tail_are_both_kept(text: str, limit: int) -> None:
    clipped = clip(text, limit)
    tail = (limit - 3) // 3
    assert clipped == text[: limit - 3 - tail] + " … " + text[-tail:]


@given(st.integers(1_000, 5_000), st.integers(1, 50_000))
def test_a_long_text_says_how_much_was_left_out(limit: int, more: int) -> None:
    clipped = clip("x" * (limit + more), limit)
    assert limit - 5 <= len(clipped) <= limit
    (number,) = re.findall(r" … \[([0-9,]+) characters left out\] … ", clipped)
    kept = clipped.replace(f" … [{number} characters left out] … ", "")
    assert int(number.replace(",", "")) == limit + more - len(kept)


@given(st.lists(st.sampled_from(SIGNS), max_size=60), st.integers(0, 60))
def test_no_sign_is_cut_in_two(signs: list[str], limit: int) -> None:
    clipped = clip("".join(signs), limit)
    head, gap, tail = clipped.partition(" … ")
    kept_first, kept_last = _signs_of(head, signs), _signs_of(tail, signs[::-1], from_end=True)
    assert kept_first + kept_last <= len(signs)
    assert gap or kept_first == len(signs) or limit < 5


def test_a_sign_without_an_end_is_cut_all_the_same() -> None:
    clipped = clip("e" + "\u0301" * 5_000 + "x", 100)
    assert 0 < len(clipped) <= 100
    assert clip(FLAG * 1_000, 101).replace(FLAG, "") == " … "


def _signs_of(text: str, signs: list[str], *, from_end: bool = False) -> int:
    """How many whole signs a text is made of, which fails where it is not."""
    for number, sign in enumerate(signs):
        if not text:
            return number
        assert text.endswith(sign) if from_end else text.startswith(sign)
        text = text[: -len(sign)] if from_end else text[len(sign) :]
    assert text == ""
    return len(signs)
