"""Each alarm of the template as deployed: it goes off, says so, and says when it is over.

Runbell's own metrics are those that the deployed functions write into their logs in the trouble
that an alarm is about. The local CloudWatch does not take metrics out of logs, so local/metrics.py
does. It looks at alarms whenever a metric is put and at no other time, so what AWS knows by silence
is put as 0 here; and it looks past dimensions, so an alarm's are held against the metric's.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.algolia import AlgoliaStandIn
from local.aws import LocalAws
from local.faults import Fault
from local.metrics import Measured, put_metrics, read_logs, read_metrics
from local.slack import SlackStandIn
from local.stack import Stack, deploy
from runbell.run import timestamp
from tests.integration.test_deployed import CHANNEL, Deployment, wait_until

pytestmark = pytest.mark.xdist_group("alarms")

NAME = "runbell-watched"

EDGE = 2.0
"""Seconds after which a metric is older than its alarm looks back."""


class Watched(Deployment):
    """A deployed stack whose alarms somebody reads."""

    def __init__(self, stack: Stack, algolia: AlgoliaStandIn, slack: SlackStandIn) -> None:
        super().__init__(stack, algolia, slack)
        self._cloudwatch = stack.aws.client("cloudwatch")
        self._sqs = stack.aws.client("sqs")
        self._inbox = self._sqs.create_queue(QueueName=f"read-{uuid.uuid4().hex}")["QueueUrl"]
        [topic] = self.alarm("TickAlarm")["AlarmActions"]
        attributes = self._sqs.get_queue_attributes(
            QueueUrl=self._inbox, AttributeNames=["QueueArn"]
        )["Attributes"]
        stack.aws.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=attributes["QueueArn"]
        )

    def alarm(self, name: str) -> dict[str, Any]:
        """An alarm of the template, as it is now."""
        prefix = f"{NAME}-{name}"
        [found] = self._cloudwatch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]
        alarm: dict[str, Any] = found
        return alarm

    def words(self, name: str) -> list[str]:
        """What has been said of an alarm since the last time, in order; others' is left aside."""
        said = []
        while received := self._sqs.receive_message(
            QueueUrl=self._inbox, MaxNumberOfMessages=10
        ).get("Messages"):
            for each in received:
                self._sqs.delete_message(QueueUrl=self._inbox, ReceiptHandle=each["ReceiptHandle"])
                word = json.loads(json.loads(each["Body"])["Message"])
                if word["AlarmName"].startswith(f"{NAME}-{name}"):
                    said.append(word["NewStateValue"])
        return said

    def written(self, function: str, metric: str) -> list[Measured]:
        """What a function has written of a metric, the latest first."""
        lines = read_logs(self.stack.aws, f"/aws/lambda/{NAME}-{function}")
        found = [each for each in read_metrics(lines) if each.name == metric]
        return sorted(found, key=lambda each: each.at, reverse=True)

    def waits_for(self, function: str, metric: str) -> Measured:
        """The latest that a function writes of a metric, once it does."""
        wait_until(lambda: bool(self.written(function, metric)), f"{function} writes no {metric}")
        return self.written(function, metric)[0]

    def goes_off(self, name: str, trouble: Measured) -> None:
        """Have CloudWatch see some trouble at the far end of what the alarm looks at."""
        alarm = self.alarm(name)
        dimensions = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
        seen = (alarm["Namespace"], alarm["MetricName"], dimensions)
        assert seen == (trouble.namespace, trouble.name, trouble.dimensions)
        looks_back = alarm["Period"] * alarm["EvaluationPeriods"]
        self.words(name)

        def has_gone_off() -> bool:
            put_metrics(self.stack.aws, [replace(trouble, at=time.time() - looks_back + EDGE)])
            return bool(self.alarm(name)["StateValue"] == "ALARM")

        wait_until(has_gone_off, f"{name} does not go off")
        assert self.words(name) == ["ALARM"]

    def is_over(self, name: str, well: Measured) -> None:
        """Have CloudWatch see that all is well, until the trouble is out of the alarm's sight."""

        def has_ended() -> bool:
            put_metrics(self.stack.aws, [replace(well, at=time.time())])
            return bool(self.alarm(name)["StateValue"] == "OK")

        wait_until(has_ended, f"{name} does not end")
        assert self.words(name) == ["OK"]


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """A stack with AlarmEmail on a local AWS of its own, since alarms look past dimensions."""
    with LocalAws() as aws, AlgoliaStandIn() as algolia, SlackStandIn() as slack:
        stack = deploy(
            aws,
            NAME,
            AlgoliaBaseUrl=algolia.url,
            SlackBaseUrl=slack.url,
            SlackChannel=CHANNEL,
            AlarmEmail="oncall@example.com",
        )
        stack.put_token()
        stack.put_secret("SlackSecretArn", {"bot_token": "xoxb-stand-in"})
        stack.put_secret(
            "AlgoliaSecretArn",
            {"app_id": algolia.app_id, "api_key": algolia.api_key, "region": "us"},
        )
        yield Watched(stack, algolia, slack)
        stack.remove()


def none_of(measured: Measured) -> Measured:
    """Silence about a metric."""
    return replace(measured, values=[0.0])


@pytest.fixture
def run_id() -> str:
    """A run that nobody has seen."""
    return str(uuid.uuid4())


def test_no_tick_that_reads_the_list_is_an_alarm_until_one_does(watched: Watched) -> None:
    watched.stack.poll()
    tick = watched.waits_for("poll", "Ticks")
    assert tick.values == [1.0]
    watched.goes_off("TickAlarm", none_of(tick))
    watched.stack.poll()
    watched.is_over("TickAlarm", watched.written("poll", "Ticks")[0])


