"""Puts the items of a restored table back into a stack's own.

DynamoDB restores into a new table, and the stack's functions know the stack's. What was told since
the moment of the copy is known to Slack alone. So whatever is pending afterwards is left to a
sweep, by whose word notify looks on Slack first.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ops.stack import Stack, StackError, find, parser
from ops.stillness import hold, let_go, let_poll_go

Item = dict[str, Any]
"""An item as DynamoDB writes it."""

STAYS = "again"
"""The kind of item that is not put back: a wish to run a task again that was fulfilled since would
be fulfilled once more."""

AT_ONCE = 25
"""Items that DynamoDB writes in one request."""

TICKS = 30
"""Ticks of a connection after which it has not caught up."""


def main(arguments: list[str]) -> int:
    """Put a copy back, see what has changed since, have it told; answers the exit code."""
    asked = _arguments(arguments)
    stack = find(asked.stack)
    table = stack.outputs["TableName"]
    if asked.resume:
        let_go(stack)
        print("everything runs again")
        return 0
    moment = _moment_of(stack, asked.source, asked.at)
    kinds = Counter(_kind(item) for item in _items(stack, asked.source))
    for kind, count in sorted(kinds.items()):
        print(f"{count:>8}  {kind}" + (" (not put back)" if kind == STAYS else ""))
    print(f"{asked.source} shows {table} as it was at {moment}")
    if asked.dry_run:
        return 0
    try:
        unseen = _restore(stack, asked.source, moment, asked.wait)
    except BaseException:
        print("Nothing of the stack runs for now: run the same again, or end it with --resume")
        raise
    print("everything runs again; the next tick has what is pending told")
    for connection in _unscheduled(stack, table):
        print(f"{connection} has no schedule: PUT or DELETE /connections/{connection}")
        unseen = True
    return 1 if unseen else 0


def _restore(stack: Stack, source: str, moment: str, wait: float) -> bool:
    """Do it, step by step; each can be done again.

    Returns:
        Whether there is a connection that could not be looked at.
    """
    table = stack.outputs["TableName"]
    print("holding the stack still …", flush=True)
    hold(stack)
    time.sleep(wait)  # what runs ends
    print(f"{_copy(stack, source, table)} items put back", flush=True)
    let_poll_go(stack)
    unseen = False
    for connection in _connections(stack, table):
        try:
            _catch_up(stack, connection)
        except StackError as error:  # it must not keep the others still
            print(f"{error}; its runs are seen once it can be looked at", flush=True)
            unseen = True
    # The words of these ticks would have notify post without a look. A sweep sends others.
    stack.client("sqs").purge_queue(QueueUrl=stack.outputs["QueueUrl"])
    time.sleep(wait)  # it takes up to a minute, and takes along what comes meanwhile
    print(f"{_look_first(stack, table, moment)} announcements are pending", flush=True)
    let_go(stack)
    return unseen


def _arguments(arguments: list[str]) -> argparse.Namespace:
    made = parser("restore", "Put the items of a restored table back into a stack's own.")
    made.add_argument("--from", dest="source", metavar="TABLE", help="the restored table")
    made.add_argument(
        "--at",
        type=_moment,
        metavar="TIME",
        help="the moment it shows, as 2026-03-02T09:00:00.000Z; else its own",
    )
    made.add_argument(
        "--wait", type=float, default=65.0, help="seconds for what runs to end (default: 65)"
    )
    made.add_argument("--resume", action="store_true", help="let a stack go that is held still")
    asked = made.parse_args(arguments)
    if not asked.resume and not asked.source:
        made.error("name the restored table with --from")
    if asked.resume and asked.dry_run:
        made.error("--resume lets the stack go, so it is no dry run")
    if asked.wait < 0:
        made.error("--wait is a number of seconds")
    return asked


def _moment(text: str) -> str:
    """Read a moment, for argparse; answers it in UTC, as the table has them."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment > datetime.now(UTC):
        raise argparse.ArgumentTypeError(f"{text!r} is no moment up to now with its offset, or Z")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment_of(stack: Stack, source: str, given: str | None) -> str:
    """When the restored table shows the stack's: as given, else as DynamoDB tells it.

    Raises:
        StackError: It is no restored table of the stack's.
    """
    dynamodb, table = stack.client("dynamodb"), stack.outputs["TableName"]
    if source == table:
        raise StackError(f"{source} is the stack's own table: name the restored one")
    found = dynamodb.describe_table(TableName=source)["Table"]
    own = dynamodb.describe_table(TableName=table)["Table"]["TableArn"]
    if found["TableStatus"] != "ACTIVE":
        raise StackError(f"{source} is not restored yet: it is {found['TableStatus']}")
    if given is not None:
        return given
    summary = found.get("RestoreSummary", {})
    if summary.get("SourceTableArn") != own:
        raise StackError(f"{source} was not restored from {table}; if it is a copy, say --at when")
    moment: str = summary["RestoreDateTime"].astimezone(UTC).isoformat(timespec="milliseconds")
    return moment.replace("+00:00", "Z")


