"""The runs that runTask starts, and how they go on.

See https://www.algolia.com/doc/rest-api/ingestion/run-task.
"""

import json
import uuid
from collections.abc import Sequence

from local.algolia.lists import RefusedError
from local.algolia.record import Started
from local.algolia.runs import RunLife, Step

USUAL_STEPS = (
    Step(0, "created"),
    Step(1, "started", expected=100, received=0),
    Step(6, "finished", "success", reason_code="ok", expected=100, received=100),
)
"""The life of a started run whose task has no script: after a few seconds it is a success."""


class StartedRuns:
    """Gives each run that is started a new ID and the life its task's script says."""

    def __init__(self) -> None:
        self._scripts: dict[str, tuple[Sequence[Step], str]] = {}
        self._started: list[Started] = []

    def script(self, task_id: str, steps: Sequence[Step], kind: str) -> None:
        """Let the runs of a task that are started from now on live these steps."""
        self._scripts[task_id] = (steps, kind)

    def start(self, task_id: str, body: bytes, now: float) -> RunLife:
        """A new run of the task; raises RefusedError for a body that the API does not take."""
        _check(body)
        steps, kind = self._scripts.get(task_id, (USUAL_STEPS, "reindex"))
        life = RunLife(str(uuid.uuid4()), task_id, steps, kind)
        self._started.append(Started(task_id, life.run_id, now))
        return life

    def so_far(self) -> list[Started]:
        """All of them, the oldest first."""
        return self._started.copy()


def _check(body: bytes) -> None:
    """The body may be left out; what is there is an object, and so is its runMetadata."""
    try:
        payload = json.loads(body or b"{}")
    except ValueError as error:
        raise RefusedError(400, "The body is no JSON") from error
    if not isinstance(payload, dict):
        raise RefusedError(400, "The body is no JSON object")
    if unknown := sorted(payload.keys() - {"runMetadata"}):
        raise RefusedError(400, f"Unknown field {unknown[0]}")
    if not isinstance(payload.get("runMetadata", {}), dict):
        raise RefusedError(400, "runMetadata is no JSON object")
