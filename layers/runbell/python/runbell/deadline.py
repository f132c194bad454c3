"""How much of a function's time is left, so that nothing sleeps into its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol


class LambdaContext(Protocol):
    """What a deadline needs of the context that Lambda hands to a function."""

    def get_remaining_time_in_millis(self) -> int: ...


class Deadline:
    """A moment by which work has to be done.

    Args:
        seconds: How far away it is.
        clock: Seconds that only ever go on.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = clock() + seconds

    @classmethod
    def of(cls, context: LambdaContext, *, reserve: float = 2.0) -> Deadline:
        """The end of an invocation, less `reserve` seconds to wind up in."""
        return cls(context.get_remaining_time_in_millis() / 1000 - reserve)

    def remaining(self) -> float:
        """Seconds left; never less than none."""
        return max(0.0, self._ends - self._clock())
