"""The calls about connections: what is asked of each, its secret and its schedule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runbell.api.views import known
from runbell.api.wishes import read_wishes, wishes_view
from runbell.connections import DEFAULT, Connection, ConnectionStore
from runbell.errors import (
    AlgoliaError,
    AlgoliaRateLimitError,
    AlgoliaUnavailableError,
    ConfigurationError,
    NotKnownError,
    RequestError,
    ScheduleExpressionError,
)
from runbell.observability import logger, told
from runbell.schedules import EVERY_MINUTE, Schedules
from runbell.secrets import ALGOLIA_FORM

OF_THE_TEMPLATE = {
    "secret": "is that of the stack, whose output AlgoliaSecretArn names it: leave it out",
    "schedule": "is that of the stack, whose parameter ScheduleExpression sets it: leave it out",
}
"""What the connection `default` can't have of its own."""


@dataclass(frozen=True)
class Connecting:
    """Makes, changes and forgets connections.

    Args:
        connections: Remembers them.
        schedules: Gives their schedules when they are needed.
        prefix: How the names of their secrets begin.
        check_secret: Tries the secret of a name; raises ConfigurationError or AlgoliaError if it is
            no good.
    """

    connections: ConnectionStore
    schedules: Callable[[], Schedules]
    prefix: str
    check_secret: Callable[[str], object]

    def put(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Make a connection, or change what is asked of one; see the contract.

        Raises:
            RequestError: Its secret or its schedule is no good. Nothing has changed then.
            ScheduleError: Its schedule could not be made: the same call goes on with it.
        """
        if name == DEFAULT:
            for member, problem in OF_THE_TEMPLATE.items():
                if member in body:
                    raise RequestError(problem, f"body.{member}")
            wanted = Connection(name, discover=body.get("discover"), wishes=read_wishes(body))
            return connection_view(self.connections.put(wanted))
        wanted = Connection(
            name,
            secret=body.get("secret", name).removeprefix(self.prefix) or name,
            schedule=body.get("schedule", EVERY_MINUTE),
            discover=body.get("discover"),
            wishes=read_wishes(body),
        )
        self._check_secret(f"{self.prefix}{wanted.secret}")
        # A tick of a new one must find it; of one that was there, a bad schedule changes nothing.
        is_new = not self._is_there(name)
        saved = self.connections.put(wanted) if is_new else None
        try:
            self.schedules().put(name, wanted.schedule or EVERY_MINUTE)
        except ScheduleExpressionError as error:
            if is_new:
                self.connections.delete(name)
            raise RequestError(f"is refused: {error}", "body.schedule") from error
        return connection_view(saved or self.connections.put(wanted))

    def get(self, name: str) -> dict[str, Any]:
        """Read a connection.

        Raises:
            NotKnownError: There is none of this name.
        """
        return connection_view(self.connections.get(name))

    def delete(self, name: str) -> None:
        """Look at a connection no more, and forget it.

        Raises:
            NotKnownError: There is none of this name.
            RequestError: It is the one that belongs to the stack.
            ScheduleError: Its schedule could not be deleted. Nothing has changed then.
        """
        if name == DEFAULT:
            raise RequestError(
                "is the connection that belongs to the stack, and goes with it", "path.name"
            )
        is_known = self._is_there(name)  # a later release's is refused, and keeps its schedule
        had_schedule = self.schedules().delete(name)
        if not (is_known and self.connections.delete(name)) and not had_schedule:
            raise NotKnownError(f"there is no connection {name!r}")

    def list(self, cursor: str | None) -> dict[str, Any]:
        """List connections, the one of the stack first, on the first page."""
        page, more = self.connections.list(cursor)
        others = [connection for connection in page if connection.name != DEFAULT]
        first = [] if cursor else [self.connections.get(DEFAULT)]
        return {"connections": list(map(connection_view, [*first, *others])), "cursor": more}

    def _is_there(self, name: str) -> bool:
        try:
            self.connections.get(name)
        except NotKnownError:
            return False
        return True

    def _check_secret(self, secret: str) -> None:
        try:
            self.check_secret(secret)
        except (AlgoliaUnavailableError, AlgoliaRateLimitError) as error:
            logger.warning("a secret can't be tried just now", extra=told(error))
        except (ConfigurationError, AlgoliaError) as error:
            todo = (
                f"make it with `aws secretsmanager create-secret --name {secret} --secret-string "
                f"file:///dev/stdin` or put it right with `put-secret-value`: {ALGOLIA_FORM}"
            )
            raise RequestError(f"is no good: {error}; {todo}", "body.secret") from None


def connection_view(connection: Connection) -> dict[str, Any]:
    """What is asked of a connection."""
    return known(
        name=connection.name,
        secret=connection.secret,
        schedule=connection.schedule,
        discover=connection.discover,
        **wishes_view(connection.wishes),
        since=connection.since,
    )
