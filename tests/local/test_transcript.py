"""The demo's lines: what people would read, without Slack's markup and without IDs."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any, cast

from local.slack import Call
from local.transcript import LONGEST, Transcript


def printed(text: str, **more: Any) -> str:
    """The line that is printed of a post."""
    call = Call(0.0, "chat.postMessage", {"channel": "#runs", "text": text, **more}, {"ok": True})
    out = io.StringIO()
    Transcript(cast(Any, SimpleNamespace(calls=[call])), out).catch_up()
    return out.getvalue().strip().partition("  ")[2].strip()


def test_a_date_is_printed_as_a_reader_without_a_zone_sees_it() -> None:
    told = printed("It was due <!date^1^{time}|20:31 UTC>\nReason: a &lt;b&gt;")
    assert told == "post   #runs  It was due 20:31 UTC · Reason: a <b>"


def test_a_tasks_id_is_left_out_and_the_connection_stays() -> None:
    assert printed("✅ Run succeeded: a → b (task 1-2)") == "post   #runs  ✅ Run succeeded: a → b"
    assert printed("✅ Run (outlet, task 1-2)") == "post   #runs  ✅ Run (outlet)"


def test_a_reply_is_called_so_and_a_long_line_is_cut() -> None:
    told = printed("x" * 999, thread_ts="1.0")
    assert told.startswith("reply  #runs  xxx")
    assert told.endswith("x…")
    assert len(told) == LONGEST + len("reply  #runs  ")


def test_a_refusal_is_printed_with_its_word() -> None:
    call = Call(0.0, "chat.postMessage", {"text": "a"}, {"ok": False, "error": "is_archived"})
    out = io.StringIO()
    Transcript(cast(Any, SimpleNamespace(calls=[call])), out).catch_up()
    assert "refused" in out.getvalue()
    assert "is_archived" in out.getvalue()
