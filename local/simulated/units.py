"""What DynamoDB would charge for a table in memory: request units, and bytes stored.

The sizes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from local.simulated.table import Item, MemoryTable
from runbell.table import Write

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

READ, WRITTEN = 4_096, 1_024
"""Bytes that a unit reads, and writes."""

OVERHEAD = 100
"""Bytes that are stored with each item, and with each entry of an index."""


def size_of(value: Any) -> int:
    """Bytes of a value as DynamoDB counts them."""
    match value:
        case str():
            return len(value.encode())
        case bytes():
            return len(value)
        case bool() | None:
            return 1
        case int() | float():
            return (len(f"{abs(value)}") + 1) // 2 + 1
        case Mapping():
            return 3 + size_of_item(value) + len(value)
        case Sequence():
            return 3 + sum(map(size_of, value)) + len(value)
    raise TypeError(f"no table holds a {type(value).__name__}")


def size_of_item(item: Mapping[str, Any]) -> int:
    """Bytes of an item: of its attributes and their names."""
    return sum(len(name.encode()) + size_of(value) for name, value in item.items())


class MeteredTable(MemoryTable):
    """Counts the request units of what it is asked, by DynamoDB's rules."""

    reads = 0.0
    writes = 0.0

    def get(self, pk: str) -> Item | None:
        """Read an item, consistently; see Table."""
        found = super().get(pk)
        self.reads += _units(size_of_item(found or {}), READ)
        return found

    def get_many(self, pks: Iterable[str], *, consistent: bool = True) -> dict[str, Item]:
        """Read items; see Table."""
        wanted = list(dict.fromkeys(pks))
        found = super().get_many(wanted, consistent=consistent)
        units = sum(_units(size_of_item(found.get(pk, {})), READ) for pk in wanted)
        self.reads += units if consistent else units / 2
        return found

    def write(self, *writes: Write) -> bool:
        """Write items; in a transaction each unit counts twice, and a refused write counts too."""
        before = [self._items.get(write.pk, {}) for write in writes]
        is_written = super().write(*writes)
        for write, old in zip(writes, before, strict=True):
            new = self._items.get(write.pk, {})
            units = _units(max(size_of_item(old), size_of_item(new)), WRITTEN)
            self.writes += units * (2 if len(writes) > 1 else 1)
            if is_written:
                self.writes += self._units_of_indexes(old, new)
        return is_written

    def query(
        self, index: str, key: ConditionBase, **more: Any
    ) -> tuple[list[Item], dict[str, str] | None]:
        """Read a page of an index; what is read and left out counts too, and is nothing here."""
        found, last = super().query(index, key, **more)
        self.reads += _units(sum(map(size_of_item, found)), READ) / 2
        return found, last

    def stored(self, pk: str) -> tuple[int, int]:
        """Bytes that an item takes in the table, and its entries in the indexes."""
        item = self._items[pk]
        entries = [each for index in self._indexes.values() if (each := _entry(index, item))]
        return (
            size_of_item(item) + OVERHEAD,
            sum(size_of_item(each) + OVERHEAD for each in entries),
        )

    def _units_of_indexes(self, old: Item, new: Item) -> float:
        """An entry that moves is written twice: it is dropped, and made anew."""
        units = 0.0
        for index in self._indexes.values():
            was, now = _entry(index, old), _entry(index, new)
            keys = (index.partition_key, index.sort_key)
            if was == now:
                continue
            if was and now and all(was[key] == now[key] for key in keys):
                units += _units(max(size_of_item(was), size_of_item(now)), WRITTEN)
                continue
            units += sum(_units(size_of_item(each), WRITTEN) for each in (was, now) if each)
        return units


def _entry(index: Any, item: Item) -> Item:
    """What an index holds of an item; empty if it is not in it."""
    is_in = index.partition_key in item and index.sort_key in item
    return index.show(item) if is_in else {}


def _units(size: int, of: int) -> float:
    return float(max(1, ceil(size / of)))
