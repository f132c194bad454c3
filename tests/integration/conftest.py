"""The package's own parts, put together over a real table, real queues and the stand-ins."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest
from requests import Session

from local.algolia import AlgoliaStandIn
from local.aws import LocalAws, client_at
from local.http_server import Answer, Request
from local.slack import Message, SlackStandIn
from local.table import new_table
from runbell.algolia import IngestionClient
from runbell.background import Background
from runbell.checker import Check, Checker
from runbell.closed_channels import ClosedChannels
from runbell.connections import Connection, ConnectionStore
from runbell.deadline import Deadline
from runbell.inbox import Inbox
from runbell.items import HistoryEntry, RunItem
from runbell.listings import Listings
from runbell.looks import Duty
from runbell.notifier import Notifier
from runbell.outbox import DeadLetters, Outbox, Wake, parse_wake
from runbell.reporter import Reporter
from runbell.rules import Routing, Watch, kind_of
from runbell.run import Run, instant, timestamp
from runbell.secrets import Secret, parse_algolia, parse_slack
from runbell.settings import NOTIFIABLE
from runbell.slack.access import SlackAccess
from runbell.store import RunStore
from runbell.sweeper import Sweeper
from runbell.table import Table
from runbell.task_store import TaskStore
from runbell.timekeeper import Timekeeper
from runbell.watcher import Report, Watcher

CHANNEL = "#runs"
"""Where announcements go by default, and the channel of the stand-in's webhook."""

HERE = "<!here>"
"""Whom the tasks of a Channel mention, as Slack writes it."""

bot_only = pytest.mark.parametrize("way", ["bot"], indirect=True)
either_dynamodb = pytest.mark.parametrize(
    "dynamodb", ["first", "second"], indirect=True, scope="session"
)
"""What speaks only to the table has to hold on two emulators that know nothing of each other."""

webhook_only = pytest.mark.parametrize("way", ["webhook"], indirect=True)


class Clock:
    """The time of day, which goes on when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


class Queue:
    """A FIFO queue, looked at from its receiving end."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._in_flight: dict[str, str] = {}
        self.url = url

    def receive(self, most: int = 10) -> list[dict[str, Any]]:
        """Take what is visible this moment; what is in flight keeps its group waiting."""
        answer = self._client.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=0,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        self._in_flight |= {each["MessageId"]: each["ReceiptHandle"] for each in messages}
        return messages

    def make_visible(self) -> None:
        """Let time go by until all that is in flight can be received again."""
        for handle in self._in_flight.values():
            self._client.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=handle, VisibilityTimeout=0
            )
        self._in_flight.clear()

    def drain(self) -> list[dict[str, Any]]:
        """Take all that is visible off the queue for good."""
        taken: list[dict[str, Any]] = []
        while messages := self.receive():
            for message in messages:
                self.delete(message)
            taken += messages
        return taken

    def wakes(self) -> list[Wake]:
        """Take all wakes off the queue."""
        return [parse_wake(message["Body"]) for message in self.drain()]

    def count(self) -> int:
        """How many messages it holds, those in flight included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def delete(self, message: dict[str, Any]) -> None:
        del self._in_flight[message["MessageId"]]
        self._client.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    def send(self, body: str, group: str) -> None:
        self._client.send_message(
            QueueUrl=self.url,
            MessageBody=body,
            MessageGroupId=group,
            MessageDeduplicationId=uuid.uuid4().hex,
        )


class Saw:
    """Lets Algolia show a state of a run, and looks at it."""

    def __init__(self, algolia: AlgoliaStandIn, watcher: Watcher) -> None:
        self._algolia = algolia
        self._watcher = watcher

    def __call__(
        self, status: str, outcome: str | None = None, *, run_id: str = "run-1", **more: Any
    ) -> Wake:
        """Answers the word that the queue now holds of it."""
        self._algolia.put_run(document(status, outcome, run_id=run_id, **more))
        return Wake.of(self._watcher.check(run_id, Deadline(30)).item)


class Show:
    """Lets Algolia show runs that are created, start or end this moment."""

    def __init__(self, algolia: AlgoliaStandIn, clock: Clock) -> None:
        self._algolia = algolia
        self._clock = clock
        self._created: dict[str, str] = {}

    def __call__(self, run_id: str, status: str, outcome: str | None = None, **more: Any) -> None:
        now = timestamp(self._clock.now)
        run = {
            "runID": run_id,
            "appID": "STANDIN001",
            "taskID": "task-1",
            "status": status,
            "type": "reindex",
            "createdAt": self._created.setdefault(run_id, now),
            **({"startedAt": now} if status == "started" else {}),
            **({"finishedAt": now} if status == "finished" else {}),
            **({"outcome": outcome} if outcome else {}),
            **more,
        }
        self._created[run_id] = run["createdAt"]
        self._algolia.put_run(run)


class Channel:
    """A task's runs end one after the other, and people read what they are told."""

    def __init__(
        self,
        show: Show,
        watcher: Watcher,
        notifier: Notifier,
        queue: Queue,
        clock: Clock,
        slack: SlackStandIn,
    ) -> None:
        self._show, self._watcher, self.notifier = show, watcher, notifier
        self._queue, self._clock, self._slack = queue, clock, slack

    def see(self, run_id: str, status: str, outcome: str | None = None, **more: Any) -> None:
        """Let a run come to a state and people be told of it."""
        self._clock.now += timedelta(minutes=1)
        self._show(run_id, status, outcome, **more)
        self._watcher.check(run_id, Deadline(30))
        self.tell()

    def ends(self, run_id: str, outcome: str, **more: Any) -> list[Message]:
        """Let a run start and end; what was posted of it."""
        before = len(self._slack.messages(CHANNEL))
        self.see(run_id, "started", **more)
        self.see(run_id, "finished", outcome, **more)
        return self._slack.messages(CHANNEL)[before:]

    def tell(self) -> None:
        """Deliver what is in the queue."""
        for wake in self._queue.wakes():
            self.notifier.deliver(wake)


