"""A warm function: a process of its own that answers events and says what each has cost it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from benchmarks.stage import PYTHON, Code

PROGRAM = Path(__file__).with_name("answering.py")


@dataclass(frozen=True)
class Cost:
    """What an answer has cost the function's process.

    Args:
        cpu: Milliseconds of CPU time, of all its threads.
        wall: Milliseconds until it came.
        memory: The most MB that the process has held so far.
        requests: How many it has made to AWS, by operation.
        answer: What the function answered.
    """

    cpu: float
    wall: float
    memory: float
    requests: Mapping[str, int]
    answer: Any


Place: TypeAlias = tuple[str, str, str]
"""A function in Python: its module, its class or "" for none, its name."""


class WarmFunction:
    """A function's process, while its context is open.

    Args:
        code: What it runs.
        environment: What it finds.
    """

    def __init__(self, code: Code, environment: Mapping[str, str]) -> None:
        self._code = code
        self._environment = environment

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [PYTHON, PROGRAM],
            env={**self._environment, "PYTHONPATH": self._code.path, "PYTHONSAFEPATH": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def answer(self, event: Any, seconds: float = 50.0) -> Cost:
        """Have it answer one event, within so many seconds."""
        return Cost(**self._ask(do="answer", event=event, seconds=seconds))

    def profile(
        self, event: Any, times: int, parts: Mapping[str, Sequence[Place]], rest: str
    ) -> dict[str, float]:
        """Have it answer an event many times, and say where its CPU time goes.

        Args:
            event: What it answers.
            times: How often.
            parts: By their names, the functions that are timed together; what one of another part
                takes within them is that part's.
            rest: What the rest is called.

        Returns:
            The milliseconds of each part for one event.
        """
        asked = {"event": event, "times": times, "parts": parts, "rest": rest}
        found: dict[str, float] = self._ask(do="profile", **asked)
        return found

    def _ask(self, **asked: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the function has ended:\n{self._process.communicate()[1]}")
        return json.loads(line)
