"""No secret shows in a log of any level, an answer, a message or the table, whatever goes wrong."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from slack_sdk.signature import SignatureVerifier

from local.algolia import AlgoliaStandIn
from local.aws import LocalAws
from local.faults import Fault
from local.slack import SlackStandIn
from runbell.observability import logger
from tests.functions.conftest import Handler, forget

API_TOKEN, OTHER_TOKEN = "tOk3n-fVqk29xLmPzR", "n3wer-Tq8sYw5bJdKc"
ALGOLIA_KEY, OTHER_KEY = "a1g0lia9f2c7e55d013", "b4dkey77c1e09a3f652"
BOT_TOKEN = "xoxb-7741Hqz-90ABqWlpT"
SIGNING_SECRET = "5ign1ngc0ffee8842a6e"
HOOK_PATH = "/services/T0H00K/B0H00K/hUsHhUsHpAtH"

SECRETS = (
    API_TOKEN,
    OTHER_TOKEN,
    ALGOLIA_KEY,
    OTHER_KEY,
    BOT_TOKEN,
    SIGNING_SECRET,
    HOOK_PATH[10:],
)

RUN = "6c02aeb1-775e-418e-870b-1faccd4b2c0f"


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn(bot_token=BOT_TOKEN, webhook_path=HOOK_PATH) as stand_in:
        yield stand_in


@pytest.fixture
def algolia() -> Iterator[AlgoliaStandIn]:
    with AlgoliaStandIn(api_key=ALGOLIA_KEY) as stand_in:
        yield stand_in


@pytest.fixture
def environment(environment: dict[str, str], aws: LocalAws) -> dict[str, str]:
    put(aws, environment["API_TOKEN_SECRET_ARN"], f"{API_TOKEN}\n{OTHER_TOKEN}")
    put(aws, environment["SLACK_SECRET_ARN"], slack_secret(bot_token=BOT_TOKEN))
    # What people set to see more of what goes on.
    return {**environment, "POWERTOOLS_LOGGER_LOG_EVENT": "true"}


@pytest.fixture(params=["DEBUG", "INFO", "WARNING", "ERROR"])
def logged(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """All that is logged at a level or above it: by the functions and by every library."""
    text = io.StringIO()
    before = [(each, each.level) for each in (logging.getLogger(), logging.getLogger("runbell"))]
    plain, ours = logging.StreamHandler(text), logging.StreamHandler(text)
    plain.addFilter(lambda record: not record.name.startswith("local."))  # the stand-ins' own
    ours.setFormatter(logger.registered_formatter)
    for (each, _), handler in zip(before, (plain, ours), strict=True):
        each.addHandler(handler)
        each.setLevel(request.param)
    yield text
    for (each, level), handler in zip(before, (plain, ours), strict=True):
        each.removeHandler(handler)
        each.setLevel(level)


class World:
    """The functions, and everything that they say."""

    def __init__(self, handlers: Callable[[str], Handler]) -> None:
        self._handlers = handlers
        self.said: list[object] = []

    def invoke(self, function: str, event: dict[str, Any]) -> Any:
        """Run a function; what it answers or raises is what Lambda would pass on."""
        try:
            answer = self._handlers(function)(event)
        except Exception as error:  # noqa: BLE001 (Lambda tells of any)
            answer = repr(error)
        self.said.append(answer)
        return answer

    def call(self, method: str, path: str, token: str = API_TOKEN, body: object = None) -> Any:
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"authorization": f"Bearer {token}"},
            "requestContext": {"http": {"method": method, "path": path}, "stage": "$default"},
            "isBase64Encoded": False,
            **({} if body is None else {"body": json.dumps(body)}),
        }
        return self.invoke("api", event)

    def press(self, secret: str, **more: object) -> Any:
        """Send what a press of a button is, signed with a secret."""
        action = {"type": "button", "action_id": "claim", "block_id": f"runbell default {RUN}"}
        document = {"type": "block_actions", "user": {"id": "U0123456789"}, "actions": [action]}
        body, at = urlencode({"payload": json.dumps(document | more)}), str(int(time.time()))
        signature = SignatureVerifier(secret).generate_signature(timestamp=at, body=body)
        headers = {"x-slack-request-timestamp": at, "x-slack-signature": signature}
        return self.invoke("interact", {"headers": headers, "body": body})

    def notify(self) -> None:
        """Let notify tell what is new of the run, as the queue's message would."""
        wake = {"connection": "default", "runID": RUN, "version": 1, "channel": "#runs"}
        record = {
            "messageId": "m",
            "receiptHandle": "h",
            "body": json.dumps(wake),
            "attributes": {"MessageGroupId": "default #runs", "ApproximateReceiveCount": "1"},
        }
        self.invoke("notify", {"Records": [record]})


