"""Starting a run anew, against a real server: once, and what is said when that is in doubt."""

from __future__ import annotations

import errno
import json
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING, Any, Self, cast

import pytest
import requests
from requests.adapters import HTTPAdapter

from local.algolia import AlgoliaStandIn
from local.faults import Fault, FaultKind, Faults
from local.http_server import Answer, LoopbackServer, Request
from runbell import algolia as module
from runbell.algolia import LEAST_TIME, IngestionClient
from runbell.algolia_answers import LARGEST_ANSWER
from runbell.deadline import Deadline
from runbell.errors import (
    AlgoliaAmbiguousError,
    AlgoliaCredentialError,
    AlgoliaError,
    AlgoliaRateLimitError,
    AlgoliaRefusedError,
    AlgoliaUnavailableError,
    ConfigurationError,
    OutOfTimeError,
    RunNotFoundError,
    SecretUnavailableError,
)
from runbell.secrets import Secret, parse_algolia

if TYPE_CHECKING:
    from tests.unit.conftest import Clock, FakeSecretsManager

KEY = "the-secret-k3y"
TASK_ID = "76ab4c2a-ce17-496f-b7a6-506dc59ee498"


class Bench:
    """A client with everything around it that a test turns at."""

    def __init__(self, base_url: str, secrets: FakeSecretsManager, clock: Clock) -> None:
        self.secrets = secrets
        self.clock = clock
        self.slept: list[float] = []
        self.use_key(KEY)
        secret = Secret(cast("Any", secrets), "arn:algolia", parse_algolia, clock)
        self.session = requests.Session()
        self.session.mount("http://", HTTPAdapter(pool_maxsize=8))
        self.client = IngestionClient(
            secret, self.session, base_url=base_url, sleep=self.slept.append
        )

    def use_key(self, key: str) -> None:
        self.secrets.text = json.dumps({"app_id": "STANDIN001", "api_key": key, "region": "us"})

    def run(self, task_id: str = TASK_ID, *, seconds: float = 60.0) -> str:
        return self.client.run_task(task_id, Deadline(seconds, self.clock))


@pytest.fixture
def bench_at(secrets_manager: FakeSecretsManager, clock: Clock) -> Iterator[Callable[[str], Bench]]:
    """Makes a client of whatever is at a URL."""
    with ExitStack() as opened:

        def make(url: str) -> Bench:
            bench = Bench(url, secrets_manager, clock)
            opened.enter_context(bench.session)
            return bench

        yield make


@pytest.fixture
def bench(algolia: AlgoliaStandIn, bench_at: Callable[[str], Bench]) -> Bench:
    """A client of the stand-in, which knows one task."""
    algolia.rotate_key(KEY)
    algolia.put_task({"taskID": TASK_ID})
    return bench_at(algolia.url)


BenchOf = Callable[[Callable[[Request], Answer]], Bench]


@pytest.fixture
def bench_of(bench_at: Callable[[str], Bench]) -> Iterator[BenchOf]:
    """Makes a client of a server that answers as a function says."""
    with ExitStack() as opened:
        yield lambda handle: bench_at(opened.enter_context(LoopbackServer(handle, Faults())).url)


