"""The queue's other end: wakes handed to the notifier, and put off when their channel must wait."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import (
    SqsFifoPartialProcessor,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from runbell.deadline import Deadline
from runbell.errors import (
    NewerItemError,
    OutOfTimeError,
    RequestError,
    RunbellError,
    SlackLaterError,
    SlackUnknownError,
    StoreUnavailableError,
)
from runbell.metering import meter
from runbell.notifier import Notifier
from runbell.observability import logger, told
from runbell.outbox import DeadLetters, Wake, parse_wake

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_sqs import SQSClient

ENOUGH = 10.0
"""Seconds that a message may take with Slack at its slowest, and the note of it; with less left,
none is begun."""

LONGEST_WAIT = 3_600
"""Seconds for which a channel is put off at the most, whatever Slack says."""

LONGEST_BACKOFF = 60
"""Seconds for which a channel is put off where Slack says nothing: once the trouble is over, all is
on its way again within a minute."""

SHORT_WAIT = 2.0
"""Seconds for which Slack's wish to wait is granted at once: the queue would take longer, and a
channel takes about one message a second."""

TIRED = 20
"""How often a word comes before it goes for good; with fewer than the queue's maxReceiveCount none
is laid away that nothing is wrong with. What it named is pending, so a sweep sends another; what
fails for a reason of its own is put aside instead."""


class Inbox:
    """Works through a batch of the FIFO queue.

    Args:
        client: The boto3 client of SQS.
        queue_url: The queue that the batch is from.
        notifier: Does what each message asks for.
        dead_letters: Takes what is no message of ours.
    """

    def __init__(
        self,
        client: SQSClient,
        queue_url: str,
        notifier: Notifier,
        dead_letters: DeadLetters,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sleep = sleep
        self._client = client
        self._queue_url = queue_url
        self._notifier = notifier
        self._dead_letters = dead_letters

    def drain(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Deliver what a batch asks for.

        A message that can't be delivered now goes back to the queue with the rest of its group,
        so that its channel stays in order and the other channels go on.

        Returns:
            The partial response of Lambda's event source: the messages that go back.
        """
        deadline = Deadline.of(context)
        put_off: dict[str, int] = {}
        told_in: set[str] = set()

        def take(record: SQSRecord) -> None:
            if _group(record) in put_off:
                raise OutOfTimeError("its channel is put off")
            try:
                if self._deliver(record, deadline, is_first=_group(record) not in told_in):
                    told_in.add(_group(record))
            except SlackUnknownError as error:
                put_off[_group(record)] = _wait(error, _receives(record))
                meter.fail(error)
                logger.warning("a channel is put off", extra=_about(record, error))
                if not self._is_put_aside(record, error.code):
                    raise
                del put_off[_group(record)]  # what is behind it may fare better
            except RunbellError as error:
                put_off[_group(record)] = _wait(error, _receives(record))
                meter.fail(error)
                logger.warning("a channel is put off", extra=_about(record, error))
                if not self._is_left_to_sweep(record, error):
                    raise
            except Exception as error:
                put_off[_group(record)] = _wait(error, _receives(record))
                meter.fail(error)
                logger.exception(
                    "a message failed in an unforeseen way", extra=_about(record, error)
                )
                # What it says may be anything, so its name must do.
                if not self._is_put_aside(record, f"unforeseen: {type(error).__name__}"):
                    raise
                del put_off[_group(record)]

        processor = SqsFifoPartialProcessor(skip_group_on_error=True)
        # The answer names what goes back, also where that is all of it.
        processor.raise_on_entire_batch_failure = False
        response = process_partial_response(event, take, processor, context)
        self._put_off([SQSRecord(record) for record in event["Records"]], response, put_off)
        self._notifier.wind_up(deadline)
        return dict(response)

    def _deliver(self, record: SQSRecord, deadline: Deadline, *, is_first: bool) -> bool:
        """Do what a message asks for; False where that was done before.

        Args:
            record: The message.
            deadline: When the batch has to be done.
            is_first: Whether nothing has been told in its channel by this batch that was still to
                be told. Behind such a thing nothing can have been begun.
        """
        if deadline.remaining() < ENOUGH:
            raise OutOfTimeError("the batch is carried on by the next invocation")
        try:
            wake = parse_wake(record.body)
        except RequestError as error:
            logger.error("a queue message makes no sense", extra=_about(record, error))
            self._dead_letters.bury(record.body, _group(record), str(error))
            return False
        is_repeat = is_first and _receives(record) > 1
        try:
            return self._deliver_patiently(wake, deadline, is_repeat=is_repeat)
        except NewerItemError as error:
            # It stays pending until its release is deployed again, and sweeps it; here it must not
            # hold up the rest of its channel.
            meter.fail(error)
            logger.error("a later release has written a run", extra=_about(record, error))
            if wake.again:  # which no sweep would send
                self._dead_letters.bury(record.body, _group(record), "a later release's run")
            return False

    def _deliver_patiently(self, wake: Wake, deadline: Deadline, *, is_repeat: bool) -> bool:
        """Grant Slack's wish to wait for a moment, where the time suffices; once."""
        try:
            return self._notifier.deliver(wake, deadline, is_repeat=is_repeat)
        except SlackLaterError as error:
            wait = error.retry_after
            if wait is None or wait > SHORT_WAIT or deadline.remaining() < wait + ENOUGH:
                raise
            self._sleep(wait)
        return self._notifier.deliver(wake, deadline, is_repeat=is_repeat)

    def _is_put_aside(self, record: SQSRecord, cause: str) -> bool:
        """Whether a word that fails for a reason of its own has gone the way of a refused one.

        It does so once it has come often, and at once when it has done so before.
        """
        try:
            wake = parse_wake(record.body)
            if _receives(record) < TIRED and not self._notifier.has_given_up(wake):
                return False
            self._notifier.give_up(wake, cause)
        except RunbellError as error:
            logger.warning("a word can't be put aside yet", extra=_about(record, error))
            return False
        return True

    def _is_left_to_sweep(self, record: SQSRecord, error: RunbellError) -> bool:
        """Whether a word that has come often may go, as the next sweep sends another."""
        if _receives(record) < TIRED or isinstance(error, OutOfTimeError):
            return False
        wake = parse_wake(record.body)
        try:
            is_left = self._notifier.leave_to_sweep(wake)
        except StoreUnavailableError:
            is_left = not wake.again  # what it names is pending, if the table remembers it at all
        if is_left:
            logger.info("the next sweep wakes what has come often", extra=_about(record, error))
        return is_left

    def _put_off(self, records: list[SQSRecord], response: Any, put_off: dict[str, int]) -> None:
        """Say when what goes back to the queue may come again; a group comes again as one.

        Where the queue does not hear it, the queue's own time-out is the wait.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        back = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
        for record in records:
            if record.message_id not in back:
                continue
            try:
                self._client.change_message_visibility(
                    QueueUrl=self._queue_url,
                    ReceiptHandle=record.receipt_handle,
                    VisibilityTimeout=put_off.get(_group(record), 0),
                )
            except (BotoCoreError, ClientError) as error:
                logger.warning("the queue could not be told how long to wait", extra=told(error))


def _wait(error: Exception, receives: int) -> int:
    """Seconds until a channel is tried again: what Slack says, else longer each time."""
    if isinstance(error, OutOfTimeError):
        return 0
    asked = error.retry_after if isinstance(error, RunbellError) else None
    if asked is not None:  # what keeps being asked to wait waits longer, as all else does
        return min(LONGEST_WAIT, max(math.ceil(asked), _backoff(receives - 3)))
    return _backoff(receives)


def _backoff(tries: int) -> int:
    return min(LONGEST_BACKOFF, 1 << min(max(tries, 0), 6))


def _group(record: SQSRecord) -> str:
    return record.attributes.message_group_id or ""


def _receives(record: SQSRecord) -> int:
    return int(record.attributes.approximate_receive_count or 1)


def _about(record: SQSRecord, error: Exception) -> dict[str, Any]:
    return {
        "group": _group(record),
        "receives": _receives(record),
        **told(error),
    }
