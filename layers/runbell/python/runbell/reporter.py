"""Makes reports: what quiet hours held back once they are over, and how a day went."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from runbell.checker import Checker
from runbell.deadline import Deadline
from runbell.errors import OutOfTimeError
from runbell.items import RunItem, parse_item, run_key
from runbell.observability import logger
from runbell.reports import DAY, DIGEST, SUMMARY, Ended, Seen, digest_of, summary_of
from runbell.run import instant, timestamp
from runbell.store import RunStore
from runbell.table import Table
from runbell.task_store import TaskStore
from runbell.tasks import TaskItem

SETTLED_AFTER = timedelta(seconds=90)
"""How long after the end of quiet hours they are summed up: a look that was under way at their end
holds back what it has seen, and is saved within the minute that a function may run."""

MOST_OF_SUMMARY = 5_000
"""Runs that are read for a summary, the latest first."""

MOST_OF_DIGEST = 20_000
"""Runs that are read for a digest, the latest first."""

LOOK_BACK = timedelta(days=7)
"""Of which time a digest knows the tasks: one that fails has mostly run within a week."""

MOST_TASKS = 5_000
"""Tasks that are read for a digest."""

LEFT_TO_THE_EVENT = timedelta(minutes=2)
"""After which a tick makes the digest that its own event has not made."""

KEPT = timedelta(days=8)
"""How long it is remembered that a digest was asked for."""

PAGE = 500
"""Runs that are read in one request."""


class Reporter:
    """Makes the reports of one connection; each is saved once, and then told as a run's news are.

    Args:
        checker: Knows where things are announced, and wakes notify.
        store: Remembers runs, and reports.
        tasks: Remembers tasks.
        table: What they are kept in: the runs in the order of their changes, and what is due.
        now: The time of day.
    """

    def __init__(
        self,
        checker: Checker,
        store: RunStore,
        tasks: TaskStore,
        table: Table,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._checker = checker
        self._connection = checker.connection.name
        self._store = store
        self._tasks = tasks
        self._table = table
        self._now = now

    def summarise(self, name: str, deadline: Deadline) -> int:
        """Have a channel told what its quiet hours held back, once.

        Args:
            name: Of the summary that is due, as `RunStore.expect_summary` has named it.
            deadline: When to be done.

        Returns:
            How many reports were made.

        Raises:
            OutOfTimeError, StoreUnavailableError: It stays due.
        """
        key = f"{SUMMARY}#{self._connection}#{name}"
        expected = self._table.get(key)
        end = instant(expected["end"]) if expected and "due" in expected else None
        if expected is None or end is None or self._now() < end + SETTLED_AFTER:
            return 0  # by now another tick has made it, or it is too early
        channel, begin, until = expected["channel"], expected["begin"], expected["end"]
        since = instant(begin) or end
        # The latest first, so that they are told in any case. What changes meanwhile becomes the
        # latest, and would be passed over: it is read after that.
        meanwhile = max(since, self._now() - SETTLED_AFTER)
        readings = [
            self._pages(self._connection, since, MOST_OF_SUMMARY, deadline),
            self._pages(self._connection, meanwhile, MOST_OF_SUMMARY, deadline, forward=True),
            self._pages(key, since, MOST_OF_SUMMARY, deadline),  # the runs that are missing
        ]
        items: dict[str, RunItem] = {}
        more = False
        for page, is_cut in chain.from_iterable(readings):
            keys = [run_key(self._connection, item.run_id) for item in page]
            found = self._table.get_many(keys, consistent=False).values()
            held = (each for each in map(parse_item, found) if _is_held(each, channel, until))
            items |= {each.run_id: each for each in held}
            more = more or is_cut
        subjects = (item.snapshot or item.missed for item in items.values())
        report = summary_of(
            items.values(),
            self._tasks.get_many(self._connection, {of.task_id for of in subjects if of}),
            channel,
            begin,
            until,
            read_at_most=MOST_OF_SUMMARY if more else None,
        )
        return self._tell(key, channel, f"{SUMMARY} {channel} {until}", report)

    def digest(self, deadline: Deadline, at: datetime | None = None) -> int:
        """Have people told how the last 24 hours went, once for each time it is asked for.

        What comes between is left to the next tick, which makes it then.

        Args:
            deadline: When to be done.
            at: For when it was scheduled; None for this hour.

        Returns:
            How many reports were made.

        Raises:
            OutOfTimeError, StoreUnavailableError: It stays due.
        """
        from boto3.dynamodb.conditions import Attr

        now = self._now()
        name = timestamp(at or now.replace(minute=0, second=0, microsecond=0))
        put = {
            "connection": self._connection,
            "at": timestamp(at or now),
            "due": self._connection,
            "due_at": timestamp(now + LEFT_TO_THE_EVENT),
            "expires_at": int((now + KEPT).timestamp()),
        }
        key = f"{DIGEST}#{self._connection}#{name}"
        not_asked_for_before = Attr("at").not_exists()
        self._table.update(key, put=put, condition=not_asked_for_before)
        return self.make_digest(name, deadline)

    def make_digest(self, name: str, deadline: Deadline) -> int:
        """Make the digest of a name that is due; returns and raises as `digest` does."""
        key = f"{DIGEST}#{self._connection}#{name}"
        expected = self._table.get(key)
        at = instant(expected["at"]) if expected and "due" in expected else None
        if at is None:
            return 0  # made before
        routing = self._checker.routing_of(TaskItem(self._connection, ""))
        muted_until = instant(routing.muted_until)
        if muted_until is not None and self._now() < muted_until:
            return self._tell(key, routing.channel, f"{DIGEST} {name}", None)
        seen = self._seen_up_to(at, deadline)
        tasks: dict[str, TaskItem] = {}
        task_ids = sorted(seen.task_ids)[:MOST_TASKS]
        for begin in range(0, len(task_ids), PAGE):
            _check(deadline)
            tasks |= self._tasks.get_many(self._connection, task_ids[begin : begin + PAGE])
        report = digest_of(seen, tasks, at)
        return self._tell(key, routing.channel, f"{DIGEST} {name}", report)

    def _seen_up_to(self, at: datetime, deadline: Deadline) -> Seen:
        """Read the runs that a digest is made of, keeping of each what it needs."""
        ended: list[Ended] = []
        task_ids: set[str] = set()
        running = runs = 0
        back_to: datetime | None = None
        pages = self._pages(self._connection, at - LOOK_BACK, MOST_OF_DIGEST, deadline)
        for page, is_cut in pages:
            for item in page:
                run = item.snapshot
                if run is None:
                    continue
                task_ids.add(run.task_id)
                running += not run.is_terminal
                end = Ended.of(run)
                if end is not None and end.at >= at - 2 * DAY:
                    ended.append(end)
            runs += len(page)
            back_to = instant(page[-1].updated_at) if is_cut else None
        return Seen(ended, frozenset(task_ids), running, runs, back_to)

    def _pages(
        self,
        owner: str,
        since: datetime,
        most: int,
        deadline: Deadline,
        *,
        forward: bool = False,
    ) -> Iterator[tuple[list[RunItem], bool]]:
        """Read the runs that have changed since a moment, by when they have.

        The owner is the connection, or the key of a summary, for runs that are missing. Each page
        comes with whether more of them are left unread.
        """
        from boto3.dynamodb.conditions import Key

        key = Key("recent").eq(owner) & Key("updated_at").gte(timestamp(since))
        start: dict[str, str] | None = None
        while most > 0:
            _check(deadline)
            found, start = self._table.query(
                "recent", key, start=start, limit=min(PAGE, most), forward=forward
            )
            most -= len(found)
            if found:
                yield list(map(parse_item, found)), start is not None and most <= 0
            if start is None:
                return

    def _tell(self, key: str, channel: str, name: str, report: dict[str, Any] | None) -> int:
        """Save a report, if there is one, and only then take its mark away.

        Whoever comes between makes the same again under the same ID, which is not saved twice.
        """
        from boto3.dynamodb.conditions import Attr

        item: RunItem | None = None
        if report is not None:
            item = self._store.create_report(self._connection, name, channel, report)
        if item is not None:
            logger.info("a report is made", extra={"report": item.run_id})
            self._checker.enqueue(item)
        was_due = Attr("due").exists()
        self._table.update(key, remove=("due", "due_at"), condition=was_due)
        return int(item is not None)


def _is_held(item: RunItem, channel: str, until: str) -> bool:
    return any((each.held_in, each.held_until) == (channel, until) for each in item.history)


def _check(deadline: Deadline) -> None:
    if not deadline.remaining():
        raise OutOfTimeError("the next tick makes a report")
