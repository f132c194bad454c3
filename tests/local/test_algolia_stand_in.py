"""The stand-in for Algolia, as the vendor's client and a plain HTTP client see it."""

import json
import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from email.message import Message
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import requests
from algoliasearch.http.exceptions import RequestException
from hypothesis import given, settings
from hypothesis import strategies as st

from local.algolia import AlgoliaStandIn, Application, GivenAnswer, RunLife, Shown, Step
from local.algolia.official import official_client, read_officially
from local.faults import Fault
from local.http_server import Answer, Asked, LoopbackServer, Request

NOON = datetime(2025, 6, 2, 12, tzinfo=UTC).timestamp()
INVALID = {"message": "Invalid Application-Id or API-Key"}

FAILING = RunLife(
    "run-1",
    "task-1",
    [
        Step(0, "created"),
        Step(10, "started", expected=100, received=0),
        Step(20, "started", expected=100, received=60),
        Step(30, "finished", "failure", "Too many errors", "too_many_errors"),
    ],
    failure_threshold=25,
)


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
    with AlgoliaStandIn(clock=clock) as stand_in:
        yield stand_in


def key_of(asked: AlgoliaStandIn | Application) -> dict[str, str]:
    return {"x-algolia-application-id": asked.app_id, "x-algolia-api-key": asked.api_key}


def get(algolia: AlgoliaStandIn, path: str, **query: str) -> requests.Response:
    return requests.get(algolia.url + path, params=query, headers=key_of(algolia), timeout=5)


def get_of(asked: AlgoliaStandIn | Application, url: str) -> requests.Response:
    return requests.get(url, headers=key_of(asked), timeout=5)


def listed(algolia: AlgoliaStandIn, **query: str) -> list[str]:
    answer = get(algolia, "/1/runs", **query)
    assert answer.status_code == 200, answer.text
    return [run["runID"] for run in answer.json()["runs"]]


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.005)


# The vendor's own client


def test_the_official_client_reads_every_moment_of_a_life(
    algolia: AlgoliaStandIn, clock: FakeClock
) -> None:
    algolia.play(FAILING)
    client = official_client(algolia)

    created = client.get_run("run-1")
    clock.now += 25
    started = client.get_run("run-1")
    clock.now += 25
    finished = client.get_run("run-1")

    assert (created.status, created.progress, created.started_at) == ("created", None, None)
    assert created.created_at == "2025-06-02T12:00:00.000Z"
    assert started.progress is not None
    assert (started.status, started.progress.received_nb_of_events) == ("started", 60)
    assert started.started_at == "2025-06-02T12:00:10.000Z"
    assert finished.to_dict() == {
        "runID": "run-1",
        "appID": "STANDIN001",
        "taskID": "task-1",
        "status": "finished",
        "type": "reindex",
        "createdAt": "2025-06-02T12:00:00.000Z",
        "startedAt": "2025-06-02T12:00:10.000Z",
        "finishedAt": "2025-06-02T12:00:30.000Z",
        "outcome": "failure",
        "reason": "Too many errors",
        "reasonCode": "too_many_errors",
        "failureThreshold": 25,
        "progress": {"expectedNbOfEvents": 100, "receivedNbOfEvents": 60},
    }


def test_the_official_client_lists_runs_with_every_parameter(algolia: AlgoliaStandIn) -> None:
    algolia.play(FAILING, start=NOON - 60)
    algolia.play(RunLife("run-2", "task-2", [Step(0, "skipped")], "push"))

    page = official_client(algolia).list_runs(
        items_per_page=100,
        page=1,
        status=["finished", "started"],
        type=["reindex", "push"],
        task_id="task-1",
        sort="updatedAt",
        order="asc",
        start_date="2025-06-02T11:00:00Z",
        end_date="2025-06-02T14:00:00+01:00",
    )

    assert [run.run_id for run in page.runs] == ["run-1"]
    assert page.pagination.to_dict() == {"nbPages": 1, "page": 1, "nbItems": 1, "itemsPerPage": 100}
    assert page.window.start_date == "2025-06-02T11:00:00.000Z"
    assert page.window.end_date == "2025-06-02T13:00:00.000Z"


def test_the_official_client_lists_events(algolia: AlgoliaStandIn) -> None:
    algolia.play(FAILING)
    algolia.put_event("run-1", {"eventID": "quiet"})
    algolia.put_event(
        "run-1",
        {"eventID": "loud", "status": "critical", "type": "fetch", "data": {"message": "404"}},
    )
    algolia.put_event("run-1", {"eventID": "old", "publishedAt": "2025-06-02T08:00:00Z"})
    client = official_client(algolia)

    everything = client.list_events("run-1")
    critical = client.list_events("run-1", status=["critical", "failed"], type=["fetch"])
    early = client.list_events("run-1", start_date="2025-06-02T00:00:00Z", order="asc")

    assert {event.event_id: event.status for event in everything.events} == {
        "quiet": None,
        "loud": "critical",
    }
    assert [event.data for event in critical.events] == [{"message": "404"}]
    assert early.events[0].event_id == "old"
    assert everything.window.start_date == "2025-06-02T09:00:00.000Z"


