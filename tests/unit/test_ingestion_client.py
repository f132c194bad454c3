"""The Ingestion API's client against a real server: patience, and where it ends."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Self, cast

import pytest
import requests
from requests.adapters import HTTPAdapter

from local.algolia import AlgoliaStandIn, RunLife, Step
from local.faults import Fault, FaultKind, Faults
from local.http_server import Answer, LoopbackServer, Request
from runbell import algolia as module
from runbell.algolia import ATTEMPTS, LEAST_TIME, IngestionClient
from runbell.algolia_answers import LARGEST_ANSWER
from runbell.deadline import Deadline
from runbell.errors import (
    AlgoliaCredentialError,
    AlgoliaError,
    AlgoliaRateLimitError,
    AlgoliaRefusedError,
    AlgoliaUnavailableError,
    MalformedRunError,
    OutOfTimeError,
    RunNotFoundError,
)
from runbell.secrets import Secret, parse_algolia

if TYPE_CHECKING:
    from tests.unit.conftest import Clock, FakeSecretsManager

KEY = "the-secret-k3y"
RUN_ID = "6c02aeb1-775e-418e-870b-1faccd4b2c0f"
RunDocument = Callable[..., dict[str, Any]]


class Bench:
    """A client with everything around it that a test turns at."""

    def __init__(self, base_url: str | None, secrets: FakeSecretsManager, clock: Clock) -> None:
        self.secrets = secrets
        self.clock = clock
        self.slept: list[float] = []
        self.use_key(KEY)
        self.secret = Secret(cast("Any", secrets), "arn:algolia", parse_algolia, clock)
        self.session = requests.Session()
        self.session.mount("http://", HTTPAdapter(pool_maxsize=8))
        self.client = IngestionClient(
            self.secret, self.session, base_url=base_url, sleep=self.sleep, jitter=lambda: 1.0
        )

    def use_key(self, key: str, region: str = "us") -> None:
        self.secrets.text = json.dumps({"app_id": "STANDIN001", "api_key": key, "region": region})

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)

    def get(self, run_id: str = RUN_ID, *, seconds: float = 60.0) -> Any:
        return self.client.get_run(run_id, Deadline(seconds, self.clock))


@pytest.fixture
def bench(
    algolia: AlgoliaStandIn,
    secrets_manager: FakeSecretsManager,
    clock: Clock,
    run_document: RunDocument,
) -> Iterator[Bench]:
    """A client of the stand-in, which knows one run."""
    algolia.rotate_key(KEY)
    algolia.put_run(run_document())
    bench = Bench(algolia.url, secrets_manager, clock)
    with bench.session:
        yield bench


@pytest.fixture
def bench_of(
    secrets_manager: FakeSecretsManager, clock: Clock
) -> Iterator[Callable[[Callable[[Request], Answer]], Bench]]:
    """Makes a client of a server that answers as a function says."""
    opened: list[Any] = []

    def make(handle: Callable[[Request], Answer]) -> Bench:
        server = LoopbackServer(handle, Faults()).__enter__()
        bench = Bench(server.url, secrets_manager, clock)
        opened.extend([server, bench.session])
        return bench

    yield make
    for context in reversed(opened):
        context.__exit__(None, None, None)


BenchOf = Callable[[Callable[[Request], Answer]], Bench]


def whole_text(error: BaseException) -> str:
    """All that a log could show of an error."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))


