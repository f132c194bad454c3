"""A test message: sent the way a real one goes, with word of what Slack said to it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from runbell.deadline import Deadline
from runbell.items import Delivery
from runbell.outbox import Outbox, Wake
from runbell.store import RunStore

PATIENCE = 15.0
"""Seconds that the answer is waited for."""

BETWEEN_LOOKS = 0.25
"""Seconds between two looks for it."""

_ADVICE = {
    "invalid_auth": "Slack does not know the token: put the right one into the secret SLACK.",
    "not_authed": "Slack got no token: put one into the secret SLACK.",
    "token_revoked": "The token was revoked: install the app again and put its new token.",
    "token_expired": "The token has expired: install the app again and put its new token.",
    "account_inactive": "The app was removed from the workspace: install it again.",
    "missing_scope": "The app lacks a scope. Runbell needs chat:write, and chat:write.public for "
    "public channels that it has not joined. Add it under OAuth & Permissions, install the app "
    "again, and put its new token.",
    "channel_not_found": "There is no such channel, or it is private and the app is not in it.",
    "not_in_channel": "Invite the app to the channel: /invite @Runbell.",
    "restricted_action": "The workspace lets only some people post in this channel: an owner can "
    "let the app do so.",
    "no_permission": "The app may not post in this channel: an owner of the workspace can let it.",
    "ekm_access_denied": "The workspace's keys are withdrawn: its owners can say why.",
    "not_allowed_token_type": "This is a token of another kind: Runbell needs the bot's, xoxb-…",
    "team_access_not_granted": "The app is not let into this workspace: an owner can let it in.",
    "ratelimited": "Slack asks for fewer messages in this channel: try again in a minute.",
    "no_connection": "Slack can't be reached from here: look at the function's way out.",
    "no_answer": "Slack took the request and did not answer: look into the channel, the message "
    "may be there.",
    "is_archived": "The channel is archived: choose another or restore it.",
    "channel_is_archived": "The webhook's channel is archived: make a webhook for another.",
    "no_service": "Slack does not know the webhook: make a new one and put its URL.",
    "invalid_token": "Slack does not know the webhook: make a new one and put its URL.",
}


@dataclass(frozen=True)
class TestResult:
    """What came of a test message.

    Args:
        channel: Where it was to go.
        delivered: Whether Slack took it.
        error: Slack's word, or what is wrong with the secret; None while there is no answer.
        advice: What to do about it, or what could be better.
    """

    __test__ = False  # it is no test, whatever its name looks like

    channel: str
    delivered: bool
    error: str | None = None
    advice: str | None = None

    @property
    def is_answered(self) -> bool:
        """Whether Slack has said anything."""
        return self.delivered or self.error is not None


class Trial:
    """Sends test messages.

    Args:
        connection: Under whose name.
        store: The table.
        outbox: The queue.
        channel: Where they go unless another is asked for.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        connection: str,
        store: RunStore,
        outbox: Outbox,
        channel: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._store = store
        self._outbox = outbox
        self._channel = channel
        self._sleep = sleep

    def send(self, channel: str | None, deadline: Deadline) -> TestResult:
        """Send a test message and wait for Slack's word, for up to 15 seconds.

        Raises:
            StoreUnavailableError, QueueUnavailableError: It could not be sent.
        """
        channel = channel or self._channel
        test_id = f"test-{uuid.uuid4()}"
        self._store.create_test(self._connection, test_id, channel)
        self._outbox.enqueue([Wake(self._connection, test_id, 1, channel)])
        patience = Deadline(min(PATIENCE, deadline.remaining()))
        while patience.remaining():
            delivery = self._store.get(self._connection, test_id).delivery
            if delivery != Delivery():
                return _result(channel, delivery)
            self._sleep(BETWEEN_LOOKS)
        return TestResult(
            channel, delivered=False, advice="Slack has not answered yet; the message is queued."
        )


def _result(channel: str, delivery: Delivery) -> TestResult:
    if delivery.error is None:
        return TestResult(channel, delivered=True, advice=delivery.detail)
    usual = None if " " in delivery.error else "See docs/operations.md for what Slack's words mean."
    advice = _ADVICE.get(delivery.error, usual)  # a sentence says by itself what to do
    if advice and delivery.detail:
        advice = f"{advice} {delivery.detail[:1].upper()}{delivery.detail[1:].rstrip('.')}."
    return TestResult(channel, delivered=False, error=delivery.error, advice=advice)
