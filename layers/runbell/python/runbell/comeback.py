"""The way from poll to itself: a word on a queue, to come back before the schedule says so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from runbell.errors import QueueUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True)
class Comeback:
    """The word that a connection is to be looked at.

    It counts only while the connection's item holds the same moment. So one that comes twice, or
    that a later tick has put another in the place of, does nothing.

    Args:
        connection: Which.
        moment: When (RFC 3339), as the item holds it.
    """

    connection: str
    moment: str

    def body(self) -> str:
        """Write it as a queue message, which reads like a schedule's Input."""
        return json.dumps({"connection": self.connection, "comeback": self.moment})


class ComebackQueue:
    """Holds words back until it is time for them, so that no function has to sleep.

    Args:
        client: The boto3 client of SQS.
        queue_url: The queue that starts poll.
    """

    def __init__(self, client: SQSClient, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def send(self, comeback: Comeback, after: timedelta) -> None:
        """Have poll started after a while, in whole seconds and up to fifteen minutes.

        Raises:
            QueueUnavailableError: The queue did not take it.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.send_message(
                QueueUrl=self._queue_url,
                MessageBody=comeback.body(),
                DelaySeconds=max(0, ceil(after.total_seconds())),
            )
        except (BotoCoreError, ClientError) as error:
            raise QueueUnavailableError(f"no word to come back was taken: {error}") from error
