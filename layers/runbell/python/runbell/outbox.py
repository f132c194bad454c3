"""The way from the table to the queue: naming the runs that notify has to look at."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runbell.deadline import Deadline
from runbell.errors import QueueRefusedError, QueueUnavailableError, RequestError
from runbell.items import RunItem
from runbell.metering import meter
from runbell.observability import logger, told
from runbell.store import Pending

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

BATCH = 10
"""Messages that SQS takes in one request."""

LONGEST_GROUP = 128
"""Characters of a message group's ID, all of them ASCII."""


@dataclass(frozen=True)
class Wake:
    """The word that a run's message in a channel may be behind its item.

    It only names the run: who receives it reads the item, so one that comes late, twice or never
    does no harm.
    """

    connection: str
    run_id: str
    version: int
    channel: str
    again: bool = False
    """Whether a person sends it back after it was laid away."""
    swept: bool = False
    """Whether a sweep sends it, so that somebody may have begun to tell what it is about."""

    @classmethod
    def of(cls, subject: RunItem | Pending) -> Wake:
        """The word for one run."""
        return cls(subject.connection, subject.run_id, subject.version, subject.channel or "")

    def body(self) -> str:
        """Write it as a queue message."""
        return json.dumps(
            {
                "connection": self.connection,
                "runID": self.run_id,
                "version": self.version,
                "channel": self.channel,
                **({"again": True} if self.again else {}),
                **({"swept": True} if self.swept else {}),
            }  # in ASCII: SQS refuses some characters
        )


