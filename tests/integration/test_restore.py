"""`make restore`: a table is put back to an earlier moment, and little is said twice."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest

from local.algolia import AlgoliaStandIn
from local.aws import LocalAws
from local.slack import SlackStandIn
from local.stack import Stack, deploy
from ops.__main__ import main
from ops.stack import find
from ops.stillness import hold, let_go
from runbell.outbox import Wake
from runbell.reruns import RerunStore
from runbell.run import timestamp
from runbell.schema import SCHEMA
from runbell.store import RunStore
from runbell.table import Table
from tests.integration.conftest import CHANNEL
from tests.integration.data.play import pending, wait_until

pytestmark = pytest.mark.xdist_group("deployed")


class Story:
    """A deployed stack, and what becomes of its runs."""

    def __init__(self, stack: Stack, algolia: AlgoliaStandIn, slack: SlackStandIn) -> None:
        self.stack, self._algolia, self._slack = stack, algolia, slack
        self._created: dict[str, str] = {}
        self.dynamodb = stack.aws.client("dynamodb")
        self.table = stack.outputs["TableName"]
        self.copies: list[str] = []

    def see(self, run_id: str, *states: str) -> None:
        """Let a run come to its states, and be told of each."""
        for state in states:
            self.show(run_id, state)
            assert self.stack.poll()["changed"] == 1
            wait_until(lambda: not pending(self.stack))

    def show(self, run_id: str, state: str) -> None:
        """Let Algolia show a state of a run."""
        now = timestamp(datetime.now(UTC))
        run = {
            "runID": run_id,
            "appID": self._algolia.app_id,
            "taskID": f"task-of-{run_id}",
            "type": "reindex",
            "createdAt": self._created.setdefault(run_id, now),
            "status": "finished" if state in {"success", "failure"} else state,
        }
        if state in {"success", "failure"}:
            run |= {"outcome": state, "finishedAt": now}
        self._algolia.put_run(run)

    def copy(self) -> tuple[str, ...]:
        """Restore the table as it is now into another; answers how the command is told of it."""
        moment, name = timestamp(datetime.now(UTC)), f"restored-{uuid.uuid4().hex}"
        self.dynamodb.restore_table_to_point_in_time(
            SourceTableName=self.table, TargetTableName=name, UseLatestRestorableTime=True
        )
        self.copies.append(name)
        return ("--from", name, "--at", moment)

    def lose_everything(self) -> None:
        """Delete what the table holds."""
        for item in self.dynamodb.scan(TableName=self.table)["Items"]:
            self.dynamodb.delete_item(TableName=self.table, Key={"pk": item["pk"]})

    def items(self) -> dict[str, Any]:
        found = self.dynamodb.scan(TableName=self.table)["Items"]
        return {item["pk"]["S"]: item for item in found}

    def told(self) -> dict[str, int]:
        """How many messages there are of each run, replies among them."""
        counts: dict[str, int] = {}
        for message in self._slack.messages(CHANNEL):
            assert message.metadata
            run_id = message.metadata["event_payload"]["run_id"]
            counts[run_id] = counts.get(run_id, 0) + 1
        return counts

    def text(self, run_id: str) -> str:
        """What a run's own message says."""
        for message in self._slack.messages(CHANNEL):
            assert message.metadata
            if message.metadata["event_payload"]["run_id"] == run_id:
                return message.text
        raise AssertionError(f"nothing is told of {run_id}")

    def send_words(self, *run_ids: str) -> None:
        """Send words of runs such as a tick does, by which notify posts without a look.

        Those of the ticks of a restore are the same, but the queue drops them here, where a run was
        at the same version within the last five minutes.
        """
        for run_id in run_ids:
            self.stack.aws.client("sqs").send_message(
                QueueUrl=self.stack.outputs["QueueUrl"],
                MessageBody=Wake("default", run_id, 1, CHANNEL).body(),
                MessageGroupId=CHANNEL,
                MessageDeduplicationId=uuid.uuid4().hex,
            )

    def start_notify_anew(self) -> None:
        """End notify's process, which knows Slack's ID of the channel."""
        name = self.stack.outputs["NotifyFunctionName"]
        ended = 0
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.AccessDenied, psutil.NoSuchProcess):
                if process.environ().get("AWS_LAMBDA_FUNCTION_NAME") == name:
                    process.kill()
                    ended += 1
        assert ended

    def tick_until_told(self) -> None:
        for _ in range(2):
            self.stack.poll()
            wait_until(lambda: not pending(self.stack))


@pytest.fixture(scope="module")
def deployed(aws: LocalAws) -> Iterator[tuple[Stack, AlgoliaStandIn, SlackStandIn]]:
    """A stack with stand-ins of its own; ticks come when they are asked for."""
    with AlgoliaStandIn() as algolia, SlackStandIn() as slack:
        stack = deploy(
            aws,
            f"runbell-restored-{uuid.uuid4().hex[:6]}",  # its processes are told by name
            AlgoliaBaseUrl=algolia.url,
            SlackBaseUrl=slack.url,
            SlackChannel=CHANNEL,
            ScheduleExpression="rate(1 day)",
            FastPolling="off",
        )
        stack.put_secret("SlackSecretArn", {"bot_token": "xoxb-stand-in"})
        yield stack, algolia, slack
        stack.remove()


