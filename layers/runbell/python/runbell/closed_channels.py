"""Channels that refuse what they are told, and the announcements that wait for them to open.

What a channel has refused is no sweep's business. It waits in the index `pending` in a partition of
its channel's own; the channel's item, which is due at every tick, says that something does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from runbell.commits import DUE, EXPIRY
from runbell.items import Delivery, RunItem, known, parse_item, run_key
from runbell.run import timestamp
from runbell.store import LEAST_KEPT, Pending, read_pending
from runbell.table import Table, Write

KIND = "channel"
"""How the keys of closed channels begin, and what a tick calls them."""


@dataclass(frozen=True)
class ClosedChannel:
    """A channel that has refused something.

    Args:
        connection: Whose announcements.
        channel: Its name or ID, as they name it.
        noted_at: When it refused something last (RFC 3339, UTC).
        knocks: The runs that the last tick tried it with.
    """

    connection: str
    channel: str
    noted_at: str
    knocks: tuple[str, ...] = ()


class ClosedChannels:
    """Reads and writes what waits for a channel to open.

    Every method raises StoreUnavailableError when DynamoDB doesn't do what it is asked.

    Args:
        table: The table of the template.
        retention: How long a refused announcement of an ended run is kept, and tried again.
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

    def put_aside(self, item: RunItem, delivery: Delivery) -> None:
        """Have an announcement wait for its channel, which has refused it.

        If the run has changed since `item` was read, it stays pending: its own wake tries again.

        Args:
            item: The run as it was refused, in its present channel.
            delivery: What the channel has been told by now, and why no more.
        """
        from boto3.dynamodb.conditions import Attr

        connection, channel, now = item.connection, item.channel or "", timestamp(self._now())
        key = run_key(connection, item.run_id)
        told: dict[tuple[str, ...], Any] = {("deliveries", channel): known(asdict(delivery))}
        waits: dict[tuple[str, ...], Any] = {
            ("pending",): _partition(connection, channel),
            ("pending_due",): now,
        }
        # Kept from the first refusal on, or what is tried again and again would never expire.
        expiry = {} if item.is_active else {EXPIRY: self._expiry()}
        due = Attr("due")
        as_due = due.exists() if item.is_active else due.not_exists()
        no_look_since = Attr("version").eq(item.version) & Attr("channel").eq(channel)
        is_put_aside = self._table.write(
            Write(key, told | waits, expiry, ("pending_since",), no_look_since & as_due),
            Write(
                _key(connection, channel),
                put={
                    "connection": connection,
                    "channel": channel,
                    "cause": delivery.error,
                    "noted_at": now,
                    "due": connection,
                },
                keep={"due_at": now},
                remove=(EXPIRY,),
            ),
        )
        if not is_put_aside:
            self._table.update(key, put=told, condition=Attr("deliveries").exists())

    def get(self, connection: str, channel: str) -> ClosedChannel | None:
        """Read of a channel that it has refused something; None if it has not."""
        found = self._table.get(_key(connection, channel))
        return _parse(found) if found else None

    def waiting(self, closed: ClosedChannel, *, limit: int | None = None) -> Iterator[Pending]:
        """Name the announcements that wait for a channel.

        Those that have not been tried again for the longest time come first.

        Args:
            closed: Which channel.
            limit: How many at the most; all if not given.
        """
        from boto3.dynamodb.conditions import Key

        key = Key("pending").eq(_partition(closed.connection, closed.channel))
        if limit is None:
            found = self._table.query_all("pending", key)
        else:
            found = iter(self._table.query("pending", key, limit=limit)[0])
        for each in found:
            yield read_pending(each, closed.connection)

    def has_taken_one(self, closed: ClosedChannel) -> bool:
        """Whether one of those that the last tick tried a channel with is told by now."""
        keys = [run_key(closed.connection, run_id) for run_id in closed.knocks]
        items = map(parse_item, self._table.get_many(keys).values())
        return any(
            item.channel == closed.channel
            and item.delivery.error is None
            and item.pending_since is None
            for item in items
        )

    def let_go(self, pending: Pending) -> bool:
        """Make what waits an ordinary announcement again; False when it waits no more."""
        from boto3.dynamodb.conditions import Attr

        now = timestamp(self._now())
        still_waits = Attr("pending").eq(_partition(pending.connection, pending.channel))
        saved = self._table.update(
            run_key(pending.connection, pending.run_id),
            put={"pending": pending.connection, "pending_since": now, "pending_due": now},
            condition=still_waits,
        )
        return saved is not None

    def note_knocks(self, closed: ClosedChannel, run_ids: Iterable[str]) -> None:
        """Remember which runs a channel is being tried with."""
        from boto3.dynamodb.conditions import Attr

        self._table.update(
            _key(closed.connection, closed.channel),
            put={"knocks": list(run_ids)},
            condition=Attr("due").exists(),
        )

    def forget(self, closed: ClosedChannel) -> None:
        """Take a channel for open, unless it has refused something since `closed` was read."""
        from boto3.dynamodb.conditions import Attr

        self._table.update(
            _key(closed.connection, closed.channel),
            put={EXPIRY: self._expiry()},
            remove=(*DUE, "knocks"),
            condition=Attr("noted_at").eq(closed.noted_at),
        )

    def _expiry(self) -> int:
        return int((self._now() + self._retention).timestamp())


def _key(connection: str, channel: str) -> str:
    return f"{KIND}#{connection}#{channel}"


def _partition(connection: str, channel: str) -> str:
    """Where in the index `pending` what a channel has refused is found; no connection's name."""
    return f"{connection}#{channel}"


def _parse(item: Mapping[str, Any]) -> ClosedChannel:
    return ClosedChannel(
        item["connection"], item["channel"], item["noted_at"], tuple(item.get("knocks", ()))
    )