def test_the_official_client_reads_a_task_that_nobody_put(algolia: AlgoliaStandIn) -> None:
    algolia.play(FAILING)
    client = official_client(algolia)

    task = client.get_task("task-1")
    source = client.get_source(task.source_id)
    destination = client.get_destination(task.destination_id)

    assert client.get_task("task-1") == task
    assert task.enabled
    assert source.name
    assert destination.input.index_name
    assert source.name.lower().startswith(destination.input.index_name)


def test_the_official_client_reads_what_was_put(algolia: AlgoliaStandIn) -> None:
    algolia.put_task({"taskID": "t", "sourceID": "s", "destinationID": "d", "enabled": False})
    algolia.put_source({"sourceID": "s", "name": "Shop", "type": "shopify"})
    algolia.put_destination({"destinationID": "d", "input": {"indexName": "shop"}})
    client = official_client(algolia)

    task = client.get_task("t")
    assert (task.source_id, task.enabled, task.policies) == ("s", False, None)
    assert (client.get_source("s").name, client.get_source("s").type) == ("Shop", "shopify")
    assert client.get_destination("d").input.index_name == "shop"


def test_a_task_has_the_optional_fields_it_was_put_with_and_no_others(
    algolia: AlgoliaStandIn,
) -> None:
    told = {
        "taskID": "told",
        "enabled": False,
        "cron": "*/5 * * * *",
        "lastRun": "2025-06-02T11:55:00Z",
        "nextRun": "2025-06-02T12:00:00Z",
        "policies": {"criticalThreshold": 3},
    }
    algolia.put_task(told)
    algolia.put_task({"taskID": "bare"})
    algolia.script_task("believable", [Step(0, "created")])
    client = official_client(algolia)

    assert client.get_task("told").to_dict().items() >= told.items()
    bare = get(algolia, "/2/tasks/bare").json()
    assert bare.keys() == {
        "taskID",
        "sourceID",
        "destinationID",
        "enabled",
        "createdAt",
        "updatedAt",
    }
    believable = client.get_task("believable")
    assert (believable.cron, believable.next_run) == ("0 * * * *", None)


def test_the_official_client_reports_a_refusal(algolia: AlgoliaStandIn) -> None:
    with pytest.raises(RequestException, match="No such run") as refusal:
        official_client(algolia).get_run("nowhere")
    assert refusal.value.status_code == 404


def test_the_official_client_reads_every_answer_that_was_given(
    algolia: AlgoliaStandIn, clock: FakeClock
) -> None:
    given: set[GivenAnswer] = set()
    algolia.on_answer = given.add
    algolia.play(FAILING)
    algolia.play(RunLife("run-2", "task-2", [Step(0, "skipped")], "push"))
    algolia.put_event("run-1", {"status": "critical", "data": {"message": "404"}})
    algolia.put_event("run-1", {"status": None})
    task = get(algolia, "/2/tasks/task-1").json()
    for _ in range(5):
        for path in ("/1/runs", "/1/runs/run-1", "/1/runs/run-1/events?itemsPerPage=1"):
            assert get(algolia, path).status_code == 200
        clock.now += 10
    get(algolia, f"/1/sources/{task['sourceID']}")
    get(algolia, f"/1/destinations/{task['destinationID']}")
    official_client(algolia).run_task("task-1")

    for answer in given:
        read = read_officially(answer).model_dump(by_alias=True, exclude_unset=True)
        assert without_nulls(read) == without_nulls(json.loads(answer.body))
    assert {answer.operation for answer in given} == {
        "listRuns",
        "getRun",
        "listEvents",
        "getTask",
        "getSource",
        "getDestination",
        "runTask",
    }
    assert len({answer.body for answer in given if answer.operation == "getRun"}) == 4


def without_nulls(value: Any) -> Any:
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return value


@pytest.mark.parametrize(
    "body", [b"null", b"[]", b"{}", b'{"runs": [{}], "pagination": {}, "window": {}}', b"no JSON"]
)
def test_an_answer_that_the_official_client_cannot_read_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_officially(GivenAnswer("APP", "listRuns", "/1/runs", body))


# Requests it refuses


@pytest.mark.parametrize("name", ["x-algolia-application-id", "x-algolia-api-key"])
@pytest.mark.parametrize("value", [None, "wrong"])
def test_wrong_or_missing_credentials_are_refused(
    algolia: AlgoliaStandIn, name: str, value: str | None
) -> None:
    headers = {**key_of(algolia), name: value}

    answer = requests.get(f"{algolia.url}/1/runs", headers=headers, timeout=5)

    assert (answer.status_code, answer.json()) == (403, INVALID)


def test_a_rotated_key_replaces_the_old_one(algolia: AlgoliaStandIn) -> None:
    old = key_of(algolia)
    algolia.rotate_key("fresh")

    assert requests.get(f"{algolia.url}/1/runs", headers=old, timeout=5).status_code == 403
    assert get(algolia, "/1/runs").status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page", "0"),
        ("page", "-1"),
        ("page", "one"),
        ("page", "\u0661"),
        ("itemsPerPage", "0"),
        ("itemsPerPage", "101"),
        ("itemsPerPage", ""),
        ("status", "started,ended"),
        ("type", "rebuild"),
        ("sort", "runID"),
        ("order", "down"),
        ("startDate", "yesterday"),
        ("startDate", "2025-06-02"),
        ("startDate", "2025-06-02T12:00:00"),
        ("endDate", "2025-06-02T25:00:00Z"),
        ("startDate", "2025-06-02T12:00:01Z"),  # after the window's end, which is now
        ("itemsPerpage", "10"),
    ],
)
def test_a_list_request_that_cannot_be_read_is_refused_by_name(
    algolia: AlgoliaStandIn, name: str, value: str
) -> None:
    answer = get(algolia, "/1/runs", **{name: value})

    assert answer.status_code == 400
    assert name in answer.json()["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/1/runs/none",
        "/1/runs/none/events",
        "/2/tasks/none",
        "/1/tasks/none",
        "/1/sources/none",
        "/1/destinations/none",
        "/1/runs/",
        "/",
    ],
)
def test_what_does_not_exist_is_not_found(algolia: AlgoliaStandIn, path: str) -> None:
    answer = get(algolia, path)

    assert answer.status_code == 404
    assert answer.json()["message"]


