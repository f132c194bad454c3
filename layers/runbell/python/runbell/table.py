"""One DynamoDB table, spoken to in plain values: how things are said, not what they mean."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from runbell.errors import StoreRefusedError, StoreUnavailableError
from runbell.schema import ATTRIBUTE, SCHEMA, check_readable, is_readable

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase
    from mypy_boto3_dynamodb import DynamoDBClient

Path: TypeAlias = str | tuple[str, ...]
"""An attribute, or the way to an entry of a map in one."""

Changes: TypeAlias = Mapping[str, Any] | Mapping[tuple[str, ...], Any]
"""What is written where."""


BATCH = 100
"""Items that DynamoDB reads in one request."""

RACES = frozenset({"ConditionalCheckFailedException", "TransactionConflictException"})
"""What DynamoDB says where another writer was first."""


@dataclass(frozen=True)
class Write:
    """A change to one item, which makes the item if there is none.

    Args:
        pk: Which item.
        put: Values to set, whatever was there.
        keep: Values to set where nothing is there yet.
        remove: What is to go.
        condition: What must hold of the item as it is.
    """

    pk: str
    put: Changes = field(default_factory=dict)
    keep: Changes = field(default_factory=dict)
    remove: Sequence[Path] = ()
    condition: ConditionBase | None = None


class Table:
    """Items by their partition key `pk`, as dictionaries of plain values.

    Every method raises StoreUnavailableError when DynamoDB doesn't do what it is asked, and
    NewerItemError, which is one, where an item is of a form that a later release has written. Such
    an item is neither read nor changed.

    Args:
        client: The boto3 client of DynamoDB; many threads may share it.
        name: The table's name.
        schema: The form that items are written in, and up to which they are read.
    """

    def __init__(self, client: DynamoDBClient, name: str, *, schema: int = SCHEMA) -> None:
        from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

        self._client = client
        self._name = name
        self._schema = schema
        self._write = TypeSerializer().serialize
        self._read = TypeDeserializer().deserialize
        self._counting = threading.Lock()
        self.calls_made = 0

    def get(self, pk: str) -> dict[str, Any] | None:
        """Read an item, with every write before this moment in it."""
        key = self._values({"pk": pk})
        answer = self._ask("get_item", TableName=self._name, Key=key, ConsistentRead=True)
        return self._item(answer["Item"]) if "Item" in answer else None

    def get_many(self, pks: Iterable[str], *, consistent: bool = True) -> dict[str, dict[str, Any]]:
        """Read items by their keys, a hundred a request; one that is not there is left out.

        Args:
            pks: Which items.
            consistent: Whether every write before this moment is in them. Without, reading costs
                half, and what was written a second ago may be missing.
        """
        found: dict[str, dict[str, Any]] = {}
        wanted = [self._values({"pk": pk}) for pk in dict.fromkeys(pks)]
        while wanted:
            batch, wanted = wanted[:BATCH], wanted[BATCH:]
            request = {"Keys": batch, "ConsistentRead": consistent}
            answer = self._ask("batch_get_item", RequestItems={self._name: request})
            items = map(self._item, answer["Responses"].get(self._name, ()))
            found |= {item["pk"]: item for item in items}
            # An answer ends at 16 MB, or where the table throttles; the rest is asked for again.
            left = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", [])
            if len(left) == len(batch):
                raise StoreUnavailableError("DynamoDB reads none of the items it is asked for")
            wanted = [*left, *wanted]
        return found

    def update(
        self,
        pk: str,
        *,
        put: Changes | None = None,
        keep: Changes | None = None,
        remove: Sequence[Path] = (),
        condition: ConditionBase | None = None,
    ) -> dict[str, Any] | None:
        """Change one item, or make it, in one conditional write; see Write.

        Returns:
            The item after the write; None when the condition did not hold.
        """
        write = Write(pk, put or {}, keep or {}, remove, condition)
        answer = self._try("update_item", **self._arguments(write), ReturnValues="ALL_NEW")
        if answer is None and condition is None:
            raise StoreUnavailableError(f"DynamoDB is busy with another writer of {pk}")
        return self._item(answer["Attributes"]) if answer else None

    def write(self, *writes: Write) -> bool:
        """Make all of some writes or none; False when the condition of one did not hold."""
        if len(writes) == 1:
            return self._try("update_item", **self._arguments(writes[0])) is not None
        updates = [{"Update": self._arguments(write)} for write in writes]
        return self._try("transact_write_items", TransactItems=updates) is not None

    def delete(self, pk: str) -> bool:
        """Drop an item; False when there was none."""
        answer = self._ask(
            "delete_item",
            TableName=self._name,
            Key=self._values({"pk": pk}),
            ReturnValues="ALL_OLD",
            **self._condition(_Expression(), None),
        )
        return bool(answer.get("Attributes"))

    def query(
        self,
        index: str,
        key: ConditionBase,
        *,
        only: ConditionBase | None = None,
        start: Mapping[str, str] | None = None,
        limit: int | None = None,
        forward: bool = True,
    ) -> tuple[list[dict[str, Any]], dict[str, str] | None]:
        """Read one page of an index.

        Args:
            index: Its name.
            key: What its key must be.
            only: What else must hold; items for which it doesn't are read and left out.
            start: The key that the page before ended with.
            limit: How many items are read at the most.
            forward: Whether the lowest sort key comes first.

        Returns:
            The items, and the key to go on from; None after the last page.
        """
        said = _Expression()
        arguments: dict[str, Any] = {"KeyConditionExpression": said.condition(key, is_key=True)}
        if only is not None:
            arguments["FilterExpression"] = said.condition(only, is_key=False)
        if start is not None:
            arguments["ExclusiveStartKey"] = self._values(start)
        if limit is not None:
            arguments["Limit"] = limit
        answer = self._ask(
            "query",
            TableName=self._name,
            IndexName=index,
            ScanIndexForward=forward,
            **arguments,
            **self._said(said),
        )
        last = answer.get("LastEvaluatedKey")
        return [self._item(item) for item in answer["Items"]], self._item(last) if last else None

    def query_all(self, index: str, key: ConditionBase) -> Iterator[dict[str, Any]]:
        """Read all pages of an index, one after the other as they are asked for."""
        start: dict[str, str] | None = None
        while True:
            items, start = self.query(index, key, start=start)
            yield from items
            if start is None:
                return

    def _arguments(self, write: Write) -> dict[str, Any]:
        """Say a write as DynamoDB wants to hear it."""
        said = _Expression()
        sets = [f"{said.path(ATTRIBUTE)} = {said.value(self._schema)}"]
        sets += [f"{said.path(path)} = {said.value(value)}" for path, value in write.put.items()]
        for path, value in write.keep.items():
            at = said.path(path)
            sets.append(f"{at} = if_not_exists({at}, {said.value(value)})")
        expression = f"SET {', '.join(sets)}"
        if write.remove:
            expression += f" REMOVE {', '.join(said.path(path) for path in write.remove)}"
        arguments: dict[str, Any] = {
            "TableName": self._name,
            "Key": self._values({"pk": write.pk}),
            "UpdateExpression": expression,
        }
        return arguments | self._condition(said, write.condition)

    def _condition(self, said: _Expression, condition: ConditionBase | None) -> dict[str, Any]:
        """Say under which condition an item is written: never one of a later form.

        DynamoDB answers with the item where it does not hold, so that the two are told apart.
        """
        readable = is_readable(self._schema)
        whole = readable if condition is None else readable & condition
        return {
            "ConditionExpression": said.condition(whole, is_key=False),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            **self._said(said),
        }

    def _ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Make a request that has no condition."""
        answer = self._try(operation, **arguments)
        if answer is None:
            raise StoreUnavailableError(f"DynamoDB is busy with another writer: {operation}")
        return answer

    def _try(self, operation: str, **arguments: Any) -> dict[str, Any] | None:
        """Make one request; None when its condition did not hold."""
        from botocore.exceptions import BotoCoreError, ClientError

        with self._counting:
            self.calls_made += 1
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**arguments)
        except ClientError as error:
            for item in _items_as_they_are(error.response):
                self._item(item)  # of a later form, it has not lost a race
            if _is_race(error.response):
                return None
            raise _refusal(error.response)(f"DynamoDB refused {operation}: {error}") from error
        except BotoCoreError as error:
            raise StoreUnavailableError(f"DynamoDB did not answer {operation}: {error}") from error
        return answer

    def _said(self, said: _Expression) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        if said.names:
            arguments["ExpressionAttributeNames"] = said.names
        if said.values:
            arguments["ExpressionAttributeValues"] = self._values(said.values)
        return arguments

    def _values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._write(value) for name, value in values.items()}

    def _item(self, item: Mapping[str, Any]) -> dict[str, Any]:
        read = {name: self._read(value) for name, value in item.items()}
        check_readable(read, self._schema)
        return read