@pytest.fixture
def story(
    deployed: tuple[Stack, AlgoliaStandIn, SlackStandIn], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Story]:
    stack, algolia, slack = deployed
    for name, value in stack.aws.environment.items():
        monkeypatch.setenv(name, value)
    key = {"app_id": algolia.app_id, "api_key": algolia.api_key, "region": "us"}
    stack.put_secret("AlgoliaSecretArn", key)
    story = Story(stack, algolia, slack)
    story.lose_everything()
    stack.poll()
    yield story
    for copy in story.copies:
        story.dynamodb.delete_table(TableName=copy)


Restore = Callable[..., int]


@pytest.fixture
def restore(story: Story) -> Restore:
    """Calls the command as an operator does, who needs not wait here."""

    def call(*more: str) -> int:
        return main(["restore", "--stack", story.stack.name, "--wait", "0", *more])

    return call


def test_what_slack_was_told_is_not_told_again(story: Story, restore: Restore) -> None:
    story.see("ended-before", "started", "success")
    story.see("fails-after", "started")
    story.show("pending-then", "failure")
    hold(find(story.stack.name))
    commit(story, "pending-then")
    copy = story.copy()
    let_go(find(story.stack.name))
    wait_until(lambda: not pending(story.stack))
    story.see("fails-after", "failure")
    story.see("new", "created", "started", "failure")
    story.see("goes-on-meanwhile", "created")
    before = story.told()
    assert before == {
        "ended-before": 1,
        "fails-after": 2,
        "pending-then": 1,
        "new": 2,
        "goes-on-meanwhile": 1,
    }

    story.lose_everything()
    hold(find(story.stack.name))
    story.send_words("new", "goes-on-meanwhile")
    story.start_notify_anew()
    story.show("goes-on-meanwhile", "failure")
    story.show("comes-meanwhile", "started")
    assert restore(*copy) == 0
    story.tick_until_told()

    # A failure that nobody was told of is told in its run's thread; its message is the old one.
    assert story.told() == {**before, "goes-on-meanwhile": 2, "comes-meanwhile": 1}
    assert "failed" in story.text("goes-on-meanwhile")
    assert "failed" in story.text("new")


def commit(story: Story, run_id: str) -> None:
    """Have a state committed while nothing of it can be told."""
    client = story.stack.aws.client("lambda")
    client.delete_function_concurrency(FunctionName=story.stack.outputs["PollFunctionName"])
    assert story.stack.poll()["changed"] == 1
    assert pending(story.stack) == [f"run#default#{run_id}"]


def test_a_dry_run_says_what_there_is_and_changes_nothing(
    story: Story, restore: Restore, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = RunStore(Table(story.dynamodb, story.table))
    runs.create_test("default", "run-1", CHANNEL)
    copy = story.copy()
    runs.create_test("default", "run-2", CHANNEL)
    before = story.items()

    assert restore(*copy, "--dry-run") == 0

    assert story.items() == before
    said = capsys.readouterr().out
    assert f"{sum(pk.startswith('run#') for pk in before) - 1:>8}  run\n" in said
    assert "       1  connection\n" in said
    assert mapping(story) == "Enabled"
    assert story.stack.poll()["failed"] == 0, "everything runs"


def test_a_table_that_is_no_copy_of_the_stacks_is_refused(
    story: Story, restore: Restore, capsys: pytest.CaptureFixture[str]
) -> None:
    _, copy, *_ = story.copy()

    assert restore("--from", story.table) == 1
    assert restore("--from", copy) == 1, "the emulator does not say what it is a copy of"

    said = capsys.readouterr().err
    assert "the stack's own table" in said
    assert "was not restored from" in said


def test_a_wish_to_run_a_task_again_is_not_put_back(story: Story, restore: Restore) -> None:
    """It may have been fulfilled since, and would be fulfilled once more."""
    table = Table(story.dynamodb, story.table)
    RunStore(table).create_test("default", "run-1", CHANNEL)
    RerunStore(table).ask("default", "run-1", "task-1", "U0ANNA1")
    copy = story.copy()
    story.lose_everything()

    assert restore(*copy) == 0

    assert "run#default#run-1" in story.items()
    assert "again#default#run-1" not in story.items()


def test_a_connection_that_cant_be_looked_at_keeps_nothing_still(
    story: Story,
    restore: Restore,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Here a later release had written the copy, so that this one's ticks are refused."""
    copy = story.copy()
    Table(story.dynamodb, story.copies[0], schema=SCHEMA + 1).update("connection#default")

    assert restore(*copy) == 1
    said = capsys.readouterr().out
    assert "a tick of default has failed" in said
    assert "its runs are seen once it can be looked at" in said
    assert mapping(story) == "Enabled"


def test_a_restore_that_fails_leaves_everything_still_until_it_is_let_go(
    story: Story,
    restore: Restore,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Here it is a copy made by hand, with an item in it that the table refuses."""
    name, moment = f"by-hand-{uuid.uuid4().hex}", timestamp(datetime.now(UTC))
    story.dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    story.copies.append(name)
    due_is_no_text = {"pk": {"S": "run#default#meddled"}, "pending_due": {"N": "1"}}
    story.dynamodb.put_item(TableName=name, Item=due_is_no_text)

    assert restore("--from", name, "--at", moment) == 1
    said = capsys.readouterr()
    assert said.err.startswith("restore: ")
    assert "pending_due" in said.err
    assert "--resume" in said.out
    assert mapping(story) == "Disabled"

    assert restore("--resume") == 0
    assert mapping(story) == "Enabled"


def mapping(story: Story) -> str:
    """Whether notify is fed."""
    found = story.stack.aws.client("lambda").list_event_source_mappings(
        FunctionName=story.stack.outputs["NotifyFunctionName"]
    )
    return str(found["EventSourceMappings"][0]["State"])
