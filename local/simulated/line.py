"""The line to Slack in simulated time: each request takes its while, and some find Slack away."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPMessage
from io import BytesIO
from typing import Any, Literal
from urllib.error import URLError
from urllib.parse import parse_qs
from urllib.request import HTTPHandler, Request, build_opener
from urllib.response import addinfourl

from local.simulated.clock import SimulatedTime

Weather = Literal["fair", "refused", "503", "hanging", "slow", "lost"]
"""How a request fares: as Slack means it, at nobody who listens, at a gateway that says 503, with
no answer for as long as the client waits, with its answer at the last moment, or taken by Slack and
its answer lost while the client waits."""

USUAL = 0.2
"""Seconds that Slack takes for an answer."""

LAST_MOMENT = 0.1
"""Seconds before the client's patience is over at which a slow answer comes."""


@dataclass(frozen=True)
class Attempt:
    """A request to Slack that was begun.

    Args:
        at: When, in seconds since 1970.
        method: The Web API's name for it.
        channel: What it names as its channel: its name or its ID.
        run_id: The run that its message is about, if it has one.
        weather: How it fared.
    """

    at: float
    method: str
    channel: str
    run_id: str
    weather: Weather


class Line(HTTPHandler):
    """Carries every request of this process that goes by urllib, while it is `open`.

    Args:
        time: Whose seconds requests take.
        weather: How a request fares, by its time and channel.
    """

    def __init__(self, time: SimulatedTime, weather: Callable[[float, str], Weather]) -> None:
        super().__init__()
        self._time = time
        self._weather = weather
        self.attempts: list[Attempt] = []

    @contextmanager
    def open(self) -> Iterator[None]:
        """Be the way that urllib goes."""
        before = getattr(urllib.request, "_opener", None)
        urllib.request.install_opener(build_opener(self))
        yield
        urllib.request.install_opener(before)

    def http_open(self, req: Request) -> Any:
        """Carry one request."""
        at, arguments = self._time.seconds(), _arguments(req)
        method, channel = req.selector.rpartition("/")[2], str(arguments.get("channel", ""))
        weather = self._weather(at, channel)
        self.attempts.append(Attempt(at, method, channel, _run_in(arguments), weather))
        patience = float(req.timeout or 0)
        match weather:
            case "refused":
                raise URLError(ConnectionRefusedError("nobody listens"))
            case "503":
                self._time.sleep(USUAL)
                return _unavailable(req)
            case "hanging":
                self._time.sleep(patience)
                raise TimeoutError("timed out")
            case "lost":
                super().http_open(req).read()
                self._time.sleep(patience)
                raise TimeoutError("timed out")
            case "slow":
                self._time.sleep(patience - LAST_MOMENT)
            case "fair":
                self._time.sleep(USUAL)
        return super().http_open(req)


def _arguments(request: Request) -> dict[str, Any]:
    """What a method is asked, in JSON or as a form."""
    data = request.data if isinstance(request.data, bytes) else b""
    try:
        said: dict[str, Any] = json.loads(data)
    except ValueError:
        return {name: values[0] for name, values in parse_qs(data.decode()).items()}
    return said


def _run_in(arguments: dict[str, Any]) -> str:
    payload = arguments.get("metadata", {}).get("event_payload", {})
    return str(payload.get("run_id", ""))


def _unavailable(request: Request) -> addinfourl:
    """A gateway's page, as urllib's own handlers take it."""
    answer = addinfourl(BytesIO(b"<html>503</html>"), HTTPMessage(), request.full_url, 503)
    answer.msg = "Service Unavailable"  # type: ignore[attr-defined]
    return answer
