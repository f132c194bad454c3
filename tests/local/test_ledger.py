"""The demo's count: it notices what is missing and what comes twice."""

from __future__ import annotations

from typing import Any

import pytest

from local.algolia import Shown
from local.day import a_day
from local.ledger import Promise, promises_of, settle
from local.slack import Call

PROMISED = [
    Promise("a", "created"),
    Promise("a", "failed"),
    Promise("b", "skipped"),
]


def call(method: str, run_id: str, change: int, text: str, **more: Any) -> Call:
    """A request that Slack has taken."""
    form = f"reply {change}" if "thread_ts" in more else "run"
    payload = {"run_id": run_id, "last_change": change, "delivery_id": f"{run_id} {form}"}
    metadata = {"event_payload": payload}
    block = {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}
    arguments = {"metadata": metadata, "blocks": [block], **more}
    return Call(0.0, method, arguments, {"ok": True})


@pytest.fixture
def told() -> list[Call]:
    """Everything, once."""
    return [
        call("chat.postMessage", "a", 1, "🔵 created <!date^1^x|y>"),
        call("chat.update", "a", 2, "🔵 created <!date^1^x|y> → ❌ failed <!date^2^x|y>"),
        call("chat.postMessage", "a", 2, "❌ failed", thread_ts="1.0"),
        call("chat.postMessage", "b", 1, "⏭️ skipped <!date^1^x|y>"),
    ]


def test_everything_told_once_is_balanced(told: list[Call]) -> None:
    """An edit and a reply of the same change are its two ways of being told."""
    ledger = settle(PROMISED, told)
    assert str(ledger) == "3 changes, 3 announced, 0 lost, 0 duplicated"
    assert ledger.is_balanced


def test_a_missing_change_is_lost(told: list[Call]) -> None:
    """Nobody was told of the failure."""
    ledger = settle(PROMISED, [told[0], told[3]])
    assert (ledger.lost, ledger.is_balanced) == (1, False)


@pytest.mark.parametrize("again", [0, 2, 3])
def test_a_message_that_comes_again_is_a_duplicate(told: list[Call], again: int) -> None:
    """A second message of a run, or a second reply to one change."""
    ledger = settle(PROMISED, [*told, told[again]])
    assert (ledger.duplicated, ledger.is_balanced) == (1, False)


def test_what_slack_refused_tells_nobody(told: list[Call]) -> None:
    """A refused request is no announcement."""
    refused = Call(0.0, told[3].method, told[3].arguments, {"ok": False, "error": "is_archived"})
    assert settle(PROMISED, [*told[:3], refused]).lost == 1


def test_a_day_on_which_nothing_happened_is_no_success() -> None:
    """A demo that shows nothing has failed."""
    assert not settle([], []).is_balanced


def test_a_run_that_is_missing_is_found_by_its_task() -> None:
    """It has no ID of Algolia's."""
    told = [call("chat.postMessage", "missed-1", 1, "❓ missed <!date^1^x|y> · Task `t-1`")]
    assert settle([Promise("t-1", "missed")], told).is_balanced
    assert settle([Promise("t-2", "missed")], told).lost == 1


def test_what_a_day_promises_is_what_algolia_has_shown_of_it() -> None:
    """A run that was over before the day began is promised to nobody."""
    day = a_day()
    past = next(run for run in day.runs if not run.words)
    skipped = next(run for run in day.runs if run.life.steps[0].status == "skipped")
    before = promises_of(day, [])
    shown = [
        Shown(past.life.run_id, "finished", "failure", 1.0),
        Shown(skipped.life.run_id, "skipped", None, 1.0),
    ]
    assert [each for each in promises_of(day, shown) if each not in before] == [
        Promise(skipped.life.run_id, "skipped")
    ]


def test_a_message_whose_form_slack_refuses_is_counted(told: list[Call]) -> None:
    """It went out as plain text, which says the same and shows nothing of what it should."""
    answer = {"ok": False, "error": "invalid_blocks"}
    ledger = settle(PROMISED, [*told, Call(0.0, "chat.postMessage", {"blocks": [{}]}, answer)])
    assert not ledger.is_balanced
    assert str(ledger).endswith("1 refused for their form")
