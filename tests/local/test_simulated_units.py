"""Request units are counted by DynamoDB's rules, as its documentation gives them."""

from __future__ import annotations

from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr, Key

from local.simulated.units import MeteredTable, size_of, size_of_item
from runbell.table import Write

PK = "run#default#1"
LARGE = "x" * 1_500


@pytest.fixture
def table() -> MeteredTable:
    return MeteredTable()


def writes(table: MeteredTable, *more: Write) -> float:
    """The units that writing takes."""
    before = table.writes
    table.write(*more)
    return table.writes - before


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("Zürich", 7),
        (b"12345678", 8),
        (True, 1),
        (7, 2),
        (1_234, 3),
        ([], 3),
        ({}, 3),
        (["ab", "cd"], 3 + 4 + 2),
        ({"told": 1}, 3 + 4 + 2 + 1),
    ],
)
def test_a_value_has_the_size_that_dynamodb_counts(value: Any, size: int) -> None:
    assert size_of(value) == size
    assert size_of_item({"name": value}) == 4 + size


def test_a_write_takes_a_unit_for_each_kilobyte_of_the_larger_item(table: MeteredTable) -> None:
    assert writes(table, Write(PK, {"version": 1})) == 1
    assert writes(table, Write(PK, {"text": LARGE})) == 2
    assert writes(table, Write(PK, remove=("text",))) == 2


def test_a_write_in_a_transaction_takes_two(table: MeteredTable) -> None:
    assert writes(table, Write(PK, {"version": 1}), Write("task#1", {"version": 1})) == 4


def test_a_refused_write_is_paid_for(table: MeteredTable) -> None:
    table.write(Write(PK, {"text": LARGE}))
    assert writes(table, Write(PK, {"version": 1}, condition=Attr("version").eq(7))) == 2


def test_an_index_is_written_where_its_entry_changes(table: MeteredTable) -> None:
    """Once where it appears, goes, or stays in its place; twice where it moves."""
    pending = {"pending": "default", "pending_due": "2026-03-01", "version": 1}
    assert writes(table, Write(PK, pending)) == 1 + 1
    assert writes(table, Write(PK, {"version": 2})) == 1 + 1
    assert writes(table, Write(PK, {"names": {}})) == 1
    assert writes(table, Write(PK, {"pending_due": "2026-03-02"})) == 1 + 2
    assert writes(table, Write(PK, remove=("pending", "pending_due"))) == 1 + 1


def test_reads_count_by_four_kilobytes_and_half_where_they_may_be_late(
    table: MeteredTable,
) -> None:
    table.write(Write(PK, {"text": "x" * 5_000, "due": "default", "due_at": "2026-03-01"}))

    def reads(act: Any) -> float:
        before = table.reads
        act()
        return table.reads - before

    assert reads(lambda: table.get(PK)) == 2
    assert reads(lambda: table.get("nothing")) == 1
    assert reads(lambda: table.get_many([PK, "nothing"])) == 3
    assert reads(lambda: table.get_many([PK, "nothing"], consistent=False)) == 1.5
    assert reads(lambda: table.query("due", Key("due").eq("default"))) == 0.5
    assert reads(lambda: table.query("due", Key("due").eq("nobody"))) == 0.5
