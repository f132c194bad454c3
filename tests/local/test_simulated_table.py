"""The table in memory does what a real one does: the same requests are made of both."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, Key

from local.aws import LocalAws
from local.simulated.table import MemoryTable
from local.table import new_table
from runbell.errors import NewerItemError, StoreRefusedError
from runbell.schema import ATTRIBUTE, SCHEMA
from runbell.table import Table, Write

PKS = [f"run#default#{number}" for number in range(4)]


@pytest.fixture
def tables(aws: LocalAws) -> tuple[Table, MemoryTable]:
    client = aws.client("dynamodb")
    return Table(client, new_table(client)), MemoryTable()


def outcome(act: Callable[[], Any]) -> Any:
    """What a request answers, or which error it raises."""
    try:
        return act()
    except (StoreRefusedError, NewerItemError) as error:
        return type(error)


def script(seed: int) -> list[Callable[[Table], Any]]:
    """Requests such as the store makes, drawn by lot from a few items so that they meet."""
    dice = Random(seed)
    version, due = Attr("version"), Attr("due_at")
    conditions: list[Any] = [
        None,
        version.not_exists(),
        version.eq(dice.randrange(3)),
        version.eq(dice.randrange(3)) & due.not_exists(),
        due.eq("2026-03-02") | version.exists(),
        Attr("deliveries").exists(),
        Attr("pending").exists() & version.lte(2),
    ]

    def write(pk: str) -> Write:
        moment = f"2026-03-{dice.randrange(1, 9):02}"
        puts: list[dict[Any, Any]] = [
            {"version": dice.randrange(3), "due": "default", "due_at": moment},
            {"pending": "default", "pending_due": moment, "channel": "#a"},
            {"recent": "default", "updated_at": moment, "snapshot": {"status": "started"}},
            {("deliveries", "#a"): {"told": dice.randrange(9)}},
            {},
        ]
        removes: list[tuple[str, ...]] = [("due", "due_at"), ("pending",), ("snapshot", "due"), ()]
        put = dice.choice(puts)
        # What is written and removed by one request is refused; nobody asks for it.
        remove = tuple(name for name in dice.choice(removes) if name not in put)
        keep: dict[Any, Any] = dice.choice([{"pending_since": moment}, {}])
        if ("deliveries", "#a") not in put:
            keep = {**keep, **dice.choice([{"deliveries": {}}, {}])}
        return Write(pk, put, keep, remove, dice.choice(conditions))

    def step() -> Callable[[Table], Any]:
        one, other = dice.sample(PKS, 2)
        first, second = write(one), write(other)
        key = Key("due").eq("default") & Key("due_at").lte(f"2026-03-{dice.randrange(1, 9):02}")
        limit = dice.choice([1, 2, None])
        return dice.choice(
            [
                lambda table: table.update(
                    first.pk,
                    put=first.put,
                    keep=first.keep,
                    remove=first.remove,
                    condition=first.condition,
                ),
                lambda table: table.write(first),
                lambda table: table.write(first, second),
                lambda table: table.get(one),
                lambda table: table.get_many(PKS),
                lambda table: table.query("due", key, limit=limit)[0],
                lambda table: list(table.query_all("pending", Key("pending").eq("default"))),
                lambda table: table.query(
                    "recent", Key("recent").eq("default"), limit=limit, forward=False
                )[0],
            ]
        )

    steps = [step() for _ in range(60)]
    return [*steps, *(lambda table, pk=pk: table.delete(pk) for pk in PKS), steps[0]]


def in_order(answer: Any) -> Any:
    """An index does not say in which order it shows what has the same sort key."""
    if isinstance(answer, list):
        return sorted(answer, key=lambda item: str(item["pk"]))
    return answer


@pytest.mark.parametrize("seed", range(8))
def test_a_script_has_the_same_answers(tables: tuple[Table, MemoryTable], seed: int) -> None:
    real, simulated = tables
    for number, act in enumerate(script(seed)):
        expected, found = outcome(lambda: act(real)), outcome(lambda: act(simulated))  # noqa: B023
        assert in_order(found) == in_order(expected), f"request {number}"


def test_pages_follow_one_another(tables: tuple[Table, MemoryTable]) -> None:
    for table in tables:
        for number, pk in enumerate(PKS):
            table.write(Write(pk, {"due": "default", "due_at": f"2026-03-0{number + 1}"}))
        first, start = table.query("due", Key("due").eq("default"), limit=3)
        rest, end = table.query("due", Key("due").eq("default"), start=start, limit=3)

        assert [item["pk"] for item in (*first, *rest)] == PKS
        assert start == first[-1]
        assert end is None


def test_a_later_release_is_respected(tables: tuple[Table, MemoryTable]) -> None:
    real, simulated = tables
    for table in tables:
        table.write(Write(PKS[0], {"version": 1}))
    vars(real)["_schema"] = SCHEMA + 1
    real.write(Write(PKS[0], {"version": 2}))
    vars(real)["_schema"] = SCHEMA
    simulated._items[PKS[0]] |= {"version": 2, ATTRIBUTE: SCHEMA + 1}

    for table in tables:
        assert outcome(lambda: table.get(PKS[0])) is NewerItemError  # noqa: B023
        assert outcome(lambda: table.write(Write(PKS[0], {"version": 3}))) is NewerItemError  # noqa: B023
