"""Every sample in events/ is run by its function, so that none goes stale."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from slack_sdk.signature import SignatureVerifier

from local.algolia import AlgoliaStandIn
from local.aws import ROOT, LocalAws
from local.faults import Fault
from local.slack import SlackStandIn
from runbell import assembly
from runbell.errors import NotKnownError
from runbell.items import NoteKind
from runbell.rules import Watch
from runbell.run import timestamp
from tests.functions.conftest import SIGNING_SECRET

Handlers = Callable[[str], Callable[[dict[str, Any]], Any]]

EVENTS = ROOT / "events"
RUN_ID = "6c02aeb1-775e-418e-870b-1faccd4b2c0f"
RUN = {
    "runID": RUN_ID,
    "taskID": "a-task",
    "status": "created",
    "type": "reindex",
    "createdAt": "2026-01-31T09:00:00Z",
}

QUIET_TICK = {
    "checked": 0,
    "changed": 0,
    "enqueued": 0,
    "stale": 0,
    "failed": 0,
    "skipped": 0,
    "requests": 1,
    "pending_age": 0,
}


def counts(report: dict[str, int]) -> dict[str, int]:
    """A tick's report without what it asked of the table."""
    return {name: count for name, count in report.items() if name != "table_calls"}


def event(name: str) -> dict[str, Any]:
    """Read a sample."""
    document: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    return document


@pytest.fixture(autouse=True)
def run(algolia: AlgoliaStandIn) -> None:
    """The run of the samples, as Algolia would answer it."""
    algolia.put_run({**RUN, "appID": algolia.app_id})


def test_a_schedule_finds_nothing_to_do_at_first(handlers: Handlers) -> None:
    """A quiet tick asks Algolia for one list."""
    assert counts(handlers("poll")(event("schedule"))) == QUIET_TICK


def test_a_schedule_of_another_connection_looks_at_its_runs(
    handlers: Handlers, connection_secret: Callable[[str], None]
) -> None:
    """Made by the sample that puts it; before that there is nothing to look at."""
    with pytest.raises(NotKnownError, match="emea"):
        handlers("poll")(event("schedule-of-connection"))
    connection_secret("emea")
    answer = handlers("api")(event("http-put-connection"))
    assert answer["statusCode"] == 200, answer
    assert counts(handlers("poll")(event("schedule-of-connection"))) == QUIET_TICK


def test_a_schedule_looks_at_the_runs_it_names(handlers: Handlers) -> None:
    """One change, one word on the queue; beside the run, its task's names are asked for."""
    report = counts(handlers("poll")(event("schedule-with-run-ids")))
    assert report.pop("requests") > 0
    quiet = {name: count for name, count in QUIET_TICK.items() if name != "requests"}
    assert report == {**quiet, "checked": 1, "changed": 1, "enqueued": 1}


def test_a_schedule_of_the_digest_has_it_made_once(
    handlers: Handlers, slack: SlackStandIn, environment: dict[str, str]
) -> None:
    """And told the way of all announcements."""
    poll = handlers("poll")
    assert [poll(event("schedule-of-digest")) for _ in range(2)] == [{"made": 1}, {"made": 0}]
    sqs = boto3.client("sqs")
    received = sqs.receive_message(QueueUrl=environment["QUEUE_URL"])["Messages"]
    batch = event("queue-batch")
    [record] = [{**batch["Records"][0], "body": each["Body"]} for each in received]
    assert handlers("notify")({"Records": [record]}) == {"batchItemFailures": []}
    [message] = slack.messages("#runs")
    assert "The last 24 hours" in message.text


@pytest.fixture
def comeback_queue(aws: LocalAws, environment: dict[str, str]) -> str:
    """The queue by which poll comes back, as FastPolling sets it."""
    made = aws.client("sqs").create_queue(QueueName=f"comeback-{uuid.uuid4().hex}")
    environment["COMEBACK_QUEUE_URL"] = made["QueueUrl"]
    return str(made["QueueUrl"])


def waited_for() -> dict[str, Any]:
    """The word that the connection waits for, as its queue hands it over."""
    batch, moment = event("comeback"), assembly.connections().get("default").scan.comeback
    batch["Records"][0]["body"] = json.dumps({"connection": "default", "comeback": moment})
    return batch


def test_a_word_of_its_own_makes_poll_look_ahead(
    comeback_queue: str, handlers: Handlers, algolia: AlgoliaStandIn
) -> None:
    """As it stands nobody waits for it any more; one that is waited for is a look."""
    poll = handlers("poll")
    assembly.tasks().put_watch("default", "a-task", Watch())
    now = datetime.now(UTC)
    algolia.put_run({**RUN, "appID": algolia.app_id, "createdAt": timestamp(now)})
    assert poll(event("schedule"))["changed"] == 1
    asked = len(algolia.requests)
    assert poll(event("comeback")) == {**QUIET_TICK, "requests": 0, "table_calls": 1}
    assert len(algolia.requests) == asked

    assert counts(poll(waited_for())) == QUIET_TICK

    sent = boto3.client("sqs").get_queue_attributes(
        QueueUrl=comeback_queue, AttributeNames=["ApproximateNumberOfMessagesDelayed"]
    )
    assert sent["Attributes"]["ApproximateNumberOfMessagesDelayed"] == "2"


