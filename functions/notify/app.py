"""The queue's function: brings Slack to the state that the table holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import slack_sdk  # noqa: F401 (so that the first event need not)

from runbell import assembly
from runbell.metering import metered
from runbell.observability import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

assembly.prepare(assembly.inbox)


@logger.inject_lambda_context(clear_state=True)
@metered
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Deliver what a batch of the queue asks for; answer with what has to come again."""
    return assembly.inbox().drain(event, context)
