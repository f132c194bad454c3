"""The items of a list, kept in every order that the list can be asked for."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Key = tuple[Any, datetime, int]

FEW = 0.01
"""The share of a list below which it is quicker to move single items than to sort it anew."""


@dataclass(frozen=True)
class Listed:
    """One item as the API shows it, with the moments it is sorted and windowed by."""

    item: dict[str, Any]
    moments: Mapping[str, datetime]


class Rows:
    """Items found by a number, sorted by each of ``sorts``; the last is the window's.

    Among items that are sorted alike, the window's moment decides, then the number, so
    that descending is ascending backwards. A put is noted, and an order is set right when
    it is next read, so that thousands of puts cost it one sort. One thread at a time.
    """

    def __init__(self, sorts: Sequence[str]) -> None:
        self._window = sorts[-1]
        self._rows: dict[int, Listed] = {}
        self._orders: dict[str, list[Key]] = {sort: [] for sort in sorts}
        self._moved: dict[str, dict[int, Key | None]] = {sort: {} for sort in sorts}
        """By sort and number, what the order still has of a row that was put since."""

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, number: int, row: Listed | None) -> None:
        """Show this row in place of the number's earlier one, or none any more."""
        before = self._rows.pop(number, None)
        if row:
            self._rows[number] = row
        for sort, moved in self._moved.items():
            key = self._key(number, before, sort)
            if key != self._key(number, row, sort):
                moved.setdefault(number, key)

    def between(
        self, start: datetime, end: datetime, *, sort: str, descending: bool
    ) -> Iterator[Listed]:
        """The window's rows, its own ends included, in order; to be read before the next put."""
        order = self._order(sort)
        keys = reversed(order) if descending else iter(order)
        return (self._rows[number] for _, at, number in keys if start <= at <= end)

    def count_between(self, start: datetime, end: datetime) -> int:
        """How many rows the window holds."""
        order = self._order(self._window)
        return bisect_right(order, end, key=_first) - bisect_left(order, start, key=_first)

    def _order(self, sort: str) -> list[Key]:
        order, moved = self._orders[sort], self._moved[sort]
        keys = (self._key(number, self._rows.get(number), sort) for number in moved)
        arriving = [key for key in keys if key]
        if len(moved) < FEW * len(order):
            for gone in filter(None, moved.values()):
                del order[bisect_left(order, gone)]
            for key in arriving:
                insort(order, key)
        elif moved:
            order[:] = [key for key in order if key[2] not in moved] + arriving
            order.sort()
        moved.clear()
        return order

    def _key(self, number: int, row: Listed | None, sort: str) -> Key | None:
        if row is None:
            return None
        rank = row.moments[sort] if sort in row.moments else str(row.item.get(sort) or "")
        return rank, row.moments[self._window], number


def _first(key: Key) -> Any:
    return key[0]
