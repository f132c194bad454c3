"""Clients that are made without botocore's list of endpoints ask at the same address as others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.session import Session, get_session

from runbell import assembly
from runbell.aws_models import SERVICES, Models

REGIONS = ("us-east-1", "eu-central-1", "ap-southeast-7", "cn-north-1", "us-gov-west-1")

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "dynamodb": ("get_item", {"TableName": "t", "Key": {"pk": {"S": "x"}}}),
    "lambda": ("invoke", {"FunctionName": "f"}),
    "scheduler": ("list_schedules", {}),
    "secretsmanager": ("get_secret_value", {"SecretId": "s"}),
    "sqs": ("send_message", {"QueueUrl": "https://queue.example/q", "MessageBody": "b"}),
}


class _NotSentError(Exception):
    """Stands in for what would follow a request."""


def asked(session: Session, service: str, region: str, config: Config) -> tuple[str, str]:
    """The URL that a client would ask, and what its signature is for."""
    client = session.create_client(
        service,
        region_name=region,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=config,
    )
    seen: list[tuple[str, str]] = []

    def note(request: Any, **_: Any) -> None:
        signed = request.headers["Authorization"]
        text = signed.decode() if isinstance(signed, bytes) else signed
        seen.append((request.url, text.split("Credential=")[1].split(",")[0]))
        raise _NotSentError

    client.meta.events.register("before-send", note)
    operation, arguments = CALLS[service]
    with pytest.raises(_NotSentError):
        getattr(client, operation)(**arguments)
    return seen[0]


def lean() -> Session:
    session = get_session()
    session.register_component("data_loader", Models())
    return session


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("is_fips", [False, True])
def test_each_service_is_asked_where_botocore_asks_it(service: str, is_fips: bool) -> None:
    """Also in other partitions, and where a deployment wants FIPS endpoints."""
    usual, ours, config = get_session(), lean(), Config(use_fips_endpoint=is_fips)
    for region in REGIONS:
        expected = asked(usual, service, region, config)
        assert asked(ours, service, region, config) == expected, region


def test_there_are_models_of_every_service_that_a_client_is_made_for() -> None:
    """Of another one none could be made, which only the first event to need it would say."""
    text = Path(assembly.__file__).read_text("utf-8")
    made = set(re.findall(r'(?:_client|hurried)\("(\w+)"', text))
    assert made == set(SERVICES)
    for service in SERVICES:
        client = lean().create_client(service, region_name="eu-central-1")
        assert client.meta.service_model.service_name == service
