"""Retry-After, in every form that HTTP has for it."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbell.retry_after import parse_retry_after

NOW = 1_767_225_600.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 0.0), ("30", 30.0), ("1.5", 1.5), (" 2 ", 2.0), ("-5", 0.0), ("1e1", 10.0)],
)
def test_seconds_with_or_without_a_fraction(value: str, seconds: float) -> None:
    assert parse_retry_after(value) == seconds


@pytest.mark.parametrize(("ahead", "seconds"), [(90, 90.0), (0, 0.0), (-3600, 0.0)])
def test_a_date_is_counted_from_now_and_one_gone_by_means_at_once(
    ahead: int, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)
    assert parse_retry_after(formatdate(NOW + ahead, usegmt=True)) == seconds


@pytest.mark.parametrize(
    "value", [None, "", " ", "soon", "nan", "inf", "1e999", "1,5", "Thu, 99 Foo 2026 00:00:00 GMT"]
)
def test_what_makes_no_sense_is_none(value: str | None) -> None:
    assert parse_retry_after(value) is None


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ \S*"))
def test_any_header_gives_seconds_or_none(value: str) -> None:
    seconds = parse_retry_after(value)
    assert seconds is None or 0.0 <= seconds < float("inf")
