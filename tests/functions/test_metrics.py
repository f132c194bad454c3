"""What the real handlers write for CloudWatch, read from their output."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from local.algolia import AlgoliaStandIn
from local.faults import Fault
from local.metrics import Measured, read_metrics
from local.slack import SlackStandIn
from runbell.errors import AlgoliaCredentialError, StoreUnavailableError
from runbell.metering import meter
from runbell.notifier import Notifier
from runbell.run import timestamp
from tests.functions.conftest import TOKEN

RUN_ID = "6c02aeb1-775e-418e-870b-1faccd4b2c0f"

Written = dict[str, list[float]]
"""The values of metrics by their names."""


class Metered:
    """The functions, one after the other, and what each writes of itself."""

    def __init__(
        self,
        handlers: Callable[[str], Callable[[dict[str, Any]], Any]],
        environment: dict[str, str],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self._handlers = handlers
        self._environment = environment
        self._capsys = capsys

    def poll(self, **event: Any) -> Written:
        """A tick; with run_ids, of those."""
        return self.invoke("poll", {"connection": "default", **event})

    def look(self) -> Written:
        """A tick that looks at the one run."""
        return self.poll(runIDs=[RUN_ID])

    def check(self) -> Written:
        """A call that looks at the one run."""
        path = f"/runs/{RUN_ID}/check"
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"authorization": f"Bearer {TOKEN}"},
            "requestContext": {"http": {"method": "POST", "path": path}, "stage": "$default"},
            "isBase64Encoded": False,
        }
        return self.invoke("api", event)

    def notify(self) -> Written:
        """All that is in the queue, delivered as far as Slack takes it."""
        sqs = boto3.client("sqs")
        received = sqs.receive_message(
            QueueUrl=self._environment["QUEUE_URL"],
            MaxNumberOfMessages=10,
            AttributeNames=["All"],
        )["Messages"]
        records = [
            {
                "messageId": each["MessageId"],
                "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
                "attributes": each["Attributes"],
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:queue.fifo",
                "awsRegion": "us-east-1",
            }
            for each in received
        ]
        written = self.invoke("notify", {"Records": records})
        for each in received:
            sqs.delete_message(
                QueueUrl=self._environment["QUEUE_URL"], ReceiptHandle=each["ReceiptHandle"]
            )
        return written

    def invoke(self, function: str, event: dict[str, Any]) -> Written:
        """What a function writes of itself; what it answers is for other tests."""
        handler = self._handlers(function)
        self._capsys.readouterr()
        handler(event)
        return self.written()

    def written(self) -> Written:
        """What was written since the last time."""
        return {each.name: each.values for each in self.measured()}

    def measured(self) -> list[Measured]:
        """The same, with all about it."""
        return list(read_metrics(self._capsys.readouterr().out.splitlines()))


@pytest.fixture
def metered(
    handlers: Callable[[str], Callable[[dict[str, Any]], Any]],
    environment: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Metered:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "a-stack")
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
    meter.flush()
    return Metered(handlers, environment, capsys)


@pytest.fixture
def show(algolia: AlgoliaStandIn) -> Callable[..., None]:
    """Lets Algolia show the one run in a state."""

    def put(status: str, outcome: str | None = None, **more: Any) -> None:
        run = {
            "runID": RUN_ID,
            "appID": algolia.app_id,
            "taskID": "a-task",
            "status": status,
            "type": "reindex",
            "createdAt": ago(minutes=5),
            **({"outcome": outcome} if outcome else {}),
            **more,
        }
        algolia.put_run(run)

    return put


def ago(**time: float) -> str:
    """A moment as Algolia writes it."""
    return timestamp(datetime.now(UTC) - timedelta(**time))


def test_a_quiet_tick_writes_one_line(
    metered: Metered, capsys: pytest.CaptureFixture[str], handlers: Callable[[str], Any]
) -> None:
    """It has come to its end, has asked Algolia once, and has found nothing waiting."""
    handlers("poll")({"connection": "default"})
    lines = [line for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    [line] = lines
    measured = list(read_metrics([line]))
    assert {each.name: each.values for each in measured} == {
        "Ticks": [1],
        "Requests": [1],
        "PendingAge": [0],
    }
    assert {each.namespace for each in measured} == {"Runbell"}
    assert all(each.dimensions == {"service": "a-stack"} for each in measured)


def test_the_news_of_a_runs_end_is_counted_and_timed(
    metered: Metered, show: Callable[..., None]
) -> None:
    """From the moment that Algolia has for its end."""
    show("started", startedAt=ago(minutes=3))
    assert metered.look()["Changes"] == [1]
    assert metered.notify() == {"Announcements": [1]}
    show("finished", "success", startedAt=ago(minutes=3), finishedAt=ago(seconds=90))
    assert metered.look()["Changes"] == [1]
    written = metered.notify()
    assert written.keys() == {"Announcements", "Lag"}
    [lag] = written["Lag"]
    assert 90 <= lag < 120


def test_what_was_told_is_not_counted_again(metered: Metered, show: Callable[..., None]) -> None:
    show("started")
    metered.look()
    metered.notify()
    assert "Changes" not in metered.look()


def test_a_call_that_checks_a_run_counts_too(
    metered: Metered, show: Callable[..., None], algolia: AlgoliaStandIn
) -> None:
    show("started")
    written = metered.check()
    assert written["Changes"] == [1]
    assert written["Requests"] == [len(algolia.requests)]
    assert "Ticks" not in written


def test_a_read_that_came_late_is_counted(metered: Metered, show: Callable[..., None]) -> None:
    show("started")
    metered.look()
    show("created")
    assert metered.check()["StaleReads"] == [1]


def test_a_tick_tells_how_long_the_oldest_has_waited(
    metered: Metered, show: Callable[..., None], environment: dict[str, str]
) -> None:
    show("started")
    metered.look()
    boto3.client("dynamodb").update_item(
        TableName=environment["TABLE_NAME"],
        Key={"pk": {"S": f"run#default#{RUN_ID}"}},
        UpdateExpression="SET pending_since = :then",
        ExpressionAttributeValues={":then": {"S": ago(minutes=11)}},
    )
    [age] = metered.poll()["PendingAge"]
    assert 660 <= age < 720


def test_a_tick_that_can_not_read_the_list_is_none(
    metered: Metered, algolia: AlgoliaStandIn
) -> None:
    """Although it raises nothing and does what else there is to do."""
    algolia.faults.add(Fault("status", status=400), path="sort=updatedAt")
    written = metered.poll()
    assert "Ticks" not in written
    assert written["AlgoliaRefusedError"] == [1]
    assert written["PendingAge"] == [0]


def test_a_tick_that_can_read_a_part_of_the_list_is_none(
    metered: Metered, algolia: AlgoliaStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCOVER", "all")
    for number in range(150):
        run = {"runID": f"run-{number}", "appID": algolia.app_id, "taskID": "a-task"}
        run |= {"type": "reindex", "status": "created", "createdAt": ago(minutes=5)}
        algolia.put_run(run)
    algolia.faults.add(Fault("status", status=400), path="page=2", times=9)
    assert "Ticks" not in metered.poll()


def test_a_digest_is_no_tick(metered: Metered) -> None:
    """Or it would hide that no tick comes."""
    assert "Ticks" not in metered.poll(digest=True, at=ago(minutes=0))


def test_a_key_that_algolia_refuses_is_counted_though_the_tick_fails(
    metered: Metered, algolia: AlgoliaStandIn
) -> None:
    algolia.rotate_key("another")
    with pytest.raises(AlgoliaCredentialError):
        metered.poll()
    written = metered.written()
    assert written["AlgoliaCredentialError"] == [1]
    assert written["PendingAge"] == [0], "what waits is known although the tick has failed"
    assert "Ticks" not in written


def test_a_key_that_algolia_refuses_is_counted_where_somebody_waits(
    metered: Metered, algolia: AlgoliaStandIn, show: Callable[..., None]
) -> None:
    show("started")
    algolia.rotate_key("another")
    assert metered.check()["AlgoliaCredentialError"] == [1]


def test_a_run_that_does_not_exist_is_a_failure_of_a_tick_and_of_no_call(metered: Metered) -> None:
    """A caller may have mistyped it."""
    assert metered.look()["RunNotFoundError"] == [1]
    assert "RunNotFoundError" not in metered.check()


@pytest.mark.parametrize(
    ("word", "failure"),
    [
        ("ratelimited", "SlackLaterError"),
        ("internal_error", "SlackAmbiguousError"),
        ("invalid_auth", "SlackCredentialError"),
        ("is_archived", "SlackDestinationError"),
        ("invalid_blocks", "SlackPayloadError"),
    ],
)
def test_a_refusal_of_slacks_is_counted_by_its_class(
    metered: Metered, show: Callable[..., None], slack: SlackStandIn, word: str, failure: str
) -> None:
    show("started")
    metered.look()
    slack.faults.add(Fault("error", error=word), path="chat.postMessage")
    assert metered.notify()[failure] == [1]


def test_a_message_that_can_not_be_edited_is_counted(
    metered: Metered, show: Callable[..., None], slack: SlackStandIn
) -> None:
    """And its news, which is posted anew."""
    show("created")
    metered.look()
    metered.notify()
    show("started")
    metered.look()
    slack.faults.add(Fault("error", error="message_not_found"), path="chat.update")
    assert metered.notify() == {"SlackUpdateError": [1], "Announcements": [1]}


def test_a_queue_out_of_reach_is_counted(
    metered: Metered, show: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUEUE_URL", "http://127.0.0.1:9/000000000000/gone.fifo")
    show("started")
    written = metered.look()
    assert written["Changes"] == [1]
    assert {"QueueUnavailableError", "QueueRefusedError"} & written.keys()


def test_a_table_out_of_reach_is_counted_though_the_tick_fails(
    metered: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TABLE_NAME", "there-is-none")
    with pytest.raises(StoreUnavailableError) as raised:
        metered.poll()
    assert metered.written() == {type(raised.value).__name__: [1]}


def test_a_bug_is_counted(
    metered: Metered, show: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def divide(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    show("started")
    metered.look()
    monkeypatch.setattr(Notifier, "deliver", divide)
    assert metered.notify() == {"UnforeseenError": [1]}


def test_a_press_that_can_not_be_taken_is_counted(
    metered: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one that does not come from Slack is nobody's failure."""
    monkeypatch.setenv("SLACK_SECRET_ARN", "there-is-none")
    now = str(int(time.time()))
    headers = {"x-slack-request-timestamp": now, "x-slack-signature": f"v0={'0' * 64}"}
    pressed = {"headers": headers, "body": json.dumps({}), "isBase64Encoded": False}
    assert metered.invoke("interact", pressed) == {"ConfigurationError": [1]}
    assert metered.invoke("interact", {**pressed, "headers": {}}) == {}
