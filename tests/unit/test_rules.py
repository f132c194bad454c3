"""Which changes are told, where, and to whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runbell.changes import State
from runbell.quiet import QuietHours
from runbell.rules import (
    LEAST_OVERTIME,
    OVERTIME,
    Announcement,
    Kind,
    Mute,
    Routing,
    Standstill,
    Watch,
    announce,
    has_resumed,
    kind_in_story,
    kind_of,
    may_take,
    standstill_of,
)
from runbell.run import Progress, Run

MakeRun = Callable[..., Run]

NOW = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)

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
    assert announce(kind, Routing("#runs", ALL), NOW) == told
    assert announce(kind, Routing("#runs", without), NOW) == (told if kind is Kind.OTHER else None)
    assert announce(kind, Routing("#runs", frozenset({kind.value})), NOW) == told


def test_an_unnamed_state_is_told_even_to_those_who_want_nothing() -> None:
    told = announce(Kind.OTHER, Routing("#runs", frozenset()), NOW)
    assert told == Announcement(Kind.OTHER, "#runs")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Kind.RECOVERED, {"recovered", "succeeded"}),
        (Kind.BLOCKED, {"failed"}),
        (Kind.RESUMED, {"stalled"}),
        (Kind.MISSED, {"stalled"}),
        (Kind.SUCCEEDED, {"succeeded"}),
        (Kind.STALLED, {"stalled"}),
    ],
)
def test_a_kind_is_told_to_those_who_asked_for_it_by_any_of_its_words(
    kind: Kind, words: set[str]
) -> None:
    for word in Kind:
        told = announce(kind, Routing("#runs", frozenset({word})), NOW)
        assert (told is not None) is (word in words)


@pytest.mark.parametrize("kind", list(Kind))
def test_who_was_told_of_a_standstill_hears_what_became_of_it(kind: Kind) -> None:
    nothing = Routing("#runs", frozenset())
    assert announce(kind, nothing, NOW, owed=True) == Announcement(kind, "#runs")


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("owed", [True, False])
def test_nothing_at_all_is_told_while_it_is_muted(kind: Kind, owed: bool) -> None:
    routing = Routing("#runs", frozenset(Kind), muted_until="2026-01-31T10:30:00+01:00")
    assert announce(kind, routing, NOW - timedelta(seconds=1), owed=owed) is None
    assert announce(kind, routing, NOW, owed=True) is not None


@pytest.mark.parametrize("until", [None, "", "soon", "2026-01-31T09:29:59Z"])
def test_what_is_no_moment_to_come_mutes_nothing(until: str | None) -> None:
    assert announce(Kind.FAILED, Routing("#runs", ALL, muted_until=until), NOW) is not None


@pytest.mark.parametrize(
    "silence",
    [
        {"mute": Mute("U1", "2026-01-31T09:00:00Z")},
        {"mute": Mute("U1", "2026-01-31T09:00:00Z", "2026-01-31T10:00:00Z")},
        {"quiet_hours": QuietHours("09:00", "10:00")},
        {"muted_until": "2026-01-31T10:00:00Z"},
    ],
    ids=["mute until it recovers", "mute for a time", "quiet hours", "a watch's mute"],
)
class TestSilence:
    @pytest.mark.parametrize("kind", list(Kind))
    def test_what_somebody_has_just_asked_for_is_told_all_the_same(
        self, silence: dict[str, Any], kind: Kind
    ) -> None:
        routing = replace(Routing("#runs", frozenset(Kind), ("U1",)), **silence)
        insisted = routing.with_watch(Watch(insists=True))
        assert announce(kind, insisted, NOW) == Announcement(kind, "#runs", ("U1",))
        assert announce(kind, insisted.with_watch(Watch()), NOW) is not None, "nor taken back"

    def test_a_recovery_is_told_in_the_thread_of_its_failures_alone(
        self, silence: dict[str, Any]
    ) -> None:
        routing = replace(Routing("#runs", frozenset(Kind)), **silence)
        told = announce(Kind.RECOVERED, routing, NOW, in_incident=True)
        aloud = Announcement(Kind.RECOVERED, "#runs")
        if "muted_until" in silence:
            assert told is None, "who wants nothing to be heard before a moment hears nothing"
        elif silence == {"mute": Mute("U1", "2026-01-31T09:00:00Z")}:
            assert told == aloud, "it is what that mute waits for"
        else:
            assert told == replace(aloud, hushed=True)

    def test_nothing_else_is_hushed(self, silence: dict[str, Any]) -> None:
        routing = replace(Routing("#runs", frozenset(Kind)), **silence)
        for kind in set(Kind) - {Kind.RECOVERED}:
            told = announce(kind, routing, NOW, in_incident=True)
            assert told is None or not told.hushed
        alone = announce(Kind.RECOVERED, routing, NOW)
        assert alone is None or not alone.hushed, "there is no thread that it could be told in"


@pytest.mark.parametrize("kind", list(Kind))
def test_a_mute_until_a_task_recovers_does_not_hide_that_it_never_will(kind: Kind) -> None:
    endless = Mute("U1", "2026-01-31T09:00:00Z")
    for_a_time = replace(endless, until="2026-01-31T10:00:00Z")
    routing = Routing("#runs", frozenset(Kind), mute=endless)
    is_told = announce(kind, routing, NOW) is not None
    assert is_told is (kind in {Kind.BLOCKED, Kind.SUCCEEDED, Kind.RECOVERED})
    assert announce(kind, replace(routing, mute=for_a_time), NOW) is None
    later = NOW + timedelta(minutes=30)
    assert announce(kind, replace(routing, mute=for_a_time), later) is not None


@pytest.mark.parametrize("kind", list(Kind))
def test_who_was_woken_by_a_beginning_hears_of_its_end_in_quiet_hours(kind: Kind) -> None:
    def is_held(breaks: set[str], *, owed: bool = False, in_incident: bool = False) -> bool:
        hours = QuietHours("09:00", "10:00", break_through=frozenset(breaks))
        routing = Routing("#runs", frozenset(Kind), quiet_hours=hours)
        told = announce(kind, routing, NOW, owed=owed, in_incident=in_incident)
        assert told is not None
        return told.held is not None or told.hushed

    assert not is_held({"stalled"}, owed=True)
    asks = kind in {Kind.STALLED, Kind.RESUMED, Kind.MISSED}
    assert is_held({"stalled"}) is not asks
    assert is_held(set(), owed=True)
    failures_break = kind in {Kind.FAILED, Kind.BLOCKED}
    assert is_held({"failed"}, in_incident=True) is not (failures_break or kind is Kind.RECOVERED)
    assert is_held({"failed"}) is not failures_break


def test_an_announcement_knows_whom_to_mention() -> None:
    told = announce(Kind.FAILED, Routing("#runs", ALL, mentions=("U1", "here")), NOW)
    assert told == Announcement(Kind.FAILED, "#runs", ("U1", "here"))


@pytest.mark.parametrize(
    ("state", "code", "failures", "kind"),
    [
        (("finished", "success"), "ok", 0, Kind.SUCCEEDED),
        (("finished", "success"), "ok", 1, Kind.RECOVERED),
        (("finished", "success"), "blocking", 3, Kind.RECOVERED),
        (("finished", "failure"), "critical", 4, Kind.FAILED),
        (("finished", "failure"), None, 0, Kind.FAILED),
        (("finished", "failure"), "blocking", 4, Kind.BLOCKED),
        (("finished", "failure"), "blocking", 0, Kind.BLOCKED),
        (("skipped", None), "blocking", 5, Kind.BLOCKED),
        (("skipped", None), "no_events", 5, Kind.SKIPPED),
        (("started", None), "blocking", 5, Kind.STARTED),
        (("created", None), None, 5, Kind.CREATED),
        (("finished", "processing"), "blocking", 5, Kind.OTHER),
    ],
)
def test_a_state_means_more_in_its_tasks_story(
    state: tuple[str, str | None], code: str | None, failures: int, kind: Kind
) -> None:
    assert kind_in_story(State(*state), code, failures) is kind


@pytest.mark.parametrize(
    ("watch", "expected"),
    [
        (None, Routing("#runs", ALL)),
        (Watch(), Routing("#runs", ALL)),
        (Watch(channel="#mine"), Routing("#mine", ALL)),
        (Watch(notify_on=frozenset({"failed"})), Routing("#runs", frozenset({"failed"}))),
        (Watch(notify_on=frozenset()), Routing("#runs", frozenset())),
        (Watch("#mine", frozenset({"failed"})), Routing("#mine", frozenset({"failed"}))),
        (Watch(mentions=("U1",)), Routing("#runs", ALL, mentions=("U1",))),
        (Watch(muted_until="2026"), Routing("#runs", ALL, muted_until="2026")),
        (Watch(stalled_after=5), Routing("#runs", ALL, stalled_after=timedelta(minutes=5))),
        (Watch(stalled_after=0), Routing("#runs", ALL)),
    ],
)
def test_a_watchs_wishes_come_first(watch: Watch | None, expected: Routing) -> None:
    assert Routing("#runs", ALL).with_watch(watch) == expected


HOUR = timedelta(hours=1)
OURS = Routing("#runs", ALL, ("S1",), "2027-01-01T00:00:00Z", HOUR)


def test_what_a_watch_leaves_open_stays_as_it_is() -> None:
    assert OURS.with_watch(None) == OURS
    assert OURS.with_watch(Watch()) == OURS


def test_a_watch_can_wish_for_nothing() -> None:
    nothing = Watch("#mine", frozenset(), (), "", 0)
    assert OURS.with_watch(nothing) == Routing("#mine", frozenset(), (), "", None)


def test_a_runs_watch_comes_before_its_tasks() -> None:
    task = Watch("#task", frozenset({"failed"}), ("U1",), stalled_after=10)
    run = Watch("#run", mentions=(), stalled_after=0)
    told = OURS.with_watch(task).with_watch(run)
    assert told == Routing("#run", frozenset({"failed"}), (), "2027-01-01T00:00:00Z", None)


@pytest.mark.parametrize(
    ("typical", "at_most"),
    [
        (None, None),
        (timedelta(0), LEAST_OVERTIME),
        (LEAST_OVERTIME / OVERTIME, LEAST_OVERTIME),
        (timedelta(minutes=10), timedelta(minutes=30)),
    ],
)
def test_a_run_may_take_a_multiple_of_what_is_typical_and_some_minutes_anyway(
    typical: timedelta | None, at_most: timedelta | None
) -> None:
    assert may_take(typical) == at_most


class TestAStandstill:
    @pytest.mark.parametrize(
        ("quiet_for", "patience", "standstill"),
        [
            (HOUR, HOUR, Standstill.QUIET),
            (HOUR - timedelta(seconds=1), HOUR, None),
            (100 * HOUR, None, None),
        ],
    )
    def test_a_run_without_news_for_too_long_is_quiet(
        self,
        quiet_for: timedelta,
        patience: timedelta | None,
        standstill: Standstill | None,
        make_run: MakeRun,
    ) -> None:
        run = make_run(status="started")
        for stalls in ([], ["quiet"], ["overtime"]):
            told = _standstill(run, run, stalls, quiet_for=quiet_for, patience=patience)
            assert told is standstill

    def test_a_run_with_news_is_not_quiet(self, make_run: MakeRun) -> None:
        before, now = _moving(make_run)
        assert _standstill(before, now, [], quiet_for=9 * HOUR) is None

    @pytest.mark.parametrize(
        ("running_for", "at_most", "standstill"),
        [
            (HOUR, HOUR, Standstill.OVERTIME),
            (HOUR - timedelta(seconds=1), HOUR, None),
            (9 * HOUR, None, None),
            (None, HOUR, None),
        ],
    )
    def test_a_run_that_moves_but_takes_too_long_is_over_time(
        self,
        running_for: timedelta | None,
        at_most: timedelta | None,
        standstill: Standstill | None,
        make_run: MakeRun,
    ) -> None:
        before, now = _moving(make_run)
        told = _standstill(before, now, [], running_for=running_for, at_most=at_most)
        assert told is standstill

    @pytest.mark.parametrize("stalls", [["quiet"], ["overtime"], ["quiet", "quiet"]])
    def test_who_has_heard_of_one_standstill_need_not_hear_that_it_takes_long(
        self, stalls: list[str], make_run: MakeRun
    ) -> None:
        before, now = _moving(make_run)
        assert _standstill(before, now, stalls, running_for=9 * HOUR, at_most=HOUR) is None

    def test_quiet_comes_before_over_time(self, make_run: MakeRun) -> None:
        run = make_run(status="started")
        told = _standstill(run, run, [], quiet_for=HOUR, running_for=9 * HOUR, at_most=HOUR)
        assert told is Standstill.QUIET

    def test_nothing_stalls_where_nobody_wants_it(self, make_run: MakeRun) -> None:
        run = make_run(status="started")
        told = _standstill(
            run, run, [], quiet_for=HOUR, patience=None, running_for=9 * HOUR, at_most=HOUR
        )
        assert told is None

    @pytest.mark.parametrize("status", ["created", "finished", "skipped", "paused"])
    def test_only_a_started_run_stalls_or_moves_again(self, status: str, make_run: MakeRun) -> None:
        run = make_run(status=status)
        told = _standstill(run, run, [], quiet_for=9 * HOUR, running_for=9 * HOUR, at_most=HOUR)
        assert told is None
        assert not has_resumed(make_run(status="started"), run, ["quiet"])

    def test_a_run_moves_again_with_its_first_news(self, make_run: MakeRun) -> None:
        before, now = _moving(make_run)
        assert has_resumed(before, now, ["quiet"])
        assert has_resumed(before, now, ["overtime", "quiet"])
        assert not has_resumed(now, now, ["quiet"])

    def test_a_run_that_takes_long_was_moving_all_the_time(self, make_run: MakeRun) -> None:
        before, now = _moving(make_run)
        assert not has_resumed(before, now, ["overtime"])
        assert not has_resumed(before, now, ["quiet", "overtime"])


def _moving(make_run: MakeRun) -> tuple[Run, Run]:
    """Two looks at a run that has received something in between."""
    before = make_run(status="started")
    return before, replace(before, progress=Progress(expected=10, received=1))


def _standstill(
    previous: Run,
    current: Run,
    stalls: list[str],
    *,
    quiet_for: timedelta = timedelta(0),
    patience: timedelta | None = HOUR,
    running_for: timedelta | None = None,
    at_most: timedelta | None = None,
) -> Standstill | None:
    return standstill_of(
        previous,
        current,
        stalls,
        quiet_for=quiet_for,
        patience=patience,
        running_for=running_for,
        at_most=at_most,
    )
