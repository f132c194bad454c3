"""A run is read with tolerance, and what is none is refused in one clear error."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbell.errors import MalformedRunError
from runbell.run import (
    LARGEST_NUMBER,
    MAX_REASON,
    Outcome,
    Progress,
    ReasonCode,
    Run,
    Status,
    instant,
    parse_run,
)

RunDocument = Callable[..., dict[str, Any]]
MakeRun = Callable[..., Run]

REQUIRED = ("runID", "appID", "taskID", "status", "type", "createdAt")
OPTIONAL = {
    "startedAt": "started_at",
    "finishedAt": "finished_at",
    "outcome": "outcome",
    "reason": "reason",
    "reasonCode": "reason_code",
    "failureThreshold": "failure_threshold",
    "progress": "progress",
}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def test_every_documented_field_is_read(run_document: RunDocument) -> None:
    run = parse_run(
        run_document(
            status="finished",
            startedAt="2026-01-31T09:31:00Z",
            finishedAt="2026-01-31T09:32:00Z",
            outcome="failure",
            reason="the source is gone",
            reasonCode="critical",
            failureThreshold=10,
            progress={"expectedNbOfEvents": 200, "receivedNbOfEvents": 150},
        )
    )
    assert run == Run(
        run_id="6c02aeb1-775e-418e-870b-1faccd4b2c0f",
        app_id="APP0000001",
        task_id="76ab4c2a-ce17-496f-b7a6-506dc59ee498",
        status="finished",
        type="reindex",
        created_at="2026-01-31T09:30:00.000Z",
        started_at="2026-01-31T09:31:00Z",
        finished_at="2026-01-31T09:32:00Z",
        outcome="failure",
        reason="the source is gone",
        reason_code="critical",
        failure_threshold=10,
        progress=Progress(expected=200, received=150),
    )


@pytest.mark.parametrize(
    ("field", "attribute", "values"),
    [
        ("status", "status", list(Status)),
        ("outcome", "outcome", list(Outcome)),
        ("type", "type", ["reindex", "update", "discover", "validate", "push"]),
        ("reasonCode", "reason_code", list(ReasonCode)),
    ],
)
def test_documented_and_unknown_values_are_kept_as_they_are(
    field: str, attribute: str, values: list[str], make_run: MakeRun
) -> None:
    for value in [*map(str, values), "processing", "Finished", "a new value"]:
        assert getattr(make_run(**{field: value}), attribute) == value


def test_a_run_with_the_required_fields_alone_is_complete(run_document: RunDocument) -> None:
    document = run_document()
    assert set(document) == set(REQUIRED)
    run = parse_run(document)
    assert [getattr(run, attribute) for attribute in OPTIONAL.values()] == [None] * len(OPTIONAL)


@pytest.mark.parametrize("field", REQUIRED)
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "is missing"),
        ("", "is empty"),
        (7, "is no string but a number"),
        (7.5, "is no string but a number"),
        (True, "is no string but a boolean"),
        ([], "is no string but a list"),
        ({}, "is no string but an object"),
    ],
)
def test_a_required_field_that_is_wrong_is_named_with_its_run(
    field: str, value: object, problem: str, run_document: RunDocument
) -> None:
    with pytest.raises(MalformedRunError) as caught:
        parse_run({**run_document(), field: value})
    known = None if field == "runID" else "6c02aeb1-775e-418e-870b-1faccd4b2c0f"
    assert (caught.value.run_id, caught.value.field) == (known, field)
    assert str(caught.value) == f"malformed run {known or '(without an ID)'}: {field} {problem}"


@pytest.mark.parametrize("field", REQUIRED)
def test_a_required_field_that_is_absent_is_missing(field: str, run_document: RunDocument) -> None:
    with pytest.raises(MalformedRunError, match=f"{field} is missing"):
        parse_run(run_document(**{field: None}))


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (None, "null"),
        (False, "a boolean"),
        (1, "a number"),
        (1.5, "a number"),
        ("run", "a string"),
        ([{"runID": "r"}], "a list"),
    ],
)
def test_what_is_no_object_is_no_run(document: object, kind: str) -> None:
    with pytest.raises(MalformedRunError, match=f"the run is no object but {kind}"):
        parse_run(document)


@pytest.mark.parametrize("field", OPTIONAL)
@pytest.mark.parametrize("value", [None, "", True, 1.5, [], ["x"], {"x": 1}, "x" * 3])
def test_an_optional_field_of_the_wrong_type_counts_as_absent(
    field: str, value: object, run_document: RunDocument
) -> None:
    run = parse_run({**run_document(), field: value})
    is_text = field not in {"failureThreshold", "progress"}
    expected = value if is_text and value == "xxx" else None
    assert getattr(run, OPTIONAL[field]) == expected


@pytest.mark.parametrize(
    "progress",
    [
        {},
        {"expectedNbOfEvents": 5},
        {"receivedNbOfEvents": 5},
        {"expectedNbOfEvents": "5", "receivedNbOfEvents": 5},
        {"expectedNbOfEvents": 5, "receivedNbOfEvents": True},
        {"expectedNbOfEvents": 5, "receivedNbOfEvents": LARGEST_NUMBER + 1},
    ],
)
def test_progress_needs_both_of_its_numbers(progress: object, make_run: MakeRun) -> None:
    assert make_run(progress=progress).progress is None


@pytest.mark.parametrize("number", [0, -1, 100, LARGEST_NUMBER, -LARGEST_NUMBER])
def test_a_number_that_a_table_can_hold_is_kept(number: int, make_run: MakeRun) -> None:
    assert make_run(failureThreshold=number).failure_threshold == number


@pytest.mark.parametrize("number", [LARGEST_NUMBER + 1, -LARGEST_NUMBER - 1, 10**400])
def test_a_huge_number_counts_as_absent(number: int, make_run: MakeRun) -> None:
    assert make_run(failureThreshold=number).failure_threshold is None


def test_a_long_reason_keeps_its_head_and_its_tail(make_run: MakeRun) -> None:
    reason = make_run(reason="HEAD" + "x" * 1_000_000 + "TAIL").reason
    assert reason is not None
    assert MAX_REASON - 10 <= len(reason) <= MAX_REASON
    assert reason.startswith("HEADx")
    assert reason.endswith("xTAIL")
    assert " … " in reason


def test_half_of_a_surrogate_pair_becomes_a_question_mark(run_document: RunDocument) -> None:
    text = json.dumps(run_document(reason="a \ud83d b", status="\udc00"))
    run = parse_run(json.loads(text))
    assert (run.reason, run.status) == ("a ? b", "?")


def test_undocumented_fields_are_left_aside(run_document: RunDocument) -> None:
    assert parse_run({**run_document(), "new": {"deep": [1]}}) == parse_run(run_document())


@pytest.mark.parametrize(
    ("status", "ended"),
    [("created", False), ("started", False), ("finished", True), ("skipped", True), ("new", False)],
)
def test_a_run_has_ended_when_it_is_finished_or_skipped(
    status: str, ended: bool, make_run: MakeRun
) -> None:
    assert make_run(status=status).is_terminal is ended


def test_runs_of_the_same_content_are_equal(make_run: MakeRun) -> None:
    assert make_run(outcome="success") == make_run(outcome="success")
    assert make_run(outcome="success") != make_run(outcome="failure")


@given(json_values)
def test_any_json_value_is_a_run_or_one_error(value: Any) -> None:
    with suppress(MalformedRunError):
        assert isinstance(parse_run(value), Run)


@given(
    st.fixed_dictionaries(
        {field: st.text() | json_values for field in REQUIRED},
        optional=dict.fromkeys(OPTIONAL, json_values),
    )
)
def test_any_object_with_a_runs_fields_is_a_run_or_one_error(document: dict[str, Any]) -> None:
    are_texts = all(isinstance(document[field], str) and document[field] for field in REQUIRED)
    try:
        run = parse_run(document)
    except MalformedRunError:
        assert not are_texts
    else:
        assert are_texts
        json.dumps(vars(run), default=vars, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T09:30:00Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:00.123456789Z", datetime(2026, 1, 31, 9, 30, 0, 123456, tzinfo=UTC)),
        ("2026-01-31T09:30:00+02:00", datetime(2026, 1, 31, 7, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:00", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
    ],
)
def test_a_timestamp_is_read_in_utc(text: str, moment: datetime) -> None:
    read = instant(text)
    assert read == moment
    assert read is not None
    assert read.utcoffset() == moment.utcoffset()


@pytest.mark.parametrize(
    "text", [None, "", "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "\ud800"]
)
def test_a_timestamp_without_sense_is_none(text: str | None) -> None:
    assert instant(text) is None


@given(st.text() | st.datetimes(timezones=st.timezones()).map(str))
def test_any_text_is_a_moment_or_none(text: str) -> None:
    moment = instant(text)
    assert moment is None or moment.tzinfo is UTC
