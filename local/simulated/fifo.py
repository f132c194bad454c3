"""FIFO queues that live by a simulated time, under the names of the SDK's client of SQS.

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


@dataclass
class _Queue:
    """A queue, its groups in the order of their oldest messages, each in the order of sending."""

    timeout: float
    most_receives: int | None
    dead_letters: str | None
    groups: dict[str, list[_Message]] = field(default_factory=dict)
    in_flight: dict[str, _Message] = field(default_factory=dict)
    seen: dict[tuple[str, str], float] = field(default_factory=dict)

    def add(self, message: _Message) -> None:
        self.groups.setdefault(message.group, []).append(message)

    def remove(self, message: _Message) -> None:
        group = self.groups[message.group]
        group.remove(message)
        if not group:
            del self.groups[message.group]

    def forget(self, until: float) -> None:
        """Forget what was sent by then, so that it is taken again; the oldest is the first."""
        while self.seen and next(iter(self.seen.values())) <= until:
            del self.seen[next(iter(self.seen))]

    def let_time_go_by(self, now: float) -> None:
        """Bring into sight what was hidden for long enough."""
        for receipt in [r for r, each in self.in_flight.items() if each.hidden_until <= now]:
            del self.in_flight[receipt]


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
        queue.forget(now - DEDUPLICATED_FOR)
        if once not in queue.seen:
            queue.seen[once] = now
            queue.add(message)
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
        queue.let_time_go_by(now)
        blocked = {each.group for each in queue.in_flight.values()}
        given: list[dict[str, Any]] = []
        free = [group for group in queue.groups if group not in blocked]
        for group in sorted(free, key=lambda name: queue.groups[name][0].number):
            for message in queue.groups[group][:MaxNumberOfMessages]:
                if len(given) == MaxNumberOfMessages:
                    break
                if queue.most_receives is not None and message.receives >= queue.most_receives:
                    self._lay_away(queue, message)
                    continue
                message.receives += 1
                message.hidden_until = now + queue.timeout
                receipt = f"{message.number}-{message.receives}"
                queue.in_flight[receipt] = message
                given.append(_shown(message, receipt))
        return {"Messages": given} if given else {}

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> None:  # noqa: N803
        """Take a message in flight off the queue."""
        message = self._in_flight(QueueUrl, ReceiptHandle, "DeleteMessage")
        queue = self._queues[QueueUrl]
        del queue.in_flight[ReceiptHandle]
        queue.remove(message)

    def change_message_visibility(
        self,
        *,
        QueueUrl: str,  # noqa: N803
        ReceiptHandle: str,  # noqa: N803
        VisibilityTimeout: int,  # noqa: N803
    ) -> None:
        """Hide a message in flight for so long from now on."""
        assert 0 <= VisibilityTimeout <= 43_200, "SQS hides a message for twelve hours at the most"
        message = self._in_flight(QueueUrl, ReceiptHandle, "ChangeMessageVisibility")
        message.hidden_until = self._clock() + VisibilityTimeout

    def bodies(self, queue_url: str) -> list[str]:
        """What a queue holds, in flight or not."""
        return [each.body for group in self._queues[queue_url].groups.values() for each in group]

    def _in_flight(self, queue_url: str, receipt: str, operation: str) -> _Message:
        queue = self._queues[queue_url]
        queue.let_time_go_by(self._clock())
        if receipt not in queue.in_flight:
            error: Any = {"Error": {"Code": "InvalidParameterValue", "Message": "it has expired"}}
            raise ClientError(error, operation)
        return queue.in_flight[receipt]

    def _lay_away(self, queue: _Queue, message: _Message) -> None:
        queue.remove(message)
        message.receives = 0
        self._queues[queue.dead_letters or ""].add(message)


def _shown(message: _Message, receipt: str) -> dict[str, Any]:
    """A message as ReceiveMessage answers it, with all its attributes."""
    return {
        "MessageId": str(message.number),
        "ReceiptHandle": receipt,
        "Body": message.body,
        "MD5OfBody": hashlib.md5(message.body.encode(), usedforsecurity=False).hexdigest(),
        "Attributes": {
            "ApproximateReceiveCount": str(message.receives),
            "MessageGroupId": message.group,
            "SentTimestamp": str(int(message.sent_at * 1000)),
        },
        "MessageAttributes": message.attributes,
    }