# Lists


def test_ids_are_percent_decoded(algolia: AlgoliaStandIn) -> None:
    algolia.put_run({"runID": "a/b ü?", "taskID": "t/1", "status": "created"})

    assert get(algolia, "/1/runs/a%2Fb%20%C3%BC%3F").json()["runID"] == "a/b ü?"
    assert get(algolia, "/2/tasks/t%2F1").json()["taskID"] == "t/1"


def test_filters_may_repeat_or_be_joined_by_commas(algolia: AlgoliaStandIn) -> None:
    for status in ("created", "started", "skipped"):
        algolia.play(RunLife(status, "t", [Step(0, status)]))

    repeated = get(algolia, "/1/runs?status=created&status=started").json()["runs"]

    assert {run["runID"] for run in repeated} == {"created", "started"}
    assert set(listed(algolia, status="created,started")) == {"created", "started"}


def test_the_list_is_of_the_last_seven_days_newest_first_ten_a_page(
    algolia: AlgoliaStandIn,
) -> None:
    for age in range(0, 9 * 24, 16):
        algolia.play(RunLife(f"{age} h", "t", [Step(0, "created")]), start=NOON - age * 3600)

    answer = get(algolia, "/1/runs").json()

    assert [run["runID"] for run in answer["runs"]] == [f"{age} h" for age in range(0, 160, 16)]
    assert listed(algolia, page="2") == ["160 h"]
    assert answer["pagination"] == {"nbPages": 2, "page": 1, "nbItems": 11, "itemsPerPage": 10}
    assert answer["window"] == {
        "startDate": "2025-05-26T12:00:00.000Z",
        "endDate": "2025-06-02T12:00:00.000Z",
    }


def test_the_window_holds_its_own_ends(algolia: AlgoliaStandIn) -> None:
    algolia.play(RunLife("run-1", "t", [Step(0, "created")]), start=NOON - 60.0004)
    created_at = get(algolia, "/1/runs/run-1").json()["createdAt"]

    assert listed(algolia, startDate=created_at, endDate=created_at) == ["run-1"]
    assert listed(algolia, endDate="2025-06-02T11:58:59.998Z") == []
    assert listed(algolia, startDate="2025-06-02T11:59:00.001Z") == []


def test_a_run_is_sorted_by_its_last_change(algolia: AlgoliaStandIn, clock: FakeClock) -> None:
    algolia.play(RunLife("early but moving", "t", [Step(0, "created"), Step(50, "started")]))
    algolia.play(RunLife("late and still", "t", [Step(20, "created")]))
    clock.now += 30
    assert listed(algolia, sort="updatedAt") == ["late and still", "early but moving"]

    clock.now += 30

    assert listed(algolia, sort="updatedAt") == ["early but moving", "late and still"]
    assert listed(algolia, sort="createdAt") == ["late and still", "early but moving"]
    assert "updatedAt" not in get(algolia, "/1/runs").json()["runs"][0]


def test_a_run_does_not_exist_before_its_first_step(
    algolia: AlgoliaStandIn, clock: FakeClock
) -> None:
    algolia.play(RunLife("later", "t", [Step(5, "created")]))
    assert (listed(algolia), get(algolia, "/1/runs/later").status_code) == ([], 404)

    clock.now += 5

    assert (listed(algolia), get(algolia, "/1/runs/later").status_code) == (["later"], 200)


def test_a_list_can_shift_between_two_pages_of_a_scan(
    algolia: AlgoliaStandIn, clock: FakeClock
) -> None:
    for number in range(4):
        algolia.play(RunLife(f"{number}", "t", [Step(-number, "created"), Step(5, "started")]))
    truly = algolia.handle

    def shift(request: Request) -> Answer:
        if request.query.get("page") == ["2"]:
            algolia.play(RunLife("new", "t", [Step(0, "created")]))
        return truly(request)

    algolia.handle = shift
    pages = [listed(algolia, itemsPerPage="2", page=page) for page in "123"]

    assert pages == [["0", "1"], ["1", "2"], ["3"]]


