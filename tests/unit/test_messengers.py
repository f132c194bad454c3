"""The two ways into Slack, against a stand-in: what arrives, and what a failure means."""

from __future__ import annotations

import json
import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from local.faults import Fault, FaultKind, Faults
from local.http_server import Answer, LoopbackServer, Request
from local.slack import SlackStandIn
from runbell.errors import (
    SlackAmbiguousError,
    SlackCredentialError,
    SlackDestinationError,
    SlackError,
    SlackLaterError,
    SlackPayloadError,
    SlackUnknownError,
    SlackUpdateError,
)
from runbell.secrets import REMEMBERED, Secret, parse_slack
from runbell.slack import messages
from runbell.slack.access import SlackAccess
from runbell.slack.messages import Message, plain
from runbell.slack.messenger import BotMessenger, Messenger, Place, WebhookMessenger

if TYPE_CHECKING:
    from tests.unit.conftest import Clock, FakeSecretsManager

TOKEN = "xoxb-s3cret-token"
HOOK = "/services/T000/B000/s3cret-hook"
MESSAGE = messages.test_message("test-1")

AccessTo = Callable[[str, str], SlackAccess]
WAYS = ("bot", "webhook")


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    """A stand-in whose secrets are easy to find where they don't belong."""
    with SlackStandIn(bot_token=TOKEN, webhook_path=HOOK) as stand_in:
        yield stand_in


@pytest.fixture
def access_to(secrets_manager: FakeSecretsManager, clock: Clock) -> AccessTo:
    """Makes the way into Slack at a URL, as a bot or by a webhook."""

    def make(way: str, url: str) -> SlackAccess:
        document = {"bot_token": TOKEN} if way == "bot" else {"webhook_url": url + HOOK}
        secrets_manager.text = json.dumps(document)
        secret = Secret(cast("Any", secrets_manager), "arn:slack", parse_slack, clock)
        return SlackAccess(secret, url)

    return make


@pytest.fixture
def bot(slack: SlackStandIn, access_to: AccessTo) -> Messenger:
    return access_to("bot", slack.url).messenger()


@pytest.fixture
def webhook(slack: SlackStandIn, access_to: AccessTo) -> Messenger:
    return access_to("webhook", slack.url).messenger()


@pytest.fixture(params=WAYS)
def messenger(request: pytest.FixtureRequest) -> Messenger:
    """Both ways, one after the other."""
    way: Messenger = request.getfixturevalue(request.param)
    return way


@pytest.fixture
def answering(access_to: AccessTo) -> Iterator[Callable[[str, Answer], tuple[Messenger, Any]]]:
    """Makes a messenger to a server that always gives one answer."""
    servers: list[LoopbackServer] = []

    def make(way: str, answer: Answer) -> tuple[Messenger, LoopbackServer]:
        def handle(_: Request) -> Answer:
            return answer

        server = LoopbackServer(handle, Faults()).__enter__()
        servers.append(server)
        return access_to(way, server.url).messenger(), server

    yield make
    for server in servers:
        server.__exit__(None, None, None)


Answering = Callable[[str, Answer], tuple[Messenger, LoopbackServer]]


def refused(messenger: Messenger, message: Message = MESSAGE) -> SlackError:
    with pytest.raises(SlackError) as caught:
        messenger.post("#runs", message)
    return caught.value


