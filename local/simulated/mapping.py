"""Lambda's event source mapping over a FIFO queue, in simulated time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from local.simulated.clock import SimulatedTime
from local.simulated.fifo import FifoQueues

Handle: TypeAlias = Callable[[dict[str, Any], Any], dict[str, Any]]
"""A function's handler, in a process of its own."""

BETWEEN_POLLS = 0.2
"""Seconds after which a queue is looked at again."""

AT_FIRST = 5
MORE_A_SECOND = 300 / 60
"""How many batches Lambda serves side by side when messages come, and how many more as they go on.

AWS says so of standard queues, and nothing else of FIFO queues but that each of their groups takes
one place: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
"""


def places_after(seconds: float) -> int:
    """How many batches are served side by side at the most, so long after messages came."""
    return AT_FIRST + int(seconds * MORE_A_SECOND)


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
        start_process: Starts one of the function's processes, which serves one batch after the
            other. Of those that are idle, the one that was busy last takes the next.
        batch: Messages that one invocation is given at the most.
        at_once: Invocations side by side.
        limit: Seconds that an invocation may take.
    """

    def __init__(
        self,
        time: SimulatedTime,
        queues: FifoQueues,
        queue_url: str,
        start_process: Callable[[], Handle],
        *,
        batch: int,
        at_once: int,
        limit: float,
    ) -> None:
        self._time = time
        self._queues = queues
        self._queue_url = queue_url
        self._start_process = start_process
        self._batch = batch
        self._at_once = at_once
        self._limit = limit
        self._running = 0
        self._idle: list[Handle] = []
        self.invoked: list[Invoked] = []

    def poll(self) -> None:
        """Look at the queue for ever."""
        busy_since = self._time.seconds()
        while True:
            if self._running == 0:
                busy_since = self._time.seconds()
            places = min(self._at_once, places_after(self._time.seconds() - busy_since))
            while self._running < places and (messages := self._receive()):
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
        handle = self._idle.pop() if self._idle else self._start_process()
        answer = handle(batch_of(messages), Context(self._time, self._limit))
        back = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for message in messages:
            if message["MessageId"] not in back:
                self._queues.delete_message(
                    QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"]
                )
        self._running -= 1
        self._idle.append(handle)
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
