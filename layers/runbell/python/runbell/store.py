"""What the table remembers of runs: every write conditional, so that it is the commit point.

Sparse indexes name what needs work: `pending` holds the runs with something still to be brought
to Slack, `due` the runs that have not ended, and tasks, by when they are to be looked at even if
no list shows anything new of them. An item leaves an index when the index's attribute leaves it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from runbell.commits import DUE, EXPIRY, UNKNOWN, history_with, write_of_run, write_of_task
from runbell.errors import LostRaceError
from runbell.items import (
    Delivery,
    HistoryEntry,
    Missed,
    Note,
    RunItem,
    known,
    parse_item,
    parse_task_item,
    run_key,
    subject_of,
    task_key,
    watch_attributes,
)
from runbell.notices import (
    missed_item,
    report_item,
    summary_item,
    summary_key,
    thread_key,
    trial_item,
)
from runbell.rules import Watch
from runbell.run import Run, timestamp
from runbell.table import Table
from runbell.tasks import Names, TaskItem, expiry_of

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

LEAST_KEPT = timedelta(days=8)
"""How long an item stays in any case: Algolia lists a run for seven days, and one that is
forgotten meanwhile would be news again."""

TEST_KEPT = timedelta(days=1)
"""How long the item of a test message stays."""

NOTES_KEPT = 50
"""Words about a run at the most; whoever presses a button so often is not heard any more."""

LOST_RACES = 10
"""Races lost in a row before a note is given up."""

_PENDING = ("pending", "pending_since", "pending_due")
_WATCH = ("watch", "watched", "watched_since")


@dataclass(frozen=True)
class Pending:
    """A run with something still to be brought to a channel.

    Args:
        since: Since when (RFC 3339, UTC).
        due_at: When a sweep is to enqueue it again (RFC 3339, UTC).
    """

    connection: str
    run_id: str
    version: int
    channel: str
    since: str
    due_at: str


@dataclass(frozen=True)
class Glance:
    """What was known of some runs a moment ago.

    Args:
        snapshots: By run, what was seen last; not of one that goes on and is not looked at.
        watched_runs, watched_tasks: Those that have a watch.
    """

    snapshots: Mapping[str, Run]
    watched_runs: frozenset[str]
    watched_tasks: frozenset[str]


class RunStore:
    """Reads and writes runs' items.

    Every method raises StoreUnavailableError when DynamoDB doesn't do what it is asked.

    Args:
        table: The table of the template.
        retention: How long an item stays after its run last changed.
        now: The time of day.
    """

    def __init__(
        self,
        table: Table,
        *,
        retention: timedelta = timedelta(days=30),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._table = table
        self._retention = max(retention, LEAST_KEPT)
        self._now = now

    def get(self, connection: str, run_id: str) -> RunItem:
        """Read a run's item as it is this moment; an empty one if there is none."""
        return _run_item(connection, run_id, self._table.get(run_key(connection, run_id)))

    def get_with_task(self, connection: str, run_id: str, task_id: str) -> tuple[RunItem, TaskItem]:
        """Read a run's item and that of its task, both in one request."""
        of_run, of_task = run_key(connection, run_id), task_key(connection, task_id)
        found = self._table.get_many([of_run, of_task])
        return (
            _run_item(connection, run_id, found.get(of_run)),
            _task_item(connection, task_id, found.get(of_task)),
        )

    def get_many_with_tasks(
        self, connection: str, runs: Sequence[Run]
    ) -> tuple[dict[str, RunItem], dict[str, TaskItem]]:
        """Read the items of many runs and of their tasks, by their IDs, a hundred a request."""
        of_runs = {run.run_id: run_key(connection, run.run_id) for run in runs}
        of_tasks = {run.task_id: task_key(connection, run.task_id) for run in runs}
        found = self._table.get_many([*of_runs.values(), *of_tasks.values()])
        return (
            {name: _run_item(connection, name, found.get(key)) for name, key in of_runs.items()},
            {name: _task_item(connection, name, found.get(key)) for name, key in of_tasks.items()},
        )

    def glance(self, connection: str, runs: Iterable[Run], *, with_tasks: bool) -> Glance:
        """Tell what was known of many runs a moment ago; for what may be a moment late.

        Args:
            connection: Whose runs.
            runs: Which.
            with_tasks: Whether to tell which of their tasks are watched.
        """
        seen = list(runs)
        keys = [run_key(connection, run.run_id) for run in seen]
        if with_tasks:
            keys += [task_key(connection, run.task_id) for run in seen]
        found = self._table.get_many(keys, consistent=False).values()
        items = [parse_item(each) for each in found if "run_id" in each]
        tasks = [each for each in found if "run_id" not in each]
        return Glance(
            snapshots={
                item.run_id: item.snapshot
                for item in items
                if item.snapshot and (item.snapshot.is_terminal or item.is_active)
            },
            watched_runs=frozenset(item.run_id for item in items if item.watch),
            watched_tasks=frozenset(each["task_id"] for each in tasks if "watch" in each),
        )

    def commit(
        self,
        item: RunItem,
        run: Run,
        entry: HistoryEntry | None,
        *,
        announce_in: str | None,
        due_at: datetime | None = None,
        names: Names | None = None,
        thread_of: str | None = None,
        task: tuple[TaskItem, TaskItem] | None = None,
    ) -> RunItem:
        """Save what was seen of a run together with the fact that it is still to be announced.

        Args:
            item: The item that `run` was compared with.
            run: What was seen.
            entry: The change that it was, if it was one.
            announce_in: The channel that has to be brought up to date, if any.
            due_at: When to look at the run again at the latest; None if it has ended, or nobody
                wants it looked at.
            names: Those of the run's task, as far as they are known.
            thread_of: The run in whose thread it is told from now on; None leaves that as it is.
            task: The task's item as it was read, and as it is to be. It is saved with the run or
                not at all.

        Returns:
            The item as saved.

        Raises:
            LostRaceError: Another writer saved this run, or its task, since `item` was read.
        """
        now = self._now()
        saved = replace(
            item,
            version=item.version + 1,
            snapshot=run,
            history=history_with(item, entry),
            channel=item.channel if announce_in is None else announce_in,
            pending_since=item.pending_since or (timestamp(now) if announce_in else None),
            due_at=timestamp(due_at) if due_at else None,
            unknown_since=None,
            updated_at=timestamp(now),
            names=names or item.names,
            thread_of=thread_of or item.thread_of,
        )
        writes = [
            write_of_run(
                item,
                saved,
                is_change=entry is not None,
                announce_in=announce_in,
                expiry=self._expiry(self._retention),
            )
        ]
        if task is not None:
            expiry = expiry_of(task[1], now, self._retention)
            writes.append(write_of_task(*task, expiry=expiry))
        if not self._table.write(*writes):
            raise LostRaceError(f"run {item.run_id} was saved by another at the same time")
        return saved

    def record_delivery(self, item: RunItem, delivery: Delivery, *, settled: bool) -> None:
        """Save what a channel has been told.

        Args:
            item: The item that was brought to Slack, in its present channel.
            delivery: What the channel has been told by now.
            settled: Nothing of `item` is left to be done. If the run has changed since, it stays
                pending all the same.
        """
        from boto3.dynamodb.conditions import Attr

        key = run_key(item.connection, item.run_id)
        put: dict[tuple[str, ...], Any] = {
            ("deliveries", item.channel or ""): known(asdict(delivery))
        }
        if settled:
            no_look_since = Attr("version").eq(item.version) & Attr("channel").eq(item.channel)
            due = Attr("due")
            as_due = due.exists() if item.is_active else due.not_exists()
            keeps = item.is_active or item.test
            expiry = {} if keeps else {(EXPIRY,): self._expiry(self._retention)}
            if self._table.update(
                key, put=put | expiry, remove=_PENDING, condition=no_look_since & as_due
            ):
                return
        still_there = Attr("deliveries").exists()
        self._table.update(key, put=put, condition=still_there)

    def put_watch(
        self, connection: str, run_id: str, watch: Watch, *, thread_of: str | None = None
    ) -> RunItem:
        """Watch a run, known or not; a watch that was there before is replaced.

        Args:
            connection: Whose run.
            run_id: Which.
            watch: What is asked for.
            thread_of: The run in whose thread it is to be told, if it is another's.
        """
        now = timestamp(self._now())
        put: dict[str, Any] = {
            "connection": connection,
            "run_id": run_id,
            "watch": watch_attributes(watch),
            "watched": connection,
        }
        if thread_of is not None:
            put["thread_of"] = thread_of
        snapshot = self.get(connection, run_id).snapshot
        has_ended = snapshot is not None and snapshot.is_terminal
        if not has_ended:  # what is looked at does not expire
            put |= {"due": connection, "due_at": now}
        saved = self._table.update(
            run_key(connection, run_id),
            put=put,
            keep={"watched_since": now},
            remove=() if has_ended else (EXPIRY,),
        )
        return parse_item(saved or {})

    def delete_watch(self, connection: str, run_id: str) -> bool:
        """Stop watching a run; what is known of it stays. False when it was not watched.

        Whether the run is still looked at for its task's sake is the next tick's to find out.
        """
        from boto3.dynamodb.conditions import Attr

        is_watched, key = Attr("watch").exists(), run_key(connection, run_id)
        at_once = {"due_at": timestamp(self._now())}
        if self._table.update(
            key, put=at_once, remove=_WATCH, condition=is_watched & Attr("due").exists()
        ):
            return True
        return self._look_no_more(connection, run_id, _WATCH, is_watched)

    def retire(self, item: RunItem) -> None:
        """Look at a run no more until somebody asks for it.

        A watch that was put since `item` was read wants it looked at, and so it is.
        """
        from boto3.dynamodb.conditions import Attr

        as_it_was = Attr("due_at").eq(item.due_at)
        self._look_no_more(item.connection, item.run_id, (*DUE, *UNKNOWN), as_it_was)

    def look_again(self, item: RunItem, at: datetime) -> None:
        """Say when a run, of which nothing is new, is to be looked at again.

        A watch that was put since `item` was read wants it looked at at once, and so it is.
        """
        from boto3.dynamodb.conditions import Attr

        due_at, key = Attr("due_at"), run_key(item.connection, item.run_id)
        as_it_was = due_at.eq(item.due_at) if item.due_at else due_at.not_exists()
        version = Attr("version")
        no_look_since = version.eq(item.version) if item.version else version.not_exists()
        self._table.update(
            key,
            put={"due": item.connection, "due_at": timestamp(at)},
            remove=(EXPIRY,),  # what is looked at does not expire
            condition=as_it_was & no_look_since,
        )

    def note_unknown(self, connection: str, run_id: str) -> RunItem | None:
        """Remember since when Algolia does not know a run; None when nobody wants it looked at."""
        from boto3.dynamodb.conditions import Attr

        keep = {"unknown_since": timestamp(self._now())}
        key, is_due = run_key(connection, run_id), Attr("due").exists()
        saved = self._table.update(key, keep=keep, condition=is_due)
        return parse_item(saved) if saved else None

    def note_known(self, connection: str, run_id: str) -> None:
        """Forget that Algolia did not know a run."""
        from boto3.dynamodb.conditions import Attr

        was_unknown = Attr("unknown_since").exists()
        self._table.update(run_key(connection, run_id), remove=UNKNOWN, condition=was_unknown)

    def due(self, connection: str) -> Iterator[tuple[str, str]]:
        """Name what is to be looked at by now: (`run` or `task`, its ID), the most urgent first."""
        from boto3.dynamodb.conditions import Key

        by_now = Key("due_at").lte(timestamp(self._now()))
        for found in self._table.query_all("due", Key("due").eq(connection) & by_now):
            yield subject_of(found["pk"], connection)

    def pending(self, connection: str) -> Iterator[Pending]:
        """Name the runs with something to announce, those first that a sweep is to enqueue first.

        What its channel has refused is not among them: see ClosedChannels.
        """
        from boto3.dynamodb.conditions import Key

        for found in self._table.query_all("pending", Key("pending").eq(connection)):
            yield read_pending(found, connection)

    def postpone(self, pending: Pending | RunItem, by: timedelta) -> None:
        """Have the sweep leave a pending run alone for a while.

        Be it that one has just enqueued it, or that it is too early to show what is new of it.
        """
        from boto3.dynamodb.conditions import Attr

        is_pending = Attr("pending").exists() & Attr("version").eq(pending.version)
        self._table.update(
            run_key(pending.connection, pending.run_id),
            put={"pending_due": timestamp(self._now() + by)},
            condition=is_pending,
        )

    def add_note(self, connection: str, run_id: str, note: Note) -> RunItem | None:
        """Save a word about a run together with the fact that it is still to be told.

        Returns:
            The item as saved; None if there is nowhere to tell it, or it was told before.

        Raises:
            LostRaceError: Others kept writing the same run.
        """
        from boto3.dynamodb.conditions import Attr

        for _ in range(LOST_RACES):
            item = self.get(connection, run_id)
            is_too_much = note.is_pressed and len(item.notes) >= NOTES_KEPT
            if not item.channel or note.is_among(item.notes) or is_too_much:
                return None
            now, notes = timestamp(self._now()), (*item.notes, note)
            put: dict[str, Any] = {
                "version": item.version + 1,
                "notes": [known(asdict(each)) for each in notes],
                "pending": connection,
                "pending_due": now,
            }
            saved = self._table.update(
                run_key(connection, run_id),
                put=put,
                keep={"pending_since": now, "deliveries": {}},
                remove=(EXPIRY,),
                condition=Attr("version").eq(item.version),
            )
            if saved:
                return parse_item(saved)
        raise LostRaceError(f"run {run_id} was saved by others {LOST_RACES} times in a row")

    def thread_in(self, connection: str, thread_of: str, channel: str) -> str | None:
        """The message in whose thread a run and those that follow it are told in a channel.

        It is the run's own, unless that was not told there, or is gone and another stands for it.
        """
        found = self._table.get(thread_key(connection, thread_of, channel))
        if found:
            return str(found["ts"])
        delivery = self.get(connection, thread_of).deliveries.get(channel)
        return delivery.ts if delivery else None

    def put_thread(self, connection: str, thread_of: str, channel: str, ts: str) -> None:
        """Say which message stands for a run's own as the beginning of its thread."""
        put = {"ts": ts, EXPIRY: self._expiry(self._retention)}
        self._table.update(thread_key(connection, thread_of, channel), put=put)

    def expect_summary(self, connection: str, channel: str, begin: datetime, end: datetime) -> None:
        """Have a channel told, once its quiet hours are over, what they have held back."""
        from boto3.dynamodb.conditions import Attr

        put = summary_item(connection, channel, begin, end)
        put[EXPIRY] = int((end + self._retention).timestamp())
        key = summary_key(connection, end, channel)
        self._table.update(key, put=put, condition=Attr("end").not_exists())

    def create_test(self, connection: str, test_id: str, channel: str) -> None:
        """Make the item that a test message goes by. No sweep and no listing finds it."""
        put = trial_item(connection, test_id, channel)
        put[EXPIRY] = self._expiry(TEST_KEPT)
        self._table.update(run_key(connection, test_id), put=put)

    def create_missed(
        self,
        connection: str,
        missed: Missed,
        entry: HistoryEntry,
        channel: str,
        names: Names | None,
        *,
        held: tuple[datetime, datetime] | None = None,
        thread_of: str | None = None,
    ) -> RunItem | None:
        """Save that a run is missing and to be announced so; None if it was saved before.

        It goes the way of a run's item, under an ID made of the task and the moment.

        Args:
            connection: Whose run.
            missed: Which.
            entry: The change that it is.
            channel: Where it is told.
            names: Those of the run's task, as far as they are known.
            held: The quiet hours (begin and end) that hold it back. Then their summary tells it,
                and is due from now on; the index `recent` lists it under that summary.
            thread_of: The run in whose thread it is told, if any.
        """
        put = missed_item(connection, missed, entry, channel, names, thread_of)
        if held is None:
            return self._create(put)
        if self._table.get(run_key(connection, put["run_id"])):
            return None  # told or held back before: these quiet hours have nothing of it
        begin, end = held
        # Before it is saved: a summary with nothing to tell is none, and does no harm.
        self.expect_summary(connection, channel, begin, end)
        put["recent"] = summary_key(connection, end, channel)
        put[EXPIRY] = self._expiry(self._retention)
        return self._create(put, is_pending=False)

    def create_report(
        self, connection: str, name: str, channel: str, report: Mapping[str, Any]
    ) -> RunItem | None:
        """Save a report that is to be told in a channel; None if it was saved before.

        It goes the way of a run's item, with one change to tell, under an ID made of its name.
        """
        now = timestamp(self._now())
        return self._create(report_item(connection, name, channel, report, now))

    def _create(self, put: dict[str, Any], *, is_pending: bool = True) -> RunItem | None:
        """Save an item that is made once; None if it was saved before."""
        from boto3.dynamodb.conditions import Attr

        connection, now = put["connection"], timestamp(self._now())
        if is_pending:
            put |= {"pending": connection, "pending_since": now, "pending_due": now}
        key, not_saved_before = run_key(connection, put["run_id"]), Attr("version").not_exists()
        saved = self._table.update(key, put=put, condition=not_saved_before)
        return parse_item(saved) if saved else None

    def _look_no_more(
        self, connection: str, run_id: str, remove: Sequence[str], condition: ConditionBase
    ) -> bool:
        """Take marks off an item, which expires from now on unless something is still to be told.

        Then the delivery sets the expiry. False when the condition does not hold.
        """
        from boto3.dynamodb.conditions import Attr

        key, pending = run_key(connection, run_id), Attr("pending")
        expiry = {EXPIRY: self._expiry(self._retention)}
        for _ in range(3):  # a delivery may settle between the two
            all_told = condition & pending.not_exists()
            if self._table.update(key, keep=expiry, remove=remove, condition=all_told):
                return True
            if self._table.update(key, remove=remove, condition=condition & pending.exists()):
                return True
        return False

    def _expiry(self, after: timedelta) -> int:
        """When DynamoDB may drop the item: seconds since 1970, as its TTL wants them."""
        return int((self._now() + after).timestamp())


def _run_item(connection: str, run_id: str, found: Mapping[str, Any] | None) -> RunItem:
    return parse_item(found) if found else RunItem(connection, run_id)


def _task_item(connection: str, task_id: str, found: Mapping[str, Any] | None) -> TaskItem:
    return parse_task_item(found) if found else TaskItem(connection, task_id)


def read_pending(found: Mapping[str, Any], connection: str) -> Pending:
    """Read what the index `pending` tells of a run."""
    return Pending(
        connection=connection,
        run_id=subject_of(found["pk"], connection)[1],
        version=int(found["version"]),
        channel=found["channel"],
        since=found.get("pending_since", found["pending_due"]),
        due_at=found["pending_due"],
    )