class TestTheBot:
    def test_a_message_is_posted_as_it_is(self, bot: Messenger, slack: SlackStandIn) -> None:
        place = bot.post("#runs", MESSAGE)
        (posted,) = slack.messages("#runs")
        assert place == Place(posted.channel, posted.ts)
        assert (posted.text, posted.blocks) == (MESSAGE.text, list(MESSAGE.blocks))
        assert posted.metadata == MESSAGE.metadata
        assert (posted.thread_ts, posted.broadcast) == (None, False)
        (call,) = slack.calls
        assert call.method == "chat.postMessage"
        assert call.arguments["unfurl_links"] is call.arguments["unfurl_media"] is False

    @pytest.mark.parametrize("broadcast", [True, False])
    def test_a_reply_is_shown_in_the_channel_too_if_it_is_to_be(
        self, bot: Messenger, slack: SlackStandIn, broadcast: bool
    ) -> None:
        first = bot.post("#runs", MESSAGE)
        reply = bot.post("#runs", MESSAGE, thread=first.ts, broadcast=broadcast)
        posted = slack.messages("#runs")[1]
        assert (posted.ts, posted.thread_ts, posted.broadcast) == (reply.ts, first.ts, broadcast)

    @pytest.mark.parametrize("in_thread", [True, False])
    def test_what_it_has_posted_can_be_found_by_its_delivery_id(
        self, bot: Messenger, in_thread: bool
    ) -> None:
        root = bot.post("#runs", MESSAGE)
        thread = root.ts if in_thread else None
        sought = replace(MESSAGE, part="sought", last_change=3)
        assert bot.find("#runs", sought, thread=thread) is None
        place = bot.post("#runs", sought, thread=thread)
        bot.post("#runs", replace(MESSAGE, part="another"), thread=thread)

        assert bot.find("#runs", sought, thread=thread) == replace(place, last_change=3)
        assert bot.find(place.channel_id or "", sought, thread=thread) is not None

    def test_a_look_that_slack_does_not_allow_now_says_nothing(
        self, bot: Messenger, slack: SlackStandIn
    ) -> None:
        bot.post("#runs", MESSAGE)
        slack.faults.add(Fault("status", status=503), path="conversations.history")
        with pytest.raises(SlackAmbiguousError):
            bot.find("#runs", MESSAGE)
        assert bot.find("#runs", MESSAGE) is not None

    def test_what_it_may_not_read_is_asked_for_once(
        self, bot: Messenger, slack: SlackStandIn
    ) -> None:
        bot.post("#runs", MESSAGE)
        slack.scopes = "chat:write"

        assert bot.find("#runs", MESSAGE) is None
        assert bot.find("#runs", MESSAGE) is None
        asked = [call.method for call in slack.calls]
        assert asked.count("conversations.history") == 1

    def test_an_edit_takes_the_messages_place(self, bot: Messenger, slack: SlackStandIn) -> None:
        place = bot.post("#runs", MESSAGE)
        other = messages.test_message("test-2")
        bot.edit(place, other)
        bot.edit(place, other)
        (edited,) = slack.messages("#runs")
        assert edited.ts == place.ts
        assert edited.metadata == other.metadata

    def test_an_edit_to_plain_words_removes_the_blocks(
        self, bot: Messenger, slack: SlackStandIn
    ) -> None:
        place = bot.post("#runs", MESSAGE)
        bot.edit(place, plain(MESSAGE))
        (edited,) = slack.messages("#runs")
        assert (edited.text, edited.blocks) == (MESSAGE.text, [])

    def test_it_can_edit(self, bot: Messenger) -> None:
        assert isinstance(bot, BotMessenger)
        assert bot.can_edit

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            ("message_not_found", SlackUpdateError),
            ("edit_window_closed", SlackUpdateError),
            ("block_mismatch", SlackUpdateError),
            ("is_archived", SlackDestinationError),
            ("msg_too_long", SlackPayloadError),
            ("ratelimited", SlackLaterError),
        ],
    )
    def test_a_refused_edit_has_its_class(
        self, code: str, kind: type[SlackError], bot: Messenger, slack: SlackStandIn
    ) -> None:
        place = bot.post("#runs", MESSAGE)
        slack.faults.add(Fault("error", error=code), path="chat.update")
        with pytest.raises(kind) as caught:
            bot.edit(place, MESSAGE)
        assert (type(caught.value), caught.value.code) == (kind, code)

    def test_a_message_that_is_gone_can_not_be_edited(
        self, bot: Messenger, slack: SlackStandIn
    ) -> None:
        place = bot.post("#runs", MESSAGE)
        with pytest.raises(SlackUpdateError):
            bot.edit(Place(place.channel_id, "1.000001"), MESSAGE)

    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            ("service_unavailable", SlackLaterError),
            ("internal_error", SlackAmbiguousError),
            ("token_expired", SlackCredentialError),
            ("missing_scope", SlackCredentialError),
            ("not_in_channel", SlackDestinationError),
            ("restricted_action_thread_locked", SlackDestinationError),
            ("msg_blocks_too_long", SlackPayloadError),
            ("a_new_word", SlackUnknownError),
        ],
    )
    def test_a_refusal_with_a_200_has_its_class(
        self, code: str, kind: type[SlackError], bot: Messenger, slack: SlackStandIn
    ) -> None:
        slack.faults.add(Fault("error", error=code), times=10)
        error = refused(bot)
        assert (type(error), error.code) == (kind, code)
        assert len(slack.requests) == 1

    def test_the_channels_and_the_tokens_troubles_have_their_classes(
        self, bot: Messenger, slack: SlackStandIn
    ) -> None:
        slack.archive("#runs")
        assert isinstance(refused(bot), SlackDestinationError)
        slack.remove("#runs")
        assert isinstance(refused(bot), SlackDestinationError)
        slack.rotate_token("xoxb-another")
        assert isinstance(refused(bot), SlackCredentialError)

    def test_blocks_that_slack_refuses_are_the_payloads_trouble(self, bot: Messenger) -> None:
        block = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}
        assert isinstance(refused(bot, Message("x", (block,), "run")), SlackPayloadError)

    @pytest.mark.parametrize(
        "body", [b"[1]", b'"ok"', b"7", b"true", b"null", b"{}", b'{"ok": false}', b"", b"<html>"]
    )
    @pytest.mark.parametrize("status", [200, 500, 503])
    def test_an_answer_that_is_no_object_tells_nothing(
        self, status: int, body: bytes, answering: Answering
    ) -> None:
        messenger, server = answering("bot", Answer(status, body))
        assert isinstance(refused(messenger), SlackAmbiguousError)
        assert len(server.requests) == 1

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("way", WAYS)
    def test_the_token_follows_no_redirect(
        self, way: str, status: int, answering: Answering
    ) -> None:
        elsewhere = Answer(status, b"", headers={"Location": "/elsewhere"})
        messenger, server = answering(way, elsewhere)
        with pytest.raises(SlackLaterError, match=f"http_{status}"):
            messenger.post("#runs", MESSAGE)
        assert "/elsewhere" not in [asked.path for asked in server.requests]
        assert len(server.requests) == 1

    def test_a_word_that_is_no_word_is_not_repeated(self, answering: Answering) -> None:
        body = {"ok": False, "error": "Hello <!channel>, I echo " + TOKEN}
        messenger, _ = answering("bot", Answer.of_json(200, body))
        assert refused(messenger).code == "http_200"

    @pytest.mark.parametrize(
        ("needed", "provided", "detail"),
        [
            ("chat:write", "users:read,commands", "chat:write, and has users:read,commands"),
            (
                "chat:write",
                "admin.users:read, chat:write:bot",
                "chat:write, and has admin.users:read, chat:write:bot",
            ),
            ("chat:write", "", "chat:write, and has none that Slack names"),
            ("chat:write", "xoxb-1-a", "chat:write, and has none that Slack names"),
            ("chat:write", "commands," * 99, "chat:write, and has none that Slack names"),
            ("xoxb-1-a", "chat:write", None),
            ("chat:write xoxb", "chat:write", None),
            ("chat:write,", "chat:write", None),
        ],
    )
    def test_a_scope_is_named_only_if_it_looks_like_one(
        self, needed: str, provided: str, detail: str | None, answering: Answering
    ) -> None:
        body = {"ok": False, "error": "missing_scope", "needed": needed, "provided": provided}
        messenger, _ = answering("bot", Answer.of_json(200, body))
        assert refused(messenger).detail == (detail and f"it needs {detail}")


