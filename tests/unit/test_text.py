"""Long texts are cut in their middle."""

from __future__ import annotations

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


@given(st.text(), st.integers(min_value=0, max_value=60))
def test_a_clipped_text_fits_and_keeps_its_beginning(text: str, limit: int) -> None:
    clipped = clip(text, limit)
    assert len(clipped) == min(len(text), limit)
    assert text.startswith(clipped.partition(" … ")[0]) or " … " in text


@given(st.text(min_size=41, max_size=300), st.integers(min_value=10, max_value=40))
def test_head_and_tail_are_both_kept(text: str, limit: int) -> None:
    clipped = clip(text, limit)
    tail = (limit - 3) // 3
    assert clipped == text[: limit - 3 - tail] + " … " + text[-tail:]
