"""The random faults: seeded, counted, and with a note of whom they met."""

from __future__ import annotations

import time

import requests

from local.algolia import AlgoliaStandIn
from local.chaos.script import write
from local.chaos.weather import OF_ALGOLIA, OF_SLACK, Odd, Weather
from local.faults import Fault, Faults
from local.http_server import Answer, LoopbackServer

POST = "POST /api/chat.postMessage"
EDIT = "POST /api/chat.update"


def weather(seed: str = "1", rate: float = 1 / 3) -> Weather:
    made = Weather(seed, OF_SLACK, rate, "/api/")
    made.is_bad = True
    return made


def test_the_same_seed_gives_the_same_faults_to_the_same_requests() -> None:
    lines = [POST, EDIT, "POST /api/conversations.history"] * 200
    one, same, other = weather(), weather(), weather("2")
    drawn = [one.take(line) for line in lines]
    assert drawn == [same.take(line) for line in lines]
    assert drawn != [other.take(line) for line in lines]


def test_a_third_of_the_requests_fail_and_every_kind_comes() -> None:
    bad = weather()
    failed = sum(bad.take(line) is not None for line in [POST, EDIT] * 1_500)
    assert 900 < failed < 1_100
    assert bad.asked == 3_000
    assert bad.drawn.total() == failed == len(bad.met)
    assert set(bad.drawn) == {odd.name for odd in OF_SLACK}
    assert bad.drawn["time-out"] == 2, "each costs the function its patience"


def test_a_post_meets_no_refusal_that_only_edits_have() -> None:
    bad = weather(rate=1.0)
    for _ in range(500):
        bad.take(POST)
    assert bad.drawn["ok: false, update"] == 0


def test_good_weather_and_other_places_meet_no_fault() -> None:
    bad = weather(rate=1.0)
    assert bad.take("GET /channels/runs") is None
    bad.is_bad = False
    assert bad.take(POST) is None
    assert not bad.met


def test_what_is_away_takes_nothing() -> None:
    bad = weather(rate=0.0)
    bad.is_away = True
    assert all(bad.take(POST) for _ in range(20))
    assert not any(met.taken for met in bad.met)


def test_a_fault_is_noted_with_the_runs_it_met_and_whether_they_were_taken() -> None:
    bad = Weather("1", [Odd("lost", 1, (Fault("drop_after"),))], 1.0)
    bad.is_bad = True
    bad.take(POST, b'{"text": "Run `run-1-00007`"}')
    (met,) = bad.met
    assert (met.name, met.runs, met.taken) == ("lost", ("run-1-00007",), True)


def test_a_fault_that_was_asked_for_comes_first() -> None:
    bad = weather(rate=0.0)
    bad.add(Fault("status", status=418), path="/api/")
    assert bad.take(POST) == Fault("status", status=418)


def server(taken: list[str], fault: Fault) -> LoopbackServer:
    """A service that keeps the paths it has handled and meets one fault."""
    faults = Faults()
    faults.add(fault)

    def handle(request: object) -> Answer:
        taken.append("handled")
        return Answer.of_json(200, {"long": "x" * 200})

    return LoopbackServer(handle, faults)


def test_a_request_can_be_taken_and_refused_all_the_same() -> None:
    taken: list[str] = []
    with server(taken, Fault("status", status=503, taken=True)) as service:
        assert requests.get(service.url, timeout=5).status_code == 503
    assert taken == ["handled"]


def test_a_time_out_holds_the_line_and_says_nothing() -> None:
    taken: list[str] = []
    with server(taken, Fault("timeout", seconds=0.3)) as service:
        began = time.monotonic()
        try:
            requests.get(service.url, timeout=5)
        except requests.ConnectionError:
            assert time.monotonic() - began >= 0.3
        else:
            raise AssertionError("it was answered")
    assert not taken


def test_slow_bytes_come_whole() -> None:
    taken: list[str] = []
    with server(taken, Fault("slow", seconds=0.3)) as service:
        began = time.monotonic()
        assert requests.get(service.url, timeout=5).json() == {"long": "x" * 200}
        assert time.monotonic() - began >= 0.25
    assert taken == ["handled"]


def test_json_can_be_called_something_else() -> None:
    with server([], Fault("mislabelled")) as service:
        answer = requests.get(service.url, timeout=5)
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.json()


def test_an_algolia_in_bad_weather_shows_only_what_went_out_whole() -> None:
    with AlgoliaStandIn() as algolia:
        bad = Weather("1", [Odd("lost", 1, (Fault("drop_after"),))], 1.0)
        bad.is_bad = True
        algolia.application(algolia.app_id, "").faults = bad
        algolia.put_run({"runID": "run-1-00001", "taskID": "t", "status": "created"})
        headers = {"x-algolia-application-id": algolia.app_id, "x-algolia-api-key": algolia.api_key}
        for _ in range(2):
            try:
                requests.get(f"{algolia.url}/1/runs/run-1-00001", headers=headers, timeout=5)
            except requests.ConnectionError:
                assert not algolia.shown()
            bad.is_bad = False
        assert len(algolia.shown()) == 1


def test_a_script_has_the_changes_that_were_asked_for() -> None:
    assert [write(seed, changes).changes for seed in (1, 2) for changes in (1, 20, 501)] == [
        *(1, 20, 501),
        *(1, 20, 501),
    ]
    assert write(3, 200) == write(3, 200)
    assert len({state for run in write(3, 200).runs.values() for state in run.states}) == 5
    assert OF_ALGOLIA
