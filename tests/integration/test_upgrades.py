"""A release that is deployed over another: what is pending is told once, and watches are kept.

data/release-0.1.0.json is what release 0.1.0 has left in its table and on Slack; record.py beside
it has made that by running it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from slack_sdk import WebClient

from local.algolia import AlgoliaStandIn
from local.aws import LocalAws
from local.slack import SlackStandIn
from local.stack import Stack, deploy
from runbell.deadline import Deadline
from runbell.listings import Listings
from runbell.notifier import Notifier
from runbell.run import instant
from runbell.store import RunStore
from runbell.watcher import Watcher
from tests.integration.conftest import CHANNEL, Clock, Queue, bot_only
from tests.integration.data.play import hold_notify_back, pending, wait_until

RECORDED = Path(__file__).with_name("data") / "release-0.1.0.json"
ELSEWHERE = "#elsewhere"

Before = dict[str, Any]


@pytest.fixture
def before(dynamodb: Any, table_name: str, slack: SlackStandIn, clock: Clock, way: str) -> Before:
    """A table and a Slack as release 0.1.0 has left them, a minute ago."""
    text = RECORDED.read_text("utf-8")
    bot = WebClient("xoxb-stand-in", base_url=f"{slack.url}/api/")
    for post in json.loads(text)["posts"]:
        channel = ELSEWHERE if post["run"] == "goes-on" else CHANNEL
        posted = bot.chat_postMessage(channel=channel, text=f"0.1.0 tells of {post['run']}")
        # Slack gives its own names to a channel and a message.
        text = text.replace(post["channel"], posted["channel"]).replace(post["ts"], posted["ts"])
    left: Before = json.loads(text)
    for item in left["items"]:
        dynamodb.put_item(TableName=table_name, Item=item)
    ended = instant(left["at"])
    assert ended is not None
    clock.now = ended + timedelta(minutes=1)
    return left


def as_algolia_writes(snapshot: dict[str, Any]) -> dict[str, Any]:
    """A run as 0.1.0 has seen it last."""
    names = {"run_id": "runID", "app_id": "appID", "task_id": "taskID", "created_at": "createdAt"}
    names |= {"started_at": "startedAt", "finished_at": "finishedAt"}
    return {names.get(name, name): value["S"] for name, value in snapshot.items()}


@pytest.fixture
def goes_on(
    before: Before, algolia: AlgoliaStandIn, watcher: Watcher, queue: Queue, notifier: Notifier
) -> Callable[[], None]:
    """Lets this release look, and tell what it has to; Algolia shows what it has shown."""
    for item in before["items"]:
        if "snapshot" in item:
            algolia.put_run(as_algolia_writes(item["snapshot"]["M"]))

    def tick() -> None:
        watcher.tick(Deadline(30))
        for wake in queue.wakes():
            notifier.deliver(wake)

    return tick


def told(slack: SlackStandIn, channel: str = CHANNEL) -> list[tuple[str, bool]]:
    """What a channel was told by now: the word of each message, and whether it is a reply."""
    return [(each.text, each.thread_ts is not None) for each in slack.messages(channel)]


def count(slack: SlackStandIn, run_id: str, channel: str = CHANNEL) -> tuple[int, int]:
    """How many messages of a run there are, and how many of these are replies."""
    about = [is_reply for text, is_reply in told(slack, channel) if f"task-of-{run_id}" in text]
    return len(about), sum(about)


@bot_only
@pytest.mark.parametrize("discover", ["all", "watched"])
class TestOverRelease010:
    def test_what_was_pending_is_told_once_and_what_was_told_is_not_told_again(
        self, goes_on: Callable[[], None], slack: SlackStandIn, store: RunStore
    ) -> None:
        for _ in range(3):
            goes_on()

        assert list(store.pending("default")) == []
        assert count(slack, "starts-meanwhile") == (1, 0)
        assert count(slack, "is-checked-meanwhile") == (1, 0)
        assert count(slack, "fails-meanwhile") == (2, 1), "its message is edited, and has a reply"
        assert len(told(slack)) == 5
        assert len(told(slack, ELSEWHERE)) == 1

    def test_watches_are_kept(
        self, before: Before, goes_on: Callable[[], None], listings: Listings, store: RunStore
    ) -> None:
        watched = {i["run_id"]["S"]: i["watch"] for i in before["items"] if "watch" in i}

        def watches() -> set[str]:
            return {getattr(each, "run_id", "") for each in listings.watches("default").items}

        assert len(watched) == 5
        assert watches() == watched.keys()
        goes_on()
        assert watches() == watched.keys()
        wishes = store.get("default", "goes-on").watch
        assert wishes is not None
        assert (wishes.channel, wishes.notify_on) == (ELSEWHERE, frozenset({"started", "failed"}))

    def test_runs_that_went_on_are_told_where_their_watch_says(
        self,
        goes_on: Callable[[], None],
        algolia: AlgoliaStandIn,
        slack: SlackStandIn,
        store: RunStore,
        clock: Clock,
    ) -> None:
        goes_on()
        run = store.get("default", "goes-on").snapshot
        assert run is not None
        common = {"appID": run.app_id, "createdAt": run.created_at, "type": run.type}
        algolia.put_run(
            {
                **common,
                "runID": "goes-on",
                "taskID": run.task_id,
                "status": "finished",
                "outcome": "failure",
                "startedAt": run.started_at,
            }
        )
        algolia.put_run(
            {
                **common,
                "runID": "is-not-known-yet",
                "taskID": "task-of-is-not-known-yet",
                "status": "created",
            }
        )
        clock.advance(timedelta(minutes=1))

        for _ in range(2):
            goes_on()

        assert count(slack, "goes-on", ELSEWHERE) == (2, 1)
        assert count(slack, "is-not-known-yet", ELSEWHERE) == (1, 0)


@pytest.fixture
def stack(aws: LocalAws, algolia: AlgoliaStandIn, slack: SlackStandIn) -> Iterator[Stack]:
    """This release, deployed."""
    stack = deploy(
        aws,
        "runbell-upgraded",
        AlgoliaBaseUrl=algolia.url,
        SlackBaseUrl=slack.url,
        SlackChannel=CHANNEL,
        ScheduleExpression="rate(1 day)",
    )
    key = {"app_id": algolia.app_id, "api_key": algolia.api_key, "region": "us"}
    stack.put_secret("AlgoliaSecretArn", key)
    stack.put_secret("SlackSecretArn", {"bot_token": "xoxb-stand-in"})
    yield stack
    stack.remove()


@pytest.mark.xdist_group("deployed")
def test_a_deploy_over_a_running_stack_loses_no_announcement(
    stack: Stack, algolia: AlgoliaStandIn, slack: SlackStandIn, show: Any, clock: Clock
) -> None:
    clock.now = datetime.now(UTC)
    hold_notify_back(stack)
    show("run-1", "started")
    show("run-2", "started", taskID="task-2")
    assert stack.poll()["changed"] == 2
    assert len(pending(stack)) == 2

    again = deploy(
        stack.aws,
        stack.name,
        AlgoliaBaseUrl=algolia.url,
        SlackBaseUrl=slack.url,
        SlackChannel=CHANNEL,
        ScheduleExpression="rate(1 day)",
        StalledAfterMinutes="30",
    )
    assert again.outputs == stack.outputs, "the table, the queues and the addresses stay"
    assert len(pending(again)) == 2
    assert slack.messages(CHANNEL) == []

    let_notify_go_on(again)
    wait_until(lambda: not pending(again))
    for _ in range(2):
        assert again.poll()["changed"] == 0
    wait_until(lambda: not pending(again))
    runs = [
        each.metadata["event_payload"]["run_id"]
        for each in slack.messages(CHANNEL)
        if each.metadata
    ]
    assert sorted(runs) == ["run-1", "run-2"]


def let_notify_go_on(stack: Stack) -> None:
    """Switch the queue's event source on."""
    client = stack.aws.client("lambda")
    name = stack.outputs["NotifyFunctionName"]
    for mapping in client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
