"""The Slack channel as lines of text, while it fills."""

from __future__ import annotations

import html
import time
from typing import TextIO

from local.slack import Call, SlackStandIn

_WAYS = {"chat.postMessage": "post ", "chat.update": "edit ", "webhook": "post "}


class Transcript:
    """Prints what the Slack stand-in takes, each thing once.

    Args:
        slack: The stand-in.
        out: Where to print.
    """

    def __init__(self, slack: SlackStandIn, out: TextIO) -> None:
        self._slack = slack
        self._out = out
        self._printed = 0

    def catch_up(self) -> None:
        """Print what has come since the last time."""
        calls = self._slack.calls
        for call in calls[self._printed :]:
            if line := _line(call):
                print(line, file=self._out, flush=True)
        self._printed = len(calls)


def _line(call: Call) -> str | None:
    if call.method not in _WAYS:
        return None
    way = "reply" if call.arguments.get("thread_ts") else _WAYS[call.method]
    taken = call.answer == "ok" or (isinstance(call.answer, dict) and call.answer.get("ok"))
    words = html.unescape(str(call.arguments.get("text", ""))).replace("\n", " · ")
    clock = time.strftime("%H:%M:%S", time.localtime(call.at))
    note = "" if taken else f"  (refused: {call.answer})"
    return f"  {clock}  {way}  {words[:150]}{note}"
