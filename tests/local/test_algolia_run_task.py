"""The stand-in's runTask, as the vendor's client and a plain HTTP client see it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from algoliasearch.http.exceptions import RequestException

from local.algolia import AlgoliaStandIn, Application, GivenAnswer, RunLife, Started, Step
from local.algolia.official import official_client, read_officially
from local.faults import Fault, FaultKind

NOON = datetime(2025, 6, 2, 12, tzinfo=UTC).timestamp()
FAILING = [Step(0, "created"), Step(5, "finished", "failure", "No source", "critical")]


class FakeClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def algolia(clock: FakeClock) -> Iterator[AlgoliaStandIn]:
    """A stand-in whose task-1 is known, by a run that was skipped an hour ago."""
    with AlgoliaStandIn(clock=clock) as stand_in:
        stand_in.play(RunLife("run-1", "task-1", [Step(0, "skipped")]), start=NOON - 3600)
        yield stand_in


def run_task(
    algolia: AlgoliaStandIn,
    task_id: str = "task-1",
    *,
    body: bytes = b"{}",
    of: Application | None = None,
) -> requests.Response:
    asked = of or algolia
    headers = {"x-algolia-application-id": asked.app_id, "x-algolia-api-key": asked.api_key}
    url = f"{algolia.url}/2/tasks/{task_id}/run"
    return requests.post(url, data=body, headers=headers, timeout=5)


# The vendor's own client


def test_the_official_client_starts_a_run_that_lives_its_script(
    algolia: AlgoliaStandIn, clock: FakeClock
) -> None:
    algolia.script_task("task-1", FAILING, type="update")
    client = official_client(algolia)

    first, second = client.run_task("task-1"), client.run_task("task-1")

    assert first.run_id != second.run_id
    run = client.get_run(first.run_id)
    assert (run.status, run.task_id, run.created_at) == ("created", "task-1", first.created_at)
    assert run.type == "update"
    clock.now += 5
    failed = client.get_run(first.run_id)
    assert (failed.outcome, failed.reason, failed.reason_code) == (
        "failure",
        "No source",
        "critical",
    )


def test_without_a_script_a_run_is_a_success_after_a_few_seconds(
    algolia: AlgoliaStandIn, clock: FakeClock
) -> None:
    client = official_client(algolia)
    run_id = client.run_task("task-1").run_id

    looks = [client.get_run(run_id)]
    for seconds in (1, 5):
        clock.now += seconds
        looks.append(client.get_run(run_id))

    assert [(run.status, run.outcome) for run in looks] == [
        ("created", None),
        ("started", None),
        ("finished", "success"),
    ]
    assert looks[-1].started_at == "2025-06-02T12:00:01.000Z"
    assert looks[-1].finished_at == "2025-06-02T12:00:06.000Z"
    assert looks[-1].reason_code == "ok"


def test_a_started_run_is_listed_with_the_tasks_others(algolia: AlgoliaStandIn) -> None:
    client = official_client(algolia)

    started = client.run_task("task-1")

    listed = client.list_runs(task_id="task-1")
    assert [run.run_id for run in listed.runs] == [started.run_id, "run-1"]


def test_a_later_script_leaves_the_runs_alone_that_were_started_before(
    algolia: AlgoliaStandIn, clock: FakeClock
) -> None:
    client = official_client(algolia)
    algolia.script_task("task-1", FAILING)
    before = client.run_task("task-1").run_id
    algolia.script_task("task-1", [Step(0, "created"), Step(5, "finished", "success")])
    after = client.run_task("task-1").run_id
    clock.now += 5

    assert [client.get_run(run_id).outcome for run_id in (before, after)] == ["failure", "success"]


def test_the_official_client_reads_what_starting_a_run_is_answered_with(
    algolia: AlgoliaStandIn,
) -> None:
    given: list[GivenAnswer] = []
    algolia.on_answer = given.append

    answer = official_client(algolia).run_task("task-1")

    (told,) = given
    assert (told.operation, told.target) == ("runTask", "/2/tasks/task-1/run")
    assert read_officially(told) == answer
    assert json.loads(told.body) == {
        "runID": answer.run_id,
        "createdAt": "2025-06-02T12:00:00.000Z",
    }


def test_the_official_client_may_say_why_it_starts_a_run(algolia: AlgoliaStandIn) -> None:
    official_client(algolia).run_task("task-1", {"runMetadata": {"by": "a person"}})

    assert len(algolia.started()) == 1


def test_a_task_that_is_switched_off_runs_if_it_is_asked_to(algolia: AlgoliaStandIn) -> None:
    """The vendor's documentation names no refusal of it."""
    algolia.put_task({"taskID": "off", "enabled": False})

    assert official_client(algolia).run_task("off").run_id


