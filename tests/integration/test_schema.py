"""Items of a later release: this one neither reads nor changes them, and loses nothing of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from runbell.connections import Connection, ConnectionStore, Scan
from runbell.errors import NewerItemError
from runbell.items import Delivery, Missed, Note, RunItem
from runbell.listings import Listings
from runbell.reruns import RerunStore
from runbell.rules import Mute, Watch
from runbell.run import timestamp
from runbell.schema import SCHEMA
from runbell.store import RunStore
from runbell.table import Table, Write
from runbell.task_store import TaskStore
from runbell.tasks import TaskInfo, TaskItem
from tests.integration.conftest import CHANNEL, Clock, either_dynamodb, run_of, save

pytestmark = either_dynamodb

RUN, TASK, SHOP = "run-1", "task-1", Connection("shop", secret="shop-key")


@dataclass(frozen=True)
class Stores:
    """What a release remembers things by."""

    table: Table
    runs: RunStore
    tasks: TaskStore
    connections: ConnectionStore
    reruns: RerunStore
    listings: Listings
    clock: Clock

    def write_everything(self) -> None:
        """Leave an item of each kind in the table."""
        now = self.clock.now
        missed = Missed(TASK, timestamp(now))
        entry = replace(save(self.runs, run_of("started")).history[0], kind="missed")
        self.runs.put_watch("default", RUN, Watch())
        self.runs.put_thread("default", RUN, CHANNEL, "1.1")
        self.runs.create_test("default", "test-1", CHANNEL)
        self.runs.create_report("default", "digest", CHANNEL, {"kind": "digest"})
        night = (now, now + timedelta(hours=8))
        self.runs.create_missed("default", missed, entry, CHANNEL, None, held=night)
        self.tasks.put_watch("default", TASK, Watch())
        self.tasks.put_mute("default", TASK, Mute("U1", timestamp(now)))
        self.connections.put(SHOP)
        self.reruns.ask("default", RUN, TASK, "U1")


MakeStores = Callable[[int], Stores]


@pytest.fixture
def stores(dynamodb: Any, table_name: str, clock: Clock) -> MakeStores:
    """Makes the stores of a release that writes a form and knows none beyond it."""

    def make(schema: int) -> Stores:
        table = Table(dynamodb, table_name, schema=schema)
        return Stores(
            table,
            RunStore(table, now=clock),
            TaskStore(table, now=clock),
            ConnectionStore(table, now=clock),
            RerunStore(table, now=clock),
            Listings(table),
            clock,
        )

    return make


@pytest.fixture
def ours(stores: MakeStores) -> Stores:
    return stores(SCHEMA)


@pytest.fixture
def later(stores: MakeStores) -> Stores:
    """Those of a later release, which was rolled back."""
    return stores(SCHEMA + 1)


Everything = Callable[[], dict[str, Any]]


@pytest.fixture
def everything(dynamodb: Any, table_name: str) -> Everything:
    """Reads the whole table as DynamoDB holds it."""

    def scan() -> dict[str, Any]:
        items = dynamodb.scan(TableName=table_name, ConsistentRead=True)["Items"]
        return {item["pk"]["S"]: item for item in items}

    return scan


def test_every_item_says_which_form_it_has(ours: Stores, everything: Everything) -> None:
    ours.write_everything()

    kinds = {pk.partition("#")[0] for pk in everything()}
    assert kinds == {"run", "task", "connection", "summary", "thread", "again"}
    assert {item["schema"]["N"] for item in everything().values()} == {str(SCHEMA)}


def test_an_item_from_before_there_were_numbers_is_read_and_gets_one_when_it_is_written(
    ours: Stores, everything: Everything, dynamodb: Any, table_name: str
) -> None:
    ours.write_everything()
    as_written = ours.runs.get("default", RUN)
    key = {"pk": {"S": f"run#default#{RUN}"}}
    dynamodb.update_item(
        TableName=table_name,
        Key=key,
        UpdateExpression="REMOVE #s",
        ExpressionAttributeNames={"#s": "schema"},
    )

    assert ours.runs.get("default", RUN) == as_written
    ours.runs.note_unknown("default", RUN)
    assert everything()[f"run#default#{RUN}"]["schema"] == {"N": str(SCHEMA)}


def test_an_item_of_an_earlier_form_is_read_and_written(ours: Stores, later: Stores) -> None:
    ours.write_everything()

    assert later.runs.get("default", RUN) == ours.runs.get("default", RUN)
    save(later.runs, run_of("finished", "success"))
    with pytest.raises(NewerItemError):
        ours.runs.get("default", RUN)


def of_run(stores: Stores) -> RunItem:
    return RunItem("default", RUN, version=1, channel=CHANNEL, due_at=timestamp(stores.clock.now))


def ended(stores: Stores) -> object:
    """A run that is new here ends; the task's item is the later release's."""
    run, before = RunItem("default", "run-2"), TaskItem("default", TASK)
    new = run_of("finished", "failure", run_id="run-2")
    return stores.runs.commit(run, new, None, announce_in=CHANNEL, task=(before, before))


Use = Callable[[Stores], object]

READS: dict[str, Use] = {
    "a run": lambda s: s.runs.get("default", RUN),
    "a run with its task": lambda s: s.runs.get_with_task("default", "run-2", TASK),
    "many runs": lambda s: s.runs.glance("default", [run_of("started")], with_tasks=True),
    "a task": lambda s: s.tasks.get("default", TASK),
    "many tasks": lambda s: s.tasks.get_many("default", ["task-2", TASK]),
    "a connection": lambda s: s.connections.get("shop"),
    "the connections": lambda s: s.connections.list(),
    "the watches": lambda s: s.listings.watches("default"),
    "a wish": lambda s: s.reruns.get("default", RUN),
    "a thread": lambda s: s.runs.thread_in("default", RUN, CHANNEL),
}

WRITES: dict[str, Use] = {
    "a look": lambda s: s.runs.commit(of_run(s), run_of("started"), None, announce_in=CHANNEL),
    "an end": ended,
    "a delivery": lambda s: s.runs.record_delivery(of_run(s), Delivery(ts="1.1"), settled=False),
    "the last delivery": lambda s: s.runs.record_delivery(
        of_run(s), Delivery(ts="1.1"), settled=True
    ),
    "a watch": lambda s: s.runs.put_watch("default", RUN, Watch(channel="#other")),
    "no watch": lambda s: s.runs.delete_watch("default", RUN),
    "a run that is looked at no more": lambda s: s.runs.retire(of_run(s)),
    "a later look": lambda s: s.runs.look_again(of_run(s), s.clock.now),
    "an unknown run": lambda s: s.runs.note_unknown("default", RUN),
    "a known run": lambda s: s.runs.note_known("default", RUN),
    "a later sweep": lambda s: s.runs.postpone(of_run(s), timedelta(minutes=2)),
    "a note": lambda s: s.runs.add_note("default", RUN, Note("claimed", "U1", "now")),
    "a thread": lambda s: s.runs.put_thread("default", RUN, CHANNEL, "2.2"),
    "a task's watch": lambda s: s.tasks.put_watch("default", TASK, Watch(channel="#other")),
    "no task's watch": lambda s: s.tasks.delete_watch("default", TASK),
    "a mute": lambda s: s.tasks.put_mute("default", TASK, Mute("U2", "now")),
    "no mute": lambda s: s.tasks.put_mute("default", TASK, None),
    "names": lambda s: s.tasks.put_info(TaskItem("default", TASK), TaskInfo("now")),
    "a task's later look": lambda s: s.tasks.look_again(TaskItem("default", TASK), s.clock.now),
    "a connection": lambda s: s.connections.put(replace(SHOP, secret="other-key")),
    "how far a tick came": lambda s: s.connections.save_scan("shop", Scan(full_page=2)),
    "no connection": lambda s: s.connections.delete("shop"),
    "a wish": lambda s: s.reruns.ask("default", RUN, TASK, "U2"),
}


@pytest.mark.parametrize("use", [*READS.values(), *WRITES.values()], ids=[*READS, *WRITES])
def test_what_a_later_release_has_written_is_refused_and_left_as_it_is(
    ours: Stores, later: Stores, everything: Everything, use: Use
) -> None:
    later.write_everything()
    before = everything()

    with pytest.raises(NewerItemError, match=r"later release.*deploy that release again") as raised:
        use(ours)

    assert raised.value.pk in str(raised.value)
    assert raised.value.pk in before
    assert not raised.value.retryable
    assert everything() == before


def test_of_two_writes_in_one_neither_is_made_where_one_item_is_a_later_releases(
    ours: Stores, later: Stores, everything: Everything
) -> None:
    later.table.update("task#default#later", put={"a": 1})
    before = everything()

    with pytest.raises(NewerItemError, match="task#default#later"):
        ours.table.write(
            Write("run#default#ours", put={"a": 2}), Write("task#default#later", put={"a": 2})
        )
    assert everything() == before


def test_items_that_the_later_release_has_not_touched_go_on(ours: Stores, later: Stores) -> None:
    ours.write_everything()
    later.runs.put_watch("default", "run-2", Watch())

    assert save(ours.runs, run_of("finished", "success")).last_change == 2
    assert list(ours.runs.due("default")), "the index names the later release's run as well"
