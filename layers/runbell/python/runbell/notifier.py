"""Brings Slack to the state that the table holds, one run and channel at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from runbell.deadline import Deadline
from runbell.errors import (
    ConfigurationError,
    OutOfTimeError,
    RunbellError,
    SlackCredentialError,
    SlackDestinationError,
    SlackError,
    SlackPayloadError,
    SlackUpdateError,
)
from runbell.items import Delivery, HistoryEntry, RunItem
from runbell.observability import logger
from runbell.outbox import DeadLetters, Wake, group_of
from runbell.slack import messages
from runbell.slack.access import SlackAccess
from runbell.slack.messages import Message
from runbell.slack.messenger import Messenger, Place
from runbell.store import RunStore

ONE_MESSAGE = 9.0
"""Seconds that one request to Slack may take, with the note of it in the table."""


class Notifier:
    """Makes a run's message match its item, however often it is asked to.

    Args:
        store: What is to be told, and what has been.
        slack: The way into Slack.
        dead_letters: Where announcements go that can never succeed.
        fallback_channel: Where people are told of those, if anywhere.
    """

    def __init__(
        self,
        store: RunStore,
        slack: SlackAccess,
        dead_letters: DeadLetters,
        fallback_channel: str | None = None,
    ) -> None:
        self._store = store
        self._slack = slack
        self._dead_letters = dead_letters
        self._fallback_channel = fallback_channel

    def deliver(self, wake: Wake, deadline: Deadline | None = None) -> None:
        """Tell a channel what it has not been told of a run.

        Args:
            wake: Which run and channel.
            deadline: When to be done; no further message is begun that it would not suffice for.

        Returns when nothing is left to be done, or when it can't be done by trying again: then
        the dead-letter queue has it.

        Raises:
            SlackError: Slack did not take it for now; the same call later goes on from there.
            OutOfTimeError: The deadline has come; the same call later goes on from there.
            ConfigurationError: The secret is not usable.
            StoreUnavailableError, QueueUnavailableError: The same call later goes on from there.
        """
        item = self._store.get(wake.connection, wake.run_id)
        if item.channel != wake.channel:
            logger.info("a run has moved to another channel", extra={"run_id": wake.run_id})
            return
        if item.test:
            self._deliver_test(item)
        elif item.pending_since is not None or (wake.again and _untold(item)):
            try:
                self._with_messenger(item, partial(self._reconcile, deadline=deadline))
            except (SlackDestinationError, SlackPayloadError) as error:
                self._give_up(wake, item, error)

    def _with_messenger(self, item: RunItem, act: Callable[[RunItem, Messenger], None]) -> None:
        """Do something on Slack, once more with the secret read anew when it is refused."""
        try:
            act(item, self._slack.messenger())
        except SlackCredentialError:
            renewed = self._slack.renewed()
            if renewed is None:
                raise
            logger.info("the secret SLACK has been replaced, going on with the new one")
            now = self._store.get(item.connection, item.run_id)
            if now.channel == item.channel:  # else it has moved, and its new channel has a wake
                act(now, renewed)

    def _reconcile(self, item: RunItem, slack: Messenger, deadline: Deadline | None) -> None:
        if item.delivery.ts is None and not _untold(item):
            # Only a detail is new, and there is no message of a bot's to show it in.
            self._settle(item, item.delivery)
        elif not slack.can_edit:
            self._post_each_change(item, slack, deadline)
        elif item.delivery.ts is None:
            self._post_anew(item, slack)
        else:
            try:
                self._bring_up_to_date(item, slack, deadline)
            except SlackUpdateError as error:
                logger.info("a message is gone", extra={"run_id": item.run_id, "cause": error.code})
                self._post_anew(item, slack)

    def _post_anew(self, item: RunItem, slack: Messenger) -> None:
        """Post the run's message, which tells its whole story."""
        place = _post(slack, item, messages.run_message(item, is_news=_has_news(item)))
        self._settle(item, Delivery(place.channel_id, place.ts))

    def _bring_up_to_date(self, item: RunItem, slack: Messenger, deadline: Deadline | None) -> None:
        """Edit the run's message, and reply with what an edit is too quiet for."""
        delivery = item.delivery
        place = Place(delivery.channel_id, delivery.ts)
        message = messages.run_message(item)
        try:
            slack.edit(place, message)
        except SlackPayloadError as error:
            _log_plain(item, error)
            slack.edit(place, messages.plain(message))
        for entry in _untold(item):
            if messages.must_be_seen(item, entry):
                _leave_time(deadline)
                reply = messages.change_message(item, entry, is_reply=True)
                _post(slack, item, reply, thread=delivery.ts)
                # Written down at once, so that a crash repeats this reply at the most.
                delivery = replace(delivery, told=entry.number)
                self._store.record_delivery(item, delivery, settled=False)
        self._settle(item, delivery)

    def _post_each_change(self, item: RunItem, slack: Messenger, deadline: Deadline | None) -> None:
        """Post a message for every change: what a webhook has posted can't be edited.

        A webhook has one channel, so what it has told under another name is told here.
        """
        delivery = item.delivery
        told = max((each.told for each in item.deliveries.values() if each.ts is None), default=0)
        for entry in _untold(item):
            if entry.number <= told:
                continue
            _leave_time(deadline)
            _post(slack, item, messages.change_message(item, entry, is_reply=False))
            delivery = replace(delivery, told=entry.number)
            self._store.record_delivery(item, delivery, settled=False)
        self._settle(item, delivery)

    def _settle(self, item: RunItem, delivery: Delivery) -> None:
        """Write down that a channel has been told all of an item."""
        told = replace(delivery, told=item.last_change, shown=item.version, error=None)
        self._store.record_delivery(item, told, settled=True)

    def _give_up(self, wake: Wake, refused: RunItem, error: SlackError) -> None:
        """Lay away what Slack will never take, and tell people elsewhere if there is a place.

        A channel's refusal of the same changes is news once, however many details follow them.
        """
        item = self._store.get(wake.connection, wake.run_id)
        if item.channel != wake.channel:
            return  # it has moved, and its new channel is told everything
        is_news = any(entry.number > item.delivery.given_up for entry in _untold(item))
        if is_news or wake.again:
            logger.error(
                "an announcement can't be delivered",
                extra={"run_id": wake.run_id, "channel": wake.channel, "cause": error.code},
            )
            # First, because a second dead letter does less harm than a second message.
            letter = replace(wake, again=True).body()
            once = "" if wake.again else f"{wake.body()} {error.code}"
            self._dead_letters.bury(letter, group_of(wake.channel), error.code, once=once)
        if is_news:
            self._tell_fallback_channel(item, error)
        delivery = replace(item.delivery, error=error.code, given_up=item.last_change)
        # What has changed since the refusal stays pending: its own wake tries the channel again.
        self._store.record_delivery(replace(item, version=refused.version), delivery, settled=True)

    def _tell_fallback_channel(self, item: RunItem, error: SlackError) -> None:
        """Tell a run's story where people look when its own channel refuses it."""
        channel = item.channel or ""
        if not self._fallback_channel or self._fallback_channel == channel:
            return
        story = messages.run_message(item, is_news=_has_news(item))
        message = messages.misrouted(story, channel, error.code)
        elsewhere = replace(item, channel=self._fallback_channel)
        try:
            _post(self._slack.messenger(), elsewhere, message)
        except (SlackDestinationError, SlackPayloadError) as second:
            logger.error("the fallback channel refuses too", extra={"cause": second.code})

    def _deliver_test(self, item: RunItem) -> None:
        """Post a test message once and write down what Slack said, whatever it was."""
        if item.delivery != Delivery():
            return

        def post(item: RunItem, slack: Messenger) -> None:
            place = _post(slack, item, messages.test_message(item.run_id))
            delivery = Delivery(place.channel_id, place.ts, shown=item.version)
            self._store.record_delivery(item, delivery, settled=True)

        try:
            self._with_messenger(item, post)
        except (SlackError, ConfigurationError) as error:
            word = error.code if isinstance(error, SlackError) else str(error)
            self._store.record_delivery(item, Delivery(error=word), settled=True)


def _post(slack: Messenger, item: RunItem, message: Message, *, thread: str | None = None) -> Place:
    """Post a message; one whose form Slack refuses goes out in plain words."""
    channel = item.channel or ""
    try:
        return slack.post(channel, message, thread=thread)
    except SlackPayloadError as error:
        _log_plain(item, error)
        return slack.post(channel, messages.plain(message), thread=thread)


def _leave_time(deadline: Deadline | None) -> None:
    """Begin nothing that could be cut off between Slack's answer and the note of it."""
    if deadline and deadline.remaining() < ONE_MESSAGE:
        raise OutOfTimeError("the rest is told by the next invocation")


def _untold(item: RunItem) -> list[HistoryEntry]:
    """The changes that the run's channel is still to be told, in order."""
    return [e for e in item.history if e.announced and e.number > item.delivery.told]


def _has_news(item: RunItem) -> bool:
    """Whether the latest change is still to be told, so that a post may mention people."""
    return item.history[-1] in _untold(item)


def _log_plain(item: RunItem, error: RunbellError) -> None:
    logger.warning(
        "Slack refuses the form of a message, so it goes out as plain text",
        extra={"run_id": item.run_id, "cause": str(error)},
    )