class TestAsking:
    def test_a_run_is_fetched(self, bench: Bench) -> None:
        run = bench.get()
        assert (run.run_id, run.status) == (RUN_ID, "created")
        assert bench.client.requests_made == 1
        assert bench.slept == []

    def test_it_says_who_asks_and_what_it_takes(
        self, bench_of: BenchOf, run_document: RunDocument
    ) -> None:
        seen: list[Request] = []

        def handle(request: Request) -> Answer:
            seen.append(request)
            return Answer.of_json(200, run_document())

        bench_of(handle).get()
        (request,) = seen
        assert (request.method, request.target) == ("GET", f"/1/runs/{RUN_ID}")
        assert request.headers["x-algolia-application-id"] == "STANDIN001"
        assert request.headers["x-algolia-api-key"] == KEY
        assert request.headers["accept"] == "application/json"

    @pytest.mark.parametrize(
        ("run_id", "path"),
        [
            ("a/b", "/1/runs/a%2Fb"),
            ("../../2/tasks", "/1/runs/..%2F..%2F2%2Ftasks"),
            ("a?b#c", "/1/runs/a%3Fb%23c"),
            ("a b&c=d", "/1/runs/a%20b%26c%3Dd"),
            ("100%", "/1/runs/100%25"),
            ("%2e%2e", "/1/runs/%252e%252e"),
            ("läuft", "/1/runs/l%C3%A4uft"),
            ("a\r\nx: y", "/1/runs/a%0D%0Ax%3A%20y"),
            ("half \ud800", "/1/runs/half%20%3F"),
        ],
    )
    def test_an_id_is_one_part_of_the_path_whatever_is_in_it(
        self, run_id: str, path: str, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        with pytest.raises(RunNotFoundError):
            bench.get(run_id)
        assert [asked.path for asked in algolia.requests] == [path]

    @pytest.mark.parametrize("run_id", ["", ".", ".."])
    def test_an_id_that_would_name_another_place_is_not_asked_for(
        self, run_id: str, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        with pytest.raises(RunNotFoundError, match="nothing can have the ID"):
            bench.get(run_id)
        assert algolia.requests == []

    @pytest.mark.parametrize("region", ["us", "eu"])
    def test_a_region_has_a_host(
        self,
        region: str,
        secrets_manager: FakeSecretsManager,
        clock: Clock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        asked: list[tuple[str, dict[str, Any]]] = []

        def request(method: str, url: str, **how: Any) -> Any:
            asked.append((url, how))
            raise requests.ConnectionError

        bench = Bench(None, secrets_manager, clock)
        bench.use_key(KEY, region)
        monkeypatch.setattr(bench.session, "request", request)
        with pytest.raises(AlgoliaUnavailableError):
            bench.get()
        url, how = asked[0]
        assert url == f"https://data.{region}.algolia.com/1/runs/{RUN_ID}"
        assert how["timeout"] == (module.CONNECT_TIMEOUT, module.READ_TIMEOUT)
        assert how["allow_redirects"] is False
        assert "verify" not in how

    def test_many_threads_share_one_client(
        self, bench: Bench, algolia: AlgoliaStandIn, run_document: RunDocument
    ) -> None:
        ids = [f"run-{number}" for number in range(60)]
        for run_id in ids:
            algolia.put_run(run_document(runID=run_id))
        algolia.faults.add(Fault("status", status=503), times=ATTEMPTS - 1)
        with ThreadPoolExecutor(8) as pool:
            runs = list(pool.map(bench.get, ids))
        assert [run.run_id for run in runs] == ids
        assert bench.client.requests_made == 63
        assert bench.secrets.readings == 1


class TestTryingAgain:
    @pytest.mark.parametrize(
        "fault",
        [
            Fault("status", status=500),
            Fault("status", status=502),
            Fault("status", status=503),
            Fault("status", status=504),
            Fault("status", status=408),
            Fault("status", status=429),
            Fault("html", status=502),
            Fault("html", status=429),
            Fault("html", status=200),
            Fault("drop_before"),
            Fault("drop_after"),
            Fault("garbage"),
            Fault("truncated"),
            Fault("error", status=500, error="internal"),
        ],
        ids=lambda fault: f"{fault.kind}-{fault.status}",
    )
    def test_a_passing_fault_is_overcome(
        self, fault: Fault, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        algolia.faults.add(fault, times=ATTEMPTS - 1)
        assert bench.get().run_id == RUN_ID
        assert len(algolia.requests) == bench.client.requests_made == ATTEMPTS

    @pytest.mark.parametrize(
        "kind", ["status", "html", "drop_before", "drop_after", "garbage", "truncated", "error"]
    )
    def test_a_lasting_fault_ends_after_four_requests(
        self, kind: FaultKind, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        algolia.faults.add(Fault(kind), times=100)
        with pytest.raises(AlgoliaUnavailableError) as caught:
            bench.get()
        assert caught.value.retryable
        assert len(algolia.requests) == ATTEMPTS == 4
        assert bench.slept == [0.5, 1.0, 2.0]

    def test_pauses_are_spread_by_up_to_a_half(
        self, bench: Bench, algolia: AlgoliaStandIn, clock: Clock
    ) -> None:
        numbers = iter([0.0, 0.5, 1.0])
        client = IngestionClient(
            bench.secret,
            bench.session,
            base_url=algolia.url,
            sleep=bench.sleep,
            jitter=lambda: next(numbers),
        )
        algolia.faults.add(Fault("status"), times=3)
        client.get_run(RUN_ID, Deadline(60, clock))
        assert bench.slept == [0.25, 0.75, 2.0]

    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize(
        ("retry_after", "pause"),
        [("0", 0.5), ("1.5", 2.0), ("7", 7.5), ("soon", 0.5), (None, 0.5)],
    )
    def test_it_waits_as_long_as_it_is_asked_to_and_a_jittered_while(
        self,
        status: int,
        retry_after: str | None,
        pause: float,
        bench: Bench,
        algolia: AlgoliaStandIn,
    ) -> None:
        algolia.faults.add(Fault("status", status=status, retry_after=retry_after))
        bench.get()
        assert bench.slept == [pause]

    def test_it_waits_until_a_date(self, bench: Bench, algolia: AlgoliaStandIn) -> None:
        date = formatdate(time.time() + 20, usegmt=True)
        algolia.faults.add(Fault("html", status=429, retry_after=date))
        bench.get()
        assert bench.slept == [pytest.approx(20, abs=3)]

    def test_a_wait_that_the_time_does_not_suffice_for_is_handed_on(
        self, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        algolia.faults.add(Fault("status", status=429, retry_after="30"))
        with pytest.raises(AlgoliaRateLimitError) as caught:
            bench.get(seconds=30)
        assert (caught.value.retryable, caught.value.retry_after) == (True, 30.0)
        assert bench.slept == []
        assert len(algolia.requests) == 1

    def test_it_stops_while_there_is_time_to_say_so(
        self, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        algolia.faults.add(Fault("status"), times=100)
        with pytest.raises(AlgoliaUnavailableError):
            bench.get(seconds=0.5 + 1.0 + LEAST_TIME)
        assert bench.slept == [0.5]
        assert len(algolia.requests) == 2

    def test_without_time_nothing_is_asked(self, bench: Bench, algolia: AlgoliaStandIn) -> None:
        with pytest.raises(OutOfTimeError):
            bench.get(seconds=LEAST_TIME - 0.01)
        assert algolia.requests == []
        assert bench.client.requests_made == 0

    def test_nobody_listening_is_worth_another_try(
        self, secrets_manager: FakeSecretsManager, clock: Clock
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        bench = Bench(f"http://127.0.0.1:{port}", secrets_manager, clock)
        with bench.session, pytest.raises(AlgoliaUnavailableError, match="no answer"):
            bench.get()
        assert bench.client.requests_made == ATTEMPTS


class TestRefusals:
    def test_another_run_than_the_one_asked_for_is_malformed(
        self, bench_of: Callable[[Callable[[Request], Answer]], Bench], run_document: RunDocument
    ) -> None:
        bench = bench_of(lambda _: Answer.of_json(200, run_document(runID="another")))
        with pytest.raises(MalformedRunError, match="another run"):
            bench.get()

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_rotated_key_is_read_anew_and_used(
        self, status: int, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        bench.get()
        algolia.rotate_key("another-key")
        bench.use_key("another-key")
        if status == 401:
            algolia.faults.add(Fault("status", status=401))
        assert bench.get().run_id == RUN_ID
        assert bench.secrets.readings == 2
        assert [asked.status for asked in algolia.requests] == [200, status, 200]
        assert bench.slept == []

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_key_that_stays_refused_is_told_at_once(
        self, status: int, bench: Bench, algolia: AlgoliaStandIn, clock: Clock
    ) -> None:
        bench.get()
        clock.advance(10)
        algolia.faults.add(Fault("status", status=status), times=100)
        with pytest.raises(AlgoliaCredentialError) as caught:
            bench.get()
        assert (caught.value.status, caught.value.retryable) == (status, False)
        assert len(algolia.requests) == 2
        assert bench.secrets.readings == 2

    def test_a_new_key_that_is_refused_too_is_no_loop(
        self, bench: Bench, algolia: AlgoliaStandIn, clock: Clock
    ) -> None:
        bench.get()
        bench.use_key("wrong-as-well")
        algolia.rotate_key("a-third")
        clock.advance(10)
        with pytest.raises(AlgoliaCredentialError):
            bench.get()
        assert len(algolia.requests) == 3

    def test_a_run_that_algolia_does_not_know_is_not_found(
        self, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        with pytest.raises(RunNotFoundError, match="Algolia answered 404: No such run") as caught:
            bench.get("unknown")
        assert not caught.value.retryable
        assert len(algolia.requests) == 1

    @pytest.mark.parametrize("status", [201, 202, 302, 307, 400, 402, 405, 409, 410, 422])
    def test_any_other_answer_is_a_refusal_and_not_tried_again(
        self, status: int, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        algolia.faults.add(Fault("error", status=status, error="no, thanks"), times=100)
        with pytest.raises(AlgoliaRefusedError, match=f"answered {status}: no, thanks") as caught:
            bench.get()
        assert (caught.value.status, caught.value.retryable) == (status, False)
        assert len(algolia.requests) == 1

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_the_key_follows_no_redirect(self, status: int, bench_of: BenchOf) -> None:
        paths: list[str] = []

        def handle(request: Request) -> Answer:
            paths.append(request.path)
            return Answer(status, b"", headers={"Location": "/elsewhere"})

        with pytest.raises(AlgoliaRefusedError, match=f"answered {status} without a word"):
            bench_of(handle).get()
        assert paths == [f"/1/runs/{RUN_ID}"]

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b"", "application/json"),
            (b"<html>Bad</html>", "text/html"),
            (b"<html>Bad</html>", "application/json"),
            (b"\xff\xfe\xfa", "application/json"),
            (b"[1]", "application/json"),
            (b"null", "application/json"),
            (b'{"message": 7}', "application/json"),
            (b'{"message": ""}', "application/json"),
            (b'{"error": "x"}', "application/json"),
            (b"[" * 100_000, "application/json"),
        ],
    )
    def test_an_error_without_a_word_is_still_its_status(
        self, body: bytes, content_type: str, bench_of: BenchOf
    ) -> None:
        bench = bench_of(lambda _: Answer(400, body, content_type))
        with pytest.raises(AlgoliaRefusedError, match=r"answered 400 without a word$"):
            bench.get()

    def test_the_content_type_does_not_matter(
        self, bench_of: BenchOf, run_document: RunDocument
    ) -> None:
        body = json.dumps(run_document()).encode()
        assert bench_of(lambda _: Answer(200, body, "text/html")).get().run_id == RUN_ID

    @pytest.mark.parametrize("body", [b"", b"<html></html>", b"[" * 100_000, b"{", b"null"])
    def test_a_200_without_json_is_tried_again(self, body: bytes, bench_of: BenchOf) -> None:
        bench = bench_of(lambda _: Answer(200, body))
        with pytest.raises(AlgoliaUnavailableError, match="200 with no JSON"):
            bench.get()
        assert bench.client.requests_made == ATTEMPTS

    @pytest.mark.parametrize("body", [b"[]", b'"run"', b"7", b"{}", b'{"runID": "x"}'])
    def test_json_that_is_no_run_is_malformed_and_not_tried_again(
        self, body: bytes, bench_of: BenchOf
    ) -> None:
        bench = bench_of(lambda _: Answer(200, body))
        with pytest.raises(MalformedRunError):
            bench.get()
        assert bench.client.requests_made == 1


class TestSecrecy:
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
    def test_a_key_that_is_echoed_stays_out_of_the_error(
        self, status: int, bench_of: BenchOf
    ) -> None:
        def handle(request: Request) -> Answer:
            echo = f"{'x' * 480} {request.headers['x-algolia-api-key']} is wrong"
            return Answer.of_json(status, {"message": echo})

        with pytest.raises(AlgoliaError, match="•••") as caught:
            bench_of(handle).get()
        assert KEY not in whole_text(caught.value)
        assert len(str(caught.value)) < 600

    @pytest.mark.parametrize("kind", ["status", "html", "drop_before", "garbage", "truncated"])
    def test_no_error_holds_the_key(
        self, kind: FaultKind, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        algolia.faults.add(Fault(kind), times=100)
        with pytest.raises(AlgoliaError) as caught:
            bench.get()
        assert KEY not in whole_text(caught.value)


class TestSlowAndLarge:
    def test_an_answer_that_does_not_come_is_given_up_on(
        self, bench: Bench, algolia: AlgoliaStandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "READ_TIMEOUT", 0.1)
        algolia.faults.add(Fault("delay", seconds=30))
        began = time.monotonic()
        assert bench.get().run_id == RUN_ID
        assert time.monotonic() - began < 5
        assert bench.client.requests_made == 2

    def test_the_deadline_bounds_one_answer_too(
        self, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        algolia.faults.add(Fault("delay", seconds=30))
        began = time.monotonic()
        with pytest.raises(AlgoliaUnavailableError, match="ReadTimeout"):
            bench.get(seconds=0.6)
        assert time.monotonic() - began < 5

    def test_an_answer_that_drips_is_given_up_on(
        self,
        secrets_manager: FakeSecretsManager,
        clock: Clock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(module, "READ_TIMEOUT", 0.2)
        monkeypatch.setattr(module, "ATTEMPTS", 1)
        with DrippingServer() as server:
            bench = Bench(server.url, secrets_manager, clock)
            began = time.monotonic()
            with bench.session, pytest.raises(AlgoliaUnavailableError, match="takes over"):
                bench.get()
            assert 0.2 <= time.monotonic() - began < 5

    def test_an_oversized_answer_is_not_read_to_its_end(self, bench_of: BenchOf) -> None:
        bench = bench_of(lambda _: Answer(200, b" " * (LARGEST_ANSWER + 1)))
        with pytest.raises(AlgoliaUnavailableError, match="over 8388608 bytes"):
            bench.get(seconds=0.9)

    def test_a_small_answer_that_unpacks_to_an_oversized_one_is_not_unpacked(
        self, bench_of: BenchOf
    ) -> None:
        packed = gzip.compress(b" " * (LARGEST_ANSWER * 4))
        bench = bench_of(lambda _: Answer(200, packed, headers={"Content-Encoding": "gzip"}))
        with pytest.raises(AlgoliaUnavailableError, match="over 8388608 bytes"):
            bench.get(seconds=0.9)

    def test_a_compressed_answer_is_read(
        self, bench_of: BenchOf, run_document: RunDocument
    ) -> None:
        reason = "".join(map(chr, range(200, 7_000)))
        packed = gzip.compress(json.dumps(run_document(reason=reason)).encode())
        bench = bench_of(lambda _: Answer(200, packed, headers={"Content-Encoding": "gzip"}))
        assert bench.get().reason == reason

    def test_a_compressed_answer_that_is_broken_is_tried_again(self, bench_of: BenchOf) -> None:
        bench = bench_of(
            lambda _: Answer(200, b"no gzip at all", headers={"Content-Encoding": "gzip"})
        )
        with pytest.raises(AlgoliaUnavailableError, match="DecodeError"):
            bench.get()
        assert bench.client.requests_made == ATTEMPTS


class DrippingServer:
    """Answers any request with a body that never ends, a byte at a time."""

    def __enter__(self) -> Self:
        self._stopped = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._socket.close()
        self._thread.join(timeout=5)

    def _serve(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not self._stopped.wait(0.01):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return


class TestLists:
    """listRuns and listEvents, a hundred items a page."""

    START = "2026-01-01T00:00:00.000Z"

    def runs(self, bench: Bench, page: int, **more: Any) -> Any:
        return bench.client.list_runs(
            Deadline(60.0, bench.clock),
            page=page,
            sort=more.pop("sort", "createdAt"),
            order=more.pop("order", "asc"),
            start=self.START,
            **more,
        )

    def test_a_list_is_read_page_by_page(
        self, bench: Bench, algolia: AlgoliaStandIn, run_document: RunDocument
    ) -> None:
        for number in range(250):
            at = f"2026-02-01T09:{number // 60:02}:{number % 60:02}.000Z"
            algolia.put_run(run_document(runID=f"run-{number}", createdAt=at))

        pages = [self.runs(bench, number) for number in (1, 2, 3)]

        assert [len(page.items) for page in pages] == [100, 100, 51]
        assert [page.has_more for page in pages] == [True, True, False]
        assert {page.total for page in pages} == {251}
        ids = [run["runID"] for page in pages for run in page.items]
        assert ids == [RUN_ID, *(f"run-{number}" for number in range(250))]

    def test_the_latest_update_comes_first_if_it_is_asked_for(
        self, bench: Bench, algolia: AlgoliaStandIn, run_document: RunDocument
    ) -> None:
        an_hour_ago = time.time() - 3600
        algolia.play(RunLife("earlier", "task-1", [Step(0, "created")]), start=an_hour_ago)
        algolia.put_run(run_document())

        page = self.runs(bench, 1, sort="updatedAt", order="desc")

        assert [run["runID"] for run in page.items] == [RUN_ID, "earlier"]

    def test_a_list_can_be_that_of_one_task(
        self, bench: Bench, algolia: AlgoliaStandIn, run_document: RunDocument
    ) -> None:
        algolia.put_run(run_document(runID="other", taskID="a b&c"))

        page = self.runs(bench, 1, task_id="a b&c")

        assert [run["runID"] for run in page.items] == ["other"]

    def test_rows_are_handed_on_as_they_are(self, bench: Bench, algolia: AlgoliaStandIn) -> None:
        algolia.put_run({"runID": "odd", "status": 7})

        (odd,) = [run for run in self.runs(bench, 1).items if run["runID"] == "odd"]

        assert odd == {"runID": "odd", "status": 7}

    @pytest.mark.parametrize("body", [[], {}, {"runs": {}}, {"runs": None}, "runs", 7])
    def test_an_answer_that_is_no_list_is_trouble_that_may_pass(
        self, bench_of: BenchOf, body: object
    ) -> None:
        bench = bench_of(lambda _: Answer.of_json(200, body))
        with pytest.raises(AlgoliaUnavailableError, match="no list of runs"):
            self.runs(bench, 1)

    @pytest.mark.parametrize(
        ("count", "pagination", "has_more", "total"),
        [
            (100, None, True, None),
            (99, None, False, None),
            (100, {}, True, None),
            (0, {"nbPages": 0, "nbItems": 0}, False, 0),
            (100, {"nbPages": 1, "nbItems": 100}, False, 100),
            (5, {"nbPages": 2}, True, None),
            (100, {"nbPages": "2", "nbItems": "many"}, True, None),
            (100, [], True, None),
        ],
    )
    def test_where_a_list_ends_is_known_also_without_the_vendors_word(
        self,
        bench_of: BenchOf,
        count: int,
        pagination: object,
        has_more: bool,
        total: int | None,
    ) -> None:
        body = {"runs": [{}] * count, "pagination": pagination}
        page = self.runs(bench_of(lambda _: Answer.of_json(200, body)), 1)
        assert (page.has_more, page.total) == (has_more, total)

    def test_a_page_is_asked_for_again_while_that_makes_sense(
        self, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        algolia.faults.add(Fault("status", status=500), times=ATTEMPTS - 1)
        assert len(self.runs(bench, 1).items) == 1
        assert bench.client.requests_made == ATTEMPTS

    def test_only_failed_and_critical_events_are_listed_the_oldest_first(
        self, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        for number, status in enumerate(["failed", "succeeded", "critical", "retried"]):
            at = f"2026-02-01T09:00:0{number}.000Z"
            algolia.put_event(RUN_ID, {"status": status, "publishedAt": at, "eventID": status})

        page = bench.client.list_errors(
            RUN_ID, Deadline(60.0, bench.clock), page=1, start=self.START
        )

        assert [cast("Any", event)["eventID"] for event in page.items] == ["failed", "critical"]
        assert (page.has_more, page.total) == (False, 2)


class TestTasks:
    """getTask, getSource and getDestination."""

    def test_a_task_leads_to_its_source_and_its_destination(
        self, bench: Bench, algolia: AlgoliaStandIn
    ) -> None:
        algolia.put_task({"taskID": "a/b", "sourceID": "s?", "destinationID": "d#"})
        algolia.put_source({"sourceID": "s?", "name": "Feed"})
        algolia.put_destination({"destinationID": "d#", "name": "Index"})
        deadline = Deadline(60.0, bench.clock)

        task = bench.client.get_task("a/b", deadline)

        assert bench.client.get_source(task["sourceID"], deadline)["name"] == "Feed"
        assert bench.client.get_destination(task["destinationID"], deadline)["name"] == "Index"
        paths = [each.path for each in algolia.requests]
        assert paths == ["/2/tasks/a%2Fb", "/1/sources/s%3F", "/1/destinations/d%23"]

    @pytest.mark.parametrize("what", ["get_task", "get_source", "get_destination"])
    def test_what_is_asked_for_once_is_asked_for_once(
        self, bench: Bench, algolia: AlgoliaStandIn, what: str
    ) -> None:
        algolia.faults.add(Fault("status", status=500), times=9)
        with pytest.raises(AlgoliaUnavailableError):
            getattr(bench.client, what)("x", Deadline(60.0, bench.clock), attempts=1)
        assert bench.client.requests_made == 1
        assert bench.slept == []

    @pytest.mark.parametrize("what", ["get_task", "get_source", "get_destination"])
    def test_what_algolia_does_not_know_is_said_to_be_unknown(
        self, bench: Bench, what: str
    ) -> None:
        with pytest.raises(RunNotFoundError):
            getattr(bench.client, what)("nobody", Deadline(60.0, bench.clock))

    @pytest.mark.parametrize("what", ["get_task", "get_source", "get_destination"])
    def test_an_answer_that_is_no_object_is_trouble_that_may_pass(
        self, bench_of: BenchOf, what: str
    ) -> None:
        bench = bench_of(lambda _: Answer.of_json(200, ["no object"]))
        with pytest.raises(AlgoliaUnavailableError, match="no object"):
            getattr(bench.client, what)("x", Deadline(60.0, bench.clock))
