"""What a stand-in reads and writes: requests, answers, and the record of both."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from local.faults import Fault


@dataclass(frozen=True)
class Request:
    """One request as the handler of a stand-in reads it."""

    method: str
    target: str
    """Path and query as they were sent, still percent-encoded."""
    headers: Message
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


def proxy_page(fault: Fault) -> Answer:
    """An error page as a proxy in between would write it."""
    title = f"{fault.status} {_phrase(fault.status)}"
    page = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Answer(fault.status, page.encode(), "text/html", _retry_after(fault))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


def _retry_after(fault: Fault) -> dict[str, str]:
    return {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
