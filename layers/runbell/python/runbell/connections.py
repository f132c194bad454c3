"""The Algolia applications that are looked at, each with where its last look ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from runbell.cursor import read_cursor, write_cursor
from runbell.errors import NotKnownError
from runbell.items import parse_watch, watch_attributes
from runbell.rules import Watch
from runbell.run import timestamp
from runbell.table import Table

DEFAULT = "default"
"""The connection that exists from the first deploy, with the template's secret and schedule."""

NAME = "^[a-z0-9][a-z0-9-]{0,31}$"
"""What a connection may be called."""

DIGEST = 8
"""Bytes of a row's digest."""

PAGE = 50
"""Connections on a page of their listing."""

_ALL = "#connections"
"""The partition of the index `watches` that holds them; no connection can be called so."""


@dataclass(frozen=True)
class Scan:
    """How far the runs of a connection have been looked through.

    Args:
        front: The digests of the rows that were last at the head of the list.
        all_since: Since when every run of the connection is watched; None if only some are.
        full_at: When all pages of the list were last looked through.
        full_from, full_page: From which moment on, and up to which page, that is under way.
        again: The runs whose look has failed.
        application: Whose runs were looked through: another's are all new.
        comeback: When they are looked at ahead of the schedule; None for not at all.
        budget_whole_at: When the looks ahead that were taken so far are earned again.
    """

    front: tuple[bytes, ...] = ()
    all_since: str | None = None
    full_at: str | None = None
    full_from: str | None = None
    full_page: int = 0
    again: tuple[str, ...] = ()
    application: str | None = None
    comeback: str | None = None
    budget_whole_at: str | None = None

    def from_the_start(self) -> Scan:
        """The same, with all runs to be looked through at once."""
        return replace(self, full_at=None, full_from=None, full_page=0)


@dataclass(frozen=True)
class Connection:
    """An Algolia application with a key of its own.

    Args:
        name: What it is called in every call and item.
        secret: The name of its secret below the stack's prefix; None for that of the template.
        schedule: When its runs are looked at, as EventBridge Scheduler writes it; None for the
            template's.
        discover: `all` or `watched`: which of its runs people want to hear of; None, where it is
            put, for the deployment's setting.
        wishes: Where its runs are announced and so on, unless a watch says otherwise.
        since: When it was made (RFC 3339); None for one that is only in the template.
        scan: How far its runs have been looked through.
    """

    name: str
    secret: str | None = None
    schedule: str | None = None
    discover: str | None = None
    wishes: Watch = field(default_factory=Watch)
    since: str | None = None
    scan: Scan = field(default_factory=Scan)

    @property
    def watches_all(self) -> bool:
        """Whether people want to hear of every run, and not of watched ones alone."""
        return self.discover == "all"


