"""A release that was rolled back: what a later one has written is refused, kept, and told later."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from slack_sdk.signature import SignatureVerifier

from local.algolia import AlgoliaStandIn
from local.slack import SlackStandIn
from runbell import assembly
from runbell.errors import NewerItemError
from runbell.outbox import Wake, parse_wake
from runbell.rules import Watch
from runbell.run import timestamp
from runbell.schema import SCHEMA
from runbell.table import Table
from tests.functions.conftest import SIGNING_SECRET, TOKEN

Handlers = Callable[[str], Callable[[dict[str, Any]], Any]]

RUN, OTHER = "run-of-the-later-release", "run-of-ours"
TICK = {"connection": "default"}


class Releases:
    """Has items written by a later release, and deploys it again.

    An item is a later release's by its number alone: what else such a release would write does not
    matter here, since nobody may look at it.
    """

    def __init__(self, table_name: str) -> None:
        self._client = boto3.client("dynamodb")
        self._name = table_name

    def write(self, pk: str, schema: int = SCHEMA + 1) -> None:
        Table(self._client, self._name, schema=schema).update(pk)

    def roll_forward(self) -> None:
        """Deploy the later release again: what it has written is known from now on."""
        for pk in self.items():
            self._client.update_item(
                TableName=self._name,
                Key={"pk": {"S": pk}},
                UpdateExpression="SET #schema = :schema",
                ExpressionAttributeNames={"#schema": "schema"},
                ExpressionAttributeValues={":schema": {"N": str(SCHEMA)}},
            )

    def items(self) -> dict[str, Any]:
        found = self._client.scan(TableName=self._name, ConsistentRead=True)["Items"]
        return {item["pk"]["S"]: item for item in found}


@pytest.fixture
def releases(handlers: Handlers, environment: dict[str, str]) -> Releases:
    return Releases(environment["TABLE_NAME"])


@pytest.fixture
def deliver(handlers: Handlers, environment: dict[str, str]) -> Callable[[], list[str]]:
    """Hands notify what is in the queue, as Lambda does; answers the runs that went back."""
    sqs, url = boto3.client("sqs"), environment["QUEUE_URL"]
    notify = handlers("notify")

    def drain() -> list[str]:
        back: list[str] = []
        while messages := sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]
        ).get("Messages", []):
            records = [
                {
                    "messageId": message["MessageId"],
                    "receiptHandle": message["ReceiptHandle"],
                    "body": message["Body"],
                    "attributes": message["Attributes"],
                    "eventSource": "aws:sqs",
                }
                for message in messages
            ]
            failed = notify({"Records": records})["batchItemFailures"]
            kept = {failure["itemIdentifier"] for failure in failed}
            for message in messages:
                if message["MessageId"] in kept:
                    back.append(json.loads(message["Body"])["runID"])
                else:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return back

    return drain


def show(algolia: AlgoliaStandIn, run_id: str, status: str, outcome: str | None = None) -> None:
    """Let Algolia show a run that is created this moment."""
    run = {
        "runID": run_id,
        "appID": algolia.app_id,
        "taskID": f"task-of-{run_id}",
        "type": "reindex",
        "createdAt": timestamp(datetime.now(UTC)),
        "status": status,
    }
    algolia.put_run(run | ({"outcome": outcome} if outcome else {}))


def told(slack: SlackStandIn) -> list[str]:
    """The runs that people were told of, message by message."""
    messages = (each.metadata for each in slack.messages("#runs"))
    return [each["event_payload"]["run_id"] for each in messages if each]


def http(method: str, path: str, body: str = "", **headers: str) -> dict[str, Any]:
    """A request as API Gateway hands it to a function."""
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"authorization": f"Bearer {TOKEN}", **headers},
        "requestContext": {"http": {"method": method, "path": path}, "stage": "$default"},
        "body": body,
        "isBase64Encoded": False,
    }


def press(run_id: str) -> dict[str, Any]:
    """A press of “I'm on it”, signed by Slack."""
    payload = {
        "type": "block_actions",
        "user": {"id": "U0ANNA1"},
        "channel": {"id": "C00000001"},
        "message": {"ts": "1.1"},
        "actions": [{"action_id": "claim", "block_id": f"runbell default {run_id}"}],
    }
    body, now = urlencode({"payload": json.dumps(payload)}), str(int(time.time()))
    signature = SignatureVerifier(SIGNING_SECRET).generate_signature(timestamp=now, body=body)
    signed = {"x-slack-request-timestamp": now, "x-slack-signature": str(signature)}
    request = http("POST", "/slack/interactions", **signed)
    return {**request, "body": base64.b64encode(body.encode()).decode(), "isBase64Encoded": True}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"/runs/{RUN}", ""),
        ("POST", f"/runs/{RUN}/check", ""),
        ("PUT", f"/watches/runs/{RUN}", "{}"),
        ("DELETE", f"/watches/runs/{RUN}", ""),
        ("GET", f"/tasks/task-of-{RUN}", ""),
        ("PUT", f"/watches/tasks/task-of-{RUN}", "{}"),
        ("DELETE", "/connections/shop", ""),
        ("GET", "/connections/shop", ""),
    ],
)
def test_a_call_about_what_a_later_release_has_written_says_so_and_changes_nothing(
    handlers: Handlers,
    releases: Releases,
    algolia: AlgoliaStandIn,
    method: str,
    path: str,
    body: str,
) -> None:
    show(algolia, RUN, "started")
    for pk in (f"run#default#{RUN}", f"task#default#task-of-{RUN}", "connection#shop"):
        releases.write(pk)
    before = releases.items()

    answer = handlers("api")(http(method, path, body, **{"content-type": "application/json"}))

    said = json.loads(answer["body"])
    assert (answer["statusCode"], said["error"]) == (503, "later_release")
    assert "deploy that release again" in said["message"]
    assert releases.items() == before


