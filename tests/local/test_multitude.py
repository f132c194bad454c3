"""The multitude of changes: all of it comes out right, and the play notices what does not."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from local.simulated import table as simulated_table
from local.simulated.multitude import CHANGES_A_RUN, Multitude, Played, Trouble
from runbell.inbox import Inbox
from runbell.store import RunStore
from runbell.sweeper import Sweep, Sweeper

CHANGES = 1_800
MUCH = Trouble(
    doubled_looks=0.05, late_looks=0.05, races=0.05, doubled_words=0.05, kills=0.02, hidden=0.3
)
INJECTED = ("races", "doubled looks", "late looks", "doubled words", "kills", "hidden posts")


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of lines would tell of what goes wrong on purpose."""
    caplog.set_level(logging.CRITICAL, logger="runbell")


def play(seed: int = 1, trouble: Trouble = MUCH) -> Played:
    multitude = Multitude(seed, trouble)
    for _ in multitude.play(CHANGES):
        pass
    return multitude.played


def test_every_change_is_committed_once_and_told_in_order_whatever_goes_wrong() -> None:
    played = play()

    assert played.wrong == []
    assert played.counts["commits"] == played.counts["changes"] >= CHANGES
    assert all(played.counts[name] for name in INJECTED), "each kind of trouble was met"
    assert played.counts["duplicates"] <= played.counts["hidden posts"]


def test_without_trouble_nothing_is_done_twice() -> None:
    played = play(trouble=Trouble(0, 0, 0, 0, 0, 0))

    assert played.wrong == []
    assert played.counts["duplicates"] == 0
    assert not any(played.counts[name] for name in INJECTED)


def test_the_same_seed_takes_the_same_course_and_another_a_different_one() -> None:
    assert play(7).counts == play(7).counts != play(8).counts


def test_it_is_noticed_when_lost_races_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated_table, "holds", lambda *_: True)

    assert any("committed as" in word for word in play().wrong)


def test_it_is_noticed_when_nobody_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sweeper, "sweep", lambda *_: Sweep(0, 0))

    assert any("still to be told" in word for word in play().wrong)


def test_it_is_noticed_when_nobody_looks_for_what_a_killed_process_has_posted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    truly = Inbox._deliver

    def without_a_look(self: Inbox, record: Any, deadline: Any, *, is_first: bool) -> bool:
        del is_first
        return truly(self, record, deadline, is_first=False)

    monkeypatch.setattr(Inbox, "_deliver", without_a_look)

    assert any("was posted 2 times" in word for word in play().wrong)


def test_it_is_noticed_when_a_commit_leaves_out_that_it_is_to_be_announced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    truly = RunStore.commit

    def in_silence(self: RunStore, *rest: Any, **more: Any) -> Any:
        return truly(self, *rest, **{**more, "announce_in": None})

    monkeypatch.setattr(RunStore, "commit", in_silence)

    runs = {word.partition(":")[0] for word in play().wrong if word.startswith("run-")}
    assert len(runs) >= CHANGES / CHANGES_A_RUN
