"""Long texts cut to a length, so that both what happened first and what happened last stay."""

from __future__ import annotations

import unicodedata

_GAP = " … "

_WORTH_A_COUNT = 1_000
"""From this limit on, a text says how much of it was left out."""

_LONGEST_SIGN = 24
"""Characters of a sign that is kept whole: a family of emoji has seven, a flag of tags seven."""

_JOINER = "\u200d"


def clip(text: str, limit: int) -> str:
    """Cut the middle out of a text that is longer than `limit` characters.

    Error messages name the cause at their head and the place at their tail, so both are kept. A
    sign that is made of several characters is kept whole or left out.
    """
    if len(text) <= limit:
        return text
    if limit <= len(_GAP) + 1:
        return text[: whole_signs(text, limit)]
    kept = limit - len(_gap(len(text), limit))
    head, tail = whole_signs(text, kept - kept // 3), len(text) - kept // 3
    places = range(tail, min(len(text), tail + _LONGEST_SIGN))
    tail = next((place for place in places if _may_cut(text, place)), places.stop)
    return text[:head] + _gap(tail - head, limit) + text[tail:]


def whole_signs(text: str, end: int) -> int:
    """Give the last place up to `end` where a text can be cut without cutting a sign in two.

    A sign is what people take for one character: a letter with its accents, an emoji with all
    that is joined to it. A longer one than any that people write is cut at `end`.
    """
    for place in range(end, max(0, end - _LONGEST_SIGN), -1):
        if _may_cut(text, place):
            return place
    return end if end > _LONGEST_SIGN else 0


def _gap(left_out: int, limit: int) -> str:
    return f" … [{left_out:,} characters left out] … " if limit >= _WORTH_A_COUNT else _GAP


def _may_cut(text: str, place: int) -> bool:
    """Whether two signs meet there, as far as a look at a few characters can tell."""
    if not 0 < place < len(text):
        return True
    before, after = text[place - 1], text[place]
    if before == _JOINER or _goes_on(after):
        return False
    if _is_half_a_flag(before) and _is_half_a_flag(after):
        halves = 0
        while halves < place and _is_half_a_flag(text[place - 1 - halves]):
            halves += 1
        return halves % 2 == 0
    return True


def _goes_on(character: str) -> bool:
    """Whether a character belongs to the one before it."""
    is_skin_tone = "\U0001f3fb" <= character <= "\U0001f3ff"
    is_tag = "\U000e0020" <= character <= "\U000e007f"
    return (
        character == _JOINER
        or is_skin_tone
        or is_tag
        or unicodedata.category(character) in {"Mn", "Mc", "Me"}
    )


def _is_half_a_flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
