"""The way through: the template as deployed, driven as the schedule and a person drive it."""

from __future__ import annotations

import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from jsonschema import Draft202012Validator

from local.algolia import AlgoliaStandIn
from local.aws import ROOT, LocalAws
from local.slack import Call, SlackStandIn
from local.stack import FunctionFailedError, Stack, deploy
from runbell.run import timestamp

pytestmark = pytest.mark.xdist_group("deployed")

CHANNEL = "#runs"
PATIENCE = 30.0
"""Seconds that something may take which takes one."""

QUIET = 1.5
"""Seconds in which a message that should not come would have come."""


def minutes_ago(number: int) -> str:
    """A moment as Algolia writes it; lists show what was created in the last seven days."""
    return timestamp(datetime.now(UTC) - timedelta(minutes=number))


class Deployment:
    """A deployed stack with stand-ins of its own."""

    def __init__(self, stack: Stack, algolia: AlgoliaStandIn, slack: SlackStandIn) -> None:
        self.stack = stack
        self.algolia = algolia
        self.slack = slack

    def show(self, run_id: str, status: str, outcome: str | None = None, **more: Any) -> None:
        """Let Algolia answer with this state of a run from now on."""
        run = {
            "runID": run_id,
            "appID": self.algolia.app_id,
            "taskID": f"task-of-{run_id}",  # so that no failure of another is in a row with it
            "type": "reindex",
            "createdAt": minutes_ago(3),
            "status": status,
            **({"outcome": outcome} if outcome else {}),
            **more,
        }
        self.algolia.put_run(run)

    def calls(self, run_id: str) -> list[Call]:
        """What Slack has taken about a run."""
        return [call for call in self.slack.calls if run_id in json.dumps(call.arguments)]

    def posts(self, run_id: str) -> list[Call]:
        """The new messages among them that are no replies."""
        return [
            call
            for call in self.calls(run_id)
            if call.method in {"chat.postMessage", "webhook"}
            and not call.arguments.get("thread_ts")
        ]

    def settle(self) -> None:
        """Wait until nothing is pending and the queue is empty."""
        table = self.stack.aws.client("dynamodb")
        sqs = self.stack.aws.client("sqs")

        def is_settled() -> bool:
            pending = table.scan(TableName=self.stack.outputs["TableName"], IndexName="pending")
            queue = sqs.get_queue_attributes(
                QueueUrl=self.stack.outputs["QueueUrl"],
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesNotVisible",
                ],
            )["Attributes"]
            return not pending["Items"] and not any(int(count) for count in queue.values())

        wait_until(is_settled, "something stays pending")


def wait_until(is_so: Callable[[], bool], complaint: str) -> None:
    """Wait for something that is about to happen; fail when it doesn't."""
    ends = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < ends, complaint
        time.sleep(0.05)


@pytest.fixture(scope="module", params=["bot", "webhook"])
def deployed(aws: LocalAws, request: pytest.FixtureRequest) -> Iterator[Deployment]:
    """The built template, deployed anew, with a bot token or a webhook as its way into Slack."""
    with AlgoliaStandIn() as algolia, SlackStandIn() as slack:
        stack = deploy(
            aws,
            f"runbell-{request.param}",
            AlgoliaBaseUrl=algolia.url,
            SlackBaseUrl=slack.url,
            SlackChannel=CHANNEL,
            FastPolling="off",  # what a tick finds here, no look ahead is to find before it
        )
        stack.put_secret(
            "AlgoliaSecretArn",
            {"app_id": algolia.app_id, "api_key": algolia.api_key, "region": "us"},
        )
        secret = {"bot_token": "xoxb-stand-in"}
        if request.param == "webhook":
            secret = {"webhook_url": slack.webhook_url}
        stack.put_secret("SlackSecretArn", secret)
        # A killed notify's message comes again after this time: minutes on AWS, seconds here.
        aws.client("sqs").set_queue_attributes(
            QueueUrl=stack.outputs["QueueUrl"], Attributes={"VisibilityTimeout": "5"}
        )
        yield Deployment(stack, algolia, slack)
        stack.remove()


