"""Sends dead letters back to the queue, once a person has mended what they died of."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ops.stack import find, parser

OUT_OF_SIGHT = 60
"""Seconds for which a letter that is being looked at is nobody else's."""

NOT_SAID = "not said: notify has died of it each time; see its log"


@dataclass(frozen=True)
class Letter:
    """A dead letter as SQS hands it out.

    Args:
        text: What it holds.
        body: What the queue is to hold again; None if it is none of Runbell's.
        cause: Why it died.
    """

    message_id: str
    handle: str
    group: str
    text: str
    body: str | None
    cause: str
    laid_at: float


def main(arguments: list[str]) -> int:
    """List the dead letters by cause and channel, and send them back; answers the exit code."""
    made = parser("redrive", "Send the dead letters of a stack back to its queue.")
    made.add_argument(
        "--drop-nonsense", action="store_true", help="print and delete what is no letter"
    )
    asked = made.parse_args(arguments)
    stack = find(asked.stack)
    sqs, began_at = stack.client("sqs"), time.time()
    queue, dead = stack.outputs["QueueUrl"], stack.outputs["DeadLetterQueueUrl"]
    causes: Counter[tuple[str, str]] = Counter()
    looked_at: list[Letter] = []
    nonsense = sent = 0
    for letter in _letters(sqs, dead):
        if letter.laid_at > began_at:  # refused once more: it is not sent round and round
            looked_at.append(letter)
            continue
        causes[letter.cause, letter.group] += 1
        if letter.body is None and asked.drop_nonsense and not asked.dry_run:
            print(f"dropped: {letter.text}")
            sqs.delete_message(QueueUrl=dead, ReceiptHandle=letter.handle)
            continue
        nonsense += letter.body is None
        if asked.dry_run or letter.body is None:
            looked_at.append(letter)
            continue
        sqs.send_message(
            QueueUrl=queue,
            MessageBody=letter.body,
            MessageGroupId=letter.group,
            # Told apart by the letter, so that one that was sent and not deleted is sent once.
            MessageDeduplicationId=f"redrive-{letter.message_id}",
        )
        sqs.delete_message(QueueUrl=dead, ReceiptHandle=letter.handle)
        sent += 1
        if sent % 100 == 0:
            print(f"{sent} sent back …", flush=True)
    for letter in looked_at:
        sqs.change_message_visibility(
            QueueUrl=dead, ReceiptHandle=letter.handle, VisibilityTimeout=0
        )
    for (cause, group), count in causes.most_common():
        print(f"{count:>6}  {group}: {cause}")
    print(_verdict(asked.dry_run, causes.total(), sent, nonsense))
    if hidden := _count(sqs, dead) - len(looked_at):
        print(f"At least {hidden} more are being looked at by somebody: try again in a minute.")
    return 1 if nonsense else 0


def _count(sqs: Any, queue: str) -> int:
    """How many letters there are about, those included that are being looked at."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)
    return sum(int(answer["Attributes"][name]) for name in names)


def _letters(sqs: Any, queue: str) -> Iterator[Letter]:
    """Look at the letters that are in sight, each once."""
    known: set[str] = set()
    while True:
        answer = sqs.receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=10,
            VisibilityTimeout=OUT_OF_SIGHT,
            MessageAttributeNames=["cause", "group"],
            AttributeNames=["All"],
        )
        messages = [each for each in answer.get("Messages", []) if each["MessageId"] not in known]
        if not messages:
            return
        known |= {each["MessageId"] for each in messages}
        yield from map(_letter, messages)


def _letter(message: dict[str, Any]) -> Letter:
    attributes = message["Attributes"]
    named = message.get("MessageAttributes", {})
    cause = named.get("cause", {}).get("StringValue", NOT_SAID)
    return Letter(
        message["MessageId"],
        message["ReceiptHandle"],
        named.get("group", {}).get("StringValue", attributes["MessageGroupId"]),
        message["Body"],
        _once_more(message["Body"]),
        cause,
        float(attributes["SentTimestamp"]) / 1000,
    )


def _once_more(body: str) -> str | None:
    """The letter as notify takes it for one that a person sends back."""
    try:
        document = json.loads(body)
    except ValueError:
        return None
    if not isinstance(document, dict) or not {"connection", "runID", "channel"} <= document.keys():
        return None
    return json.dumps({**document, "again": True})


def _verdict(is_dry_run: bool, found: int, sent: int, nonsense: int) -> str:
    if not found:
        return "There are no dead letters."
    left = (
        f" Nonsense among them, which stays: {nonsense}; see --drop-nonsense." if nonsense else ""
    )
    if is_dry_run:
        return f"Dead letters in sight: {found}; nothing was changed.{left}"
    return f"Dead letters sent back: {sent} of {found}.{left}"
