"""The stand-in for Slack, as slack_sdk's own clients meet it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from slack_sdk.errors import SlackApiError
from slack_sdk.web import WebClient
from slack_sdk.webhook import WebhookClient

from local.faults import Fault
from local.slack import Call, SlackStandIn

METADATA = {"event_type": "delivery", "event_payload": {"id": "d-1"}}
LONG = {"type": "mrkdwn", "text": "x" * 2_700}
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "*Products* failed"}}


class Clock:
    """A clock that stands still until it is set."""

    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slack(clock: Clock) -> Iterator[SlackStandIn]:
    with SlackStandIn(clock=clock) as stand_in:
        yield stand_in


@pytest.fixture
def client(slack: SlackStandIn) -> WebClient:
    return client_of(slack, "xoxb-stand-in")


@pytest.fixture
def webhook(slack: SlackStandIn) -> WebhookClient:
    return WebhookClient(slack.webhook_url, retry_handlers=[])


def client_of(slack: SlackStandIn, token: str | None) -> WebClient:
    return WebClient(token, base_url=f"{slack.url}/api/", timeout=10, retry_handlers=[])


def post(client: WebClient, text: str = "hello", **arguments: Any) -> str:
    """Post to #runs and return the ts."""
    answer = client.api_call(
        "chat.postMessage", json={"channel": "#runs", "text": text, **arguments}
    )
    return str(answer["ts"])


def refusal(error: pytest.ExceptionInfo[SlackApiError]) -> str:
    return str(error.value.response["error"])


def texts(answer: Any) -> list[str]:
    return [message["text"] for message in answer["messages"]]


# ---- Posting --------------------------------------------------------------------------------


def test_a_posted_message_is_what_the_channel_holds(slack: SlackStandIn, client: WebClient) -> None:
    answer = client.chat_postMessage(
        channel="#runs", text="failed", blocks=[SECTION], metadata=METADATA, unfurl_links=False
    )

    (message,) = slack.messages("#runs")
    assert message.channel == answer["channel"]
    assert message.ts == answer["ts"]
    assert (message.text, message.blocks, message.metadata) == ("failed", [SECTION], METADATA)
    assert (message.thread_ts, message.broadcast, message.edited) == (None, False, None)


def test_a_channel_is_one_by_name_with_or_without_its_hash_and_by_id(
    slack: SlackStandIn, client: WebClient
) -> None:
    by_hash = client.chat_postMessage(channel="#runs", text="1")["channel"]
    by_name = client.chat_postMessage(channel="runs", text="2")["channel"]
    by_id = client.chat_postMessage(channel=by_hash, text="3")["channel"]

    assert re.fullmatch(r"C[A-Z0-9]{8,}", by_hash)
    assert by_hash == by_name == by_id
    for name in ("#runs", "runs", by_hash):
        assert [message.text for message in slack.messages(name)] == ["1", "2", "3"]


def test_looking_at_a_channel_does_not_make_it(slack: SlackStandIn) -> None:
    assert slack.messages("#nobody-posted") == []
    assert requests.get(f"{slack.url}/events", timeout=10).json()["channels"] == []


def test_timestamps_are_unique_and_rise_even_when_the_clock_stands_still(
    client: WebClient, clock: Clock
) -> None:
    stamps = [post(client), post(client)]
    clock.now -= 60
    stamps.append(post(client))

    assert stamps == ["1700000000.000000", "1700000000.000100", "1700000000.000200"]


def test_a_form_is_understood_like_json(slack: SlackStandIn) -> None:
    answer = requests.post(
        f"{slack.url}/api/chat.postMessage",
        data={
            "token": "xoxb-stand-in",
            "channel": "#runs",
            "blocks": '[{"type": "divider"}]',
            "text": "by form",
        },
        timeout=10,
    )

    assert answer.json()["ok"] is True
    assert slack.messages("#runs")[0].blocks == [{"type": "divider"}]
    assert "token" not in slack.calls[0].arguments


@pytest.mark.parametrize(("body", "error"), [(b"{", "invalid_json"), (b"[]", "json_not_object")])
def test_a_body_that_is_no_json_object_is_refused(
    slack: SlackStandIn, body: bytes, error: str
) -> None:
    answer = requests.post(
        f"{slack.url}/api/chat.postMessage",
        data=body,
        headers={"Content-Type": "application/json", "Authorization": "Bearer xoxb-stand-in"},
        timeout=10,
    )

    assert answer.json() == {"ok": False, "error": error}


def test_a_long_text_is_cut_when_it_is_posted(slack: SlackStandIn, client: WebClient) -> None:
    post(client, "x" * 40_001)

    assert len(slack.messages("#runs")[0].text) == 40_000


