"""However a host lets us wait, a request to Slack ends with its time-out."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from local.faults import Faults
from local.http_server import Answer, LoopbackServer
from runbell.errors import SlackAmbiguousError, SlackError
from runbell.secrets import Secret, parse_slack
from runbell.slack.access import SlackAccess
from runbell.slack.messages import Message
from runbell.slack.messenger import Messenger, Place
from runbell.slack.patience import LARGEST_ANSWER

if TYPE_CHECKING:
    from tests.unit.conftest import FakeSecretsManager

PATIENCE = 0.4
"""Seconds for a request in these tests."""

PERSISTENCE = 4.0
"""Seconds for which a host goes on, so that a client who waits for its end is seen to."""

HOST = "slack.example"
"""A host whose addresses a test says."""

MESSAGE = Message("text", ({"type": "divider"},), "run")
MILLION = b"Content-Length: 1000000\r\n\r\n"

Speak = Callable[[socket.socket], None]
Ask = Callable[[str], Place | None]


@pytest.fixture(params=["post", "find", "hook"])
def ask(
    request: pytest.FixtureRequest,
    secrets_manager: FakeSecretsManager,
    monkeypatch: pytest.MonkeyPatch,
) -> Ask:
    """Asks a Slack at a URL."""
    monkeypatch.setattr("runbell.slack.access.TIMEOUT", PATIENCE)

    def slack(url: str, **secret: str) -> Messenger:
        secrets_manager.text = json.dumps(secret or {"bot_token": "xoxb-1"})
        secret_of = Secret(cast("Any", secrets_manager), "arn", parse_slack)
        return SlackAccess(secret_of, url).messenger()

    asks: dict[str, Ask] = {
        "post": lambda url: slack(url).post("#runs", MESSAGE),
        "find": lambda url: slack(url).find("C0123456789", MESSAGE),
        "hook": lambda url: slack(url, webhook_url=f"{url}/services/x").post("#runs", MESSAGE),
    }
    return asks[request.param]


@contextmanager
def host(speak: Speak) -> Iterator[int]:
    """Listen at a port, and speak to whoever connects."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    speak(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def drip(start: bytes, drop: bytes = b"x") -> Speak:
    """Begin an answer, and go on drop by drop."""

    def speak(connection: socket.socket) -> None:
        connection.sendall(start)
        end = time.monotonic() + PERSISTENCE
        while time.monotonic() < end:
            connection.sendall(drop)
            time.sleep(0.02)

    return speak


def tell(body: bytes) -> Speak:
    """Hear a request to its end, and answer."""

    def speak(connection: socket.socket) -> None:
        hear(connection)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)

    return speak


def hear(connection: socket.socket) -> None:
    length = 0
    with connection.makefile("rb") as request:
        while line := request.readline().strip().lower():
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        request.read(length)


def behind_a_tunnel(speak: Speak) -> Speak:
    """Be a proxy first."""

    def tunnel(connection: socket.socket) -> None:
        hear(connection)
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        speak(connection)

    return tunnel


