"""Each function with its own role, enforced as on AWS: it can do all of its work, and nothing else.

Of three things this local AWS is no judge, and tests/template reads them from the template: it
knows no `dynamodb:LeadingKeys`, looks past a schedule's group, and lets a role be passed without
`iam:PassRole`. Here the items that the functions ask for are held against what their roles name.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, TypeAlias

import boto3
import psutil
import pytest
import requests
from botocore.exceptions import ClientError

from local.algolia import AlgoliaStandIn
from local.aws import REGION, LocalAws
from local.faults import Fault
from local.slack import Message, SlackStandIn
from local.stack import Stack, deploy
from runbell.run import timestamp
from tests.integration.test_deployed import CHANNEL, Deployment, wait_until

pytestmark = pytest.mark.xdist_group("roles")

FUNCTIONS = ("poll", "api", "notify", "interact")
CLOSED = "#closed"
STACK, CONNECTION = "runbell-strict", "emea"
OF_ANOTHER_STACK = f"another-{STACK}/connections/{CONNECTION}"


class Call(NamedTuple):
    """What a function asked AWS for.

    Args:
        action: As a policy names it.
        key: The item's, if it is about one.
    """

    action: str
    key: str | None = None


@dataclass
class Day:
    """What came of the functions' work.

    Args:
        failures: By the name of a piece of work, what went wrong with it.
        calls: What each function asked AWS for.
    """

    failures: dict[str, BaseException] = field(default_factory=dict)
    calls: dict[str, set[Call]] = field(default_factory=lambda: defaultdict(set))


class Strict(Deployment):
    """A deployed stack whose functions have their roles' permissions and no more."""

    def __init__(self, stack: Stack, algolia: AlgoliaStandIn, slack: SlackStandIn) -> None:
        super().__init__(stack, algolia, slack)
        listed = stack.aws.client("cloudformation").describe_stack_resources(StackName=stack.name)
        self.ids = {
            each["LogicalResourceId"]: each["PhysicalResourceId"]
            for each in listed["StackResources"]
        }

    def granted(self, function: str) -> list[dict[str, Any]]:
        """The statements of a function's role, as they are deployed."""
        role = self.ids[f"{function.capitalize()}Role"]
        iam = self.stack.aws.client("iam")
        policy = iam.get_role_policy(RoleName=role, PolicyName=function)["PolicyDocument"]
        statements: list[dict[str, Any]] = policy["Statement"]
        return statements

    def credentials(self, function: str) -> dict[str, str]:
        """What a function signs its requests with, as its process has it."""
        name = self.ids[f"{function.capitalize()}Function"]
        for process in psutil.process_iter():
            try:
                found = process.environ()
            except (psutil.AccessDenied, psutil.NoSuchProcess):
                continue
            if (
                found.get("AWS_LAMBDA_FUNCTION_NAME") == name
                and found.get("AWS_ENDPOINT_URL") == self.stack.aws.url
            ):
                return {
                    "aws_access_key_id": found["AWS_ACCESS_KEY_ID"],
                    "aws_secret_access_key": found["AWS_SECRET_ACCESS_KEY"],
                    "aws_session_token": found["AWS_SESSION_TOKEN"],
                }
        raise AssertionError(f"{function} has no process, so it has never been called")

    def root(self, run_id: str) -> Message:
        """The run's own message."""
        return next(
            each
            for each in self.slack.messages(CHANNEL)
            if each.thread_ts is None and run_id in json.dumps(each.blocks)
        )

    def letters(self) -> int:
        """How many dead letters there are, those included that somebody has just looked at."""
        found = self.stack.aws.client("sqs").get_queue_attributes(
            QueueUrl=self.stack.outputs["DeadLetterQueueUrl"],
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
            ],
        )
        return sum(map(int, found["Attributes"].values()))

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """Call the HTTP API, which has to answer well."""
        answer = self.stack.call(method, path, **more)
        assert answer.ok, answer.text
        return answer


def as_list(value: Any) -> list[Any]:
    """What IAM lets be written alone or as a list."""
    return value if isinstance(value, list) else [value]