def pings(messages: list[Message]) -> list[Message]:
    """What people are pinged by: it mentions them where the whole channel sees it."""
    return [each for each in messages if HERE in each.text and each.in_channel]


@contextmanager
def limited(slack: SlackStandIn, channel: str) -> Iterator[None]:
    """Let a bot's posts in one channel come too fast for Slack, and no others."""
    truly = slack.handle

    def answer(request: Request) -> Answer:
        if request.json().get("channel") == channel:
            refusal = {"ok": False, "error": "ratelimited"}
            return Answer.of_json(429, refusal, headers={"Retry-After": "30"})
        return truly(request)

    slack.handle = answer
    yield
    slack.handle = truly


def deeds(report: Report) -> dict[str, int]:
    """What a tick did, without what it asked for and saw."""
    asked = {"requests", "table_calls", "pending_age"}
    return {name: n for name, n in report.as_dict().items() if n and name not in asked}


def asked_of(algolia: AlgoliaStandIn) -> list[str]:
    """The lists of runs and the runs that Algolia was asked for, in that order."""
    return [
        each.path.removeprefix("/1/")
        for each in algolia.requests
        if each.path.startswith("/1/runs") and not each.path.endswith("/events")
    ]


def due_runs(store: RunStore) -> list[str]:
    """The runs that are to be looked at by now whatever a list shows."""
    return [name for kind, name in store.due("default") if kind == "run"]


def document(
    status: str, outcome: str | None = None, *, run_id: str = "run-1", **more: Any
) -> dict[str, Any]:
    """A run as Algolia writes it."""
    times = {
        "startedAt": "2026-03-02T08:59:10.000Z" if status != "created" else None,
        "finishedAt": "2026-03-02T08:59:40.000Z" if status == "finished" else None,
    }
    run = {
        "runID": run_id,
        "appID": "STANDIN001",
        "taskID": "task-1",
        "status": status,
        "type": "reindex",
        "createdAt": "2026-03-02T08:59:00.000Z",
        "outcome": outcome,
        **times,
        **more,
    }
    return {name: value for name, value in run.items() if value is not None}


def run_of(status: str, outcome: str | None = None, *, run_id: str = "run-1", **more: Any) -> Run:
    """A run as the package holds it."""
    return Run(
        run_id=run_id,
        app_id="STANDIN001",
        task_id=more.pop("task_id", "task-1"),
        status=status,
        type="reindex",
        created_at="2026-03-02T08:59:00.000Z",
        outcome=outcome,
        **more,
    )


