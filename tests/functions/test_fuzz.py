"""Whatever a caller makes up, the HTTP API answers as its own OpenAPI document says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import (
    GenerationConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.specs.openapi import checks
from werkzeug.test import Client

from runbell import trial
from runbell.api.contract import contract
from tests.functions.api_gateway import ApiGateway, Handler
from tests.functions.conftest import TOKEN

gateway = ApiGateway()
project = ProjectConfig(
    generation=GenerationConfig(deterministic=True, with_security_parameters=False),
)
described = schemathesis.openapi.from_dict(
    contract().document, config=SchemathesisConfig(projects=ProjectsConfig(default=project))
)
described.app = gateway


@pytest.fixture(autouse=True)
def served(handlers: Callable[[str], Handler], monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions behind the document, which is the one that they serve."""
    monkeypatch.setattr(trial, "PATIENCE", 0.0)  # nobody drains the queue
    gateway.routes = {"$default": handlers("api"), "POST /slack/interactions": handlers("interact")}
    response = Client(gateway).get("/openapi.json")
    assert response.text == contract().text


@described.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_names(case: schemathesis.Case[Any]) -> None:
    """No 5xx, no status or shape of its own; what is wrong is refused, and so are strangers."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    response = case.call(headers=headers)
    assert response.status_code < 500
    case.validate_response(
        response, headers=headers, excluded_checks=[checks.positive_data_acceptance]
    )
    if case.operation.path not in contract().open_paths:
        stranger = case.call(headers={"Authorization": f"Bearer {TOKEN}x"})
        assert stranger.status_code == 401
