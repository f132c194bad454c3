"""Watches Algolia ingestion runs and posts their changes to Slack, in one plain handler.

It uses the vendors' own clients as their documentation shows them, and imports them at the top.
The event is {"runIDs": [...]}; the secrets hold what Runbell's hold.
"""

from __future__ import annotations

import json
import os
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3
from algoliasearch.http.exceptions import AlgoliaException
from algoliasearch.http.hosts import Host, HostsCollection
from algoliasearch.ingestion.client import IngestionClientSync
from algoliasearch.ingestion.config import IngestionConfig
from algoliasearch.ingestion.models.run import Run
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

SIGNS = {"success": ":white_check_mark:", "failure": ":x:"}

logger = Logger(service="peer")


@cache
def secret(name: str) -> dict[str, str]:
    client = boto3.client("secretsmanager")
    content: dict[str, str] = json.loads(
        client.get_secret_value(SecretId=os.environ[name])["SecretString"]
    )
    return content


@cache
def table() -> Any:
    return boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


@cache
def algolia() -> IngestionClientSync:
    credentials = secret("ALGOLIA_SECRET_ARN")
    config = IngestionConfig(credentials["app_id"], credentials["api_key"], credentials["region"])
    if "ALGOLIA_BASE_URL" in os.environ:  # a stand-in
        url = urlsplit(os.environ["ALGOLIA_BASE_URL"])
        config.hosts = HostsCollection([Host(url.hostname or "", url.scheme, url.port)])
    return IngestionClientSync.create_with_config(config)


@cache
def slack() -> WebClient:
    base_url = os.environ.get("SLACK_BASE_URL", WebClient.BASE_URL)
    return WebClient(secret("SLACK_SECRET_ARN")["bot_token"], base_url)


def message(run: Run) -> str:
    state = run.outcome or run.status
    words = f"{SIGNS.get(state, ':bell:')} Run `{run.run_id}` of task `{run.task_id}`: {state}"
    return f"{words}\n>{run.reason}" if run.reason else words


def check(run_id: str) -> bool:
    """Look at a run; answer whether it changed and was announced."""
    run = algolia().get_run(run_id)
    item = {"run_id": run.run_id, "status": run.status, "outcome": run.outcome}
    if table().get_item(Key={"run_id": run_id}).get("Item") == item:
        return False
    slack().chat_postMessage(channel=os.environ["SLACK_CHANNEL"], text=message(run))
    table().put_item(Item=item)
    return True


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, int]:
    """Check each run that the event names; one that fails does not keep the others waiting."""
    counts = {"checked": 0, "announced": 0, "failed": 0}
    for run_id in event["runIDs"]:
        try:
            counts["announced"] += check(run_id)
            counts["checked"] += 1
        except (AlgoliaException, SlackApiError):
            logger.exception("a run could not be checked", extra={"run_id": run_id})
            counts["failed"] += 1
    logger.info("done", extra=counts)
    return counts
