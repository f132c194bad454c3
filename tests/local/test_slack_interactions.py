"""Pressing buttons in the stand-in for Slack: what the app is sent, and what it may answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web import WebClient
from slack_sdk.webhook import WebhookClient

from local.faults import Fault, Faults
from local.http_server import Answer, LoopbackServer, Request
from local.slack import SlackStandIn

SECRET = "a-signing-secret"


def option(value: str) -> dict[str, Any]:
    return {"text": {"type": "plain_text", "text": value.upper()}, "value": value}


AGAIN = {
    "type": "button",
    "text": {"type": "plain_text", "text": "Run again"},
    "action_id": "again",
    "value": "run-1",
    "style": "primary",
}
MUTE = {
    "type": "static_select",
    "action_id": "mute",
    "placeholder": {"type": "plain_text", "text": "Mute"},
    "options": [option("1h"), option("1d")],
}
MORE = {"type": "overflow", "action_id": "more", "options": [option("note"), option("task")]}
BLOCKS: list[dict[str, Any]] = [
    {
        "type": "section",
        "text": {"type": "mrkdwn", "text": "*Products* failed"},
        "accessory": MORE,
    },
    {"type": "actions", "block_id": "run", "elements": [AGAIN, MUTE]},
]


class App(LoopbackServer):
    """An app that keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(self._take, Faults())
        self.taken: list[Request] = []

    def _take(self, request: Request) -> Answer:
        self.taken.append(request)
        return Answer(200, b"", "text/plain")


@pytest.fixture
def app() -> Iterator[App]:
    with App() as app:
        yield app


@pytest.fixture
def slack(app: App) -> Iterator[SlackStandIn]:
    with SlackStandIn(signing_secret=SECRET) as stand_in:
        stand_in.interactions_url = f"{app.url}/interactions"
        yield stand_in


@pytest.fixture
def client(slack: SlackStandIn) -> WebClient:
    return WebClient("xoxb-stand-in", base_url=f"{slack.url}/api/", retry_handlers=[])


@pytest.fixture
def ts(client: WebClient) -> str:
    """A message with buttons in #runs."""
    return post(client, blocks=BLOCKS)


def post(client: WebClient, text: str = "hello", **arguments: Any) -> str:
    """Post to #runs and return the ts."""
    said = {"channel": "#runs", "text": text, **arguments}
    return str(client.api_call("chat.postMessage", json=said)["ts"])


# ---- What the app is sent -------------------------------------------------------------------


def test_a_press_is_a_form_that_slacks_own_verifier_accepts(
    slack: SlackStandIn, app: App, ts: str
) -> None:
    press = slack.press("#runs", ts, "again")

    assert (press.status, press.taken) == (200, True)
    (request,) = app.taken
    assert (request.method, request.path) == ("POST", "/interactions")
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    headers = dict(request.headers)
    assert SignatureVerifier(SECRET).is_valid_request(request.body, headers)
    assert not SignatureVerifier("another").is_valid_request(request.body, headers)
    assert not SignatureVerifier(SECRET).is_valid_request(request.body + b"&", headers)


def test_the_payload_says_who_pressed_what_and_where(
    slack: SlackStandIn, client: WebClient, ts: str
) -> None:
    payload = slack.press("#runs", ts, "again", user="U0BEN22").payload
    channel = slack.make_channel("#runs")

    (action,) = payload.pop("actions")
    assert re.fullmatch(r"\d+\.\d{6}", action.pop("action_ts"))
    assert action == {"block_id": "run", **AGAIN}
    assert payload.pop("response_url").startswith(f"{slack.url}/actions/T0STANDIN/")
    assert payload.pop("trigger_id")
    history = client.conversations_history(channel=channel, include_all_metadata=True)
    assert payload == {
        "type": "block_actions",
        "user": {"id": "U0BEN22", "username": "ben", "name": "ben", "team_id": "T0STANDIN"},
        "api_app_id": "A0RUNBELL",
        "container": {
            "type": "message",
            "message_ts": ts,
            "channel_id": channel,
            "is_ephemeral": False,
        },
        "team": {"id": "T0STANDIN", "domain": "stand-in"},
        "enterprise": None,
        "is_enterprise_install": False,
        "channel": {"id": channel, "name": "runs"},
        "message": history["messages"][0],
        "state": {"values": {"run": {"mute": {"type": "static_select", "selected_option": None}}}},
    }


@pytest.mark.parametrize(("action_id", "chosen"), [("mute", "1d"), ("more", "task")])
def test_a_choice_carries_the_option(
    slack: SlackStandIn, ts: str, action_id: str, chosen: str
) -> None:
    payload = slack.press("#runs", ts, action_id, option=chosen).payload

    (action,) = payload["actions"]
    assert (action["action_id"], action["selected_option"]) == (action_id, option(chosen))
    assert "value" not in action
    state = payload["state"]["values"]["run"]["mute"]["selected_option"]
    assert state == (option("1d") if action_id == "mute" else None)