class TestStarting:
    def test_a_run_is_started_by_one_request(self, bench: Bench, algolia: AlgoliaStandIn) -> None:
        run_id = bench.run()

        assert [(run.task_id, run.run_id) for run in algolia.started()] == [(TASK_ID, run_id)]
        assert bench.client.get_run(run_id, Deadline(60.0)).task_id == TASK_ID
        asked = [(each.method, each.path) for each in algolia.requests]
        assert asked == [("POST", f"/2/tasks/{TASK_ID}/run"), ("GET", f"/1/runs/{run_id}")]
        assert bench.slept == []

    def test_each_call_starts_a_run_of_its_own(self, bench: Bench, algolia: AlgoliaStandIn) -> None:
        started = [bench.run(), bench.run()]

        assert [run.run_id for run in algolia.started()] == started
        assert len(set(started)) == 2

    def test_it_says_who_asks_and_sends_what_the_vendors_client_sends(
        self, bench_of: BenchOf
    ) -> None:
        seen: list[Request] = []

        def handle(request: Request) -> Answer:
            seen.append(request)
            return Answer.of_json(200, {"runID": "new", "createdAt": "2026-01-31T09:30:00.000Z"})

        assert bench_of(handle).run() == "new"

        (request,) = seen
        assert (request.method, request.target) == ("POST", f"/2/tasks/{TASK_ID}/run")
        assert request.headers["x-algolia-application-id"] == "STANDIN001"
        assert request.headers["x-algolia-api-key"] == KEY
        assert request.headers["content-type"] == "application/json"
        assert request.json() == {}

    def test_an_id_is_one_part_of_the_path_whatever_is_in_it(
        self, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        algolia.put_task({"taskID": "../a b?c"})

        bench.run("../a b?c")

        assert [each.path for each in algolia.requests] == ["/2/tasks/..%2Fa%20b%3Fc/run"]

    @pytest.mark.parametrize("task_id", ["", ".", ".."])
    def test_an_id_that_would_name_another_place_is_not_asked_for(
        self, task_id: str, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        with pytest.raises(RunNotFoundError, match="nothing can have the ID"):
            bench.run(task_id)
        assert algolia.requests == []

    @pytest.mark.parametrize("status", [200, 201, 202])
    @pytest.mark.parametrize("run_id", ["r", "x" * 128])
    def test_what_names_a_run_has_started_it(
        self, status: int, run_id: str, bench_of: BenchOf
    ) -> None:
        answer = {"runID": run_id, "eventID": "e", "message": "hello"}
        assert bench_of(lambda _: Answer.of_json(status, answer)).run() == run_id

    def test_a_connection_that_died_while_it_idled_leaves_no_run_in_doubt(
        self, bench_at: Callable[[str], Bench]
    ) -> None:
        with ForgetfulServer() as server:
            bench = bench_at(server.url)
            bench.client.check(Deadline(60.0))

            assert bench.run() == "new"

            assert server.answered == ["GET", "POST"]
            assert server.lost == []

    def test_what_is_asked_at_the_same_time_is_not_disturbed(
        self, bench_of: BenchOf, run_document: Callable[..., dict[str, Any]]
    ) -> None:
        both_started = threading.Barrier(2, timeout=10)

        def handle(request: Request) -> Answer:
            if request.method == "GET":
                return Answer.of_json(200, run_document(runID="known"))
            return Answer.of_json(200, {"runID": f"new-{both_started.wait()}"})

        bench = bench_of(handle)
        adapter = HesitantAdapter()
        bench.session.mount("http://", adapter)
        with ThreadPoolExecutor(3) as pool:
            known = pool.submit(bench.client.get_run, "known", Deadline(60.0))
            assert adapter.hesitates.wait(10)
            started = [pool.submit(bench.run) for _ in range(2)]
            assert {each.result(20) for each in started} == {"new-0", "new-1"}
            adapter.go_on.set()
            assert known.result(20).run_id == "known"

        assert bench.client.requests_made == 3
        assert bench.slept == []
        # The pool's own connection is still there, and no run was started by it.
        assert bench.client.get_run("known", Deadline(60.0)).run_id == "known"
        first, second = adapter.pools
        assert first is second
        assert first.num_connections == 1

    def test_others_go_on_asking_meanwhile(self, bench: Bench, algolia: AlgoliaStandIn) -> None:
        known = bench.run()

        def ask(number: int) -> str:
            if number % 3 == 0:
                return bench.run()
            return bench.client.get_run(known, Deadline(60.0)).run_id

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(ask, range(90)))

        assert answers.count(known) == 60
        assert len(algolia.started()) == 1 + 30
        assert len(algolia.requests) == 1 + 90


class TestDoubt:
    """What may have been taken is not sent again, and a person is told to look."""

    @pytest.mark.parametrize(
        ("fault", "runs_started"),
        [
            (Fault("status", status=408), 0),
            (Fault("status", status=500), 0),
            (Fault("status", status=502), 0),
            (Fault("status", status=503, retry_after="1"), 0),
            (Fault("status", status=504), 0),
            (Fault("html", status=502), 0),
            (Fault("html", status=200), 0),
            (Fault("garbage"), 0),
            (Fault("drop_before"), 0),
            (Fault("drop_after"), 1),
            (Fault("truncated"), 1),
        ],
        ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else "",
    )
    def test_an_answer_that_leaves_it_open_is_not_asked_for_again(
        self, fault: Fault, runs_started: int, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        algolia.faults.add(fault)

        with pytest.raises(AlgoliaAmbiguousError) as caught:
            bench.run()

        assert not caught.value.retryable
        assert len(algolia.requests) == bench.client.requests_made == 1
        assert len(algolia.started()) == runs_started
        assert bench.slept == []

    def test_it_keeps_algolias_own_word(self, bench: Bench, algolia: AlgoliaStandIn) -> None:
        algolia.faults.add(Fault("error", status=503, error="back soon"))
        with pytest.raises(AlgoliaAmbiguousError, match="answered 503: back soon") as caught:
            bench.run()
        assert caught.value.status == 503

    def test_an_answer_that_does_not_come_is_given_up_on(
        self, bench: Bench, algolia: AlgoliaStandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "READ_TIMEOUT", 0.1)
        algolia.faults.add(Fault("delay", seconds=30))
        began = time.monotonic()

        with pytest.raises(AlgoliaAmbiguousError, match="ReadTimeout"):
            bench.run()

        assert time.monotonic() - began < 5
        assert bench.client.requests_made == 1

    def test_the_deadline_bounds_the_wait(self, bench: Bench, algolia: AlgoliaStandIn) -> None:
        algolia.faults.add(Fault("delay", seconds=30))
        began = time.monotonic()
        with pytest.raises(AlgoliaAmbiguousError, match="ReadTimeout"):
            bench.run(seconds=0.6)
        assert time.monotonic() - began < 5

    @pytest.mark.parametrize("status", [200, 202])
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b'"new"',
            b"{}",
            b"[" * 100_000,
            b'{"runID": null}',
            b'{"runID": 7}',
            b'{"runID": ["new"]}',
            b'{"runID": ""}',
            b'{"runID": "half \\ud800"}',
            b'{"runID": "a\\u0000b"}',
            json.dumps({"runID": "x" * 129}).encode(),
        ],
        ids=lambda body: body[:24],
    )
    def test_an_answer_that_names_no_run_leaves_it_open(
        self, status: int, body: bytes, bench_of: BenchOf
    ) -> None:
        bench = bench_of(lambda _: Answer(status, body))
        with pytest.raises(AlgoliaAmbiguousError, match=f"answered {status} with no ID") as caught:
            bench.run()
        assert caught.value.status == status
        assert bench.client.requests_made == 1

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_redirect_is_not_followed_and_leaves_it_open(
        self, status: int, bench_of: BenchOf
    ) -> None:
        seen: list[str] = []

        def handle(request: Request) -> Answer:
            seen.append(request.path)
            return Answer(status, b'{"runID": "new"}', headers={"Location": "/elsewhere"})

        with pytest.raises(AlgoliaAmbiguousError, match=f"answered {status}"):
            bench_of(handle).run()
        assert seen == [f"/2/tasks/{TASK_ID}/run"]

    def test_an_oversized_answer_leaves_it_open(self, bench_of: BenchOf) -> None:
        bench = bench_of(lambda _: Answer(200, b" " * (LARGEST_ANSWER + 1)))
        with pytest.raises(AlgoliaAmbiguousError, match="over 8388608 bytes"):
            bench.run()
        assert bench.client.requests_made == 1