# ---- The functions' work ------------------------------------------------------------------------


def a_run_is_found_and_told(strict: Strict) -> None:
    run_id = str(uuid.uuid4())
    strict.show(run_id, "started", startedAt=timestamp(datetime.now(UTC)))
    assert strict.stack.poll()["changed"] == 1
    strict.settle()
    assert len(strict.posts(run_id)) == 1
    strict.show(run_id, "finished", "success")
    assert strict.stack.poll()["failed"] == 0
    strict.settle()


def a_run_is_checked(strict: Strict) -> None:
    run_id = str(uuid.uuid4())
    strict.show(run_id, "created")
    assert strict.ask("POST", f"/runs/{run_id}/check").json()["change"] is not None
    strict.settle()
    assert len(strict.posts(run_id)) == 1
    assert strict.ask("GET", f"/runs/{run_id}").json()["run"]["runID"] == run_id
    listed = strict.ask("GET", "/runs").json()["runs"]
    assert run_id in json.dumps(listed)


def the_thread_of_a_lost_message_goes_on(strict: Strict) -> None:
    task = f"task-{uuid.uuid4()}"
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    for run_id in (first, second):
        ended = timestamp(datetime.now(UTC))
        strict.show(run_id, "finished", "failure", taskID=task, finishedAt=ended)
        strict.ask("POST", f"/runs/{run_id}/check")
        strict.settle()
        if run_id == first:
            strict.slack.delete(CHANNEL, strict.root(first).ts)
    assert strict.calls(second)
    threads = scan(strict, "thread#")
    assert len(threads) == 1


def runs_and_tasks_are_watched(strict: Strict) -> None:
    for subject in ("runs/watched-run", "tasks/watched-task"):
        strict.ask("PUT", f"/watches/{subject}", json={})
        assert subject.partition("/")[2] in strict.ask("GET", "/watches").text
        strict.ask("DELETE", f"/watches/{subject}")


def a_connection_is_made_polled_and_deleted(strict: Strict) -> None:
    stack, path = strict.stack, f"/connections/{CONNECTION}"
    for schedule in ("rate(5 minutes)", "rate(10 minutes)"):
        strict.ask("PUT", path, json={"schedule": schedule})
    scheduler = stack.aws.client("scheduler")
    made = scheduler.get_schedule(GroupName=stack.name, Name=CONNECTION)
    assert made["ScheduleExpression"] == "rate(10 minutes)"
    assert stack.poll(connection=CONNECTION)["failed"] == 0
    assert CONNECTION in strict.ask("GET", "/connections").text
    assert strict.ask("DELETE", path).status_code == 204
    assert not scheduler.list_schedules(GroupName=stack.name)["Schedules"]
    assert not scan(strict, "connection#emea")


def a_test_message_is_sent(strict: Strict) -> None:
    before = len(strict.slack.messages(CHANNEL))
    assert strict.ask("POST", "/test-message").status_code == 200
    assert len(strict.slack.messages(CHANNEL)) == before + 1


def buttons_are_pressed(strict: Strict) -> None:
    run_id = str(uuid.uuid4())
    strict.show(run_id, "finished", "failure", finishedAt=timestamp(datetime.now(UTC)))
    strict.ask("POST", f"/runs/{run_id}/check")
    strict.settle()

    def press(action: str, **more: Any) -> None:
        press = strict.slack.press(CHANNEL, strict.root(run_id).ts, action, user="U0ANNA1", **more)
        assert (press.status, press.body) == (200, ""), action

    def started() -> list[str]:
        task = f"task-of-{run_id}"
        return [each.run_id for each in strict.algolia.started() if each.task_id == task]

    press("claim")
    press("mute", option="8h")
    press("run_again")
    wait_until(lambda: bool(started()), "no tick has run the task again")
    strict.settle()
    assert any("U0ANNA1" in each.text for each in strict.slack.messages(CHANNEL))