@pytest.fixture
def run_id() -> str:
    """A run that nobody has seen."""
    return str(uuid.uuid4())


Look = Callable[[Deployment, str], None]


def by_poll(deployed: Deployment, run_id: str) -> None:
    """Look at a run as the schedule does."""
    report = deployed.stack.poll(runIDs=[run_id])
    assert report["failed"] == 0


def by_http(deployed: Deployment, run_id: str) -> None:
    """Look at a run as a person does."""
    answer = deployed.stack.call("POST", f"/runs/{run_id}/check")
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("look", [by_poll, by_http])
def test_each_change_is_told_once_and_no_change_is_not(
    deployed: Deployment, run_id: str, look: Look, request: pytest.FixtureRequest
) -> None:
    """First sight, nothing, started, nothing, failed, nothing: as a team would see it."""
    life: list[dict[str, Any]] = [
        {"status": "created"},
        {"status": "started", "startedAt": minutes_ago(2)},
        {
            "status": "finished",
            "outcome": "failure",
            "reasonCode": "critical",
            "reason": "<!channel> & co",
            "startedAt": minutes_ago(2),
            "finishedAt": minutes_ago(1),
        },
    ]
    seen: list[list[str]] = []
    for state in life:
        deployed.show(run_id, **state)
        before = len(deployed.calls(run_id))
        look(deployed, run_id)
        deployed.settle()
        seen.append([call.method for call in deployed.calls(run_id)[before:]])
        look(deployed, run_id)
        deployed.settle()
        assert len(deployed.calls(run_id)) == before + len(seen[-1]), "told without a change"

    if "webhook" in request.node.name:
        assert seen == [["webhook"]] * 3
    else:
        assert seen == [["chat.postMessage"], ["chat.update"], ["chat.update", "chat.postMessage"]]
        assert len(deployed.posts(run_id)) == 1
        reply = deployed.calls(run_id)[-1].arguments
        assert reply["reply_broadcast"] is True
    assert "<!channel>" not in json.dumps(deployed.calls(run_id)[-1].arguments)
    assert "&lt;!channel&gt; &amp; co" in deployed.calls(run_id)[-1].arguments["text"]


def test_twenty_checks_at_once_give_one_announcement(deployed: Deployment, run_id: str) -> None:
    """However many ask at the same moment."""
    deployed.show(run_id, "created")
    token = deployed.stack.token

    def check(_: int) -> dict[str, Any]:
        answer = deployed.stack.call("POST", f"/runs/{run_id}/check", token=token)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(check, range(20)))
    deployed.settle()

    assert sum(answer["change"] is not None for answer in answers) == 1
    assert len(deployed.calls(run_id)) == 1


def test_a_watched_run_is_looked_at_until_it_has_ended(deployed: Deployment, run_id: str) -> None:
    """The tick finds it by itself, announces it where its watch says, and lets it go."""
    wishes = {"channel": "#elsewhere", "notifyOn": ["succeeded"]}
    answer = deployed.stack.call("PUT", f"/watches/runs/{run_id}", json=wishes)
    assert answer.status_code == 200, answer.text
    deployed.show(run_id, "started")
    assert deployed.stack.poll()["changed"] == 1
    deployed.settle()
    assert not deployed.calls(run_id), "nobody asked to hear of a start"

    deployed.show(run_id, "finished", "success", finishedAt=minutes_ago(1))
    assert deployed.stack.poll()["changed"] == 1
    deployed.settle()
    told = deployed.calls(run_id)
    assert len(told) == 1
    assert told[0].arguments.get("channel", "#elsewhere") == "#elsewhere"
    assert deployed.stack.poll()["checked"] == 0, "an ended run is still looked at"


