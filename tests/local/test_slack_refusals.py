"""What the stand-in for Slack refuses, as Slack does: scopes, membership, what people took away."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from slack_sdk.errors import SlackApiError
from slack_sdk.web import WebClient
from slack_sdk.webhook import WebhookClient

from local.slack import SlackStandIn

TOMBSTONE = "This message was deleted."


@pytest.fixture
def client(slack: SlackStandIn) -> WebClient:
    return WebClient("xoxb-stand-in", base_url=f"{slack.url}/api/", retry_handlers=[])


@pytest.fixture
def channel(slack: SlackStandIn) -> str:
    """The id of #runs, where nothing was posted yet."""
    return slack.make_channel("#runs")


def post(client: WebClient, text: str = "hello", **arguments: Any) -> str:
    """Post to #runs and return the ts."""
    return str(client.chat_postMessage(channel="#runs", text=text, **arguments)["ts"])


def refusal(client: WebClient, method: str, **arguments: Any) -> dict[str, Any]:
    """The answer to a call that must be refused."""
    with pytest.raises(SlackApiError) as refused:
        client.api_call(method, json=arguments)
    answer = refused.value.response.data
    assert isinstance(answer, dict)
    return answer


# ---- Scopes ---------------------------------------------------------------------------------


def test_every_answer_names_the_scopes_of_the_token(slack: SlackStandIn, client: WebClient) -> None:
    scopes = "chat:write,channels:history,channels:read"
    assert client.auth_test().headers["X-OAuth-Scopes"] == scopes
    slack.scopes = "chat:write"
    assert client.auth_test().headers["X-OAuth-Scopes"] == "chat:write"
    answer = requests.post(f"{slack.url}/api/auth.test", timeout=10)
    assert "X-OAuth-Scopes" not in answer.headers


@pytest.mark.parametrize(
    ("method", "needed"),
    [
        ("chat.postMessage", "chat:write"),
        ("chat.postEphemeral", "chat:write"),
        ("chat.update", "chat:write"),
        ("conversations.history", "channels:history"),
        ("conversations.replies", "channels:history"),
        ("conversations.info", "channels:read"),
    ],
)
def test_a_method_whose_scope_is_missing_says_which(
    slack: SlackStandIn, client: WebClient, method: str, needed: str
) -> None:
    provided = ",".join(scope for scope in slack.scopes.split(",") if scope != needed)
    slack.scopes = provided

    assert refusal(client, method, channel="#runs", text="x") == {
        "ok": False,
        "error": "missing_scope",
        "needed": needed,
        "provided": provided,
    }
    assert slack.messages("#runs") == []


def test_scopes_are_given_from_the_beginning() -> None:
    with SlackStandIn(scopes="chat:write") as slack:
        client = WebClient("xoxb-stand-in", base_url=f"{slack.url}/api/")
        assert refusal(client, "conversations.info", channel="C0")["provided"] == "chat:write"


# ---- Channels -------------------------------------------------------------------------------


def test_a_channel_says_what_it_is(slack: SlackStandIn, client: WebClient, channel: str) -> None:
    def told() -> dict[str, Any]:
        return dict(client.conversations_info(channel=channel)["channel"])

    usual = told()
    assert (usual["id"], usual["name"], usual["is_private"]) == (channel, "runs", False)
    assert (usual["is_archived"], usual["is_member"]) == (False, True)
    slack.leave("#runs")
    assert told()["is_member"] is False
    slack.archive("#runs")
    assert told()["is_archived"] is True
    slack.restore("#runs")
    assert told() == usual


@pytest.mark.parametrize("name", ["#runs", "runs", "C0NOSUCHONE"])
def test_a_channel_is_asked_about_by_its_id_alone(
    client: WebClient, channel: str, name: str
) -> None:
    assert refusal(client, "conversations.info", channel=name)["error"] == "channel_not_found"


def test_a_bot_that_is_no_member_neither_posts_nor_reads(
    slack: SlackStandIn, client: WebClient, channel: str
) -> None:
    ts = post(client)
    slack.leave("#runs")

    for method, arguments in [
        ("chat.postMessage", {"text": "x"}),
        ("chat.postEphemeral", {"text": "x", "user": "U0ANNA1"}),
        ("conversations.history", {}),
        ("conversations.replies", {"ts": ts}),
    ]:
        assert refusal(client, method, channel=channel, **arguments)["error"] == "not_in_channel"
    assert len(slack.messages("#runs")) == 1

    slack.restore("#runs")
    post(client)


def test_a_bot_that_may_post_anywhere_need_not_be_a_member(
    slack: SlackStandIn, client: WebClient, channel: str
) -> None:
    slack.leave("#runs")
    slack.scopes += ",chat:write.public"

    post(client)

    assert len(slack.messages("#runs")) == 1
    answer = refusal(client, "conversations.history", channel=channel)
    assert answer["error"] == "not_in_channel"


def test_a_webhook_posts_whether_the_bot_is_a_member_or_not(slack: SlackStandIn) -> None:
    slack.leave("#runs")

    assert WebhookClient(slack.webhook_url).send(text="x").status_code == 200


# ---- Ephemeral messages ---------------------------------------------------------------------


