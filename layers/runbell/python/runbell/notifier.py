"""Brings Slack to the state that the table holds, one run and channel at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from runbell.closed_channels import ClosedChannels
from runbell.deadline import Deadline
from runbell.errors import (
    ConfigurationError,
    SlackCredentialError,
    SlackDestinationError,
    SlackError,
    SlackPayloadError,
)
from runbell.items import Delivery, RunItem
from runbell.metering import meter
from runbell.observability import logger
from runbell.outbox import DeadLetters, Wake, group_of
from runbell.slack import messages
from runbell.slack.access import SlackAccess
from runbell.slack.messenger import Messenger
from runbell.slack.pace import Pace
from runbell.slack.timely import TimelyMessenger
from runbell.store import RunStore
from runbell.teller import Teller, own_message, post, untold


class Notifier:
    """Makes a run's message match its item, however often it is asked to.

    Args:
        store: What is to be told, and what has been.
        closed: Where announcements wait that their channel refuses.
        slack: The way into Slack.
        dead_letters: Where announcements go that can never succeed.
        fallback_channel: Where people are told of those, if anywhere.
        now: The time of day.
        pace: At which posts follow one another where there is a deadline.
    """

    def __init__(
        self,
        store: RunStore,
        closed: ClosedChannels,
        slack: SlackAccess,
        dead_letters: DeadLetters,
        fallback_channel: str | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pace: Pace | None = None,
    ) -> None:
        self._now = now
        self._pace = pace or Pace()
        self._store = store
        self._closed = closed
        self._slack = slack
        self._dead_letters = dead_letters
        self._fallback_channel = fallback_channel

    def deliver(
        self, wake: Wake, deadline: Deadline | None = None, *, is_repeat: bool = False
    ) -> bool:
        """Tell a channel what it has not been told of a run.

        Args:
            wake: Which run and channel.
            deadline: When to be done; no further message is begun that it would not suffice for.
            is_repeat: Whether the word has come before, so that somebody may have begun.

        Returns when nothing is left to be done, or when it can't be done by trying again: then
        the dead-letter queue has it. False where what the word names was told before: then there
        was nothing to do, or only what has come since.

        Raises:
            SlackError: Slack did not take it for now; the same call later goes on from there.
            OutOfTimeError: The deadline has come; the same call later goes on from there.
            ConfigurationError: The secret is not usable.
            StoreUnavailableError, QueueUnavailableError: The same call later goes on from there.
        """
        item = self._store.get(wake.connection, wake.run_id)
        if item.channel != wake.channel:
            logger.info("a run has moved to another channel", extra={"run_id": wake.run_id})
            return False
        if item.test:
            self._deliver_test(item, deadline)
            return True
        if item.pending_since is None and not (wake.again and untold(item)):
            return False
        self._tell(wake, item, deadline, is_repeat=is_repeat)
        return item.version == wake.version

    def _tell(
        self, wake: Wake, item: RunItem, deadline: Deadline | None, *, is_repeat: bool
    ) -> None:
        look_first = is_repeat or wake.swept or wake.again

        def tell(item: RunItem, slack: Messenger) -> None:
            teller = Teller(self._store, slack, item, now=self._now)
            teller.tell(look_first=look_first, insist=is_repeat)

        try:
            self._with_messenger(item, tell, deadline)
        except (SlackDestinationError, SlackPayloadError) as error:
            tell_elsewhere = partial(self._misroute, error=error, deadline=deadline)
            self._give_up(wake, item, error.code, tell_elsewhere)

    def wind_up(self, deadline: Deadline) -> None:
        """End a batch such that its channels take what comes next, as far as there is time."""
        self._pace.wind_up(deadline.remaining())

    def has_given_up(self, wake: Wake) -> bool:
        """Whether all that a channel is to be told of a run was given up before."""
        item = self._store.get(wake.connection, wake.run_id)
        return 0 < item.last_change == item.delivery.given_up

    def give_up(self, wake: Wake, cause: str) -> None:
        """Put an announcement aside that has failed for a reason of its own, as one refused.

        Args:
            wake: Which.
            cause: Why, for the dead letter.
        """
        item = self._store.get(wake.connection, wake.run_id)
        self._give_up(wake, item, cause)

    def leave_to_sweep(self, wake: Wake) -> bool:
        """Have the next sweep wake what has been tried often; False when no sweep would find it."""
        item = self._store.get(wake.connection, wake.run_id)
        if item.pending_since is None:
            return False
        self._store.postpone(item, timedelta(0))
        return True

    def _with_messenger(
        self,
        item: RunItem,
        act: Callable[[RunItem, Messenger], None],
        deadline: Deadline | None,
    ) -> None:
        """Do something on Slack, once more with the secret read anew when it is refused."""
        try:
            act(item, self._in_time(self._slack.messenger(), deadline))
        except SlackCredentialError:
            renewed = self._slack.renewed()
            if renewed is None:
                raise
            logger.info("the secret SLACK has been replaced, going on with the new one")
            now = self._store.get(item.connection, item.run_id)
            if now.channel == item.channel:  # else it has moved, and its new channel has a wake
                act(now, self._in_time(renewed, deadline))

    def _give_up(
        self,
        wake: Wake,
        refused: RunItem,
        cause: str,
        tell_elsewhere: Callable[[RunItem], None] = lambda _: None,
    ) -> None:
        """Put aside what Slack does not take; a letter tells people that it waits there.

        A channel's refusal of the same changes is news once, however many details follow them.
        """
        item = self._store.get(wake.connection, wake.run_id)
        if item.channel != wake.channel:
            return  # it has moved, and its new channel is told everything
        is_news = any(entry.number > item.delivery.given_up for entry in untold(item))
        if is_news or wake.again:
            logger.error(
                "an announcement can't be delivered",
                extra={"run_id": wake.run_id, "channel": wake.channel, "cause": cause},
            )
            # First, because a second dead letter does less harm than a second message.
            letter = replace(wake, again=True).body()
            once = "" if wake.again else f"{wake.body()} {cause}"
            self._dead_letters.bury(letter, group_of(wake.channel), cause, once=once)
        if is_news:
            tell_elsewhere(item)
        delivery = replace(item.delivery, error=cause, given_up=item.last_change)
        # What has changed since the refusal stays pending: its own wake tries the channel again.
        self._closed.put_aside(replace(item, version=refused.version), delivery)

    def _misroute(self, item: RunItem, error: SlackError, deadline: Deadline | None) -> None:
        """Tell a run's story where people look when its own channel refuses it."""
        meter.fail(error)
        channel = item.channel or ""
        if not self._fallback_channel or self._fallback_channel == channel:
            return
        message = messages.misrouted(
            own_message(item, is_news=item.history[-1] in untold(item)), channel, error.code
        )
        try:
            post(self._in_time(self._slack.messenger(), deadline), self._fallback_channel, message)
        except (SlackDestinationError, SlackPayloadError) as second:
            meter.fail(second)
            logger.error("the fallback channel refuses too", extra={"cause": second.code})

    def _deliver_test(self, item: RunItem, deadline: Deadline | None) -> None:
        """Post a test message once and write down what Slack said, whatever it was."""
        if item.delivery != Delivery():
            return

        def try_it(item: RunItem, slack: Messenger) -> None:
            try:
                place = post(slack, item.channel or "", messages.test_message(item.run_id))
            except SlackDestinationError as error:
                error.detail = slack.identity()
                raise
            delivery = Delivery(
                place.channel_id, place.ts, shown=item.version, detail=slack.remark()
            )
            self._store.record_delivery(item, delivery, settled=True)

        try:
            self._slack.renewed()  # who has just put a secret asks whether that one works
            self._with_messenger(item, try_it, deadline)
        except SlackError as error:
            refused = Delivery(error=error.code, detail=error.detail)
            self._store.record_delivery(item, refused, settled=True)
        except ConfigurationError as error:
            self._store.record_delivery(item, Delivery(error=str(error)), settled=True)

    def _in_time(self, slack: Messenger, deadline: Deadline | None) -> Messenger:
        return slack if deadline is None else TimelyMessenger(slack, deadline, self._pace)