def parse_wake(body: str) -> Wake:
    """Read a queue message.

    Raises:
        RequestError: It is none of ours.
    """
    try:
        document: Any = json.loads(body)
        wake = Wake(
            document["connection"],
            document["runID"],
            document["version"],
            document["channel"],
            document.get("again") is True,
            document.get("swept") is True,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RequestError(f"is no message of this queue: {error!r}", "body") from None
    named = (wake.connection, wake.run_id, wake.channel)
    if not all(isinstance(text, str) and text for text in named):
        raise RequestError("names no run", "body")
    if not isinstance(wake.version, int) or isinstance(wake.version, bool):
        raise RequestError("names no version of the run", "body")
    return wake


class Outbox:
    """Puts wakes on the FIFO queue, those of one channel in one group.

    Args:
        client: The boto3 client of SQS.
        queue_url: The queue that notify drains.
    """

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def enqueue(self, wakes: Iterable[Wake], *, sweep: str = "") -> int:
        """Put wakes on the queue, ten a request.

        Args:
            wakes: Which runs.
            sweep: What tells one sweep from others. Without it a run's version is taken once in
                five minutes, however often it is enqueued.

        Returns:
            How many the queue took.

        Raises:
            QueueUnavailableError: It did not take one of them. What is not taken stays pending in
                the table, and the next sweep enqueues it.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        taken = 0
        for batch in _batches(wakes):
            try:
                answer = self._client.send_message_batch(
                    QueueUrl=self._queue_url,
                    Entries=[
                        {
                            "Id": str(number),
                            "MessageBody": replace(wake, swept=bool(sweep)).body(),
                            "MessageGroupId": group_of(wake.channel),
                            "MessageDeduplicationId": _identity(wake, sweep),
                        }
                        for number, wake in enumerate(batch)
                    ],
                )
            except ClientError as error:
                raise QueueRefusedError(f"the queue took nothing: {error}") from error
            except BotoCoreError as error:
                raise QueueUnavailableError(f"the queue does not answer: {error}") from error
            if failed := answer.get("Failed"):
                raise QueueRefusedError(f"the queue refused {len(failed)}: {failed[0]['Code']}")
            taken += len(batch)
        return taken

    def enqueue_each(self, wakes: Iterable[Wake], *, sweep: str = "") -> list[Wake]:
        """Put wakes on the queue, ten a request; one that it refuses leaves the others alone.

        What is not taken is logged, stays pending in the table, and the next sweep enqueues it.

        Args:
            wakes, sweep: As `enqueue`.

        Returns:
            Those that the queue took.
        """
        taken: list[Wake] = []
        left = deque(_batches(wakes))
        while left:
            batch = left.popleft()
            extra: dict[str, Any] = {"run_ids": [wake.run_id for wake in batch]}
            try:
                self.enqueue(batch, sweep=sweep)
            except QueueRefusedError as error:
                meter.fail(error)
                extra |= told(error)
                if len(batch) > 1:
                    logger.warning("a batch is not taken, so each goes by itself", extra=extra)
                    left.extendleft([wake] for wake in reversed(batch))
                else:
                    logger.error("the next sweep has to enqueue a run", extra=extra)
            except QueueUnavailableError as error:
                meter.fail(error)
                logger.warning("the queue is out of reach", extra=extra | told(error))
                break
            else:
                taken += batch
        return taken


@dataclass(frozen=True)
class Clearance:
    """What came of looking through the dead letters.

    Args:
        cleared: How many were dropped.
        left: The connections and channels of those that stay.
        is_whole: Whether all of them were looked at.
    """

    cleared: int
    left: frozenset[tuple[str, str]]
    is_whole: bool


class DeadLetters:
    """Keeps the messages that can never succeed, each with why.

    Args:
        client: The boto3 client of SQS.
        queue_url: The dead-letter queue.
    """

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def bury(self, body: str, group: str, cause: str, *, once: str = "") -> None:
        """Lay a queue message away, in a group of its run's own: SQS shows no more of a group while
        some of it is being looked at.

        Args:
            body: The message as it was received.
            group: Its message group in the queue; found in the message's attribute `group`.
            cause: Why it can't succeed; found in the message's attribute `cause`.
            once: Letters with the same text here are one, if they come within five minutes. No
                letter is dropped without it, however much it is like another.

        Raises:
            QueueUnavailableError: The queue did not take it.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        identity = hashlib.sha256((once or uuid.uuid4().hex).encode()).hexdigest()
        attributes = {"cause": cause, "group": group or "-"}
        try:
            self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=body,
                MessageGroupId=_run_of(body) or identity,
                MessageDeduplicationId=identity,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value}
                    for name, value in attributes.items()
                },
            )
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailableError(f"the dead-letter queue took nothing: {error}") from error

    def clear(self, is_told: Callable[[Wake], bool], deadline: Deadline) -> Clearance:
        """Drop the letters of what has been told since they were laid away.

        The others come into sight again after the queue's visibility time-out.

        Args:
            is_told: Whether nothing is left to be done for a letter.
            deadline: When to be done; the rest is left to the next time.

        Raises:
            QueueUnavailableError: The queue does not answer.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        cleared = 0
        left: set[tuple[str, str]] = set()
        try:
            while True:
                if not deadline.remaining():
                    return Clearance(cleared, frozenset(left), is_whole=False)
                answer = self._client.receive_message(
                    QueueUrl=self._queue_url, MaxNumberOfMessages=BATCH
                )
                letters = answer.get("Messages", [])
                if not letters:
                    break
                for letter in letters:
                    try:
                        wake = parse_wake(letter["Body"])
                    except RequestError:
                        continue  # what is no message of ours is a person's to look at
                    if not is_told(wake):
                        left.add((wake.connection, wake.channel))
                        continue
                    handle = letter["ReceiptHandle"]
                    self._client.delete_message(QueueUrl=self._queue_url, ReceiptHandle=handle)
                    cleared += 1
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailableError(f"the dead-letter queue is away: {error}") from error
        return Clearance(cleared, frozenset(left), is_whole=True)


def _run_of(body: str) -> str | None:
    """A name for the run that a message is about; None if it is no message of ours."""
    try:
        wake = parse_wake(body)
    except RequestError:
        return None
    return hashlib.sha256(json.dumps([wake.connection, wake.run_id]).encode()).hexdigest()


def group_of(channel: str) -> str:
    """Name the message group of a channel: its name, percent-encoded where it is not ASCII."""
    return quote(channel, safe="#@:+=,()!*'&$;")[:LONGEST_GROUP]


def _identity(wake: Wake, sweep: str) -> str:
    """What SQS tells messages apart by."""
    parts = json.dumps([wake.connection, wake.run_id, wake.version, wake.channel, sweep])
    return hashlib.sha256(parts.encode()).hexdigest()


def _batches(wakes: Iterable[Wake]) -> Iterator[list[Wake]]:
    remaining = iter(wakes)
    while batch := list(islice(remaining, BATCH)):
        yield batch