def a_channel_that_refuses_is_told_once_it_opens(strict: Strict) -> None:
    run_id = str(uuid.uuid4())
    strict.slack.make_channel(CLOSED)
    strict.slack.archive(CLOSED)
    strict.ask("PUT", f"/watches/runs/{run_id}", json={"channel": CLOSED})
    strict.show(run_id, "started", startedAt=timestamp(datetime.now(UTC)))
    strict.stack.poll()
    wait_until(lambda: strict.letters() == 1, "no letter lies in the dead-letter queue")
    strict.slack.restore(CLOSED)

    def is_told() -> bool:
        strict.stack.poll()
        return len(strict.slack.messages(CLOSED)) == 1 and strict.letters() == 0

    wait_until(is_told, "the channel is open, and its letter still there")


def slack_asks_for_patience(strict: Strict) -> None:
    run_id = str(uuid.uuid4())
    # Longer than what notify waits for within one invocation: it puts the word off on the queue.
    fault = Fault("status", status=429, retry_after="3")
    strict.slack.faults.add(fault, path="chat.postMessage")
    strict.show(run_id, "created")
    strict.ask("POST", f"/runs/{run_id}/check")
    strict.settle()
    assert strict.posts(run_id)


def poll_comes_back_by_itself(strict: Strict) -> None:
    run_id, now = str(uuid.uuid4()), timestamp(datetime.now(UTC))
    strict.show(run_id, "started", createdAt=now, startedAt=now)

    def spent() -> Any:
        """What only looks ahead of the schedule change."""
        item = strict.stack.aws.client("dynamodb").get_item(
            TableName=strict.stack.outputs["TableName"], Key={"pk": {"S": "connection#default"}}
        )["Item"]
        return item.get("budget_whole_at")

    before = spent()
    strict.stack.poll()
    wait_until(lambda: spent() != before, "poll has not come back")
    strict.show(run_id, "finished", "success", createdAt=now, startedAt=now, finishedAt=now)
    strict.settle()


def a_digest_is_made(strict: Strict) -> None:
    before = len(strict.slack.messages(CHANNEL))
    assert strict.stack.poll(digest=True, at=timestamp(datetime.now(UTC)))["made"] == 1
    strict.settle()
    assert len(strict.slack.messages(CHANNEL)) == before + 1


WORK: tuple[Callable[[Strict], None], ...] = (
    a_run_is_found_and_told,
    a_run_is_checked,
    the_thread_of_a_lost_message_goes_on,
    runs_and_tasks_are_watched,
    a_connection_is_made_polled_and_deleted,
    a_test_message_is_sent,
    buttons_are_pressed,
    a_channel_that_refuses_is_told_once_it_opens,
    slack_asks_for_patience,
    poll_comes_back_by_itself,
    a_digest_is_made,
)

LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}

