"""The table in memory, for plays of a million changes: it keeps to the store's conditions itself.

`Table` says to DynamoDB in expressions what is said here in Python. What both make of the same
requests is held against each other in tests/local/test_simulated_table.py.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import eq, ge, gt, le, lt
from typing import TYPE_CHECKING, Any

from local.table import template
from runbell.errors import StoreRefusedError
from runbell.schema import ATTRIBUTE, SCHEMA, check_readable
from runbell.table import Changes, Path, Table, Write

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

Item = dict[str, Any]

COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": eq,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}


class _Index:
    """Which items are in an index, by the value of its partition key, and what it shows of them."""

    def __init__(self, described: Mapping[str, Any]) -> None:
        self.partition_key, self.sort_key = (
            each["AttributeName"] for each in described["KeySchema"]
        )
        projected = described["Projection"].get("NonKeyAttributes", [])
        self._shown = {"pk", self.partition_key, self.sort_key, *projected}
        self.partitions: defaultdict[str, dict[str, None]] = defaultdict(dict)

    def show(self, item: Item) -> Item:
        """What the index holds of an item."""
        return {name: value for name, value in item.items() if name in self._shown}

    def replace(self, pk: str, old: Item, new: Item) -> None:
        """Let an item be in the index as it is now."""
        was, now = self._place_of(old), self._place_of(new)
        if was is not None and was != now:
            del self.partitions[was][pk]
        if now is not None and was != now:
            self.partitions[now][pk] = None

    def _place_of(self, item: Item) -> str | None:
        if self.sort_key not in item:
            return None
        place: str | None = item.get(self.partition_key)
        return place


class MemoryTable(Table):
    """Does what Table does with DynamoDB, in this process's memory, for one thread.

    Args:
        before_write: Called before each write and allowed to do anything: to write as somebody
            else, or to raise.
        after_write: Called after each write, and allowed to raise.
    """

    def __init__(
        self,
        before_write: Callable[[], None] = lambda: None,
        after_write: Callable[[], None] = lambda: None,
    ) -> None:
        described = template()["Resources"]["Table"]["Properties"]["GlobalSecondaryIndexes"]
        self._indexes = {each["IndexName"]: _Index(each) for each in described}
        self._items: dict[str, Item] = {}
        self._before_write = before_write
        self._after_write = after_write
        self.calls_made = 0

    def keys(self) -> list[str]:
        """Which items there are."""
        return list(self._items)

    def get(self, pk: str) -> Item | None:
        """Read an item; see Table."""
        self.calls_made += 1
        return self._read_item(self._items[pk]) if pk in self._items else None

    def get_many(self, pks: Iterable[str], *, consistent: bool = True) -> dict[str, Item]:
        """Read items by their keys; see Table."""
        del consistent
        self.calls_made += 1
        return {pk: self._read_item(self._items[pk]) for pk in pks if pk in self._items}

    def update(
        self,
        pk: str,
        *,
        put: Changes | None = None,
        keep: Changes | None = None,
        remove: Sequence[Path] = (),
        condition: ConditionBase | None = None,
    ) -> Item | None:
        """Change one item; see Table."""
        if not self.write(Write(pk, put or {}, keep or {}, remove, condition)):
            return None
        return self._read_item(self._items[pk])

    def write(self, *writes: Write) -> bool:
        """Make all of some writes or none; see Table."""
        self._before_write()
        self.calls_made += 1
        items = [self._items.get(write.pk, {}) for write in writes]
        for write, item in zip(writes, items, strict=True):
            check_readable(item, SCHEMA)
            if write.condition is not None and not holds(write.condition, item):
                return False
        news = [changed(item, write) for write, item in zip(writes, items, strict=True)]
        for write, old, new in zip(writes, items, news, strict=True):
            self._put(write.pk, old, new)
        self._after_write()
        return True

    def delete(self, pk: str) -> bool:
        """Drop an item; see Table."""
        self._before_write()
        self.calls_made += 1
        return self._put(pk, self._items.get(pk, {}), {})

    def query(
        self,
        index: str,
        key: ConditionBase,
        *,
        only: ConditionBase | None = None,
        start: Mapping[str, str] | None = None,
        limit: int | None = None,
        forward: bool = True,
    ) -> tuple[list[Item], dict[str, str] | None]:
        """Read one page of an index; see Table. Without a limit a page is all that there is."""
        self.calls_made += 1
        of = self._indexes[index]
        places = _values_of(key, of.partition_key)
        found = [
            item
            for place in places
            for item in map(self._items.__getitem__, of.partitions.get(place, ()))
            if holds(key, item)
        ]
        found.sort(key=lambda item: (item[of.sort_key], item["pk"]), reverse=not forward)
        if start is not None:
            names = [item["pk"] for item in found]
            found = found[names.index(start["pk"]) + 1 :]
        page = found if limit is None else found[:limit]
        last = page[-1] if limit is not None and len(page) == limit else None
        shown = [of.show(item) for item in page if only is None or holds(only, of.show(item))]
        names = ["pk", of.partition_key, of.sort_key]
        return shown, {name: last[name] for name in names} if last else None

    def _put(self, pk: str, old: Item, new: Item) -> bool:
        for index in self._indexes.values():
            index.replace(pk, old, new)
        if new:
            self._items[pk] = new
        elif old:
            del self._items[pk]
        return bool(old)

    def _read_item(self, item: Item) -> Item:
        check_readable(item, SCHEMA)
        return {**item}  # no value in it is ever changed


def changed(old: Item, write: Write) -> Item:
    """An item after a write: each value is made of the item as it was.

    Raises:
        StoreRefusedError: The write sets an entry of a map that is not there.
    """
    new = {**old, "pk": write.pk, ATTRIBUTE: SCHEMA}
    for path, value in write.put.items():
        _set(new, old, path, value)
    for path, value in write.keep.items():
        if _at(old, path) is None:
            _set(new, old, path, value)
    for path in write.remove:
        names = _names(path)
        if len(names) == 1:
            new.pop(names[0], None)
        elif _at(old, path) is not None:
            outer = {**new[names[0]]}
            outer.pop(names[1], None)
            new[names[0]] = outer
    return new


def holds(condition: ConditionBase, item: Mapping[str, Any]) -> bool:
    """Whether a condition of the SDK's holds of an item, as far as Runbell has such conditions."""
    expression = condition.get_expression()
    operator, values = expression["operator"], expression["values"]
    match operator:
        case "AND":
            return all(holds(each, item) for each in values)
        case "OR":
            return any(holds(each, item) for each in values)
        case "attribute_exists":
            return values[0].name in item
        case "attribute_not_exists":
            return values[0].name not in item
    attribute, value = values
    compare = COMPARISONS[operator]
    return attribute.name in item and compare(item[attribute.name], value)


def _values_of(condition: ConditionBase, name: str) -> list[str]:
    """What a condition wants an attribute to be."""
    expression = condition.get_expression()
    if expression["operator"] == "AND":
        return [value for each in expression["values"] for value in _values_of(each, name)]
    attribute, value = expression["values"]
    return [value] if expression["operator"] == "=" and attribute.name == name else []


def _names(path: Path) -> tuple[str, ...]:
    return (path,) if isinstance(path, str) else path


def _at(item: Mapping[str, Any], path: Path) -> Any:
    found: Any = item
    for name in _names(path):
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found


def _set(new: Item, old: Item, path: Path, value: Any) -> None:
    names = _names(path)
    if len(names) == 1:
        new[names[0]] = value
        return
    outer, name = names
    if not isinstance(old.get(outer), Mapping):
        raise StoreRefusedError(f"there is no {outer} to put {name} into")
    new[outer] = {**new[outer], name: value}
