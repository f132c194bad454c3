"""What is done in which order when a connection is made, changed or forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from runbell.api.connecting import Connecting
from runbell.connections import DEFAULT, Connection
from runbell.errors import (
    ConfigurationError,
    NotKnownError,
    RequestError,
    ScheduleExpressionError,
    ScheduleUnavailableError,
    SecretUnavailableError,
)


class World:
    """The table, EventBridge Scheduler and Secrets Manager, as far as connections go."""

    def __init__(self) -> None:
        self.items: dict[str, Connection] = {}
        self.ticking: dict[str, str] = {}
        self.done: list[str] = []
        self.trouble: dict[str, Exception] = {}

    def _do(self, what: str) -> None:
        self.done.append(what)
        if what in self.trouble:
            raise self.trouble[what]

    def get(self, name: str) -> Connection:
        if name != DEFAULT and name not in self.items:
            raise NotKnownError(name)
        return self.items.get(name, Connection(name))

    def put(self, connection: Connection) -> Connection:
        self._do("save")
        self.items[connection.name] = replace(connection, since="now")
        return self.items[connection.name]

    def delete(self, name: str) -> bool:
        self._do("forget")
        return self.items.pop(name, None) is not None

    def check_secret(self, name: str) -> None:
        self._do(f"read {name}")

    def schedules(self) -> Any:
        return Scheduler(self)


class Scheduler:
    """EventBridge Scheduler's part of it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def put(self, name: str, expression: str) -> None:
        self._world._do("schedule")
        self._world.ticking[name] = expression

    def delete(self, name: str) -> bool:
        self._world._do("unschedule")
        return self._world.ticking.pop(name, None) is not None


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def connecting(world: World) -> Connecting:
    return Connecting(
        cast("Any", world), world.schedules, "runbell/connections/", world.check_secret
    )


def test_a_new_one_is_there_before_its_first_tick(world: World, connecting: Connecting) -> None:
    assert connecting.put("emea", {})["secret"] == "emea"
    assert world.done == ["read runbell/connections/emea", "save", "schedule"]
    assert world.ticking == {"emea": "rate(1 minute)"}


def test_a_new_one_with_a_bad_schedule_does_not_stay(world: World, connecting: Connecting) -> None:
    world.trouble["schedule"] = ScheduleExpressionError("it says: no")
    with pytest.raises(RequestError, match=r"^body\.schedule is refused: it says: no"):
        connecting.put("emea", {"schedule": "cron(0 0 31 2 ? *)"})
    assert not world.items


def test_one_that_is_there_keeps_all_it_had_if_its_schedule_is_bad(
    world: World, connecting: Connecting
) -> None:
    connecting.put("emea", {"channel": "#old"})
    before = dict(world.items)
    world.trouble["schedule"] = ScheduleExpressionError("no")
    with pytest.raises(RequestError):
        connecting.put("emea", {"channel": "#new", "schedule": "cron(0 0 31 2 ? *)"})
    assert world.items == before
    assert world.ticking == {"emea": "rate(1 minute)"}


def test_a_scheduler_that_is_away_leaves_a_new_one_for_the_same_call(
    world: World, connecting: Connecting
) -> None:
    world.trouble["schedule"] = ScheduleUnavailableError("silent")
    with pytest.raises(ScheduleUnavailableError):
        connecting.put("emea", {})
    assert "emea" in world.items
    world.trouble.clear()
    connecting.put("emea", {})
    assert world.ticking == {"emea": "rate(1 minute)"}


@pytest.mark.parametrize(
    ("secret", "read"),
    [
        ("other", "runbell/connections/other"),
        ("runbell/connections/other", "runbell/connections/other"),
        ("runbell/slack", "runbell/connections/runbell/slack"),
        ("runbell/connections/", "runbell/connections/emea"),
    ],
)
def test_no_secret_beside_the_connections_own_is_read(
    world: World, connecting: Connecting, secret: str, read: str
) -> None:
    connecting.put("emea", {"secret": secret})
    assert world.done[0] == f"read {read}"


def test_a_secret_that_is_no_good_ends_it_before_anything_is_made(
    world: World, connecting: Connecting
) -> None:
    secret = "runbell/connections/emea"
    world.trouble[f"read {secret}"] = ConfigurationError("it lacks api_key")
    with pytest.raises(RequestError, match=f"lacks api_key; make it with .* --name {secret}"):
        connecting.put("emea", {})
    world.trouble[f"read {secret}"] = SecretUnavailableError("silent")
    with pytest.raises(SecretUnavailableError):
        connecting.put("emea", {})
    assert not world.items
    assert not world.ticking


def test_default_has_neither_a_secret_read_nor_a_schedule_made(
    world: World, connecting: Connecting
) -> None:
    connecting.put("default", {"channel": "#x"})
    assert world.done == ["save"]


def test_the_schedule_goes_before_what_it_looks_at(world: World, connecting: Connecting) -> None:
    connecting.put("emea", {})
    world.done.clear()
    world.trouble["unschedule"] = ScheduleUnavailableError("silent")
    with pytest.raises(ScheduleUnavailableError):
        connecting.delete("emea")
    assert "emea" in world.items
    world.trouble.clear()
    connecting.delete("emea")
    assert world.done == ["unschedule", "unschedule", "forget"]
    with pytest.raises(NotKnownError):
        connecting.delete("emea")


def test_default_is_not_deleted(connecting: Connecting) -> None:
    with pytest.raises(RequestError, match="belongs to the stack"):
        connecting.delete("default")
