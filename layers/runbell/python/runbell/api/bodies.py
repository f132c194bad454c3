"""A request's body, read as the data that the contract then checks."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from runbell.errors import RequestError

LARGEST = 512 * 1024
"""Bytes of a body."""

YAML = ("application/yaml", "text/yaml", "application/x-yaml")
"""Content types that say that a body is YAML."""


def read_body(text: str | None, content_type: str | None = None) -> Any:
    """Read a body: YAML if its content type says so, JSON in any other case.

    Many programs send JSON under another name, such as `curl -d`.

    Args:
        text: The body; nothing, or blanks, mean {}.
        content_type: The header; None where the call takes no YAML.

    Raises:
        RequestError: It is too large, or it is not what it should be.
    """
    if not text or not text.strip():
        return {}
    if len(text.encode("utf-8", "replace")) > LARGEST:
        raise RequestError(f"is larger than {LARGEST // 1024} KB", "body")
    if content_type and content_type.partition(";")[0].strip().lower() in YAML:
        from runbell.plain_yaml import read_yaml

        document = read_yaml(text)
        return {} if document is None else document
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        hint = "" if content_type is None else f"; for YAML say Content-Type: {YAML[0]}"
        raise RequestError(f"is no JSON{hint}", "body") from None


def _refuse_constant(word: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON doesn't know."""
    raise ValueError(word)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its members; a name that comes twice would hide the first one."""
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise RequestError(f"has the name {twice[:80]!r} twice in one object", "body")
    return members
