"""Text for Slack: what comes from outside is escaped, and cut where Slack would refuse it.

Rules: https://docs.slack.dev/messaging/formatting-message-text.
"""

from __future__ import annotations

import re
from datetime import datetime

from runbell.slack_ids import is_group, is_user
from runbell.text import clip

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_EVERYBODY = frozenset({"here", "channel"})


def escape(text: str) -> str:
    """Take the meaning out of Slack's control characters, and so out of `<!channel>`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """Give back what was escaped."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def escape_and_clip(text: str, limit: int) -> str:
    """Escape a text and keep its head and tail in at most `limit` characters of Slack's.

    An entity counts in full and is never cut in two.
    """
    escaped = escape(text)
    if len(escaped) <= limit:
        return escaped
    length = limit
    while len(escaped := escape(clip(text, length))) > limit:
        length -= max(1, (len(escaped) - limit) // 5)  # a character is five at the most
    return escaped


def one_line(text: str, limit: int) -> str:
    """Escape and clip a text that has to stay on its line.

    What can't be printed is left out: written as JSON, it would be six times as long.
    """
    return escape_and_clip(" ".join(_UNPRINTABLE.sub(" ", text).split()), limit)


def printable(text: str) -> str:
    """Leave out what can't be printed, but for line breaks and tabs."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def code_span(text: str, limit: int) -> str:
    """Show a text as code, on one line, if there is anything to show.

    A backtick would end it, so it becomes a quote.
    """
    code = one_line(text.replace("`", "'"), limit)
    return f"`{code}`" if code else ""


def date_token(moment: datetime) -> str:
    """Show the time of day of a moment, given in UTC, in each reader's own zone.

    See https://docs.slack.dev/messaging/formatting-message-text#date-formatting.
    """
    return f"<!date^{int(moment.timestamp())}^{{time_secs}}|{moment.strftime('%H:%M:%S UTC')}>"


def day_and_time(moment: datetime, before: str = "") -> str:
    """Show a moment that may lie days away, given in UTC, in each reader's own zone.

    Args:
        moment: Which.
        before: Words that it stands behind. They belong into the token: Slack writes a day at its
            beginning with a capital letter, as “Today”.
    """
    fallback = f"{before}{moment.strftime('%Y-%m-%d %H:%M UTC')}"
    form = f"{before}{{date_short_pretty}} at {{time}}"
    return f"<!date^{int(moment.timestamp())}^{form}|{fallback}>"


def mention(name: str) -> str:
    """Mention a user (U…, W…), a user group (S…), `here` or `channel`; nobody by another name.

    See https://docs.slack.dev/messaging/formatting-message-text#mentioning-users.
    """
    if name in _EVERYBODY:
        return f"<!{name}>"
    if is_user(name):
        return f"<@{name}>"
    return f"<!subteam^{name}>" if is_group(name) else ""
