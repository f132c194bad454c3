"""A time-out that is for all of a request, where urllib's is for each step of it anew.

So a host that sends single bytes is late as well, and so is one at whose every address nobody
answers. Only how long the look-up of a host's name may take is up to the system.
"""

from __future__ import annotations

from functools import partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection, IncompleteRead
from io import BufferedReader, RawIOBase
from socket import SOCK_STREAM, create_connection, getaddrinfo, socket
from typing import Any, cast
from urllib.request import HTTPHandler, HTTPSHandler, Request

from runbell.deadline import Deadline

LARGEST_ANSWER = 8 * 1024 * 1024
"""Bytes of an answer that are read; Slack's longest are lists of two hundred messages."""

_UNSAID = 60.0
"""Seconds for a request without a time-out of its own."""


class PatientHttp(HTTPHandler):
    """Asks by HTTP, with a time-out for all of a request."""

    def do_open(self, http_class: Any, req: Request, **more: Any) -> HTTPResponse:
        """Ask by a connection of ours; so it is for a host, and for a proxy on the way."""
        del http_class
        return super().do_open(_Connection, req, **more)


class PatientHttps(HTTPSHandler):
    """Asks by HTTPS, with a time-out for all of a request."""

    def do_open(self, http_class: Any, req: Request, **more: Any) -> HTTPResponse:
        """Ask by a connection of ours, through a proxy's tunnel if there is one."""
        del http_class
        return super().do_open(_SecureConnection, req, **more)


class _Connection(HTTPConnection):
    """A connection whose time-out counts from its making on."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._deadline = Deadline(
            self.timeout if isinstance(self.timeout, int | float) else _UNSAID
        )
        self._create_connection = self._reach
        self.response_class = cast("Any", partial(_Answer, deadline=self._deadline))

    def connect(self) -> None:
        """Connect, and leave to TLS and to the sending of the request what time is left."""
        super().connect()
        self.sock.settimeout(_left(self._deadline))

    def _reach(self, address: tuple[str, int], _: object, source: Any) -> socket:
        """Connect to the first of a host's addresses at which somebody answers."""
        failure: OSError = TimeoutError("timed out")
        for *_, (ip, port, *_) in getaddrinfo(*address, type=SOCK_STREAM):
            try:
                return create_connection((str(ip), int(port)), _left(self._deadline), source)
            except OSError as error:
                failure = error
        raise failure


class _SecureConnection(HTTPSConnection, _Connection):
    """The same with TLS, which comes after what _Connection does to connect."""


class _Answer(HTTPResponse):
    """An answer that is read until a deadline, and up to a size."""

    def __init__(self, sock: socket, *args: Any, deadline: Deadline, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp = BufferedReader(_Incoming(sock, self.fp.detach(), deadline))

    def read(self, amt: int | None = None) -> bytes:
        """Read; a whole answer that is cut short, or too large, is none."""
        body = super().read(LARGEST_ANSWER if amt is None else amt)
        if amt is None and (self.length or len(body) == LARGEST_ANSWER):
            raise IncompleteRead(body)
        return body


class _Incoming(RawIOBase):
    """What comes in on a socket, each piece of it in the time that is left."""

    def __init__(self, sock: socket, pieces: RawIOBase, deadline: Deadline) -> None:
        self._sock, self._pieces, self._deadline = sock, pieces, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_left(self._deadline))
        return self._pieces.readinto(buffer)

    def close(self) -> None:
        self._pieces.close()
        super().close()


def _left(deadline: Deadline) -> float:
    """The seconds left, of which there are some: to a socket none would mean not to wait."""
    if seconds := deadline.remaining():
        return seconds
    raise TimeoutError("timed out")
