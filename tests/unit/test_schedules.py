"""Schedules are made, changed and deleted, and refusals say what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import Stubber

from runbell.errors import (
    ScheduleExpressionError,
    ScheduleRefusedError,
    ScheduleUnavailableError,
)
from runbell.schedules import Schedules

ARN = "arn:aws:scheduler:us-east-1:123456789012:schedule/runbell/emea"
POLL = "arn:aws:lambda:us-east-1:123456789012:function:poll"
ROLE = "arn:aws:iam::123456789012:role/schedule"
LETTERS = "arn:aws:sqs:us-east-1:123456789012:ticks"

SCHEDULE = {
    "Name": "emea",
    "GroupName": "runbell",
    "Description": "Lets poll look at the connection emea",
    "ScheduleExpression": "rate(5 minutes)",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "Target": {
        "Arn": POLL,
        "RoleArn": ROLE,
        "Input": json.dumps({"connection": "emea"}),
        "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60},
        "DeadLetterConfig": {"Arn": LETTERS},
    },
}
NAME = {"Name": "emea", "GroupName": "runbell"}


@pytest.fixture
def client() -> Any:
    return boto3.client(
        "scheduler",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture
def stub(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


@pytest.fixture
def schedules(client: Any) -> Schedules:
    return Schedules(
        client, group="runbell", target_arn=POLL, role_arn=ROLE, dead_letter_arn=LETTERS
    )


def test_a_schedule_is_made(schedules: Schedules, stub: Stubber) -> None:
    stub.add_response("create_schedule", {"ScheduleArn": ARN}, SCHEDULE)
    schedules.put("emea", "rate(5 minutes)")


def test_one_that_is_there_is_changed(schedules: Schedules, stub: Stubber) -> None:
    stub.add_client_error("create_schedule", "ConflictException", expected_params=SCHEDULE)
    stub.add_response("update_schedule", {"ScheduleArn": ARN}, SCHEDULE)
    schedules.put("emea", "rate(5 minutes)")


def test_one_is_deleted_and_one_that_is_gone_is_fine(schedules: Schedules, stub: Stubber) -> None:
    stub.add_response("delete_schedule", {}, NAME)
    assert schedules.delete("emea") is True
    stub.add_client_error("delete_schedule", "ResourceNotFoundException", expected_params=NAME)
    assert schedules.delete("emea") is False


@pytest.mark.parametrize(
    ("code", "message", "error", "said"),
    [
        (
            "ValidationException",
            "Invalid Schedule Expression rate(5 minute).",
            ScheduleExpressionError,
            "EventBridge Scheduler says: Invalid Schedule Expression",
        ),
        (
            "ValidationException",
            "The execution role you provide must allow AWS EventBridge Scheduler to assume it.",
            ScheduleRefusedError,
            "The execution role",
        ),
        ("AccessDeniedException", "no", ScheduleRefusedError, "deploy the stack anew"),
        ("ResourceNotFoundException", "no group", ScheduleRefusedError, "its schedule group"),
        ("ServiceQuotaExceededException", "many", ScheduleRefusedError, "a higher quota"),
        ("ThrottlingException", "slowly", ScheduleUnavailableError, "ThrottlingException"),
        ("InternalServerException", "", ScheduleUnavailableError, "InternalServerException"),
    ],
)
def test_a_refusal_says_what_to_do(
    schedules: Schedules,
    stub: Stubber,
    code: str,
    message: str,
    error: type[Exception],
    said: str,
) -> None:
    stub.add_client_error("create_schedule", code, message)
    with pytest.raises(error, match=said):
        schedules.put("emea", "rate(5 minutes)")


def test_one_that_another_changes_or_deletes_meanwhile_is_for_another_try(
    schedules: Schedules, stub: Stubber
) -> None:
    stub.add_client_error("create_schedule", "ConflictException")
    stub.add_client_error("update_schedule", "ConflictException")
    with pytest.raises(ScheduleUnavailableError):
        schedules.put("emea", "rate(5 minutes)")
    stub.add_client_error("delete_schedule", "ConflictException")
    with pytest.raises(ScheduleUnavailableError):
        schedules.delete("emea")


def test_silence_is_for_another_try() -> None:
    class Silent:
        def delete_schedule(self, **_: Any) -> None:
            raise ConnectTimeoutError(endpoint_url="https://scheduler.example")

    silent: Any = Silent()
    schedules = Schedules(silent, group="g", target_arn="", role_arn="", dead_letter_arn="")
    with pytest.raises(ScheduleUnavailableError, match="ConnectTimeoutError") as caught:
        schedules.delete("emea")
    assert caught.value.retryable
