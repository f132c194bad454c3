"""The Ingestion API, asked with patience that ends before the function's time does.

Hosts, headers and operations: https://www.algolia.com/doc/rest-api/ingestion.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from runbell.algolia_answers import (
    PER_PAGE,
    Answer,
    ListPage,
    make_sense,
    new_run_in,
    object_in,
    page_in,
    read_answer,
)
from runbell.deadline import Deadline
from runbell.errors import (
    AlgoliaAmbiguousError,
    AlgoliaCredentialError,
    AlgoliaError,
    AlgoliaUnavailableError,
    MalformedRunError,
    OutOfTimeError,
    RunNotFoundError,
)
from runbell.metering import Metric, meter
from runbell.run import LONGEST_ID, Run, parse_run
from runbell.secrets import AlgoliaCredentials, Secret
from runbell.text import clip

if TYPE_CHECKING:
    from requests import Session

__all__ = ["PER_PAGE", "IngestionClient", "ListPage"]

CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 10.0
"""Seconds. The vendor's clients wait 25 s for each, which a Lambda has no time for."""

ATTEMPTS = 4
"""Requests for one answer, the first included."""

LONGEST_BACKOFF = 8.0
"""Seconds between two attempts, unless the vendor names a longer time."""

LEAST_TIME = 0.5
"""Seconds that must be left for a request to be worth making."""


