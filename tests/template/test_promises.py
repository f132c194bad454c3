"""What the template promises, read from the template itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.aws import ROOT
from runbell import closed_channels, reports, reruns
from runbell.foresight import LONGEST
from runbell.inbox import TIRED
from runbell.items import run_key, task_key
from runbell.notices import summary_key, thread_key

Template = dict[str, Any]

FUNCTIONS = ("PollFunction", "ApiFunction", "NotifyFunction", "InteractFunction")

OUTPUTS = {
    "ApiUrl",
    "ApiTokenSecretArn",
    "AlgoliaSecretArn",
    "SlackSecretArn",
    "TableName",
    "QueueUrl",
    "DeadLetterQueueUrl",
    "PollFunctionName",
    "ApiFunctionName",
    "NotifyFunctionName",
    "InteractFunctionName",
}

PARAMETERS = {
    "SlackChannel",
    "FallbackChannel",
    "SlackUsers",
    "ScheduleExpression",
    "FastPolling",
    "Discover",
    "NotifyOn",
    "DigestSchedule",
    "DigestTimezone",
    "StalledAfterMinutes",
    "RetentionDays",
    "AlarmEmail",
    "PollAlarmMinutes",
    "Monitoring",
    "LogLevel",
    "AlgoliaBaseUrl",
    "SlackBaseUrl",
}


KEYS = {
    "run": run_key("emea", "run-1"),
    "task": task_key("emea", "task-1"),
    "thread": thread_key("emea", "run-1", "#runs"),
    "summary": summary_key("emea", datetime(2026, 1, 31, tzinfo=UTC), "#runs"),
    "digest": f"{reports.DIGEST}#emea#2026-01-31",
    "again": f"{reruns.KIND}#emea#run-1",
    "channel": f"{closed_channels.KIND}#emea##runs",
    "connection": "connection#emea",
}
"""A key of each kind of item."""

OPEN_ENDED = (
    "secret:${AWS::StackName}/connections/*",
    "schedule/${ConnectionSchedules}/*",
)
"""How a resource may end that stands for many: the secrets and schedules of the connections, which
are made after the deploy."""


def resources(template: Template, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The resources of one type, with their properties."""
    for name, resource in template["Resources"].items():
        if resource["Type"] == kind:
            yield name, resource["Properties"]


