"""A loopback HTTP server that answers for a service, truly or with a fault."""

import json
import logging
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from local.faults import Fault, Faults

logger = logging.getLogger(__name__)

FAULTS_PATH = "/_control/faults"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Request:
    """One request as the handler of a stand-in reads it."""

    method: str
    target: str
    """Path and query as they were sent, still percent-encoded."""
    headers: Mapping[str, str]
    """Looked up in any case."""
    body: bytes = b""

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def segments(self) -> list[str]:
        """The decoded parts of the path: ``/1/runs/a%2Fb`` gives 1, runs and a/b."""
        return [unquote(part) for part in self.path.split("/")[1:]]

    def json(self) -> Any:
        """The body read as JSON; raises ValueError when it is none."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """One answer, with what to do once a client is there to get it."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    when_given: Callable[[], None] | None = None
    """Called as the answer goes out whole, never for one that a fault kept back."""

    @classmethod
    def of_json(
        cls,
        status: int,
        value: object,
        *,
        headers: Mapping[str, str] | None = None,
        when_given: Callable[[], None] | None = None,
    ) -> Self:
        body = json.dumps(value).encode()
        return cls(status, body, headers=headers or {}, when_given=when_given)


@dataclass(frozen=True)
class Asked:
    """One request that came in, and the status it was answered with.

    The status is None when no answer reached the client. A body sent short keeps its status.
    """

    at: float
    method: str
    path: str
    query: dict[str, list[str]]
    status: int | None


def refused(fault: Fault) -> Answer:
    """A JSON error as most services write it, for the faults ``status`` and ``error``."""
    message = fault.error or _phrase(fault.status)
    return Answer.of_json(fault.status, {"message": message}, headers=_retry_after(fault))


class LoopbackServer:
    """A server on 127.0.0.1 that runs in threads of its own while its context is open.

    ``handle`` answers a request truly, and may be called by several threads at once;
    an exception in it is logged and answered with a 500. ``refuse`` writes the faults
    ``status`` and ``error`` in the service's own way. Port 0 takes any free port.
    A person may ask for faults too, with POST and DELETE on ``/_control/faults``.
    """

    def __init__(
        self,
        handle: Callable[[Request], Answer],
        faults: Faults,
        *,
        port: int = 0,
        clock: Callable[[], float] = time.time,
        refuse: Callable[[Fault], Answer] = refused,
    ) -> None:
        self.handle = handle
        self.faults = faults
        self.refuse = refuse
        self.stopping = threading.Event()
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: list[Asked] = []
        self._server = _Server(port, self)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name=self.url, daemon=True
        ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()

    @property
    def requests(self) -> list[Asked]:
        """Every request so far, in the order they were answered, control requests left out."""
        with self._lock:
            return self._asked.copy()

    def note(self, request: Request, status: int | None) -> None:
        """Remember a request just before its answer goes out."""
        asked = Asked(self._clock(), request.method, request.path, request.query, status)
        with self._lock:
            self._asked.append(asked)

    def answer_truly(self, request: Request) -> Answer:
        """The service's own answer; an exception becomes a 500 and a logged traceback."""
        try:
            return self.handle(request)
        except Exception:
            logger.exception("could not answer %s %s", request.method, request.target)
            return Answer.of_json(500, {"message": "The stand-in failed; its log says why"})

    def control(self, request: Request) -> Answer:
        """Add the faults a person asks for, or forget the waiting ones."""
        match request.method:
            case "POST":
                try:
                    self.faults.add_described(request.json())
                except (TypeError, ValueError) as error:
                    return Answer.of_json(400, {"message": str(error)})
            case "DELETE":
                self.faults.clear()
            case _:
                return Answer.of_json(405, {"message": "Faults are asked for by POST or DELETE"})
        return Answer.of_json(200, {"injected": self.faults.counts})


class _Server(ThreadingHTTPServer):
    """Remembers the open connections, so that closing hangs up on idle clients."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, owner: LoopbackServer) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.owner = owner
        self._open: set[Any] = set()
        self._change = threading.Condition()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._change:
            self._open.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        super().close_request(request)
        with self._change:
            self._open.discard(request)
            self._change.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""
        logger.debug("connection from %s ended early", client_address, exc_info=True)

    def hang_up(self) -> None:
        with self._change:
            for connection in self._open:
                _shut_down(connection)
            self._change.wait_for(lambda: not self._open, timeout=STOP_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    """Reads a request, applies the fault meant for it, and answers."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _serve(self) -> None:
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._send(Answer.of_json(411, {"message": "Content-Length is required"}))
            return
        length = self.headers.get("Content-Length") or "0"
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True
            self._send(Answer.of_json(400, {"message": "Content-Length is no number"}))
            return
        body = self.rfile.read(int(length))
        request = Request(self.command, self.path, self.headers, body)
        owner = self.server.owner
        if request.path == FAULTS_PATH:
            self._send(owner.control(request))
            return
        fault = owner.faults.take(f"{request.method} {request.target}")
        self._answer(owner, request, fault)

    def _answer(self, owner: LoopbackServer, request: Request, fault: Fault | None) -> None:
        match fault.kind if fault else None:
            case None:
                self._give(owner, request, owner.answer_truly(request))
            case "delay":
                assert fault
                owner.stopping.wait(fault.seconds)
                self._give(owner, request, owner.answer_truly(request))
            case "status" | "error":
                assert fault
                self._give(owner, request, owner.refuse(fault))
            case "html":
                assert fault
                self._give(owner, request, _proxy_page(fault))
            case "garbage":
                self._give(owner, request, Answer(200, b"this is {no JSON"))
            case "truncated":
                answer = owner.answer_truly(request)
                owner.note(request, answer.status)
                self.close_connection = True
                self._send(answer, cut=len(answer.body) // 2)
            case "drop_before":
                owner.note(request, None)
                self._drop()
            case "drop_after":
                owner.answer_truly(request)
                owner.note(request, None)
                self._drop()

    def _give(self, owner: LoopbackServer, request: Request, answer: Answer) -> None:
        """Note the answer before it is sent: who has read it finds it noted."""
        if self._client_has_left():
            owner.note(request, None)
            self.close_connection = True
            return
        owner.note(request, answer.status)
        if answer.when_given:
            answer.when_given()
        self._send(answer)

    def _send(self, answer: Answer, *, cut: int | None = None) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body[:cut])
        self.wfile.flush()

    def _client_has_left(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        try:
            return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def _drop(self) -> None:
        """Close with a reset: the socket goes when the last of its files does, in finish()."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.connection.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        logger.debug(format, *args)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


def _retry_after(fault: Fault) -> dict[str, str]:
    return {} if fault.retry_after is None else {"Retry-After": fault.retry_after}


def _proxy_page(fault: Fault) -> Answer:
    title = f"{fault.status} {_phrase(fault.status)}"
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Answer(fault.status, page.encode(), "text/html", _retry_after(fault))


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("connection was closed already")