def test_a_notify_that_is_killed_after_slack_answered_loses_nothing(
    deployed: Deployment, run_id: str
) -> None:
    """The process dies between Slack's answer and the table: at most one duplicate."""
    deployed.show(run_id, "created")
    killed: list[int] = []

    def kill(_: Call) -> None:
        deployed.slack.on_posted = None
        killed.extend(kill_function(deployed.stack, "NotifyFunctionName"))

    deployed.slack.on_posted = kill
    by_poll(deployed, run_id)
    wait_until(lambda: bool(killed), "no notify was there to be killed")
    wait_until(lambda: len(deployed.posts(run_id)) >= 1, "it was lost")
    deployed.settle()

    assert len(deployed.posts(run_id)) <= 2
    deployed.show(run_id, "started")
    by_poll(deployed, run_id)
    deployed.settle()
    state = deployed.stack.call("GET", f"/runs/{run_id}").json()
    assert state["delivery"]["told"] == 2


def test_a_poll_that_dies_between_table_and_queue_is_repaired_by_the_next_tick(
    deployed: Deployment, run_id: str
) -> None:
    """The queue is out of reach in the middle of a tick: what was committed comes out anyway."""
    functions = deployed.stack.aws.client("lambda")
    name = deployed.stack.outputs["PollFunctionName"]
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    nowhere = {**variables, "QUEUE_URL": variables["QUEUE_URL"].replace("Queue", "Nowhere")}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": nowhere})
    deployed.show(run_id, "created")
    try:
        report = deployed.stack.poll(runIDs=[run_id])
        assert (report["changed"], report["enqueued"]) == (1, 0)
    finally:
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables}
        )
    assert not deployed.calls(run_id)

    deployed.stack.poll()
    deployed.settle()
    assert len(deployed.posts(run_id)) == 1


def test_a_secret_that_is_replaced_is_used_without_a_deploy(
    deployed: Deployment, run_id: str
) -> None:
    """Algolia's key is rotated while the functions are warm."""
    deployed.show(run_id, "created")
    by_poll(deployed, run_id)
    old_key, new_key = deployed.algolia.api_key, f"key-{uuid.uuid4().hex}"
    deployed.algolia.rotate_key(new_key)
    secret = {"app_id": deployed.algolia.app_id, "api_key": new_key, "region": "us"}
    deployed.stack.put_secret("AlgoliaSecretArn", secret)

    # What was read in the last seconds is not read again at once.
    wait_until(
        lambda: deployed.stack.poll(runIDs=[run_id])["checked"] == 1, "the new key is not used"
    )
    assert old_key not in everything_logged(deployed.stack)
    assert new_key not in everything_logged(deployed.stack)


def test_nothing_secret_is_in_any_log(deployed: Deployment, run_id: str) -> None:
    """Whatever this test and those before it have made the functions write."""
    deployed.show(run_id, "created")
    by_poll(deployed, run_id)
    by_http(deployed, run_id)
    deployed.settle()
    logged = everything_logged(deployed.stack)
    assert run_id in logged, "there is no log to look into"
    for secret in (
        deployed.stack.token,
        deployed.algolia.api_key,
        "xoxb-stand-in",
        deployed.slack.webhook_url,
    ):
        assert secret not in logged


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/runs/{runID}/check"),
        ("GET", "/runs/{runID}"),
        ("GET", "/runs"),
        ("PUT", "/watches/runs/{runID}"),
        ("GET", "/watches/runs/{runID}"),
        ("DELETE", "/watches/runs/{runID}"),
        ("GET", "/watches"),
        ("POST", "/test-message"),
    ],
)
def test_without_the_token_nothing_is_done(deployed: Deployment, method: str, path: str) -> None:
    """401, and no request goes anywhere."""
    asked = len(deployed.algolia.requests)
    for token in (None, "wrong", deployed.stack.token[:-1], "ünïcode".encode().decode("latin-1")):
        answer = deployed.stack.call(method, path.replace("{runID}", "r"), token=token)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert_as_described(method, path, answer)
    assert len(deployed.algolia.requests) == asked


