"""What people hear of a task's failures in a row: which aloud, and in which thread. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from runbell.rules import Kind
from runbell.run import instant, timestamp

PING_AGAIN = timedelta(hours=22)
"""After which a task that goes on failing is told aloud again: once a day, also where it runs once
a day and now and then a little earlier than the day before."""


@dataclass(frozen=True)
class Incident:
    """Failures of a task that people were told of, up to its next success.

    Args:
        run_id: The run that it began with, and that its thread is named by.
        channel: Where it is told.
        pinged: How many failures in a row there were when people were pinged last.
        pinged_at: When that was (RFC 3339, UTC).
        is_blocked: Whether they were pinged because Algolia has switched the task off.
    """

    run_id: str
    channel: str
    pinged: int
    pinged_at: str
    is_blocked: bool = False


def is_ping(
    kind: Kind, incident: Incident | None, failures: int, threshold: int, now: datetime
) -> bool:
    """Decide whether a failure is told aloud: to the whole channel, with mentions.

    While a task goes on failing, people hear of the first failure, the second, the one at which
    Algolia switches the task off, and then once a day; the others are told in the thread.

    Args:
        kind: FAILED or BLOCKED.
        incident: The failures before it that people were told of.
        failures: How many there are in a row by now, as far as that is known.
        threshold: After how many Algolia switches the task off.
        now: The time of day.
    """
    if incident is None or (kind is Kind.BLOCKED and not incident.is_blocked):
        return True
    if any(incident.pinged < rung <= failures for rung in (1, 2, threshold)):
        return True
    pinged_at = instant(incident.pinged_at)
    return pinged_at is None or now - pinged_at >= PING_AGAIN


def with_failure(
    incident: Incident | None,
    kind: Kind,
    *,
    run_id: str,
    channel: str,
    failures: int,
    threshold: int,
    now: datetime,
) -> tuple[Incident, bool]:
    """Tell one more failure.

    Args:
        incident: The failures before it that people were told of, if any.
        kind: FAILED or BLOCKED.
        run_id: The run that has failed.
        channel: Where it is told; another channel than before has heard of none.
        failures, threshold, now: See `is_ping`.

    Returns:
        The incident with it, and whether it is told aloud.
    """
    if incident is not None and incident.channel != channel:
        incident = None
    if incident is not None and incident.is_blocked and kind is Kind.FAILED:
        # Somebody has switched the task on again: what it does now is news.
        incident = replace(incident, is_blocked=False, pinged=0)
    if incident is not None and not is_ping(kind, incident, failures, threshold, now):
        return incident, False
    return (
        Incident(
            run_id=incident.run_id if incident else run_id,
            channel=channel,
            pinged=failures,
            pinged_at=timestamp(now),
            is_blocked=kind is Kind.BLOCKED or (incident is not None and incident.is_blocked),
        ),
        True,
    )


def thread_for(
    incident: Incident | None, *, run_id: str, thread_of: str | None, channel: str | None
) -> str | None:
    """Name the run in whose thread a run is told: its incident's, else the one it was in.

    Args:
        incident: That of its task, if there is one.
        run_id: The run.
        thread_of: The run in whose thread it was told so far, if it was another's.
        channel: Where it is told.
    """
    if incident is None or incident.channel != channel:
        return thread_of
    if incident.run_id == run_id and thread_of is None:
        return None
    return incident.run_id