NOT_CALLED = {
    "poll": LOGS | {"sqs:GetQueueAttributes"},
    "api": LOGS | {"iam:PassRole"},
    "notify": LOGS | {"sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
    "interact": LOGS,
}
"""What a role needs although its function never calls it: what Lambda does in its name, and what
AWS looks at when a schedule is made."""


def scan(strict: Strict, prefix: str) -> list[str]:
    """The keys of the table's items that begin so."""
    dynamodb = strict.stack.aws.client("dynamodb")
    items = dynamodb.scan(TableName=strict.stack.outputs["TableName"])["Items"]
    return [item["pk"]["S"] for item in items if item["pk"]["S"].startswith(prefix)]


@pytest.fixture(scope="module")
def strict() -> Iterator[Strict]:
    """The built template, deployed where roles are enforced."""
    with LocalAws(is_strict=True) as aws, AlgoliaStandIn() as algolia, SlackStandIn() as slack:
        stack = deploy(
            aws,
            STACK,
            AlgoliaBaseUrl=algolia.url,
            SlackBaseUrl=slack.url,
            SlackChannel=CHANNEL,
        )
        stack.put_token()
        stack.put_secret(
            "AlgoliaSecretArn",
            {"app_id": algolia.app_id, "api_key": algolia.api_key, "region": "us"},
        )
        stack.put_secret(
            "SlackSecretArn",
            {"bot_token": "xoxb-stand-in", "signing_secret": slack.signing_secret},
        )
        stack.put_connection_secret(CONNECTION, algolia.app_id, algolia.api_key)
        aws.client("secretsmanager").create_secret(Name=OF_ANOTHER_STACK, SecretString="{}")
        slack.interactions_url = f"{stack.api_url}/slack/interactions"
        slack.answer_within = 20.0
        strict = Strict(stack, algolia, slack)
        for queue in ("Queue", "DeadLetterQueue"):
            aws.client("sqs").set_queue_attributes(
                QueueUrl=strict.ids[queue], Attributes={"VisibilityTimeout": "2"}
            )
        for function in FUNCTIONS:
            make_up_for_names(strict, function)
        record_calls(aws)
        yield strict
        stack.remove()


def make_up_for_names(strict: Strict, function: str) -> None:
    """Give a role what this local AWS calls otherwise than AWS, so that the template needs not.

    On AWS `sqs:SendMessage` covers SendMessageBatch, which is no action there and is one here; a
    group of logs has `:*` at its end, as in the template, and here it has not; and here every
    schedule is called as if it were in the group `default`.
    """
    otherwise = []
    for statement in strict.granted(function):
        if statement["Sid"] == "WriteLogs":
            group = statement["Resource"].removesuffix(":*")
            otherwise.append({**statement, "Resource": group})
        if statement["Action"] == "sqs:SendMessage":
            otherwise.append({**statement, "Action": "sqs:SendMessageBatch"})
        if "scheduler:CreateSchedule" in statement["Action"]:
            schedule = statement["Resource"].replace(f"{STACK}/*", f"default/{CONNECTION}")
            otherwise.append({**statement, "Resource": schedule})
    strict.stack.aws.client("iam").put_role_policy(
        RoleName=strict.ids[f"{function.capitalize()}Role"],
        PolicyName="called-otherwise-here",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": otherwise}),
    )


def record_calls(aws: LocalAws) -> None:
    """Have the local AWS's CloudTrail remember every call from now on."""
    wanted = {"cloudtrail._recording_enabled": "true"}
    requests.post(f"{aws.url}/_ministack/config", json=wanted, timeout=5).raise_for_status()


@pytest.fixture(scope="module")
def day(strict: Strict) -> Day:
    """All of the functions' work, done once."""
    day = Day()
    for work in WORK:
        try:
            work(strict)
        except Exception as error:  # noqa: BLE001 (the test of its name raises it)
            day.failures[work.__name__] = error
        for function in FUNCTIONS:
            day.calls[function] |= calls_of(strict, function)
    return day


def calls_of(strict: Strict, function: str) -> set[Call]:
    """The last calls that a function has made to each service."""
    try:
        key = strict.credentials(function)["aws_access_key_id"]
    except AssertionError:
        return set()  # not called yet
    trail = strict.stack.aws.client("cloudtrail")
    found: set[Call] = set()
    for service in ("dynamodb", "secretsmanager", "sqs", "lambda", "scheduler"):
        asked = trail.lookup_events(
            LookupAttributes=[
                {"AttributeKey": "AccessKeyId", "AttributeValue": key},
                {"AttributeKey": "EventSource", "AttributeValue": f"{service}.amazonaws.com"},
            ],
            MaxResults=50,
        )
        for event in asked["Events"]:
            found |= set(read_event(service, json.loads(event["CloudTrailEvent"])))
    return found


CALLED_OTHERWISE = {
    "SendMessageBatch": "sqs:SendMessage",
    "Invoke": "lambda:InvokeFunction",
    "POST.scheduler": "scheduler:CreateSchedule",
    "PUT.scheduler": "scheduler:UpdateSchedule",
    "DELETE.scheduler": "scheduler:DeleteSchedule",
}
"""What the trail calls otherwise than a policy does."""


def read_event(service: str, event: Mapping[str, Any]) -> Iterator[Call]:
    """What a recorded call needs permission for."""
    name, asked = event["eventName"], event["requestParameters"]
    if name == "TransactWriteItems":
        for each in asked["TransactItems"]:
            [(kind, write)] = each.items()
            yield Call(f"dynamodb:{kind}Item", write["Key"]["pk"]["S"])
    elif name == "BatchGetItem":
        [request] = asked["RequestItems"].values()
        for key in request["Keys"]:
            yield Call("dynamodb:BatchGetItem", key["pk"]["S"])
    elif "Key" in asked:
        yield Call(f"{service}:{name}", asked["Key"]["pk"]["S"])
    elif name in CALLED_OTHERWISE:
        yield Call(CALLED_OTHERWISE[name])
    else:
        yield Call(f"{service}:{name}")


@pytest.mark.parametrize("work", [work.__name__ for work in WORK])
def test_the_roles_suffice_for_the_functions_work(day: Day, work: str) -> None:
    if work in day.failures:
        raise day.failures[work]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_role_may_do_what_its_function_never_does(
    strict: Strict, day: Day, function: str
) -> None:
    granted = {
        action for statement in strict.granted(function) for action in as_list(statement["Action"])
    }
    done = {call.action for call in day.calls[function]}
    assert granted - done - NOT_CALLED[function] == set()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_names_the_items_that_its_function_asks_for(
    strict: Strict, day: Day, function: str
) -> None:
    """All of them, or AWS would refuse what this local AWS takes; and no others."""
    used: dict[str, set[str]] = defaultdict(set)
    asked = {call for call in day.calls[function] if call.key}
    assert asked
    for action, key in asked:
        patterns = named_items(strict, function, action)
        fitting = {pattern for pattern in patterns if fnmatchcase(str(key), pattern)}
        assert fitting, f"{function} may not {action} {key}"
        used[action] |= fitting
    if function != "poll":
        written = "dynamodb:UpdateItem" if function != "api" else "dynamodb:DeleteItem"
        assert used[written] == named_items(strict, function, written)


def named_items(strict: Strict, function: str, action: str) -> set[str]:
    """For which items a role lets an action be done; `*` where it names none."""
    for statement in strict.granted(function):
        if action in as_list(statement["Action"]):
            named = statement.get("Condition", {}).get("ForAllValues:StringLike", {})
            return set(as_list(named.get("dynamodb:LeadingKeys", "*")))
    return set()


# ---- And nothing else ---------------------------------------------------------------------------


class Reach:
    """AWS as a function reaches it, and what things are called there."""

    def __init__(self, strict: Strict, function: str) -> None:
        self._strict = strict
        self._credentials = strict.credentials(function)
        self._clients: dict[str, Any] = {}
        self.ids = strict.ids
        self.table = {"TableName": strict.ids["Table"]}

    def client(self, service: str) -> Any:
        """A client that signs as the function does."""
        if service not in self._clients:
            self._clients[service] = boto3.client(  # type: ignore[call-overload]
                service,
                endpoint_url=self._strict.stack.aws.url,
                region_name=REGION,
                **self._credentials,
            )
        return self._clients[service]

    def arn(self, role: str) -> str:
        """The ARN of a role."""
        found = self._strict.stack.aws.client("iam").get_role(RoleName=self.ids[role])
        return str(found["Role"]["Arn"])


ITEM = {"pk": {"S": "run#default#of-nobody"}}
NOT_THERE = {"Key": ITEM, "ConditionExpression": "attribute_exists(pk)"}
CHANGE = {"UpdateExpression": "SET seen = pk"}
LETTER = {"MessageBody": "{}", "MessageGroupId": "probe", "MessageDeduplicationId": "probe"}
RECEIPT = {"ReceiptHandle": "of-nothing"}
PUT_OFF = {**RECEIPT, "VisibilityTimeout": 1}
TICKS = "ScheduleDeadLetterQueue"
COMEBACK = "ComebackQueue"
NEVER = {
    "ScheduleExpression": "never",
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "Target": {
        "Arn": "arn:aws:lambda:us-east-1:000000000000:function:of-nobody",
        "RoleArn": "arn:aws:iam::000000000000:role/of-nobody",
    },
}
EVERYTHING = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)