def test_the_token_is_rotated_without_a_deploy_and_without_a_gap(deployed: Deployment) -> None:
    """The new one is taken beside the old one; the old one ends with the processes that know it."""
    stack = deployed.stack
    old, new = stack.token, uuid.uuid4().hex

    def put(tokens: str) -> None:
        arn = stack.outputs["ApiTokenSecretArn"]
        stack.aws.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=tokens)

    def opens(token: str) -> bool:
        return stack.call("GET", "/connections", token=token).status_code == 200

    assert opens(old)
    put(f"{old}\n{new}\n")
    try:
        wait_until(lambda: opens(new), "the new token is not taken")
        assert opens(old)
        put(new)
        kill_function(stack, "ApiFunctionName")  # or a minute later
        wait_until(lambda: opens(new), "the new token is not taken")
        assert not opens(old)
    finally:
        put(new)


def test_every_call_answers_as_the_contract_says(deployed: Deployment, run_id: str) -> None:
    """Each route once well and once badly, held against the OpenAPI document that is served."""
    stack = deployed.stack
    deployed.show(run_id, "created")
    check, known, watch = f"/runs/{run_id}/check", f"/runs/{run_id}", f"/watches/runs/{run_id}"
    task, task_watch = f"/tasks/{run_id}-task", f"/watches/tasks/{run_id}-task"
    emea = "/connections/emea"
    file: dict[str, Any] = {"tasks": {f"{run_id}-task": {}}}
    yaml = {"headers": {"Content-Type": "application/yaml"}}
    unknown = str(uuid.uuid4())
    called = set()
    for method, path, status, template, arguments in (
        ("GET", known, 404, "/runs/{runID}", {}),
        ("POST", check, 200, "/runs/{runID}/check", {}),
        ("POST", f"/runs/{unknown}/check", 404, "/runs/{runID}/check", {}),
        ("POST", "/runs/a$b/check", 400, "/runs/{runID}/check", {}),
        ("GET", known, 200, "/runs/{runID}", {}),
        ("GET", "/runs?status=created", 200, "/runs", {}),
        ("GET", "/runs?state=created", 400, "/runs", {}),
        ("GET", "/runs?cursor=nonsense", 400, "/runs", {}),
        ("GET", watch, 404, "/watches/runs/{runID}", {}),
        ("PUT", watch, 200, "/watches/runs/{runID}", {"json": {"channel": "#x"}}),
        ("PUT", watch, 200, "/watches/runs/{runID}", {}),
        ("PUT", watch, 400, "/watches/runs/{runID}", {"json": {"channel": 5}}),
        ("PUT", watch, 400, "/watches/runs/{runID}", {"json": ["channel"]}),
        ("PUT", watch, 400, "/watches/runs/{runID}", {"data": b"\xff{"}),
        ("GET", watch, 200, "/watches/runs/{runID}", {}),
        ("GET", "/watches", 200, "/watches", {}),
        ("DELETE", watch, 204, "/watches/runs/{runID}", {}),
        ("DELETE", watch, 404, "/watches/runs/{runID}", {}),
        ("GET", task, 404, "/tasks/{taskID}", {}),
        ("GET", f"{task}?connection=nobody", 404, "/tasks/{taskID}", {}),
        ("GET", task_watch, 404, "/watches/tasks/{taskID}", {}),
        ("PUT", task_watch, 200, "/watches/tasks/{taskID}", {"json": {"mentions": ["here"]}}),
        ("PUT", task_watch, 400, "/watches/tasks/{taskID}", {"json": {"mutedUntil": "soon"}}),
        ("GET", task_watch, 200, "/watches/tasks/{taskID}", {}),
        ("PUT", "/watches?dryRun=true", 200, "/watches", {"json": file}),
        ("PUT", "/watches", 200, "/watches", {"data": json.dumps(file), **yaml}),
        ("PUT", "/watches", 400, "/watches", {"data": "tasks: &x {}", **yaml}),
        ("PUT", "/watches", 400, "/watches", {}),
        ("DELETE", task_watch, 204, "/watches/tasks/{taskID}", {}),
        ("DELETE", task_watch, 404, "/watches/tasks/{taskID}", {}),
        ("PUT", emea, 400, "/connections/{name}", {}),
        ("PUT", "/connections/default", 200, "/connections/{name}", {}),
        ("GET", emea, 404, "/connections/{name}", {}),
        ("GET", "/connections/default", 200, "/connections/{name}", {}),
        ("GET", "/connections", 200, "/connections", {}),
        ("GET", "/connections?cursor=x", 400, "/connections", {}),
        ("DELETE", "/connections/default", 400, "/connections/{name}", {}),
        ("DELETE", emea, 404, "/connections/{name}", {}),
        ("POST", "/test-message", 200, "/test-message", {}),
        ("POST", "/test-message", 400, "/test-message", {"json": {"to": "#x"}}),
        ("POST", "/slack/interactions", 401, "/slack/interactions", {"data": "payload={}"}),
        ("GET", "/health", 200, "/health", {"token": None}),
        ("GET", "/openapi.json", 200, "/openapi.json", {"token": None}),
        ("GET", "/docs", 200, "/docs", {"token": None}),
    ):
        answer = stack.call(method, path, **arguments)
        assert answer.status_code == status, (method, path, answer.status_code, answer.text)
        assert_as_described(method, template, answer)
        called.add((template, method.lower()))
    document = stack.call("GET", "/openapi.json", token=None).json()
    described = {
        (path, method)
        for path, operations in document["paths"].items()
        for method in operations
        if method != "parameters"
    }
    assert called == described, "a route is described and not called here, or the other way round"


