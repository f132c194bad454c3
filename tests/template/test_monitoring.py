"""Alarms and dashboard: what they look at is there to be seen, and each has its runbook."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import pytest

from benchmarks.cost import fixed, total
from local.aws import ROOT
from runbell import errors
from runbell.errors import AlgoliaError, RunbellError, ScheduleError, SlackError
from runbell.metering import NAMESPACE, UNFORESEEN, Meter, Metric

Template = dict[str, Any]

AWS_METRICS = {
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    ("AWS/Lambda", "Errors"): ["FunctionName"],
    ("AWS/Lambda", "Throttles"): ["FunctionName"],
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): ["QueueName"],
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    ("AWS/ApiGateway", "5xx"): ["ApiId"],
}
"""What AWS itself measures, with the dimensions that it documents."""

KINDS_OF_RESOURCES = {
    "FunctionName": "AWS::Serverless::Function",
    "QueueName": "AWS::SQS::Queue",
    "ApiId": "AWS::ApiGatewayV2::Api",
}
"""What the values of those dimensions name."""

STACK = {"service": {"Ref": "AWS::StackName"}}
"""The one dimension of Runbell's own metrics, as Powertools writes it."""


class Shown(NamedTuple):
    """A metric that an alarm or the dashboard names."""

    namespace: str
    name: str
    dimensions: dict[str, Any]


def failures() -> set[str]:
    """The names of all failures that can be counted."""
    groups = {RunbellError, AlgoliaError, ScheduleError, SlackError}
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    counted = {UNFORESEEN}
    for kind in kinds:
        if issubclass(kind, RunbellError) and kind not in groups:
            own = Meter()
            own.fail(kind.__new__(kind))
            counted |= set(own._counts)
    return counted


def alarms(template: Template) -> dict[str, dict[str, Any]]:
    """The alarms' properties by name."""
    return {
        name: each["Properties"]
        for name, each in template["Resources"].items()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    }


def seen_by(alarm: dict[str, Any]) -> Shown:
    """What an alarm looks at."""
    dimensions = {each["Name"]: each["Value"] for each in alarm["Dimensions"]}
    return Shown(alarm["Namespace"], alarm["MetricName"], dimensions)


@pytest.fixture(scope="module")
def widgets(template: Template) -> list[dict[str, Any]]:
    """The dashboard's widgets."""
    text = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Sub"]
    found: list[dict[str, Any]] = json.loads(text)["widgets"]
    return found


def shown(widgets: list[dict[str, Any]]) -> Iterator[Shown]:
    """All metrics of the dashboard; a point repeats what the row before has in its place."""
    for widget in widgets:
        before: list[str] = []
        for row in widget["properties"].get("metrics", []):
            names = [each for each in row if isinstance(each, str)]
            before = [before[at] if name == "." else name for at, name in enumerate(names)]
            namespace, name, *pairs = before
            values = map(as_in_template, pairs[1::2])
            yield Shown(namespace, name, dict(zip(pairs[::2], values, strict=True)))


def as_in_template(value: str) -> dict[str, str]:
    """A value of the dashboard's text as the alarms have it."""
    name = value.removeprefix("${").removesuffix("}")
    return {"GetAtt": name} if "." in name else {"Ref": name}


def assert_it_is_measured(template: Template, metric: Shown) -> None:
    """Somebody writes the metric, with just these dimensions."""
    if metric.namespace == NAMESPACE:
        assert metric.name in {*Metric, *failures()}, f"nothing writes {metric.name}"
        assert metric.dimensions == STACK
        return
    assert list(metric.dimensions) == AWS_METRICS[metric.namespace, metric.name]
    [(dimension, value)] = metric.dimensions.items()
    [(form, named)] = value.items()
    resource, _, attribute = named.partition(".")
    assert template["Resources"][resource]["Type"] == KINDS_OF_RESOURCES[dimension]
    by_name = {"QueueName": ("GetAtt", "QueueName")}
    assert (form, attribute) == by_name.get(dimension, ("Ref", ""))


def test_each_alarm_looks_at_what_is_measured(template: Template) -> None:
    for alarm in alarms(template).values():
        assert_it_is_measured(template, seen_by(alarm))


def test_the_dashboard_shows_what_is_measured(
    template: Template, widgets: list[dict[str, Any]]
) -> None:
    for metric in shown(widgets):
        assert_it_is_measured(template, metric)


def test_nothing_is_measured_that_nobody_looks_at(widgets: list[dict[str, Any]]) -> None:
    """A new error, or a new metric, needs its place on the dashboard."""
    own = {each.name for each in shown(widgets) if each.namespace == NAMESPACE}
    assert own == {*Metric, *failures()}


def test_what_an_alarm_looks_at_is_on_the_dashboard(
    template: Template, widgets: list[dict[str, Any]]
) -> None:
    on_dashboard = list(shown(widgets))
    for name, alarm in alarms(template).items():
        assert seen_by(alarm) in on_dashboard, name