def test_each_call_is_kept_with_its_arguments_and_its_answer(
    slack: SlackStandIn, client: WebClient, clock: Clock
) -> None:
    ts = post(client, metadata=METADATA)
    with pytest.raises(SlackApiError):
        client.api_call("chat.fly")

    posted, unknown = slack.calls
    assert (posted.at, posted.method) == (clock.now, "chat.postMessage")
    assert posted.arguments == {"channel": "#runs", "text": "hello", "metadata": METADATA}
    assert isinstance(posted.answer, dict)
    assert posted.answer["ts"] == ts
    assert unknown.answer == {"ok": False, "error": "unknown_method"}


def test_the_hook_comes_after_the_message_is_stored_and_before_the_answer(
    slack: SlackStandIn, client: WebClient, webhook: WebhookClient
) -> None:
    seen: list[tuple[str, int]] = []

    def hook(call: Call) -> None:
        seen.append((call.method, len(slack.messages("#runs"))))

    slack.on_posted = hook
    ts = post(client)
    client.chat_update(channel=slack.messages("#runs")[0].channel, ts=ts, text="edited")
    webhook.send(text="hello")
    with pytest.raises(SlackApiError):
        post(client, "")

    assert seen == [("chat.postMessage", 1), ("webhook", 2)]


# ---- Credentials and destinations -----------------------------------------------------------


@pytest.mark.parametrize(("token", "error"), [(None, "not_authed"), ("xoxb-1", "invalid_auth")])
def test_a_missing_or_wrong_token_is_refused(
    slack: SlackStandIn, token: str | None, error: str
) -> None:
    with pytest.raises(SlackApiError) as refused:
        post(client_of(slack, token))
    assert refusal(refused) == error
    assert slack.messages("#runs") == []


def test_a_rotated_token_takes_the_place_of_the_old_one(
    slack: SlackStandIn, client: WebClient
) -> None:
    slack.rotate_token("xoxb-new")

    with pytest.raises(SlackApiError) as refused:
        client.auth_test()
    assert refusal(refused) == "token_revoked"
    assert client_of(slack, "xoxb-new").auth_test()["user"] == "runbell"


def test_a_revoked_token_is_refused(slack: SlackStandIn, client: WebClient) -> None:
    slack.revoke("xoxb-stand-in")

    with pytest.raises(SlackApiError) as refused:
        post(client)
    assert refusal(refused) == "token_revoked"


def test_an_archived_and_a_removed_channel_refuse_everything(
    slack: SlackStandIn, client: WebClient, webhook: WebhookClient
) -> None:
    ts = post(client)
    channel = slack.messages("#runs")[0].channel
    for close, error, status, words in [
        (slack.archive, "is_archived", 410, "channel_is_archived"),
        (slack.remove, "channel_not_found", 404, "channel_not_found"),
    ]:
        close("#runs")
        with pytest.raises(SlackApiError) as refused:
            post(client)
        assert refusal(refused) == error
        with pytest.raises(SlackApiError) as refused:
            client.chat_update(channel=channel, ts=ts, text="edited")
        assert refusal(refused) == error
        answer = webhook.send(text="hello")
        assert (answer.status_code, answer.body) == (status, words)


# ---- Editing --------------------------------------------------------------------------------


def test_an_edit_changes_the_message_in_its_place(slack: SlackStandIn, client: WebClient) -> None:
    ts = post(client, "running", blocks=[SECTION], metadata=METADATA)
    post(client, "another")
    channel = slack.messages("#runs")[0].channel

    answer = client.chat_update(channel=channel, ts=ts, text="done", blocks=[{"type": "divider"}])

    assert answer["ts"] == ts
    edited, other = slack.messages("#runs")
    assert (edited.text, edited.blocks) == ("done", [{"type": "divider"}])
    assert edited.metadata == METADATA
    assert edited.edited
    assert not other.edited


def test_an_edit_with_text_alone_takes_the_blocks_away(
    slack: SlackStandIn, client: WebClient
) -> None:
    ts = post(client, blocks=[SECTION])
    client.chat_update(channel=slack.messages("#runs")[0].channel, ts=ts, text="plain")

    assert slack.messages("#runs")[0].blocks == []


def test_what_cannot_be_edited_says_why(
    slack: SlackStandIn, client: WebClient, webhook: WebhookClient
) -> None:
    ts = post(client)
    webhook.send(text="by webhook")
    channel, by_webhook = slack.messages("#runs")[0].channel, slack.messages("#runs")[1].ts
    refused_edits: list[tuple[dict[str, Any], str]] = [
        ({"channel": "#runs", "ts": ts}, "channel_not_found"),
        ({"channel": "C0NOSUCHONE", "ts": ts}, "channel_not_found"),
        ({"channel": channel, "ts": "1.000000"}, "message_not_found"),
        ({"channel": channel, "ts": by_webhook}, "cant_update_message"),
        ({"channel": channel, "ts": ts, "text": "x" * 4_001}, "msg_too_long"),
        ({"channel": channel, "ts": ts, "text": ""}, "no_text"),
        ({"channel": channel, "ts": ts, "blocks": [{"type": "section"}]}, "invalid_blocks"),
    ]
    for arguments, error in refused_edits:
        with pytest.raises(SlackApiError) as refused:
            client.api_call("chat.update", json={"text": "edited", **arguments})
        assert refusal(refused) == error
    assert [message.edited for message in slack.messages("#runs")] == [None, None]


