"""Lambda's event source mapping over a FIFO queue, in simulated time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.simulated.clock import SimulatedTime
from local.simulated.fifo import FifoQueues

BETWEEN_POLLS = 0.2
"""Seconds after which a queue is looked at again."""


@dataclass(frozen=True)
class Invoked:
    """One invocation of the function.

    Args:
        at: When it began, in seconds since 1970.
        seconds: How long it took.
        taken: How many messages it was given.
        back: How many of them it gave back.
    """

    at: float
    seconds: float
    taken: int
    back: int


class Context:
    """What Lambda tells a function of its own invocation: here, how much of its time is left."""

    def __init__(self, time: SimulatedTime, limit: float) -> None:
        self._time = time
        self._ends = time.seconds() + limit

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until it is ended."""
        return int((self._ends - self._time.seconds()) * 1000)


class EventSource:
    """Hands batches to a function, some side by side, and deletes what it does not give back.

    Args:
        time: By which it polls.
        queues: Where the queue is.
        queue_url: Which queue.
        handle: The function.
        batch: Messages that one invocation is given at the most.
        at_once: Invocations side by side.
        limit: Seconds that an invocation may take.
    """

    def __init__(
        self,
        time: SimulatedTime,
        queues: FifoQueues,
        queue_url: str,
        handle: Callable[[dict[str, Any], Any], dict[str, Any]],
        *,
        batch: int,
        at_once: int,
        limit: float,
    ) -> None:
        self._time = time
        self._queues = queues
        self._queue_url = queue_url
        self._handle = handle
        self._batch = batch
        self._at_once = at_once
        self._limit = limit
        self._running = 0
        self.invoked: list[Invoked] = []

    def poll(self) -> None:
        """Look at the queue for ever."""
        while True:
            while self._running < self._at_once and (messages := self._receive()):
                self._running += 1
                self._time.start(lambda given=messages: self._invoke(given))  # type: ignore[misc]
            self._time.sleep(BETWEEN_POLLS)

    def _receive(self) -> list[dict[str, Any]]:
        answer = self._queues.receive_message(
            QueueUrl=self._queue_url, MaxNumberOfMessages=self._batch
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def _invoke(self, messages: list[dict[str, Any]]) -> None:
        began = self._time.seconds()
        answer = self._handle(batch_of(messages), Context(self._time, self._limit))
        back = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for message in messages:
            if message["MessageId"] not in back:
                self._queues.delete_message(
                    QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"]
                )
        self._running -= 1
        took = self._time.seconds() - began
        self.invoked.append(Invoked(began, took, len(messages), len(back)))


def batch_of(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Messages as Lambda hands them to a function."""
    return {
        "Records": [
            {
                "messageId": each["MessageId"],
                "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
                "attributes": each["Attributes"],
                "messageAttributes": {},
                "md5OfBody": each["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:runbell.fifo",
                "awsRegion": "us-east-1",
            }
            for each in messages
        ]
    }
