"""What a function finds around it: the environment that the template would give it, for real."""

from __future__ import annotations

import importlib.util
import json
import sys
import uuid
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from local.algolia import AlgoliaStandIn
from local.aws import ROOT, LocalAws
from local.slack import SlackStandIn
from runbell import assembly

TOKEN = "example-token-0123456789"
"""The bearer token of the samples in events/."""

SIGNING_SECRET = "example-signing-secret"
"""What the sample of an interaction is signed with."""


@pytest.fixture
def environment(
    aws: LocalAws,
    table_name: str,
    new_queue: Callable[[], str],
    algolia: AlgoliaStandIn,
    slack: SlackStandIn,
) -> dict[str, str]:
    """The variables of all functions, with a table, queues and secrets behind them."""
    secrets = aws.client("secretsmanager")
    name = f"runbell-{uuid.uuid4().hex}"
    aws.client("scheduler").create_schedule_group(Name=name)

    def secret(value: str) -> str:
        made = secrets.create_secret(Name=f"runbell/{uuid.uuid4().hex}", SecretString=value)
        return str(made["ARN"])

    return {
        **aws.environment,
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "TABLE_NAME": table_name,
        "QUEUE_URL": new_queue(),
        "COMEBACK_QUEUE_URL": "",
        "SCHEDULE_EXPRESSION": "rate(1 minute)",
        "DEAD_LETTER_QUEUE_URL": new_queue(),
        "RETENTION_DAYS": "30",
        "SLACK_CHANNEL": "#runs",
        "FALLBACK_CHANNEL": "",
        "DISCOVER": "watched",
        "CONNECTION_SECRETS_PREFIX": f"{name}/connections/",
        "SCHEDULE_GROUP": name,
        "SCHEDULE_ROLE_ARN": "arn:aws:iam::000000000000:role/schedule",
        "SCHEDULE_DEAD_LETTER_QUEUE_ARN": "arn:aws:sqs:us-east-1:000000000000:ticks",
        "POLL_FUNCTION_ARN": "arn:aws:lambda:us-east-1:000000000000:function:poll",
        "STALLED_AFTER_MINUTES": "60",
        "NOTIFY_ON": "created,started,succeeded,failed,skipped",
        "ALGOLIA_BASE_URL": algolia.url,
        "SLACK_BASE_URL": slack.url,
        "API_TOKEN_SECRET_ARN": secret(TOKEN),
        "ALGOLIA_SECRET_ARN": secret(
            json.dumps({"app_id": algolia.app_id, "api_key": algolia.api_key, "region": "eu"})
        ),
        "SLACK_USERS": "",
        "SLACK_SECRET_ARN": secret(
            json.dumps({"bot_token": "xoxb-stand-in", "signing_secret": SIGNING_SECRET})
        ),
    }


@pytest.fixture
def connection_secret(
    aws: LocalAws, environment: dict[str, str], algolia: AlgoliaStandIn
) -> Callable[..., None]:
    """Makes the secret of a connection: one that is good, unless another text is given."""
    good = json.dumps({"app_id": algolia.app_id, "api_key": algolia.api_key, "region": "eu"})

    def make(name: str, text: str = good) -> None:
        full = environment["CONNECTION_SECRETS_PREFIX"] + name
        aws.client("secretsmanager").create_secret(Name=full, SecretString=text)

    return make


class Context:
    """What Lambda tells a function about its invocation."""

    function_name = "function"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:function"
    aws_request_id = "8f507cfc-example"

    def get_remaining_time_in_millis(self) -> int:
        """Leave enough."""
        return 25_000


Handler = Callable[[dict[str, Any]], Any]


@pytest.fixture
def handlers(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Handler]]:
    """Gives a function's handler, in this process, with everything about it new."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def handler(function: str) -> Handler:
        module = load(function)

        def invoke(event: dict[str, Any]) -> Any:
            return module.handler(event, Context())

        return invoke

    forget()
    yield handler
    forget()


def load(function: str) -> ModuleType:
    """Import a function's module, all of which are called `app`, under a name of its own."""
    name = f"functions_{function}_app"
    spec = importlib.util.spec_from_file_location(name, ROOT / "functions" / function / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def forget() -> None:
    """Let the assembly make everything anew."""
    for part in vars(assembly).values():
        if hasattr(part, "cache_clear"):
            part.cache_clear()
