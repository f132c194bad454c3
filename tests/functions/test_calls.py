"""The HTTP API's calls about watches, tasks and connections, each held against the contract."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from jsonschema import Draft202012Validator

from local.algolia import AlgoliaStandIn
from runbell import assembly
from runbell.api.contract import contract
from runbell.rules import Mute
from runbell.tasks import Names, TaskInfo, TaskItem
from tests.functions.conftest import TOKEN

TASK = "76ab4c2a-ce17-496f-b7a6-506dc59ee498"
OTHER = "0b8f1c9e-6d1e-4e55-9a43-6f0f8a1c2d3e"
WISHES = {
    "channel": "#search-oncall",
    "notifyOn": ["failed", "recovered"],
    "mentions": ["S0123456789", "here"],
    "mutedUntil": "2026-12-24T17:00:00.000Z",
    "stalledAfterMinutes": 0,
    "quietHours": {
        "from": "22:00",
        "to": "07:00",
        "timezone": "Europe/Paris",
        "days": ["mon", "fri", "sun"],
        "breakThrough": ["failed", "stalled"],
    },
}

NIGHT = {"from": "22:00", "to": "07:00", "timezone": "Europe/Paris"}


@dataclass(frozen=True)
class Answer:
    """What the API has answered."""

    status: int
    body: Any


Call = Callable[..., Answer]


@pytest.fixture
def call(handlers: Callable[[str], Callable[[dict[str, Any]], Any]]) -> Call:
    """Calls the API as API Gateway would, and holds the answer against the contract."""
    api = handlers("api")

    def make(
        method: str, path: str, body: object = None, *, kind: str = "application/json", **query: str
    ) -> Answer:
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": urlencode(query),
            "headers": {"authorization": f"Bearer {TOKEN}", "content-type": kind},
            "requestContext": {"http": {"method": method, "path": path}, "stage": "$default"},
            "isBase64Encoded": False,
        }
        if query:
            event["queryStringParameters"] = query
        if body is not None:
            event["body"] = body if isinstance(body, str) else json.dumps(body)
        answer = api(event)
        text = answer.get("body") or ""
        said = json.loads(text) if text else None
        assert_as_described(method, path, answer["statusCode"], said)
        return Answer(answer["statusCode"], said)

    return make


def assert_as_described(method: str, path: str, status: int, body: object) -> None:
    """The status is one that the contract names for the call, and the body is as it says."""
    paths = contract().document["paths"]
    parts = path.split("/")

    def fits(template: str) -> bool:
        wanted = template.split("/")
        return len(wanted) == len(parts) and all(
            each.startswith("{") or each == part for each, part in zip(wanted, parts, strict=True)
        )

    template = next(each for each in paths if fits(each))
    described = paths[template][method.lower()]["responses"]
    assert str(status) in described, (method, path, status, body)
    content = described[str(status)].get("content")
    if content is None:
        assert body is None
        return
    schema = {
        **content["application/json"]["schema"],
        "components": contract().document["components"],
    }
    Draft202012Validator(schema).validate(body)


def schedule(name: str) -> dict[str, Any] | None:
    """A connection's schedule; None if there is none."""
    scheduler: Any = boto3.client("scheduler")
    group = assembly.settings().schedule_group
    try:
        found: dict[str, Any] = scheduler.get_schedule(Name=name, GroupName=group)
    except scheduler.exceptions.ResourceNotFoundException:
        return None
    return found


