"""Seconds, not a minute, while something runs: the template as deployed comes back by itself."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.algolia import AlgoliaStandIn
from local.aws import LocalAws
from local.faults import Fault
from local.slack import SlackStandIn
from local.stack import deploy
from runbell.run import timestamp
from tests.integration.test_deployed import CHANNEL, Deployment, wait_until

pytestmark = pytest.mark.xdist_group("fast-polling")

NEVER = "rate(365 days)"
"""A schedule whose ticks don't come while a test lasts: each tick here is a test's own."""

WITHIN = 15.0
"""Seconds from a change until Slack has it."""


@pytest.fixture(scope="module", params=["on", "off"])
def deployed(aws: LocalAws, request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """The built template, with FastPolling or without."""
    with AlgoliaStandIn() as algolia, SlackStandIn() as slack:
        stack = deploy(
            aws,
            f"runbell-fast-{request.param}",
            AlgoliaBaseUrl=algolia.url,
            SlackBaseUrl=slack.url,
            SlackChannel=CHANNEL,
            ScheduleExpression=NEVER,
            FastPolling=request.param,
        )
        stack.put_secret(
            "AlgoliaSecretArn",
            {"app_id": algolia.app_id, "api_key": algolia.api_key, "region": "us"},
        )
        stack.put_secret("SlackSecretArn", {"bot_token": "xoxb-stand-in"})
        yield Deployment(stack, algolia, slack)
        stack.remove()


on = pytest.mark.parametrize("deployed", ["on"], indirect=True, scope="module")
off = pytest.mark.parametrize("deployed", ["off"], indirect=True, scope="module")


def begin(deployed: Deployment) -> str:
    """Let a run begin this moment, and one tick see it."""
    run_id, now = str(uuid.uuid4()), timestamp(datetime.now(UTC))
    deployed.show(run_id, "started", createdAt=now, startedAt=now)
    assert deployed.stack.poll()["changed"] == 1
    deployed.settle()
    assert len(deployed.posts(run_id)) == 1
    return run_id


def end(deployed: Deployment, run_id: str) -> None:
    now = datetime.now(UTC)
    began = timestamp(now - timedelta(seconds=5))
    deployed.show(
        run_id, "finished", "failure", createdAt=began, startedAt=began, finishedAt=timestamp(now)
    )


def words(deployed: Deployment) -> int:
    """How many words to come back there are, held back or not."""
    listed = deployed.stack.aws.client("cloudformation").describe_stack_resource(
        StackName=deployed.stack.name, LogicalResourceId="ComebackQueue"
    )
    states = ("", "Delayed", "NotVisible")
    counted = deployed.stack.aws.client("sqs").get_queue_attributes(
        QueueUrl=listed["StackResourceDetail"]["PhysicalResourceId"],
        AttributeNames=[f"ApproximateNumberOfMessages{state}" for state in states],
    )["Attributes"]
    return sum(map(int, counted.values()))


@on
def test_the_end_of_a_run_is_told_within_seconds_by_a_look_that_nobody_asked_for(
    deployed: Deployment,
) -> None:
    run_id = begin(deployed)
    before = len(deployed.calls(run_id))

    end(deployed, run_id)
    ended = time.monotonic()
    wait_until(lambda: len(deployed.calls(run_id)) > before, "its end is not told")

    assert time.monotonic() - ended < WITHIN
    deployed.settle()
    wait_until(lambda: words(deployed) == 0, "it comes back though nothing runs any more")


@on
def test_a_look_that_algolia_refuses_is_not_made_again_before_the_next_tick(
    deployed: Deployment,
) -> None:
    run_id = begin(deployed)
    refused = Fault("status", status=429)
    deployed.algolia.faults.add(refused, path="/1/runs")
    asked = len(deployed.algolia.requests)

    wait_until(lambda: len(deployed.algolia.requests) > asked, "nobody comes back")
    wait_until(lambda: words(deployed) == 0, "it comes back though Algolia asks for less")

    assert len(deployed.algolia.requests) == asked + 1
    end(deployed, run_id)
    assert deployed.stack.poll()["changed"] == 1
    deployed.settle()


@off
def test_without_fast_polling_poll_keeps_to_its_schedule(deployed: Deployment) -> None:
    run_id = begin(deployed)
    assert words(deployed) == 0
    listed = deployed.stack.aws.client("lambda").list_event_source_mappings(
        FunctionName=deployed.stack.outputs["PollFunctionName"]
    )
    assert listed["EventSourceMappings"] == []
    end(deployed, run_id)
    assert deployed.stack.poll()["changed"] == 1
    deployed.settle()
