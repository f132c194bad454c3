"""A stand-in for Algolia's Ingestion API, so that Runbell can be run and tested anywhere."""

import copy
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from local.algolia.lists import Listed, ListRules, RefusedError, moment, rfc3339, time_in
from local.algolia.resources import Resources
from local.algolia.runs import LiteralRun, PlayedLife, RunLife, Step
from local.faults import Faults
from local.http_server import Answer, LoopbackServer, Request

Document = dict[str, Any]

RUNS = ListRules(
    "runs",
    filters={
        "status": frozenset({"created", "started", "finished", "skipped"}),
        "type": frozenset({"reindex", "update", "discover", "validate", "push"}),
        "taskID": None,
    },
    sorts=("status", "updatedAt", "createdAt"),
    span=timedelta(days=7),
)
EVENTS = ListRules(
    "events",
    filters={
        "status": frozenset({"created", "started", "retried", "failed", "succeeded", "critical"}),
        "type": frozenset({"fetch", "record", "log", "transform"}),
    },
    sorts=("status", "type", "publishedAt"),
    span=timedelta(hours=3),
)


@dataclass(frozen=True)
class Shown:
    """A state of a run that an answer has shown for the first time, and when."""

    run_id: str
    status: str
    outcome: str | None
    at: float


class AlgoliaStandIn(LoopbackServer):
    """Serves the Ingestion API from memory while its context is open.

    Runs are played from scripts by ``clock``, in seconds since 1970, or put word for
    word; ``faults`` makes it answer wrongly on purpose. It speaks
    https://www.algolia.com/doc/rest-api/ingestion over plain HTTP, on loopback only.
    Any thread may call any method.
    """

    def __init__(
        self,
        *,
        app_id: str = "STANDIN001",
        api_key: str = "stand-in-key",
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(self._answer, Faults(), port=port, clock=clock)
        self.app_id = app_id
        self.api_key = api_key
        self._world = threading.RLock()
        self._runs: dict[str, PlayedLife | LiteralRun] = {}
        self._events: dict[str, list[Listed]] = {}
        self._resources = Resources()
        self._scripts: dict[str, tuple[Sequence[Step], str]] = {}
        self._shown: dict[tuple[str, str, str | None], Shown] = {}

    def play(self, *lives: RunLife, start: float | None = None) -> None:
        """Begin lives now, or at ``start``, also one in the past or the future."""
        began = self._clock() if start is None else start
        with self._world:
            for life in lives:
                self._runs[life.run_id] = PlayedLife(life, self.app_id, began)
                self._resources.mention(life.task_id)

    def put_run(self, run: Document) -> None:
        """Show a run word for word, even a malformed one, in place of an earlier one.

        Lists look for it by its createdAt, by now if that cannot be read. Without a
        runID it appears in lists alone.
        """
        with self._world:
            run_id = str(run.get("runID", f"run {len(self._runs)} without an ID"))
            self._runs[run_id] = LiteralRun(copy.deepcopy(run), self._clock())
            if isinstance(run.get("taskID"), str):
                self._resources.mention(run["taskID"])

    def put_event(self, run_id: str, event: Document) -> None:
        """Add an event to a run; what it leaves out is filled in, published now."""
        now = moment(self._clock())
        told: Document = {
            "eventID": str(uuid.uuid4()),
            "runID": run_id,
            "status": None,
            "type": "log",
            "batchSize": 1,
            "data": None,
            "publishedAt": rfc3339(now),
        } | copy.deepcopy(event)
        published = time_in(told, "publishedAt") or now
        with self._world:
            self._events.setdefault(run_id, []).append(Listed(told, {"publishedAt": published}))

    def put_task(self, task: Document) -> None:
        """Answer with this task, found by its taskID and completed where fields are required."""
        with self._world:
            self._resources.put_task(copy.deepcopy(task))

    def put_source(self, source: Document) -> None:
        """Answer with this source, found by its sourceID and completed as a task is."""
        with self._world:
            self._resources.put_source(copy.deepcopy(source))

    def put_destination(self, destination: Document) -> None:
        """Answer with this destination, found by its destinationID, completed as a task is."""
        with self._world:
            self._resources.put_destination(copy.deepcopy(destination))

    def script_task(self, task_id: str, steps: Sequence[Step], *, type: str = "reindex") -> None:  # noqa: A002
        """Let every run that runTask starts from now on live these steps."""
        with self._world:
            self._scripts[task_id] = (steps, type)
            self._resources.mention(task_id)

    def rotate_key(self, new_key: str) -> None:
        """Accept this API key alone from now on."""
        self.api_key = new_key

    def shown(self) -> list[Shown]:
        """Every distinct state that getRun or listRuns has shown a client, oldest first.

        A state counts when its answer went out whole to a client still waiting for it;
        shown again, it is not listed again. A run whose status or outcome is no text,
        as a malformed one may have, shows no state.
        """
        with self._world:
            return list(self._shown.values())

    def _answer(self, request: Request) -> Answer:
        try:
            self._check_key(request)
            with self._world:
                return self._route(request)
        except RefusedError as refusal:
            return Answer.of_json(refusal.status, {"message": str(refusal)})

    def _check_key(self, request: Request) -> None:
        app_id = request.headers.get("x-algolia-application-id")
        api_key = request.headers.get("x-algolia-api-key")
        if (app_id, api_key) != (self.app_id, self.api_key):
            raise RefusedError(403, "Invalid Application-Id or API-Key")

    def _route(self, request: Request) -> Answer:
        now = self._clock()
        match request.method, request.segments:
            case "GET", ["1", "runs"]:
                rows = [row for run in self._runs.values() if (row := run.at(now))]
                page = RUNS.answer(rows, request.query, now)
                return self._showing(page, page["runs"])
            case "GET", ["1", "runs", run_id]:
                run = self._run(run_id, now).item
                return self._showing(run, [run])
            case "GET", ["1", "runs", run_id, "events"]:
                self._run(run_id, now)
                events = self._events.get(run_id, [])
                return Answer.of_json(200, EVENTS.answer(events, request.query, now))
            case "GET", ["2", "tasks", task_id]:
                return _found(self._resources.task(task_id), "task")
            case "GET", ["1", "sources", source_id]:
                return _found(self._resources.source(source_id), "source")
            case "GET", ["1", "destinations", destination_id]:
                return _found(self._resources.destination(destination_id), "destination")
            case "POST", ["2", "tasks", task_id, "run"]:
                _found(self._resources.task(task_id), "task")
                return self._start_run(task_id, now)
        raise RefusedError(404, f"There is no {request.method} {request.path}")

    def _run(self, run_id: str, now: float) -> Listed:
        run = self._runs.get(run_id)
        row = run.at(now) if run else None
        if row is None:
            raise RefusedError(404, "No such run")
        return row

    def _start_run(self, task_id: str, now: float) -> Answer:
        steps, kind = self._scripts.get(task_id, ([Step(0, "created")], "reindex"))
        run_id = str(uuid.uuid4())
        self.play(RunLife(run_id, task_id, steps, kind), start=now)
        return Answer.of_json(200, {"runID": run_id, "createdAt": rfc3339(moment(now))})

    def _showing(self, body: Document, runs: list[Document]) -> Answer:
        states = [(run.get("runID"), run.get("status"), run.get("outcome")) for run in runs]
        return Answer.of_json(200, body, when_given=lambda: self._note_shown(states))

    def _note_shown(self, states: list[tuple[Any, Any, Any]]) -> None:
        at = self._clock()
        with self._world:
            for state in states:
                match state:
                    case (str(run_id), str(status), str() | None as outcome):
                        self._shown.setdefault(state, Shown(run_id, status, outcome, at))


def _found(resource: Document | None, name: str) -> Answer:
    if resource is None:
        raise RefusedError(404, f"No such {name}")
    return Answer.of_json(200, resource)