class TestWatches:
    @pytest.mark.parametrize("kind", ["runs", "tasks"])
    def test_a_watch_is_put_read_listed_and_ended(self, call: Call, kind: str) -> None:
        path = f"/watches/{kind}/{TASK}"
        subject = {"runs": "runID", "tasks": "taskID"}[kind]
        put = call("PUT", path, WISHES)
        assert put.status == 200
        assert put.body.pop("active", None) is (True if kind == "runs" else None)
        assert put.body.pop("since")
        assert put.body == {subject: TASK, **WISHES}
        assert call("GET", path).body.items() >= put.body.items()
        [listed] = call("GET", "/watches").body["watches"]
        assert listed.items() >= put.body.items()
        assert call("DELETE", path).status == 204
        assert call("DELETE", path).status == 404
        assert call("GET", path).status == 404
        assert call("GET", "/watches").body == {"watches": [], "cursor": None}

    def test_a_watch_without_wishes_says_only_since_when(self, call: Call) -> None:
        put = call("PUT", f"/watches/tasks/{TASK}")
        assert put.body.keys() == {"taskID", "since"}

    def test_a_moment_is_answered_in_utc(self, call: Call) -> None:
        said = {"mutedUntil": "2026-12-24T18:00:00+01:00"}
        put = call("PUT", f"/watches/tasks/{TASK}", said)
        assert put.body["mutedUntil"] == "2026-12-24T17:00:00.000Z"

    @pytest.mark.parametrize(
        ("wishes", "where"),
        [
            ({"mutedUntil": "2026-02-30T00:00:00Z"}, "body.mutedUntil"),
            ({"mutedUntil": "2026-12-24T18:00:00"}, "body.mutedUntil"),
            ({"mutedUntil": "tomorrow"}, "body.mutedUntil"),
            ({"mutedUntil": None}, "body.mutedUntil"),
            ({"mentions": ["everyone"]}, "body.mentions[0]"),
            ({"mentions": ["here", "<!channel>"]}, "body.mentions[1]"),
            ({"mentions": [f"U{n:010}" for n in range(11)]}, "body.mentions"),
            ({"stalledAfterMinutes": 10_081}, "body.stalledAfterMinutes"),
            ({"stalledAfterMinutes": -1}, "body.stalledAfterMinutes"),
            ({"stalledAfterMinutes": True}, "body.stalledAfterMinutes"),
            ({"stalledAfterMinutes": 1.5}, "body.stalledAfterMinutes"),
            ({"quietHours": None}, "body.quietHours"),
            ({"quietHours": {**NIGHT, "to": "22:00"}}, "body.quietHours"),
            ({"quietHours": {**NIGHT, "timezone": "Europe/Nowhere"}}, "body.quietHours"),
            ({"quietHours": {**NIGHT, "timezone": "../UTC"}}, "body.quietHours"),
            ({"quietHours": {**NIGHT, "to": "24:00"}}, "body.quietHours.to"),
            ({"quietHours": {**NIGHT, "days": ["monday"]}}, "body.quietHours.days[0]"),
        ],
    )
    def test_a_wish_that_makes_no_sense_is_refused(
        self, call: Call, wishes: dict[str, Any], where: str
    ) -> None:
        for path in (f"/watches/tasks/{TASK}", f"/watches/runs/{TASK}", "/connections/default"):
            answer = call("PUT", path, wishes)
            assert (answer.status, answer.body["where"]) == (400, where)

    @pytest.mark.parametrize(
        "path", [f"/watches/tasks/{TASK}", f"/watches/runs/{TASK}", "/connections/default"]
    )
    def test_quiet_hours_are_answered_as_they_were_wished_for(self, call: Call, path: str) -> None:
        assert call("PUT", path, {"quietHours": NIGHT}).body["quietHours"] == NIGHT
        assert call("GET", path).body["quietHours"] == NIGHT
        assert "quietHours" not in call("PUT", path, {}).body

    def test_a_zone_that_is_none_is_told_by_its_name(self, call: Call) -> None:
        wishes = {"quietHours": {**NIGHT, "timezone": "Europe/Nowhere"}}
        answer = call("PUT", f"/watches/tasks/{TASK}", wishes)
        assert answer.body["message"] == (
            "body.quietHours has the timezone 'Europe/Nowhere', which is none such as Europe/Paris"
        )

    def test_both_kinds_are_listed_in_the_order_in_which_they_came(self, call: Call) -> None:
        call("PUT", "/watches/runs/run-1")
        call("PUT", "/watches/tasks/task-1")
        call("PUT", "/watches/runs/run-2")
        listed = call("GET", "/watches").body["watches"]
        assert [each.get("runID") or each["taskID"] for each in listed] == [
            "run-1",
            "task-1",
            "run-2",
        ]


FILE = f"""
tasks:
  {TASK}:
    channel: "#search-oncall"
    notifyOn: [failed, recovered]
    mentions: [S0123456789, here]
    mutedUntil: 2026-12-24T18:00:00+01:00
    stalledAfterMinutes: 0
    quietHours:
      from: 22:00
      to: 07:00
      timezone: Europe/Paris
      days: [sun, mon, fri]
      breakThrough: [stalled, failed]
  {OTHER}: {{}}
"""


