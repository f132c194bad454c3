"""One Algolia application: its runs, events and tasks, and how it answers for them."""

import copy
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from local.algolia.lists import EVENTS, RUNS, RefusedError
from local.algolia.living_runs import LivingRuns
from local.algolia.record import GivenAnswer, Shown, Started
from local.algolia.resources import Resources
from local.algolia.rows import Listed, Rows
from local.algolia.runs import LiteralRun, PlayedLife, RunLife, Step
from local.algolia.started_runs import StartedRuns
from local.algolia.times import moment, rfc3339, time_in
from local.faults import Faults
from local.http_messages import Answer, Request

Document = dict[str, Any]


class Application:
    """One application's world, which nothing done to another one touches.

    ``faults`` makes it answer wrongly on purpose. ``on_answer`` is called with each of
    its answers as it is given. Any thread may call any method.
    """

    def __init__(
        self,
        app_id: str,
        api_key: str,
        clock: Callable[[], float],
        on_answer: Callable[[GivenAnswer], None],
    ) -> None:
        self.app_id = app_id
        self.api_key = api_key
        self.faults = Faults()
        self._clock = clock
        self._on_answer = on_answer
        self._world = threading.RLock()
        self._runs = LivingRuns(RUNS.sorts)
        self._events: dict[str, Rows] = {}
        self._resources = Resources()
        self._started = StartedRuns()
        self._shown: dict[tuple[str, str, str | None], Shown] = {}

    def play(self, *lives: RunLife, start: float | None = None) -> None:
        """Begin lives now, or at ``start``, also one in the past or the future."""
        began = self._clock() if start is None else start
        with self._world:
            for life in lives:
                self._runs.put(life.run_id, PlayedLife(life, self.app_id, began))
                self._resources.mention(life.task_id)

    def put_run(self, run: Document) -> None:
        """Show a run word for word, even a malformed one, in place of an earlier one.

        Lists look for it by its createdAt, by now if that cannot be read. Without a
        runID it appears in lists alone.
        """
        with self._world:
            run_id = str(run.get("runID", f"run {len(self._runs)} without an ID"))
            self._runs.put(run_id, LiteralRun(copy.deepcopy(run), self._clock()))
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
            events = self._events.setdefault(run_id, Rows(EVENTS.sorts))
            events.put(len(events), Listed(told, {"publishedAt": published}))

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
        """Let every run of the task that runTask starts from now on live these steps.

        A run of a task without a script is created, started after a second and finished
        with success after some more. An enabled task runs and a disabled one too: what
        Algolia does with the latter isn't documented.
        """
        with self._world:
            self._started.script(task_id, steps, type)
            self._resources.mention(task_id)

    def started(self) -> list[Started]:
        """Every run that runTask has started, oldest first, also when no answer told so."""
        with self._world:
            return self._started.so_far()

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

    def answer(self, request: Request) -> Answer:
        """The true answer to a request that has the application's key."""
        try:
            with self._world:
                operation, document, runs = self._route(request)
        except RefusedError as refusal:
            return Answer.of_json(refusal.status, {"message": str(refusal)})
        answer = Answer.of_json(200, document)
        given = GivenAnswer(self.app_id, operation, request.target, answer.body)
        return replace(answer, when_given=lambda: self._note(given, runs))

    def _route(self, request: Request) -> tuple[str, Document, list[Document]]:
        """The operation asked for, its answer, and the runs in it whose states it shows."""
        now = self._clock()
        match request.method, request.segments:
            case "GET", ["1", "runs"]:
                page = RUNS.answer(self._runs.rows(now), request.query, now)
                return "listRuns", page, page["runs"]
            case "GET", ["1", "runs", run_id]:
                run = _found(self._run(run_id, now), "run")
                return "getRun", run, [run]
            case "GET", ["1", "runs", run_id, "events"]:
                _found(self._run(run_id, now), "run")
                events = self._events.get(run_id, Rows(EVENTS.sorts))
                return "listEvents", EVENTS.answer(events, request.query, now), []
            case "GET", ["2", "tasks", task_id]:
                return "getTask", _found(self._resources.task(task_id), "task"), []
            case "GET", ["1", "sources", source_id]:
                return "getSource", _found(self._resources.source(source_id), "source"), []
            case "GET", ["1", "destinations", destination_id]:
                destination = self._resources.destination(destination_id)
                return "getDestination", _found(destination, "destination"), []
            case "POST", ["2", "tasks", task_id, "run"]:
                _found(self._resources.task(task_id), "task")
                life = self._started.start(task_id, request.body, now)
                self.play(life, start=now)
                return "runTask", {"runID": life.run_id, "createdAt": rfc3339(moment(now))}, []
        raise RefusedError(404, f"There is no {request.method} {request.path}")

    def _run(self, run_id: str, now: float) -> Document | None:
        row = self._runs.at(run_id, now)
        return row.item if row else None

    def _note(self, given: GivenAnswer, runs: list[Document]) -> None:
        at = self._clock()
        with self._world:
            for run in runs:
                match state := (run.get("runID"), run.get("status"), run.get("outcome")):
                    case (str(run_id), str(status), str() | None as outcome):
                        self._shown.setdefault(state, Shown(run_id, status, outcome, at))
        self._on_answer(given)


def _found(resource: Document | None, name: str) -> Document:
    if resource is None:
        raise RefusedError(404, f"No such {name}")
    return resource