@pytest.fixture
def world(handlers: Callable[[str], Handler], environment: dict[str, str]) -> World:
    return World(handlers)


def put(aws: LocalAws, arn: str, text: str) -> None:
    """Put a secret; the functions begin anew, and read it."""
    forget()
    aws.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=text)


def slack_secret(**entries: str) -> str:
    return json.dumps({"signing_secret": SIGNING_SECRET, **entries})


def show(algolia: AlgoliaStandIn, status: str) -> None:
    run = {"runID": RUN, "appID": algolia.app_id, "taskID": "t", "type": "reindex"}
    algolia.put_run({**run, "createdAt": "2026-01-31T09:00:00Z", "status": status})


def strangers_call(world: World) -> None:
    for token in (
        API_TOKEN[:-1],
        API_TOKEN + "x",
        API_TOKEN.upper(),
        f"{API_TOKEN}\n{OTHER_TOKEN}",
    ):
        assert world.call("GET", "/runs", token)["statusCode"] == 401
    world.press("forged-" + SIGNING_SECRET)


def algolia_echoes(world: World, algolia: AlgoliaStandIn) -> None:
    echo = f"Invalid key {ALGOLIA_KEY} (x-algolia-api-key: {ALGOLIA_KEY})" + ALGOLIA_KEY * 40
    for status in (400, 401, 403, 404, 422):
        algolia.faults.add(Fault("error", status=status, error=echo), times=3)
        world.call("POST", f"/runs/{RUN}/check")
        world.invoke("poll", {"connection": "default", "runIDs": [RUN]})
        world.invoke("poll", {"connection": "default"})
        algolia.faults.clear()


def slack_echoes(world: World, aws: LocalAws, slack: SlackStandIn, arn: str) -> None:
    ways = {"bot_token": BOT_TOKEN, "webhook_url": slack.webhook_url}
    for name, value in ways.items():
        put(aws, arn, slack_secret(**{name: value}))
        for fault in (
            Fault("error", status=400, error=f"invalid {value}"),
            Fault("status", status=302),
            Fault("html"),
            Fault("garbage"),
            Fault("drop_before"),
        ):
            slack.faults.add(fault, times=9)
            world.notify()
            slack.faults.clear()
    put(aws, arn, slack_secret(webhook_url=slack.webhook_url.replace("http:", "ftp:")))
    world.notify()


