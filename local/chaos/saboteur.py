"""Breaks a function's own calls from within its process: goes into the function, and knows nothing.

Every client of a function ends at `http.client`. There each request is looked at once it is
complete, and an order for its operation is carried out: the process is killed before the request
goes out or after its answer came, the connection breaks at one of these moments, or AWS throttles.

An order is an empty file, named `NUMBER~FUNCTION~OPERATION~ACT`; whoever moves it has it. What was
done is a line of JSON in a file, written before it is done.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

KILL_BEFORE, KILL_AFTER = "kill-before", "kill-after"
DROP_BEFORE, DROP_AFTER = "drop-before", "drop-after"
THROTTLE = "throttle"

_HEAD = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.1\r\n")
_TARGET = re.compile(rb"\r\nX-Amz-Target: *\w+\.(\w+)", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)", re.IGNORECASE)
_RUN_ID = re.compile(rb"run-\d+-\d+")
_THROTTLED = json.dumps({"__type": "ThrottlingException", "message": "slow down"}).encode()


class Saboteur:
    """Carries out orders for one function.

    Args:
        folder: Holds `orders`, `taken` and the file `deeds`.
        function: Which function's process this is.
    """

    def __init__(self, folder: str, function: str) -> None:
        self._folder = Path(folder)
        self._function = function
        self._of_thread = threading.local()

    def order_for(self, operation: str) -> str | None:
        """Take the oldest order for an operation; None if there is none."""
        for order in sorted((self._folder / "orders").iterdir()):
            _, function, wanted, act = order.name.split("~")
            if (function, wanted) == (self._function, operation):
                try:
                    order.rename(self._folder / "taken" / order.name)
                except FileNotFoundError:
                    continue  # another process was quicker
                return act
        return None

    def remember(self, request: bytes) -> list[str]:
        """Tell which runs a request is about; one that names none belongs to those before it."""
        named = sorted({each.decode() for each in _RUN_ID.findall(request)})
        self._of_thread.runs = named or getattr(self._of_thread, "runs", [])
        return list(self._of_thread.runs)

    def note(self, operation: str, act: str, runs: list[str]) -> None:
        """Write down what is about to be done."""
        deed = {
            "at": time.time(),
            "function": self._function,
            "operation": operation,
            "act": act,
            "runs": runs,
        }
        with (self._folder / "deeds").open("ab", buffering=0) as deeds:
            deeds.write(json.dumps(deed).encode() + b"\n")  # in one piece, whoever else writes

    def install(self) -> None:
        """Stand between this process and every service that it asks."""
        send, getresponse = http.client.HTTPConnection.send, http.client.HTTPConnection.getresponse

        def send_or_break(connection: Any, data: Any) -> None:
            call = _Call.of(connection, data)
            if not call.is_complete():
                return
            call.runs = self.remember(call.request)
            call.act = self.order_for(call.operation)
            if call.act in {KILL_BEFORE, DROP_BEFORE, THROTTLE}:
                self.note(call.operation, call.act, call.runs)
            if call.act == KILL_BEFORE:
                os._exit(137)
            if call.act == DROP_BEFORE:
                connection.close()
                raise ConnectionResetError("the saboteur has cut the line")
            if call.act == THROTTLE:
                if connection.sock is None:
                    connection.connect()
                return
            send(connection, call.request)

        def answer_or_break(connection: Any) -> http.client.HTTPResponse:
            call = vars(connection).pop("_sabotaged", None)
            if call and call.act == THROTTLE:
                connection.close()
                return _throttled()
            answer = getresponse(connection)
            if call and call.act in {KILL_AFTER, DROP_AFTER}:
                self.note(call.operation, call.act, call.runs)
                if call.act == KILL_AFTER:
                    os._exit(137)
                connection.close()
                raise http.client.RemoteDisconnected("the saboteur has cut the line")
            return answer

        http.client.HTTPConnection.send = send_or_break  # type: ignore[assignment,method-assign]
        http.client.HTTPConnection.getresponse = answer_or_break  # type: ignore[assignment,method-assign]


class _Call:
    """A request on its way, held back until it is complete."""

    def __init__(self) -> None:
        self.request = b""
        self.act: str | None = None
        self.runs: list[str] = []

    @classmethod
    def of(cls, connection: Any, data: bytes) -> _Call:
        """The request that these bytes begin or go on with."""
        known = vars(connection).get("_sabotaged")
        if not isinstance(known, cls) or known.is_complete():
            known = vars(connection)["_sabotaged"] = cls()
        known.request += bytes(data)
        return known

    def is_complete(self) -> bool:
        head, end, body = self.request.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        return bool(end) and len(body) >= (int(length[1]) if length else 0)

    @property
    def operation(self) -> str:
        """AWS's name for it, Slack's method, or the kind of thing that Algolia is asked for."""
        target = _TARGET.search(self.request)
        if target:
            return target[1].decode()
        head = _HEAD.match(self.request)
        parts = head[2].decode().partition("?")[0].split("/") if head else [""]
        return parts[2] if len(parts) > 2 else parts[-1]


class _Canned(io.BytesIO):
    """Stands for a socket that has already had its answer."""

    def makefile(self, *_: object) -> io.BytesIO:
        return self


def _throttled() -> http.client.HTTPResponse:
    head = (
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.0\r\n"
        f"x-amzn-RequestId: sabotage\r\nContent-Length: {len(_THROTTLED)}\r\n\r\n"
    )
    canned: socket.socket = _Canned(head.encode() + _THROTTLED)  # type: ignore[assignment]
    answer = http.client.HTTPResponse(canned, method="POST")
    answer.begin()
    return answer
