"""Long texts cut to a length, so that both what happened first and what happened last stay."""

from __future__ import annotations

_GAP = " … "

_WORTH_A_COUNT = 1_000
"""From this limit on, a text says how much of it was left out."""


def clip(text: str, limit: int) -> str:
    """Cut the middle out of a text that is longer than `limit` characters.

    Error messages name the cause at their head and the place at their tail, so both are kept.
    """
    if len(text) <= limit:
        return text
    if limit <= len(_GAP) + 1:
        return text[:limit]
    gap = _GAP
    if limit >= _WORTH_A_COUNT:
        gap = f" … [{len(text) - limit + 40:,} characters left out] … "
    kept = limit - len(gap)
    tail = kept // 3
    return text[: kept - tail] + gap + (text[-tail:] if tail else "")
