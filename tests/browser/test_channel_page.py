"""The page of the stand-in for Slack, as a person meets it in a browser."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, expect
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web import WebClient

from local.slack import SlackStandIn

pytestmark = pytest.mark.xdist_group("browser")

PageAt = Callable[..., Page]
SECRET = "a-signing-secret"
TOO_LONG = "a-name-without-any-space-" * 12


def text(words: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": words}


def button(words: str, action: str, **more: Any) -> dict[str, Any]:
    return {"type": "button", "text": text(words), "action_id": action, **more}


def option(words: str, value: str) -> dict[str, Any]:
    return {"text": text(words), "value": value}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": [*elements]}


def section(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": words}, **more}


MUTE = {
    "type": "static_select",
    "action_id": "mute",
    "placeholder": text("Mute"),
    "options": [option("For an hour", "1h"), option("For a day", "1d")],
}
MORE = {
    "type": "overflow",
    "action_id": "more",
    "options": [option("Add a note", "note"), option("Show the task", "task")],
}
RICH = {
    "type": "rich_text",
    "elements": [
        {
            "type": "rich_text_section",
            "elements": [
                {"type": "text", "text": "Failed", "style": {"bold": True}},
                {"type": "text", "text": " for "},
                {"type": "user", "user_id": "U0BEN22"},
                {"type": "emoji", "name": "bell"},
                {"type": "link", "url": "https://example.com/run", "text": "the run"},
                {"type": "date", "timestamp": 1700000000, "format": "{date_num}", "fallback": "?"},
            ],
        },
        {
            "type": "rich_text_list",
            "style": "bullet",
            "elements": [
                {"type": "rich_text_section", "elements": [{"type": "text", "text": "first"}]},
                {"type": "rich_text_section", "elements": [{"type": "text", "text": "second"}]},
            ],
        },
        {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": TOO_LONG}]},
        {"type": "rich_text_quote", "elements": [{"type": "text", "text": "as it was said"}]},
    ],
}
EVERYTHING: list[dict[str, Any]] = [
    {"type": "header", "text": text(f"Products {TOO_LONG}"[:150])},
    section(
        "*Failed* <!date^1700000000^{date_num} {time}|then> for <@U0ANNA1> and <!here>",
        fields=[{"type": "mrkdwn", "text": f"*{i}*\n{TOO_LONG}"} for i in range(3)],
        accessory=MORE,
    ),
    {"type": "divider"},
    RICH,
    {"type": "image", "image_url": "https://example.com/a.png", "alt_text": "a chart"},
    actions(button("Look " * 14, "look"), MUTE, button("Stop", "stop", style="danger")),
    {"type": "context", "elements": [{"type": "mrkdwn", "text": f"`{TOO_LONG}`"}]},
]


class App:
    """An app that takes interactions, on loopback, and answers as it is told."""

    def __init__(self) -> None:
        self.status = 200
        self.taken: list[tuple[bytes, dict[str, str]]] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                app.taken.append((body, dict(self.headers)))
                app.may_answer.wait(30)
                self.send_response(app.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/slack/interactions"

    @property
    def actions(self) -> list[dict[str, Any]]:
        """What was pressed, as the payloads told it."""
        payloads = [json.loads(parse_qs(body.decode())["payload"][0]) for body, _ in self.taken]
        return [payload["actions"][0] | {"by": payload["user"]["id"]} for payload in payloads]


@pytest.fixture
def app() -> Iterator[App]:
    app = App()
    thread = threading.Thread(target=app.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield app
    app.may_answer.set()
    app.server.shutdown()
    app.server.server_close()


@pytest.fixture
def slack(app: App) -> Iterator[SlackStandIn]:
    with SlackStandIn(signing_secret=SECRET) as stand_in:
        stand_in.interactions_url = app.url
        yield stand_in


@pytest.fixture
def client(slack: SlackStandIn) -> WebClient:
    return WebClient("xoxb-stand-in", base_url=f"{slack.url}/api/", retry_handlers=[])


def post(client: WebClient, words: str = "hello", **arguments: Any) -> str:
    """Post to #runs and return the ts."""
    said = {"channel": "#runs", "text": words, **arguments}
    return str(client.api_call("chat.postMessage", json=said)["ts"])