class TestAFileOfWatches:
    def test_it_is_applied_once_and_again_changes_nothing(self, call: Call) -> None:
        first = call("PUT", "/watches", FILE, kind="application/yaml; charset=utf-8")
        assert first.body == {
            "added": sorted([TASK, OTHER]),
            "changed": [],
            "removed": [],
            "unchanged": 0,
            "dryRun": False,
        }
        watch = call("GET", f"/watches/tasks/{TASK}").body
        assert {name: watch[name] for name in WISHES} == WISHES
        again = call("PUT", "/watches", FILE, kind="text/yaml")
        assert again.body == {**first.body, "added": [], "unchanged": 2}
        assert call("GET", f"/watches/tasks/{TASK}").body == watch, "not even since has changed"

    def test_it_changes_and_removes_and_leaves_runs_alone(self, call: Call) -> None:
        call("PUT", "/watches/runs/run-1", {"channel": "#x"})
        call("PUT", "/watches/tasks/gone")
        call("PUT", f"/watches/tasks/{TASK}", WISHES)
        call("PUT", f"/watches/tasks/{OTHER}")
        file: dict[str, Any] = {"tasks": {TASK: {"channel": "#y"}, OTHER: {}, "new": {}}}
        would = call("PUT", "/watches", file, dryRun="true")
        assert would.body == {
            "added": ["new"],
            "changed": [TASK],
            "removed": ["gone"],
            "unchanged": 1,
            "dryRun": True,
        }
        assert call("GET", "/watches/tasks/gone").status == 200, "it was only asked"
        done = call("PUT", "/watches", file, dryRun="false")
        assert done.body == {**would.body, "dryRun": False}
        watch = call("GET", f"/watches/tasks/{TASK}").body
        assert watch.keys() == {"taskID", "channel", "since"}
        assert call("GET", "/watches/tasks/gone").status == 404
        assert call("GET", "/watches/runs/run-1").body["channel"] == "#x"

    def test_it_removes_what_is_on_a_later_page(self, call: Call) -> None:
        file: dict[str, Any] = {"tasks": {f"task-{n:03}": {} for n in range(120)}}
        assert len(call("PUT", "/watches", file).body["added"]) == 120
        assert len(call("PUT", "/watches", {"tasks": {}}).body["removed"]) == 120
        assert call("GET", "/watches").body == {"watches": [], "cursor": None}

    def test_an_empty_body_removes_nothing_and_an_empty_file_all(self, call: Call) -> None:
        call("PUT", f"/watches/tasks/{TASK}")
        for body, kind in (
            ("", "application/json"),
            ("{}", "application/json"),
            ("# nothing\n", "text/yaml"),
            ("tasks:\n", "text/yaml"),
            ("tasks: []\n", "text/yaml"),
        ):
            assert call("PUT", "/watches", body, kind=kind).status == 400
        assert call("GET", f"/watches/tasks/{TASK}").status == 200
        removed = call("PUT", "/watches", "tasks: {}", kind="application/x-yaml")
        assert removed.body["removed"] == [TASK]

    @pytest.mark.parametrize(
        ("text", "where", "problem"),
        [
            (
                "tasks:\n  t-1: {notifyOn: [lost]}",
                "body.tasks.t-1.notifyOn[0]",
                "must be one of",
            ),
            ("tasks:\n  t-1: {mutedUntil: 2026-02-30T00:00:00Z}", "body.tasks.t-1.mutedUntil", ""),
            ("tasks:\n  t-1: {stalledAfterMinutes: no}", "body.tasks.t-1.stalledAfterMinutes", ""),
            ("tasks:\n  t-1: {channel: #x}", "body", "is no YAML: line 2"),
            (
                "tasks:\n  t-1: {quietHours: {from: 1:00, to: 02:00, timezone: UTC}}",
                "body.tasks.t-1.quietHours.from",
                "must be written like 22:00",
            ),
            (
                "tasks:\n  t-1: {quietHours: {from: 01:00, to: 01:00, timezone: UTC}}",
                "body.tasks.t-1.quietHours",
                "end when they begin",
            ),
            ("tasks:\n  t-1:\n", "body.tasks.t-1", "must be an object"),
            ("tasks:\n  a b: {}\n", "body.tasks", "has the unknown name 'a b'"),
            ("tasks:\n  t: {}\n  t: {}\n", "body", "line 3: the key 't' is there twice"),
            ("tasks: &a {}\n", "body", "line 1: an anchor"),
            ("tasks: {}\nruns: {}\n", "body", "has the unknown name 'runs': it takes tasks"),
        ],
    )
    def test_a_file_that_is_wrong_changes_nothing(
        self, call: Call, text: str, where: str, problem: str
    ) -> None:
        call("PUT", "/watches/tasks/kept")
        answer = call("PUT", "/watches", text, kind="application/yaml")
        assert (answer.status, answer.body["where"]) == (400, where)
        assert problem in answer.body["message"]
        assert call("GET", "/watches/tasks/kept").status == 200

    def test_yaml_without_its_name_is_told_how_to_say_so(self, call: Call) -> None:
        answer = call("PUT", "/watches", FILE, kind="application/x-www-form-urlencoded")
        assert answer.status == 400
        assert "say Content-Type: application/yaml" in answer.body["message"]

    def test_other_calls_take_no_yaml(self, call: Call) -> None:
        answer = call("PUT", "/watches/tasks/t", "channel: x", kind="application/yaml")
        assert answer.body["message"] == "body is no JSON"

    def test_a_thousand_tasks_are_taken_and_no_more(self, call: Call) -> None:
        file: dict[str, Any] = {"tasks": {f"task-{n}": {} for n in range(1_001)}}
        assert call("PUT", "/watches", file, dryRun="true").status == 400
        del file["tasks"]["task-0"]
        assert len(call("PUT", "/watches", file, dryRun="true").body["added"]) == 1_000

    def test_a_huge_body_is_refused(self, call: Call) -> None:
        answer = call("PUT", "/watches", "tasks: {}\n#" + "x" * 512 * 1024, kind="text/yaml")
        assert (answer.status, answer.body["message"]) == (400, "body is larger than 512 KB")