Request: TypeAlias = Callable[[Reach], Any]


def secret(of: str) -> Request:
    return lambda to: to.client("secretsmanager").get_secret_value(SecretId=to.ids.get(of, of))


def put_secret(of: str) -> Request:
    return lambda to: to.client("secretsmanager").put_secret_value(
        SecretId=to.ids.get(of, of), SecretString="{}"
    )


def read_items(to: Reach) -> Any:
    wanted = {to.table["TableName"]: {"Keys": [ITEM]}}
    return to.client("dynamodb").batch_get_item(RequestItems=wanted)


def put_items(to: Reach) -> Any:
    wanted = {to.table["TableName"]: [{"PutRequest": {"Item": ITEM}}]}
    return to.client("dynamodb").batch_write_item(RequestItems=wanted)


def table(operation: str, **more: Any) -> Request:
    return lambda to: getattr(to.client("dynamodb"), operation)(**to.table, **more)


def query(index: str | None = None) -> Request:
    """Read an index, or the table, by its first key."""
    key = {None: "pk", "watches": "watched"}.get(index, index)
    return table(
        "query",
        KeyConditionExpression="#key = :nobody",
        ExpressionAttributeNames={"#key": key},
        ExpressionAttributeValues={":nobody": {"S": "nobody"}},
        **({"IndexName": index} if index else {}),
    )