def edit(slack: SlackStandIn, client: WebClient, ts: str, **changes: Any) -> None:
    client.chat_update(channel=slack.make_channel("#runs"), ts=ts, **changes)


def opened(page: Page, slack: SlackStandIn) -> Page:
    page.goto(f"{slack.url}/channels/runs")
    expect(page.get_by_role("status")).to_have_text("live")
    return page


# ---- Messages -------------------------------------------------------------------------------


def test_a_message_appears_and_is_edited_in_its_place(
    slack: SlackStandIn, client: WebClient, page_at: PageAt
) -> None:
    page = opened(page_at(), slack)
    ts = post(client, "running")
    message = page.locator("#messages > .message")
    expect(message).to_contain_text("running")

    edit(slack, client, ts, text="*done*")
    expect(message).to_contain_text("done (edited)")
    expect(message.locator("strong", has_text="done")).to_be_visible()
    expect(message).to_have_count(1)


def test_a_broadcast_reply_is_in_the_channel_and_leads_to_its_thread(
    slack: SlackStandIn, client: WebClient, page_at: PageAt
) -> None:
    parent = post(client, "the run failed")
    post(client, "quiet", thread_ts=parent)
    post(client, "loud", thread_ts=parent, reply_broadcast=True)
    page = opened(page_at(), slack)
    thread = page.locator("details.thread")
    expect(thread.get_by_text("2 replies")).to_be_visible()
    expect(page.get_by_text("quiet")).to_be_hidden()

    broadcast = page.locator("#messages > .message", has_text="replied to a thread")
    broadcast.get_by_role("link", name="the run failed").click()

    expect(page.get_by_text("quiet")).to_be_visible()
    reply = thread.locator(".message", has_text="loud")
    expect(reply).to_contain_text("Also sent to the channel")
    expect(reply.locator(".body")).to_be_focused()


def test_a_thread_stays_open_while_the_channel_goes_on(
    slack: SlackStandIn, client: WebClient, page_at: PageAt
) -> None:
    parent = post(client, "parent")
    post(client, "first", thread_ts=parent)
    page = opened(page_at(), slack)
    page.get_by_text("1 reply").click()

    post(client, "second", thread_ts=parent)
    edit(slack, client, parent, text="changed")

    expect(page.get_by_text("changed")).to_be_visible()
    expect(page.get_by_text("second")).to_be_visible()


def test_a_deleted_message_goes_and_one_with_replies_leaves_a_tombstone(
    slack: SlackStandIn, client: WebClient, page_at: PageAt
) -> None:
    alone, parent = post(client, "alone"), post(client, "parent")
    post(client, "reply", thread_ts=parent)
    page = opened(page_at(), slack)
    expect(page.get_by_text("alone")).to_be_visible()

    slack.delete("#runs", alone)
    slack.delete("#runs", parent)

    expect(page.get_by_text("This message was deleted.")).to_be_visible()
    expect(page.get_by_text("1 reply")).to_be_visible()
    expect(page.get_by_text("alone")).to_have_count(0)


def test_an_ephemeral_message_says_who_sees_it(
    slack: SlackStandIn, client: WebClient, page_at: PageAt
) -> None:
    client.chat_postEphemeral(channel="#runs", user="U0ANNA1", text="Muted until noon")
    page = opened(page_at(), slack)

    message = page.locator("#messages > .message")
    expect(message).to_contain_text("Only visible to anna")
    expect(message).to_contain_text("Muted until noon")


def test_rich_text_is_drawn_as_it_is_meant(
    slack: SlackStandIn, client: WebClient, page_at: PageAt
) -> None:
    post(client, blocks=[RICH])
    rich = opened(page_at(), slack).locator(".rich")

    expect(rich.locator("strong")).to_have_text("Failed")
    expect(rich.locator(".mention")).to_have_text("@ben")
    expect(rich.get_by_role("img", name="bell")).to_have_text("🔔")
    expect(rich.get_by_role("link", name="the run")).to_have_attribute(
        "href", "https://example.com/run"
    )
    expect(rich.locator("time")).to_have_text("2023-11-14")
    expect(rich.get_by_role("listitem")).to_have_text(["first", "second"])
    expect(rich.locator("pre")).to_have_text(TOO_LONG)
    expect(rich.locator("blockquote")).to_have_text("as it was said")