class TestConnections:
    @pytest.fixture(autouse=True)
    def secret(self, connection_secret: Callable[..., None]) -> None:
        connection_secret("emea")

    def test_one_is_made_changed_listed_and_deleted(self, call: Call) -> None:
        made = call("PUT", "/connections/emea", {**WISHES, "schedule": "rate(5 minutes)"})
        assert made.body.pop("since")
        assert made.body == {
            "name": "emea",
            "secret": "emea",
            "schedule": "rate(5 minutes)",
            "discover": "watched",
            **WISHES,
        }
        ticking = schedule("emea")
        assert ticking is not None
        assert ticking["ScheduleExpression"] == "rate(5 minutes)"
        assert json.loads(ticking["Target"]["Input"]) == {"connection": "emea"}
        changed = call("PUT", "/connections/emea", {"discover": "all"})
        assert changed.body.pop("since")
        assert changed.body == {
            "name": "emea",
            "secret": "emea",
            "schedule": "rate(1 minute)",
            "discover": "all",
        }
        ticking = schedule("emea")
        assert ticking is not None
        assert ticking["ScheduleExpression"] == "rate(1 minute)"
        listed = call("GET", "/connections").body
        assert [each["name"] for each in listed["connections"]] == ["default", "emea"]
        assert call("GET", "/connections/emea").body["discover"] == "all"
        assert call("DELETE", "/connections/emea").status == 204
        assert schedule("emea") is None
        assert call("DELETE", "/connections/emea").status == 404
        assert call("GET", "/connections/emea").status == 404

    def test_its_calls_are_about_its_own_runs_and_watches(self, call: Call) -> None:
        paths = ("/runs", "/runs/r", "/tasks/t", "/watches", "/watches/runs/r", "/watches/tasks/t")
        for path in paths:
            assert call("GET", path, connection="emea").status == 404
        assert call("POST", "/runs/r/check", connection="emea").status == 404
        assert call("PUT", "/watches", {"tasks": {}}, connection="emea").status == 404
        call("PUT", "/connections/emea")
        call("PUT", "/watches/tasks/t", connection="emea")
        assert call("GET", "/watches/tasks/t").status == 404
        assert call("GET", "/watches/tasks/t", connection="emea").status == 200
        assert call("PUT", "/watches", {"tasks": {}}).body["removed"] == []
        assert call("PUT", "/watches", {"tasks": {}}, connection="emea").body["removed"] == ["t"]

    def test_a_run_of_another_application_is_checked(
        self, call: Call, algolia: AlgoliaStandIn
    ) -> None:
        run = {"runID": "r", "appID": algolia.app_id, "taskID": "t", "status": "created"}
        algolia.put_run({**run, "type": "reindex", "createdAt": "2026-01-31T09:00:00Z"})
        call("PUT", "/connections/emea")
        assert call("POST", "/runs/r/check", connection="emea").body["run"]["runID"] == "r"
        assert call("GET", "/runs/r").status == 404
        assert call("GET", "/runs/r", connection="emea").status == 200
        assert len(call("GET", "/runs", connection="emea").body["runs"]) == 1

    def test_its_secret_may_be_named_in_full_or_otherwise(
        self, call: Call, connection_secret: Callable[..., None]
    ) -> None:
        connection_secret("other")
        prefix = assembly.settings().connection_secrets_prefix
        made = call("PUT", "/connections/apac", {"secret": f"{prefix}other"})
        assert made.body["secret"] == "other"
        assert call("PUT", "/connections/apac", {"secret": "other"}).body["secret"] == "other"

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (None, "ResourceNotFoundException"),
            ("k3y-as-text", "is no JSON object"),
            ('{"app_id": "A", "region": "us"}', "lacks api_key"),
            ('{"app_id": "A", "api_key": "REPLACE_ME", "region": "us"}', "the placeholder"),
            ('{"app_id": "A", "api_key": "k3y", "region": "k3y"}', "another region than us or eu"),
        ],
    )
    def test_a_secret_that_is_no_good_is_refused_and_not_shown(
        self, call: Call, connection_secret: Callable[..., None], text: str | None, problem: str
    ) -> None:
        if text is not None:
            connection_secret("apac", text)
        answer = call("PUT", "/connections/apac")
        assert (answer.status, answer.body["where"]) == (400, "body.secret")
        name = f"{assembly.settings().connection_secrets_prefix}apac"
        assert problem in answer.body["message"]
        assert f"create-secret --name {name}" in answer.body["message"]
        assert "k3y" not in answer.body["message"]
        assert call("GET", "/connections/apac").status == 404
        assert schedule("apac") is None

    @pytest.mark.parametrize(
        "expression",
        [
            "",
            "1 minute",
            "rate(0 minutes)",
            "rate(1 second)",
            "rate(1 minute) ",
            "at(2026-12-24T18:00:00)",
            "cron(* * * * *)",
            "cron(0/5 * * * ? *); rate(1 minute)",
        ],
    )
    def test_a_bad_schedule_saves_nothing(self, call: Call, expression: str) -> None:
        answer = call("PUT", "/connections/emea", {"schedule": expression})
        assert (answer.status, answer.body["where"]) == (400, "body.schedule")
        assert call("GET", "/connections/emea").status == 404

    @pytest.mark.parametrize("name", ["Emea", "-emea", "#connections", "e" * 33, "läuft"])
    def test_a_name_that_is_none_is_refused(self, call: Call, name: str) -> None:
        assert call("PUT", f"/connections/{name}").status in {400, 404}

    def test_default_can_be_told_where_to_announce_and_nothing_else(self, call: Call) -> None:
        assert call("GET", "/connections/default").body == {
            "name": "default",
            "discover": "watched",
        }
        changed = call("PUT", "/connections/default", {"discover": "all", "channel": "#x"})
        assert changed.body.pop("since")
        assert changed.body == {"name": "default", "discover": "all", "channel": "#x"}
        [listed] = call("GET", "/connections").body["connections"]
        assert listed.items() >= changed.body.items()
        for member in ("secret", "schedule"):
            value = {"secret": "x", "schedule": "rate(1 minute)"}[member]
            answer = call("PUT", "/connections/default", {member: value})
            assert (answer.status, answer.body["where"]) == (400, f"body.{member}")
        answer = call("DELETE", "/connections/default")
        assert (answer.status, answer.body["where"]) == (400, "path.name")

    def test_one_that_was_half_made_is_made_by_the_same_call(
        self, call: Call, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
    ) -> None:
        monkeypatch.setenv("SCHEDULE_GROUP", "gone")
        answer = call("PUT", "/connections/emea")
        assert (answer.status, answer.body["error"]) == (503, "not_configured")
        assert "deploy the stack anew" in answer.body["message"]
        monkeypatch.setenv("SCHEDULE_GROUP", environment["SCHEDULE_GROUP"])
        assembly.schedules.cache_clear()
        assert call("PUT", "/connections/emea").status == 200
        assert schedule("emea") is not None


