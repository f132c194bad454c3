"""Where things come from: the one place that reads the environment and makes clients.

Each part is made when it is first asked for and kept for the life of the function's process.
Vendors' libraries are imported here and no earlier, since every import is paid at a cold start.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any

import runbell
from runbell.errors import ConfigurationError
from runbell.settings import Settings

if TYPE_CHECKING:
    from botocore.session import Session

    from runbell.ahead import Ahead
    from runbell.algolia import IngestionClient
    from runbell.background import Background
    from runbell.checker import Checker
    from runbell.closed_channels import ClosedChannels
    from runbell.connections import Connection, ConnectionStore
    from runbell.deadline import Deadline
    from runbell.inbox import Inbox
    from runbell.interactions import Interactions
    from runbell.listings import Listings
    from runbell.looks import Duty
    from runbell.outbox import Outbox
    from runbell.reopener import Reopener
    from runbell.reporter import Reporter
    from runbell.rerunner import Rerunner
    from runbell.schedules import Schedules
    from runbell.secrets import Secret
    from runbell.store import RunStore
    from runbell.table import Table
    from runbell.task_store import TaskStore
    from runbell.trial import Trial
    from runbell.watcher import Watcher

ON_THE_WAY = frozenset({
    "ALL_PROXY",
    "CURL_CA_BUNDLE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "REQUESTS_CA_BUNDLE",
})  # fmt: skip
"""Variables that say how requests gets to Algolia."""

CONNECTIONS = 64
"""Connections whose parts a process keeps. Each has a way into Algolia that stays open, and Lambda
gives a process 1,024 open files: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html."""


@cache
def settings() -> Settings:
    """The function's environment."""
    return Settings(os.environ)


def prepare(make: Callable[[], object]) -> None:
    """Make parts while a function starts, when Lambda gives it more of a CPU than afterwards.

    What can't be made then is left to the first event, which fails with a line in the log and a
    count, and not as a start that has failed.
    """
    from botocore.exceptions import BotoCoreError

    # What botocore thinks of a URL that is none is a ValueError.
    with suppress(ConfigurationError, BotoCoreError, ValueError):
        make()


@cache
def table() -> Table:
    """The table, as it is spoken to."""
    from runbell.table import Table

    return Table(_client("dynamodb"), settings().table_name)


@cache
def store() -> RunStore:
    """What is remembered of runs."""
    from runbell.store import RunStore

    return RunStore(table(), retention=settings().retention)


@cache
def tasks() -> TaskStore:
    """What is remembered of tasks."""
    from runbell.task_store import TaskStore

    return TaskStore(table(), retention=settings().retention)


@cache
def connections() -> ConnectionStore:
    """The Algolia applications that are looked at."""
    from runbell.connections import ConnectionStore

    return ConnectionStore(table(), discover=settings().discover)


@cache
def closed_channels() -> ClosedChannels:
    """What waits for a channel to take it."""
    from runbell.closed_channels import ClosedChannels

    return ClosedChannels(table(), retention=settings().retention)


@cache
def listings() -> Listings:
    """What is known and watched, page by page."""
    from runbell.listings import Listings

    return Listings(table())


@cache
def outbox() -> Outbox:
    """The queue, from its sending end."""
    from runbell.outbox import Outbox

    return Outbox(_client("sqs"), settings().queue_url)


@lru_cache(CONNECTIONS)
def watcher(name: str) -> Watcher:
    """What looks at the runs of a connection."""
    from runbell.sweeper import Sweeper
    from runbell.watcher import Watcher

    return Watcher(
        name,
        connections(),
        store(),
        Sweeper(name, store(), outbox()),
        _checker,
        _duties,
        table(),
        ahead=_ahead(name),
    )


def _ahead(connection: str) -> Ahead | None:
    """What plans looks ahead of the schedule, if the deployment wants such."""
    queue_url = settings().comeback_queue_url
    if queue_url is None:
        return None
    from runbell.ahead import Ahead
    from runbell.comeback import ComebackQueue

    queue = ComebackQueue(_client("sqs"), queue_url)
    return Ahead(connection, store(), tasks(), queue, settings().schedule)


