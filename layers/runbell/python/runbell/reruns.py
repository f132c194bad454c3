"""The wishes to run a task again: each in an item of its own, so that one wish is one run.

A wish goes one way, and each step is a write under the condition that nobody else has taken it:

    asked ─► begun ─► answered ─► done
      ▲        │          └─────► refused ─► asked once more
      └────────┘ nothing was sent
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from runbell.run import timestamp
from runbell.table import Table

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

KIND = "again"
"""How the keys of wishes begin, and what a tick calls them."""

IN_WORK = timedelta(minutes=3)
"""For how long who has begun with a wish is left alone; longer than a tick may take."""


class State(StrEnum):
    """How far a wish is."""

    ASKED = "asked"
    BEGUN = "begun"
    """Algolia is being asked. A wish that stays so was left by a tick that died."""
    ANSWERED = "answered"
    """There is a new run or a refusal, which is still to be told."""
    DONE = "done"
    REFUSED = "refused"
    """Nothing came of it; it may be asked for once more."""


@dataclass(frozen=True)
class Rerun:
    """A wish to run a task again.

    Args:
        connection: Whose task.
        run_id: The run whose button was pressed.
        task_id: Its task.
        by: Slack's ID of who pressed it.
        state: How far it is.
        due_at: When a tick is to take it up; None where nothing is left to do.
        tries: How often Algolia was out of reach.
        asked: How often it was asked for, with refusals in between.
        new_run_id: The run that has come of it.
        refusal: Why none has, in words.
    """

    connection: str
    run_id: str
    task_id: str
    by: str
    state: str
    due_at: str | None = None
    tries: int = 0
    asked: int = 1
    new_run_id: str | None = None
    refusal: str | None = None


class RerunStore:
    """Reads and writes the wishes to run a task again.

    Every method raises StoreUnavailableError when DynamoDB doesn't do what it is asked.

    Args:
        table: The table of the template.
        retention: How long a wish is remembered after its last step.
        now: The time of day.
    """

    def __init__(
        self,
        table: Table,
        *,
        retention: timedelta = timedelta(days=30),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._table = table
        self._retention = retention
        self._now = now

    def get(self, connection: str, run_id: str) -> Rerun | None:
        """Read a wish as it is this moment."""
        found = self._table.get(_key(connection, run_id))
        return _parse(found) if found else None

    def ask(self, connection: str, run_id: str, task_id: str, by: str) -> bool:
        """Save a wish, which is due at once; False when it was asked for before."""
        from boto3.dynamodb.conditions import Attr

        before = self.get(connection, run_id)
        state = Attr("state")
        if before is None:
            may_ask: ConditionBase = state.not_exists()
        else:
            may_ask = state.eq(State.REFUSED) & Attr("asked").eq(before.asked)
        put = {
            "connection": connection,
            "run_id": run_id,
            "task_id": task_id,
            "by": by,
            "state": State.ASKED,
            "tries": 0,
            "asked": before.asked + 1 if before else 1,
            "due": connection,
            "due_at": timestamp(self._now()),
            "expires_at": self._expiry(),
        }
        saved = self._table.update(
            _key(connection, run_id),
            put=put,
            remove=("refusal",),
            condition=may_ask,
        )
        return saved is not None

    def begin(self, wish: Rerun) -> Rerun | None:
        """Take up a wish, which no other tick does from now on; None when one was faster."""
        return self._go_on(wish, State.BEGUN, due_at=self._now() + IN_WORK)

    def give_back(self, wish: Rerun) -> Rerun | None:
        """Leave to the next tick what was begun, since nothing was sent."""
        return self._go_on(wish, State.ASKED, due_at=self._now(), tries=wish.tries + 1)

    def started(self, wish: Rerun, new_run_id: str) -> Rerun | None:
        """Remember the run that has come of a wish."""
        return self._answered(wish, new_run_id=new_run_id)

    def refused(self, wish: Rerun, refusal: str) -> Rerun | None:
        """Remember why nothing has come of a wish."""
        return self._answered(wish, refusal=refusal)

    def settle(self, wish: Rerun) -> None:
        """Say that people know what came of a wish; a refused one can be asked for once more."""
        self._go_on(wish, State.DONE if wish.new_run_id else State.REFUSED)

    def _answered(self, wish: Rerun, **answer: str) -> Rerun | None:
        """Go on with a wish; a later tick does so, should this one die before it is told."""
        return self._go_on(wish, State.ANSWERED, due_at=self._now() + IN_WORK, **answer)

    def _go_on(
        self, wish: Rerun, state: State, *, due_at: datetime | None = None, **more: Any
    ) -> Rerun | None:
        """Write the next state if the wish is as it was read; None if it is not."""
        from boto3.dynamodb.conditions import Attr

        as_it_was = Attr("state").eq(wish.state) & Attr("due_at").eq(wish.due_at)
        put: dict[str, Any] = {"state": state, "expires_at": self._expiry(), **more}
        if due_at is not None:
            put |= {"due": wish.connection, "due_at": timestamp(due_at)}
        remove = ("due", "due_at") if due_at is None else ()
        key = _key(wish.connection, wish.run_id)
        saved = self._table.update(key, put=put, remove=remove, condition=as_it_was)
        return _parse(saved) if saved else None

    def _expiry(self) -> int:
        """When DynamoDB may drop a wish, also one of a connection that is looked at no more."""
        return int((self._now() + self._retention).timestamp())


def _key(connection: str, run_id: str) -> str:
    return f"{KIND}#{connection}#{run_id}"


def _parse(item: Mapping[str, Any]) -> Rerun:
    return Rerun(
        connection=item["connection"],
        run_id=item["run_id"],
        task_id=item["task_id"],
        by=item["by"],
        state=item["state"],
        due_at=item.get("due_at"),
        tries=int(item.get("tries", 0)),
        asked=int(item.get("asked", 1)),
        new_run_id=item.get("new_run_id"),
        refusal=item.get("refusal"),
    )