def test_a_press_in_a_thread_names_it(slack: SlackStandIn, client: WebClient, ts: str) -> None:
    reply = post(client, blocks=BLOCKS, thread_ts=ts)

    payload = slack.press("#runs", reply, "again").payload

    assert payload["container"]["thread_ts"] == ts
    assert payload["message"]["thread_ts"] == ts


def test_ids_that_nobody_gave_are_made_up_and_outlive_an_edit(
    slack: SlackStandIn, client: WebClient
) -> None:
    nameless = {name: value for name, value in AGAIN.items() if name != "action_id"}
    block = {"type": "actions", "elements": [nameless]}
    posted = client.api_call(
        "chat.postMessage", json={"channel": "#runs", "text": "x", "blocks": [block, block]}
    )
    first, second = posted["message"]["blocks"]
    action_id = first["elements"][0]["action_id"]

    assert first["block_id"] != second["block_id"]
    assert action_id != second["elements"][0]["action_id"]
    (action,) = slack.press("#runs", posted["ts"], action_id).payload["actions"]
    assert action["block_id"] == first["block_id"]

    named = {"type": "actions", "elements": [AGAIN]}
    before = client.api_call(
        "chat.postMessage", json={"channel": "#runs", "text": "x", "blocks": [named]}
    )
    after = client.chat_update(
        channel=before["channel"],
        ts=before["ts"],
        text="x",
        blocks=[{"type": "divider"}, named],
    )
    assert after["message"]["blocks"][1]["block_id"] == before["message"]["blocks"][0]["block_id"]


def test_an_ephemeral_message_is_pressed_on_too_and_not_sent_along(
    slack: SlackStandIn, client: WebClient
) -> None:
    answer = client.chat_postEphemeral(
        channel="#runs", user="U0ANNA1", text="Sure?", blocks=BLOCKS[1:]
    )

    payload = slack.press("#runs", answer["message_ts"], "again").payload

    assert payload["container"]["is_ephemeral"] is True
    assert "message" not in payload


# ---- What the app answers -------------------------------------------------------------------


@pytest.mark.parametrize(("status", "taken"), [(204, True), (302, False), (401, False)])
def test_only_a_2xx_counts_as_taken(
    slack: SlackStandIn, app: App, ts: str, status: int, taken: bool
) -> None:
    if status == 204:
        app.handle = lambda _: Answer(204, b"")
    else:
        app.faults.add(Fault("status", status=status))

    press = slack.press("#runs", ts, "again")

    assert (press.status, press.taken) == (status, taken)


@pytest.mark.parametrize("fault", [Fault("drop_before"), Fault("delay", seconds=30)])
def test_an_app_that_does_not_answer_in_time_has_no_status(
    slack: SlackStandIn, app: App, ts: str, fault: Fault
) -> None:
    slack.answer_within = 0.2
    app.faults.add(fault)

    press = slack.press("#runs", ts, "again")

    assert (press.status, press.taken) == (None, False)
    assert press.body


def test_an_app_has_three_seconds_as_with_slack(slack: SlackStandIn) -> None:
    assert slack.answer_within == 3


def test_every_press_is_kept_with_its_answer(slack: SlackStandIn, app: App, ts: str) -> None:
    first = slack.press("#runs", ts, "again")
    app.faults.add(Fault("status", status=500))
    second = slack.press("#runs", ts, "more", option="note")

    assert slack.presses == [first, second]


def test_what_is_not_there_cannot_be_pressed(
    slack: SlackStandIn, client: WebClient, app: App, ts: str
) -> None:
    for arguments, choice in [
        (("#runs", "1.000000", "again"), None),
        (("#elsewhere", ts, "again"), None),
        (("#runs", ts, "fly"), None),
        (("#runs", ts, "again"), "1h"),
        (("#runs", ts, "mute"), None),
        (("#runs", ts, "mute"), "for ever"),
    ]:
        with pytest.raises(LookupError):
            slack.press(*arguments, option=choice)
    slack.interactions_url = None
    with pytest.raises(ValueError, match="interactions_url"):
        slack.press("#runs", ts, "again")
    assert app.taken == []


# ---- Presses on the page --------------------------------------------------------------------


def press_on_the_page(slack: SlackStandIn, ts: str, **said: Any) -> requests.Response:
    pressed = {
        "channel": slack.make_channel("#runs"),
        "ts": ts,
        "block_id": "run",
        "action_id": "again",
        "user": "U0ANNA1",
        **said,
    }
    return requests.post(f"{slack.url}/press", json=pressed, timeout=10)