def tick_parts() -> None:
    """Make what a tick of the connection `default` needs, and most of what others need."""
    from runbell.connections import DEFAULT, Connection

    watcher(DEFAULT)
    _duties(_checker(Connection(DEFAULT)))


def _duties(checker: Checker) -> dict[str, Duty]:
    """What a tick does for what is due and is no run."""
    from runbell.timekeeper import Timekeeper

    def summarise(name: str, deadline: Deadline) -> int:
        return _reporter(checker).summarise(name, deadline)

    def make_digest(name: str, deadline: Deadline) -> int:
        return _reporter(checker).make_digest(name, deadline)

    def run_again(name: str, deadline: Deadline) -> int:
        return _rerunner(checker).look(name, deadline)

    def try_again(name: str, deadline: Deadline) -> int:
        return _reopener(checker.connection.name).look(name, deadline)

    look = Timekeeper(checker, store(), tasks()).look
    return {
        "task": look,
        "summary": summarise,
        "digest": make_digest,
        "again": run_again,
        "channel": try_again,
    }


def reporter(connection: str) -> Reporter:
    """What tells of many runs of a connection at once.

    Raises:
        NotKnownError: There is no such connection.
    """
    return _reporter(_checker(connections().get(connection)))


def _reporter(checker: Checker) -> Reporter:
    from runbell.reporter import Reporter  # not before a report is due: a quiet tick has none

    return Reporter(checker, store(), tasks(), table())


def _reopener(connection: str) -> Reopener:
    from runbell.outbox import DeadLetters
    from runbell.reopener import Reopener  # not before a channel has refused something

    letters = DeadLetters(_client("sqs"), settings().dead_letter_queue_url)
    return Reopener(connection, closed_channels(), store(), outbox(), letters)


def _rerunner(checker: Checker) -> Rerunner:
    from runbell.rerunner import Rerunner  # not before somebody has pressed a button
    from runbell.reruns import RerunStore

    reruns = RerunStore(table(), retention=settings().retention)
    return Rerunner(checker, store(), tasks(), reruns)


def _checker(connection: Connection) -> Checker:
    """What looks at one run of a connection, as people want it looked at now."""
    from runbell.checker import Checker

    if connection.secret is None:
        client, background = _ingestion(settings().algolia_secret)
    else:
        name = settings().connection_secrets_prefix + connection.secret
        client, background = _ingestion(name, name)
    return Checker(
        connection,
        client,
        store(),
        outbox(),
        background,
        settings().routing,
    )


@lru_cache(CONNECTIONS)
def _ingestion(secret_id: str, called: str = "ALGOLIA") -> tuple[IngestionClient, Background]:
    """The way into Algolia that a secret opens, and what is known of its tasks."""
    from runbell.background import Background

    client = _client_of_algolia(secret_id, called)
    return client, Background(client, tasks())


def _client_of_algolia(secret_id: str, called: str) -> IngestionClient:
    from requests import Session
    from requests.adapters import HTTPAdapter

    from runbell.algolia import IngestionClient
    from runbell.looks import AT_ONCE
    from runbell.secrets import Secret, parse_algolia

    session = Session()
    session.mount("https://", HTTPAdapter(pool_maxsize=AT_ONCE))
    session.mount("http://", HTTPAdapter(pool_maxsize=AT_ONCE))
    # For each request it would look through the environment, and for a .netrc, which we have not.
    session.trust_env = not ON_THE_WAY.isdisjoint(map(str.upper, os.environ))
    parse = partial(parse_algolia, name=called)
    secret = Secret(_client("secretsmanager"), secret_id, parse)
    return IngestionClient(secret, session, base_url=settings().algolia_base_url)


@lru_cache(CONNECTIONS)
def trial(connection: str) -> Trial:
    """What sends test messages."""
    from runbell.trial import Trial

    return Trial(connection, store(), outbox(), settings().routing.channel)