def test_the_stacks_name_is_what_powertools_puts_into_the_dimension(template: Template) -> None:
    """And the switch that turns metrics off is Powertools' own."""
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["POWERTOOLS_SERVICE_NAME"] == {"Ref": "AWS::StackName"}
    assert variables["POWERTOOLS_METRICS_DISABLED"] == {"If": ["IsMonitored", "false", "true"]}
    assert template["Conditions"]["IsMonitored"] == {"Equals": [{"Ref": "Monitoring"}, "on"]}
    assert template["Resources"]["Dashboard"]["Condition"] == "IsMonitored"


def test_all_that_can_go_wrong_has_an_alarm(template: Template) -> None:
    """By what it looks at; a throttled api or interact is a 5xx of the HTTP API."""
    looked_at = {
        (each.name, next(iter(next(iter(each.dimensions.values())).values())))
        for each in map(seen_by, alarms(template).values())
    }
    visible, stack = "ApproximateNumberOfMessagesVisible", "AWS::StackName"
    assert looked_at == {
        ("Ticks", stack),
        ("PendingAge", stack),
        ("AlgoliaCredentialError", stack),
        ("SlackCredentialError", stack),
        (visible, "DeadLetterQueue.QueueName"),
        (visible, "ScheduleDeadLetterQueue.QueueName"),
        ("Errors", "PollFunction"),
        ("Errors", "ApiFunction"),
        ("Errors", "NotifyFunction"),
        ("Errors", "InteractFunction"),
        ("Throttles", "PollFunction"),
        ("Throttles", "NotifyFunction"),
        ("5xx", "HttpApi"),
    }


def test_each_alarm_says_when_it_is_over_too(template: Template) -> None:
    """To the one topic, and only where somebody reads it."""
    for name, alarm in alarms(template).items():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopic"}]
        assert template["Resources"][name]["Condition"] == "HasAlarms"
    assert template["Resources"]["AlarmTopic"]["Condition"] == "HasAlarms"
    wanted = template["Conditions"]["HasAlarms"]["And"]
    assert {"Condition": "IsMonitored"} in wanted
    assert {"Not": [{"Equals": [{"Ref": "AlarmEmail"}, ""]}]} in wanted


def test_cloudwatch_may_publish_to_the_topic(template: Template) -> None:
    """Which it may not under the key aws/sns, whose policy nobody can change.

    https://repost.aws/knowledge-center/cloudwatch-configure-alarm-sns
    """
    assert "KmsMasterKeyId" not in template["Resources"]["AlarmTopic"]["Properties"]


def test_silence_is_trouble_only_where_something_is_always_said(template: Template) -> None:
    """Ticks are, by their schedule. That nothing waits is not said by a tick that never came."""
    treated = {name: alarm["TreatMissingData"] for name, alarm in alarms(template).items()}
    assert treated.pop("TickAlarm") == "breaching"
    assert treated.pop("WaitingAlarm") == "ignore"
    assert set(treated.values()) == {"notBreaching"}


def test_the_alarm_of_ticks_waits_as_long_as_is_asked_for(template: Template) -> None:
    """In minutes; CloudWatch looks back a day at the most."""
    alarm, asked = alarms(template)["TickAlarm"], template["Parameters"]["PollAlarmMinutes"]
    assert alarm["Period"] == 60
    assert alarm["EvaluationPeriods"] == {"Ref": "PollAlarmMinutes"}
    assert asked["Default"] == 10
    assert asked["MaxValue"] * alarm["Period"] <= 86_400


def test_each_alarm_has_its_runbook(template: Template) -> None:
    """And the runbooks are those of alarms that there are."""
    operations = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert set(re.findall(r"^#### .*?`(\w+Alarm)`", operations, re.MULTILINE)) <= set(
        alarms(template)
    )
    headings = "\n".join(re.findall(r"^#### .*$", operations, re.MULTILINE))
    for name, alarm in alarms(template).items():
        assert f"`{name}`" in headings
        assert alarm["AlarmDescription"].strip().endswith("see docs/operations.md")


def test_the_dashboard_fits_a_page_and_costs_nothing(widgets: list[dict[str, Any]]) -> None:
    """No widget covers another; with over fifty metrics it would be none of the free ones.

    https://aws.amazon.com/cloudwatch/pricing
    """
    assert len(list(shown(widgets))) <= 50
    for each in widgets:
        assert 0 <= each["x"] < each["x"] + each["width"] <= 24
    for one, other in combinations(widgets, 2):
        beside = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
        below = one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]
        assert beside or below, (one, other)


def test_the_dashboard_answers_four_questions_in_their_order(
    widgets: list[dict[str, Any]],
) -> None:
    """Each with words on what good looks like."""
    texts = [each["properties"]["markdown"] for each in widgets if each["type"] == "text"][1:]
    questions = [text.splitlines()[0] for text in texts]
    assert questions == [
        "## Is it alive?",
        "## Is anything waiting?",
        "## What fails?",
        "## How fast?",
    ]
    assert all("Good: " in text for text in texts)


def test_what_is_paid_by_the_month_is_as_the_docs_say(template: Template) -> None:
    """Metrics that every tick writes, alarms, secrets: at list prices."""
    paid = [line for line in fixed(template) if not line.name.startswith("empty polls")]
    operations = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert f"${total(paid):.2f}" in operations
