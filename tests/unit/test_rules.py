"""Which changes are told, and where."""

from __future__ import annotations

import pytest

from runbell.changes import State
from runbell.rules import Announcement, Kind, Routing, Watch, announce, kind_of

ALL = frozenset({"created", "started", "succeeded", "failed", "skipped"})

STATES = [
    ("created", None, Kind.CREATED),
    ("started", None, Kind.STARTED),
    ("finished", "success", Kind.SUCCEEDED),
    ("finished", "failure", Kind.FAILED),
    ("skipped", None, Kind.SKIPPED),
    ("skipped", "success", Kind.SKIPPED),
    ("skipped", "failure", Kind.FAILED),
    ("started", "failure", Kind.FAILED),
    ("paused", "failure", Kind.FAILED),
    ("finished", None, Kind.OTHER),
    ("finished", "processing", Kind.OTHER),
    ("started", "success", Kind.OTHER),
    ("created", "success", Kind.OTHER),
    ("paused", None, Kind.OTHER),
    ("", None, Kind.OTHER),
]


@pytest.mark.parametrize(("status", "outcome", "kind"), STATES)
def test_a_state_has_a_meaning(status: str, outcome: str | None, kind: Kind) -> None:
    assert kind_of(State(status, outcome)) is kind


@pytest.mark.parametrize(("status", "outcome", "kind"), STATES)
def test_what_was_asked_for_is_told_and_the_rest_is_not(
    status: str, outcome: str | None, kind: Kind
) -> None:
    assert kind_of(State(status, outcome)) is kind
    told = Announcement(kind, "#runs")
    without = ALL - {kind.value}
    assert announce(kind, Routing("#runs", ALL)) == told
    assert announce(kind, Routing("#runs", without)) == (told if kind is Kind.OTHER else None)
    assert announce(kind, Routing("#runs", frozenset({kind.value}))) == told


def test_an_unnamed_state_is_told_even_to_those_who_want_nothing() -> None:
    told = announce(Kind.OTHER, Routing("#runs", frozenset()))
    assert told == Announcement(Kind.OTHER, "#runs")


def test_who_hears_of_stalls_hears_that_a_run_moves_again() -> None:
    assert announce(Kind.RESUMED, Routing("#runs", frozenset({"stalled"}))) is not None
    assert announce(Kind.RESUMED, Routing("#runs", ALL)) is None


@pytest.mark.parametrize(
    ("watch", "expected"),
    [
        (None, Routing("#runs", ALL)),
        (Watch(), Routing("#runs", ALL)),
        (Watch(channel="#mine"), Routing("#mine", ALL)),
        (Watch(notify_on=frozenset({"failed"})), Routing("#runs", frozenset({"failed"}))),
        (Watch(notify_on=frozenset()), Routing("#runs", frozenset())),
        (Watch("#mine", frozenset({"failed"})), Routing("#mine", frozenset({"failed"}))),
    ],
)
def test_a_watchs_wishes_come_first(watch: Watch | None, expected: Routing) -> None:
    assert Routing("#runs", ALL).with_watch(watch) == expected
