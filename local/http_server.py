"""A loopback HTTP server that answers for a service, truly or with a fault."""

import logging
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from local.faults import Fault, Faults
from local.http_messages import Answer, Asked, Request, proxy_page, refused

__all__ = ["Answer", "Asked", "LoopbackServer", "Request"]

logger = logging.getLogger(__name__)

FAULTS_PATH = "/_control/faults"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
STOP_SECONDS = 5.0
PIECES = 8
"""In how many pieces a slow answer is sent."""


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

    def faults_for(self, request: Request) -> Faults:  # noqa: ARG002
        """The faults that a request meets, or that a control request is about."""
        return self.faults

    def answer_truly(self, request: Request) -> Answer:
        """The service's own answer; an exception becomes a 500 and a logged traceback."""
        try:
            return self.handle(request)
        except Exception:
            logger.exception("could not answer %s %s", request.method, request.target)
            return Answer.of_json(500, {"message": "The stand-in failed; its log says why"})

    def control(self, request: Request) -> Answer:
        """Add the faults a person asks for, or forget the waiting ones."""
        faults = self.faults_for(request)
        match request.method:
            case "POST":
                try:
                    faults.add_described(request.json())
                except (TypeError, ValueError) as error:
                    return Answer.of_json(400, {"message": str(error)})
            case "DELETE":
                faults.clear()
            case _:
                return Answer.of_json(405, {"message": "Faults are asked for by POST or DELETE"})
        return Answer.of_json(200, {"injected": faults.counts})


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

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """A client that went away is no news; anything else is a fault of ours."""
        ours = not isinstance(sys.exception(), OSError)
        level = logging.ERROR if ours else logging.DEBUG
        logger.log(level, "connection from %s broke", client_address, exc_info=True)

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
        fault = owner.faults_for(request).take(f"{request.method} {request.target}", body)
        self._answer(owner, request, fault)

    def _answer(self, owner: LoopbackServer, request: Request, fault: Fault | None) -> None:
        if fault and fault.taken:
            owner.answer_truly(request)
        match fault.kind if fault else None:
            case None:
                self._give(owner, request, owner.answer_truly(request))
            case "delay":
                assert fault
                if owner.stopping.wait(fault.seconds):
                    owner.note(request, None)
                    self._drop()
                else:
                    self._give(owner, request, owner.answer_truly(request))
            case "status" | "error":
                assert fault
                self._give(owner, request, owner.refuse(fault))
            case "html":
                assert fault
                self._give(owner, request, proxy_page(fault))
            case "garbage":
                self._give(owner, request, Answer(200, b"this is {no JSON"))
            case "truncated":
                answer = owner.answer_truly(request)
                owner.note(request, answer.status)
                self.close_connection = True
                self._send(answer, cut=len(answer.body) // 2)
            case "mislabelled":
                answer = replace(owner.answer_truly(request), content_type="text/plain")
                self._give(owner, request, answer)
            case "slow":
                assert fault
                self._give(owner, request, owner.answer_truly(request), seconds=fault.seconds)
            case "timeout":
                assert fault
                owner.stopping.wait(fault.seconds)
                owner.note(request, None)
                self._drop()
            case "drop_before":
                owner.note(request, None)
                self._drop()
            case "drop_after":
                owner.answer_truly(request)
                owner.note(request, None)
                self._drop()

    def _give(
        self, owner: LoopbackServer, request: Request, answer: Answer, *, seconds: float = 0.0
    ) -> None:
        """Note the answer before it is sent: who has read it finds it noted."""
        if self._client_has_left():
            owner.note(request, None)
            self.close_connection = True
            return
        owner.note(request, answer.status)
        if answer.when_given:
            answer.when_given()
        self._send(answer, seconds=seconds)

    def _send(self, answer: Answer, *, cut: int | None = None, seconds: float = 0.0) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        body = answer.body[:cut]
        pieces = PIECES if seconds else 1
        size = -(-len(body) // pieces) or 1
        for begin in range(0, len(body) or 1, size):
            self.wfile.write(body[begin : begin + size])
            self.wfile.flush()
            if seconds:
                self.server.owner.stopping.wait(seconds / pieces)

    def _client_has_left(self) -> bool:
        try:
            waiting: bytes = self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return not waiting

    def _drop(self) -> None:
        """Close with a reset: the socket goes when the last of its files does, in finish()."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.connection.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        logger.debug(format, *args)


def _shut_down(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("connection was closed already")
