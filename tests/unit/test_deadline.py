"""How much time is left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runbell.deadline import Deadline

if TYPE_CHECKING:
    from tests.unit.conftest import Clock


class Context:
    """The part of Lambda's context that tells the time left."""

    def __init__(self, milliseconds: int) -> None:
        self.milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


def test_time_runs_out_and_never_below_nothing(clock: Clock) -> None:
    deadline = Deadline(10.0, clock)
    assert deadline.remaining() == 10.0
    clock.advance(7.5)
    assert deadline.remaining() == 2.5
    clock.advance(100.0)
    assert deadline.remaining() == 0.0


def test_a_deadline_gone_by_leaves_nothing(clock: Clock) -> None:
    assert Deadline(-1.0, clock).remaining() == 0.0


@pytest.mark.parametrize(
    ("milliseconds", "reserve", "left"), [(30_000, 2.0, 28.0), (30_000, 5.0, 25.0), (1_500, 2.0, 0)]
)
def test_an_invocations_deadline_keeps_time_to_wind_up_in(
    milliseconds: int, reserve: float, left: float
) -> None:
    remaining = Deadline.of(Context(milliseconds), reserve=reserve).remaining()
    assert remaining == pytest.approx(left, abs=0.5)
    assert remaining <= left


def test_two_seconds_are_kept_unless_said_otherwise() -> None:
    assert Deadline.of(Context(30_000)).remaining() <= 28.0