def save(
    store: RunStore, run: Run, *, announce_in: str | None = CHANNEL, announced: bool = True
) -> RunItem:
    """Commit a state of a run as a change."""
    item = store.get("default", run.run_id)
    entry = HistoryEntry(
        number=item.last_change + 1,
        kind=kind_of_run(run),
        status=run.status,
        outcome=run.outcome,
        at=timestamp(datetime(2026, 3, 2, 9, tzinfo=UTC)),
        announced=announced,
    )
    goes_on = item.is_active and not run.is_terminal
    due_at = instant(item.due_at) if goes_on else None
    return store.commit(item, run, entry, announce_in=announce_in, due_at=due_at)


def kind_of_run(run: Run) -> str:
    """What a run's state means."""
    from runbell.changes import State

    return str(kind_of(State(run.status, run.outcome)))


@pytest.fixture(scope="session")
def second_dynamodb() -> Iterator[Any]:
    """The client of another emulator's DynamoDB, which has nothing in common with the first."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    # One request at a time: a transaction that fails puts back the table as it was before, with
    # whatever others have written meanwhile.
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, app, threaded=False)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield client_at(f"http://127.0.0.1:{server.port}", "dynamodb")
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def dynamodb(request: pytest.FixtureRequest, aws: LocalAws) -> Any:
    """DynamoDB's client: the local AWS's, unless a test asks for the second one."""
    if getattr(request, "param", "") == "second":
        return request.getfixturevalue("second_dynamodb")
    return aws.client("dynamodb")


@pytest.fixture
def table_name(dynamodb: Any) -> str:
    """A new table as the template describes it."""
    return new_table(dynamodb)


@pytest.fixture(scope="session")
def sqs(aws: LocalAws) -> Any:
    """SQS's client."""
    return aws.client("sqs")


@pytest.fixture(scope="session")
def secrets(aws: LocalAws) -> Any:
    """Secrets Manager's client."""
    return aws.client("secretsmanager")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def algolia(clock: Clock) -> Iterator[AlgoliaStandIn]:
    """A stand-in for the Ingestion API that lives by the same clock as the package's parts."""
    with AlgoliaStandIn(clock=lambda: clock.now.timestamp()) as stand_in:
        yield stand_in


@pytest.fixture
def store(table: Table, clock: Clock) -> RunStore:
    """The package's store over a new table."""
    return RunStore(table, retention=timedelta(days=30), now=clock)


@pytest.fixture
def raw(dynamodb: Any, table_name: str) -> Callable[[str], dict[str, Any]]:
    """Reads a run's item as DynamoDB holds it."""

    def read(run_id: str) -> dict[str, Any]:
        key = {"pk": {"S": f"run#default#{run_id}"}}
        answer = dynamodb.get_item(TableName=table_name, Key=key, ConsistentRead=True)
        item: dict[str, Any] = answer.get("Item", {})
        return item

    return read


@pytest.fixture
def index(dynamodb: Any, table_name: str) -> Callable[[str], list[str]]:
    """Lists the keys in an index, in its order."""

    def scan(name: str) -> list[str]:
        found = dynamodb.scan(TableName=table_name, IndexName=name)["Items"]
        return [item["pk"]["S"].removeprefix("run#default#") for item in found]

    return scan


@pytest.fixture
def queue(sqs: Any, new_queue: Callable[[], str]) -> Queue:
    """The queue that notify drains."""
    return Queue(sqs, new_queue())


@pytest.fixture
def dead_letter_queue(sqs: Any, new_queue: Callable[[], str]) -> Queue:
    """The queue of what can never be delivered."""
    return Queue(sqs, new_queue())


@pytest.fixture
def outbox(sqs: Any, queue: Queue) -> Outbox:
    return Outbox(sqs, queue.url)


@pytest.fixture
def dead_letters(sqs: Any, dead_letter_queue: Queue) -> DeadLetters:
    return DeadLetters(sqs, dead_letter_queue.url)


@pytest.fixture
def new_secret(secrets: Any) -> Callable[[object], str]:
    """Makes secrets; answers the ARN of each."""

    def make(value: object) -> str:
        answer = secrets.create_secret(
            Name=f"runbell-{uuid.uuid4().hex}", SecretString=json.dumps(value)
        )
        return str(answer["ARN"])

    return make