class TestATask:
    def test_what_is_known_of_it_is_told(self, call: Call, algolia: AlgoliaStandIn) -> None:
        assert call("GET", "/tasks/task-1").status == 404
        times = {
            "createdAt": "2026-01-31T09:00:00Z",
            "startedAt": "2026-01-31T09:00:10Z",
            "finishedAt": "2026-01-31T09:02:10Z",
        }
        run = {"appID": algolia.app_id, "taskID": "task-1", "type": "reindex", **times}
        algolia.put_run({**run, "runID": "r", "status": "finished", "outcome": "failure"})
        call("POST", "/runs/r/check")
        told = call("GET", "/tasks/task-1").body
        assert told["streak"] == 1
        assert told["failingSince"] == "2026-01-31T09:02:10.000Z"
        assert told["ends"] == [
            {
                "runID": "r",
                "endedAt": "2026-01-31T09:02:10.000Z",
                "outcome": "failure",
                "seconds": 120,
            }
        ]
        [entry] = call("GET", "/runs/r").body["history"]
        assert (entry["kind"], entry["streak"]) == ("failed", 1)

    def test_its_names_and_times_are_told(self, call: Call) -> None:
        info = TaskInfo(
            read_at="2026-01-31T09:00:00.000Z",
            names=Names("Shop", "products", "products", "replace"),
            next_run="2026-02-01T09:00:00.000Z",
        )
        assembly.tasks().put_info(TaskItem("default", "task-1"), info)
        assert call("GET", "/tasks/task-1").body == {
            "taskID": "task-1",
            "source": "Shop",
            "destination": "products",
            "index": "products",
            "action": "replace",
            "enabled": True,
            "streak": 0,
            "criticalThreshold": 5,
            "nextRun": "2026-02-01T09:00:00.000Z",
            "ends": [],
        }

    def test_who_silenced_it_is_told(self, call: Call) -> None:
        info = TaskInfo(read_at="2026-01-31T09:00:00.000Z")
        tasks = assembly.tasks()
        tasks.put_info(TaskItem("default", "task-1"), info)
        assert call("GET", "/tasks/task-1").body.keys().isdisjoint({"mute", "incident"})
        until, at = "2026-02-01T09:00:00.000Z", "2026-01-31T09:00:00.000Z"
        tasks.put_mute("default", "task-1", Mute("U1", at, until))
        assert call("GET", "/tasks/task-1").body["mute"] == {"by": "U1", "until": until, "at": at}
        tasks.put_mute("default", "task-1", Mute("U1", at))
        assert call("GET", "/tasks/task-1").body["mute"] == {"by": "U1", "at": at}

    def test_what_quiet_hours_hold_back_is_told_as_such(
        self, call: Call, algolia: AlgoliaStandIn
    ) -> None:
        now = datetime.now(UTC)
        begin, end = (f"{now + timedelta(hours=hours):%H:%M}" for hours in (-1, 2))
        hours = {"from": begin, "to": end, "timezone": "UTC"}
        assert call("PUT", "/watches/tasks/task-1", {"quietHours": hours}).status == 200
        run = {"appID": algolia.app_id, "taskID": "task-1", "type": "reindex"}
        created = {"createdAt": "2026-01-31T09:00:00Z", "status": "started"}
        algolia.put_run({**run, **created, "runID": "r"})
        assert call("POST", "/runs/r/check").body["queued"] is False
        [entry] = call("GET", "/runs/r").body["history"]
        assert (entry["announced"], entry["heldUntil"][11:16]) == (False, end)

    def test_where_its_failures_are_told(self, call: Call, algolia: AlgoliaStandIn) -> None:
        times = {"createdAt": "2026-01-31T09:00:00Z", "finishedAt": "2026-01-31T09:02:10Z"}
        run = {"appID": algolia.app_id, "taskID": "task-1", "type": "reindex", **times}
        algolia.put_run({**run, "runID": "r", "status": "finished", "outcome": "failure"})
        call("POST", "/runs/r/check")
        incident = {"runID": "r", "channel": "#runs", "pinged": 1}
        assert call("GET", "/tasks/task-1").body["incident"] == incident

    def test_one_that_is_only_watched_is_not_known(self, call: Call) -> None:
        call("PUT", "/watches/tasks/task-1")
        assert call("GET", "/tasks/task-1").status == 404
