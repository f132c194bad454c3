"""Text for Slack: what comes from outside is escaped, and cut where Slack would refuse it.

Rules: https://docs.slack.dev/messaging/formatting-message-text.
"""

from __future__ import annotations

from datetime import datetime

from runbell.text import clip


def escape(text: str) -> str:
    """Take the meaning out of Slack's control characters, and so out of `<!channel>`."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


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


def date_token(moment: datetime, form: str = "{time_secs}") -> str:
    """Show a moment, given in UTC, in each reader's own zone.

    See https://docs.slack.dev/messaging/formatting-message-text#date-formatting.
    """
    fallback = moment.strftime("%H:%M:%S UTC")
    return f"<!date^{int(moment.timestamp())}^{form}|{fallback}>"