def test_words_from_outside_stay_words(
    slack: SlackStandIn, client: WebClient, page_at: PageAt
) -> None:
    markup = "<img src=x onerror=alert(1)>"
    post(client, blocks=[RICH | {"elements": [{"type": "rich_text_section", "elements": [
        {"type": "text", "text": markup},
        {"type": "link", "url": "javascript:alert(1)", "text": "press me"},
    ]}]}])  # fmt: skip
    page = opened(page_at(), slack)

    expect(page.get_by_text(markup)).to_be_visible()
    expect(page.get_by_text("press me")).to_be_visible()
    expect(page.get_by_role("link", name="press me")).to_have_count(0)


# ---- Buttons --------------------------------------------------------------------------------


def test_a_press_reaches_the_app_signed_as_slack_signs(
    slack: SlackStandIn, client: WebClient, page_at: PageAt, app: App
) -> None:
    post(client, blocks=[actions(button("Run again", "again", value="run-1"))])
    page = opened(page_at(), slack)
    page.get_by_label("Buttons are pressed by").select_option("ben")

    with page.expect_response("**/press"):
        page.get_by_role("button", name="Run again").click()

    ((body, headers),) = app.taken
    assert SignatureVerifier(SECRET).is_valid_request(body, headers)
    (action,) = app.actions
    assert (action["action_id"], action["value"], action["by"]) == ("again", "run-1", "U0BEN22")
    expect(page.get_by_role("alert").filter(has_text="⚠")).to_have_count(0)


def test_an_app_that_fails_is_warned_of_until_the_next_press(
    slack: SlackStandIn, client: WebClient, page_at: PageAt, app: App
) -> None:
    post(client, blocks=[actions(button("Run again", "again"), button("Stop", "stop"))])
    page = opened(page_at(), slack)
    warnings = page.get_by_role("alert").filter(has_text="⚠")

    app.status = 500
    page.get_by_role("button", name="Run again").click()
    expect(warnings).to_have_text("⚠ The app was not reached: it answered 500")

    app.status = 200
    page.get_by_role("button", name="Run again").click()
    expect(warnings).to_have_count(0)


def test_an_app_that_takes_too_long_is_warned_of(
    slack: SlackStandIn, client: WebClient, page_at: PageAt, app: App
) -> None:
    slack.answer_within = 0.2
    app.may_answer.clear()
    post(client, blocks=[actions(button("Run again", "again"))])
    page = opened(page_at(), slack)

    page.get_by_role("button", name="Run again").click()

    expect(page.get_by_role("alert").filter(has_text="⚠")).to_contain_text("no answer came in time")


def test_the_focus_stays_on_a_button_whose_message_is_edited(
    slack: SlackStandIn, client: WebClient, page_at: PageAt
) -> None:
    mute = actions(button("Mute", "mute"))
    ts = post(client, blocks=[mute])
    page = opened(page_at(), slack)
    page.get_by_role("button", name="Mute").focus()

    edit(slack, client, ts, text="after", blocks=[section("after"), mute])

    expect(page.get_by_text("after")).to_be_visible()
    expect(page.get_by_role("button", name="Mute")).to_be_focused()


def test_an_option_of_a_menu_is_chosen(
    slack: SlackStandIn, client: WebClient, page_at: PageAt, app: App
) -> None:
    post(client, blocks=[actions(MUTE), section("A task", accessory=MORE)])
    page = opened(page_at(), slack)

    with page.expect_response("**/press"):
        page.get_by_label("Mute").select_option("For a day")
    page.get_by_label("More actions").click()
    with page.expect_response("**/press"):
        page.get_by_role("button", name="Add a note").click()

    chosen = [(each["type"], each["selected_option"]["value"]) for each in app.actions]
    assert chosen == [("static_select", "1d"), ("overflow", "note")]
    expect(page.get_by_role("button", name="Add a note")).to_be_hidden()
    expect(page.get_by_label("More actions")).to_be_focused()


def test_a_menu_is_chosen_from_by_keyboard_and_not_at_every_step(
    slack: SlackStandIn, client: WebClient, page_at: PageAt, app: App
) -> None:
    post(client, blocks=[actions(MUTE)])
    page = opened(page_at(), slack)
    menu = page.get_by_label("Mute")
    menu.focus()

    with page.expect_response("**/press"):
        for key in ("ArrowDown", "ArrowDown", "ArrowDown", "Enter"):
            page.keyboard.press(key)

    assert [each["selected_option"]["value"] for each in app.actions] == ["1d"]
    expect(menu).to_have_value("1d")


