"""What the stand-in for Slack serves to a browser: its page, and the channel as it changes."""

import re
import threading
import time
from typing import Any

import pytest
import requests
from slack_sdk.web import WebClient

from local.slack import SlackStandIn
from local.slack.workspace import Workspace

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "*Products* failed"}}


@pytest.fixture
def client(slack: SlackStandIn) -> WebClient:
    return WebClient("xoxb-stand-in", base_url=f"{slack.url}/api/", retry_handlers=[])


def post(client: WebClient, text: str = "hello", **arguments: Any) -> str:
    """Post to #runs and return the ts."""
    said = {"channel": "#runs", "text": text, **arguments}
    return str(client.api_call("chat.postMessage", json=said)["ts"])


@pytest.mark.parametrize("path", ["/", "/channels/runs"])
def test_the_page_is_served_and_loads_nothing_from_elsewhere(
    slack: SlackStandIn, path: str
) -> None:
    answer = requests.get(f"{slack.url}{path}", timeout=10)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.text
    loads = (
        r"""(?:\bsrc=|<link[^>]*href=|url\(|@import|import\(|fetch\()\s*["'`]?\s*(?:https?:)?//"""
    )
    assert not re.search(loads, answer.text)


def test_the_page_never_makes_html_of_a_message(slack: SlackStandIn) -> None:
    page = requests.get(slack.url, timeout=10).text

    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "DOMParser"):
        assert way not in page


def test_elsewhere_there_is_nothing(slack: SlackStandIn) -> None:
    assert requests.get(f"{slack.url}/admin", timeout=10).status_code == 404
    assert requests.delete(f"{slack.url}/api/chat.postMessage", timeout=10).status_code == 404


def test_the_page_gets_the_channel_with_threads_and_edits(
    slack: SlackStandIn, client: WebClient
) -> None:
    parent = post(client, "parent", blocks=[SECTION])
    post(client, "reply", thread_ts=parent, reply_broadcast=True)
    channel = slack.messages("#runs")[0].channel
    client.chat_update(channel=channel, ts=parent, text="changed")

    for query in ("", "?channel=runs", f"?channel={channel}"):
        picture = requests.get(f"{slack.url}/events{query}", timeout=10).json()
        assert picture["channel"] == {"id": channel, "name": "runs", "archived": False}
        first, second = picture["messages"]
        assert (first["text"], first["blocks"], first["edited"]) == ("changed", [], True)
        assert (second["thread_ts"], second["broadcast"]) == (parent, True)


def test_with_two_channels_the_page_lists_them(slack: SlackStandIn, client: WebClient) -> None:
    post(client)
    client.chat_postMessage(channel="#alerts", text="hello")

    picture = requests.get(f"{slack.url}/events", timeout=10).json()

    assert [channel["name"] for channel in picture["channels"]] == ["runs", "alerts"]
    assert picture["channel"] is None
    assert picture["messages"] == []


@pytest.fixture
def somebody_waits(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once a page waits for news."""
    waits, wait_for_news = threading.Event(), Workspace.wait_for_news

    def wait(workspace: Workspace, seen: int, seconds: float) -> None:
        waits.set()
        wait_for_news(workspace, seen, seconds)

    monkeypatch.setattr(Workspace, "wait_for_news", wait)
    return waits


def test_a_page_that_waits_gets_a_message_the_moment_it_is_posted(
    slack: SlackStandIn, client: WebClient, somebody_waits: threading.Event
) -> None:
    seen = requests.get(f"{slack.url}/events", timeout=10).json()["version"]
    pictures: list[Any] = []

    def watch() -> None:
        answer = requests.get(f"{slack.url}/events?channel=runs&after={seen}", timeout=30)
        pictures.append(answer.json())

    page = threading.Thread(target=watch)
    page.start()
    assert somebody_waits.wait(10)
    assert pictures == []
    started = time.monotonic()
    post(client, "news")
    page.join(30)

    assert time.monotonic() - started < 5
    (picture,) = pictures
    assert [message["text"] for message in picture["messages"]] == ["news"]
    assert picture["version"] != seen


def test_a_page_that_waits_does_not_keep_the_stand_in_from_closing(
    somebody_waits: threading.Event,
) -> None:
    def watch() -> None:
        # Closing either answers the page or hangs up on it.
        try:
            requests.get(f"{url}/events?after=0", timeout=30)
        except requests.ConnectionError:
            return

    with SlackStandIn() as stand_in:
        url = stand_in.url
        page = threading.Thread(target=watch)
        page.start()
        assert somebody_waits.wait(10)
        started = time.monotonic()
    page.join(10)

    assert not page.is_alive()
    assert time.monotonic() - started < 2