def _items(stack: Stack, table: str) -> Iterator[Item]:
    """Read a whole table."""
    pages = stack.client("dynamodb").get_paginator("scan")
    for page in pages.paginate(TableName=table, ConsistentRead=True):
        yield from page["Items"]


def _kind(item: Item) -> str:
    kind: str = item["pk"]["S"].partition("#")[0]
    return kind


def _copy(stack: Stack, source: str, table: str) -> int:
    """Put the items of one table into another, whatever is there; answers how many."""
    dynamodb, copied = stack.client("dynamodb"), 0
    waiting: list[dict[str, Any]] = []

    def write(least: int) -> None:
        nonlocal waiting
        while len(waiting) >= least and waiting:
            batch, rest = waiting[:AT_ONCE], waiting[AT_ONCE:]
            answer = dynamodb.batch_write_item(RequestItems={table: batch})
            left = answer.get("UnprocessedItems", {}).get(table, [])
            if len(left) == len(batch):
                time.sleep(1)  # it throttles
            waiting = [*left, *rest]

    for item in _items(stack, source):
        if _kind(item) == STAYS:
            continue
        waiting.append({"PutRequest": {"Item": item}})
        copied += 1
        write(AT_ONCE)
        if copied % 1000 == 0:
            print(f"{copied} …", flush=True)
    write(1)
    return copied


def _connections(stack: Stack, table: str) -> list[str]:
    """Name the connections that are looked at."""
    made = (
        item["connection"]["S"]
        for item in _items(stack, table)
        if _kind(item) == "connection" and "secret" in item
    )
    return ["default", *made]


def _unscheduled(stack: Stack, table: str) -> list[str]:
    """Name the connections that the copy has brought back and no schedule looks at any more."""
    pages = stack.client("scheduler").get_paginator("list_schedules")
    found = [each for page in pages.paginate(GroupName=stack.name) for each in page["Schedules"]]
    names = {each["Name"] for each in found}
    return [name for name in _connections(stack, table)[1:] if name not in names]


def _catch_up(stack: Stack, connection: str) -> None:
    """Have poll look until a tick has come to everything.

    Raises:
        StackError: It can't.
    """
    for _ in range(TICKS):
        answer = stack.client("lambda").invoke(
            FunctionName=stack.outputs["PollFunctionName"],
            Payload=json.dumps({"connection": connection}),
        )
        report = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise StackError(f"a tick of {connection} has failed: {report.get('errorMessage')}")
        print(f"{connection}: {report['changed']} changed since", flush=True)
        if not report["failed"] and not report["skipped"]:
            return
    raise StackError(f"ticks of {connection} keep failing; poll's log says why")


def _look_first(stack: Stack, table: str, moment: str) -> int:
    """Leave all that is pending to the next sweep, as if it were pending since a moment.

    Notify then looks on Slack for what was posted from that moment on. For that it needs Slack's ID
    of the channel, which the items of other runs know.
    """
    dynamodb = stack.client("dynamodb")
    ids: dict[str, Item] = {}
    pending: list[Item] = []
    for item in _items(stack, table):
        for channel, delivery in item.get("deliveries", {}).get("M", {}).items():
            if "channel_id" in delivery["M"]:
                ids[channel] = delivery["M"]["channel_id"]
        if "pending_since" in item:
            pending.append(item)
    for item in pending:
        channel = item["channel"]["S"]
        since = min(item["pending_since"]["S"], moment)
        values = {
            ":since": {"S": since},
            # In the order in which they have changed, so that a thread begins with its first run.
            ":due": item.get("updated_at", {"S": since}),
            ":version": item["version"],
        }
        names, delivery = {"#version": "version"}, ""
        if channel in ids and channel not in item.get("deliveries", {}).get("M", {}):
            names["#channel"] = channel
            values[":delivery"] = {"M": {"channel_id": ids[channel]}}
            delivery = ", deliveries.#channel = :delivery"
        try:
            dynamodb.update_item(
                TableName=table,
                Key={"pk": item["pk"]},
                UpdateExpression=f"SET pending_since = :since, pending_due = :due{delivery}",
                ConditionExpression="attribute_exists(pending_since) AND #version = :version",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            continue  # a tick has just seen it change
    return len(pending)
