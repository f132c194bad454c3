"""The schedules of the connections: each lets poll look at its connection."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runbell.errors import (
    ScheduleError,
    ScheduleExpressionError,
    ScheduleRefusedError,
    ScheduleUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_scheduler import EventBridgeSchedulerClient

EVERY_MINUTE = "rate(1 minute)"
"""When a connection's runs are looked at if nobody says otherwise."""

FOR_A_PERSON = frozenset({
    "AccessDeniedException",
    "ResourceNotFoundException",  # the group is gone
    "ServiceQuotaExceededException",
    "ValidationException",
})  # fmt: skip
"""Refusals of EventBridge Scheduler that trying again does not mend."""


class Schedules:
    """Makes, changes and deletes schedules, each with the name of its connection.

    Every method raises ScheduleUnavailableError when EventBridge Scheduler doesn't answer, and
    ScheduleRefusedError when it refuses.

    Args:
        client: The boto3 client of EventBridge Scheduler.
        group: The group that holds them.
        target_arn: poll.
        role_arn: The role by which EventBridge Scheduler may start it.
        dead_letter_arn: The queue of the ticks that could not be handed over.
    """

    def __init__(
        self,
        client: EventBridgeSchedulerClient,
        *,
        group: str,
        target_arn: str,
        role_arn: str,
        dead_letter_arn: str,
    ) -> None:
        self._client = client
        self._group = group
        self._target = {
            "Arn": target_arn,
            "RoleArn": role_arn,
            # As the template has it for the connection `default`.
            "RetryPolicy": {"MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60},
            "DeadLetterConfig": {"Arn": dead_letter_arn},
        }

    def put(self, name: str, expression: str) -> None:
        """Make a connection's schedule, or change it.

        Args:
            name: The connection.
            expression: When, as EventBridge Scheduler writes it.

        Raises:
            ScheduleExpressionError: EventBridge Scheduler doesn't understand the expression.
        """
        schedule = {
            "Name": name,
            "GroupName": self._group,
            "Description": f"Lets poll look at the connection {name}",
            "ScheduleExpression": expression,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {**self._target, "Input": json.dumps({"connection": name})},
        }
        if self._ask("create_schedule", schedule, unless="ConflictException"):
            return
        self._ask("update_schedule", schedule)

    def delete(self, name: str) -> bool:
        """Delete a connection's schedule; False when there was none."""
        schedule = {"Name": name, "GroupName": self._group}
        return self._ask("delete_schedule", schedule, unless="ResourceNotFoundException")

    def _ask(self, operation: str, arguments: Mapping[str, Any], unless: str = "") -> bool:
        """Make one request; False when it was refused with the word that is expected."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            getattr(self._client, operation)(**arguments)
        except ClientError as error:
            refusal = error.response.get("Error", {})
            if refusal.get("Code") == unless:
                return False
            raise _error_of(refusal) from error
        except BotoCoreError as error:
            word = type(error).__name__
            raise ScheduleUnavailableError(f"EventBridge Scheduler is silent: {word}") from error
        return True


def _error_of(refusal: Mapping[str, Any]) -> ScheduleError:
    code, word = refusal.get("Code", ""), refusal.get("Message", "")
    if code not in FOR_A_PERSON:
        return ScheduleUnavailableError(f"EventBridge Scheduler fails: {code} {word}")
    if code == "ValidationException" and "expression" in word.lower():
        return ScheduleExpressionError(f"EventBridge Scheduler says: {word}")
    todo = {
        "AccessDeniedException": "deploy the stack anew, so that its roles are as the template's",
        "ResourceNotFoundException": "deploy the stack anew, so that its schedule group is there",
        "ServiceQuotaExceededException": "ask AWS for a higher quota of schedules",
    }.get(code, "see docs/operations.md")
    return ScheduleRefusedError(f"EventBridge Scheduler refuses, {todo}: {code}: {word}")
