"""The template as data, and a table such as it describes."""

from __future__ import annotations

import uuid
from functools import cache
from typing import Any

import yaml

from local.aws import ROOT

DESCRIBED = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
"""What makes a table what it is."""


class _TemplateLoader(yaml.SafeLoader):
    """Reads a template's short forms such as !Ref as plain values."""


def _short_form(loader: Any, suffix: str, node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    return {suffix: loader.construct_mapping(node, deep=True)}


_TemplateLoader.add_multi_constructor("!", _short_form)


@cache
def template() -> dict[str, Any]:
    """The template, its short forms as {"Ref": …}, {"GetAtt": …}, {"Sub": …}."""
    document: dict[str, Any] = yaml.load(
        (ROOT / "template.yaml").read_text("utf-8"), _TemplateLoader
    )
    return document


def new_table(dynamodb: Any) -> str:
    """Make a table as the template describes it; answers its name."""
    wanted = template()["Resources"]["Table"]["Properties"]
    name = f"runbell-{uuid.uuid4().hex}"
    dynamodb.create_table(TableName=name, **{key: wanted[key] for key in DESCRIBED})
    return name