class ConnectionStore:
    """Reads and writes connections' items.

    Every method raises StoreUnavailableError when DynamoDB doesn't do what it is asked.

    Args:
        table: The table of the template.
        discover: What connections discover that say nothing themselves.
        now: The time of day.
    """

    def __init__(
        self,
        table: Table,
        *,
        discover: str = "all",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._table = table
        self._discover = discover
        self._now = now

    def get(self, name: str) -> Connection:
        """Read a connection as it is this moment.

        Raises:
            NotKnownError: There is none of this name.
        """
        found = self._table.get(_key(name))
        if name != DEFAULT and (found is None or "secret" not in found):
            raise NotKnownError(
                f"there is no connection {name!r}: PUT /connections/{name} makes it"
            )
        return self._read({"connection": name, **(found or {})})

    def put(self, connection: Connection) -> Connection:
        """Make a connection, or change what is asked of one; how far it is stays."""
        now = timestamp(self._now())
        asked: dict[str, Any] = {
            "secret": connection.secret,
            "schedule": connection.schedule,
            "discover": connection.discover,
        }
        put = {name: value for name, value in asked.items() if value is not None}
        saved = self._table.update(
            _key(connection.name),
            put={
                **put,
                "connection": connection.name,
                "wishes": watch_attributes(connection.wishes),
                "watched": _ALL,
            },
            keep={"watched_since": now},
            remove=[name for name, value in asked.items() if value is None],
        )
        return self._read(saved or {})

    def delete(self, name: str) -> bool:
        """Forget a connection; False when there was none.

        What is known of its runs and tasks stays, and one of the same name goes on with it.
        """
        return self._table.delete(_key(name))

    def list(self, cursor: str | None = None) -> tuple[list[Connection], str | None]:
        """List a page of connections, the oldest first, with where the next one begins.

        Raises:
            RequestError: The cursor is none of this listing.
        """
        from boto3.dynamodb.conditions import Key

        expected = {"watched": _ALL, "watched_since": None, "pk": None}
        start = read_cursor(cursor, expected) if cursor else None
        of_all = Key("watched").eq(_ALL)
        items, more = self._table.query("watches", of_all, start=start, limit=PAGE)
        found = self._table.get_many(item["pk"] for item in items)
        connections = [self._read(found[item["pk"]]) for item in items if item["pk"] in found]
        return connections, write_cursor(more) if more else None

    def take_comeback(self, name: str, moment: str, budget_whole_at: str) -> bool:
        """Take a look ahead of the schedule upon oneself, and count it.

        Args:
            name: The connection's.
            moment: Which look.
            budget_whole_at: When all looks are earned again, with this one.

        Returns:
            False if another has, or has planned another one.
        """
        from boto3.dynamodb.conditions import Attr

        spent, is_planned = {"budget_whole_at": budget_whole_at}, Attr("comeback").eq(moment)
        saved = self._table.update(
            _key(name), put=spent, remove=("comeback",), condition=is_planned
        )
        return saved is not None

    def save_scan(self, name: str, scan: Scan, *, since: Scan | None = None) -> None:
        """Save how far a connection's runs have been looked through.

        Of two ticks at once the later word stays. Either knows only what it has looked at itself,
        so that the next tick at worst looks at something twice.

        Args:
            name: The connection's.
            scan: How far.
            since: How far it was before; what is still the same is then left as it is by now. A
                look ahead of the schedule may last while a tick goes further.
        """
        from boto3.dynamodb.conditions import Attr

        written: dict[str, Any] = {
            "front": b"".join(scan.front) or None,
            "all_since": scan.all_since,
            "full_at": scan.full_at,
            "full_from": scan.full_from,
            "full_page": scan.full_page,
            "again": list(scan.again) or None,
            "application": scan.application,
            "comeback": scan.comeback,
        }
        if since is not None:
            same = {each.name for each in fields(Scan) if _is_same(scan, since, each.name)}
            written = {name: value for name, value in written.items() if name not in same}
        put = {name: value for name, value in written.items() if value is not None}
        remove = [name for name, value in written.items() if value is None]
        # A connection that was deleted meanwhile does not come back.
        still_there = None if name == DEFAULT else Attr("secret").exists()
        self._table.update(
            _key(name), put={**put, "connection": name}, remove=remove, condition=still_there
        )

    def _read(self, item: Mapping[str, Any]) -> Connection:
        front = bytes(item.get("front", b""))
        return Connection(
            name=item["connection"],
            secret=item.get("secret"),
            schedule=item.get("schedule"),
            discover=item.get("discover", self._discover),
            wishes=parse_watch(item.get("wishes", {})),
            since=item.get("watched_since"),
            scan=Scan(
                front=tuple(front[at : at + DIGEST] for at in range(0, len(front), DIGEST)),
                all_since=item.get("all_since"),
                full_at=item.get("full_at"),
                full_from=item.get("full_from"),
                full_page=int(item.get("full_page", 0)),
                again=tuple(item.get("again", ())),
                application=item.get("application"),
                comeback=item.get("comeback"),
                budget_whole_at=item.get("budget_whole_at"),
            ),
        )


def _is_same(scan: Scan, since: Scan, name: str) -> bool:
    return bool(getattr(scan, name) == getattr(since, name))


def _key(name: str) -> str:
    return f"connection#{name}"
