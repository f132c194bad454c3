"""A way into Slack that begins nothing too early, nor what there is no time left for."""

from __future__ import annotations

from runbell.deadline import Deadline
from runbell.errors import OutOfTimeError, SlackLaterError
from runbell.slack.messages import Message
from runbell.slack.messenger import Messenger, Place
from runbell.slack.pace import Pace

ONE_REQUEST = 9.0
"""Seconds that one request to Slack may take, its TIMEOUT, with the note of it in the table."""


class TimelyMessenger:
    """Looks at the clock before each request, so that none is cut off by the function's end, and
    posts at the pace that Slack wants.

    Its methods are those of Messenger; besides, they raise OutOfTimeError.

    Args:
        slack: The way into Slack.
        deadline: When to be done.
        pace: At which posts follow one another.
    """

    def __init__(self, slack: Messenger, deadline: Deadline, pace: Pace) -> None:
        self._slack = slack
        self._deadline = deadline
        self._pace = pace
        self.can_edit = slack.can_edit

    def post(
        self,
        channel: str,
        message: Message,
        *,
        thread: str | None = None,
        broadcast: bool = False,
    ) -> Place:
        """Post a message; see Messenger."""
        self._pace.wait(channel)
        self._leave_time()
        try:
            return self._slack.post(channel, message, thread=thread, broadcast=broadcast)
        except SlackLaterError as error:
            if error.retry_after is not None:
                self._pace.slow_down()
            raise

    def edit(self, place: Place, message: Message) -> None:
        """Edit a message; see Messenger."""
        self._leave_time()
        self._slack.edit(place, message)

    def find(
        self, channel: str, message: Message, *, thread: str | None = None, since: float = 0.0
    ) -> Place | None:
        """Look for a message; see Messenger."""
        self._leave_time()
        return self._slack.find(channel, message, thread=thread, since=since)

    def remark(self) -> str | None:
        """Say what could be better; see Messenger."""
        return self._slack.remark()

    def identity(self) -> str | None:
        """Say whose way it is, if there is time; see Messenger."""
        return self._slack.identity() if self._has_time() else None

    def _has_time(self) -> bool:
        return self._deadline.remaining() >= ONE_REQUEST

    def _leave_time(self) -> None:
        if not self._has_time():
            raise OutOfTimeError("the rest is told by the next invocation")
