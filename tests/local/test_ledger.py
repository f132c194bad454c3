"""The demo's count: it notices what is missing and what comes twice."""

from __future__ import annotations

from typing import Any

import pytest

from local.algolia import Shown
from local.ledger import settle
from local.slack import Call

SHOWN = [
    Shown("a", "created", None, 1.0),
    Shown("a", "finished", "failure", 2.0),
    Shown("b", "skipped", None, 3.0),
]


def call(method: str, run_id: str, change: int, text: str, **more: Any) -> Call:
    """A request that Slack has taken."""
    metadata = {"event_payload": {"run_id": run_id, "last_change": change}}
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
    ledger = settle(SHOWN, told)
    assert str(ledger) == "3 changes, 3 announced, 0 lost, 0 duplicated"
    assert ledger.is_balanced


def test_a_missing_change_is_lost(told: list[Call]) -> None:
    """Nobody was told of the failure."""
    ledger = settle(SHOWN, [told[0], told[3]])
    assert (ledger.lost, ledger.is_balanced) == (1, False)


@pytest.mark.parametrize("again", [0, 2, 3])
def test_a_message_that_comes_again_is_a_duplicate(told: list[Call], again: int) -> None:
    """A second message of a run, or a second reply to one change."""
    ledger = settle(SHOWN, [*told, told[again]])
    assert (ledger.duplicated, ledger.is_balanced) == (1, False)


def test_what_slack_refused_tells_nobody(told: list[Call]) -> None:
    """A refused request is no announcement."""
    refused = Call(0.0, told[3].method, told[3].arguments, {"ok": False, "error": "is_archived"})
    assert settle(SHOWN, [*told[:3], refused]).lost == 1


def test_a_day_on_which_nothing_happened_is_no_success() -> None:
    """A demo that shows nothing has failed."""
    assert not settle([], []).is_balanced