class TestNothingSent:
    @pytest.mark.parametrize(
        "error",
        [
            ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
            socket.gaierror(socket.EAI_NONAME, "no such host"),
            OSError(errno.ENETUNREACH, "no way there"),
            TimeoutError("nobody answers"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_without_a_connection_nothing_is_in_doubt(
        self, error: OSError, bench: Bench, algolia: AlgoliaStandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def connect(*_: Any, **__: Any) -> Any:
            raise error

        monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
        with pytest.raises(AlgoliaUnavailableError, match="no answer") as caught:
            bench.run()
        assert caught.value.retryable
        assert bench.client.requests_made == 1
        assert bench.slept == []
        assert algolia.requests == []

    def test_nobody_listening_is_no_connection(self, bench_at: Callable[[str], Bench]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        bench = bench_at(f"http://127.0.0.1:{port}")
        with pytest.raises(AlgoliaUnavailableError, match="no answer"):
            bench.run()
        assert bench.client.requests_made == 1

    def test_without_time_nothing_is_asked(self, bench: Bench, algolia: AlgoliaStandIn) -> None:
        with pytest.raises(OutOfTimeError):
            bench.run(seconds=LEAST_TIME - 0.01)
        assert algolia.requests == []
        assert bench.client.requests_made == 0

    def test_without_a_secret_nothing_is_asked(self, bench: Bench, algolia: AlgoliaStandIn) -> None:
        bench.secrets.text = "{}"
        with pytest.raises(ConfigurationError):
            bench.run()
        assert algolia.requests == []


class TestRefusals:
    @pytest.mark.parametrize("status", [400, 402, 405, 409, 410, 422])
    def test_a_refusal_is_told_in_algolias_own_word(
        self, status: int, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        algolia.faults.add(Fault("error", status=status, error="no, thanks"))
        with pytest.raises(AlgoliaRefusedError, match=f"answered {status}: no, thanks") as caught:
            bench.run()
        assert (caught.value.status, caught.value.retryable) == (status, False)
        assert len(algolia.requests) == 1

    def test_an_unknown_task_is_said_to_be_a_task(
        self, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        with pytest.raises(RunNotFoundError, match=r"no task has the ID 'gone': .*404") as caught:
            bench.run("gone")
        assert (caught.value.status, caught.value.retryable) == (404, False)
        assert len(algolia.requests) == 1

    def test_a_long_id_is_not_repeated_in_full(self, bench: Bench) -> None:
        with pytest.raises(RunNotFoundError) as caught:
            bench.run("x" * 5_000)
        assert len(str(caught.value)) < 300

    @pytest.mark.parametrize("kind", ["status", "html"])
    def test_a_rate_limit_is_told_at_once(
        self, kind: FaultKind, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        algolia.faults.add(Fault(kind, status=429, retry_after="7"))
        with pytest.raises(AlgoliaRateLimitError) as caught:
            bench.run()
        assert (caught.value.retryable, caught.value.retry_after) == (True, 7.0)
        assert len(algolia.requests) == 1
        assert algolia.started() == []
        assert bench.slept == []


class TestCredentials:
    @pytest.mark.parametrize("status", [401, 403])
    def test_a_rotated_key_is_read_anew_and_used(
        self, status: int, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        bench.run()
        algolia.rotate_key("another-key")
        bench.use_key("another-key")
        if status == 401:
            algolia.faults.add(Fault("status", status=401))

        run_id = bench.run()

        assert [run.run_id for run in algolia.started()][1:] == [run_id]
        assert [asked.status for asked in algolia.requests] == [200, status, 200]
        assert bench.secrets.readings == 2

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_key_that_has_not_changed_is_not_tried_again(
        self, status: int, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        algolia.faults.add(Fault("status", status=status), times=9)
        with pytest.raises(AlgoliaCredentialError) as caught:
            bench.run()
        assert (caught.value.status, caught.value.retryable) == (status, False)
        assert len(algolia.requests) == 1

    def test_a_new_key_that_is_refused_too_is_the_end_of_it(
        self, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        bench.run()
        bench.use_key("wrong-as-well")
        algolia.rotate_key("a-third")
        with pytest.raises(AlgoliaCredentialError):
            bench.run()
        assert [asked.status for asked in algolia.requests] == [200, 403, 403]

    def test_a_doubt_about_the_second_request_is_a_doubt(
        self, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        bench.run()
        algolia.rotate_key("another-key")
        bench.use_key("another-key")
        algolia.faults.add(Fault("status", status=403))
        algolia.faults.add(Fault("drop_after"), times=9)
        with pytest.raises(AlgoliaAmbiguousError):
            bench.run()
        assert [asked.status for asked in algolia.requests] == [200, 403, None]
        assert len(algolia.started()) == 2

    def test_a_secret_that_cannot_be_read_anew_is_no_doubt(
        self, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        from botocore.exceptions import EndpointConnectionError

        bench.run()
        algolia.rotate_key("another-key")
        bench.secrets.error = EndpointConnectionError(endpoint_url="nowhere")
        with pytest.raises(SecretUnavailableError):
            bench.run()
        assert len(algolia.started()) == 1


class TestSecrecy:
    @pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 429, 500])
    def test_a_key_that_is_echoed_stays_out_of_the_error(
        self, status: int, bench_of: BenchOf
    ) -> None:
        def handle(request: Request) -> Answer:
            return Answer.of_json(status, {"message": request.headers["x-algolia-api-key"]})

        with pytest.raises(AlgoliaError) as caught:
            bench_of(handle).run()
        assert KEY not in whole_text(caught.value)

    @pytest.mark.parametrize("kind", ["html", "drop_before", "garbage", "truncated"])
    def test_no_error_holds_the_key(
        self, kind: FaultKind, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        algolia.faults.add(Fault(kind))
        with pytest.raises(AlgoliaAmbiguousError) as caught:
            bench.run()
        assert KEY not in whole_text(caught.value)


def whole_text(error: BaseException) -> str:
    """All that a log could show of an error."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))


class HesitantAdapter(HTTPAdapter):
    """Lets its first request pause where it has its pool and no connection out of it yet."""

    def __init__(self) -> None:
        super().__init__()
        self.pools: list[Any] = []
        self.hesitates = threading.Event()
        self.go_on = threading.Event()

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool = super().get_connection_with_tls_context(*args, **options)
        self.pools.append(pool)
        if not self.hesitates.is_set():
            self.hesitates.set()
            self.go_on.wait(20)
        return pool


class ForgetfulServer(ThreadingTCPServer):
    """Answers one request of each connection, keeps it open, and drops what comes after.

    So does an address translator that has forgotten a connection which idled.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.answered: list[str] = []
        self.lost: list[str] = []
        super().__init__(("127.0.0.1", 0), _Forgetful)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Forgetful(StreamRequestHandler):
    server: ForgetfulServer

    def handle(self) -> None:
        method = self._read()
        self.server.answered.append(method)
        body = b'{"runs": [], "runID": "new"}'
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)
        if method := self._read():
            self.server.lost.append(method)

    def _read(self) -> str:
        """The method of the next request, read to its end; none if there is no other."""
        method, length = self.rfile.readline().partition(b" ")[0].decode(), 0
        while line := self.rfile.readline().strip().lower():
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        self.rfile.read(length)
        return method
