"""The pace of posts: none waits before Slack asks to, then each waits for its second."""

from __future__ import annotations

import pytest

from runbell.slack.pace import BETWEEN_POSTS, KEPT_FOR, Pace


class Time:
    """Seconds that go on when somebody sleeps, and what was slept."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def pace(time: Time) -> Pace:
    return Pace(clock=time, sleep=time.sleep)


def test_a_burst_waits_for_nothing_while_slack_takes_it(pace: Pace, time: Time) -> None:
    for _ in range(10):
        pace.wait("#a")
    pace.wind_up(10)

    assert time.slept == []


def test_once_slack_has_asked_to_wait_each_post_waits_for_its_second(
    pace: Pace, time: Time
) -> None:
    began = time.now
    pace.wait("#a")
    pace.slow_down()
    for _ in range(4):
        pace.wait("#a")
        time.now += 0.2  # that a post takes

    assert time.now == pytest.approx(began + 4 * BETWEEN_POSTS + 0.2)


def test_one_channel_waits_for_no_other(pace: Pace, time: Time) -> None:
    pace.slow_down()
    for name in ("#a", "#b", "#c"):
        pace.wait(name)

    assert time.slept == []


def test_a_channel_that_was_told_things_in_a_row_is_left_ready_for_more(
    pace: Pace, time: Time
) -> None:
    pace.slow_down()
    pace.wait("#a")
    pace.wait("#a")
    last = time.now
    pace.wind_up(10)

    assert time.now == pytest.approx(last + BETWEEN_POSTS)
    pace.wind_up(10)
    assert time.now == pytest.approx(last + BETWEEN_POSTS), "nothing was told since"


def test_a_single_announcement_keeps_nobody_waiting(pace: Pace, time: Time) -> None:
    pace.slow_down()
    pace.wait("#a")
    pace.wind_up(10)

    assert time.slept == []


def test_nothing_is_waited_for_at_the_end_that_the_time_does_not_suffice_for(
    pace: Pace, time: Time
) -> None:
    pace.slow_down()
    pace.wait("#a")
    pace.wait("#a")
    before = time.now
    pace.wind_up(BETWEEN_POSTS / 2)

    assert time.now == before


def test_after_a_while_bursts_are_let_pass_again(pace: Pace, time: Time) -> None:
    pace.slow_down()
    time.now += KEPT_FOR
    pace.wait("#a")
    pace.wait("#a")

    assert time.slept == []