@cache
def api_tokens() -> Secret[tuple[str, ...]]:
    """What callers of the HTTP API must know one of."""
    from runbell.secrets import TOKEN_REMEMBERED, Secret, parse_api_tokens

    return Secret(
        _client("secretsmanager"),
        settings().api_token_secret,
        parse_api_tokens,
        remembered=TOKEN_REMEMBERED,
    )


def call_parts() -> None:
    """Make what every call of the HTTP API needs that reads or writes something."""
    from runbell.api.contract import contract

    api_tokens()
    store()
    contract().open_paths  # noqa: B018 (reads the contract)


@cache
def inbox() -> Inbox:
    """The queue, from its receiving end."""
    from runbell.inbox import Inbox
    from runbell.notifier import Notifier
    from runbell.outbox import DeadLetters
    from runbell.secrets import Secret, parse_slack
    from runbell.slack.access import SlackAccess

    parse = partial(parse_slack, runtime_api=settings().runtime_api)
    secret = Secret(_client("secretsmanager"), settings().slack_secret, parse)
    dead_letters = DeadLetters(_client("sqs"), settings().dead_letter_queue_url)
    notifier = Notifier(
        store(),
        closed_channels(),
        SlackAccess(secret, settings().slack_base_url),
        dead_letters,
        settings().fallback_channel,
    )
    return Inbox(_client("sqs"), settings().queue_url, notifier, dead_letters)


@cache
def interactions() -> Interactions:
    """What answers presses of buttons, with clients that wait no longer than Slack does."""
    from runbell.deeds import Deeds, PollStarter
    from runbell.interactions import Interactions
    from runbell.outbox import Outbox
    from runbell.reruns import RerunStore
    from runbell.secrets import Secret, parse_slack
    from runbell.slack.access import SlackAccess
    from runbell.store import RunStore
    from runbell.table import Table
    from runbell.task_store import TaskStore

    hurried = partial(_client, read_timeout=1, attempts=2)
    parse = partial(parse_slack, runtime_api=settings().runtime_api)
    secret = Secret(hurried("secretsmanager"), settings().slack_secret, parse)
    table = Table(hurried("dynamodb"), settings().table_name)
    retention = settings().retention
    deeds = Deeds(
        RunStore(table, retention=retention),
        TaskStore(table, retention=retention),
        RerunStore(table, retention=retention),
        Outbox(hurried("sqs"), settings().queue_url),
        PollStarter(hurried("lambda"), settings().poll_function),
    )
    access = SlackAccess(secret, settings().slack_base_url)
    return Interactions(secret, access, settings().slack_users, deeds)


@cache
def _client(service: str, *, read_timeout: float = 3, attempts: int = 3) -> Any:
    """A client of AWS; the SDK's own retries end long before a function does."""
    from botocore.config import Config

    return _session().create_client(
        service,
        config=Config(
            connect_timeout=1,
            read_timeout=read_timeout,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=16,
            # Botocore's own is long, and put together anew for each request.
            user_agent=f"runbell/{runbell.__version__}",
        ),
    )


@cache
def _session() -> Session:
    """What makes the clients: botocore's own session, since boto3 makes no better ones."""
    from botocore.session import get_session

    from runbell.aws_models import Models

    session = get_session()
    session.register_component("data_loader", Models())
    return session


@cache
def schedules() -> Schedules:
    """The schedules of the connections."""
    from runbell.schedules import Schedules

    return Schedules(
        _client("scheduler"),
        group=settings().schedule_group,
        target_arn=settings().poll_function,
        role_arn=settings().schedule_role,
        dead_letter_arn=settings().schedule_dead_letter_queue,
    )


def check_connection_secret(name: str) -> None:
    """Read the secret of a connection as it is this moment, and see whether Algolia takes it.

    Raises:
        ConfigurationError, SecretUnavailableError: It can't be read, or is not what it should be.
        AlgoliaError: Algolia did not answer with a list of runs.
    """
    from runbell.deadline import Deadline

    _client_of_algolia(name, name).check(Deadline(10))