class TestTheWebhook:
    def test_a_message_is_posted_where_the_webhook_leads(
        self, webhook: Messenger, slack: SlackStandIn
    ) -> None:
        assert webhook.post("#elsewhere", MESSAGE, thread="1.000001") == Place()
        (posted,) = slack.messages("#runs")
        assert (posted.text, posted.blocks) == (MESSAGE.text, list(MESSAGE.blocks))
        assert (posted.by_webhook, posted.thread_ts) == (True, None)
        assert slack.messages("#elsewhere") == []
        (call,) = slack.calls
        assert call.arguments["unfurl_links"] is call.arguments["unfurl_media"] is False

    def test_it_can_not_edit(self, webhook: Messenger) -> None:
        assert isinstance(webhook, WebhookMessenger)
        assert not webhook.can_edit
        with pytest.raises(NotImplementedError):
            webhook.edit(Place(), MESSAGE)

    @pytest.mark.parametrize(
        ("status", "word", "kind"),
        [
            (400, "invalid_payload", SlackPayloadError),
            (400, "no_text", SlackPayloadError),
            (403, "action_prohibited", SlackDestinationError),
            (403, "invalid_token", SlackCredentialError),
            (404, "channel_not_found", SlackDestinationError),
            (404, "no_service", SlackCredentialError),
            (410, "channel_is_archived", SlackDestinationError),
            (429, "rate_limited", SlackLaterError),
            (500, "rollup_error", SlackAmbiguousError),
            (200, "invalid_payload", SlackPayloadError),
        ],
    )
    def test_a_refusal_in_plain_text_has_its_class(
        self, status: int, word: str, kind: type[SlackError], answering: Answering
    ) -> None:
        messenger, server = answering("webhook", Answer(status, f"{word}\n".encode(), "text/plain"))
        error = refused(messenger)
        assert (type(error), error.code) == (kind, word)
        assert len(server.requests) == 1

    def test_its_channels_and_its_own_end_have_their_classes(
        self, slack: SlackStandIn, access_to: AccessTo
    ) -> None:
        webhook = access_to("webhook", slack.url).messenger()
        slack.archive("#runs")
        assert isinstance(refused(webhook), SlackDestinationError)
        slack.remove("#runs")
        assert isinstance(refused(webhook), SlackDestinationError)
        gone = access_to("webhook", f"{slack.url}/services/x").messenger()
        assert refused(gone).code == "no_service"

    @pytest.mark.parametrize("body", [b"", b"<html>Please log in</html>", b"[1]", b"\xff\xfe"])
    def test_a_200_that_is_not_slacks_ok_tells_nothing(
        self, body: bytes, answering: Answering
    ) -> None:
        messenger, server = answering("webhook", Answer(200, body, "text/html"))
        assert isinstance(refused(messenger), SlackAmbiguousError)
        assert len(server.requests) == 1

    @pytest.mark.parametrize("status", [403, 404])
    def test_a_page_of_a_proxy_is_tried_again(self, status: int, answering: Answering) -> None:
        messenger, _ = answering("webhook", Answer(status, b"<html>No</html>", "text/html"))
        error = refused(messenger)
        assert (type(error), error.code) == (SlackLaterError, f"http_{status}")


