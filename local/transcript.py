"""The Slack channel as lines of text, while it fills."""

from __future__ import annotations

import html
import re
import time
from typing import TextIO

from local.slack import Call, SlackStandIn

LONGEST = 230
"""Characters of a message that are printed."""

_DATE = re.compile(r"<!date\^[^|>]*\|([^>]*)>")
_TASK = re.compile(r" \((?:([^(),]+), )?task [^()]*\)")

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
    words = _plain(str(call.arguments.get("text", "")))
    clock = time.strftime("%H:%M:%S", time.localtime(call.at))
    channel = str(call.arguments.get("channel", ""))
    where = f"{channel}  " if channel.startswith("#") else ""  # an edit names it by an ID
    note = "" if taken else f"  (refused: {call.answer})"
    return f"  {clock}  {way}  {where}{words}{note}"


def _plain(text: str) -> str:
    """A message's words on a line: dates as they stand for readers without a zone, no task IDs."""
    text = _DATE.sub(r"\1", _TASK.sub(_keep_connection, text))
    words = html.unescape(text.replace("<!here>", "@here")).replace("\n", " · ")
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"


def _keep_connection(found: re.Match[str]) -> str:
    return f" ({found[1]})" if found[1] else ""
