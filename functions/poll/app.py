"""The schedule's function: looks at what could have changed, once a minute; makes the digest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runbell import assembly
from runbell.deadline import Deadline
from runbell.errors import RunbellError
from runbell.metering import meter, metered
from runbell.observability import logger, told
from runbell.tick import parse_tick

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@logger.inject_lambda_context(clear_state=True)
@metered
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Look at the runs that the event names, or find those that changed; answer with the counts.

    An event that asks for the digest has it made, and nothing else.
    """
    request = parse_tick(event)
    logger.append_keys(connection=request.connection)
    try:
        if request.digest:
            made = assembly.reporter(request.connection).digest(Deadline.of(context), request.at)
            logger.info("digest", extra={"made": made})
            return {"made": made}
        watcher = assembly.watcher(request.connection)
        report = watcher.tick(Deadline.of(context), request.run_ids)
    except RunbellError as error:
        meter.fail(error)
        logger.error("a tick has failed", extra=told(error))
        raise
    logger.info("tick", extra=report.as_dict())
    return report.as_dict()
