"""Queue messages doubled, delayed and reordered on their way."""

from __future__ import annotations

import contextlib
import random
import threading
from collections import Counter
from typing import Any

PAUSE = 1.5
"""Seconds between two grips into the queue."""


class Mischief(threading.Thread):
    """Takes messages out of a FIFO queue and puts them back otherwise, until it is stopped.

    Args:
        sqs: A boto3 client.
        queue_url: Which queue.
        seed: What the choices follow from.
    """

    def __init__(self, sqs: Any, queue_url: str, seed: int) -> None:
        super().__init__(daemon=True)
        self._sqs = sqs
        self._queue_url = queue_url
        self._chance = random.Random(f"mischief {seed}")
        self._ends = threading.Event()
        self.done: Counter[str] = Counter()

    def run(self) -> None:
        """Reach into the queue again and again."""
        while not self._ends.wait(PAUSE):
            answer = self._sqs.receive_message(
                QueueUrl=self._queue_url,
                MaxNumberOfMessages=5,
                VisibilityTimeout=5,
                AttributeNames=["MessageGroupId"],
            )
            for message in answer.get("Messages", []):
                trick = self._chance.choice((self._double, self._delay, self._reorder))
                # On a busy machine it may be back in the queue already, and another's.
                with contextlib.suppress(self._sqs.exceptions.ReceiptHandleIsInvalid):
                    trick(message)

    def stop(self) -> None:
        """Leave the queue alone from now on."""
        self._ends.set()
        self.join()

    def _double(self, message: dict[str, Any]) -> None:
        self._copy(message)
        self._hide(message, 0)
        self.done["doubled"] += 1

    def _delay(self, message: dict[str, Any]) -> None:
        self._hide(message, self._chance.choice((1, 2, 3)))
        self.done["delayed"] += 1

    def _reorder(self, message: dict[str, Any]) -> None:
        """Put it behind those of its group that came after it."""
        self._copy(message)
        self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        self.done["reordered"] += 1

    def _copy(self, message: dict[str, Any]) -> None:
        self._sqs.send_message(
            QueueUrl=self._queue_url,
            MessageBody=message["Body"],
            MessageGroupId=message["Attributes"]["MessageGroupId"],
            MessageDeduplicationId=f"mischief-{self._chance.getrandbits(64):x}",
        )

    def _hide(self, message: dict[str, Any], seconds: int) -> None:
        self._sqs.change_message_visibility(
            QueueUrl=self._queue_url,
            ReceiptHandle=message["ReceiptHandle"],
            VisibilityTimeout=seconds,
        )
