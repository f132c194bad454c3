"""A function's process: reads an event a line, and writes what answering it has cost.

It is run as a program, with the function's folders in PYTHONPATH, so it imports nothing of ours.
What the handler logs is formatted, and goes nowhere.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

ENOUGH = 50.0
"""Seconds that a function has where its time is not what is measured."""

REQUESTS: Counter[str] = Counter()
"""Those to AWS that the event has cost, by operation."""


class Context:
    """What Lambda tells a function about its invocation.

    Args:
        seconds: Until its end.
    """

    function_name = "function"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:function"
    aws_request_id = "request"

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Until its end."""
        return int((self._ends - time.monotonic()) * 1000)


class Clock:
    """Times parts of the work; what is timed within another part is not that part's."""

    def __init__(self) -> None:
        self.parts: Counter[str] = Counter()
        self._inner = [0.0]

    def timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """The function, with its CPU time counted as a part's."""

        @wraps(function)
        def timed_function(*args: Any, **more: Any) -> Any:
            self._inner.append(0.0)
            began = time.process_time()
            try:
                return function(*args, **more)
            finally:
                whole = time.process_time() - began
                self.parts[part] += whole - self._inner.pop()  # type: ignore[assignment]
                self._inner[-1] += whole

        return timed_function

    def attach(self, module: str, owner: str, name: str, part: str) -> None:
        """Time a function of a module, or of a class in it."""
        found: Any = importlib.import_module(module)
        place = getattr(found, owner) if owner else found
        kept = vars(place)[name]
        if isinstance(kept, classmethod):
            setattr(place, name, classmethod(self.timed(kept.__func__, part)))
        else:
            setattr(place, name, self.timed(kept, part))


def answer(handler: Callable[..., Any], event: Any, seconds: float) -> dict[str, Any]:
    """Answer an event; see `benchmarks.warm_process.Cost`."""
    REQUESTS.clear()
    wall, cpu = time.perf_counter(), time.process_time()
    answered = handler(event, Context(seconds))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {
        "cpu": 1000 * cpu,
        "wall": 1000 * wall,
        "memory": peak(),
        "requests": REQUESTS,
        "answer": answered,
    }


def profile(
    handler: Callable[..., Any], event: Any, times: int, parts: dict[str, Any], rest: str
) -> dict[str, float]:
    """Answer an event many times; see `benchmarks.warm_process.WarmFunction.profile`."""
    clock = Clock()
    for part, places in parts.items():
        for module, owner, name in places:
            clock.attach(module, owner, name, part)
    whole = clock.timed(handler, rest)
    for _ in range(times):
        whole(event, Context(ENOUGH))
    return {part: 1000 * seconds / times for part, seconds in clock.parts.items()}


def count_requests() -> None:
    """Count the requests to AWS from now on, by operation."""
    from botocore.httpsession import URLLib3Session

    truly = URLLib3Session.send

    def send(session: Any, request: Any) -> Any:
        target = request.headers.get("X-Amz-Target", b"")
        name = target.decode() if isinstance(target, bytes) else str(target)
        REQUESTS[name.rpartition(".")[2]] += 1
        return truly(session, request)

    URLLib3Session.send = send  # type: ignore[assignment, method-assign]


def peak() -> float:
    """The most MB that this process has held; what getrusage says is its parent's, if more."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


DEEDS: dict[str, Callable[..., Any]] = {"answer": answer, "profile": profile}


def main() -> None:
    """Do what is asked, line by line, until there are no more lines."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    app: Any = importlib.import_module("app")
    count_requests()
    for line in sys.stdin:
        asked = json.loads(line)
        do = DEEDS[asked.pop("do")]
        print(json.dumps(do(app.handler, **asked)), file=output, flush=True)


if __name__ == "__main__":
    main()
