"""Tells one channel of one run: the run's own message, edited in place, and replies in a thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from runbell.errors import (
    NewerItemError,
    OutOfTimeError,
    RunbellError,
    SlackAmbiguousError,
    SlackLaterError,
    SlackPayloadError,
    SlackUpdateError,
)
from runbell.items import Delivery, HistoryEntry, NoteKind, RunItem
from runbell.metering import Metric, meter
from runbell.observability import logger, told
from runbell.run import instant, timestamp
from runbell.slack import messages
from runbell.slack.messages import Message
from runbell.slack.messenger import Messenger, Place
from runbell.slack.reports import report_message
from runbell.store import RunStore

BETWEEN_EDITS = timedelta(seconds=30)
"""How long a message stays as it is while nothing but the progress of its run is new."""

NOT_EDITABLE = frozenset({"cant_update_message", "edit_window_closed"})
"""Slack's words for a message that is there, and stays as it is."""

LOOK_WITHIN = timedelta(minutes=10)
"""For how long news waits for Slack to let us look whether it has been posted already."""

BEFORE = timedelta(minutes=5)
"""How much Slack's clock may be behind ours."""


class Teller:
    """Brings one channel up to date with a run's item. Each message is written down at once.

    Args:
        store: Takes what has been told.
        slack: The way into the channel.
        item: The run, as it is to be told.
        now: The time of day.
    """

    def __init__(
        self,
        store: RunStore,
        slack: Messenger,
        item: RunItem,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._slack = slack
        self._item = item
        self._now = now
        self._channel = item.channel or ""
        self._delivery = item.delivery
        self._is_written_down = True
        self._look_first = False
        self._insists = False
        is_others = item.thread_of not in {None, item.run_id}
        self._thread_of = item.thread_of if is_others else None
        self._thread: list[str | None] = []

    def tell(self, *, look_first: bool = False, insist: bool = False) -> None:
        """Tell what the channel has not been told, and show what is new.

        Args:
            look_first: Whether somebody may have posted the next message already and could not
                write it down, so that it is looked for first.
            insist: Whether that is so likely that nothing is posted until Slack has let us look, or
                the news has waited for too long.

        Raises:
            SlackError: Slack did not take it for now; telling again goes on from there.
            OutOfTimeError: The way into Slack has no time left; telling again goes on from there.
            StoreUnavailableError: Telling again goes on from there.
        """
        self._look_first = look_first
        self._insists = insist
        if self._delivery.ts is None and not untold(self._item):
            self._settle()  # only a detail is new, and there is no message to show it in
        elif not self._slack.can_edit:
            self._post_each_change()
        elif self._is_mere_progress():
            self._show_progress()
        else:
            self._show()
            while remaining := self._untold():
                self._tell_change(remaining[0])
            self._tell_notes()
            self._settle()

    # ---- The run's own message ------------------------------------------------------------------

    def _is_mere_progress(self) -> bool:
        """Whether nothing is new but how far the run has come."""
        run, noted = self._item.snapshot, self._delivery.noted
        is_all_told = not self._untold() and len(self._item.notes) <= noted
        return is_all_told and run is not None and not run.is_terminal

    def _show_progress(self) -> None:
        """Edit the run's message, unless that was done a moment ago.

        What people must see is not held up by it: where Slack takes no edit now, the next sweep
        tries again.
        """
        shown_at = instant(self._delivery.shown_at)
        wait = BETWEEN_EDITS - (self._now() - shown_at) if shown_at else timedelta(0)
        if wait > timedelta(0):
            self._store.postpone(self._item, wait)
            return
        try:
            self._show()
        except (SlackLaterError, SlackAmbiguousError) as error:
            meter.fail(error)
            seconds = max(BETWEEN_EDITS.total_seconds(), error.retry_after or 0)
            self._store.postpone(self._item, timedelta(seconds=seconds))
        else:
            self._settle()

    def _show(self) -> None:
        """Edit the run's message, or post it where there is none that can be edited."""
        old = self._delivery.ts
        if old is None or self._has_left_its_thread():
            self._post_own(instead_of=old or "")
            return
        if self._delivery.shown == self._item.version:
            return  # an earlier try has come so far, and what follows took too long
        try:
            self._edit(old)
        except SlackUpdateError as error:
            meter.fail(error)
            extra = {"run_id": self._item.run_id, "cause": error.code}
            if error.code in NOT_EDITABLE and not self._has_news():
                logger.info("a message can't be edited, and nothing is new to tell", extra=extra)
                return
            logger.info("a message is gone, so it is posted anew", extra=extra)
            self._post_own(instead_of=old)

    def _edit(self, ts: str) -> None:
        message = own_message(self._item)
        place = Place(self._delivery.channel_id, ts)
        try:
            self._slack.edit(place, message)
        except SlackPayloadError as error:
            _log_plain(message, error)
            self._slack.edit(place, messages.plain(message))
        shown, at = self._item.version, timestamp(self._now())
        self._delivery = replace(self._delivery, shown=shown, shown_at=at)
        self._is_written_down = False

    def _has_news(self) -> bool:
        return bool(self._untold()) or len(self._item.notes) > self._delivery.noted

    def _has_left_its_thread(self) -> bool:
        """Whether the run began in another's thread and is now told by itself."""
        is_told_by_itself = self._item.thread_of == self._item.run_id
        return is_told_by_itself and self._delivery.thread is not None

    def _post_own(self, *, instead_of: str = "") -> None:
        """Post the run's message, which tells its whole story."""
        item = self._item
        latest = item.history[-1]
        is_news = latest in self._untold()
        is_aloud = is_news and messages.must_be_seen(item, latest) and not latest.hushed
        message = replace(own_message(item, is_news=is_news), part=instead_of)
        thread = self._thread_of_another()
        place = self._post_in_thread(message, thread, is_aloud)
        told = item.last_change if place.last_change is None else _told_by(place, item)
        tells_latest = is_news and told == item.last_change
        now_in = self._thread_of_another()
        self._delivery = replace(
            self._delivery,
            channel_id=place.channel_id,
            ts=place.ts,
            # Of the latest change there may be more to tell than one message holds.
            told=told - 1 if tells_latest else told,
            parts=1 if tells_latest else 0,
            thread=None if now_in == place.ts else now_in,
            shown_at=timestamp(self._now()),
        )
        self._is_written_down = False
        if place.last_change is not None and place.ts:
            try:
                self._edit(place.ts)  # it was found, as it was posted a while ago
            except SlackUpdateError as error:
                extra = {"run_id": item.run_id, "cause": error.code}
                logger.warning("a message that was found can't be brought up to date", extra=extra)

    # ---- Its thread -----------------------------------------------------------------------------

    def _tell_change(self, entry: HistoryEntry) -> None:
        """Reply with what an edit is too quiet for, and with what a message had to shorten."""
        texts = messages.whole_texts(self._item, entry)
        if self._delivery.parts == 0 and self._wants_a_reply(entry):
            reply = messages.change_message(self._item, entry, is_reply=True)
            self._reply(reply, broadcast=not entry.hushed)
            self._delivery = replace(self._delivery, parts=1)
        for number in range(max(self._delivery.parts, 1), len(texts) + 1):
            self._reply(texts[number - 1])
            self._delivery = replace(self._delivery, parts=number + 1)
        self._delivery = replace(self._delivery, told=entry.number, parts=0)

    def _wants_a_reply(self, entry: HistoryEntry) -> bool:
        """Whether a change is told in a reply, beside the run's own message.

        One that pings nobody is not where who reads the thread reads that message in it.
        """
        if not messages.must_be_seen(self._item, entry):
            return False
        thread = self._thread_of_another()
        is_read = thread is not None and thread in {self._delivery.thread, self._delivery.ts}
        return not (entry.hushed and is_read)

    def _tell_notes(self) -> None:
        for noted in range(self._delivery.noted, len(self._item.notes)):
            note = self._item.notes[noted]
            if note.kind != NoteKind.RECOVERED:  # which is shown, and told by another run
                self._reply(messages.note_message(self._item, note, noted))
            self._delivery = replace(self._delivery, noted=noted + 1)

    def _reply(self, message: Message, *, broadcast: bool = False) -> None:
        thread = self._thread_of_another() or self._delivery.ts
        self._post_in_thread(message, thread, broadcast)
        self._is_written_down = False

    def _post_in_thread(self, message: Message, thread: str | None, broadcast: bool) -> Place:
        """Post a message in a thread; where that is gone, the message is the beginning of another.

        Slack posts a reply to a message that is gone into the channel, and may refuse it too.
        """
        try:
            place = self._post(message, thread=thread, broadcast=broadcast)
        except SlackUpdateError:
            if thread is None:
                raise
            place = self._post(message)
        else:
            if thread is not None and not place.left_thread:
                return place
        if place.ts is not None:
            self._begin_thread(place)
        return place

    def _begin_thread(self, place: Place) -> None:
        """Have what follows told in the thread of a message."""
        if self._thread_of is not None:
            self._store.put_thread(
                self._item.connection, self._thread_of, self._channel, place.ts or ""
            )
            self._thread = [place.ts]
        elif self._delivery.ts is not None:
            self._delivery = replace(self._delivery, channel_id=place.channel_id, ts=place.ts)

    def _thread_of_another(self) -> str | None:
        """The message in whose thread this run is told; None where it is its own."""
        if self._thread_of is None:
            return None
        if not self._thread:
            self._thread.append(self._look_up_thread(self._thread_of))
        return self._thread[0]

    def _look_up_thread(self, thread_of: str) -> str | None:
        try:
            return self._store.thread_in(self._item.connection, thread_of, self._channel)
        except NewerItemError as error:  # which a release that was rolled back can't read
            extra = {"run_id": self._item.run_id, **told(error)}
            logger.warning("a thread can't be found, so a run is told by itself", extra=extra)
            return None

    # ---- A webhook ------------------------------------------------------------------------------

    def _post_each_change(self) -> None:
        """Post a message for every change: what a webhook has posted can't be edited.

        A webhook has one channel, so what it has told under another name is told here.
        """
        deliveries = self._item.deliveries.values()
        told = max((each.told for each in deliveries if each.ts is None), default=0)
        for entry in self._untold():
            if entry.number <= told:
                continue
            self._post(change_alone(self._item, entry))
            self._delivery = replace(self._delivery, told=entry.number)
            self._is_written_down = False
        self._settle()

    # ---- One step -------------------------------------------------------------------------------

    def _untold(self) -> list[HistoryEntry]:
        return untold(self._item, self._delivery)

    def _post(
        self, message: Message, *, thread: str | None = None, broadcast: bool = False
    ) -> Place:
        """Post a message that is not there yet; what was posted before is written down first.

        A crash so repeats one message at the most.
        """
        if not self._is_written_down:
            self._store.record_delivery(self._item, self._delivery, settled=False)
            self._is_written_down = True
        if self._look_first:
            if found := self._find(message, thread, insist=self._insists):
                return found
            self._look_first = False  # behind one that is not there, none can be
        try:
            return post(self._slack, self._channel, message, thread=thread, broadcast=broadcast)
        except SlackAmbiguousError as error:
            try:
                found = self._find(message, thread)
            except OutOfTimeError:
                raise error from None
            if found:
                return found
            raise

    def _begun(self) -> datetime:
        """Since when what is to be told could have been posted: it may have waited meanwhile."""
        news = [entry.at for entry in self._untold()]
        news += [note.at for note in self._item.notes[self._delivery.noted :]]
        moments = map(instant, [self._item.pending_since, *news])
        return min((moment for moment in moments if moment), default=self._now())

    def _find(self, message: Message, thread: str | None, *, insist: bool = False) -> Place | None:
        """Look whether Slack has a message already, as far as the app may look."""
        since = self._begun()
        channel, from_then = self._delivery.channel_id or self._channel, since - BEFORE
        try:
            return self._slack.find(channel, message, thread=thread, since=from_then.timestamp())
        except (SlackLaterError, SlackAmbiguousError):
            if insist and self._now() - since < LOOK_WITHIN:
                raise
            return None  # rather twice than late

    def _settle(self) -> None:
        """Write down that a channel has been told all of an item."""
        item = self._item
        told = replace(
            self._delivery,
            told=item.last_change,
            parts=0,
            noted=len(item.notes),
            shown=item.version,
            error=None,
        )
        self._store.record_delivery(item, told, settled=True)
        self._count()

    def _count(self) -> None:
        """Count what the channel has just been told, and how late it hears of the run's end."""
        told, run = untold(self._item), self._item.snapshot
        if not told:
            return
        meter.count(Metric.ANNOUNCEMENTS, len(told))
        ended = instant(run.finished_at) if run and run.status == told[-1].status else None
        if ended:
            meter.measure(Metric.LAG, (self._now() - ended).total_seconds())


def _told_by(found: Place, item: RunItem) -> int:
    """The number of the change that a found message tells, as the item counts.

    An item that is younger than the message, since its table was restored, has counted anew: then
    it is the latest change of that kind, and 0 if there is none.
    """
    of_its_kind = [each.number for each in item.history if each.kind == found.kind]
    if found.kind is None or found.last_change in of_its_kind:
        return found.last_change or 0
    return max(of_its_kind, default=0)


def own_message(item: RunItem, *, is_news: bool = False) -> Message:
    """The message of an item: a run's story, or a report.

    Args:
        item: Which.
        is_news: Whether it is posted to tell the latest change, and so may mention people.
    """
    if item.report is not None:
        return report_message(item)
    return messages.run_message(item, is_news=is_news)


def change_alone(item: RunItem, entry: HistoryEntry) -> Message:
    """One change of an item by itself, for a channel where nothing can be edited."""
    if item.report is not None:
        return report_message(item)
    return messages.change_message(item, entry, is_reply=False)


def untold(item: RunItem, delivery: Delivery | None = None) -> list[HistoryEntry]:
    """The changes that the run's channel is still to be told, in order.

    Args:
        item: The run.
        delivery: What the channel has been told by now, if that is more than the item says.
    """
    told = (delivery or item.delivery).told
    return [entry for entry in item.history if entry.announced and entry.number > told]


def post(
    slack: Messenger,
    channel: str,
    message: Message,
    *,
    thread: str | None = None,
    broadcast: bool = False,
) -> Place:
    """Post a message; one whose form Slack refuses goes out in plain words.

    Raises:
        SlackError: Slack did not take it.
    """
    try:
        return slack.post(channel, message, thread=thread, broadcast=broadcast)
    except SlackPayloadError as error:
        _log_plain(message, error)
        plain = messages.plain(message)
        return slack.post(channel, plain, thread=thread, broadcast=broadcast)


def _log_plain(message: Message, error: RunbellError) -> None:
    meter.fail(error)
    logger.warning(
        "Slack refuses the form of a message, so it goes out as plain text",
        extra={"run_id": message.run_id, "cause": str(error)},
    )
