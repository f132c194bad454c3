"""FIFO queues that live by a simulated time: what SQS documents of them, said as its client says it.

See https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from botocore.exceptions import ClientError

DEDUPLICATED_FOR = 300.0
"""Seconds within which a message with the same ID in the same group is taken and not kept."""


@dataclass
class _Message:
    """A message in a queue."""

    number: int
    group: str
    body: str
    attributes: dict[str, Any]
    sent_at: float
    receives: int = 0
    hidden_until: float = 0.0
    receipt: str = ""


@dataclass
class _Queue:
    """A queue with its messages in the order in which they were sent."""

    timeout: float
    most_receives: int | None
    dead_letters: str | None
    messages: list[_Message] = field(default_factory=list)
    seen: dict[tuple[str, str], float] = field(default_factory=dict)


class FifoQueues:
    """Does what the SDK's client of SQS does, under its names, for FIFO queues.

    A group of which a message is in flight hands out none, and what comes into sight again comes in
    its old place. As many messages as possible are of one group: the one that has waited longest.

    Args:
        clock: Seconds that only ever go on.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._numbers = count(1)
        self._queues: dict[str, _Queue] = {}

    def create_queue(self, *, QueueName: str, Attributes: dict[str, str]) -> dict[str, Any]:  # noqa: N803
        """Make a queue with a visibility time-out and, if wanted, a redrive policy."""
        redrive = json.loads(Attributes.get("RedrivePolicy", "{}"))
        self._queues[QueueName] = _Queue(
            float(Attributes["VisibilityTimeout"]),
            int(redrive["maxReceiveCount"]) if redrive else None,
            redrive["deadLetterTargetArn"].rpartition(":")[2] if redrive else None,
        )
        return {"QueueUrl": QueueName}

    def send_message(self, *, QueueUrl: str, **entry: Any) -> dict[str, Any]:  # noqa: N803
        """Take a message, unless one with the same ID has come within five minutes."""
        queue, now = self._queues[QueueUrl], self._clock()
        message = _Message(
            next(self._numbers),
            entry["MessageGroupId"],
            entry["MessageBody"],
            entry.get("MessageAttributes", {}),
            now,
        )
        once = (message.group, entry["MessageDeduplicationId"])
        if now - queue.seen.get(once, float("-inf")) >= DEDUPLICATED_FOR:
            queue.seen[once] = now
            queue.messages.append(message)
        return {"MessageId": str(message.number)}

    def send_message_batch(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        Entries: list[dict[str, Any]],  # noqa: N803
    ) -> dict[str, Any]:
        """Take up to ten messages."""
        assert len(Entries) <= 10, "SQS takes ten messages in one request"
        for entry in Entries:
            self.send_message(QueueUrl=QueueUrl, **entry)
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def receive_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        MaxNumberOfMessages: int = 1,  # noqa: N803
        **_: Any,
    ) -> dict[str, Any]:
        """Hand out what is in sight, and hide it for the visibility time-out."""
        queue, now = self._queues[QueueUrl], self._clock()
        in_flight = {each.group for each in queue.messages if each.hidden_until > now}
        given: list[_Message] = []
        groups = dict.fromkeys(each.group for each in queue.messages)
        for group in groups:
            for message in [each for each in queue.messages if each.group == group]:
                if group in in_flight or len(given) == MaxNumberOfMessages:
                    break
                if queue.most_receives is not None and message.receives >= queue.most_receives:
                    self._lay_away(queue, message)
                    continue
                message.receives += 1
                message.hidden_until = now + queue.timeout
                message.receipt = f"{message.number}-{message.receives}"
                given.append(message)
        return {"Messages": [_shown(each) for each in given]} if given else {}

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803
        """Take a message in flight off the queue."""
        queue = self._queues[QueueUrl]
        queue.messages.remove(self._in_flight(queue, ReceiptHandle, "DeleteMessage"))

    def change_message_visibility(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        ReceiptHandle: str,  # noqa: N803
        VisibilityTimeout: int,  # noqa: N803
    ) -> None:
        """Hide a message in flight for so long from now on."""
        assert 0 <= VisibilityTimeout <= 43_200, "SQS hides a message for twelve hours at the most"
        queue = self._queues[QueueUrl]
        message = self._in_flight(queue, ReceiptHandle, "ChangeMessageVisibility")
        message.hidden_until = self._clock() + VisibilityTimeout

    def bodies(self, queue_url: str) -> list[str]:
        """What a queue holds, in flight or not."""
        return [each.body for each in self._queues[queue_url].messages]

    def _in_flight(self, queue: _Queue, receipt: str, operation: str) -> _Message:
        for message in queue.messages:
            if message.receipt == receipt and message.hidden_until > self._clock():
                return message
        error: Any = {"Error": {"Code": "InvalidParameterValue", "Message": "it has expired"}}
        raise ClientError(error, operation)

    def _lay_away(self, queue: _Queue, message: _Message) -> None:
        queue.messages.remove(message)
        message.receives, message.hidden_until = 0, 0.0
        self._queues[queue.dead_letters or ""].messages.append(message)


def _shown(message: _Message) -> dict[str, Any]:
    """A message as ReceiveMessage answers it, with all its attributes."""
    return {
        "MessageId": str(message.number),
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "MD5OfBody": hashlib.md5(message.body.encode(), usedforsecurity=False).hexdigest(),
        "Attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "MessageGroupId": message.group,
            "SentTimestamp": str(int(message.sent_at * 1000)),
        },
        "MessageAttributes": message.attributes,
    }
