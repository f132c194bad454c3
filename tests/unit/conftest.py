"""Values and small fakes that several unit tests share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings

from runbell.run import Run, parse_run

settings.register_profile("runbell", deadline=None, derandomize=True)
settings.load_profile("runbell")


class Clock:
    """Seconds that go on when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class FakeSecretsManager:
    """Secrets Manager with one secret, as far as Runbell asks it."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.error: Exception | None = None
        self.takes = 0.0
        self.readings = 0

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803
        self.readings += 1
        time.sleep(self.takes)
        if self.error is not None:
            raise self.error
        return {"ARN": SecretId, "SecretString": self.text}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def secrets_manager() -> FakeSecretsManager:
    return FakeSecretsManager()


@pytest.fixture(scope="session")
def run_document() -> Callable[..., dict[str, Any]]:
    """Makes a run as Algolia writes it; a keyword gives a field, None leaves it out."""

    def make(**fields: Any) -> dict[str, Any]:
        document = {
            "runID": "6c02aeb1-775e-418e-870b-1faccd4b2c0f",
            "appID": "APP0000001",
            "taskID": "76ab4c2a-ce17-496f-b7a6-506dc59ee498",
            "status": "created",
            "type": "reindex",
            "createdAt": "2026-01-31T09:30:00.000Z",
            **fields,
        }
        return {name: value for name, value in document.items() if value is not None}

    return make


@pytest.fixture(scope="session")
def make_run(run_document: Callable[..., dict[str, Any]]) -> Callable[..., Run]:
    """Makes a Run from a document's fields."""
    return lambda **fields: parse_run(run_document(**fields))
