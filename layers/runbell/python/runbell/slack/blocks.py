"""The blocks that messages are made of: https://docs.slack.dev/reference/block-kit/blocks."""

from __future__ import annotations

import re
from typing import Any

Block = dict[str, Any]

_SPECIAL = re.compile("<(?=[!@#])")


def section(text: str) -> Block:
    """A paragraph; up to 3,000 characters of mrkdwn."""
    return {"type": "section", "text": _mrkdwn(text)}


def context(text: str) -> Block:
    """A line in small grey letters, in mrkdwn."""
    return {"type": "context", "elements": [_mrkdwn(text)]}


def header(text: str) -> Block:
    """A title; up to 150 characters, in which nothing is markup."""
    return {"type": "header", "text": {"type": "plain_text", "text": text, "emoji": True}}


def preformatted(text: str) -> Block:
    """A text as it is, line by line, in which nothing is markup and nothing needs escaping."""
    return _rich("rich_text_preformatted", text)


def words(text: str) -> Block:
    """A paragraph of somebody else's words, in which nothing is markup: `_id_` stays `_id_`."""
    return _rich("rich_text_section", text)


def quote(text: str) -> Block:
    """The same, as a quotation."""
    return _rich("rich_text_quote", text)


def _rich(kind: str, text: str) -> Block:
    """A text that is not parsed. What would be a mention elsewhere is broken up all the same, by a
    sign that has no width, for whatever may make mrkdwn of it on its way.
    """
    said = {"type": "text", "text": _SPECIAL.sub("<\N{WORD JOINER}", text)}
    return {"type": "rich_text", "elements": [{"type": kind, "elements": [said]}]}


def _mrkdwn(text: str) -> Block:
    # Not verbatim, Slack would link names and parse mentions that are written out in a reason.
    return {"type": "mrkdwn", "text": text, "verbatim": True}