def naive_page(
    told: dict[str, tuple[RunLife, float] | float], query: dict[str, str], now: float
) -> tuple[list[str], int]:
    """The IDs on a page of runs, and how many there are, computed from scratch."""
    rows = []
    for number, (run_id, run) in enumerate(told.items()):
        if isinstance(run, float):  # a literal run, put then
            at, created, status, kind, task = run, run, "skipped", "push", "literal"
        else:
            life, start = run
            reached = [step for step in life.steps if start + step.after <= now]
            if not reached:
                continue
            created, at = start + reached[0].after, start + reached[-1].after
            status, kind, task = reached[-1].status, life.type, life.task_id
        sorts = {"status": status, "updatedAt": at, "createdAt": created}
        end = seconds_of(query["endDate"]) if "endDate" in query else now
        since = seconds_of(query["startDate"]) if "startDate" in query else end - 7 * 86400
        wanted = {"status": status, "type": kind, "taskID": task}
        if since <= created <= end and all(
            value in query[field].split(",") for field, value in wanted.items() if field in query
        ):
            rows.append((sorts[query["sort"]], created, number, run_id))
    rows.sort(reverse=query["order"] == "desc")
    size = int(query["itemsPerPage"])
    first = (int(query["page"]) - 1) * size
    return [row[-1] for row in rows[first : first + size]], len(rows)


def page_of(application: Application, query: dict[str, str]) -> tuple[list[str], int] | str:
    """The same as the application answers it, or its message."""
    request = Request("GET", f"/1/runs?{urlencode(query)}", Message())
    page = json.loads(application.answer(request).body)
    if "message" in page:
        return str(page["message"])
    return [run["runID"] for run in page["runs"]], page["pagination"]["nbItems"]


def seconds_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


statuses = st.sampled_from(["created", "started", "finished", "skipped"])
kinds = st.sampled_from(["reindex", "push"])
task_ids = st.sampled_from(["t1", "t2", "literal"])
run_ids = st.integers(0, 30).map(str)
moments = st.integers(-9 * 86400, 3600)
times = moments.map(lambda age: (datetime.fromtimestamp(NOON + age, UTC)).isoformat())
lives = st.builds(
    lambda run_id, task_id, after, told, kind: RunLife(
        run_id, task_id, [Step(*step) for step in zip(sorted(after), told, strict=False)], kind
    ),
    run_ids,
    task_ids,
    st.lists(st.integers(0, 900), min_size=1, max_size=5),
    st.lists(statuses, min_size=5, max_size=5),
    kinds,
)
queries = st.fixed_dictionaries(
    {
        "sort": st.sampled_from(["status", "updatedAt", "createdAt"]),
        "order": st.sampled_from(["asc", "desc"]),
        "itemsPerPage": st.integers(1, 12).map(str),
        "page": st.integers(1, 3).map(str),
    },
    optional={
        "status": st.lists(statuses, min_size=1, max_size=2).map(",".join),
        "type": kinds,
        "taskID": task_ids,
        "startDate": times,
        "endDate": times,
    },
)
happenings = st.one_of(
    st.tuples(st.just("play"), st.lists(lives, max_size=8), moments),
    st.tuples(st.just("put"), run_ids),
    st.tuples(st.just("wait"), st.integers(0, 900)),
    st.tuples(st.just("go back"), st.integers(0, 900)),
)


def test_time_may_go_back(algolia: AlgoliaStandIn, clock: FakeClock) -> None:
    algolia.play(FAILING)
    algolia.play(RunLife("later", "t", [Step(20, "created")]))
    clock.now += 30
    assert listed(algolia, status="created,finished") == ["later", "run-1"]

    clock.now -= 15

    assert listed(algolia, status="created,finished") == []
    assert listed(algolia) == ["run-1"]
    clock.now += 5
    assert listed(algolia) == ["later", "run-1"]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(happenings, queries), min_size=5, max_size=30))
def test_a_list_is_what_a_computation_from_scratch_makes_it(story: list[Any]) -> None:
    clock, told = FakeClock(), dict[str, Any]()
    application = Application("APP", "key", clock, lambda answer: None)
    for happening, query in story:
        match happening:
            case ["play", played, start]:
                application.play(*played, start=NOON + start)
                told |= {life.run_id: (life, NOON + start) for life in played}
            case ["put", run_id]:
                run = {"runID": run_id, "status": "skipped", "type": "push", "taskID": "literal"}
                application.put_run(run)
                told[run_id] = clock.now
            case ["wait", seconds]:
                clock.now += seconds
            case ["go back", seconds]:
                clock.now -= seconds

        assert page_of(application, query) in (
            naive_page(told, query, clock.now),
            "startDate is after endDate",
        )


def test_a_long_list_stays_what_it_is_from_scratch_while_its_runs_go_on(clock: FakeClock) -> None:
    chance, told = random.Random(7), dict[str, Any]()
    application = Application("APP", "key", clock, lambda answer: None)
    for number in range(1500):
        after = sorted(chance.sample(range(86400), 5))
        words = chance.choices(["created", "started", "finished"], k=5)
        steps = [Step(*step) for step in zip(after, words, strict=True)]
        life = RunLife(f"{number}", f"t{number % 9}", steps)
        told[life.run_id] = (life, NOON - chance.randrange(2 * 86400))
        application.play(life, start=told[life.run_id][1])

    for _ in range(200):
        clock.now += chance.randrange(20)
        run_id = str(chance.randrange(5))
        application.put_run({"runID": run_id, "status": "skipped"})
        told[run_id] = clock.now
        query = {
            "sort": chance.choice(["status", "updatedAt", "createdAt"]),
            "order": chance.choice(["asc", "desc"]),
            "itemsPerPage": "100",
            "page": str(chance.randrange(1, 16)),
        }
        assert page_of(application, query) == naive_page(told, query, clock.now)


