"""How Algolia and Slack fail: faults drawn at random by a seed, and a note of each."""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from local.faults import Fault, Faults

RUN_ID = re.compile(rb"run-\d+-\d+")


@dataclass(frozen=True)
class Odd:
    """One way to fail: its name in the count, what it is, and how often it comes.

    Args:
        name: What it is called.
        weight: How often it is drawn, as against the others.
        faults: What is done, one of them.
        only: What the request's line holds, if it is not for all requests.
        most: How often it comes at the most, if it costs much time.
    """

    name: str
    weight: int
    faults: tuple[Fault, ...]
    only: tuple[str, ...] = ("",)
    most: int | None = None


@dataclass(frozen=True)
class Met:
    """A request that met a fault, and the runs that it is about."""

    name: str
    line: str
    runs: tuple[str, ...]
    taken: bool
    """Whether the request was handled, and its client was not told so."""


def _refusals(*words: str, taken: bool = False) -> tuple[Fault, ...]:
    return tuple(Fault("error", error=word, taken=taken) for word in words)


def _statuses(*statuses: int, taken: bool = False) -> tuple[Fault, ...]:
    return tuple(Fault("status", status=status, taken=taken) for status in statuses)


POST, EDIT = "/chat.postMessage", "/chat.update"

BROKEN: tuple[Odd, ...] = (
    Odd("429 with Retry-After", 3, (Fault("status", status=429, retry_after="1"),)),
    Odd("429", 2, _statuses(429)),
    Odd("500", 2, _statuses(500)),
    Odd("502", 2, _statuses(502)),
    Odd("503", 2, _statuses(503)),
    Odd("dropped before", 3, (Fault("drop_before"),)),
    Odd("dropped after", 3, (Fault("drop_after"),)),
    Odd("HTML", 2, (Fault("html"), Fault("html", status=200), Fault("html", status=503))),
    Odd("truncated JSON", 2, (Fault("truncated"),)),
    Odd("wrong content type", 2, (Fault("mislabelled"),)),
    Odd("slow bytes", 2, (Fault("slow", seconds=0.4), Fault("delay", seconds=0.3))),
)
"""What any service over HTTP may do."""

OF_ALGOLIA: tuple[Odd, ...] = (
    *BROKEN,
    Odd("no JSON", 1, (Fault("garbage"),)),
    Odd("408", 1, _statuses(408)),
    Odd("time-out", 1, (Fault("timeout", seconds=11), Fault("timeout", seconds=11)), most=2),
)

OF_SLACK: tuple[Odd, ...] = (
    *BROKEN,
    Odd("5xx after it was taken", 2, _statuses(500, 502, 503, taken=True)),
    Odd(
        "time-out",
        1,
        (Fault("timeout", seconds=9), Fault("timeout", seconds=9, taken=True)),
        most=2,
    ),
    Odd("ok: false, later", 2, _refusals("ratelimited", "service_unavailable", "request_timeout")),
    Odd(
        "ok: false, ambiguous",
        2,
        _refusals("internal_error", "fatal_error") + _refusals("internal_error", taken=True),
    ),
    Odd("ok: false, credential", 1, _refusals("invalid_auth", "token_expired", "account_inactive")),
    Odd(
        "ok: false, destination",
        1,
        _refusals("channel_not_found", "is_archived", "not_in_channel", "restricted_action"),
        only=(POST, EDIT),
    ),
    Odd("ok: false, payload", 1, _refusals("invalid_blocks", "msg_blocks_too_long"), (POST, EDIT)),
    Odd("ok: false, update", 2, _refusals("message_not_found", "cant_update_message"), (EDIT,)),
)

UNTOLD = frozenset({"slow bytes"})
"""Faults after which the client has its true answer all the same."""


class Weather(Faults):
    """Faults that requests meet at random while the weather is bad; any thread may change it.

    The same seed gives the same faults to the same sequence of requests.

    Args:
        seed: What the draws follow from.
        odds: The ways to fail.
        rate: The share of requests that fail while it is bad.
        place: What the path of a request begins with; others, such as a page's, meet none.
    """

    def __init__(self, seed: str, odds: Sequence[Odd], rate: float, place: str = "/") -> None:
        super().__init__()
        self.is_bad = False
        self.is_away = False
        """Whether nothing can be had at all."""
        self._chance = random.Random(seed)
        self._odds = odds
        self._rate = rate
        self._place = place
        self._drawn: Counter[str] = Counter()
        self._met: list[Met] = []
        self._draw_lock = threading.Lock()
        self.asked = 0
        """Requests that came while it was bad."""

    @property
    def met(self) -> list[Met]:
        """Every request that met a fault, in order."""
        with self._draw_lock:
            return self._met.copy()

    @property
    def drawn(self) -> Counter[str]:
        """How often each fault came, by its name."""
        with self._draw_lock:
            return self._drawn.copy()

    def take(self, request_line: str, body: bytes = b"") -> Fault | None:
        """The fault that this request meets, if any."""
        if waiting := super().take(request_line, body):
            return waiting
        if not request_line.partition(" ")[2].startswith(self._place):
            return None
        with self._draw_lock:
            if not (self.is_bad or self.is_away):
                return None
            self.asked += 1
            name, fault = self._draw(request_line)
            if fault is None:
                return None
            self._drawn[name] += 1
            hides = fault.taken or fault.kind in {"drop_after", "truncated", "mislabelled"}
            runs = {each.decode() for each in RUN_ID.findall(request_line.encode() + body)}
            self._met.append(Met(name, request_line, tuple(sorted(runs)), hides))
            return fault

    def _draw(self, line: str) -> tuple[str, Fault | None]:
        if self.is_away:
            return "away", self._chance.choice((Fault("drop_before"), Fault("status", status=503)))
        if self._chance.random() >= self._rate:
            return "", None
        odds = [odd for odd in self._odds if any(part in line for part in odd.only)]
        odds = [odd for odd in odds if odd.most is None or self._drawn[odd.name] < odd.most]
        odd = self._chance.choices(odds, [odd.weight for odd in odds])[0]
        return odd.name, self._chance.choice(odd.faults)