# ---- Threads and history --------------------------------------------------------------------


def test_replies_stay_in_their_thread_unless_they_are_broadcast(
    slack: SlackStandIn, client: WebClient
) -> None:
    parent = post(client, "parent")
    quiet = post(client, "quiet", thread_ts=parent)
    post(client, "loud", thread_ts=parent, reply_broadcast=True)
    channel = slack.messages("#runs")[0].channel

    assert [message.broadcast for message in slack.messages("#runs")] == [False, False, True]
    assert texts(client.conversations_history(channel=channel)) == ["loud", "parent"]
    replies = client.conversations_replies(channel=channel, ts=parent)
    assert texts(replies) == ["parent", "quiet", "loud"]
    for thread in ("1.000000", quiet):
        with pytest.raises(SlackApiError) as refused:
            client.conversations_replies(channel=channel, ts=thread)
        assert refusal(refused) == "thread_not_found"


@pytest.mark.parametrize("to", ["nothing", "a reply"])
def test_a_reply_to_what_begins_no_thread_stands_in_the_channel(
    slack: SlackStandIn, client: WebClient, to: str
) -> None:
    parent = post(client, "parent")
    reply = post(client, "reply", thread_ts=parent)
    ts = "1.000000" if to == "nothing" else reply

    answer = client.chat_postMessage(channel="#runs", text="lost", thread_ts=ts)

    assert answer["ok"]
    assert "thread_ts" not in answer["message"]
    channel = slack.messages("#runs")[0].channel
    assert texts(client.conversations_history(channel=channel)) == ["lost", "parent"]
    assert texts(client.conversations_replies(channel=channel, ts=parent)) == ["parent", "reply"]


def test_history_tells_metadata_only_when_it_is_asked_to(
    slack: SlackStandIn, client: WebClient
) -> None:
    post(client, metadata=METADATA)
    channel = slack.messages("#runs")[0].channel

    (told,) = client.conversations_history(channel=channel, include_all_metadata=True)["messages"]
    (untold,) = client.conversations_history(channel=channel)["messages"]

    assert told["metadata"] == METADATA
    assert "metadata" not in untold


def test_history_is_read_page_by_page_newest_first(slack: SlackStandIn, client: WebClient) -> None:
    for number in range(5):
        post(client, str(number))
    channel = slack.messages("#runs")[0].channel

    pages = client.conversations_history(channel=channel, limit=2)

    assert [texts(page) for page in pages] == [["4", "3"], ["2", "1"], ["0"]]


def test_history_reads_between_two_moments(slack: SlackStandIn, client: WebClient) -> None:
    stamps = [post(client, str(number)) for number in range(4)]
    channel = slack.messages("#runs")[0].channel
    ends: dict[str, Any] = {"channel": channel, "oldest": stamps[0], "latest": stamps[3]}

    assert texts(client.conversations_history(**ends)) == ["2", "1"]
    assert texts(client.conversations_history(**ends, inclusive=True)) == ["3", "2", "1", "0"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"channel": "#runs"}, "channel_not_found"),
        ({"limit": 1_000}, "invalid_limit"),
        ({"cursor": "elsewhere"}, "invalid_cursor"),
        ({"oldest": "yesterday"}, "invalid_ts_oldest"),
    ],
)
def test_history_refuses_what_it_cannot_read(
    slack: SlackStandIn, client: WebClient, arguments: dict[str, Any], error: str
) -> None:
    post(client)
    with pytest.raises(SlackApiError) as refused:
        client.conversations_history(**{"channel": slack.messages("#runs")[0].channel, **arguments})
    assert refusal(refused) == error


# ---- Limits ---------------------------------------------------------------------------------


