"""How Slack's IDs of people look, wherever one comes from.

Slack says that they are of capital letters and digits, and promises no length.
"""

from __future__ import annotations

import re

_USER = re.compile("[UW][A-Z0-9]{2,31}")
_GROUP = re.compile("S[A-Z0-9]{2,31}")


def is_user(text: str) -> bool:
    """Whether a text can be a user's ID."""
    return _USER.fullmatch(text) is not None


def is_group(text: str) -> bool:
    """Whether a text can be the ID of a user group."""
    return _GROUP.fullmatch(text) is not None
