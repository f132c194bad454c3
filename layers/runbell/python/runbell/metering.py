"""What is counted and timed for the alarms and the dashboard: one line of the log an invocation.

The line has CloudWatch's embedded metric format, so nothing is sent and nothing is waited for:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html.
Its one dimension is the stack's name, which Powertools reads from POWERTOOLS_SERVICE_NAME. A metric
is paid for by the hour in which it is written, so what did not happen is not written.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any, TypeVar

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from runbell.errors import (
    NotKnownError,
    OutOfTimeError,
    RequestError,
    RunbellError,
    ScheduleExpressionError,
)
from runbell.observability import logger, told

NAMESPACE = "Runbell"

UNFORESEEN = "UnforeseenError"
"""The name under which errors are counted that nobody has thought of."""

_NO_FAILURES = (NotKnownError, OutOfTimeError, RequestError, ScheduleExpressionError)
"""A caller's mistakes, and what is merely carried on later."""

Answer = TypeVar("Answer")


class Metric(StrEnum):
    """What is counted or timed; failures beside it go by the names of their errors."""

    TICKS = "Ticks"
    """Ticks that have read the list of runs and come to their end."""
    REQUESTS = "Requests"
    """Requests to Algolia."""
    CHANGES = "Changes"
    """News of runs, told or not, missing runs included."""
    STALE_READS = "StaleReads"
    """Answers of Algolia's that were older than what is known."""
    ANNOUNCEMENTS = "Announcements"
    """Changes and reports that Slack has taken."""
    LAG = "Lag"
    """Seconds from the end of a run, as Algolia has it, until Slack has taken the news of it."""
    PENDING_AGE = "PendingAge"
    """Seconds for which the oldest announcement waits, as a tick finds it; 0 if none does."""


class Meter:
    """Counts and times until it is told to write it down. Many threads may use it at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._seconds: list[tuple[str, float]] = []

    def count(self, metric: Metric, number: int = 1) -> None:
        """Count something that has happened."""
        self._count(metric, number)

    def measure(self, metric: Metric, seconds: float) -> None:
        """Note how long something took, or takes by now."""
        with self._lock:
            self._seconds.append((metric, seconds))

    def fail(self, error: Exception) -> None:
        """Count a failure by the name of its error, as the log and docs/operations.md have it."""
        if not isinstance(error, _NO_FAILURES):
            is_ours = isinstance(error, RunbellError)
            self._count(type(error).__name__ if is_ours else UNFORESEEN, 1)

    def flush(self) -> None:
        """Write down what has come together since the last time, if anything has.

        What can't be written is lost, with a line in the log: an announcement is worth more than
        the count of it.
        """
        with self._lock:
            counts, seconds = self._counts, self._seconds
            self._counts, self._seconds = Counter(), []
        if not counts and not seconds:
            return
        try:
            metrics = EphemeralMetrics(namespace=NAMESPACE)
            for name, number in counts.items():
                metrics.add_metric(name, MetricUnit.Count, number)
            for name, value in seconds:
                metrics.add_metric(name, MetricUnit.Seconds, value)
            metrics.flush_metrics()
        except Exception as error:  # noqa: BLE001 (logged: the work itself is done)
            logger.warning("metrics are lost", extra=told(error))

    def _count(self, name: str, number: int) -> None:
        with self._lock:
            self._counts[name] += number


meter = Meter()
"""The function's own, as the log is: what counts need not be handed it."""


def metered(handler: Callable[[Any, Any], Answer]) -> Callable[[Any, Any], Answer]:
    """Have a function's metrics written when its handler ends, whichever way it does."""

    @wraps(handler)
    def metered_handler(event: Any, context: Any) -> Answer:
        try:
            return handler(event, context)
        finally:
            meter.flush()

    return metered_handler
