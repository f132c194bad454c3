"""How errors look in the API's answers."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any

from runbell.errors import (
    AlgoliaError,
    AlgoliaRateLimitError,
    ConfigurationError,
    LostRaceError,
    MalformedRunError,
    NewerItemError,
    NotKnownError,
    OutOfTimeError,
    QueueUnavailableError,
    RequestError,
    RunbellError,
    RunNotFoundError,
    ScheduleError,
    ScheduleUnavailableError,
    SecretUnavailableError,
    StoreUnavailableError,
)

_ANSWERS: dict[type[RunbellError], tuple[HTTPStatus, str]] = {
    RequestError: (HTTPStatus.BAD_REQUEST, "bad_request"),
    NotKnownError: (HTTPStatus.NOT_FOUND, "not_found"),
    RunNotFoundError: (HTTPStatus.NOT_FOUND, "run_not_found"),
    LostRaceError: (HTTPStatus.CONFLICT, "conflict"),
    AlgoliaRateLimitError: (HTTPStatus.TOO_MANY_REQUESTS, "algolia_rate_limit"),
    AlgoliaError: (HTTPStatus.BAD_GATEWAY, "algolia_failed"),
    MalformedRunError: (HTTPStatus.BAD_GATEWAY, "algolia_failed"),
    OutOfTimeError: (HTTPStatus.BAD_GATEWAY, "algolia_failed"),
    ConfigurationError: (HTTPStatus.SERVICE_UNAVAILABLE, "not_configured"),
    ScheduleError: (HTTPStatus.SERVICE_UNAVAILABLE, "not_configured"),
    ScheduleUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
    StoreUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
    NewerItemError: (HTTPStatus.SERVICE_UNAVAILABLE, "later_release"),
    QueueUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
    SecretUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
    RunbellError: (HTTPStatus.INTERNAL_SERVER_ERROR, "failed"),
}
"""The answer to an error is that of its nearest ancestor here."""


def problem(
    error: RunbellError, *, to_stranger: bool = False
) -> tuple[HTTPStatus, dict[str, Any], dict[str, str]]:
    """Make an answer of an error: its status, body and headers.

    Args:
        error: What went wrong.
        to_stranger: Whether the caller is nobody known, who does not learn what it is.
    """
    status, word = next(_ANSWERS[kind] for kind in type(error).__mro__ if kind in _ANSWERS)
    body = {"error": word, "message": str(error)}
    if isinstance(error, RequestError):
        body["where"] = error.where
    if status == HTTPStatus.SERVICE_UNAVAILABLE and word == "unavailable":
        body["message"] = "a service behind Runbell does not answer: try again"
    if to_stranger and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        body["message"] = "Runbell can't answer just now: its log says why"
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after))
    return status, body, headers
