"""YAML read as plain data: what JSON can say, and nothing that hides behind a sign.

It is YAML 1.2 with its core schema: `no` and `2026-12-01` are texts. Whatever could make a small
file large or mean more than it shows (anchors, aliases, merge keys, tags, a key twice, several
documents, deep nesting) is refused with its line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from runbell.errors import RequestError

DEEPEST = 10
"""How many maps and lists may be inside each other; a file of watches has four."""

MOST = 40_000
"""Keys and values of a document; a file of a thousand watches has 30,000 at the most."""

_LONG_TAG = re.compile(r"!\S{200}")
"""The parser takes time over a tag that grows with the square of its length; and tags are refused
anyhow, while no text of a file of watches is as long without a blank."""

_PLAIN: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"|~|null|Null|NULL"), lambda _: None),
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    (re.compile(r"[-+]?[0-9]{1,30}"), int),
    (re.compile(r"0o[0-7]{1,30}"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]{1,30}"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda _: float("nan")),
)
"""What a text without quotes means, if it is no text."""


def read_yaml(text: str) -> Any:
    """Read a YAML document; an empty one is None.

    Raises:
        RequestError: It is no YAML, or uses what is refused; the message names the line.
    """
    if long_tag := _LONG_TAG.search(text):
        number = text.count("\n", 0, long_tag.start()) + 1
        raise _refusal(f"is refused: line {number}: a tag (!) is not taken")
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return _Reader(YAML(typ="safe", pure=True).parse(text.removeprefix("\ufeff"))).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise _refusal(f"is no YAML: {line}{error.problem or error.context}") from None
    except (YAMLError, ValueError, OverflowError) as error:
        word = " ".join(str(error).split())[:200]
        raise _refusal(f"is no YAML: {word}") from None


class _Reader:
    """Makes values of the events of ruamel.yaml's parser, one after the other."""

    def __init__(self, events: Any) -> None:
        self._events = iter(events)
        self._read = 0

    def document(self) -> Any:
        self._next()  # the stream's start
        event = self._next()
        if _is(event, "StreamEnd"):
            return None
        value = self._value(self._next(), 0)
        self._next()  # the document's end
        event = self._next()
        if not _is(event, "StreamEnd"):
            raise _at(event, "a second document begins, and only one is taken")
        return value

    def _value(self, event: Any, depth: int) -> Any:
        self._check(event)
        if _is(event, "Scalar"):
            return _scalar(event)
        if depth >= DEEPEST:
            raise _at(event, f"more than {DEEPEST} maps and lists are inside each other")
        if _is(event, "SequenceStart"):
            return self._list(depth)
        return self._map(depth)

    def _list(self, depth: int) -> list[Any]:
        values: list[Any] = []
        while not _is(event := self._next(), "SequenceEnd"):
            values.append(self._value(event, depth + 1))
        return values

    def _map(self, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not _is(event := self._next(), "MappingEnd"):
            self._check(event)
            if not _is(event, "Scalar"):
                raise _at(event, "a key is a map or a list, and must be a text")
            if event.value == "<<" and event.style is None:
                raise _at(event, "a merge key (<<) is not taken: write the values out")
            # Also 12 and true are names here, as they would be in JSON's quotes.
            if event.value in values:
                raise _at(event, f"the key {event.value[:80]!r} is there twice")
            values[event.value] = self._value(self._next(), depth + 1)
        return values

    def _check(self, event: Any) -> None:
        self._read += 1
        if self._read > MOST:
            raise _at(event, f"there are more than {MOST} keys and values")
        if _is(event, "Alias"):
            raise _at(event, "an alias (*) is not taken: write the value out")
        if event.anchor is not None:
            raise _at(event, "an anchor (&) is not taken: write the value out where it is used")
        if event.tag is not None:
            raise _at(event, "a tag (!) is not taken")

    def _next(self) -> Any:
        return next(self._events)


def _scalar(event: Any) -> Any:
    text: str = event.value
    if event.style is not None:  # in quotes, or a block
        return text
    for form, read in _PLAIN:
        if form.fullmatch(text):
            return read(text)
    return text


def _is(event: Any, name: str) -> bool:
    return type(event).__name__ == f"{name}Event"


def _at(event: Any, problem: str) -> RequestError:
    return _refusal(f"is refused: line {event.start_mark.line + 1}: {problem}")


def _refusal(problem: str) -> RequestError:
    return RequestError(problem, "body")