def statements(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every role's policies."""
    for name, role in resources(template, "AWS::IAM::Role"):
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


def as_list(value: Any) -> list[Any]:
    """What IAM lets be written alone or as a list."""
    return value if isinstance(value, list) else [value]


def test_the_names_that_others_rely_on_are_there(template: Template) -> None:
    """Parameters and outputs, each described; parameters grouped and labelled for the console."""
    assert set(template["Parameters"]) == PARAMETERS
    assert set(template["Outputs"]) == OUTPUTS
    for entry in (*template["Parameters"].values(), *template["Outputs"].values()):
        assert entry["Description"].strip()
    interface = template["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(PARAMETERS)
    assert set(interface["ParameterLabels"]) == PARAMETERS


def test_every_parameter_has_a_use(template: Template) -> None:
    """A parameter that nothing reads would be a lie."""
    body = json.dumps({key: template[key] for key in ("Globals", "Resources", "Conditions")})
    for name in PARAMETERS:
        assert f'{{"Ref": "{name}"}}' in body, f"{name} is read by nothing"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_variable_of_a_function_is_read_by_its_code(
    template: Template, function: str
) -> None:
    """And every variable that its code can ask for is set."""
    given = set(template["Globals"]["Function"]["Environment"]["Variables"])
    given |= set(template["Resources"][function]["Properties"]["Environment"]["Variables"])
    settings = (ROOT / "layers/runbell/python/runbell/settings.py").read_text("utf-8")
    read = set(re.findall(r'(?:_required|_url|\.get)\("([A-Z_]+)"', settings))
    read |= {  # by Powertools itself
        "POWERTOOLS_LOG_LEVEL",
        "POWERTOOLS_METRICS_DISABLED",
        "POWERTOOLS_SERVICE_NAME",
    }
    assert given <= read


def test_no_policy_reaches_further_than_it_must(template: Template) -> None:
    """Named actions on named resources; a star only for what the connections have."""
    for role, statement in statements(template):
        assert statement["Effect"] == "Allow"
        for action in as_list(statement["Action"]):
            assert "*" not in action, (role, statement)
        for resource in as_list(statement["Resource"]):
            named = json.dumps(resource)
            for ending in OPEN_ENDED:
                named = named.removesuffix(f':{ending}"}}')
            assert "*" not in named, (role, statement)


def test_each_function_reaches_its_own_secrets_only(template: Template) -> None:
    """poll and api hold no Slack secret, notify and interact hold no Algolia secret."""

    def name(resource: dict[str, str]) -> str:
        if "Sub" in resource:
            return resource["Sub"].rpartition(":secret:")[2]
        return resource["GetAtt"].partition(".")[0]

    held = {
        role: {name(resource) for resource in as_list(statement["Resource"])}
        for role, statement in statements(template)
        if statement["Action"] == "secretsmanager:GetSecretValue"
    }
    connections = "${AWS::StackName}/connections/*"
    assert held == {
        "PollRole": {"AlgoliaSecret", connections},
        "ApiRole": {"AlgoliaSecret", "ApiTokenSecret", connections},
        "NotifyRole": {"SlackSecret"},
        "InteractRole": {"SlackSecret"},
    }
    for function in ("PollFunction", "ApiFunction"):
        variables = template["Resources"][function]["Properties"]["Environment"]["Variables"]
        assert variables["CONNECTION_SECRETS_PREFIX"] == {"Sub": connections.removesuffix("*")}


def test_api_hands_its_schedules_the_one_role_that_starts_poll(template: Template) -> None:
    """And to EventBridge Scheduler alone."""
    passing = [
        (role, statement)
        for role, statement in statements(template)
        if "iam:PassRole" in as_list(statement["Action"])
    ]
    [(role, statement)] = passing
    assert role == "ApiRole"
    assert statement["Action"] == "iam:PassRole"
    assert statement["Resource"] == {"GetAtt": "ScheduleRole.Arn"}
    to = statement["Condition"]["StringEquals"]["iam:PassedToService"]
    assert to == "scheduler.amazonaws.com"


def test_a_press_of_a_button_starts_poll_and_nothing_else(template: Template) -> None:
    """What needs Algolia's secret is poll's to do."""
    starting = {
        role: statement["Resource"]
        for role, statement in statements(template)
        if "lambda:InvokeFunction" in as_list(statement["Action"])
    }
    poll = {"GetAtt": "PollFunction.Arn"}
    assert starting == {"ScheduleRole": poll, "InteractRole": poll}
    assert template["Resources"]["InteractFunction"]["Properties"]["Timeout"] <= 10


def test_slacks_interactions_have_a_route_of_their_own(template: Template) -> None:
    """The function that knows the API's token does not see them."""
    routes = {
        properties["RouteKey"]: properties["Target"]
        for _, properties in resources(template, "AWS::ApiGatewayV2::Route")
    }
    assert routes == {
        "$default": {"Sub": "integrations/${HttpApiIntegration}"},
        "POST /slack/interactions": {"Sub": "integrations/${InteractIntegration}"},
    }
    integration = template["Resources"]["InteractIntegration"]["Properties"]
    assert integration["IntegrationUri"] == {"GetAtt": "InteractFunction.Arn"}


@pytest.mark.parametrize(
    ("users", "is_taken"),
    [
        ("", True),
        ("U0123456789", True),
        ("U0123456789,W0123456789", True),
        ("U0123456789, U1", False),
        ("anna", False),
        ("U0123456789,", False),
        ("S0123456789", False),
    ],
)
def test_who_may_press_buttons_is_named_by_id(
    template: Template, users: str, *, is_taken: bool
) -> None:
    """What the template takes, the functions can read."""
    from runbell.settings import parse_slack_users

    pattern = template["Parameters"]["SlackUsers"]["AllowedPattern"]
    assert bool(re.search(pattern, users)) is is_taken
    if is_taken:
        assert parse_slack_users("SLACK_USERS", users) == frozenset(filter(None, users.split(",")))


def test_nobody_deletes_items_but_api(template: Template) -> None:
    """It forgets connections; everything else expires."""
    deleting = {
        role
        for role, statement in statements(template)
        if "dynamodb:DeleteItem" in as_list(statement["Action"])
    }
    assert deleting == {"ApiRole"}


def named_items(template: Template, role: str, action: str) -> list[str]:
    """For which items a role may do something with the table, as patterns of their keys."""
    [statement] = [
        statement
        for its, statement in statements(template)
        if its == role and action in as_list(statement["Action"])
    ]
    assert statement["Resource"] == {"GetAtt": "Table.Arn"}
    if "Condition" not in statement:
        return ["*"]
    patterns: list[str] = statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    return patterns


@pytest.mark.parametrize(
    ("role", "actions", "kinds"),
    [
        ("PollRole", ["GetItem", "BatchGetItem", "UpdateItem"], set(KEYS)),
        ("ApiRole", ["GetItem", "BatchGetItem", "UpdateItem"], set(KEYS)),
        ("ApiRole", ["DeleteItem"], {"connection"}),
        ("NotifyRole", ["GetItem", "UpdateItem"], {"run", "thread", "channel"}),
        ("InteractRole", ["GetItem", "UpdateItem"], {"run", "task", "again"}),
    ],
)
def test_a_role_reaches_the_items_of_its_function(
    template: Template, role: str, actions: list[str], kinds: set[str]
) -> None:
    """By the keys that the code makes."""
    for action in actions:
        patterns = named_items(template, role, f"dynamodb:{action}")
        reached = {
            kind
            for kind, key in KEYS.items()
            if any(fnmatchcase(key, pattern) for pattern in patterns)
        }
        assert reached == kinds


def test_items_are_named_only_where_each_request_has_a_key(template: Template) -> None:
    """IAM takes a condition on all values for met where a request has none, as a scan."""
    for role, statement in statements(template):
        if "dynamodb:LeadingKeys" in json.dumps(statement.get("Condition", {})):
            actions = {action.partition(":")[2] for action in as_list(statement["Action"])}
            assert actions <= {"DeleteItem", "GetItem", "UpdateItem"}, role


def test_api_keeps_the_schedules_of_the_connections_and_no_others(template: Template) -> None:
    """Those of the stack's own group; the template's are CloudFormation's."""
    scheduling = [
        (role, statement["Resource"])
        for role, statement in statements(template)
        if any(action.startswith("scheduler:") for action in as_list(statement["Action"]))
    ]
    [(role, resource)] = scheduling
    assert role == "ApiRole"
    assert resource["Sub"].endswith(":schedule/${ConnectionSchedules}/*")
    for _, schedule in resources(template, "AWS::Scheduler::Schedule"):
        assert "GroupName" not in schedule


def test_the_table_is_kept_well(template: Template) -> None:
    """On demand, encrypted, restorable, and emptied by itself; its indexes are sparse."""
    table = template["Resources"]["Table"]["Properties"]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSESpecification"] == {"SSEEnabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert {index["IndexName"] for index in table["GlobalSecondaryIndexes"]} == {
        "pending",
        "active",  # of the release before
        "due",
        "watches",
        "recent",
    }


def test_every_queue_is_encrypted_and_the_way_to_slack_is_in_order(template: Template) -> None:
    """FIFO with a dead-letter queue; a message is hidden six times as long as notify may run."""
    for _, queue in resources(template, "AWS::SQS::Queue"):
        assert queue["SqsManagedSseEnabled"] is True
    queue = template["Resources"]["Queue"]["Properties"]
    assert queue["FifoQueue"] is True
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"GetAtt": "DeadLetterQueue.Arn"}
    timeout = template["Resources"]["NotifyFunction"]["Properties"]["Timeout"]
    assert queue["VisibilityTimeout"] == 6 * timeout
    # What is tried in vain notify leaves to a sweep, before the queue would lay it away.
    assert queue["RedrivePolicy"]["maxReceiveCount"] > TIRED
    mapping = template["Resources"]["NotifyQueueMapping"]["Properties"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_poll_comes_back_only_where_it_is_wished_for(template: Template) -> None:
    """Without it there is no word and nothing that asks the queue for one."""
    parameter = template["Parameters"]["FastPolling"]
    assert (parameter["Default"], parameter["AllowedValues"]) == ("on", ["on", "off"])
    assert template["Resources"]["ComebackMapping"]["Condition"] == "HasFastPolling"
    variables = template["Resources"]["PollFunction"]["Properties"]["Environment"]["Variables"]
    assert variables["COMEBACK_QUEUE_URL"] == {
        "If": ["HasFastPolling", {"Ref": "ComebackQueue"}, ""]
    }


def test_a_word_to_come_back_never_comes_a_second_time(template: Template) -> None:
    """It is kept for less time than it is hidden once it was handed out, and for as long as it may
    be held back; and AWS wants poll to be done while it is hidden."""
    queue = template["Resources"]["ComebackQueue"]["Properties"]
    assert "FifoQueue" not in queue, "a FIFO queue holds no single message back"
    assert LONGEST.total_seconds() < queue["MessageRetentionPeriod"] < queue["VisibilityTimeout"]
    timeout = template["Resources"]["PollFunction"]["Properties"]["Timeout"]
    assert queue["VisibilityTimeout"] >= 6 * timeout
    assert template["Resources"]["ComebackMapping"]["Properties"]["BatchSize"] == 1


def test_every_log_ends_some_day(template: Template) -> None:
    """Each function and the HTTP API write to a group with a retention."""
    groups = dict(resources(template, "AWS::Logs::LogGroup"))
    assert all(group["RetentionInDays"] for group in groups.values())
    for function in FUNCTIONS:
        written = template["Resources"][function]["Properties"]["LoggingConfig"]["LogGroup"]
        assert written["Ref"] in groups
    stage = template["Resources"]["HttpApiStage"]["Properties"]
    assert stage["AccessLogSettings"]["DestinationArn"] == {"GetAtt": "HttpApiLogGroup.Arn"}


def test_the_http_api_is_throttled(template: Template) -> None:
    """So that nobody's loop becomes somebody's bill."""
    settings = template["Resources"]["HttpApiStage"]["Properties"]["DefaultRouteSettings"]
    assert settings["ThrottlingRateLimit"] > 0
    assert settings["ThrottlingBurstLimit"] > 0


def test_presses_of_buttons_have_a_throttle_of_their_own(template: Template) -> None:
    """Forged ones, which anybody can send, don't use up what the API's callers have."""
    stage = template["Resources"]["HttpApiStage"]
    route = template["Resources"]["InteractRoute"]["Properties"]["RouteKey"]
    [(throttled, settings)] = stage["Properties"]["RouteSettings"].items()
    assert throttled == route
    usual = stage["Properties"]["DefaultRouteSettings"]
    for limit in ("ThrottlingRateLimit", "ThrottlingBurstLimit"):
        assert 0 < settings[limit] < usual[limit]
    assert stage["DependsOn"] == "InteractRoute", "a stage can't have settings of no route"


def test_the_schedule_tries_again_and_keeps_what_it_could_not_hand_over(
    template: Template,
) -> None:
    """A retry policy, and dead letters of its own."""
    target = template["Resources"]["Schedule"]["Properties"]["Target"]
    assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
    assert target["DeadLetterConfig"]["Arn"] == {"GetAtt": "ScheduleDeadLetterQueue.Arn"}
    assert json.loads(target["Input"]) == {"connection": "default"}


def test_the_digest_has_a_schedule_only_where_one_is_wished_for(template: Template) -> None:
    """In a zone of its own, with the time it is for, so that a doubled event is known."""
    from runbell.tick import parse_tick

    assert template["Parameters"]["DigestSchedule"]["Default"] == ""
    event = template["Resources"]["DigestEvent"]
    assert event["Condition"] == "HasDigest"
    properties = event["Properties"]
    assert properties["ScheduleExpression"] == {"Ref": "DigestSchedule"}
    assert properties["ScheduleExpressionTimezone"] == {"Ref": "DigestTimezone"}
    asked = json.loads(properties["Target"]["Input"])
    assert asked["at"] == "<aws.scheduler.scheduled-time>"
    request = parse_tick({**asked, "at": "2026-01-31T09:00:00Z"})
    assert (request.connection, request.digest) == ("default", True)
    assert request.at is not None
    assert properties["Target"]["RetryPolicy"]["MaximumRetryAttempts"] > 0
    assert properties["Target"]["DeadLetterConfig"] == {
        "Arn": {"GetAtt": "ScheduleDeadLetterQueue.Arn"}
    }


@pytest.mark.parametrize(
    ("expression", "is_taken"),
    [
        ("", True),
        ("cron(0 9 ? * MON-FRI *)", True),
        ("rate(1 day)", True),
        ("9:00", False),
        ("daily", False),
    ],
)
def test_when_the_digest_is_told_is_checked_at_the_deploy(
    template: Template, expression: str, is_taken: bool
) -> None:
    pattern = template["Parameters"]["DigestSchedule"]["AllowedPattern"]
    assert (re.search(pattern, expression) is not None) is is_taken


def test_a_connections_schedule_is_as_the_templates_own(template: Template) -> None:
    """The same retries, the same dead letters, and its own Input."""
    from unittest.mock import Mock

    from runbell.schedules import Schedules

    own = template["Resources"]["Schedule"]["Properties"]
    client = Mock()
    made = Schedules(
        client,
        group="group",
        target_arn=own["Target"]["Arn"],
        role_arn=own["Target"]["RoleArn"],
        dead_letter_arn=own["Target"]["DeadLetterConfig"]["Arn"],
    )
    made.put("default", "rate(1 minute)")
    asked = client.create_schedule.call_args.kwargs
    assert asked["Target"] == own["Target"]
    assert asked["FlexibleTimeWindow"] == own["FlexibleTimeWindow"]


def test_functions_run_where_the_house_says(template: Template) -> None:
    """python3.13 on arm64; memory and time-out each on purpose."""
    usual = template["Globals"]["Function"]
    assert (usual["Runtime"], usual["Architectures"]) == ("python3.13", ["arm64"])
    for function in FUNCTIONS:
        properties = template["Resources"][function]["Properties"]
        assert {"MemorySize", "Timeout", "Role", "Description"} <= set(properties)


def test_secrets_hold_nothing_real_until_a_person_puts_it(template: Template) -> None:
    """Placeholders that are refused, and a token that nobody chose."""
    from runbell.errors import ConfigurationError
    from runbell.secrets import parse_algolia, parse_slack

    secrets = dict(resources(template, "AWS::SecretsManager::Secret"))
    for name, parse in (("AlgoliaSecret", parse_algolia), ("SlackSecret", parse_slack)):
        with pytest.raises(ConfigurationError, match="placeholder"):
            parse(secrets[name]["SecretString"])
    assert secrets["ApiTokenSecret"]["GenerateSecretString"]["PasswordLength"] >= 32


@pytest.mark.parametrize("environment", ["default", "local", "production"])
def test_there_are_settings_for_each_place(environment: str) -> None:
    """`sam deploy --config-env …` needs no further flag."""
    import tomllib

    config = tomllib.loads((ROOT / "samconfig.toml").read_text("utf-8"))
    assert config[environment]["global"]["parameters"]["stack_name"]
    assert config[environment]["deploy"]["parameters"]["capabilities"] == "CAPABILITY_IAM"


def test_cfn_lint_is_clean() -> None:
    """Also for what CloudFormation would find only at the deploy."""
    program = Path(sys.executable).parent / "cfn-lint"
    finished = subprocess.run(
        [program, ROOT / "template.yaml"], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout


def test_every_exception_from_the_security_check_says_why(template: Template) -> None:
    """Beside the resource, in a sentence; `make audit` runs the check itself."""
    excepted = [
        (name, exception)
        for name, resource in template["Resources"].items()
        for exception in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    assert excepted
    for name, exception in excepted:
        assert re.fullmatch(r"CKV_AWS_\d+", exception["id"]), name
        assert len(exception["comment"].split()) >= 8, (name, exception)


def test_the_workflow_runs_what_a_person_runs() -> None:
    """The same commands as in CONTRIBUTING, and it may do nothing but read."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text("utf-8"))
    commands = json.dumps(workflow)
    for command in ("make lint", "make test", "make audit"):
        assert command in commands
    assert workflow["permissions"] == {"contents": "read"}
    assert not any("permissions" in job for job in workflow["jobs"].values())


def test_every_change_is_held_against_the_security_check() -> None:
    """So that somebody notices when it finds something."""
    assert "\nmake audit\n" in (ROOT / ".ci/run").read_text("utf-8")
