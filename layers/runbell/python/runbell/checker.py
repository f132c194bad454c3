"""Looks at one run: fetch, compare, commit, enqueue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from runbell.algolia import IngestionClient
from runbell.background import PATIENCE, WANTS_ERRORS, Background
from runbell.batch import Batch
from runbell.changes import Change, compare, is_stale, keep_details, state_of
from runbell.connections import Connection
from runbell.deadline import Deadline
from runbell.errors import LostRaceError, StoreUnavailableError
from runbell.events import WhatWentWrong
from runbell.incidents import Incident, thread_for, with_failure
from runbell.items import HistoryEntry, Note, NoteKind, RunItem
from runbell.metering import Metric, meter
from runbell.observability import logger, told
from runbell.outbox import Outbox, Wake
from runbell.rules import (
    Announcement,
    Kind,
    Routing,
    Standstill,
    announce,
    has_resumed,
    kind_in_story,
    may_take,
    standstill_of,
)
from runbell.run import Run, Status, instant, timestamp
from runbell.store import RunStore
from runbell.tasks import USUAL_THRESHOLD, Story, TaskInfo, TaskItem, after_end

LOST_RACES = 25
"""Races lost in a row before a check gives up. Whoever wins one has saved the same news, so a
loser compares once more and finds nothing left to do."""

SHORTEST_REST = timedelta(seconds=30)
LONGEST_REST = timedelta(hours=1)
"""For how long an active run is not fetched, as long as no list shows anything new of it."""


@dataclass(frozen=True)
class Check:
    """What came of one look at a run.

    Args:
        item: The run's item after it.
        previous: What was known of the run before; None at first sight.
        change: What people may want to hear; None when there was nothing, or another check of the
            same moment was first.
        queued: Whether the queue holds a word of it by now; of a run in a batch, the batch says so.
        stale: Whether what was fetched was older than what is known.
    """

    item: RunItem
    previous: Run | None
    change: Change | None
    queued: bool
    stale: bool = False


@dataclass(frozen=True)
class _News:
    """What has happened to a run since it was saved."""

    kind: Kind
    standstill: Standstill | None = None


@dataclass(frozen=True)
class _Look:
    """What is seen of a run, and what it follows from.

    `item` and `task` are what the table held, `story` is the task's with this run in it, and `news`
    what has happened since, if anything.
    """

    item: RunItem
    run: Run
    task: TaskItem
    story: Story
    news: _News | None
    is_named: bool
    cares: bool

    @property
    def news_kind(self) -> Kind:
        """What has happened."""
        assert self.news is not None, "asked only where there is news"
        return self.news.kind


class _Extras:
    """What one look asks Algolia for beside the run, at most once however often it is compared."""

    def __init__(self, background: Background, deadline: Deadline) -> None:
        self._background = background
        self._deadline = Deadline(min(PATIENCE, deadline.remaining()))
        self._info: list[TaskInfo | None] = []
        self._errors: list[WhatWentWrong | None] = []

    def info(self, task: TaskItem, *, watches_time: bool) -> TaskInfo | None:
        if not self._info:
            told = self._background.info_of(task, self._deadline, watches_time=watches_time)
            self._info.append(told)
        return self._info[0]

    def errors(self, run: Run) -> WhatWentWrong | None:
        if not self._errors:
            self._errors.append(self._background.what_went_wrong(run, self._deadline))
        return self._errors[0]


class Checker:
    """Looks at one run of a connection at a time; many threads may share it.

    Args:
        connection: Whose runs.
        client: Reads them.
        store: Remembers them.
        outbox: Wakes notify.
        background: Knows names, and what went wrong.
        routing: Where announcements go unless the connection, a task's or a run's watch says
            otherwise.
        now: The time of day.
    """

    def __init__(
        self,
        connection: Connection,
        client: IngestionClient,
        store: RunStore,
        outbox: Outbox,
        background: Background,
        routing: Routing,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.connection = connection
        self.client = client
        self.background = background
        self._store = store
        self._outbox = outbox
        self._routing = routing.with_watch(connection.wishes)
        self._now = now

    def check(self, run_id: str, deadline: Deadline) -> Check:
        """Fetch a run that somebody named, and see what is new about it.

        Raises:
            RunNotFoundError: Algolia does not know it.
            AlgoliaError, MalformedRunError: Algolia gave no run.
            ConfigurationError: A setting or a secret is not usable.
            StoreUnavailableError, LostRaceError: The table did not take it; nothing was announced.
            OutOfTimeError: The deadline leaves no time to ask.
        """
        return self.observe(self.client.get_run(run_id, deadline), deadline, is_named=True)

    def look(self, run_id: str, deadline: Deadline) -> Check:
        """Fetch a run that Runbell itself wants to know of; raises as `check` does."""
        return self.observe(self.client.get_run(run_id, deadline), deadline, is_due=True)

    def observe(
        self, run: Run, deadline: Deadline, *, is_named: bool = False, is_due: bool = False
    ) -> Check:
        """Save what is new about a run, once, however many do so at the same time.

        Args:
            run: What was just seen of it.
            deadline: When to be done; names and events are not asked for beyond it.
            is_named: Whether somebody asked for this very run.
            is_due: Whether it is looked at because it was time to, so that the next time is to be
                said anew.

        Raises:
            StoreUnavailableError, LostRaceError: The table did not take it; nothing was announced.
        """
        batch = self.batch()
        try:
            check = self.observe_in(batch, run, deadline, is_named=is_named, is_due=is_due)
        finally:  # what is saved by then is told
            taken = batch.enqueue()
        return replace(check, queued=Wake.of(check.item) in taken)

    def batch(self, runs: Sequence[Run] = ()) -> Batch:
        """Make ready to observe runs together, those of one task one after the other."""
        return Batch(self.connection.name, self._store, self._outbox, runs)

    def observe_in(
        self,
        batch: Batch,
        run: Run,
        deadline: Deadline,
        *,
        is_named: bool = False,
        is_due: bool = False,
    ) -> Check:
        """Do as `observe` does, with a word to the queue once the batch has enough of them."""
        extras = _Extras(self.background, deadline)
        for _ in range(LOST_RACES):
            item, task = batch.items_of(run)
            known = item.snapshot
            cares = self.cares_for(item, task)
            if not cares and not is_named:
                if item.is_active:
                    self._store.retire(item)
                return Check(item, known, None, queued=False)
            if known is not None and is_stale(known, run):
                meter.count(Metric.STALE_READS)
                logger.info("a stale read is left aside", extra={"run_id": run.run_id})
                self._tidy(item, known, task, is_due=is_due, cares=cares)
                return Check(item, known, None, queued=False, stale=True)
            seen = run
            if known is not None and state_of(known) == state_of(run):
                seen = keep_details(known, run)
            story = task.story.with_run(seen) if seen.is_terminal else task.story
            news = self._news(item, seen, task, story)
            if news is None and is_named:
                news = self._untold(item, task)
            if known == seen and news is None and story == task.story:
                self._tidy(item, seen, task, is_due=is_due, cares=cares)
                return Check(item, known, None, queued=False)
            try:
                look = _Look(item, seen, task, story, news, is_named=is_named, cares=cares)
                return self._commit(look, extras, batch)
            except LostRaceError:
                continue
        raise LostRaceError(f"run {run.run_id} was saved by others {LOST_RACES} times in a row")

    def cares_for(self, item: RunItem, task: TaskItem) -> bool:
        """Whether anybody wants to hear what becomes of a run."""
        return self.connection.watches_all or item.watch is not None or task.watch is not None

    def routing_of(self, task: TaskItem, item: RunItem | None = None) -> Routing:
        """Where things are announced: a run's own watch first, then its task's."""
        routing = self._routing.with_watch(task.watch).with_watch(item.watch if item else None)
        return replace(routing, mute=task.mute)

    def enqueue(self, item: RunItem) -> bool:
        """Wake notify; False when the queue does not take it, and the next sweep has to."""
        return bool(self._outbox.enqueue_each([Wake.of(item)]))

    def _news(self, item: RunItem, run: Run, task: TaskItem, story: Story) -> _News | None:
        """Tell what has happened to a run since it was saved; None when only details are new."""
        known = item.snapshot
        change = compare(known, run)
        if change is not None:
            is_latest = run.is_terminal and story.is_latest(run.run_id)
            failures = story.streak_before(run.run_id).failures if is_latest else 0
            return _News(kind_in_story(change.after, run.reason_code, failures))
        saved_at = instant(item.updated_at)
        if known is None or saved_at is None or not item.history:
            return None
        stalls = _stalls(item)
        if item.history[-1].kind == Kind.STALLED and stalls:
            return _News(Kind.RESUMED) if has_resumed(known, run, stalls) else None
        now, started = self._now(), instant(run.started_at)
        standstill = standstill_of(
            known,
            run,
            stalls,
            quiet_for=now - saved_at,
            patience=self.routing_of(task, item).stalled_after,
            running_for=now - started if started else None,
            at_most=may_take(task.story.typical),
        )
        return _News(Kind.STALLED, standstill) if standstill else None

    def _untold(self, item: RunItem, task: TaskItem) -> _News | None:
        """The state of a run that nobody was told of, now that somebody asks for this very run."""
        if not item.history or any(entry.announced for entry in item.history):
            return None
        latest = item.history[-1]
        kind = Kind(latest.kind)
        wanted = announce(kind, self.routing_of(task, item), self._now())
        standstill = Standstill(latest.standstill) if latest.standstill else None
        return _News(kind, standstill) if wanted and not wanted.held else None

    def _tidy(
        self, item: RunItem, known: Run, task: TaskItem, *, is_due: bool, cares: bool
    ) -> None:
        """Put the marks right of an item of which nothing is new."""
        if item.is_active and known.is_terminal:  # watched at the moment of its end
            self._store.retire(item)
            return
        if item.unknown_since:
            self._store.note_known(self.connection.name, item.run_id)
        due_at = self._due_at(item, known, task, instant(item.updated_at))
        is_new = cares and not item.is_active  # recorded before anybody cared
        if due_at is not None and (is_new or (is_due and item.is_active)):
            self._store.look_again(item, max(due_at, self._now() + SHORTEST_REST))

    def _commit(self, look: _Look, extras: _Extras, batch: Batch) -> Check:
        """Save what is new of a run, with what is to be told of it."""
        item, run, task, news = look.item, look.run, look.task, look.news
        change: Change | None = None
        entry: HistoryEntry | None = None
        announcement: Announcement | None = None
        names = task.info.names if task.info else None
        after = after_end(task, look.story, news.kind if news else None)
        if news is not None:
            change = Change(
                before=state_of(item.snapshot) if item.snapshot else None, after=state_of(run)
            )
            announcement = self._announcement(look)
            entry = self._entry(look, announcement)
        if entry is not None and announcement is not None:
            watches_time = look.cares and Kind.STALLED in self.routing_of(task, item).notify_on
            info = extras.info(task, watches_time=watches_time)
            names = info.names if info else None
            after = replace(after, info=info)
            errors = extras.errors(run) if entry.kind in WANTS_ERRORS else None
            threshold = info.threshold if info and entry.streak else None
            entry = replace(entry, errors=errors, threshold=threshold)
            if announcement.held:
                begin, end = announcement.held
                # Before the run is saved: a summary with nothing to tell is none, and does no harm.
                self._store.expect_summary(self.connection.name, announcement.channel, begin, end)
            elif entry.kind == Kind.BLOCKED or (
                entry.kind == Kind.FAILED and look.story.streak.failures
            ):
                entry, after = self._with_incident(look, entry, after, announcement)
        announce_in = announcement.channel if announcement and not announcement.held else None
        thread_of = thread_for(
            after.incident or task.incident,
            run_id=run.run_id,
            thread_of=item.thread_of,
            channel=announce_in,
        )
        if task.incident is not None and after.incident is None:
            # Before the run is saved: a crash in between is made up for by the next look.
            self._close(task.incident, run, batch)
        if announce_in is None and (item.pending_since or item.deliveries):
            announce_in = item.channel  # nothing new to tell, but a message to keep true
        known_by_then = replace(item, history=(*item.history, entry)) if entry else item
        is_task_as_it_was = replace(after, info=task.info) == task
        saved = self._store.commit(
            item,
            run,
            entry,
            announce_in=announce_in,
            due_at=self._due_at(known_by_then, run, task, self._now()) if look.cares else None,
            names=names,
            thread_of=thread_of,
            task=None if is_task_as_it_was else (task, after),
        )
        batch.hand_on(after if is_task_as_it_was else replace(after, version=task.version + 1))
        if announce_in is not None:
            batch.tell(saved)
        if news is not None:
            meter.count(Metric.CHANGES)
            logger.info("a run has changed", extra={"run_id": run.run_id, "kind": news.kind})
        return Check(saved, item.snapshot, change, queued=False)

    def _close(self, incident: Incident, run: Run, batch: Batch) -> None:
        """Have the message of the first failure say that it is well again, in passing.

        The recovery itself is told by the run that brings it.
        """
        note = Note(NoteKind.RECOVERED, None, timestamp(self._now()), run.run_id)
        try:
            first = self._store.add_note(self.connection.name, incident.run_id, note)
        except (StoreUnavailableError, LostRaceError) as error:
            meter.fail(error)
            extra = {"run_id": incident.run_id, **told(error)}
            logger.warning("a failure's message does not say that it is over", extra=extra)
            return
        if first is not None:
            batch.tell(first)

    def _announcement(self, look: _Look) -> Announcement | None:
        """Decide whether people are told, and where."""
        assert look.news is not None, "only news is announced"
        item, run, task = look.item, look.run, look.task
        if item.snapshot is None and not look.is_named and item.watch is None:
            began = self._watched_since(task)
            over = instant(run.finished_at) or instant(run.created_at)
            if run.is_terminal and not (began and over and over >= began):
                return None  # over before anybody cared: a first deploy floods no channel
        told_of = [entry for entry in item.history if entry.announced]
        return announce(
            look.news.kind,
            self.routing_of(task, item),
            self._now(),
            owed=bool(told_of) and told_of[-1].kind == Kind.STALLED,
            in_incident=task.incident is not None
            and task.incident.channel == self.routing_of(task, item).channel,
        )

    def _with_incident(
        self, look: _Look, entry: HistoryEntry, after: TaskItem, announcement: Announcement
    ) -> tuple[HistoryEntry, TaskItem]:
        """Tell a failure as one of its task's failures in a row: aloud, or in their thread."""
        incident, is_aloud = with_failure(
            look.task.incident,
            look.news_kind,
            run_id=look.item.run_id,
            channel=announcement.channel,
            failures=look.story.streak.failures,
            threshold=after.info.threshold if after.info else USUAL_THRESHOLD,
            now=self._now(),
        )
        return replace(entry, hushed=not is_aloud), replace(after, incident=incident)

    def _watched_since(self, task: TaskItem) -> datetime | None:
        """Since when somebody cares for the runs of a task, be it one task or all."""
        of_all = instant(self.connection.scan.all_since) if self.connection.watches_all else None
        of_task = instant(task.watched_since) if task.watch else None
        return min((since for since in (of_all, of_task) if since), default=None)

    def _entry(self, look: _Look, announcement: Announcement | None) -> HistoryEntry:
        assert look.news is not None, "only news has an entry"
        run, story, news = look.run, look.story, look.news
        streak = story.streak
        if news.kind is Kind.RECOVERED:
            streak = story.streak_before(run.run_id)
        is_told_of = news.kind in {Kind.FAILED, Kind.RECOVERED} and story.is_latest(run.run_id)
        has_streak = is_told_of or news.kind is Kind.BLOCKED
        typical = look.task.story.typical
        held = announcement.held if announcement else None
        return HistoryEntry(
            number=look.item.last_change + 1,
            kind=news.kind,
            status=run.status,
            outcome=run.outcome,
            at=timestamp(self._now()),
            announced=announcement is not None and held is None,
            mentions=announcement.mentions if announcement else (),
            streak=streak.failures if has_streak else 0,
            since=streak.since if has_streak else None,
            standstill=news.standstill,
            typical=round(typical.total_seconds()) if typical else None,
            hushed=announcement is not None and announcement.hushed,
            held_until=timestamp(held[1]) if held else None,
            held_in=announcement.channel if announcement and held else None,
        )

    def _due_at(
        self, item: RunItem, run: Run, task: TaskItem, news_at: datetime | None
    ) -> datetime | None:
        """When a run is to be looked at again though no list shows anything new of it.

        That is when it would count as stalled, and within an hour in any case.
        """
        if run.is_terminal:
            return None
        now = self._now()
        moments = [now + LONGEST_REST]
        patience = self.routing_of(task, item).stalled_after
        is_stalled = bool(item.history) and item.history[-1].kind == Kind.STALLED
        if run.status == Status.STARTED and patience is not None and not is_stalled:
            moments.append((news_at or now) + patience)
            started, at_most = instant(run.started_at), may_take(task.story.typical)
            if started and at_most and not _stalls(item):
                moments.append(started + at_most)
        return min(moments)


def _stalls(item: RunItem) -> list[str]:
    """Why a run has been called stalled so far."""
    return [
        entry.standstill or Standstill.QUIET for entry in item.history if entry.kind == Kind.STALLED
    ]
