"""Runbell's own parts, put together over a local table and a stand-in for Algolia."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, cast

from boto3.dynamodb.types import TypeDeserializer
from requests import Session
from requests.adapters import HTTPAdapter

from local.algolia import AlgoliaStandIn
from local.aws import LocalAws
from local.season.delivery import PromptQueue, RecordingSlack
from local.season.dynamodb import QuickDynamoDB
from local.table import new_table
from runbell.algolia import IngestionClient
from runbell.background import Background
from runbell.checker import Checker
from runbell.closed_channels import ClosedChannels
from runbell.connections import DEFAULT, Connection, ConnectionStore
from runbell.items import RunItem, parse_item
from runbell.notifier import Notifier
from runbell.outbox import DeadLetters
from runbell.rules import Routing
from runbell.secrets import AlgoliaCredentials, Secret, parse_algolia
from runbell.settings import NOTIFIABLE
from runbell.store import RunStore
from runbell.sweeper import Sweeper
from runbell.table import Table
from runbell.task_store import TaskStore
from runbell.timekeeper import Timekeeper
from runbell.watcher import Watcher

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CHANNEL = "#runs"
RETENTION = timedelta(days=30)
THREADS = 20


@dataclass(frozen=True)
class Runbell:
    """What the season is played to.

    Args:
        watcher: Looks.
        slack: What was told.
        queue: What was to be told.
        items: Reads all that is known of runs, missing ones included.
    """

    watcher: Watcher
    slack: RecordingSlack
    queue: PromptQueue
    items: Callable[[], list[RunItem]]


@contextmanager
def runbell(
    aws: LocalAws,
    algolia: AlgoliaStandIn,
    now: Callable[[], datetime],
    *,
    is_bot: bool,
    disturbance: Random | None,
) -> Iterator[Runbell]:
    """Put Runbell together over a new table, to watch all runs and to tell everything."""
    dynamodb, name = QuickDynamoDB(aws.url), new_table(aws.client("dynamodb"))
    table = Table(cast("DynamoDBClient", dynamodb), name)
    store = RunStore(table, retention=RETENTION, now=now)
    tasks = TaskStore(table, retention=RETENTION, now=now)
    slack = RecordingSlack(can_edit=is_bot)
    closed = ClosedChannels(table, retention=RETENTION, now=now)
    notifier = Notifier(store, closed, slack, DeadLetters(aws.client("sqs"), "none"), now=now)
    queue = PromptQueue(notifier.deliver, disturbance)
    routing = Routing(CHANNEL, frozenset(NOTIFIABLE), stalled_after=timedelta(minutes=60))
    with Session() as session:
        session.trust_env = False  # no proxy is on the way to loopback
        session.mount("http://", HTTPAdapter(pool_maxsize=THREADS))
        client = IngestionClient(
            _secret(aws, algolia), session, base_url=algolia.url, sleep=lambda _: None
        )
        background = Background(client, tasks, now=now)

        def open_checker(connection: Connection) -> Checker:
            return Checker(connection, client, store, queue, background, routing, now=now)

        watcher = Watcher(
            DEFAULT,
            ConnectionStore(table, discover="all", now=now),
            store,
            Sweeper(DEFAULT, store, queue, now=now),
            open_checker,
            lambda checker: {"task": Timekeeper(checker, store, tasks, now=now).look},
            table,
            now=now,
        )

        yield Runbell(watcher, slack, queue, lambda: _items(aws, name))
        dynamodb.close()


def _items(aws: LocalAws, table: str) -> list[RunItem]:
    read = TypeDeserializer().deserialize
    pages = aws.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    found = [item for page in pages for item in page["Items"] if "run_id" in item]
    return [parse_item({name: read(value) for name, value in item.items()}) for item in found]


def _secret(aws: LocalAws, algolia: AlgoliaStandIn) -> Secret[AlgoliaCredentials]:
    client = aws.client("secretsmanager")
    value = {"app_id": algolia.app_id, "api_key": algolia.api_key, "region": "us"}
    made = client.create_secret(Name=f"runbell-{uuid.uuid4().hex}", SecretString=json.dumps(value))
    return Secret(client, made["ARN"], parse_algolia)
