"""Real parts for the tests: a local AWS, the template's table and queues, and the stand-ins."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from local.algolia import AlgoliaStandIn
from local.aws import LocalAws
from local.slack import SlackStandIn
from local.table import new_table
from local.table import template as read_template


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """The template, its short forms as {"Ref": …}, {"GetAtt": …}, {"Sub": …}."""
    return read_template()


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    """A local AWS of this test process's own."""
    with LocalAws() as aws:
        yield aws


@pytest.fixture
def table_name(aws: LocalAws) -> str:
    """A new table as the template describes it."""
    return new_table(aws.client("dynamodb"))


@pytest.fixture
def new_queue(aws: LocalAws) -> Any:
    """Makes FIFO queues; each call answers the URL of another one."""

    def make() -> str:
        name = f"runbell-{uuid.uuid4().hex}.fifo"
        answer = aws.client("sqs").create_queue(
            QueueName=name,
            Attributes={
                "FifoQueue": "true",
                "DeduplicationScope": "messageGroup",
                "FifoThroughputLimit": "perMessageGroupId",
                "VisibilityTimeout": "120",
            },
        )
        return str(answer["QueueUrl"])

    return make


@pytest.fixture
def algolia() -> Iterator[AlgoliaStandIn]:
    """A stand-in for the Ingestion API."""
    with AlgoliaStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    """A stand-in for Slack."""
    with SlackStandIn() as stand_in:
        yield stand_in
