"""The whole chain in a real browser: a failure is run again on the page, and recovers."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from local.algolia import AlgoliaStandIn, Step
from local.aws import LocalAws
from local.slack import SlackStandIn
from local.stack import Stack, deploy
from runbell.run import timestamp
from tests.browser.conftest import PageAt
from tests.integration.test_deployed import minutes_ago, wait_until

pytestmark = pytest.mark.xdist_group("deployed")

CHANNEL = "#runs"
PHONE = 360


class Chain:
    """A deployed stack whose buttons lead back to it."""

    def __init__(self, stack: Stack, algolia: AlgoliaStandIn, slack: SlackStandIn) -> None:
        self.stack, self.algolia, self.slack = stack, algolia, slack

    def fails(self) -> str:
        """Let a new run of a new task fail, and have it told; the task's ID."""
        run_id, task_id = str(uuid.uuid4()), str(uuid.uuid4())
        self.algolia.put_run(
            {
                "runID": run_id,
                "appID": self.algolia.app_id,
                "taskID": task_id,
                "type": "reindex",
                "createdAt": minutes_ago(3),
                "startedAt": minutes_ago(2),
                "finishedAt": minutes_ago(1),
                "status": "finished",
                "outcome": "failure",
                "reasonCode": "too_many_errors",
            }
        )
        assert self.stack.call("POST", f"/runs/{run_id}/check").ok
        return task_id

    def started(self, task_id: str) -> list[str]:
        """The runs that were started of a task."""
        return [each.run_id for each in self.algolia.started() if each.task_id == task_id]


@pytest.fixture(scope="module")
def chain(aws: LocalAws) -> Iterator[Chain]:
    """The built template, deployed anew."""
    with AlgoliaStandIn() as algolia, SlackStandIn() as slack:
        stack = deploy(
            aws,
            "runbell-browser",
            AlgoliaBaseUrl=algolia.url,
            SlackBaseUrl=slack.url,
            SlackChannel=CHANNEL,
        )
        key = {"app_id": algolia.app_id, "api_key": algolia.api_key, "region": "us"}
        stack.put_secret("AlgoliaSecretArn", key)
        secret = {"bot_token": "xoxb-stand-in", "signing_secret": slack.signing_secret}
        stack.put_secret("SlackSecretArn", secret)
        slack.interactions_url = f"{stack.api_url}/slack/interactions"
        yield Chain(stack, algolia, slack)
        stack.remove()


@pytest.mark.parametrize("width", [PHONE, 1024])
def test_a_run_that_fails_is_run_again_and_succeeds_in_one_thread(
    chain: Chain, page_at: PageAt, width: int
) -> None:
    task_id = chain.fails()
    chain.algolia.script_task(
        task_id, [Step(0, "started"), Step(3, "finished", "success", reason_code="ok")]
    )
    page: Page = page_at(width)
    page.goto(f"{chain.slack.url}/channels/runs")
    message = page.locator("li.message", has_text=task_id).first
    expect(message).to_contain_text("Reindex run failed")

    message.get_by_role("button", name="Run again").first.click()

    wait_until(lambda: bool(chain.started(task_id)), "the task was not run again")
    message.locator("summary").first.click()
    thread = message.locator(".thread")
    expect(thread).to_contain_text("ran the task again")
    (new_run,) = chain.started(task_id)
    expect(thread).to_contain_text(re.compile(rf"is running.*{new_run}", re.DOTALL))

    def has_recovered() -> bool:
        chain.stack.poll()
        known = chain.stack.call("GET", f"/runs/{new_run}").json()
        return bool(known["run"]["status"] == "finished")

    wait_until(has_recovered, "the new run does not end")
    expect(thread).to_contain_text("recovered")
    root, *others = [each for each in chain.slack.messages(CHANNEL) if new_run in str(each)]
    assert root.thread_ts is None
    assert {each.thread_ts for each in others} == {root.ts}
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_somebody_takes_care_of_a_failure_and_mutes_its_task(chain: Chain, page_at: PageAt) -> None:
    task_id = chain.fails()
    page: Page = page_at(PHONE)
    page.goto(f"{chain.slack.url}/channels/runs")
    message = page.locator("li.message", has_text=task_id).first

    message.get_by_role("button", name="I'm on it").first.click()
    expect(message).to_contain_text("is on it")
    message.get_by_role("combobox").first.select_option("8h")
    expect(message).to_contain_text("muted this task until")

    mute = chain.stack.call("GET", f"/tasks/{task_id}").json()["mute"]
    assert mute["until"] > timestamp_now()
    assert mute["by"].startswith("U")


def timestamp_now() -> str:
    """This moment, as Runbell writes it."""
    return timestamp(datetime.now(UTC))