def test_the_page_learns_what_became_of_a_press(slack: SlackStandIn, app: App, ts: str) -> None:
    assert press_on_the_page(slack, ts).json() == {"taken": True, "status": 200}
    app.faults.add(Fault("status", status=500))
    chosen = press_on_the_page(slack, ts, action_id="mute", selected_option="1h")
    assert chosen.json() == {"taken": False, "status": 500}
    app.faults.add(Fault("drop_before"))
    assert press_on_the_page(slack, ts).json() == {"taken": False, "status": None}


def test_the_page_is_told_whether_its_buttons_do_anything(slack: SlackStandIn) -> None:
    picture = requests.get(f"{slack.url}/events", timeout=10).json()
    slack.interactions_url = None
    without = requests.get(f"{slack.url}/events", timeout=10).json()

    assert (picture["interactive"], without["interactive"]) == (True, False)
    assert picture["people"]["U0ANNA1"] == "anna"
    assert picture["version"] != without["version"]


def test_a_press_that_cannot_be_is_refused(slack: SlackStandIn, app: App, ts: str) -> None:
    assert press_on_the_page(slack, "1.000000").status_code == 404
    assert press_on_the_page(slack, ts, block_id="other").status_code == 404
    assert press_on_the_page(slack, ts, user=None).status_code == 400
    assert press_on_the_page(slack, ts, selected_option=5).status_code == 400
    assert requests.post(f"{slack.url}/press", json=[], timeout=10).status_code == 400
    slack.interactions_url = None
    assert press_on_the_page(slack, ts).status_code == 400
    assert app.taken == []


def test_a_form_of_another_site_presses_nothing(slack: SlackStandIn, app: App, ts: str) -> None:
    said = f'{{"channel":"runs","ts":"{ts}","block_id":"run","action_id":"again","user":"U0X"}}'
    answer = requests.post(
        f"{slack.url}/press", data=said, headers={"Content-Type": "text/plain"}, timeout=10
    )

    assert answer.status_code == 400
    assert app.taken == []


# ---- Answers that come later ----------------------------------------------------------------


@pytest.fixture
def later(slack: SlackStandIn, ts: str) -> WebhookClient:
    """Answers a press by its response_url."""
    return WebhookClient(slack.press("#runs", ts, "again").payload["response_url"])


def test_a_later_answer_is_for_the_presser_alone(slack: SlackStandIn, later: WebhookClient) -> None:
    answer = later.send(text="Runs again")

    assert (answer.status_code, answer.body) == (200, "ok")
    (told,) = slack.ephemerals
    assert (told.only_for, told.text) == ("U0ANNA1", "Runs again")
    assert len(slack.messages("#runs")) == 1


def test_a_later_answer_may_be_for_the_channel(slack: SlackStandIn, later: WebhookClient) -> None:
    later.send(text="Runs again", response_type="in_channel")

    assert [message.text for message in slack.messages("#runs")] == ["hello", "Runs again"]
    assert slack.ephemerals == []


def test_a_later_answer_may_take_the_messages_place(
    slack: SlackStandIn, later: WebhookClient
) -> None:
    later.send(text="Runs again", replace_original=True)
    (message,) = slack.messages("#runs")
    assert (message.text, message.blocks) == ("Runs again", [])
    assert message.edited

    later.send(delete_original=True)
    assert slack.messages("#runs") == []
    assert later.send(text="x", replace_original=True).status_code == 404


def test_an_ephemeral_message_is_replaced_and_taken_away(
    slack: SlackStandIn, client: WebClient
) -> None:
    told = client.chat_postEphemeral(
        channel="#runs", user="U0ANNA1", text="Sure?", blocks=BLOCKS[1:]
    )
    press = slack.press("#runs", told["message_ts"], "again")
    later = WebhookClient(press.payload["response_url"])

    later.send(text="Runs again", replace_original=True)
    assert [message.text for message in slack.ephemerals] == ["Runs again"]
    later.send(delete_original=True)
    assert slack.ephemerals == []


def test_a_later_answer_can_be_given_five_times(later: WebhookClient) -> None:
    for _ in range(5):
        assert later.send(text="x").status_code == 200
    answer = later.send(text="x")
    assert answer.status_code == 404
    assert "used_url" in answer.body


def test_a_later_answer_must_come_within_half_an_hour(app: App) -> None:
    now = [1_700_000_000.0]
    with SlackStandIn(clock=lambda: now[0]) as slack:
        slack.interactions_url = app.url
        client = WebClient("xoxb-stand-in", base_url=f"{slack.url}/api/")
        press = slack.press("#runs", post(client, blocks=BLOCKS), "again")
        now[0] += 30 * 60 + 1

        answer = WebhookClient(press.payload["response_url"]).send(text="x")

    assert answer.status_code == 404
    assert "expired_url" in answer.body


def test_a_later_answer_keeps_slacks_limits(later: WebhookClient) -> None:
    assert later.send(blocks=[{"type": "section"}]).status_code == 400
