"""The log: one JSON object a line, with the run it is about."""

from __future__ import annotations

from aws_lambda_powertools import Logger

logger = Logger(service="runbell")


def told(error: Exception) -> dict[str, str]:
    """What a line of the log says of an error."""
    return {"error": type(error).__name__, "cause": str(error)}
