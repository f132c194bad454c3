"""What went wrong in a run, told by its events. Pure.

See https://www.algolia.com/doc/rest-api/ingestion/list-events.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runbell.text import clip

GROUPS_KEPT = 5
"""Different messages of one run that are kept."""

LONGEST_MESSAGE = 12_000
"""Characters of a message that are kept."""

LONGEST_IN_ALL = 24_000
"""Characters that the messages of one run share: an item of the table holds 400 KB in all."""

WORDS = ("message", "error", "reason", "description", "detail")
"""Where an event's data, which has no documented form, is searched for a message."""


@dataclass(frozen=True)
class ErrorGroup:
    """A message of failed and critical events, and how many of them said it."""

    text: str
    count: int = 1


@dataclass(frozen=True)
class WhatWentWrong:
    """The messages of a run's failed and critical events.

    Args:
        groups: The first one, then the others by how often they came, at most five.
        events: How many such events there are in all, also those that were not read.
    """

    groups: tuple[ErrorGroup, ...] = ()
    events: int = 0


def group_errors(events: Sequence[object], total: int | None = None) -> WhatWentWrong:
    """Group events, the oldest first, by what they say.

    Args:
        events: As the API answers them; what is no event, or says nothing, is left aside.
        total: How many there are in all, if not all were read.
    """
    counts: Counter[str] = Counter()
    for event in events:
        if isinstance(event, Mapping) and (text := _message(event.get("data"))):
            counts[text] += 1
    if not counts:
        return WhatWentWrong(events=max(total or 0, len(events)))
    first = next(iter(counts))
    others = [text for text, _ in counts.most_common() if text != first]
    kept = [first, *others][:GROUPS_KEPT]
    left = LONGEST_IN_ALL
    groups: tuple[ErrorGroup, ...] = ()
    for number, text in enumerate(kept):
        limit = left // (len(kept) - number)
        groups += (ErrorGroup(clip(text, limit), counts[text]),)
        left -= len(groups[-1].text)
    return WhatWentWrong(groups, max(total or 0, len(events)))


def _message(data: Any, depth: int = 3) -> str:
    """Find the words in an event's data; without any, the data itself is shown."""
    text = _words(data, depth)
    if not text and data and not isinstance(data, str):
        text = json.dumps(data, ensure_ascii=False)
    return clip(text.encode("utf-8", "replace").decode("utf-8"), LONGEST_MESSAGE)


def _words(data: Any, depth: int) -> str:
    if isinstance(data, str):
        return data.strip()
    if not isinstance(data, Mapping) or not depth:
        return ""
    return next((text for word in WORDS if (text := _words(data.get(word), depth - 1))), "")