def test_what_waits_for_slack_is_an_alarm_until_it_is_told(watched: Watched, run_id: str) -> None:
    """Over ten minutes, which the run's item is made to be old here."""
    watched.slack.faults.add(Fault("status", status=503), path="chat.postMessage", times=1_000)
    watched.show(run_id, "started")
    watched.stack.poll(runIDs=[run_id])
    then = timestamp(datetime.now(UTC) - timedelta(minutes=11))
    watched.stack.aws.client("dynamodb").update_item(
        TableName=watched.stack.outputs["TableName"],
        Key={"pk": {"S": f"run#default#{run_id}"}},
        UpdateExpression="SET pending_since = :then",
        ExpressionAttributeValues={":then": {"S": then}},
    )
    watched.stack.poll()
    waiting = watched.written("poll", "PendingAge")[0]
    assert waiting.values[0] >= 660
    watched.goes_off("WaitingAlarm", waiting)
    watched.slack.faults.clear()
    watched.settle()
    watched.stack.poll()
    told = watched.written("poll", "PendingAge")[0]
    assert told.values == [0.0]
    watched.is_over("WaitingAlarm", told)


def test_a_token_that_slack_refuses_is_an_alarm(watched: Watched, run_id: str) -> None:
    watched.slack.faults.add(Fault("error", error="invalid_auth"), path="chat.postMessage", times=2)
    watched.show(run_id, "started")
    watched.stack.poll(runIDs=[run_id])
    refused = watched.waits_for("notify", "SlackCredentialError")
    watched.goes_off("SlackCredentialAlarm", refused)
    watched.slack.faults.clear()
    watched.settle()
    watched.is_over("SlackCredentialAlarm", none_of(refused))


def test_a_key_that_algolia_refuses_is_an_alarm(watched: Watched, run_id: str) -> None:
    key = watched.algolia.api_key
    watched.algolia.rotate_key("another")
    assert watched.stack.call("POST", f"/runs/{run_id}/check").status_code == 502
    refused = watched.waits_for("api", "AlgoliaCredentialError")
    watched.goes_off("AlgoliaCredentialAlarm", refused)
    watched.algolia.rotate_key(key)
    watched.is_over("AlgoliaCredentialAlarm", none_of(refused))


def of_function(output: str) -> Callable[[Watched], dict[str, str]]:
    """The dimension of Lambda's metrics."""
    return lambda watched: {"FunctionName": watched.stack.outputs[output]}


def of_queue(logical_id: str) -> Callable[[Watched], dict[str, str]]:
    """The dimension of SQS's metrics: the queue's name."""

    def dimension(watched: Watched) -> dict[str, str]:
        url = physical_id(watched, logical_id)
        return {"QueueName": url.rpartition("/")[2]}

    return dimension


def of_api(watched: Watched) -> dict[str, str]:
    """The dimension of an HTTP API's metrics."""
    return {"ApiId": physical_id(watched, "HttpApi")}


def physical_id(watched: Watched, logical_id: str) -> str:
    """What a resource of the template is called as deployed."""
    found = watched.stack.aws.client("cloudformation").describe_stack_resource(
        StackName=NAME, LogicalResourceId=logical_id
    )
    return str(found["StackResourceDetail"]["PhysicalResourceId"])


@pytest.mark.parametrize(
    ("name", "namespace", "metric", "dimensions"),
    [
        # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
        (
            "DeadLetterAlarm",
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            of_queue("DeadLetterQueue"),
        ),
        (
            "ScheduleDeadLetterAlarm",
            "AWS/SQS",
            "ApproximateNumberOfMessagesVisible",
            of_queue("ScheduleDeadLetterQueue"),
        ),
        # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
        ("PollErrorAlarm", "AWS/Lambda", "Errors", of_function("PollFunctionName")),
        ("ApiErrorAlarm", "AWS/Lambda", "Errors", of_function("ApiFunctionName")),
        ("NotifyErrorAlarm", "AWS/Lambda", "Errors", of_function("NotifyFunctionName")),
        ("InteractErrorAlarm", "AWS/Lambda", "Errors", of_function("InteractFunctionName")),
        ("PollThrottleAlarm", "AWS/Lambda", "Throttles", of_function("PollFunctionName")),
        ("NotifyThrottleAlarm", "AWS/Lambda", "Throttles", of_function("NotifyFunctionName")),
        # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
        ("HttpApiAlarm", "AWS/ApiGateway", "5xx", of_api),
    ],
)
def test_what_aws_itself_measures_is_an_alarm(
    watched: Watched,
    name: str,
    namespace: str,
    metric: str,
    dimensions: Callable[[Watched], dict[str, str]],
) -> None:
    """By the name and the dimensions that AWS documents for it."""
    trouble = Measured(namespace, metric, dimensions(watched), "Count", [1.0], time.time())
    watched.goes_off(name, trouble)
    watched.is_over(name, none_of(trouble))


def test_no_alarm_is_left_out(watched: Watched, template: dict[str, Any]) -> None:
    """A new alarm needs a test here that sees it go off."""
    source = Path(__file__).read_text("utf-8")
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            assert f'"{name}"' in source, f"nobody has seen {name} go off"


def test_the_dashboard_names_what_is_deployed(watched: Watched) -> None:
    """No placeholder is left in it."""
    cloudwatch = watched.stack.aws.client("cloudwatch")
    body = cloudwatch.get_dashboard(DashboardName=f"{NAME}-us-east-1")["DashboardBody"]
    assert "${" not in body
    shown = json.dumps(json.loads(body))
    for output in ("PollFunctionName", "ApiFunctionName", "NotifyFunctionName"):
        assert watched.stack.outputs[output] in shown
