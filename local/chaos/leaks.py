"""Looks for secrets where none may be: in what was logged, told, stored and enqueued."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from local.slack import Call
from local.stack import Stack

RECOGNISED = 8
"""Signs of a secret's beginning by which it would be recognised."""


def leaks(secrets: Mapping[str, str], places: Iterable[tuple[str, str]]) -> list[str]:
    """Say where a secret, or its beginning, is found.

    Args:
        secrets: Each by what it is called.
        places: What to look through: its name and text.
    """
    return sorted({
        f"{name} is in {place}"
        for place, text in places
        for name, secret in secrets.items()
        if secret[:RECOGNISED] in text
    })  # fmt: skip


def everything_written(stack: Stack, calls: Iterable[Call]) -> Iterator[tuple[str, str]]:
    """All that a stack has logged, told, stored and enqueued, by place."""
    logs = stack.aws.client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        if f"/{stack.name}" in group["logGroupName"]:
            yield f"the log {group['logGroupName']}", _logged(logs, group["logGroupName"])
    yield "the local AWS's own log", stack.aws.log.read_text("utf-8", "replace")
    yield "Slack", json.dumps([call.arguments for call in calls], ensure_ascii=False)
    yield "the table", json.dumps([*items(stack)], default=repr)
    sqs = stack.aws.client("sqs")
    for output in ("QueueUrl", "DeadLetterQueueUrl"):
        yield output, json.dumps(_letters(sqs, stack.outputs[output]))


def items(stack: Stack, *attributes: str) -> Iterator[dict[str, Any]]:
    """Every item of the table, as DynamoDB writes it; whole, or some of its attributes."""
    pages = stack.aws.client("dynamodb").get_paginator("scan")
    some: dict[str, Any] = {}
    if attributes:
        some["ProjectionExpression"] = ", ".join(f"#{name}" for name in attributes)
        some["ExpressionAttributeNames"] = {f"#{name}": name for name in attributes}
    for page in pages.paginate(TableName=stack.outputs["TableName"], **some):
        yield from page["Items"]


def _logged(logs: Any, group: str) -> str:
    words = []
    for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]:
        asked: dict[str, Any] = {"startFromHead": True}
        while True:
            answer = logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], **asked
            )
            words += [event["message"] for event in answer["events"]]
            if not answer["events"] or answer["nextForwardToken"] == asked.get("nextToken"):
                break
            asked["nextToken"] = answer["nextForwardToken"]
    return "\n".join(words)


def _letters(sqs: Any, queue_url: str) -> list[dict[str, Any]]:
    """The messages of a queue that can be seen, hidden from others for a moment."""
    found: list[dict[str, Any]] = []
    while answer := sqs.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=30,
        MessageAttributeNames=["All"],
    ).get("Messages"):
        found += answer
    return found