def test_a_long_list_is_quick_to_look_at_while_its_runs_go_on(clock: FakeClock) -> None:
    application = Application("APP", "key", clock, lambda answer: None)
    for number in range(20_000):
        steps = [Step(after, "started") for after in range(0, 600, 120)]
        application.play(RunLife(f"{number}", "t", steps), start=NOON - number)
    request = Request("GET", "/1/runs?sort=updatedAt&itemsPerPage=100", Message())

    def seconds_of_a_look() -> float:
        clock.now += 1
        began = time.perf_counter()
        assert application.answer(request).status == 200
        return time.perf_counter() - began

    seconds_of_a_look()  # the first one writes every run
    assert min(seconds_of_a_look() for _ in range(20)) < 0.05


@settings(max_examples=40, deadline=None)
@given(
    ages=st.lists(st.integers(0, 6 * 86400), max_size=25),
    size=st.integers(1, 12),
    sort=st.sampled_from(["status", "updatedAt", "createdAt"]),
    order=st.sampled_from(["asc", "desc"]),
    data=st.data(),
)
def test_pages_together_hold_every_run_once_and_in_order(
    ages: list[int], size: int, sort: str, order: str, data: st.DataObject
) -> None:
    statuses = st.sampled_from(["created", "started", "finished", "skipped"])
    expected: dict[str, Any] = {}
    with AlgoliaStandIn(clock=lambda: NOON) as algolia:
        for number, age in enumerate(ages):
            status, quiet = data.draw(statuses), data.draw(st.integers(0, age))
            life = RunLife(f"{number}", "t", [Step(0, "created"), Step(age - quiet, status)])
            algolia.play(life, start=NOON - age)
            keys = {"status": status, "updatedAt": -quiet, "createdAt": -age}
            expected[f"{number}"] = keys[sort]
        query = {"sort": sort, "order": order, "itemsPerPage": str(size)}
        count = get(algolia, "/1/runs", **query).json()["pagination"]["nbPages"]
        pages = [listed(algolia, page=str(page + 1), **query) for page in range(count)]
        beyond = listed(algolia, page=str(count + 1), **query)

    seen = [run_id for page in pages for run_id in page]
    assert sorted(seen) == sorted(expected)
    assert all(len(page) == size for page in pages[:-1])
    assert beyond == []
    keys_seen = [expected[run_id] for run_id in seen]
    assert keys_seen == sorted(expected.values(), reverse=order == "desc")


# Literal runs and scripts


def test_a_literal_run_is_shown_word_for_word_in_place_of_the_earlier_one(
    algolia: AlgoliaStandIn,
) -> None:
    algolia.play(FAILING)
    malformed = {
        "runID": "run-1",
        "status": 7,
        "type": [],
        "progress": {"receivedNbOfEvents": "many"},
    }
    algolia.put_run(malformed)

    assert get(algolia, "/1/runs/run-1").json() == malformed
    assert get(algolia, "/1/runs").json()["runs"] == [malformed]
    assert listed(algolia, type="push") == []
    assert algolia.shown() == []