@pytest.fixture
def routing() -> Routing:
    """The deployment's default: everything goes to one channel."""
    return Routing(channel=CHANNEL, notify_on=frozenset(NOTIFIABLE))


@pytest.fixture
def client(
    secrets: Any, new_secret: Callable[[object], str], algolia: AlgoliaStandIn
) -> Iterator[IngestionClient]:
    """The package's client of the stand-in for Algolia; it does not sleep between attempts."""
    arn = new_secret({"app_id": algolia.app_id, "api_key": algolia.api_key, "region": "us"})
    with Session() as session:
        yield IngestionClient(
            Secret(secrets, arn, parse_algolia),
            session,
            base_url=algolia.url,
            sleep=lambda _: None,
        )


@pytest.fixture
def table(dynamodb: Any, table_name: str) -> Table:
    return Table(dynamodb, table_name)


@pytest.fixture
def tasks(table: Table, clock: Clock) -> TaskStore:
    return TaskStore(table, retention=timedelta(days=30), now=clock)


@pytest.fixture
def listings(table: Table) -> Listings:
    return Listings(table)


@pytest.fixture
def discover() -> str:
    """Which runs the deployment wants to hear of; tests of discovery say `all`."""
    return "watched"


@pytest.fixture
def connections(table: Table, clock: Clock, discover: str) -> ConnectionStore:
    return ConnectionStore(table, discover=discover, now=clock)


Rebuild: TypeAlias = Callable[..., Watcher]
"""Makes watchers, each with some part of its own."""


@pytest.fixture
def rebuild(
    connections: ConnectionStore,
    client: IngestionClient,
    store: RunStore,
    tasks: TaskStore,
    outbox: Outbox,
    routing: Routing,
    table: Table,
    clock: Clock,
) -> Rebuild:
    usual: dict[str, Any] = {"client": client, "store": store, "tasks": tasks}
    usual |= {"outbox": outbox, "routing": routing, "table": table, "ahead": None}

    def make(name: str = "default", **parts: Any) -> Watcher:
        client, store, tasks, outbox, routing, table, ahead = (usual | parts).values()
        background = Background(client, tasks, now=clock)

        def open_checker(connection: Connection) -> Checker:
            return Checker(connection, client, store, outbox, background, routing, now=clock)

        def open_duties(checker: Checker) -> dict[str, Duty]:
            reporter = Reporter(checker, store, tasks, table, now=clock)
            return {
                "task": Timekeeper(checker, store, tasks, now=clock).look,
                "summary": reporter.summarise,
                "digest": reporter.make_digest,
            }

        return Watcher(
            name,
            connections,
            store,
            Sweeper(name, store, outbox, now=clock),
            open_checker,
            open_duties,
            table,
            ahead=ahead,
            now=clock,
        )

    return make


@pytest.fixture
def digest(
    connections: ConnectionStore,
    client: IngestionClient,
    store: RunStore,
    tasks: TaskStore,
    outbox: Outbox,
    routing: Routing,
    table: Table,
    clock: Clock,
) -> Callable[..., int]:
    """Asks for the digest, as the event of its schedule does."""

    def ask(at: datetime | None = None, **parts: Any) -> int:
        background = Background(client, tasks, now=clock)
        connection = connections.get("default")
        checker = Checker(connection, client, store, outbox, background, routing, now=clock)
        usual: dict[str, Any] = {"store": store, "tasks": tasks, "table": table} | parts
        return Reporter(checker, **usual, now=clock).digest(Deadline(30), at)

    return ask


@pytest.fixture
def sweeper(store: RunStore, outbox: Outbox, clock: Clock) -> Sweeper:
    return Sweeper("default", store, outbox, now=clock)


@pytest.fixture
def watcher(rebuild: Rebuild) -> Watcher:
    return rebuild()


Look: TypeAlias = Callable[..., Check]
"""Lets Algolia show a state of a run, and looks at it."""


@pytest.fixture
def look(watcher: Watcher, algolia: AlgoliaStandIn) -> Look:
    def see(status: str, outcome: str | None = None, **more: Any) -> Check:
        run = document(status, outcome, **more)
        algolia.put_run(run)
        return watcher.check(run["runID"], Deadline(30))

    return see


