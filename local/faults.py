"""Faults that a stand-in can be asked for, so that a client meets them on purpose."""

import math
import threading
from collections import Counter
from dataclasses import dataclass, fields
from typing import Literal, get_args

FaultKind = Literal[
    "status",
    "delay",
    "html",
    "drop_before",
    "drop_after",
    "garbage",
    "truncated",
    "error",
    "timeout",
    "slow",
    "mislabelled",
]
KINDS: tuple[str, ...] = get_args(FaultKind)
BODILESS = frozenset({204, 304})


@dataclass(frozen=True)
class Fault:
    """What the next matching answer does instead of the truth.

    - ``status``: answer with ``status``, a JSON error and, if given, ``Retry-After``.
    - ``delay``: wait ``seconds``, then answer truly.
    - ``html``: answer with an HTML page, as a proxy in between would.
    - ``drop_before``: close the connection without handling the request.
    - ``drop_after``: handle the request, keep what it changed, and close the connection.
    - ``garbage``: answer 200 with a body that says it is JSON and is not.
    - ``truncated``: send half of the true answer under its full length.
    - ``error``: refuse in the service's own way; Slack says ``{"ok": false, "error": error}``
      with a 200, Algolia does the same as for ``status``.
    - ``timeout``: hold the connection for ``seconds`` and close it without an answer.
    - ``slow``: send the true answer in small pieces that take ``seconds``.
    - ``mislabelled``: answer truly, and call the JSON plain text.

    With ``taken`` the request is handled before ``status``, ``html``, ``garbage``, ``error`` or
    ``timeout`` hides that; without it nothing has happened.

    Raises ValueError for a field that no answer could carry.
    """

    kind: FaultKind
    status: int = 0
    """The status to answer with; left out, it is 502 for ``html`` and 500 for the others."""
    retry_after: str | None = None
    seconds: float = 0.0
    error: str = ""
    taken: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")
        if not self.status:
            object.__setattr__(self, "status", 502 if self.kind == "html" else 500)
        if not 200 <= self.status <= 599 or self.status in BODILESS:
            raise ValueError("status must be one from 200 to 599 that carries a body")
        if not math.isfinite(self.seconds) or self.seconds < 0:
            raise ValueError("seconds must be a finite number, 0 or more")
        if not (self.retry_after or "").isascii() or not (self.retry_after or "").isprintable():
            raise ValueError("retry_after must be printable ASCII, as a header is")


@dataclass
class _Waiting:
    """One fault with the requests it is meant for."""

    fault: Fault
    path: str
    times: int


class Faults:
    """Faults waiting for the requests they are meant for, first come first served.

    Any thread may add, take and clear.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._injected: Counter[str] = Counter()

    def add(self, fault: Fault, *, path: str = "", times: int = 1) -> None:
        """Let a fault wait for the next ``times`` requests whose line contains ``path``.

        A request's line reads ``METHOD /path?query``; an empty ``path`` is in every one.
        """
        if times < 1:
            raise ValueError("times must be 1 or more")
        with self._lock:
            self._waiting.append(_Waiting(fault, path, times))

    def add_described(self, description: object) -> None:
        """Add a fault that a person described in JSON.

        The description is an object with ``kind`` and any of Fault's other fields,
        ``path`` and ``times``. Raises TypeError or ValueError, saying what is wrong with it.
        """
        if not isinstance(description, dict):
            raise TypeError("a fault is described by a JSON object")
        for name, value in description.items():
            if name not in _DESCRIBED:
                raise ValueError(f"{name} is no field of a fault: {', '.join(_DESCRIBED)}")
            wanted = _DESCRIBED[name]
            if not isinstance(value, wanted) or isinstance(value, bool) != (wanted is bool):
                raise TypeError(f"{name} has the wrong type")
        if "kind" not in description:
            raise ValueError(f"kind is missing, one of {', '.join(KINDS)}")
        of_fault = {field.name for field in fields(Fault)}
        fault = Fault(**{name: value for name, value in description.items() if name in of_fault})
        self.add(fault, path=description.get("path", ""), times=description.get("times", 1))

    def take(self, request_line: str, body: bytes = b"") -> Fault | None:  # noqa: ARG002
        """The fault meant for this request, if one waits; taking it counts it."""
        with self._lock:
            for waiting in self._waiting:
                if waiting.path in request_line:
                    waiting.times -= 1
                    if waiting.times == 0:
                        self._waiting.remove(waiting)
                    self._injected[waiting.fault.kind] += 1
                    return waiting.fault
        return None

    def clear(self) -> None:
        """Forget the faults still waiting; the counts stay."""
        with self._lock:
            self._waiting.clear()

    @property
    def counts(self) -> Counter[str]:
        """How many faults of each kind were taken so far."""
        with self._lock:
            return self._injected.copy()


_DESCRIBED: dict[str, type | tuple[type, ...]] = {
    "kind": str,
    "status": int,
    "retry_after": str,
    "seconds": (int, float),
    "error": str,
    "taken": bool,
    "path": str,
    "times": int,
}
