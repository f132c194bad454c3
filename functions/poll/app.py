"""The schedule's function: looks at what could have changed, once a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbell import assembly
from runbell.deadline import Deadline
from runbell.observability import logger
from runbell.tick import parse_tick

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Look at the runs that the event names, or find those that changed; answer with the counts."""
    request = parse_tick(event)
    watcher = assembly.watcher(request.connection)
    report = watcher.tick(Deadline.of(context), request.run_ids)
    logger.info("tick", extra=report.as_dict())
    return report.as_dict()