# Requests it refuses


def test_an_unknown_task_is_not_run(algolia: AlgoliaStandIn) -> None:
    with pytest.raises(RequestException, match="No such task") as refusal:
        official_client(algolia).run_task("none")

    assert refusal.value.status_code == 404
    assert algolia.started() == []


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"{", "The body is no JSON"),
        (b"\xff\xfe\xfa", "The body is no JSON"),
        (b"[]", "The body is no JSON object"),
        (b'{"runMetadata": "me"}', "runMetadata is no JSON object"),
        (b'{"runMetaData": {}}', "Unknown field runMetaData"),
    ],
)
def test_a_body_that_is_not_documented_starts_nothing(
    algolia: AlgoliaStandIn, body: bytes, complaint: str
) -> None:
    answer = run_task(algolia, body=body)

    assert (answer.status_code, answer.json()) == (400, {"message": complaint})
    assert algolia.started() == []


def test_the_body_may_be_left_out(algolia: AlgoliaStandIn) -> None:
    assert run_task(algolia, body=b"").status_code == 200


def test_a_wrong_key_starts_nothing(algolia: AlgoliaStandIn) -> None:
    client = official_client(algolia)
    algolia.rotate_key("fresh")

    with pytest.raises(RequestException) as refusal:
        client.run_task("task-1")

    assert refusal.value.status_code == 403
    assert algolia.started() == []


# The record


def test_what_was_started_is_told_beside_what_was_asked(
    algolia: AlgoliaStandIn, clock: FakeClock
) -> None:
    first = run_task(algolia).json()["runID"]
    clock.now += 7
    second = run_task(algolia).json()["runID"]
    run_task(algolia, "none")

    assert [(asked.method, asked.path, asked.status) for asked in algolia.requests] == [
        ("POST", "/2/tasks/task-1/run", 200),
        ("POST", "/2/tasks/task-1/run", 200),
        ("POST", "/2/tasks/none/run", 404),
    ]
    assert algolia.started() == [
        Started("task-1", first, NOON),
        Started("task-1", second, NOON + 7),
    ]


def test_each_application_starts_runs_of_its_own(algolia: AlgoliaStandIn) -> None:
    shop = algolia.application("SHOP000001", "shop-key")

    assert run_task(algolia, of=shop).status_code == 404
    shop.script_task("task-1", FAILING)
    run_id = run_task(algolia, of=shop).json()["runID"]

    assert [started.run_id for started in shop.started()] == [run_id]
    assert algolia.started() == []


def test_many_requests_at_once_start_a_run_each(algolia: AlgoliaStandIn) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: run_task(algolia).json()["runID"], range(40)))

    assert Counter(answers) == Counter(started.run_id for started in algolia.started())
    assert len(set(answers)) == 40


# Faults


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault("status", status=429, retry_after="7"), 429),
        (Fault("status", status=500), 500),
        (Fault("html"), 502),
        (Fault("error", status=422, error="The task is busy"), 422),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else "",
)
def test_a_fault_instead_of_an_answer_starts_nothing(
    algolia: AlgoliaStandIn, fault: Fault, status: int
) -> None:
    algolia.faults.add(fault, path="POST /2/tasks/")

    answer = run_task(algolia)

    assert answer.status_code == status
    assert answer.headers.get("Retry-After") == fault.retry_after
    assert algolia.started() == []


@pytest.mark.parametrize(
    ("kind", "runs_started"), [("drop_before", 0), ("drop_after", 1), ("truncated", 1)]
)
def test_an_answer_that_is_lost_may_have_started_a_run(
    algolia: AlgoliaStandIn, kind: FaultKind, runs_started: int
) -> None:
    algolia.faults.add(Fault(kind))

    with pytest.raises(requests.RequestException):
        run_task(algolia)

    assert len(algolia.started()) == runs_started


def test_a_delayed_answer_starts_the_run_when_it_is_given(algolia: AlgoliaStandIn) -> None:
    algolia.faults.add(Fault("delay", seconds=0.1))

    answer: Any = run_task(algolia).json()

    assert [started.run_id for started in algolia.started()] == [answer["runID"]]
