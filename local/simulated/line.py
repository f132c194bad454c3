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

Weather = Literal["fair", "refused", "503", "hanging", "slow"]
"""How a request fares: as Slack means it, at nobody who listens, at a gateway that says 503, with no
answer for as long as the client waits, or with the answer at the last moment."""

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
        channel: What it names as its channel.
        weather: How it fared.
    """

    at: float
    method: str
    channel: str
    weather: Weather


class Line(HTTPHandler):
    """Carries every request of this process that goes by urllib, while it is `open`.

    Args:
        time: Whose seconds requests take.
        weather: How a request fares that is begun now: by its method and channel.
    """

    def __init__(self, time: SimulatedTime, weather: Callable[[str, str], Weather]) -> None:
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
        urllib.request.install_opener(before)  # type: ignore[arg-type]

    def http_open(self, req: Request) -> Any:
        """Carry one request."""
        method, channel = req.selector.rpartition("/")[2], _channel_in(req)
        weather = self._weather(method, channel)
        self.attempts.append(Attempt(self._time.seconds(), method, channel, weather))
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
            case "slow":
                self._time.sleep(patience - LAST_MOMENT)
            case "fair":
                self._time.sleep(USUAL)
        return super().http_open(req)


def _channel_in(request: Request) -> str:
    data = request.data
    if not isinstance(data, bytes):
        return ""
    try:
        said = json.loads(data)
    except ValueError:
        said = {name: values[0] for name, values in parse_qs(data.decode()).items()}
    return str(said.get("channel", ""))


def _unavailable(request: Request) -> addinfourl:
    """A gateway's page, as urllib's own handlers take it."""
    answer = addinfourl(BytesIO(b"<html>503</html>"), HTTPMessage(), request.full_url, 503)
    answer.msg = "Service Unavailable"  # type: ignore[attr-defined]
    return answer
