"""One channel in trouble delays no other: in simulated time, with batches as SQS makes them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from local.aws import LocalAws
from local.simulated import Delivery, Weather, delivery
from local.slack import SlackStandIn
from runbell.outbox import Wake
from tests.integration.conftest import run_of, save

BROKEN = "#broken"
OTHERS = [f"#other-{number}" for number in range(4)]
TICK = 60.0

Trouble = tuple[Callable[[SlackStandIn], object], Weather]
"""What is done to a channel, and how requests for it fare."""

TROUBLES: dict[str, Trouble] = {
    "archived": (lambda slack: slack.archive(BROKEN), "fair"),
    "removed": (lambda slack: slack.remove(BROKEN), "fair"),
    "unavailable": (lambda _: None, "503"),
    "out of reach": (lambda _: None, "refused"),
    "hanging": (lambda _: None, "hanging"),
}


def tell(of: Delivery, run_id: str, channel: str, *, wake: bool = True) -> Wake:
    item = save(of.store, run_of("started", run_id=run_id), announce_in=channel)
    if wake:
        of.outbox.enqueue([Wake.of(item)])
    return Wake.of(item)


def told(of: Delivery, channel: str) -> list[str]:
    payloads = [each.metadata or {} for each in of.slack.messages(channel)]
    return [payload["event_payload"]["run_id"] for payload in payloads]


@pytest.mark.parametrize("place", [0, 2], ids=["first of the batch", "in its middle"])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_other_channels_of_a_batch_are_told_within_the_same_tick(
    aws: LocalAws, trouble: str, place: int
) -> None:
    bring_about, weather = TROUBLES[trouble]
    channels = [*OTHERS[:place], BROKEN, *OTHERS[place:]]

    with delivery(aws, lambda _, channel: weather if channel == BROKEN else "fair") as of:
        bring_about(of.slack)
        wakes = [tell(of, f"in {name}", name, wake=False) for name in channels]
        of.outbox.enqueue(wakes)
        of.time.sleep(TICK)

        assert of.source.invoked[0].taken == 5  # so they were in one batch
        assert [told(of, name) for name in OTHERS] == [[f"in {name}"] for name in OTHERS]
        assert told(of, BROKEN) == []


def test_a_channel_that_goes_on_hanging_delays_no_news_of_others_by_a_tick(aws: LocalAws) -> None:
    """Each of its tries takes up an invocation; what comes along with it goes to the next one."""
    with delivery(aws, lambda _, name: "hanging" if name == BROKEN else "fair") as of:
        for number in range(10):
            tell(of, f"broken-{number}", BROKEN)
        for minute in range(20):
            of.time.sleep(TICK * 0.9)
            tell(of, f"other-{minute}", OTHERS[0])
            of.time.sleep(TICK * 0.1)
        of.time.sleep(TICK)

        seen_at = [call.at for call in of.slack.calls if call.method == "chat.postMessage"]
        assert told(of, OTHERS[0]) == [f"other-{minute}" for minute in range(20)]
        assert len(seen_at) == 20
        begin = seen_at[0] - TICK * 0.9
        late = [at - begin - (minute + 0.9) * TICK for minute, at in enumerate(seen_at)]
        assert max(late) < TICK


def test_four_hanging_channels_and_one_that_is_well_in_a_batch(aws: LocalAws) -> None:
    """The worst that a batch can hold: it is served within two minutes, hanging ones before it."""
    hanging = [f"#hanging-{number}" for number in range(4)]

    with delivery(aws, lambda _, name: "hanging" if name in hanging else "fair") as of:
        of.outbox.enqueue(
            [tell(of, f"in {name}", name, wake=False) for name in [*hanging, OTHERS[0]]]
        )
        of.time.sleep(2 * TICK)

        assert told(of, OTHERS[0]) == [f"in {OTHERS[0]}"]
        assert of.queues.bodies("dead") == []


def test_what_had_to_wait_for_hanging_channels_is_not_taken_for_undeliverable(
    aws: LocalAws,
) -> None:
    """A word that comes often because others take all the time is no dead letter."""
    channels = [f"#hanging-{number:02}" for number in range(20)]

    with delivery(aws, lambda _, __: "hanging") as of:
        for name in channels:
            for number in range(5):
                tell(of, f"{number} in {name}", name)
        of.time.sleep(60 * TICK)
        assert of.queues.bodies("dead") == []


def test_a_channel_at_its_limit_delays_no_other(aws: LocalAws) -> None:
    """Fifty announcements take a channel more than a minute, and others don't wait for it."""
    with delivery(aws, lambda _, __: "fair") as of:
        of.slack.rate_limit = 1.0
        for number in range(50):
            tell(of, f"busy-{number}", BROKEN)
        of.time.sleep(5)
        for name in OTHERS:
            tell(of, f"in {name}", name)
        of.time.sleep(20)

        assert [told(of, name) for name in OTHERS] == [[f"in {name}"] for name in OTHERS]
        assert len(told(of, BROKEN)) < 50
        of.time.sleep(75)  # two seconds for each
        assert told(of, BROKEN) == [f"busy-{number}" for number in range(50)]
