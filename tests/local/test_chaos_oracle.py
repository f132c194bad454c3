"""The campaign's oracle: it finds what is lost, doubled, out of order or made up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from local.algolia import Shown
from local.chaos.campaign import Outcome
from local.chaos.command import read, report, write
from local.chaos.oracle import judge
from local.chaos.sabotage import Deed
from local.chaos.weather import Met
from local.slack import Call

RUN, OTHER = "run-1-00001", "run-1-00002"
SHOWN = [
    Shown(RUN, "created", None, 1.0),
    Shown(RUN, "started", None, 2.0),
    Shown(OTHER, "skipped", None, 2.5),
    Shown(RUN, "finished", "failure", 3.0),
]


def told(method: str, icon: str, *story: str, run_id: str = RUN, **more: Any) -> Call:
    """A message that Slack has taken, as people read it."""
    lines = [f"{icon} Reindex run did something", "  →  ".join(f"{s} <!date^1^x|y>" for s in story)]
    text = "\n".join([*filter(None, lines), f"Run `{run_id}` · Debugger"])
    blocks = [{"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}]
    arguments = {"text": text, "blocks": blocks, **more}
    return Call(0.0, f"chat.{method}", arguments, {"ok": True, "channel": "C1"})


@pytest.fixture
def calls() -> list[Call]:
    """Everything, once and in order."""
    return [
        told("postMessage", "🔵", "created"),
        told("update", "🔄", "created", "started"),
        told("postMessage", "⏭️", "skipped", run_id=OTHER),
        told("update", "❌", "created", "started", "failed"),
        told("postMessage", "❌", thread_ts="1.0"),
    ]


def test_what_is_told_once_and_in_order_is_right(calls: list[Call]) -> None:
    verdict = judge(SHOWN, calls, [], [])
    assert verdict.is_right
    assert (verdict.changes, verdict.announced, verdict.duplicates, verdict.out_of_order) == (
        4,
        4,
        0,
        0,
    )


def test_plain_words_count_as_well_as_blocks(calls: list[Call]) -> None:
    for call in calls:
        del call.arguments["blocks"]
    assert judge(SHOWN, calls, [], []).is_right


def test_a_lost_change_is_found(calls: list[Call]) -> None:
    verdict = judge(SHOWN, calls[:3], [], [])
    assert (verdict.announced, verdict.is_right) == (3, False)
    assert verdict.complaints == (f"{RUN}: finished failure is lost",)


def test_a_message_that_slack_has_refused_tells_nothing(calls: list[Call]) -> None:
    refused = Call(0.0, calls[2].method, calls[2].arguments, {"ok": False, "error": "ratelimited"})
    assert judge(SHOWN, [*calls[:2], refused, *calls[3:]], [], []).announced == 3


@pytest.mark.parametrize("again", [0, 2, 4])
def test_a_doubled_post_without_an_excuse_is_found(calls: list[Call], again: int) -> None:
    verdict = judge(SHOWN, [*calls, calls[again]], [], [])
    assert verdict.duplicates == 1
    assert not verdict.is_right


def test_an_edit_that_comes_twice_is_no_duplicate(calls: list[Call]) -> None:
    assert judge(SHOWN, [*calls, calls[3]], [], []).is_right


LOST_ANSWER = Met("dropped after", "POST /api/chat.postMessage", (RUN,), True)
KILLED = Deed("notify", "UpdateItem", "kill-before", (RUN,))


@pytest.mark.parametrize(("met", "deeds"), [([LOST_ANSWER], []), ([], [KILLED])])
def test_a_lost_answer_or_a_kill_excuses_one_duplicate_of_its_run(
    calls: list[Call], met: list[Met], deeds: list[Deed]
) -> None:
    verdict = judge(SHOWN, [calls[0], *calls], met, deeds)
    assert verdict.is_right
    assert (verdict.duplicates, verdict.allowed) == (1, 1)
    assert not judge(SHOWN, [calls[0], calls[0], *calls], met, deeds).is_right
    assert not judge(SHOWN, [*calls, calls[2]], met, deeds).is_right, "of another run"


@pytest.mark.parametrize(
    "met",
    [
        Met("503", "POST /api/chat.postMessage", (RUN,), False),
        Met("dropped after", "POST /api/chat.update", (RUN,), True),
    ],
)
def test_what_was_not_posted_excuses_nothing(calls: list[Call], met: Met) -> None:
    assert not judge(SHOWN, [calls[0], *calls], [met], []).is_right


def test_what_poll_went_through_excuses_nothing(calls: list[Call]) -> None:
    deed = Deed("poll", "UpdateItem", "kill-after", (RUN,))
    assert not judge(SHOWN, [calls[0], *calls], [], [deed]).is_right


def test_a_story_that_goes_back_is_found(calls: list[Call]) -> None:
    verdict = judge(SHOWN, [*calls, calls[1]], [], [])
    assert (verdict.out_of_order, verdict.is_right) == (1, False)


def test_a_story_in_another_order_is_found(calls: list[Call]) -> None:
    calls[1] = told("update", "🔄", "started", "created")
    assert judge(SHOWN, calls, [], []).out_of_order == 1


def test_a_run_that_was_never_shown_is_found(calls: list[Call]) -> None:
    stranger = told("postMessage", "🔵", "created", run_id="run-1-00009")
    assert judge(SHOWN, [*calls, stranger], [], []).complaints == (
        "run-1-00009: told, and never shown",
    )


def test_nothing_at_all_is_not_right() -> None:
    assert not judge([], [], [], []).is_right


def test_an_outcome_is_read_as_it_was_left(tmp_path: Path, calls: list[Call]) -> None:
    left = Outcome(
        seed=7,
        verdict=judge(SHOWN, calls[:3], [], []),
        faults={"Slack: 503": 3},
        ticks=1,
        calls=9,
        failed=3,
        seconds=60.0,
        complaints=("run-1-00001 is still pending",),
    )
    write(left, str(tmp_path))
    (file,) = tmp_path.iterdir()
    assert read(file) == left
    assert "  BROKEN: run-1-00001 is still pending" in report(left)
    assert "4 changes made, 3 announced, 0 duplicates (0 were allowed)" in report(left)
    assert "     3  Slack: 503" in report(left)