class IngestionClient:
    """Reads the runs and tasks of one connection, and runs its tasks anew.

    One client serves many threads at once.

    Args:
        secret: The connection's credentials; read anew once when they are refused.
        session: The pooled HTTP session; what starts a run goes by one of its own.
        base_url: Where the API is, if it isn't at the vendor's host of the region.
        sleep: Waits for so many seconds.
        jitter: A number from 0 to 1, new at each call.
    """

    def __init__(
        self,
        secret: Secret[AlgoliaCredentials],
        session: Session,
        *,
        base_url: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._secret = secret
        self._session = session
        self._base_url = base_url
        self._sleep = sleep
        self._jitter = jitter
        self._counting = threading.Lock()
        self.requests_made = 0

    @property
    def application(self) -> str:
        """Whose runs these are: the application's ID and region.

        Raises:
            ConfigurationError, SecretUnavailableError: The secret is not usable.
        """
        credentials = self._secret.get()
        return f"{credentials.app_id} {credentials.region}"

    def check(self, deadline: Deadline) -> None:
        """See, with one request, whether Algolia takes the credentials; raises as get_run does."""
        page_in("runs", self._get("/1/runs?itemsPerPage=1", deadline, attempts=1), 1)

    def get_run(self, run_id: str, deadline: Deadline) -> Run:
        """Fetch a run (the vendor's getRun).

        Raises:
            RunNotFoundError: Algolia does not know it.
            MalformedRunError: The answer is no run, or another one.
            AlgoliaError: Any other refusal or failure, after what retries make sense.
            OutOfTimeError: The deadline leaves no time to ask.
            ConfigurationError, SecretUnavailableError: The secret is not usable.
        """
        run = parse_run(self._get(f"/1/runs/{_segment(run_id)}", deadline))
        if run.run_id != run_id:
            raise MalformedRunError(run_id, "runID", f"is that of another run, {run.run_id}")
        return run

    def list_runs(
        self,
        deadline: Deadline,
        *,
        page: int,
        sort: str,
        order: str,
        start: str,
        task_id: str | None = None,
        status: str | None = None,
        attempts: int | None = None,
    ) -> ListPage:
        """Fetch a page of the list of runs, a hundred a page (the vendor's listRuns).

        Args:
            deadline: When to be done.
            page: Which page, from 1.
            sort: `updatedAt` or `createdAt`.
            order: `asc` or `desc`.
            start: The moment from which on runs were created (RFC 3339). It is the same for all
                pages of one look, or a run that leaves the window would shift those after it.
            task_id: Whose runs; those of all tasks if not given.
            status: In which statuses, comma-separated; in any if not given.
            attempts: Requests for it, the first included; as many as for a run, if not given.

        Raises:
            AlgoliaError, OutOfTimeError, ConfigurationError, SecretUnavailableError: See get_run.
        """
        query = {
            "itemsPerPage": str(PER_PAGE),
            "page": str(page),
            "sort": sort,
            "order": order,
            "startDate": start,
            **({"taskID": task_id} if task_id is not None else {}),
            **({"status": status} if status is not None else {}),
        }
        return page_in("runs", self._get(f"/1/runs?{urlencode(query)}", deadline, attempts), page)

    def list_errors(
        self, run_id: str, deadline: Deadline, *, page: int, start: str, attempts: int | None = None
    ) -> ListPage:
        """Fetch a page of a run's failed and critical events, the oldest first (listEvents).

        Args:
            run_id: Of which run.
            deadline: When to be done.
            page: Which page, from 1.
            start: The moment from which on events count; the vendor's default is three hours ago.
            attempts: Requests for it, the first included; as many as for a run, if not given.

        Raises:
            AlgoliaError, OutOfTimeError, ConfigurationError, SecretUnavailableError: See get_run.
        """
        query = {
            "status": "failed,critical",
            "sort": "publishedAt",
            "order": "asc",
            "itemsPerPage": str(PER_PAGE),
            "page": str(page),
            "startDate": start,
        }
        path = f"/1/runs/{_segment(run_id)}/events?{urlencode(query)}"
        return page_in("events", self._get(path, deadline, attempts), page)

    def get_task(
        self, task_id: str, deadline: Deadline, *, attempts: int | None = None
    ) -> Mapping[str, Any]:
        """Fetch a task (getTask), as the API answers it.

        Raises:
            RunNotFoundError: Algolia does not know it.
            AlgoliaError, OutOfTimeError, ConfigurationError, SecretUnavailableError: See get_run.
        """
        return object_in(self._get(f"/2/tasks/{_segment(task_id)}", deadline, attempts))

    def get_source(
        self, source_id: str, deadline: Deadline, *, attempts: int | None = None
    ) -> Mapping[str, Any]:
        """Fetch a source (getSource), as the API answers it; raises as get_task does."""
        return object_in(self._get(f"/1/sources/{_segment(source_id)}", deadline, attempts))

    def get_destination(
        self, destination_id: str, deadline: Deadline, *, attempts: int | None = None
    ) -> Mapping[str, Any]:
        """Fetch a destination (getDestination), as the API answers it; raises as get_task does."""
        path = f"/1/destinations/{_segment(destination_id)}"
        return object_in(self._get(path, deadline, attempts))

    def run_task(self, task_id: str, deadline: Deadline) -> str:
        """Start a new run of a task, by one request that is not repeated once it may be taken.

        The vendor's runTask: https://www.algolia.com/doc/rest-api/ingestion/run-task. Each request
        that Algolia takes starts a run of its own.

        Returns:
            The new run's ID.

        Raises:
            AlgoliaAmbiguousError: A run may have been started: a person must look.
            RunNotFoundError: Algolia does not know the task.
            AlgoliaRateLimitError: Algolia asks for fewer requests; nothing was started.
            AlgoliaCredentialError: The key is refused, also after reading the secret anew.
            AlgoliaRefusedError: Algolia does not run the task; the message has its word.
            AlgoliaUnavailableError: There was no connection to Algolia; nothing was started.
            OutOfTimeError: The deadline leaves no time to ask; nothing was started.
            ConfigurationError, SecretUnavailableError: The secret is not usable.
        """
        credentials = self._secret.get()
        try:
            return self._start(task_id, credentials, deadline)
        except AlgoliaCredentialError:  # what is refused is not taken
            renewed = self._secret.anew(credentials)
            if renewed == credentials:
                raise
        return self._start(task_id, renewed, deadline)

    def _get(self, path: str, deadline: Deadline, attempts: int | None = None) -> Any:
        """Fetch a JSON document, again while that makes sense and time is left for it."""
        credentials = self._secret.get()
        most, attempt = attempts or ATTEMPTS, 1
        while True:
            try:
                return self._ask(path, credentials, deadline)
            except AlgoliaCredentialError:
                renewed = self._secret.anew(credentials)
                if renewed == credentials:
                    raise
                credentials = renewed
            except AlgoliaError as error:
                pause = self._pause(attempt, error.retry_after)
                enough_time = deadline.remaining() - pause > LEAST_TIME
                if not error.retryable or attempt >= most or not enough_time:
                    raise
                self._sleep(pause)
                attempt += 1

    def _pause(self, attempt: int, retry_after: float | None) -> float:
        """Seconds until the next attempt: what the vendor says, else exponential with jitter."""
        backoff = min(LONGEST_BACKOFF, 0.25 * 2.0**attempt) * (0.5 + 0.5 * self._jitter())
        return backoff if retry_after is None else retry_after + backoff

    def _ask(self, path: str, credentials: AlgoliaCredentials, deadline: Deadline) -> Any:
        """Make one request for a JSON document and make sense of its answer."""
        try:
            answer = self._send("GET", path, credentials, deadline, self._session)
        except AlgoliaAmbiguousError as error:  # who only asks may ask again
            raise AlgoliaUnavailableError(str(error)) from None
        return make_sense(answer, credentials.api_key)

    def _start(self, task_id: str, credentials: AlgoliaCredentials, deadline: Deadline) -> str:
        """Make one request that starts a run, and read which run that is."""
        path = f"/2/tasks/{_segment(task_id)}/run"
        # A connection that has idled, perhaps while the function was frozen, may be dead, which
        # shows only after the request: a new one leaves fewer runs in doubt.
        with self._new_session() as session:
            answer = self._send("POST", path, credentials, deadline, session)
        try:
            return new_run_in(answer, credentials.api_key)
        except RunNotFoundError as error:
            message = f"no task has the ID {clip(task_id, LONGEST_ID)!r}: {error}"
            raise RunNotFoundError(message, status=error.status) from None

    def _new_session(self) -> Session:
        """A session with no connection yet, which is nobody else's."""
        from requests import Session

        session = Session()
        session.trust_env = self._session.trust_env  # by a proxy, or not, as all the others go
        return session

    def _send(
        self,
        method: str,
        path: str,
        credentials: AlgoliaCredentials,
        deadline: Deadline,
        session: Session,
    ) -> Answer:
        """Make one request; what its answer says is not looked at.

        Raises:
            AlgoliaUnavailableError: There was no connection, so the request did not go out.
            AlgoliaAmbiguousError: It may have gone out, and its answer was lost.
            OutOfTimeError: The deadline leaves no time to ask.
        """
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        if deadline.remaining() < LEAST_TIME:
            raise OutOfTimeError("no time is left to ask Algolia")
        # To connect, to wait for the head and to read the body may take a third of the time left
        # each: what overshoots in one of them is made up for by the others.
        third = deadline.remaining() / 3
        with self._counting:
            self.requests_made += 1
        meter.count(Metric.REQUESTS)
        try:
            with session.request(
                method,
                (self._base_url or f"https://data.{credentials.region}.algolia.com") + path,
                headers={
                    "x-algolia-application-id": credentials.app_id,
                    "x-algolia-api-key": credentials.api_key,
                    "accept": "application/json",
                },
                json=None if method == "GET" else {},
                timeout=(min(CONNECT_TIMEOUT, third), min(READ_TIMEOUT, third)),
                allow_redirects=False,  # the key goes to the vendor's host and nowhere else
                stream=True,  # so that a slow answer can be given up on between two pieces
            ) as response:
                return read_answer(response, min(READ_TIMEOUT, third))
        except (RequestException, HTTPError, OSError) as error:
            lost = AlgoliaUnavailableError if _never_connected(error) else AlgoliaAmbiguousError
            raise lost(f"no answer from Algolia: {_cause(error)}") from None


def _segment(name: str) -> str:
    """A name as one segment of a path."""
    if name in {"", ".", ".."}:  # in a path it would name something else
        raise RunNotFoundError(f"nothing can have the ID {name!r}")
    return quote(name, safe="", errors="replace")


def _never_connected(error: Exception) -> bool:
    """Whether not even a connection was made: refused, timed out, or no such host."""
    from urllib3.exceptions import ConnectTimeoutError, MaxRetryError

    cause = error.args[0] if error.args else None
    # What urllib3 raises for a refused connection or a name nobody has is a ConnectTimeoutError.
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, ConnectTimeoutError)


def _cause(error: BaseException) -> str:
    """Name what went wrong on the way, without the request's URL or headers."""
    return type(error).__name__
