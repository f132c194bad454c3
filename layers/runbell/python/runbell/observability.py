"""The log: one JSON object a line, with the run it is about."""

from __future__ import annotations

from aws_lambda_powertools import Logger

logger = Logger(service="runbell")