def test_a_block_past_a_limit_is_refused_with_the_place(
    slack: SlackStandIn, client: WebClient
) -> None:
    with pytest.raises(SlackApiError) as refused:
        post(client, blocks=[SECTION, {"type": "section"}])

    assert refusal(refused) == "invalid_blocks"
    assert "json-pointer:/blocks/1" in refused.value.response["response_metadata"]["messages"][0]
    assert slack.messages("#runs") == []


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"blocks": [{"type": "divider", "block_id": "same"}] * 2}, "invalid_blocks"),
        ({"blocks": [{"type": "section", "text": LONG}] * 5}, "msg_blocks_too_long"),
        ({"blocks": "not a list"}, "invalid_blocks_format"),
        ({"text": ""}, "no_text"),
        ({"text": "", "blocks": []}, "no_text"),
        ({"text": 5}, "invalid_arguments"),
        ({"metadata": {"event_type": "delivery"}}, "invalid_metadata_format"),
    ],
)
def test_a_message_past_a_limit_is_refused(
    slack: SlackStandIn, client: WebClient, arguments: dict[str, Any], error: str
) -> None:
    with pytest.raises(SlackApiError) as refused:
        post(client, **arguments)

    assert refusal(refused) == error
    assert slack.messages("#runs") == []


# ---- Webhooks -------------------------------------------------------------------------------


def test_a_webhook_posts_to_its_own_channel_and_answers_ok(
    slack: SlackStandIn, webhook: WebhookClient
) -> None:
    answer = webhook.send(text="failed", blocks=[SECTION])

    assert (answer.status_code, answer.body) == (200, "ok")
    assert slack.messages("#runs")[0].blocks == [SECTION]
    assert slack.calls[0].method == "webhook"
    assert slack.calls[0].answer == "ok"


def test_a_webhook_that_is_not_there_is_no_service(slack: SlackStandIn) -> None:
    answer = WebhookClient(f"{slack.url}/services/T0/B0/gone", retry_handlers=[]).send(text="x")

    assert (answer.status_code, answer.body) == (404, "no_service")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "invalid_payload"),
        (b"[]", "invalid_payload"),
        (b"\xff", "invalid_payload"),
        (b"{}", "no_text"),
        (b'{"blocks": [{"type": "section"}]}', "invalid_blocks"),
    ],
)
def test_a_webhook_refuses_what_is_no_message(slack: SlackStandIn, body: bytes, words: str) -> None:
    answer = requests.post(slack.webhook_url, data=body, timeout=10)

    assert (answer.status_code, answer.text) == (400, words)
    assert slack.messages("#runs") == []


# ---- Rates and faults -----------------------------------------------------------------------


def test_posts_that_come_too_fast_are_told_when_to_come_again(
    slack: SlackStandIn, client: WebClient, webhook: WebhookClient, clock: Clock
) -> None:
    slack.rate_limit = 2.5
    post(client)
    clock.now += 1
    with pytest.raises(SlackApiError) as refused:
        post(client)
    assert refusal(refused) == "ratelimited"
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["Retry-After"] == "2"
    answer = webhook.send(text="hello")
    assert (answer.status_code, answer.body) == (429, "rate_limited")
    client.chat_postMessage(channel="#elsewhere", text="hello")

    clock.now += 2
    post(client)
    assert len(slack.messages("#runs")) == 2


def test_a_429_says_when_to_come_again(slack: SlackStandIn, client: WebClient) -> None:
    slack.faults.add(Fault("status", status=429, retry_after="30"), path="chat.postMessage")

    with pytest.raises(SlackApiError) as refused:
        post(client)
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["Retry-After"] == "30"
    assert refusal(refused) == "ratelimited"
    post(client)


def test_an_error_comes_with_a_200_as_slacks_own_do(slack: SlackStandIn, client: WebClient) -> None:
    slack.faults.add(Fault("error", error="not_in_channel"))

    with pytest.raises(SlackApiError) as refused:
        post(client)
    assert refused.value.response.status_code == 200
    assert refusal(refused) == "not_in_channel"


def test_a_dropped_answer_leaves_the_message_where_it_is(
    slack: SlackStandIn, client: WebClient
) -> None:
    slack.faults.add(Fault("drop_after"), path="chat.postMessage")
    with pytest.raises(OSError, match=r"[Cc]onnection"):
        post(client, "kept")
    slack.faults.add(Fault("drop_before"), path="chat.postMessage")
    with pytest.raises(OSError, match=r"[Cc]onnection"):
        post(client, "never came")

    assert [message.text for message in slack.messages("#runs")] == ["kept"]


@pytest.mark.parametrize("kind", ["html", "garbage"])
def test_an_answer_that_is_no_json_is_an_error(
    slack: SlackStandIn, client: WebClient, kind: Any
) -> None:
    slack.faults.add(Fault(kind))

    with pytest.raises(SlackApiError, match="non-JSON"):
        post(client)
    assert slack.messages("#runs") == []


def test_a_webhook_meets_faults_and_the_page_does_not(
    slack: SlackStandIn, webhook: WebhookClient
) -> None:
    slack.faults.add(Fault("status", status=503))

    assert requests.get(f"{slack.url}/events", timeout=10).status_code == 200
    assert webhook.send(text="hello").status_code == 503