class TestBoth:
    @pytest.mark.parametrize(
        ("retry_after", "seconds"),
        [("0", 0.0), ("30", 30.0), ("1.5", 1.5), ("soon", None), (None, None)],
    )
    def test_a_429_is_handed_on_with_its_wait(
        self,
        retry_after: str | None,
        seconds: float | None,
        messenger: Messenger,
        slack: SlackStandIn,
    ) -> None:
        slack.faults.add(Fault("status", status=429, retry_after=retry_after), times=10)
        error = refused(messenger)
        assert type(error) is SlackLaterError
        assert error.retry_after == seconds
        assert len(slack.requests) == 1

    def test_a_429_of_a_proxy_has_its_wait_too(
        self, messenger: Messenger, slack: SlackStandIn
    ) -> None:
        slack.faults.add(Fault("html", status=429, retry_after="2"))
        error = refused(messenger)
        assert (type(error), error.code, error.retry_after) == (SlackLaterError, "ratelimited", 2.0)

    @pytest.mark.parametrize(
        "fault",
        [
            Fault("drop_before"),
            Fault("drop_after"),
            Fault("garbage"),
            Fault("truncated"),
            Fault("html", status=200),
            Fault("html", status=502),
            Fault("status", status=500),
            Fault("status", status=503),
        ],
        ids=lambda fault: f"{fault.kind}-{fault.status}",
    )
    def test_an_answer_that_tells_nothing_is_ambiguous_and_asked_for_once(
        self, fault: Fault, messenger: Messenger, slack: SlackStandIn
    ) -> None:
        slack.faults.add(fault, times=10)
        error = refused(messenger)
        assert type(error) is SlackAmbiguousError
        assert error.retryable
        assert len(slack.requests) == 1
        arrived = fault.kind in {"drop_after", "truncated"}
        assert len(slack.messages("#runs")) == int(arrived)

    @pytest.mark.parametrize("way", WAYS)
    def test_an_answer_that_does_not_come_is_ambiguous(
        self, way: str, slack: SlackStandIn, access_to: AccessTo, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("runbell.slack.access.TIMEOUT", 0.1)
        slack.faults.add(Fault("delay", seconds=30))
        error = refused(access_to(way, slack.url).messenger())
        assert (type(error), error.code) == (SlackAmbiguousError, "no_answer")

    @pytest.mark.parametrize("way", WAYS)
    def test_nobody_listening_is_for_later(self, way: str, access_to: AccessTo) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        error = refused(access_to(way, f"http://127.0.0.1:{port}").messenger())
        assert (type(error), error.code) == (SlackLaterError, "no_connection")

    @pytest.mark.parametrize(
        "kind",
        ["status", "html", "drop_before", "drop_after", "garbage", "truncated", "error"],
    )
    def test_no_secret_reaches_a_log_or_an_error(
        self,
        kind: FaultKind,
        messenger: Messenger,
        slack: SlackStandIn,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        for name in ("", "http.client", "urllib", "urllib3", "runbell"):
            caplog.set_level(logging.DEBUG, logger=name)
        messenger.post("#runs", MESSAGE)
        slack.faults.add(Fault(kind))
        error = refused(messenger)
        told = "".join(traceback.format_exception(error)) + repr(error) + str(vars(error))
        # The stand-in's own log of requests is Slack's, not ours.
        ours = [r for r in caplog.records if not r.name.startswith("local.")]
        told += "".join(str(vars(record)) for record in ours)
        assert "s3cret" not in told


class TestAccess:
    def test_a_messenger_is_kept_while_the_secret_is_the_same(
        self, slack: SlackStandIn, access_to: AccessTo
    ) -> None:
        access = access_to("bot", slack.url)
        assert access.messenger() is access.messenger()

    @pytest.mark.parametrize("path", ["", "/api"])
    def test_a_base_url_is_slack_itself_or_its_api(
        self, path: str, slack: SlackStandIn, access_to: AccessTo
    ) -> None:
        access_to("bot", slack.url + path).messenger().post("#runs", MESSAGE)
        assert len(slack.messages("#runs")) == 1

    def test_a_refused_token_that_has_not_been_replaced_opens_nothing(
        self, slack: SlackStandIn, access_to: AccessTo, clock: Clock
    ) -> None:
        access = access_to("bot", slack.url)
        slack.rotate_token("xoxb-new")
        assert isinstance(refused(access.messenger()), SlackCredentialError)
        clock.advance(10)
        assert access.renewed() is None

    def test_a_replaced_token_opens_again(
        self,
        slack: SlackStandIn,
        access_to: AccessTo,
        clock: Clock,
        secrets_manager: FakeSecretsManager,
    ) -> None:
        access = access_to("bot", slack.url)
        slack.rotate_token("xoxb-new")
        assert isinstance(refused(access.messenger()), SlackCredentialError)
        clock.advance(10)
        secrets_manager.text = '{"bot_token": "xoxb-new"}'
        renewed = access.renewed()
        assert renewed is not None
        renewed.post("#runs", MESSAGE)
        assert access.messenger() is renewed
        assert len(slack.messages("#runs")) == 1

    def test_a_bot_can_take_the_place_of_a_webhook(
        self,
        slack: SlackStandIn,
        access_to: AccessTo,
        clock: Clock,
        secrets_manager: FakeSecretsManager,
    ) -> None:
        access = access_to("webhook", slack.url)
        assert not access.messenger().can_edit
        secrets_manager.text = json.dumps({"bot_token": TOKEN})
        clock.advance(REMEMBERED)
        assert access.messenger().can_edit