def _refusal(answer: Mapping[str, Any]) -> type[StoreUnavailableError]:
    """Whether the same request could be taken another time."""
    reasons = {each.get("Code") for each in answer.get("CancellationReasons", ())}
    is_final = answer.get("Error", {}).get("Code") == "ValidationException"
    # So does a transaction say that one of its items is too large.
    is_final = is_final or "ValidationError" in reasons
    return StoreRefusedError if is_final else StoreUnavailableError


def _items_as_they_are(refusal: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The items of which a condition did not hold, as far as DynamoDB shows them."""
    for each in (refusal, *refusal.get("CancellationReasons", ())):
        if item := each.get("Item"):
            yield item


def _is_race(refusal: Mapping[str, Any]) -> bool:
    """Whether a request was refused because another writer was first, or is at it."""
    code = refusal.get("Error", {}).get("Code", "")
    if code != "TransactionCanceledException":
        return code in RACES
    reasons = {each.get("Code", "None") for each in refusal.get("CancellationReasons", ())}
    return bool(reasons) and reasons <= {"None", "ConditionalCheckFailed", "TransactionConflict"}


class _Expression:
    """The names and values of one request; every name has an alias, so that none is reserved."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def path(self, path: Path) -> str:
        aliases = []
        for name in (path,) if isinstance(path, str) else path:
            alias = f"#u{len(self.names)}"
            self.names[alias] = name
            aliases.append(alias)
        return ".".join(aliases)

    def value(self, value: Any) -> str:
        alias = f":u{len(self.values)}"
        self.values[alias] = value
        return alias

    def condition(self, condition: ConditionBase, *, is_key: bool) -> str:
        from boto3.dynamodb.conditions import ConditionExpressionBuilder

        # A builder numbers from 0, so each kind of condition gets a prefix of its own.
        built = ConditionExpressionBuilder().build_expression(condition, is_key_condition=is_key)
        prefix = "k" if is_key else "c"
        expression = built.condition_expression
        self.names |= {
            _prefixed(n, prefix): v for n, v in built.attribute_name_placeholders.items()
        }
        self.values |= {
            _prefixed(n, prefix): v for n, v in built.attribute_value_placeholders.items()
        }
        return expression.replace("#n", f"#{prefix}n").replace(":v", f":{prefix}v")


def _prefixed(alias: str, prefix: str) -> str:
    return alias[0] + prefix + alias[1:]
