"""One DynamoDB table, spoken to in plain values: how things are said, not what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from runbell.errors import StoreUnavailableError

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase
    from mypy_boto3_dynamodb import DynamoDBClient

Path: TypeAlias = str | tuple[str, ...]
"""An attribute, or the way to an entry of a map in one."""

Changes: TypeAlias = Mapping[str, Any] | Mapping[tuple[str, ...], Any]
"""What is written where."""


class Table:
    """Items by their partition key `pk`, as dictionaries of plain values.

    Every method raises StoreUnavailableError when DynamoDB doesn't do what it is asked.

    Args:
        client: The boto3 client of DynamoDB; many threads may share it.
        name: The table's name.
    """

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

        self._client = client
        self._name = name
        self._write = TypeSerializer().serialize
        self._read = TypeDeserializer().deserialize

    def get(self, pk: str) -> dict[str, Any] | None:
        """Read an item, with every write before this moment in it."""
        answer = self._call("get_item", Key=self._values({"pk": pk}), ConsistentRead=True)
        return self._item(answer["Item"]) if answer and "Item" in answer else None

    def update(
        self,
        pk: str,
        *,
        put: Changes | None = None,
        keep: Changes | None = None,
        remove: Sequence[Path] = (),
        condition: ConditionBase | None = None,
    ) -> dict[str, Any] | None:
        """Change one item, or make it, in one conditional write.

        Args:
            pk: Which item.
            put: Values to set, whatever was there.
            keep: Values to set where nothing is there yet.
            remove: What is to go.
            condition: What must hold of the item as it is.

        Returns:
            The item after the write; None when the condition did not hold.
        """
        said = _Expression()
        sets = [f"{said.path(path)} = {said.value(value)}" for path, value in (put or {}).items()]
        for path, value in (keep or {}).items():
            at = said.path(path)
            sets.append(f"{at} = if_not_exists({at}, {said.value(value)})")
        expression = f"SET {', '.join(sets)}" if sets else ""
        if remove:
            expression += f" REMOVE {', '.join(said.path(path) for path in remove)}"
        arguments: dict[str, Any] = {"UpdateExpression": expression.strip()}
        if condition is not None:
            arguments["ConditionExpression"] = said.condition(condition, is_key=False)
        answer = self._call(
            "update_item",
            Key=self._values({"pk": pk}),
            ReturnValues="ALL_NEW",
            **arguments,
            **self._said(said),
        )
        return self._item(answer["Attributes"]) if answer else None

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
        answer = self._call(
            "query", IndexName=index, ScanIndexForward=forward, **arguments, **self._said(said)
        )
        last = answer.get("LastEvaluatedKey") if answer else None
        items = [self._item(item) for item in answer["Items"]] if answer else []
        return items, self._item(last) if last else None

    def query_all(self, index: str, key: ConditionBase) -> Iterator[dict[str, Any]]:
        """Read all pages of an index, one after the other as they are asked for."""
        start: dict[str, str] | None = None
        while True:
            items, start = self.query(index, key, start=start)
            yield from items
            if start is None:
                return

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any] | None:
        """Make one request; None when its condition did not hold."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self._client, operation)(
                TableName=self._name, **arguments
            )
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code == "ConditionalCheckFailedException":
                return None
            raise StoreUnavailableError(f"DynamoDB refused {operation}: {error}") from error
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
        return {name: self._read(value) for name, value in item.items()}


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