def test_a_look_ahead_that_fails_is_no_error_of_poll(
    comeback_queue: str, handlers: Handlers, algolia: AlgoliaStandIn
) -> None:
    """It is counted, and left to the next tick."""
    poll = handlers("poll")
    assembly.tasks().put_watch("default", "a-task", Watch())
    now = timestamp(datetime.now(UTC))
    algolia.put_run({**RUN, "appID": algolia.app_id, "createdAt": now})
    poll(event("schedule"))
    algolia.faults.add(Fault("status", status=429), path="/1/runs")
    word = waited_for()
    assert counts(poll(word)) == {**QUIET_TICK, "requests": 0, "failed": 1}
    assert counts(poll(word)) == {**QUIET_TICK, "requests": 0}


@pytest.mark.parametrize(
    ("name", "status", "member"),
    [
        ("http-put-task-watch", 200, "since"),
        ("http-put-watches-yaml", 200, "added"),
        ("http-put-connection", 400, "where"),
        ("http-check-run", 200, "change"),
        ("http-put-watch", 200, "since"),
        ("http-put-watch-base64", 200, "since"),
        ("http-list-runs", 200, "runs"),
        ("http-get-run", 404, "message"),
        ("http-health", 200, "version"),
        ("http-unauthorized", 401, "message"),
    ],
)
def test_an_http_call_is_answered(handlers: Handlers, name: str, status: int, member: str) -> None:
    """Each sample call leads to the answer that the contract names."""
    answer = handlers("api")(event(name))
    assert answer["statusCode"] == status, answer
    assert member in json.loads(answer["body"])


def test_a_call_without_the_token_leaves_no_trace(
    handlers: Handlers, algolia: AlgoliaStandIn
) -> None:
    """Nothing is fetched for somebody who doesn't belong."""
    handlers("api")(event("http-unauthorized"))
    assert not algolia.requests


def test_a_check_makes_the_run_known(handlers: Handlers) -> None:
    """What the check saw is what the API tells afterwards."""
    api = handlers("api")
    api(event("http-check-run"))
    answer = api(event("http-get-run"))
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["run"]["status"] == "created"


def test_a_queue_batch_brings_slack_up_to_date(handlers: Handlers, slack: SlackStandIn) -> None:
    """Of its two runs the one that is known is told; the other has nothing to be told."""
    handlers("poll")(event("schedule-with-run-ids"))
    batch = event("queue-batch")
    assert handlers("notify")(batch) == {"batchItemFailures": []}
    told = [call.arguments["metadata"]["event_payload"]["run_id"] for call in slack.calls]
    assert told == [RUN_ID]
    handlers("notify")(batch)
    assert len(slack.calls) == 1, "the same batch again says nothing new"


def test_a_queue_batch_comes_again_while_slack_is_away(
    handlers: Handlers, slack: SlackStandIn, environment: dict[str, str]
) -> None:
    """The message goes back to the queue, and nothing else does."""
    handlers("poll")(event("schedule-with-run-ids"))
    sqs = boto3.client("sqs")
    received = sqs.receive_message(QueueUrl=environment["QUEUE_URL"])["Messages"][0]
    batch = event("queue-batch")
    batch["Records"][0] |= {"body": received["Body"], "receiptHandle": received["ReceiptHandle"]}
    slack.faults.add(Fault("status", status=503), path="chat.postMessage")
    answer = handlers("notify")(batch)
    assert answer == {"batchItemFailures": [{"itemIdentifier": batch["Records"][0]["messageId"]}]}


def test_a_press_of_a_button_is_noted(handlers: Handlers) -> None:
    """As it stands it is taken for a replay, and signed at this moment for what it is."""
    handlers("poll")(event("schedule-with-run-ids"))
    press, interact = event("slack-interaction"), handlers("interact")
    refused = interact(press)
    assert refused["statusCode"] == 401
    assert "five minutes" in json.loads(refused["body"])["message"]

    body, signer = base64.b64decode(press["body"]), SignatureVerifier(SIGNING_SECRET)
    at = press["headers"]["x-slack-request-timestamp"]
    signature = signer.generate_signature(timestamp=at, body=body)
    assert signature == press["headers"]["x-slack-signature"], "it was signed well at its time"
    at = str(int(time.time()))
    signature = signer.generate_signature(timestamp=at, body=body)
    press["headers"] |= {"x-slack-request-timestamp": at, "x-slack-signature": signature}
    assert interact(press) == {"statusCode": 200, "body": ""}
    notes = assembly.store().get("default", RUN_ID).notes
    assert [(note.kind, note.by) for note in notes] == [(NoteKind.CLAIMED, "U0123456789")]


def test_no_sample_is_left_out() -> None:
    """A new sample needs a test here."""
    text = (ROOT / "tests" / "functions" / "test_events.py").read_text("utf-8")
    for path in EVENTS.glob("*.json"):
        assert f'"{path.stem}"' in text, f"no test runs {path.name}"
