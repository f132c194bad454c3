"""One page of the list, parsed, and one item of the table: what no quiet tick can do without."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import Any

import boto3
import requests

session = requests.Session()


@cache
def table() -> Any:
    return boto3.client("dynamodb")


@cache
def credentials() -> dict[str, str]:
    answer = boto3.client("secretsmanager").get_secret_value(
        SecretId=os.environ["ALGOLIA_SECRET_ARN"]
    )
    found: dict[str, str] = json.loads(answer["SecretString"])
    return found


def handler(event: dict[str, Any], _: object) -> int:
    """Count the runs on the first page; the event has the page's path and the item's key."""
    table().get_item(
        TableName=os.environ["TABLE_NAME"], Key={"pk": {"S": event["pk"]}}, ConsistentRead=True
    )
    answer = session.get(
        os.environ["ALGOLIA_BASE_URL"] + event["path"],
        headers={
            "x-algolia-application-id": credentials()["app_id"],
            "x-algolia-api-key": credentials()["api_key"],
        },
        timeout=10,
    )
    return len(json.loads(answer.content)["runs"])
