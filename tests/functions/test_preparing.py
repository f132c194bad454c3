"""What functions make while they start, and what becomes of what they can't make then."""

from __future__ import annotations

import os
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from runbell import assembly
from runbell.errors import AlgoliaUnavailableError, ConfigurationError
from tests.functions.conftest import forget, load

Handler = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize(
    ("function", "part"),
    [
        ("poll", assembly.watcher),
        ("notify", assembly.inbox),
        ("api", assembly.api_tokens),
        ("interact", assembly.interactions),
    ],
)
def test_a_function_that_has_started_has_made_its_parts(
    handlers: Callable[[str], Handler], function: str, part: Any
) -> None:
    """So that the first event does not wait for them."""
    handlers(function)
    assert part.cache_info().currsize == 1


def test_a_setting_that_lacks_is_left_to_the_first_event(
    handlers: Callable[[str], Handler],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The start does not fail for it: the event does, with a line in the log."""
    monkeypatch.delenv("TABLE_NAME")
    invoke = handlers("poll")
    with pytest.raises(ConfigurationError, match="TABLE_NAME"):
        invoke({"connection": "default"})
    assert "a tick has failed" in caplog.messages


def test_importing_a_function_needs_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even a region."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "TABLE_", "QUEUE_", "SLACK_", "ALGOLIA_", "API_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    forget()
    for function in ("poll", "notify", "api", "interact"):
        assert callable(load(function).handler)
    forget()


def test_a_proxy_is_asked_where_there_is_one(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a function in a network of its own may have; the local AWS is exempt from it here."""
    asked: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            asked.append(self.path)
            self.send_error(403)

        def log_message(self, *_: Any) -> None:
            pass

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ALGOLIA_BASE_URL", "https://algolia.example")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    forget()
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        Thread(target=proxy.serve_forever, daemon=True).start()
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.server_port}")
        with pytest.raises(AlgoliaUnavailableError):
            assembly.check_connection_secret(environment["ALGOLIA_SECRET_ARN"])
        proxy.shutdown()
    forget()
    assert asked == ["algolia.example:443"]


def test_a_process_that_serves_many_connections_keeps_the_parts_of_some(
    handlers: Callable[[str], Handler],
) -> None:
    """Each holds an open file, of which Lambda gives a process about a thousand."""
    handlers("poll")
    for number in range(2 * assembly.CONNECTIONS):
        assembly.watcher(f"connection-{number}")
    assert assembly.watcher.cache_info().currsize == assembly.CONNECTIONS
