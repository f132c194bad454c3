"""Real parts for the tests: a local AWS, the template's table and queues, and the stand-ins."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from local.algolia import AlgoliaStandIn
from local.aws import ROOT, LocalAws
from local.slack import SlackStandIn


class _TemplateLoader(yaml.SafeLoader):
    """Reads a template's short forms such as !Ref as plain values."""


def _short_form(loader: Any, suffix: str, node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    return {suffix: loader.construct_mapping(node, deep=True)}


_TemplateLoader.add_multi_constructor("!", _short_form)


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """The template, its short forms as {"Ref": …}, {"GetAtt": …}, {"Sub": …}."""
    text = (ROOT / "template.yaml").read_text("utf-8")
    document: dict[str, Any] = yaml.load(text, _TemplateLoader)
    return document


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    """A local AWS of this test process's own."""
    with LocalAws() as aws:
        yield aws


@pytest.fixture
def table_name(aws: LocalAws, template: dict[str, Any]) -> str:
    """A new table as the template describes it."""
    wanted = template["Resources"]["Table"]["Properties"]
    name = f"runbell-{uuid.uuid4().hex}"
    aws.client("dynamodb").create_table(
        TableName=name,
        **{
            key: wanted[key]
            for key in (
                "BillingMode",
                "AttributeDefinitions",
                "KeySchema",
                "GlobalSecondaryIndexes",
            )
        },
    )
    return name


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
