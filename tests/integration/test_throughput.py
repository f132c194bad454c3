"""A thousand announcements at once go out as fast as Slack takes them: in simulated time.

`python -m benchmarks.notify` measures the same by the wall's clock.
"""

from __future__ import annotations

from collections import defaultdict

import pytest

from local.aws import LocalAws
from local.simulated import delivery
from runbell.outbox import Wake
from tests.integration.conftest import run_of, save

CHANNELS, EACH = 20, 50

LIMIT = EACH - 1
"""Seconds in which Slack takes as many in a channel, one a second."""

GOAL = 1.2

REQUESTS_EACH = 1.05
"""Requests to Slack for each announcement; what is more than one was refused as too early."""


@pytest.mark.parametrize("in_turns", [True, False], ids=["in turns", "channel by channel"])
def test_every_channel_is_told_at_slacks_pace_and_in_order_all_side_by_side(
    aws: LocalAws, in_turns: bool
) -> None:
    expected = {
        f"#channel-{name:02}": [f"run-{number:02} of {name:02}" for number in range(EACH)]
        for name in range(CHANNELS)
    }
    pairs = [(run_id, name) for name, run_ids in expected.items() for run_id in run_ids]
    with delivery(aws, lambda _, __: "fair") as of:
        of.slack.rate_limit = 1.0
        wakes = [
            Wake.of(save(of.store, run_of("started", run_id=run_id), announce_in=name))
            for run_id, name in (sorted(pairs) if in_turns else pairs)
        ]
        began = of.time.seconds()
        of.outbox.enqueue(wakes)
        of.time.sleep(2 * LIMIT)

        asked = [call for call in of.slack.calls if call.method == "chat.postMessage"]
        told: defaultdict[str, list[str]] = defaultdict(list)
        for call in asked:
            assert isinstance(call.answer, dict)
            if call.answer["ok"]:
                payload = call.arguments["metadata"]["event_payload"]
                told[call.arguments["channel"]].append(payload["run_id"])
                assert call.at - began <= GOAL * LIMIT
        assert told == expected
        assert len(asked) <= REQUESTS_EACH * CHANNELS * EACH
