"""The count of what was to be told and what was told, from the stand-ins' own records alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from local.algolia import Shown
from local.slack import Call

_LABELS = {
    ("created", None): "created",
    ("started", None): "started",
    ("finished", "success"): "succeeded",
    ("finished", "failure"): "failed",
    ("skipped", None): "skipped",
}
"""What people read for a state; anything else is shown in Algolia's own words."""


@dataclass(frozen=True)
class Ledger:
    """What the records say.

    Args:
        changes: States of runs that Algolia has shown.
        announced: Those of them that a message in Slack tells.
        duplicated: New messages that say what an earlier one has said.
    """

    changes: int
    announced: int
    duplicated: int

    @property
    def lost(self) -> int:
        """Changes that nobody was told of."""
        return self.changes - self.announced

    @property
    def is_balanced(self) -> bool:
        """Whether everything was told, once."""
        return self.changes > 0 and self.lost == 0 and self.duplicated == 0

    def __str__(self) -> str:
        return (
            f"{self.changes} changes, {self.announced} announced, "
            f"{self.lost} lost, {self.duplicated} duplicated"
        )


def settle(shown: Sequence[Shown], calls: Sequence[Call]) -> Ledger:
    """Hold what Algolia showed against what Slack took."""
    taken = [call for call in calls if isinstance(call.answer, dict) and call.answer.get("ok")]
    told: dict[str, str] = {}
    posts: Counter[tuple[str, ...]] = Counter()
    for call in taken:
        if not (metadata := call.arguments.get("metadata")):
            continue
        about = metadata["event_payload"]
        told[about["run_id"]] = told.get(about["run_id"], "") + json.dumps(
            call.arguments["blocks"], ensure_ascii=False
        )
        if call.method == "chat.postMessage":
            is_reply = bool(call.arguments.get("thread_ts"))
            # A run has one message; what may come again about it are replies to other changes.
            key = (str(about["last_change"]),) if is_reply else ()
            posts[(about["run_id"], *key)] += 1
    announced = sum(
        _LABELS.get((state.status, state.outcome), state.status) + " <!date" in told.get(run, "")
        for state in shown
        for run in (state.run_id,)
    )
    return Ledger(len(shown), announced, sum(count - 1 for count in posts.values()))