def test_what_is_to_be_confirmed_is_asked_about_first(
    slack: SlackStandIn, client: WebClient, page_at: PageAt, app: App
) -> None:
    sure = {
        "title": text("Run it again?"),
        "text": text("It takes an hour."),
        "confirm": text("Run"),
        "deny": text("Leave it"),
    }
    post(client, blocks=[actions(button("Run again", "again", confirm=sure))])
    page = opened(page_at(), slack)
    again = page.get_by_role("button", name="Run again")
    dialog = page.get_by_role("dialog", name="Run it again?")

    again.click()
    dialog.get_by_role("button", name="Leave it").click()
    expect(dialog).to_have_count(0)
    expect(again).to_be_focused()
    assert app.taken == []

    again.click()
    with page.expect_response("**/press"):
        dialog.get_by_role("button", name="Run", exact=True).click()
    assert [each["action_id"] for each in app.actions] == ["again"]


def test_everything_can_be_done_by_keyboard(
    slack: SlackStandIn, client: WebClient, page_at: PageAt, app: App
) -> None:
    parent = post(client, blocks=[actions(button("Run again", "again"), MORE)])
    post(client, "reply", thread_ts=parent)
    page = opened(page_at(), slack)

    page.get_by_role("button", name="Run again").focus()
    with page.expect_response("**/press"):
        page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("More actions")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Add a note")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_label("More actions")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("reply", exact=True)).to_be_visible()
    assert len(app.taken) == 1


def test_without_an_app_the_buttons_say_that_they_do_nothing(
    slack: SlackStandIn, client: WebClient, page_at: PageAt, app: App
) -> None:
    slack.interactions_url = None
    post(client, blocks=[actions(button("Run again", "again"), MUTE)])
    page = opened(page_at(), slack)
    again = page.get_by_role("button", name="Run again")

    expect(again).to_have_attribute("title", "Buttons do nothing here")
    expect(again).to_be_disabled()
    expect(page.get_by_label("Mute")).to_be_disabled()
    expect(page.get_by_label("Buttons are pressed by")).to_be_hidden()
    again.dispatch_event("click")

    slack.interactions_url = app.url
    expect(again).to_be_enabled()
    assert app.taken == []


# ---- Every screen ---------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_wider_than_the_screen(
    slack: SlackStandIn, client: WebClient, page_at: PageAt, width: int, scheme: str
) -> None:
    parent = post(client, blocks=EVERYTHING)
    post(client, TOO_LONG, blocks=EVERYTHING, thread_ts=parent, reply_broadcast=True)
    page = opened(page_at(width, color_scheme=scheme), slack)
    page.locator("details.thread > summary").click()
    for menu in page.get_by_label("More actions").all():
        menu.click()
        widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1]
    for words in page.locator(".section > :first-child").all():
        beside = words.locator("..").bounding_box()
        own = words.bounding_box()
        assert own is not None
        assert beside is not None
        assert own["width"] > beside["width"] / 2


def test_on_a_phone_every_control_is_large_enough_for_a_finger(
    slack: SlackStandIn, client: WebClient, page_at: PageAt
) -> None:
    parent = post(client, blocks=EVERYTHING)
    post(client, "reply", blocks=EVERYTHING, thread_ts=parent, reply_broadcast=True)
    client.chat_postMessage(channel="#alerts", text="hello")
    page = opened(page_at(360), slack)
    page.locator("details.thread > summary").click()
    page.get_by_label("More actions").first.click()

    controls = page.locator("button, select, summary, a.button, nav a, .replied a").locator(
        "visible=true"
    )
    assert controls.count() > 10
    for control in controls.all():
        box = control.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 40, control.text_content()


def test_every_control_has_a_name(slack: SlackStandIn, client: WebClient, page_at: PageAt) -> None:
    post(client, blocks=EVERYTHING)
    page = opened(page_at(), slack)

    drawn = page.locator("main").aria_snapshot()

    assert not re.search(r"- (button|combobox|link|img)(:| *$)", drawn, re.MULTILINE)
    assert '- combobox "Mute"' in drawn