def test_an_ephemeral_message_is_for_one_user_and_not_for_history(
    slack: SlackStandIn, client: WebClient, channel: str
) -> None:
    parent = post(client)
    answer = client.chat_postEphemeral(
        channel="#runs", user="U0ANNA1", text="muted", thread_ts=parent
    )

    (told,) = slack.ephemerals
    assert (told.ts, told.channel) == (answer["message_ts"], channel)
    assert (told.only_for, told.text, told.thread_ts) == ("U0ANNA1", "muted", parent)
    assert [message.ts for message in slack.messages("#runs")] == [parent]
    assert len(client.conversations_history(channel=channel)["messages"]) == 1
    assert len(client.conversations_replies(channel=channel, ts=parent)["messages"]) == 1
    shown = requests.get(f"{slack.url}/events", timeout=10).json()["messages"]
    assert [message["only_for"] for message in shown] == [None, "U0ANNA1"]


def test_an_ephemeral_message_cannot_be_edited(
    slack: SlackStandIn, client: WebClient, channel: str
) -> None:
    answer = client.chat_postEphemeral(channel=channel, user="U0ANNA1", text="muted")
    edit = refusal(client, "chat.update", channel=channel, ts=answer["message_ts"], text="x")

    assert edit["error"] == "message_not_found"
    assert slack.ephemerals[0].text == "muted"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"user": "anna"}, "user_not_in_channel"),
        ({"user": None}, "user_not_in_channel"),
        ({"text": ""}, "no_text"),
        ({"blocks": [{"type": "section"}]}, "invalid_blocks"),
    ],
)
def test_an_ephemeral_message_past_slacks_limits_is_refused(
    slack: SlackStandIn, client: WebClient, arguments: dict[str, Any], error: str
) -> None:
    said = {"channel": "#runs", "user": "U0ANNA1", "text": "muted", **arguments}

    assert refusal(client, "chat.postEphemeral", **said)["error"] == error
    assert slack.ephemerals == []


def test_an_ephemeral_message_for_a_thread_that_is_not_there_is_taken_and_not_shown(
    slack: SlackStandIn, client: WebClient
) -> None:
    post(client)
    answer = client.chat_postEphemeral(
        channel="#runs", user="U0ANNA1", text="muted", thread_ts="1.000000"
    )

    assert answer["message_ts"]
    assert slack.ephemerals == []


# ---- What people took away ------------------------------------------------------------------


def test_a_deleted_message_is_gone(slack: SlackStandIn, client: WebClient, channel: str) -> None:
    ts = post(client)
    slack.delete("#runs", ts)

    assert slack.messages("#runs") == []
    assert client.conversations_history(channel=channel)["messages"] == []
    edit = refusal(client, "chat.update", channel=channel, ts=ts, text="x")
    assert edit["error"] == "message_not_found"
    thread = refusal(client, "conversations.replies", channel=channel, ts=ts)
    assert thread["error"] == "thread_not_found"
    with pytest.raises(LookupError):
        slack.delete("#runs", ts)


def test_a_reply_to_a_deleted_message_is_a_message_of_its_own(
    slack: SlackStandIn, client: WebClient, channel: str
) -> None:
    ts = post(client)
    slack.delete("#runs", ts)

    answer = client.chat_postMessage(
        channel=channel, text="late", thread_ts=ts, reply_broadcast=True
    )

    assert answer["message"]["text"] == "late"
    assert "thread_ts" not in answer["message"]
    (alone,) = client.conversations_history(channel=channel)["messages"]
    assert (alone["ts"], alone.get("subtype")) == (answer["ts"], None)
    (kept,) = slack.messages("#runs")
    assert (kept.thread_ts, kept.broadcast) == (None, False)


def test_a_deleted_message_with_replies_leaves_a_tombstone(
    slack: SlackStandIn, client: WebClient, channel: str
) -> None:
    parent = post(client, blocks=[{"type": "divider"}])
    post(client, "first", thread_ts=parent)
    slack.delete("#runs", parent)
    post(client, "second", thread_ts=parent)

    edit = refusal(client, "chat.update", channel=channel, ts=parent, text="x")
    assert edit["error"] == "message_not_found"
    (gone,) = client.conversations_history(channel=channel)["messages"]
    assert (gone["subtype"], gone["text"], gone["user"]) == ("tombstone", TOMBSTONE, "USLACKBOT")
    assert (gone["ts"], gone["thread_ts"], gone["reply_count"]) == (parent, parent, 2)
    assert "blocks" not in gone
    thread = client.conversations_replies(channel=channel, ts=parent)["messages"]
    assert [message["text"] for message in thread] == [TOMBSTONE, "first", "second"]
    assert [message.deleted for message in slack.messages("#runs")] == [True, False, False]
    with pytest.raises(LookupError):
        slack.delete("#runs", parent)


def test_a_tombstone_goes_with_its_last_reply(slack: SlackStandIn, client: WebClient) -> None:
    parent = post(client)
    replies = [post(client, thread_ts=parent), post(client, thread_ts=parent)]
    slack.delete("#runs", parent)

    slack.delete("#runs", replies[0])
    assert len(slack.messages("#runs")) == 2
    slack.delete("#runs", replies[1])
    assert slack.messages("#runs") == []


def test_a_parent_names_its_replies(slack: SlackStandIn, client: WebClient, channel: str) -> None:
    alone, parent = post(client), post(client)
    post(client, thread_ts=parent)

    told, untold = client.conversations_history(channel=channel)["messages"]

    assert (told["thread_ts"], told["reply_count"]) == (parent, 1)
    assert untold["ts"] == alone
    assert not {"thread_ts", "reply_count"} & set(untold)


def test_a_frozen_message_cannot_be_edited(
    slack: SlackStandIn, client: WebClient, channel: str
) -> None:
    ts = post(client)
    slack.freeze("#runs", ts)

    edit = refusal(client, "chat.update", channel=channel, ts=ts, text="x")

    assert edit["error"] == "cant_update_message"
    assert slack.messages("#runs")[0].text == "hello"