def with_tls(certificate: Path, speak: Speak) -> Speak:
    """Speak in secret."""

    def secretly(connection: socket.socket) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        with context.wrap_socket(connection, server_side=True) as secret:
            speak(secret)

    return secretly


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What shows a server to be HOST to this process, with its key."""
    key, name = generate_private_key(SECP256R1()), x509.DNSName(HOST)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .sign(key, SHA256())
    )
    written = tmp_path / "host.pem"
    written.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + made.public_bytes(Encoding.PEM)
    )
    monkeypatch.setenv("SSL_CERT_FILE", str(written))
    return written


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], None]:
    """Says at which addresses HOST is."""
    resolver = socket.getaddrinfo

    def put(addresses: list[str]) -> None:
        def resolved(name: Any, port: Any, *more: Any, **most: Any) -> list[Any]:
            names = addresses if name == HOST else [name]
            return [each for one in names for each in resolver(one, port, *more, **most)]

        for module in ("socket", "runbell.slack.patience"):
            monkeypatch.setattr(f"{module}.getaddrinfo", resolved)

    return put


Resolve = Callable[[list[str]], None]


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Says by which proxy to go, and for which scheme."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return lambda scheme, port: monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{port}")


Through = Callable[[str, int], None]


def late(ask: Ask, url: str) -> None:
    """Ask, and see that it ends when the time is over, with nothing known."""
    began = time.monotonic()
    assert outcome(ask, url) == (SlackAmbiguousError, "no_answer")
    assert PATIENCE * 0.95 < time.monotonic() - began < PATIENCE + 1


def outcome(ask: Ask, url: str) -> tuple[type[SlackError] | None, str]:
    try:
        ask(url)
    except SlackError as error:
        return type(error), error.code
    return None, ""


@pytest.mark.parametrize(
    "speak",
    [
        drip(b"", b""),
        drip(b"HTTP/1.1 200 "),
        drip(b"HTTP/1.1 200 OK\r\nX-Name: "),
        drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drip(b"HTTP/1.1 200 OK\r\n\r\n"),
        drip(b"HTTP/1.1 200 OK\r\n" + MILLION),
        drip(b"HTTP/1.1 500 No\r\n" + MILLION),
        drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["nothing", "status", "header", "100s", "endless", "body", "error", "chunks"],
)
def test_a_host_that_drips_is_late(speak: Speak, ask: Ask) -> None:
    with host(speak) as port:
        late(ask, f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    "speak", [drip(b"", b""), drip(b"\x16\x03\x03\x40\x00", b"\x02")], ids=["nothing", "drips"]
)
def test_so_is_one_that_never_comes_to_terms_about_tls(
    speak: Speak, ask: Ask, resolve: Resolve
) -> None:
    resolve(["127.0.0.1"])
    with host(speak) as port:
        late(ask, f"https://{HOST}:{port}")


def test_so_is_one_that_drips_in_secret(ask: Ask, resolve: Resolve, certificate: Path) -> None:
    resolve(["127.0.0.1"])
    speak = with_tls(certificate, drip(b"HTTP/1.1 200 OK\r\n" + MILLION))
    with host(speak) as port:
        late(ask, f"https://{HOST}:{port}")


def test_so_is_one_at_whose_many_addresses_nobody_answers(ask: Ask, resolve: Resolve) -> None:
    resolve(["127.0.0.1"] * 8)
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):  # what does not fit into its backlog is left without a word
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())

        late(ask, f"https://{HOST}:{full.getsockname()[1]}")


def test_the_next_address_is_tried_where_nobody_listens_at_the_first(
    ask: Ask, resolve: Resolve, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbell.slack.access.TIMEOUT", 20)
    resolve(["127.0.0.2", "127.0.0.1"])
    with host(with_tls(certificate, tell(b"{}"))) as port:
        assert outcome(ask, f"https://{HOST}:{port}") == (SlackAmbiguousError, "http_200")


@pytest.mark.parametrize(
    "speak",
    [drip(b"HTTP/1.1 200 OK\r\nX-Name: "), behind_a_tunnel(drip(b"", b""))],
    ids=["in its own answer", "behind it"],
)
def test_so_is_one_behind_a_proxy_that_drips(speak: Speak, ask: Ask, through: Through) -> None:
    with host(speak) as port:
        through("https", port)
        late(ask, f"https://{HOST}")


def test_what_a_proxy_takes_is_not_given_to_tls_once_more(
    ask: Ask, through: Through, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbell.slack.access.TIMEOUT", 1)

    def almost_late(connection: socket.socket) -> None:
        hear(connection)
        time.sleep(0.9)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        drip(b"", b"")(connection)

    with host(almost_late) as port:
        through("https", port)
        began = time.monotonic()
        assert outcome(ask, f"https://{HOST}") == (SlackAmbiguousError, "no_answer")
        assert time.monotonic() - began < 1.7


def test_a_proxys_tunnel_leads_to_slack(
    ask: Ask, through: Through, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbell.slack.access.TIMEOUT", 20)
    with host(behind_a_tunnel(with_tls(certificate, tell(b"{}")))) as port:
        through("https", port)
        assert outcome(ask, f"https://{HOST}") == (SlackAmbiguousError, "http_200")


def test_a_proxy_is_asked_for_what_is_not_secret(
    ask: Ask, through: Through, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbell.slack.access.TIMEOUT", 20)
    with LoopbackServer(lambda _: Answer(200, b"{}"), Faults()) as proxy:
        through("http", int(proxy.url.rpartition(":")[2]))
        assert outcome(ask, "http://127.0.0.1:9") == (SlackAmbiguousError, "http_200")
        assert len(proxy.requests) == 1


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 99999999999\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n1770000000\r\n",
        b"\r\n",
    ],
    ids=["length", "chunk", "endless"],
)
def test_an_answer_of_any_size_is_not_read_to_its_end(
    head: bytes, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runbell.slack.access.TIMEOUT", 20)
    sent: list[int] = []

    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head)
        piece = b" " * 1024 * 1024
        for _ in range(10 * LARGEST_ANSWER // len(piece)):
            connection.sendall(piece)
            sent.append(len(piece))

    with host(flood) as port:
        assert outcome(ask, f"http://127.0.0.1:{port}") == (SlackAmbiguousError, "no_answer")
    assert LARGEST_ANSWER // 2 < sum(sent) < 5 * LARGEST_ANSWER


@pytest.mark.parametrize("status", [200, 500])
def test_a_long_answer_is_read_whole(
    status: int, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its word is at the end, so that a bot which finds it has read all of it."""
    monkeypatch.setattr("runbell.slack.access.TIMEOUT", 20)
    long = json.dumps({"ok": False, "rest": "x" * 3_000_000, "error": "internal_error"})
    with LoopbackServer(lambda _: Answer(status, long.encode()), Faults()) as server:
        kind, code = outcome(ask, server.url)
    assert kind is SlackAmbiguousError
    assert code in {"internal_error", f"http_{status}"}  # a webhook's word is no JSON