def test_a_connection_of_a_later_release_keeps_its_schedule(
    handlers: Handlers, releases: Releases, connection_secret: Callable[[str], None]
) -> None:
    api, kind = handlers("api"), {"content-type": "application/json"}
    connection_secret("shop")
    assert api(http("PUT", "/connections/shop", "{}", **kind))["statusCode"] == 200
    releases.write("connection#shop")

    assert api(http("DELETE", "/connections/shop", **kind))["statusCode"] == 503

    schedules = boto3.client("scheduler").list_schedules()["Schedules"]
    assert "shop" in [schedule["Name"] for schedule in schedules]


def test_a_press_on_what_a_later_release_has_written_is_refused(
    handlers: Handlers, releases: Releases
) -> None:
    releases.write(f"run#default#{RUN}")
    before = releases.items()

    answer = handlers("interact")(press(RUN))

    assert (answer["statusCode"], json.loads(answer["body"])["error"]) == (503, "later_release")
    assert releases.items() == before


def test_a_tick_of_a_connection_that_a_later_release_has_looked_at_is_refused(
    handlers: Handlers, releases: Releases, algolia: AlgoliaStandIn
) -> None:
    show(algolia, RUN, "started")
    releases.write("connection#default")
    before = releases.items()

    with pytest.raises(NewerItemError, match=r"connection#default.*deploy that release again"):
        handlers("poll")(TICK)

    assert releases.items() == before
    assert algolia.requests == []


def test_a_run_that_was_refused_is_looked_at_again_once_the_later_release_is_back(
    handlers: Handlers, releases: Releases, algolia: AlgoliaStandIn
) -> None:
    """A tick remembers what of the list it has looked at; what it was refused is not among that."""
    poll = handlers("poll")
    assembly.tasks().put_watch("default", f"task-of-{RUN}", Watch())
    poll(TICK)
    assembly.store().put_watch("default", RUN, Watch())
    releases.write(f"run#default#{RUN}")
    show(algolia, RUN, "started")
    assert poll(TICK)["failed"] == 1

    releases.roll_forward()

    assert poll(TICK)["changed"] == 1


def test_what_a_later_release_has_pending_is_left_to_it_and_told_once_it_is_back(
    handlers: Handlers,
    releases: Releases,
    algolia: AlgoliaStandIn,
    slack: SlackStandIn,
    environment: dict[str, str],
    deliver: Callable[[], list[str]],
) -> None:
    """The other runs of the channel go on meanwhile, the ones behind it in the queue too."""
    boto3.client("sqs").set_queue_attributes(
        QueueUrl=environment["QUEUE_URL"], Attributes={"VisibilityTimeout": "0"}
    )
    poll = handlers("poll")
    show(algolia, RUN, "started")
    poll({**TICK, "runIDs": [RUN]})
    releases.write(f"run#default#{RUN}")
    written = releases.items()[f"run#default#{RUN}"]
    show(algolia, OTHER, "started")

    report = poll({**TICK, "runIDs": [RUN, OTHER]})
    assert (report["changed"], report["failed"]) == (1, 1)
    assert deliver() == []
    assert told(slack) == [OTHER]
    assert releases.items()[f"run#default#{RUN}"] == written

    releases.roll_forward()
    for _ in range(2):
        poll({**TICK, "runIDs": []})
        assert deliver() == []
    assert told(slack) == [OTHER, RUN]
    assert list(assembly.store().pending("default")) == []


def test_a_dead_letter_about_what_a_later_release_has_written_is_laid_away_again(
    handlers: Handlers,
    releases: Releases,
    environment: dict[str, str],
    deliver: Callable[[], list[str]],
) -> None:
    releases.write(f"run#default#{RUN}")
    letter = Wake("default", RUN, 1, "#runs", again=True)
    sqs = boto3.client("sqs")
    sqs.send_message(
        QueueUrl=environment["QUEUE_URL"],
        MessageBody=letter.body(),
        MessageGroupId="#runs",
        MessageDeduplicationId="1",
    )

    assert deliver() == []

    [kept] = sqs.receive_message(QueueUrl=environment["DEAD_LETTER_QUEUE_URL"])["Messages"]
    assert parse_wake(kept["Body"]) == letter