def queue(operation: str, logical: str, **more: Any) -> Request:
    return lambda to: getattr(to.client("sqs"), operation)(QueueUrl=to.ids[logical], **more)


def start(function: str) -> Request:
    """Ask whether one may start a function; nothing is started."""
    return lambda to: to.client("lambda").invoke(
        FunctionName=to.ids[function], InvocationType="DryRun"
    )


def read_settings(function: str) -> Request:
    return lambda to: to.client("lambda").get_function(FunctionName=to.ids[function])


def read_log(group: str) -> Request:
    return lambda to: to.client("logs").filter_log_events(logGroupName=to.ids[group])


def take_role(role: str) -> Request:
    return lambda to: to.client("sts").assume_role(RoleArn=to.arn(role), RoleSessionName="probe")


def schedule(operation: str, name: str, **more: Any) -> Request:
    return lambda to: getattr(to.client("scheduler"), operation)(
        Name=to.ids.get(name, name), GroupName=STACK, **more
    )


def write_log(group: str) -> Request:
    """Ask for a stream, which may be there already."""
    return lambda to: to.client("logs").create_log_stream(
        logGroupName=to.ids[group], logStreamName="probe"
    )


def iam(operation: str, **more: Any) -> Request:
    return lambda to: getattr(to.client("iam"), operation)(RoleName=to.ids["NotifyRole"], **more)