def test_algolias_trouble_is_told_in_its_own_word(deployed: Deployment, run_id: str) -> None:
    """A check while Algolia fails: 502, and nothing is announced."""
    from local.faults import Fault

    deployed.show(run_id, "created")
    deployed.algolia.faults.add(Fault("status", status=503), path=run_id, times=4)
    answer = deployed.stack.call("POST", f"/runs/{run_id}/check")
    assert answer.status_code == 502
    assert "503" in answer.json()["message"]
    assert_as_described("POST", "/runs/{runID}/check", answer)
    by_http(deployed, run_id)
    deployed.settle()
    assert len(deployed.posts(run_id)) == 1


def test_a_test_message_tells_whether_slack_takes_it(deployed: Deployment) -> None:
    """The way of a real message, there and back."""
    answer = deployed.stack.call("POST", "/test-message", json={"channel": CHANNEL})
    assert answer.json()["delivered"] is True
    assert any("reaches this channel" in m.text for m in deployed.slack.messages(CHANNEL))


def test_a_tick_that_asks_for_nonsense_says_so(deployed: Deployment) -> None:
    """An event that is none fails with what is wrong and where."""
    with pytest.raises(FunctionFailedError, match=r"event\.runIDs"):
        deployed.stack.poll(runIDs="all")
    with pytest.raises(FunctionFailedError, match=r"event\.connection"):
        deployed.stack.poll(connection="Other")
    with pytest.raises(FunctionFailedError, match="there is no connection 'other'"):
        deployed.stack.poll(connection="other")