@pytest.fixture
def saw(algolia: AlgoliaStandIn, watcher: Watcher) -> Saw:
    return Saw(algolia, watcher)


@pytest.fixture
def show(algolia: AlgoliaStandIn, clock: Clock) -> Show:
    return Show(algolia, clock)


Told: TypeAlias = Callable[[str], list[str]]
"""The kinds of change that were announced of a run."""


@pytest.fixture
def told(store: RunStore) -> Told:

    def of(run_id: str) -> list[str]:
        history = store.get("default", run_id).history
        return [entry.kind for entry in history if entry.announced]

    return of


@pytest.fixture
def slack(slack: SlackStandIn) -> Iterator[SlackStandIn]:
    """The stand-in for Slack, which has to take the form of whatever Runbell sends it.

    What is of another form than Slack's block types, or beyond its limits, would go out as plain
    text and hardly be noticed. Refusals that a test puts in its way are none of these.
    """
    yield slack
    refused = [call for call in slack.calls if "invalid_blocks" in str(call.answer)]
    assert refused == []


@pytest.fixture(params=["bot", "webhook"])
def way(request: pytest.FixtureRequest) -> str:
    """Into Slack: as a bot, or through an incoming webhook."""
    return str(request.param)


@pytest.fixture
def refuse(slack: SlackStandIn, way: str) -> Callable[..., None]:
    """Lets Slack refuse what comes next with a word, in the form that the way into it knows."""
    truly = slack.handle

    def instead(word: str, *, status: int = 400, times: int = 1) -> None:
        left = [word] * times

        def answer(request: Request) -> Answer:
            if not left:
                return truly(request)
            left.pop()
            if way == "bot":
                return Answer.of_json(200, {"ok": False, "error": word})
            return Answer(status, word.encode(), "text/plain")

        slack.handle = answer

    return instead


@pytest.fixture
def slack_secret(way: str, new_secret: Callable[[object], str], slack: SlackStandIn) -> str:
    """The ARN of the secret SLACK."""
    return new_secret(
        {"bot_token": "xoxb-stand-in"} if way == "bot" else {"webhook_url": slack.webhook_url}
    )


@pytest.fixture
def slack_access(secrets: Any, slack_secret: str, slack: SlackStandIn) -> SlackAccess:
    """The way into the stand-in for Slack; every refusal reads the secret anew."""
    ticks = iter(range(0, 1_000_000, 6))  # seconds, longer apart than a secret settles
    secret = Secret(secrets, slack_secret, parse_slack, clock=lambda: float(next(ticks)))
    return SlackAccess(secret, slack.url)


@pytest.fixture
def closed_channels(table: Table, clock: Clock) -> ClosedChannels:
    return ClosedChannels(table, now=clock)


@pytest.fixture
def notifier(
    store: RunStore,
    closed_channels: ClosedChannels,
    slack_access: SlackAccess,
    dead_letters: DeadLetters,
    clock: Clock,
) -> Notifier:
    return Notifier(store, closed_channels, slack_access, dead_letters, now=clock)


@pytest.fixture
def channel(
    show: Show,
    watcher: Watcher,
    notifier: Notifier,
    queue: Queue,
    clock: Clock,
    slack: SlackStandIn,
    tasks: TaskStore,
) -> Channel:
    tasks.put_watch("default", "task-1", Watch(mentions=("here",)))
    return Channel(show, watcher, notifier, queue, clock, slack)


@pytest.fixture
def inbox(sqs: Any, queue: Queue, notifier: Notifier, dead_letters: DeadLetters) -> Inbox:
    return Inbox(sqs, queue.url, notifier, dead_letters)


@pytest.fixture
def requests_made(dynamodb: Any, sqs: Any) -> Iterator[list[str]]:
    """The operations that DynamoDB and SQS are asked for from now on."""
    asked: list[str] = []

    def note(model: Any, **_: Any) -> None:
        asked.append(model.name)

    services = (dynamodb, sqs)
    for service in services:
        service.meta.events.register("before-call", note)
    yield asked
    for service in services:
        service.meta.events.unregister("before-call", note)
