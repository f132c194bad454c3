"""What is known and what is watched, page by page: for people who ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbell.cursor import read_cursor, write_cursor
from runbell.items import RunItem, parse_item, parse_task_item
from runbell.table import Table
from runbell.tasks import TaskItem

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

PAGE = 50
"""Items on a page of a listing."""

PAGES_READ = 10
"""Pages of an index that one listing reads in search of items that match its filters."""


@dataclass(frozen=True)
class RunPage:
    """A part of a listing of runs; `cursor` is None on the last one."""

    items: tuple[RunItem, ...]
    cursor: str | None


@dataclass(frozen=True)
class WatchPage:
    """A part of a listing of watched runs and tasks; `cursor` is None on the last one."""

    items: tuple[RunItem | TaskItem, ...]
    cursor: str | None


class Listings:
    """Reads pages of indexes; what was written a second ago may not be in them yet.

    Every method raises StoreUnavailableError when DynamoDB doesn't do what it is asked.

    Args:
        table: The table of the template.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def watches(self, connection: str, cursor: str | None = None) -> WatchPage:
        """List what is watched, the oldest watch first.

        Raises:
            RequestError: The cursor is none of this listing.
        """
        keys, more = self._list("watches", ("watched", "watched_since"), connection, {}, cursor)
        found = self._table.get_many(key["pk"] for key in keys)
        watched = [found[key["pk"]] for key in keys if "watch" in found.get(key["pk"], {})]
        items = [
            parse_item(each) if "run_id" in each else parse_task_item(each) for each in watched
        ]
        return WatchPage(tuple(items), more)

    def recent(
        self, connection: str, filters: Mapping[str, str], cursor: str | None = None
    ) -> RunPage:
        """List runs by their last change, the latest first.

        Args:
            connection: Whose runs.
            filters: What `status`, `outcome` or `task_id` must be.
            cursor: Where an earlier page ended.

        Raises:
            RequestError: The cursor is none of this listing.
        """
        found, more = self._list("recent", ("recent", "updated_at"), connection, filters, cursor)
        return RunPage(tuple(map(parse_item, found)), more)

    def _list(
        self,
        index: str,
        attributes: tuple[str, str],
        connection: str,
        filters: Mapping[str, str],
        cursor: str | None,
    ) -> tuple[list[dict[str, Any]], str | None]:
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
        return found, write_cursor(start) if start else None
