"""What a client of the stand-in has been given, and what it has started."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """A state of a run that an answer has shown for the first time, and when."""

    run_id: str
    status: str
    outcome: str | None
    at: float


@dataclass(frozen=True)
class Started:
    """A run that runTask has started, and when."""

    task_id: str
    run_id: str
    at: float


@dataclass(frozen=True)
class GivenAnswer:
    """An answer with the status 200 that went out whole to a client waiting for it."""

    app_id: str
    operation: str
    """The operation by its name in the vendor's documentation, such as listRuns."""
    target: str
    """Path and query as they were sent, still percent-encoded."""
    body: bytes
