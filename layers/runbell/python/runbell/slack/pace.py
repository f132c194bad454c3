"""The pace at which a channel takes posts: about one a second, as Slack has it.

Slack lets short bursts pass, so nothing waits before it has once asked to:
https://docs.slack.dev/apis/web-api/rate-limits. From then on each post waits for its second, which
is shorter than to be refused and to wait as Slack says.
"""

from __future__ import annotations

import time
from collections.abc import Callable

BETWEEN_POSTS = 1.05
"""Seconds from one post in a channel to the next: a second, and what one may be longer on its way
than the other."""

KEPT_FOR = 600.0
"""Seconds for which the pace is kept after Slack has asked to wait."""


class Pace:
    """Lets the posts of each channel follow one another as fast as Slack takes them.

    A process has one, and knows nothing of what others post. So it also waits at the end, where
    more is likely to come: whoever posts in the same channel next need not be refused.

    Args:
        clock: Seconds that only ever go on.
        sleep: Waits for so many of them.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._posted: dict[str, float] = {}
        self._in_a_row: set[str] = set()
        self._kept_until = float("-inf")

    def wait(self, channel: str) -> None:
        """Wait until a channel takes a post, which is then to be made at once."""
        wait = self._wait_for(channel)
        if wait > 0:
            self._in_a_row.add(channel)
            self._sleep(wait)
        self._posted[channel] = self._clock()

    def slow_down(self) -> None:
        """Keep the pace from now on, since Slack has asked to wait."""
        self._kept_until = self._clock() + KEPT_FOR

    def wind_up(self, seconds: float) -> None:
        """Wait until the channels that were told things in a row take another post.

        Args:
            seconds: How long it may take; if that does not suffice, nothing is waited for.
        """
        wait = max(map(self._wait_for, self._in_a_row), default=0.0)
        self._in_a_row.clear()
        if 0 < wait <= seconds:
            self._sleep(wait)

    def _wait_for(self, channel: str) -> float:
        now = self._clock()
        if now >= self._kept_until:
            return 0.0
        return self._posted.get(channel, float("-inf")) + BETWEEN_POSTS - now