def test_a_connection_has_a_secret_and_a_schedule_of_its_own(
    deployed: Deployment, run_id: str
) -> None:
    """Made while everything runs; its schedule lets poll look at its runs, and goes with it."""
    stack = deployed.stack
    prefix = f"{stack.name}/connections/"
    stack.aws.client("secretsmanager").create_secret(
        Name=f"{prefix}emea",
        SecretString=json.dumps(
            {"app_id": deployed.algolia.app_id, "api_key": deployed.algolia.api_key, "region": "eu"}
        ),
    )
    made = stack.call("PUT", "/connections/emea", json={"channel": "#emea"})
    assert made.status_code == 200, made.text
    scheduler = stack.aws.client("scheduler")
    schedule = scheduler.get_schedule(GroupName=stack.name, Name="emea")
    poll = stack.aws.client("lambda").get_function(FunctionName=stack.outputs["PollFunctionName"])
    assert schedule["Target"]["Arn"] == poll["Configuration"]["FunctionArn"]
    deployed.show(run_id, "created")
    report = stack.poll(**json.loads(schedule["Target"]["Input"]), runIDs=[run_id])
    assert report["changed"] == 1
    deployed.settle()
    if deployed.posts(run_id)[0].method == "chat.postMessage":
        assert deployed.posts(run_id)[0].arguments["channel"] == "#emea"
    assert stack.call("GET", f"/runs/{run_id}?connection=emea").status_code == 200
    assert stack.call("DELETE", "/connections/emea").status_code == 204
    left = scheduler.list_schedules(GroupName=stack.name)["Schedules"]
    assert not left


def test_a_secret_that_nobody_has_put_is_named(aws: LocalAws) -> None:
    """A fresh deploy says what is still to be done."""
    stack = deploy(aws, "runbell-fresh")
    for event in ({}, {"runIDs": ["r"]}):
        with pytest.raises(FunctionFailedError, match="ALGOLIA still holds the placeholder"):
            stack.poll(**event)
    answer = stack.call("POST", "/runs/r/check")
    assert answer.status_code == 503
    assert "placeholder" in answer.json()["message"]
    answer = stack.call("POST", "/test-message")
    assert answer.json()["delivered"] is False
    assert "placeholder" in answer.json()["error"]
    stack.remove()


def assert_as_described(method: str, path: str, answer: Any) -> None:
    """Hold an answer against the OpenAPI document."""
    document = json.loads(
        (ROOT / "layers/runbell/python/runbell/api/openapi.json").read_text("utf-8")
    )
    described = document["paths"][path][method.lower()]["responses"]
    assert str(answer.status_code) in described, (method, path, answer.status_code, answer.text)
    response = described[str(answer.status_code)]
    if "content" not in response:
        assert not answer.content
        return
    content_type = answer.headers["Content-Type"].partition(";")[0]
    assert content_type in response["content"]
    if content_type == "application/json":
        schema = {
            **response["content"][content_type]["schema"],
            "components": document["components"],
        }
        Draft202012Validator(schema).validate(answer.json())


def everything_logged(stack: Stack) -> str:
    """All that the stack's functions have written."""
    logs = stack.aws.client("logs")
    words = []
    for group in logs.describe_log_groups()["logGroups"]:
        name = group["logGroupName"]
        for stream in logs.describe_log_streams(logGroupName=name)["logStreams"]:
            events = logs.get_log_events(logGroupName=name, logStreamName=stream["logStreamName"])
            words += [event["message"] for event in events["events"]]
    return "\n".join(words)


def kill_function(stack: Stack, output: str) -> list[int]:
    """Kill the processes that run a function, as a host that goes away would."""
    name = stack.outputs[output]
    killed = []
    for process in psutil.process_iter():
        try:
            environment = process.environ()
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue
        if environment.get("AWS_LAMBDA_FUNCTION_NAME") == name:
            os.kill(process.pid, signal.SIGKILL)
            killed.append(process.pid)
    return killed


def test_what_needs_a_deployed_stack_runs_in_one_process(request: pytest.FixtureRequest) -> None:
    """Or each process would deploy it for itself, and two would crowd the machine."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        assert request.node.nodeid.endswith("@deployed")


def test_the_built_artifact_is_there() -> None:
    """`make test` builds it; the tests above deploy what is built."""
    assert Path(ROOT / ".aws-sam" / "build" / "template.yaml").exists()
