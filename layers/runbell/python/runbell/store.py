"""What the table remembers of runs: every write conditional, so that it is the commit point.

Sparse indexes name what needs work: `pending` holds the runs with something still to be brought
to Slack, `active` the watched runs that have not ended, `watches` what is watched, `recent` all
runs by their last change. An item leaves an index when the index's attribute leaves the item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from runbell.cursor import read_cursor, write_cursor
from runbell.errors import LostRaceError
from runbell.items import (
    Delivery,
    HistoryEntry,
    RunItem,
    parse_item,
    run_attributes,
    watch_attributes,
)
from runbell.rules import Watch
from runbell.run import Run
from runbell.table import Table

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

PAGE = 50
"""Items on a page of a listing."""

PAGES_READ = 10
"""Pages of an index that one listing reads in search of items that match its filters."""

HISTORY_KEPT = 100
"""Changes of a run that are kept: an item holds 400 KB in all, and a state that Algolia moves to
and fro for ever must not fill it."""

TEST_KEPT = timedelta(days=1)
"""How long the item of a test message stays."""

_PENDING = ("pending", "pending_since", "pending_due")
_UNKNOWN = ("unknown_since",)
_ACTIVE = ("active", "active_since", *_UNKNOWN)
_EXPIRY = "expires_at"
_WATCH = ("watch", "watched", "watched_since")


@dataclass(frozen=True)
class Pending:
    """A run with something still to be brought to a channel."""

    connection: str
    run_id: str
    version: int
    channel: str
    since: str


@dataclass(frozen=True)
class Page:
    """A part of a listing; `cursor` is None on the last one."""

    items: tuple[RunItem, ...]
    cursor: str | None


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
        self._retention = retention
        self._now = now

    def get(self, connection: str, run_id: str) -> RunItem:
        """Read a run's item as it is this moment; an empty one if there is none."""
        found = self._table.get(_key(connection, run_id))
        return parse_item(found) if found else RunItem(connection, run_id)

    def commit(
        self, item: RunItem, run: Run, entry: HistoryEntry | None, *, announce_in: str | None
    ) -> RunItem:
        """Save what was seen of a run together with the fact that it is still to be announced.

        Args:
            item: The item that `run` was compared with.
            run: What was seen.
            entry: The change that it was, if it was one.
            announce_in: The channel that has to be brought up to date, if any.

        Returns:
            The item as saved.

        Raises:
            LostRaceError: Another writer saved this run since `item` was read.
        """
        from boto3.dynamodb.conditions import Attr

        version, active = Attr("version"), Attr("active")
        no_look_since = version.eq(item.version) if item.version else version.not_exists()
        as_watched = active.exists() if item.active else active.not_exists()
        now = timestamp(self._now())
        put: dict[str, Any] = {
            "connection": item.connection,
            "run_id": item.run_id,
            "recent": item.connection,
            "version": item.version + 1,
            "snapshot": run_attributes(run),
            "updated_at": now,
        }
        if entry is not None:
            history = [*item.history, entry][-HISTORY_KEPT:]
            put["history"] = [_known(asdict(each)) for each in history]
        keep: dict[str, Any] = {"deliveries": {}}
        if announce_in is not None:
            # Saved with the change, so that a crash right after it announces it later.
            put |= {"channel": announce_in, "pending": item.connection}
            keep |= {"pending_since": now}
            # A mere detail does not hurry a sweep that leaves the run to the queue.
            (put if entry else keep)["pending_due"] = now
        remove = [*(_ACTIVE if run.is_terminal else _UNKNOWN)]
        if announce_in is not None or (item.active and not run.is_terminal):
            remove.append(_EXPIRY)  # what is looked at or still to be told does not expire
        else:
            put[_EXPIRY] = self._expiry(self._retention)
        saved = self._table.update(
            _key(item.connection, item.run_id),
            put=put,
            keep=keep,
            remove=remove,
            condition=no_look_since & as_watched,
        )
        if saved is None:
            raise LostRaceError(f"run {item.run_id} was saved by another at the same time")
        return parse_item(saved)

    def record_delivery(self, item: RunItem, delivery: Delivery, *, settled: bool) -> None:
        """Save what a channel has been told.

        Args:
            item: The item that was brought to Slack, in its present channel.
            delivery: What the channel has been told by now.
            settled: Nothing of `item` is left to be done. If the run has changed since, it stays
                pending all the same.
        """
        from boto3.dynamodb.conditions import Attr

        key = _key(item.connection, item.run_id)
        put: dict[tuple[str, ...], Any] = {
            ("deliveries", item.channel or ""): _known(asdict(delivery))
        }
        if settled:
            no_look_since = Attr("version").eq(item.version) & Attr("channel").eq(item.channel)
            active = Attr("active")
            as_watched = active.exists() if item.active else active.not_exists()
            expiry = {} if item.active or item.test else {(_EXPIRY,): self._expiry(self._retention)}
            if self._table.update(
                key, put=put | expiry, remove=_PENDING, condition=no_look_since & as_watched
            ):
                return
        still_there = Attr("deliveries").exists()
        self._table.update(key, put=put, condition=still_there)

    def put_watch(self, connection: str, run_id: str, watch: Watch) -> RunItem:
        """Watch a run, known or not; a watch that was there before is replaced."""
        now = timestamp(self._now())
        put: dict[str, Any] = {
            "connection": connection,
            "run_id": run_id,
            "watch": watch_attributes(watch),
            "watched": connection,
        }
        keep = {"watched_since": now}
        known = self.get(connection, run_id).snapshot
        has_ended = known is not None and known.is_terminal
        if not has_ended:  # what is looked at does not expire
            put |= {"active": connection}
            keep |= {"active_since": now}
        saved = self._table.update(
            _key(connection, run_id), put=put, keep=keep, remove=() if has_ended else (_EXPIRY,)
        )
        return parse_item(saved or {})

    def delete_watch(self, connection: str, run_id: str) -> bool:
        """Stop watching a run; what is known of it stays. False when it was not watched."""
        from boto3.dynamodb.conditions import Attr

        is_watched = Attr("watch").exists()
        return self._look_no_more(connection, run_id, (*_WATCH, *_ACTIVE), is_watched)

    def retire(self, connection: str, run_id: str) -> None:
        """Look at a run no more until somebody asks for it."""
        from boto3.dynamodb.conditions import Attr

        is_active = Attr("active").exists()
        self._look_no_more(connection, run_id, _ACTIVE, is_active)

    def note_unknown(self, connection: str, run_id: str) -> RunItem | None:
        """Remember since when Algolia does not know a run; None when nobody wants it looked at."""
        from boto3.dynamodb.conditions import Attr

        is_active = Attr("active").exists()
        keep = {"unknown_since": timestamp(self._now())}
        saved = self._table.update(_key(connection, run_id), keep=keep, condition=is_active)
        return parse_item(saved) if saved else None

    def note_known(self, connection: str, run_id: str) -> None:
        """Forget that Algolia did not know a run."""
        from boto3.dynamodb.conditions import Attr

        was_unknown = Attr("unknown_since").exists()
        self._table.update(_key(connection, run_id), remove=_UNKNOWN, condition=was_unknown)

    def active(self, connection: str) -> Iterator[str]:
        """Name the watched runs that have not ended."""
        from boto3.dynamodb.conditions import Key

        for found in self._table.query_all("active", Key("active").eq(connection)):
            yield _run_id(found["pk"], connection)

    def pending(self, connection: str) -> Iterator[Pending]:
        """Name the runs with something to announce that has not just been enqueued by a sweep."""
        from boto3.dynamodb.conditions import Key

        due = Key("pending_due").lte(timestamp(self._now()))
        for found in self._table.query_all("pending", Key("pending").eq(connection) & due):
            yield Pending(
                connection=connection,
                run_id=_run_id(found["pk"], connection),
                version=int(found["version"]),
                channel=found["channel"],
                since=found["pending_since"],
            )

    def postpone(self, pending: Pending, by: timedelta) -> None:
        """Leave a pending run to the queue for a while, because a sweep has just enqueued it."""
        from boto3.dynamodb.conditions import Attr

        is_pending = Attr("pending").exists() & Attr("version").eq(pending.version)
        self._table.update(
            _key(pending.connection, pending.run_id),
            put={"pending_due": timestamp(self._now() + by)},
            condition=is_pending,
        )

    def watches(self, connection: str, cursor: str | None = None) -> Page:
        """List what is watched, the oldest watch first.

        Raises:
            RequestError: The cursor is none of this listing.
        """
        return self._list("watches", ("watched", "watched_since"), connection, {}, cursor)

    def recent(
        self, connection: str, filters: Mapping[str, str], cursor: str | None = None
    ) -> Page:
        """List runs by their last change, the latest first.

        Args:
            connection: Whose runs.
            filters: What `status`, `outcome` or `task_id` must be.
            cursor: Where an earlier page ended.

        Raises:
            RequestError: The cursor is none of this listing.
        """
        return self._list("recent", ("recent", "updated_at"), connection, filters, cursor)

    def create_test(self, connection: str, test_id: str, channel: str) -> None:
        """Make the item that a test message goes by. No sweep and no listing finds it."""
        self._table.update(
            _key(connection, test_id),
            put={
                "connection": connection,
                "run_id": test_id,
                "version": 1,
                "channel": channel,
                "deliveries": {},
                "test": True,
                "expires_at": self._expiry(TEST_KEPT),
            },
        )

    def _look_no_more(
        self, connection: str, run_id: str, remove: Sequence[str], condition: ConditionBase
    ) -> bool:
        """Take marks off an item, which expires from now on unless something is still to be told.

        Then the delivery sets the expiry. False when the condition does not hold.
        """
        from boto3.dynamodb.conditions import Attr

        key, pending = _key(connection, run_id), Attr("pending")
        expiry = {_EXPIRY: self._expiry(self._retention)}
        for _ in range(3):  # a delivery may settle between the two
            all_told = condition & pending.not_exists()
            if self._table.update(key, keep=expiry, remove=remove, condition=all_told):
                return True
            if self._table.update(key, remove=remove, condition=condition & pending.exists()):
                return True
        return False

    def _list(
        self,
        index: str,
        attributes: tuple[str, str],
        connection: str,
        filters: Mapping[str, str],
        cursor: str | None,
    ) -> Page:
        """Read a page of items that match; it may be short of PAGE where few of many match."""
        from boto3.dynamodb.conditions import Attr, Key

        owner, order = attributes
        start = (
            read_cursor(cursor, {owner: connection, order: None, "pk": None}) if cursor else None
        )
        only: ConditionBase | None = None
        for name, value in filters.items():
            matches = Attr(f"snapshot.{name}").eq(value)
            only = matches if only is None else only & matches
        found: list[dict[str, Any]] = []
        for _ in range(PAGES_READ):
            items, start = self._table.query(
                index,
                Key(owner).eq(connection),
                only=only,
                start=start,
                limit=PAGE - len(found),
                forward=index != "recent",
            )
            found += items
            if start is None or len(found) >= PAGE:
                break
        return Page(tuple(map(parse_item, found)), write_cursor(start) if start else None)

    def _expiry(self, after: timedelta) -> int:
        """When DynamoDB may drop the item: seconds since 1970, as its TTL wants them."""
        return int((self._now() + after).timestamp())


def timestamp(moment: datetime) -> str:
    """Write a moment so that texts sort as moments do (RFC 3339, UTC, milliseconds)."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _key(connection: str, run_id: str) -> str:
    return f"run#{connection}#{run_id}"


def _run_id(key: str, connection: str) -> str:
    return key.removeprefix(f"run#{connection}#")


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}
