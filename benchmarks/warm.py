"""A function's process: answers one event after the other, and says what each of them took.

It is run as a program, by the interpreter and with the path of the function that it plays, so it
imports nothing but what every interpreter has. An event is a line on its input: `event` and the
`seconds` until Lambda would end the function. What it answers is a line on its output: `answer`,
`seconds`, `cpu` (seconds of all its threads), `peak` (MB held at the most so far) and `requests`
(to AWS, by operation).
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any


class Invocation:
    """What Lambda tells a function of its own invocation.

    Args:
        seconds: Until its end.
    """

    function_name = "measured"
    function_version = "1"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:measured"
    memory_limit_in_mb = 512
    aws_request_id = "request"

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        """Until Lambda ends it."""
        return int((self._ends - time.monotonic()) * 1000)


class _Nobody:
    """A Slack that takes everything at once."""

    def chat_postMessage(self, **_: Any) -> None:  # noqa: N802 (Slack's own name)
        """Take a message."""


def _count_requests() -> Counter[str]:
    """Count the requests to AWS from now on."""
    from botocore.httpsession import URLLib3Session

    counts: Counter[str] = Counter()
    truly = URLLib3Session.send

    def send(session: Any, request: Any) -> Any:
        target = request.headers.get("X-Amz-Target", b"")
        name = target.decode() if isinstance(target, bytes) else str(target)
        counts[name.rpartition(".")[2]] += 1
        return truly(session, request)

    URLLib3Session.send = send  # type: ignore[assignment, method-assign]
    return counts


def _peak() -> float:
    """The most MB that this process has held; getrusage would count its parent's, too."""
    status = Path("/proc/self/status").read_text("utf-8")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def main() -> None:
    """Answer events until there are no more."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # where the function's log goes
    counts = _count_requests()
    app: Any = importlib.import_module("app")
    if "--without-slack" in sys.argv:
        app.slack = _Nobody
    for line in sys.stdin:
        asked = json.loads(line)
        counts.clear()
        began, cpu = time.monotonic(), time.process_time()
        answer = app.handler(asked["event"], Invocation(asked["seconds"]))
        said = {
            "answer": answer,
            "seconds": time.monotonic() - began,
            "cpu": time.process_time() - cpu,
            "peak": _peak(),
            "requests": counts,
        }
        print(json.dumps(said), file=output, flush=True)


if __name__ == "__main__":
    main()
