"""What the schedule may ask of a tick."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from runbell.comeback import Comeback
from runbell.errors import RequestError
from runbell.run import LONGEST_ID
from runbell.tick import TickRequest, parse_tick


@pytest.mark.parametrize(
    ("event", "run_ids"),
    [
        ({}, None),
        ({"connection": "default"}, None),
        ({"connection": "default", "runIDs": None}, None),
        ({"runIDs": []}, ()),
        ({"runIDs": ["a", "b"]}, ("a", "b")),
        ({"runIDs": ["x" * LONGEST_ID]}, ("x" * LONGEST_ID,)),
        ({"connection": "default", "version": "0", "source": "aws.scheduler"}, None),
    ],
)
def test_a_tick_is_of_all_that_is_watched_or_of_named_runs(
    event: dict[str, Any], run_ids: tuple[str, ...] | None
) -> None:
    assert parse_tick(event) == TickRequest("default", run_ids)


@pytest.mark.parametrize(
    ("at", "moment"),
    [
        ("2026-01-31T09:00:00Z", datetime(2026, 1, 31, 9, tzinfo=UTC)),
        ("<aws.scheduler.scheduled-time>", None),  # where nobody fills it in
        (None, None),
        (7, None),
    ],
)
def test_a_digest_is_asked_for_with_or_without_the_time_it_is_for(
    at: object, moment: datetime | None
) -> None:
    asked = parse_tick({"connection": "emea", "digest": True, "at": at})
    assert asked == TickRequest("emea", None, digest=True, at=moment)
    assert parse_tick({"digest": True, "runIDs": ["a"]}).run_ids is None
    assert parse_tick({"digest": False}) == TickRequest("default", None)


@pytest.mark.parametrize("digest", ["true", 1, None, {}])
def test_what_neither_asks_for_a_digest_nor_does_not_is_refused(digest: object) -> None:
    with pytest.raises(RequestError, match="must be true or false") as caught:
        parse_tick({"digest": digest})
    assert caught.value.where == "event.digest"


def test_a_word_to_come_back_is_read_as_it_was_written() -> None:
    """By itself, and in the batch of one in which a queue hands it over."""
    word = Comeback("emea", "2026-01-31T09:00:10.000Z")
    request = TickRequest("emea", None, comeback=word.moment)
    assert parse_tick(json.loads(word.body())) == request
    assert parse_tick({"Records": [{"body": word.body()}]}) == request


@pytest.mark.parametrize(
    "records",
    [
        [],
        [{"body": "{}"}, {"body": "{}"}],
        [{}],
        [{"body": "no JSON"}],
        [{"body": "[" * 100_000}],
        [{"body": None}],
        "x",
        7,
        {"body": "{}"},
    ],
)
def test_a_batch_that_is_no_single_word_is_refused(records: object) -> None:
    with pytest.raises(RequestError) as caught:
        parse_tick({"Records": records})
    assert caught.value.where == "event.Records"


@pytest.mark.parametrize("moment", [7, True, {}, []])
def test_a_comeback_is_a_moment(moment: object) -> None:
    with pytest.raises(RequestError, match="must be a moment"):
        parse_tick({"comeback": moment})


@pytest.mark.parametrize("event", [None, [], "default", 7, True])
def test_what_is_no_object_is_refused(event: object) -> None:
    with pytest.raises(RequestError, match="event must be an object such as") as caught:
        parse_tick(event)
    assert caught.value.where == "event"


@pytest.mark.parametrize("connection", ["default", "emea", "0", "a-b-", "e" * 32])
def test_a_tick_is_of_any_connection(connection: str) -> None:
    assert parse_tick({"connection": connection}) == TickRequest(connection, None)


@pytest.mark.parametrize(
    "connection", ["Emea", "", "-a", "a#b", "a\n", "ä", "e" * 33, None, 7, ["default"]]
)
def test_what_is_no_name_of_a_connection_is_refused(connection: object) -> None:
    with pytest.raises(RequestError, match="is no name of a connection") as caught:
        parse_tick({"connection": connection})
    assert caught.value.where == "event.connection"


@pytest.mark.parametrize(
    "run_ids", ["a", {}, 7, [7], [None], [""], ["a", ""], [["a"]], ["x" * (LONGEST_ID + 1)]]
)
def test_what_are_no_run_ids_is_refused(run_ids: object) -> None:
    with pytest.raises(RequestError, match="must be a list of run IDs") as caught:
        parse_tick({"runIDs": run_ids})
    assert caught.value.where == "event.runIDs"
