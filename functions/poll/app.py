"""The schedule's function: looks at what could have changed, once a minute, and sooner while
something runs; makes the digest."""

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

    from runbell.watcher import Watcher

assembly.prepare(assembly.tick_parts)


@logger.inject_lambda_context(clear_state=True)
@metered
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Look at the runs that the event names, or find those that changed; answer with the counts.

    An event that asks for the digest has it made, and nothing else; one by which poll has asked
    itself to come back has it look ahead of the schedule.
    """
    request = parse_tick(event)
    logger.append_keys(connection=request.connection)
    try:
        if request.digest:
            made = assembly.reporter(request.connection).digest(Deadline.of(context), request.at)
            logger.info("digest", extra={"made": made})
            return {"made": made}
        watcher = assembly.watcher(request.connection)
        if request.comeback is not None:
            return come_back(watcher, request.comeback, Deadline.of(context))
        report = watcher.tick(Deadline.of(context), request.run_ids)
    except RunbellError as error:
        meter.fail(error)
        logger.error("a tick has failed", extra=told(error))
        raise
    logger.info("tick", extra=report.as_dict())
    return report.as_dict()


def come_back(watcher: Watcher, moment: str, deadline: Deadline) -> dict[str, int]:
    """Look ahead of the schedule; a failure ends that until the next tick, which begins anew."""
    from runbell.watcher import Report  # an import that is paid for by who needs it

    try:
        report = watcher.come_back(moment, deadline)
    except RunbellError as error:
        meter.fail(error)
        logger.warning("a look ahead has failed", extra=told(error))
        report = Report(failed=1)
    if report.requests:  # and no word that counts no more
        logger.info("a look ahead", extra=report.as_dict())
    return report.as_dict()
