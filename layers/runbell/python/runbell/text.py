"""Long texts cut to a length, so that both what happened first and what happened last stay."""

from __future__ import annotations

_GAP = " … "


def clip(text: str, limit: int) -> str:
    """Cut the middle out of a text that is longer than `limit` characters.

    Error messages name the cause at their head and the place at their tail, so both are kept.
    """
    if len(text) <= limit:
        return text
    if limit <= len(_GAP) + 1:
        return text[:limit]
    kept = limit - len(_GAP)
    tail = kept // 3
    return text[: kept - tail] + _GAP + (text[-tail:] if tail else "")
