"""A time that goes on only while everybody waits, so that an hour takes what is done in it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import heappop, heappush
from itertools import count
from types import TracebackType
from typing import Self


class _Over(BaseException):
    """Ends a process that waits when its time is over."""


@dataclass(order=True)
class _Waiting:
    """A process that waits for a moment; of two at the same moment the first to wait goes first."""

    until: float
    turn: int
    go: threading.Event = field(compare=False)


class SimulatedTime:
    """Lets processes wait in a time of their own, not in the real one, while its context is open.

    Each process is a thread, and only one of them runs at any moment: until it waits or ends. So
    the same play takes the same course each time, and nothing it does has to be safe for threads.

    Args:
        begin: When it begins.
    """

    def __init__(self, begin: datetime = datetime(2026, 3, 2, 9, tzinfo=UTC)) -> None:
        self._seconds = begin.timestamp()
        self._waiting: list[_Waiting] = []
        self._turns = count()
        self._processes: set[threading.Thread] = set()
        self._stands_still = threading.Event()
        self._is_over = False
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over = True
        while self._waiting:
            self._let_go(heappop(self._waiting))

    def seconds(self) -> float:
        """The moment, in seconds since 1970."""
        return self._seconds

    def now(self) -> datetime:
        """The time of day."""
        return datetime.fromtimestamp(self._seconds, UTC)

    def start(self, act: Callable[[], None]) -> None:
        """Begin a process at this moment, beside whoever runs."""
        mine = _Waiting(self._seconds, next(self._turns), threading.Event())

        def live() -> None:
            mine.go.wait()
            try:
                if not self._is_over:
                    act()
            except _Over:
                pass
            except BaseException as error:  # noqa: BLE001 (raised again by `run`)
                self._failure = error
            finally:
                self._processes.discard(threading.current_thread())
                self._stands_still.set()

        process = threading.Thread(target=live, daemon=True)
        self._processes.add(process)
        heappush(self._waiting, mine)
        process.start()

    def sleep(self, seconds: float) -> None:
        """Wait; who is no process lets the time go on for all."""
        if threading.current_thread() not in self._processes:
            self.run(seconds)
            return
        mine = _Waiting(self._seconds + seconds, next(self._turns), threading.Event())
        heappush(self._waiting, mine)
        self._stands_still.set()
        mine.go.wait()
        if self._is_over:
            raise _Over

    def run(self, seconds: float) -> None:
        """Let the time go on for all; raises what a process has raised."""
        end = self._seconds + seconds
        while self._waiting and self._waiting[0].until <= end:
            first = heappop(self._waiting)
            self._seconds = max(self._seconds, first.until)
            self._let_go(first)
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
        self._seconds = end

    def _let_go(self, process: _Waiting) -> None:
        """Let a process do what it does until it waits again or ends."""
        self._stands_still.clear()
        process.go.set()
        self._stands_still.wait()