LIBERTIES: tuple[tuple[str, str, Request], ...] = (
    # what, who may, how to ask for it; what is asked for changes nothing where it is granted
    ("read Algolia's secret", "poll api", secret("AlgoliaSecret")),
    ("read a connection's secret", "poll api", secret(f"{STACK}/connections/{CONNECTION}")),
    ("read Slack's secret", "notify interact", secret("SlackSecret")),
    ("read the HTTP API's token", "api", secret("ApiTokenSecret")),
    ("read another stack's secret", "", secret(OF_ANOTHER_STACK)),
    ("put a secret", "", put_secret("SlackSecret")),
    ("list the secrets", "", lambda to: to.client("secretsmanager").list_secrets()),
    ("read an item", "poll api notify interact", table("get_item", Key=ITEM)),
    ("read items", "poll api", read_items),
    ("update an item", "poll api notify interact", table("update_item", **NOT_THERE, **CHANGE)),
    ("delete an item", "api", table("delete_item", **NOT_THERE)),
    ("put an item", "", table("put_item", Item=ITEM)),
    ("put items", "", put_items),
    ("query the table", "", query()),
    ("query what is due", "poll", query("due")),
    ("query what is pending", "poll", query("pending")),
    ("query what is recent", "poll api", query("recent")),
    ("query the watches", "api", query("watches")),
    ("query the index of the release before", "", query("active")),
    ("scan the table", "", table("scan")),
    ("scan an index", "", table("scan", IndexName="recent")),
    ("describe the table", "", table("describe_table")),
    ("change the table", "", table("update_table", BillingMode="PAY_PER_REQUEST")),
    ("delete the table", "", table("delete_table")),
    ("send to the queue", "poll api interact", queue("send_message", "Queue", **LETTER)),
    ("receive from the queue", "notify", queue("receive_message", "Queue")),
    ("delete from the queue", "notify", queue("delete_message", "Queue", **RECEIPT)),
    ("put off the queue", "notify", queue("change_message_visibility", "Queue", **PUT_OFF)),
    ("purge the queue", "", queue("purge_queue", "Queue")),
    ("send a dead letter", "notify", queue("send_message", "DeadLetterQueue", **LETTER)),
    ("receive a dead letter", "poll", queue("receive_message", "DeadLetterQueue")),
    ("delete a dead letter", "poll", queue("delete_message", "DeadLetterQueue", **RECEIPT)),
    ("put off a dead letter", "", queue("change_message_visibility", "DeadLetterQueue", **PUT_OFF)),
    ("purge the dead letters", "", queue("purge_queue", "DeadLetterQueue")),
    ("send a word to come back", "poll", queue("send_message", COMEBACK, MessageBody="{}")),
    ("receive a word to come back", "poll", queue("receive_message", COMEBACK)),
    ("delete a word to come back", "poll", queue("delete_message", COMEBACK, **RECEIPT)),
    ("put off a word to come back", "", queue("change_message_visibility", COMEBACK, **PUT_OFF)),
    ("send a tick's dead letter", "", queue("send_message", TICKS, MessageBody="{}")),
    ("receive a tick's dead letter", "", queue("receive_message", TICKS)),
    ("start poll", "interact", start("PollFunction")),
    ("start api", "", start("ApiFunction")),
    ("start notify", "", start("NotifyFunction")),
    ("start interact", "", start("InteractFunction")),
    ("read poll's settings", "", read_settings("PollFunction")),
    ("make a connection's schedule", "api", schedule("create_schedule", CONNECTION, **NEVER)),
    ("change a connection's schedule", "api", schedule("update_schedule", CONNECTION, **NEVER)),
    ("delete a connection's schedule", "api", schedule("delete_schedule", CONNECTION)),
    ("change the template's schedule", "", schedule("update_schedule", "Schedule", **NEVER)),
    ("delete the template's schedule", "", schedule("delete_schedule", "Schedule")),
    ("write poll's log", "poll", write_log("PollLogGroup")),
    ("write api's log", "api", write_log("ApiLogGroup")),
    ("write notify's log", "notify", write_log("NotifyLogGroup")),
    ("write interact's log", "interact", write_log("InteractLogGroup")),
    ("write the HTTP API's log", "", write_log("HttpApiLogGroup")),
    ("read a log", "", read_log("NotifyLogGroup")),
    ("read a role", "", iam("get_role")),
    ("widen a role", "", iam("put_role_policy", PolicyName="wider", PolicyDocument=EVERYTHING)),
    ("take a role", "", take_role("NotifyRole")),
)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("what", "who", "ask"), LIBERTIES, ids=[each[0] for each in LIBERTIES])
def test_who_may_do_what(
    reach: Mapping[str, Reach], function: str, what: str, who: str, ask: Request
) -> None:
    assert is_denied(ask, reach[function]) == (function not in who.split()), (function, what)


@pytest.fixture(scope="module")
def reach(strict: Strict, day: Day) -> Mapping[str, Reach]:
    """AWS as each function reaches it."""
    return {function: Reach(strict, function) for function in FUNCTIONS}


def is_denied(ask: Request, reach: Reach) -> bool:
    """Whether AWS refuses a request for want of permission; another refusal comes after that."""
    try:
        ask(reach)
    except ClientError as error:
        return error.response["Error"]["Code"].startswith("AccessDenied")
    return False


def test_nobody_does_anything_without_a_role(strict: Strict) -> None:
    """A key that is none is no way around all this."""
    stranger = boto3.client(
        "dynamodb",
        endpoint_url=strict.stack.aws.url,
        region_name=REGION,
        aws_access_key_id="AKIAOFNOBODY00000000",
        aws_secret_access_key="of-nobody",
    )
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        stranger.describe_table(TableName=strict.ids["Table"])