def test_a_run_without_an_id_is_only_listed(algolia: AlgoliaStandIn) -> None:
    algolia.put_run({"status": "created"})
    algolia.put_run({"status": "started", "createdAt": "never"})

    assert len(get(algolia, "/1/runs").json()["runs"]) == 2


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [([], "at least one step"), ([Step(5, "created"), Step(1, "started")], "forward in time")],
)
def test_an_impossible_life_is_refused(steps: list[Step], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        RunLife("r", "t", steps)


def test_a_step_with_half_a_progress_is_refused() -> None:
    with pytest.raises(ValueError, match="both"):
        Step(0, "started", expected=5)


# The record of what was shown and asked


def test_shown_lists_each_state_once_in_the_order_it_was_shown(
    algolia: AlgoliaStandIn, clock: FakeClock
) -> None:
    algolia.play(FAILING)
    assert algolia.shown() == []
    get(algolia, "/1/runs/run-1")
    clock.now += 1
    get(algolia, "/1/runs/run-1")
    clock.now += 19
    listed(algolia)
    get(algolia, "/1/runs/run-1")
    clock.now += 20
    listed(algolia, status="created")  # it is not there, so nothing is shown
    get(algolia, "/1/runs/run-1/events")
    assert len(algolia.shown()) == 2
    listed(algolia)

    assert algolia.shown() == [
        Shown("run-1", "created", None, NOON),
        Shown("run-1", "started", None, NOON + 20),
        Shown("run-1", "finished", "failure", NOON + 40),
    ]


def test_only_the_runs_on_the_asked_page_were_shown(algolia: AlgoliaStandIn) -> None:
    for number in range(3):
        algolia.play(RunLife(f"{number}", "t", [Step(0, "created")]))

    page = listed(algolia, itemsPerPage="2")

    assert [shown.run_id for shown in algolia.shown()] == page


def test_a_state_that_no_client_could_read_was_not_shown(algolia: AlgoliaStandIn) -> None:
    algolia.play(FAILING)
    kept_back = [
        Fault("status"),
        Fault("html"),
        Fault("garbage"),
        Fault("truncated"),
        Fault("drop_before"),
        Fault("drop_after"),
    ]
    for fault in kept_back:
        algolia.faults.add(fault)
        with suppress(requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            get(algolia, "/1/runs/run-1")
    assert algolia.shown() == []

    get(algolia, "/1/runs/run-1")

    assert len(algolia.shown()) == 1


def test_a_state_was_not_shown_to_a_client_that_gave_up_waiting(algolia: AlgoliaStandIn) -> None:
    algolia.play(FAILING)
    algolia.faults.add(Fault("delay", seconds=0.3))

    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{algolia.url}/1/runs/run-1", headers=key_of(algolia), timeout=0.05)

    wait_until(lambda: bool(algolia.requests))
    assert [asked.status for asked in algolia.requests] == [None]
    assert algolia.shown() == []


def test_requests_tell_what_was_asked_and_answered(algolia: AlgoliaStandIn) -> None:
    get(algolia, "/1/runs", status="created,started", page="1")
    get(algolia, "/1/runs/none")

    assert algolia.requests == [
        Asked(NOON, "GET", "/1/runs", {"status": ["created,started"], "page": ["1"]}, 200),
        Asked(NOON, "GET", "/1/runs/none", {}, 404),
    ]


def test_answers_are_told_as_they_go_out_whole(algolia: AlgoliaStandIn) -> None:
    given: list[GivenAnswer] = []
    algolia.on_answer = given.append
    algolia.play(FAILING)
    for fault in (Fault("status"), Fault("garbage"), Fault("truncated"), Fault("drop_after")):
        algolia.faults.add(fault)
        with suppress(requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            get(algolia, "/1/runs/run-1")
    get(algolia, "/1/runs/none")
    assert given == []

    body = get(algolia, "/1/runs", status="created,started").content
    get(algolia, "/1/runs", status="created,started")

    target = "/1/runs?status=created%2Cstarted"
    assert given == [GivenAnswer("STANDIN001", "listRuns", target, body)] * 2


# Several applications


@pytest.fixture
def shop(algolia: AlgoliaStandIn) -> Application:
    """A second application of the stand-in."""
    return algolia.application("SHOP000001", "shop-key")


def test_each_application_has_a_world_of_its_own(
    algolia: AlgoliaStandIn, shop: Application, clock: FakeClock
) -> None:
    algolia.play(FAILING)
    shop.play(RunLife("run-1", "task-1", [Step(0, "created")]), start=NOON - 1)
    shop.play(RunLife("run-2", "task-2", [Step(0, "skipped")]), start=NOON - 2)
    shop.put_task({"taskID": "task-1", "cron": "5 5 * * *"})
    shop.put_event("run-1", {})
    clock.now += 30

    seen = [get_of(of, f"{algolia.url}/1/runs").json()["runs"] for of in (algolia, shop)]

    assert [[(run["runID"], run["status"]) for run in runs] for runs in seen] == [
        [("run-1", "finished")],
        [("run-1", "created"), ("run-2", "skipped")],
    ]
    assert [run["appID"] for run in seen[1]] == ["SHOP000001", "SHOP000001"]
    assert get_of(shop, f"{algolia.url}/2/tasks/task-1").json()["cron"] == "5 5 * * *"
    assert get(algolia, "/2/tasks/task-1").json()["cron"] == "0 * * * *"
    assert get(algolia, "/2/tasks/task-2").status_code == 404
    assert len(get_of(shop, f"{algolia.url}/1/runs/run-1/events").json()["events"]) == 1
    assert get(algolia, "/1/runs/run-1/events").json()["events"] == []
    assert [(shown.run_id, shown.status) for shown in algolia.shown()] == [("run-1", "finished")]
    assert [(shown.run_id, shown.status) for shown in shop.shown()] == [
        ("run-1", "created"),
        ("run-2", "skipped"),
    ]


def test_an_application_is_added_once(algolia: AlgoliaStandIn, shop: Application) -> None:
    shop.rotate_key("fresh")

    assert algolia.application("SHOP000001", "shop-key") is shop
    assert shop.api_key == "fresh"
    assert algolia.application(algolia.app_id, "any").api_key == algolia.api_key


def test_one_applications_key_opens_no_other(algolia: AlgoliaStandIn, shop: Application) -> None:
    mixed = key_of(algolia) | {"x-algolia-application-id": shop.app_id}
    unknown = key_of(algolia) | {"x-algolia-application-id": "NOBODY"}
    shop.rotate_key("fresh")

    for headers in (mixed, unknown, key_of(shop) | {"x-algolia-api-key": "shop-key"}):
        answer = requests.get(f"{algolia.url}/1/runs", headers=headers, timeout=5)
        assert (answer.status_code, answer.json()) == (403, INVALID)
    assert get_of(shop, f"{algolia.url}/1/runs").status_code == 200
    assert get(algolia, "/1/runs").status_code == 200


def test_one_applications_faults_leave_the_others_alone(
    algolia: AlgoliaStandIn, shop: Application
) -> None:
    shop.faults.add(Fault("status", status=429), times=2)
    algolia.faults.add(Fault("status", status=500))

    statuses = [
        get_of(of, f"{algolia.url}/1/runs").status_code
        for of in (algolia, shop, algolia, shop, shop)
    ]

    assert statuses == [500, 429, 200, 429, 200]
    assert (algolia.faults.counts, shop.faults.counts) == ({"status": 1}, {"status": 2})


def test_a_person_names_the_application_that_faults_are_for(
    algolia: AlgoliaStandIn, shop: Application
) -> None:
    control = f"{algolia.url}/_control/faults"
    headers = {"x-algolia-application-id": shop.app_id}

    requests.post(control, json={"kind": "status", "times": 9}, headers=headers, timeout=5)
    assert get(algolia, "/1/runs").status_code == 200
    assert get_of(shop, f"{algolia.url}/1/runs").status_code == 500
    requests.delete(control, timeout=5)
    assert get_of(shop, f"{algolia.url}/1/runs").status_code == 500
    requests.delete(control, headers=headers, timeout=5)

    assert get_of(shop, f"{algolia.url}/1/runs").status_code == 200


def test_answers_tell_which_application_gave_them(
    algolia: AlgoliaStandIn, shop: Application
) -> None:
    given: list[GivenAnswer] = []
    algolia.on_answer = given.append

    get_of(shop, f"{algolia.url}/1/runs")
    get(algolia, "/1/runs")

    assert [answer.app_id for answer in given] == ["SHOP000001", "STANDIN001"]


# Faults


def test_a_status_fault_is_a_json_error_with_its_retry_after(algolia: AlgoliaStandIn) -> None:
    algolia.faults.add(Fault("status", status=429, retry_after="7"))

    answer = get(algolia, "/1/runs")

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.json() == {"message": "Too Many Requests"}
    assert get(algolia, "/1/runs").status_code == 200


def test_an_error_fault_is_a_status_with_its_own_words(algolia: AlgoliaStandIn) -> None:
    algolia.faults.add(Fault("error", error="Out of order"))

    answer = get(algolia, "/1/runs")

    assert (answer.status_code, answer.json()) == (500, {"message": "Out of order"})
    assert "Retry-After" not in answer.headers


@pytest.mark.parametrize(("fault", "status"), [(Fault("html"), 502), (Fault("html", 429), 429)])
def test_an_html_fault_is_a_page(algolia: AlgoliaStandIn, fault: Fault, status: int) -> None:
    algolia.faults.add(fault)

    answer = get(algolia, "/1/runs")

    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html")
    assert answer.text.startswith("<html>")


def test_a_garbage_fault_says_it_is_json_and_is_not(algolia: AlgoliaStandIn) -> None:
    algolia.faults.add(Fault("garbage"))

    answer = get(algolia, "/1/runs")

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_a_truncated_fault_breaks_off_in_the_body(algolia: AlgoliaStandIn) -> None:
    algolia.faults.add(Fault("truncated"))

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        get(algolia, "/1/runs")


@pytest.mark.parametrize(("kind", "runs_started"), [("drop_before", 0), ("drop_after", 1)])
def test_a_dropped_request_changes_things_only_when_dropped_after(
    algolia: AlgoliaStandIn, kind: Any, runs_started: int
) -> None:
    algolia.script_task("t", [Step(0, "created")])
    algolia.faults.add(Fault(kind))

    with pytest.raises(requests.ConnectionError):
        requests.post(f"{algolia.url}/2/tasks/t/run", json={}, headers=key_of(algolia), timeout=5)

    assert [asked.status for asked in algolia.requests] == [None]
    assert len(listed(algolia)) == runs_started


def test_a_delayed_answer_tells_the_truth_of_when_it_is_given(
    algolia: AlgoliaStandIn, clock: FakeClock
) -> None:
    algolia.play(FAILING)
    algolia.faults.add(Fault("delay", seconds=0.5))
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(get, algolia, "/1/runs/run-1")
        wait_until(lambda: algolia.faults.counts["delay"] == 1)
        clock.now += 30

        assert answer.result().json()["status"] == "finished"


def test_faults_hit_the_requests_they_are_meant_for_first_come_first_served(
    algolia: AlgoliaStandIn,
) -> None:
    algolia.play(FAILING)
    algolia.faults.add(Fault("status", status=503), path="GET /1/runs?", times=2)
    algolia.faults.add(Fault("status", status=429), path="page=2")
    algolia.faults.add(Fault("status", status=418), path="POST ")

    statuses = [get(algolia, "/1/runs", page="2").status_code for _ in range(4)]

    assert get(algolia, "/1/runs/run-1").status_code == 200
    assert statuses == [503, 503, 429, 200]
    assert algolia.faults.counts == {"status": 3}


def test_cleared_faults_no_longer_wait(algolia: AlgoliaStandIn) -> None:
    algolia.faults.add(Fault("status"), times=5)
    get(algolia, "/1/runs")
    algolia.faults.clear()

    assert get(algolia, "/1/runs").status_code == 200
    assert algolia.faults.counts == {"status": 1}


def test_a_person_asks_for_faults_over_http(algolia: AlgoliaStandIn) -> None:
    wish = {"kind": "status", "status": 429, "retry_after": "3", "path": "/1/runs", "times": 2}
    control = f"{algolia.url}/_control/faults"

    assert requests.post(control, json=wish, timeout=5).json() == {"injected": {}}
    assert get(algolia, "/1/runs").headers["Retry-After"] == "3"
    assert requests.delete(control, timeout=5).json() == {"injected": {"status": 1}}
    assert get(algolia, "/1/runs").status_code == 200
    assert [asked.path for asked in algolia.requests] == ["/1/runs", "/1/runs"]


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        (b"not JSON", "Expecting value"),
        (b"\xff\xfe\xfa", "decode"),
        (b"[]", "JSON object"),
        (b"{}", "kind is missing"),
        (b'{"kind": "explode"}', "kind must be one of status,"),
        (b'{"kind": []}', "kind has the wrong type"),
        (b'{"kind": "status", "status": true}', "status has the wrong type"),
        (b'{"kind": "status", "status": 99}', "status must be"),
        (b'{"kind": "status", "status": 204}', "status must be"),
        (b'{"kind": "status", "retry_after": "1\\r\\nX: y"}', "retry_after must be"),
        (b'{"kind": "delay", "seconds": -1}', "seconds must be"),
        (b'{"kind": "delay", "seconds": NaN}', "seconds must be"),
        (b'{"kind": "html", "times": 0}', "times must be"),
        (b'{"kind": "html", "color": "red"}', "color is no field"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_refused_in_words(
    algolia: AlgoliaStandIn, wish: bytes, complaint: str
) -> None:
    answer = requests.post(f"{algolia.url}/_control/faults", data=wish, timeout=5)

    assert answer.status_code == 400
    assert complaint in answer.json()["message"]
    assert get(algolia, "/1/runs").status_code == 200


def test_faults_are_not_asked_for_by_get(algolia: AlgoliaStandIn) -> None:
    assert requests.get(f"{algolia.url}/_control/faults", timeout=5).status_code == 405


# The server beneath


def test_one_connection_serves_many_requests_and_outlives_an_error(
    algolia: AlgoliaStandIn,
) -> None:
    algolia.play(FAILING)
    algolia.faults.add(Fault("status"))
    connections = set()
    with requests.Session() as session:
        for path in ("/1/runs", "/1/runs/run-1", "/1/runs/none", "/1/runs"):
            with session.get(
                algolia.url + path, headers=key_of(algolia), stream=True, timeout=5
            ) as answer:
                assert answer.raw.connection
                connections.add(answer.raw.connection.sock.getsockname())
                assert answer.json()

    assert len(connections) == 1


@pytest.mark.parametrize(
    ("header", "status"),
    [("Content-Length: many", b"400"), ("Transfer-Encoding: chunked", b"411")],
)
def test_a_body_of_unknown_length_is_refused_at_once(
    algolia: AlgoliaStandIn, header: str, status: bytes
) -> None:
    address = urlsplit(algolia.url)
    with socket.create_connection((address.hostname, address.port), timeout=5) as connection:
        connection.sendall(f"POST /1/runs HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode())

        assert connection.makefile("rb").read().split()[1] == status


def test_a_bug_in_a_handler_is_a_500_and_a_logged_traceback(
    caplog: pytest.LogCaptureFixture, algolia: AlgoliaStandIn
) -> None:
    def broken(request: Request) -> Answer:
        raise ZeroDivisionError(request.path)

    with (
        caplog.at_level(logging.ERROR, "local.http_server"),
        LoopbackServer(broken, algolia.faults) as server,
    ):
        answer = requests.get(f"{server.url}/some/path", timeout=5)

    assert answer.status_code == 500
    assert answer.json()["message"]
    assert "could not answer GET /some/path" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_closing_ends_waiting_answers_and_idle_connections_promptly() -> None:
    before = set(threading.enumerate())
    with ThreadPoolExecutor() as pool, requests.Session() as idle:
        with AlgoliaStandIn() as algolia:
            idle.get(f"{algolia.url}/1/runs", timeout=5)
            algolia.faults.add(Fault("delay", seconds=60))
            waiting = pool.submit(requests.get, f"{algolia.url}/1/runs", timeout=30)
            wait_until(lambda: algolia.faults.counts["delay"] == 1)
            ending = time.monotonic()
        assert time.monotonic() - ending < 2
        assert isinstance(waiting.exception(timeout=5), requests.ConnectionError)
        with pytest.raises(requests.ConnectionError):
            idle.get(f"{algolia.url}/1/runs", timeout=5)

    wait_until(lambda: not set(threading.enumerate()) - before)


def test_a_given_port_is_used_and_the_server_listens_on_loopback_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    with AlgoliaStandIn(port=port) as algolia:
        assert algolia.url == f"http://127.0.0.1:{port}"
        assert get(algolia, "/1/runs").status_code == 200
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=5)


def test_many_clients_at_once_see_and_leave_a_consistent_record(
    algolia: AlgoliaStandIn, clock: FakeClock
) -> None:
    lives = [
        RunLife(f"run-{n}", "t", [Step(0, "created"), Step(5, "finished", "success")])
        for n in range(8)
    ]
    algolia.play(*lives)
    algolia.faults.add(Fault("status", status=503), path="/1/runs/run-3", times=5)

    def ask(number: int) -> tuple[str, str]:
        answer = get(algolia, f"/1/runs/run-{number % 8}")
        return f"run-{number % 8}", answer.json().get("status", "refused")

    with ThreadPoolExecutor(max_workers=16) as pool:
        early = list(pool.map(ask, range(160)))
        clock.now += 5
        late = list(pool.map(ask, range(160)))

    answers = early + late
    assert len(algolia.requests) == 320
    assert sum(status == "refused" for _, status in answers) == 5
    seen = {answer for answer in answers if answer[1] != "refused"}
    shown = [(state.run_id, state.status) for state in algolia.shown()]
    assert len(shown) == len(set(shown))
    assert set(shown) == seen
    assert {status for _, status in late} == {"finished"}