def secrets_are_malformed(world: World, aws: LocalAws, environment: dict[str, str]) -> None:
    good = {"app_id": "A", "api_key": OTHER_KEY, "region": "us"}
    for text in (
        OTHER_KEY,
        json.dumps(good)[:-1],
        json.dumps([OTHER_KEY]),
        json.dumps({**good, "region": OTHER_KEY}),
        json.dumps({**good, "api_key": f"{OTHER_KEY}\r\nx: y"}),
        json.dumps({**good, "api_key": [OTHER_KEY]}),
        json.dumps(good),
    ):
        put(aws, environment["ALGOLIA_SECRET_ARN"], text)
        world.call("POST", f"/runs/{RUN}/check")
        world.invoke("poll", {"connection": "default"})
        name = f"{environment['CONNECTION_SECRETS_PREFIX']}c{len(world.said)}"
        aws.client("secretsmanager").create_secret(Name=name, SecretString=text)
        world.call("PUT", f"/connections/c{name.rpartition('/c')[2]}")
    for text in (
        BOT_TOKEN,
        slack_secret(),
        slack_secret(bot_token=BOT_TOKEN, webhook_url=HOOK_PATH),
    ):
        put(aws, environment["SLACK_SECRET_ARN"], text)
        world.notify()
        world.press(SIGNING_SECRET)
    for text in (API_TOKEN[:12], "\n".join([API_TOKEN, OTHER_TOKEN, ALGOLIA_KEY])):
        put(aws, environment["API_TOKEN_SECRET_ARN"], text)
        world.call("GET", "/runs")


def keys_are_misplaced(world: World) -> None:
    """Somebody pastes one where another thing belongs."""
    for body in (
        {"secret": json.dumps({"api_key": OTHER_KEY})},
        {"schedule": OTHER_KEY},
        {"discover": OTHER_KEY},
        {"notifyOn": [OTHER_KEY]},
        {"mentions": [OTHER_KEY]},
        {"channel": f"<{OTHER_KEY}>"},
        {"quietHours": {"from": OTHER_KEY, "to": "x", "timezone": "UTC"}},
    ):
        assert world.call("PUT", "/connections/emea", body=body)["statusCode"] == 400


def something_breaks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a traceback that leads through where the key is at hand."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("unforeseen")

    with monkeypatch.context() as patch:
        patch.setattr("runbell.algolia.make_sense", broken)
        patch.setattr("runbell.slack.messenger._content", broken)
        patch.setattr("runbell.deeds.Deeds.do", broken)
        world.call("POST", f"/runs/{RUN}/check")
        world.invoke("poll", {"connection": "default", "runIDs": [RUN]})
        world.notify()
        world.press(SIGNING_SECRET)


def test_nothing_shows_one_nor_its_beginning(
    world: World,
    logged: io.StringIO,
    aws: LocalAws,
    algolia: AlgoliaStandIn,
    slack: SlackStandIn,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    show(algolia, "created")
    assert world.call("POST", f"/runs/{RUN}/check", OTHER_TOKEN)["statusCode"] == 200
    world.notify()
    assert len(slack.calls) == 1
    show(algolia, "started")
    assert world.call("POST", f"/runs/{RUN}/check")["statusCode"] == 200
    response_url = f"{slack.url}/actions/T0/{BOT_TOKEN}"
    asked = len(slack.requests)
    assert world.press(SIGNING_SECRET, response_url=response_url)["statusCode"] == 200
    assert len(slack.requests) == asked, "a URL from outside is not asked"

    strangers_call(world)
    keys_are_misplaced(world)
    algolia_echoes(world, algolia)
    something_breaks(world, monkeypatch)
    slack_echoes(world, aws, slack, environment["SLACK_SECRET_ARN"])
    secrets_are_malformed(world, aws, environment)

    items = aws.client("dynamodb").scan(TableName=environment["TABLE_NAME"])["Items"]
    assert items
    places = {
        "the log": logged.getvalue(),
        "an answer": json.dumps(world.said),
        "a message": json.dumps([call.arguments for call in slack.calls]),
        "the table": json.dumps(items, default=str),
    }
    assert "Invalid key •••" in str(world.said), "Algolia has echoed nothing"
    assert "RuntimeError: unforeseen" in places["the log"], "nothing was broken"
    for place, text in places.items():
        for secret in SECRETS:
            for shown in (secret, secret[:8], quote(secret, safe=""), json.dumps(secret)[1:-1]):
                assert shown not in text, f"{secret} shows in {place}: {around(text, shown)}"


def around(text: str, shown: str) -> str:
    at = text.index(shown)
    return text[max(0, at - 200) : at + 200]
