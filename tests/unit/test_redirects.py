"""A redirect is an answer: no key goes to the host that it names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from requests import Session

from local.faults import Faults
from local.http_server import Answer, LoopbackServer, Request
from runbell.algolia import IngestionClient
from runbell.deadline import Deadline
from runbell.errors import RunbellError
from runbell.secrets import Secret, parse_algolia, parse_slack
from runbell.slack.access import SlackAccess
from runbell.slack.messages import Message
from runbell.slack.messenger import BotMessenger, Place

if TYPE_CHECKING:
    from tests.unit.conftest import FakeSecretsManager

MESSAGE = Message("text", ({"type": "divider"},), "run")

Ask = Callable[[str], object]


@pytest.fixture
def elsewhere() -> Iterator[LoopbackServer]:
    """Another host, which answers whatever it is asked."""
    with LoopbackServer(lambda _: Answer.of_json(200, {"ok": True}), Faults()) as server:
        yield server


@pytest.fixture(params=["getRun", "listRuns", "runTask", "post", "edit", "find", "whisper", "hook"])
def ask(request: pytest.FixtureRequest, secrets_manager: FakeSecretsManager) -> Ask:
    """Asks the API below a URL, with a key attached."""
    client = cast("Any", secrets_manager)

    def algolia(url: str) -> IngestionClient:
        secrets_manager.text = json.dumps({"app_id": "A", "api_key": "k3y", "region": "us"})
        return IngestionClient(Secret(client, "arn", parse_algolia), Session(), base_url=url)

    def slack(url: str, **secret: str) -> BotMessenger:
        secrets_manager.text = json.dumps(secret or {"bot_token": "xoxb-1"})
        return cast(
            "BotMessenger", SlackAccess(Secret(client, "arn", parse_slack), url).messenger()
        )

    place = Place("C0123456789", "1.000001")
    listed = {"page": 1, "sort": "updatedAt", "order": "desc", "start": "2026-01-31T09:00:00Z"}
    asks: dict[str, Ask] = {
        "getRun": lambda url: algolia(url).get_run("r", Deadline(5)),
        "listRuns": lambda url: algolia(url).list_runs(Deadline(5), **cast("Any", listed)),
        "runTask": lambda url: algolia(url).run_task("t", Deadline(5)),
        "post": lambda url: slack(url).post("#runs", MESSAGE),
        "edit": lambda url: slack(url).edit(place, MESSAGE),
        "find": lambda url: slack(url).find("C0123456789", MESSAGE),
        "whisper": lambda url: slack(url).whisper("C0123456789", "U0123456789", "text"),
        "hook": lambda url: slack(url, webhook_url=f"{url}/services/x").post("#runs", MESSAGE),
    }
    return asks[request.param]


def always(answer: Answer) -> Callable[[Request], Answer]:
    return lambda _: answer


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_the_other_host_gets_no_request(status: int, ask: Ask, elsewhere: LoopbackServer) -> None:
    """Neither by the same name on another port, nor by another name."""
    for host in (elsewhere.url, elsewhere.url.replace("127.0.0.1", "localhost")):
        there = Answer(status, b"", headers={"Location": f"{host}/stolen"})
        with LoopbackServer(always(there), Faults()) as server:
            try:
                found = ask(server.url)
            except RunbellError:
                found = None
            assert found is None
            assert len(server.requests) == 1
    assert not elsewhere.requests
