"""What is answered to who presses a button, and to who only says so."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from http import HTTPStatus
from threading import Event
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier

from runbell.errors import ConfigurationError, LostRaceError, RequestError, SlackLaterError
from runbell.interactions import LARGEST, WHISPER, Answer, Interactions
from runbell.observability import logger
from runbell.secrets import SETTLING, Secret, SlackCredentials, parse_slack
from runbell.slack.messenger import BotMessenger
from runbell.slack.press import Press, parse_press

if TYPE_CHECKING:
    from tests.unit.conftest import Clock, FakeSecretsManager

ANNA, BEN = "U0ANNA1", "W0BEN22"
RUN_ID = "6c02aeb1-775e-418e-870b-1faccd4b2c0f"
SECRET = "s1gning"
NOW = 1_771_000_000

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def payload(**more: Any) -> dict[str, Any]:
    """What Slack says of a press, as far as it is read."""
    action = {"type": "button", "action_id": "claim", "block_id": f"runbell default {RUN_ID}"}
    return {
        "type": "block_actions",
        "user": {"id": ANNA, "username": "anna", "team_id": "T0"},
        "container": {"type": "message", "message_ts": "1771.000100", "channel_id": "C0RUNS"},
        "channel": {"id": "C0RUNS", "name": "runs"},
        "actions": [action],
        **more,
    }


def form(document: object) -> bytes:
    return urlencode({"payload": json.dumps(document)}).encode()


def acting(**more: Any) -> dict[str, Any]:
    """The same with something else about its one action."""
    return payload(actions=[payload()["actions"][0] | more])


class TestReading:
    def test_a_press_of_a_button_is_about_a_run(self) -> None:
        assert parse_press(form(payload())) == Press(
            "claim", ANNA, "default", RUN_ID, channel_id="C0RUNS"
        )

    def test_a_choice_from_a_menu_says_which(self) -> None:
        menu = acting(action_id="mute", selected_option={"text": {}, "value": "8h"})
        press = parse_press(form(menu))
        assert press is not None
        assert (press.action, press.choice) == ("mute", "8h")

    def test_a_press_in_a_thread_says_in_which(self) -> None:
        container = {"channel_id": "C0RUNS", "thread_ts": "1771.000001"}
        press = parse_press(form(payload(container=container, channel=None)))
        assert press is not None
        assert (press.channel_id, press.thread) == ("C0RUNS", "1771.000001")

    @pytest.mark.parametrize("kind", ["view_submission", "shortcut", "a kind of tomorrow", None, 5])
    def test_what_is_no_press_is_ignored(self, kind: object) -> None:
        assert parse_press(form(payload(type=kind))) is None

    @pytest.mark.parametrize("block_id", ["", "aB3", "other default run", "runbell default", None])
    def test_what_is_not_about_a_run_of_ours_is_ignored(self, block_id: object) -> None:
        assert parse_press(form(acting(block_id=block_id))) is None

    @pytest.mark.parametrize(
        ("document", "where"),
        [
            (payload(actions=None), "payload.actions"),
            (payload(actions=[]), "payload.actions"),
            (payload(actions=["claim"]), "payload.actions"),
            (payload(user=None), "payload.user.id"),
            (payload(user={"id": "anna"}), "payload.user.id"),
            (payload(user={"id": "U0ANNA1\n"}), "payload.user.id"),
            (payload(user={"id": ["U0ANNA1"]}), "payload.user.id"),
            (acting(block_id="runbell #connections r"), "payload.actions[0].block_id"),
            (acting(block_id=f"runbell default {'r' * 129}"), "payload.actions[0].block_id"),
            (acting(block_id="runbell default r\n"), "payload.actions[0].block_id"),
            (acting(block_id="runbell default \ud800"), "payload.actions[0].block_id"),
        ],
    )
    def test_what_slack_would_not_send_is_refused_at_its_place(
        self, document: dict[str, Any], where: str
    ) -> None:
        with pytest.raises(RequestError) as caught:
            parse_press(form(document))
        assert caught.value.where == where

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"payload",
            b"payload=",
            b"payload=%7B",
            b"payload=[]",
            b"payload=null",
            b"payload=%7B%7D&payload=%7B%7D",
            b"&".join([b"a=b"] * 9),
            b"\xff\xfe",
            b"{}",
            b"payload=" + b"[" * 100_000,
            b"payload=" + quote_plus("ü").encode() + b"\xfc",
        ],
    )
    def test_a_body_that_is_no_such_form_is_refused(self, body: bytes) -> None:
        with pytest.raises(RequestError, match="body must be a form"):
            parse_press(body)

    def test_a_channel_that_is_none_gets_no_word(self) -> None:
        for wrong in ({"id": "#runs"}, {"id": 5}, None, {"id": "privategroup"}):
            press = parse_press(form(payload(channel=wrong, container=None)))
            assert press is not None
            assert press.channel_id is None

    @given(json_values)
    def test_whatever_it_is_it_is_a_press_or_none_or_refused(self, document: object) -> None:
        for body in (form(document), form(payload(actions=document)), form(payload(user=document))):
            with suppress(RequestError):
                parse_press(body)


class FakeDeeds:
    """Notes what it is to do."""

    def __init__(self) -> None:
        self.done: list[Press] = []
        self.word: str | None = None
        self.error: Exception | None = None

    def do(self, press: Press) -> str | None:
        self.done.append(press)
        if self.error:
            raise self.error
        return self.word


class FakeMessenger(BotMessenger):
    """Notes what is whispered."""

    def __init__(self) -> None:
        self.whispered: list[tuple[str, str, str, str | None]] = []
        self.error: Exception | None = None
        self.hang = Event()
        self.hang.set()

    def whisper(self, channel_id: str, user: str, text: str, *, thread: str | None = None) -> None:
        self.hang.wait(20)
        if self.error:
            raise self.error
        self.whispered.append((channel_id, user, text, thread))


class FakeAccess:
    def __init__(self) -> None:
        self.made = FakeMessenger()

    def messenger(self) -> BotMessenger:
        return self.made


class Bench:
    """What answers, with everything around it that a test turns at."""

    def __init__(self, secrets: FakeSecretsManager, clock: Clock) -> None:
        self.secrets = secrets
        self.clock = clock
        self.deeds = FakeDeeds()
        self.access = FakeAccess()
        self.put(SECRET)
        self.secret: Secret[SlackCredentials] = Secret(
            cast("Any", secrets), "arn:slack", parse_slack, clock
        )

    @property
    def whispered(self) -> list[tuple[str, str, str, str | None]]:
        return self.access.made.whispered

    def put(self, signing_secret: str | None) -> None:
        more = {} if signing_secret is None else {"signing_secret": signing_secret}
        self.secrets.text = json.dumps({"bot_token": "xoxb-1", **more})

    def send(
        self, body: bytes, *, secret: str = SECRET, users: frozenset[str] = frozenset()
    ) -> Answer:
        at = str(NOW)
        value = SignatureVerifier(secret).generate_signature(timestamp=at, body=body)
        headers = {"x-slack-request-timestamp": at, "x-slack-signature": str(value)}
        return self.answer(headers, body, users)

    def answer(
        self, headers: dict[str, str], body: bytes, users: frozenset[str] = frozenset()
    ) -> Answer:
        parts = (self.secret, cast("Any", self.access), users, cast("Any", self.deeds))
        return Interactions(*parts, clock=lambda: float(NOW)).answer(headers, body)


@pytest.fixture
def bench(secrets_manager: FakeSecretsManager, clock: Clock) -> Bench:
    return Bench(secrets_manager, clock)


class TestAnswering:
    def test_a_press_is_done_and_answered_with_nothing(self, bench: Bench) -> None:
        assert bench.send(form(payload())) == Answer(HTTPStatus.OK)
        assert [press.run_id for press in bench.deeds.done] == [RUN_ID]
        assert not bench.whispered

    def test_what_the_thread_does_not_show_is_said_to_who_pressed(self, bench: Bench) -> None:
        bench.deeds.word = "The task is unmuted."
        container = {"channel_id": "C0RUNS", "thread_ts": "1771.000001"}
        bench.send(form(payload(container=container)))
        assert bench.whispered == [("C0RUNS", ANNA, "The task is unmuted.", "1771.000001")]

    def test_another_kind_of_interaction_is_answered_and_nothing_is_done(
        self, bench: Bench
    ) -> None:
        assert bench.send(form({"type": "shortcut"})) == Answer(HTTPStatus.OK)
        assert not bench.deeds.done

    def test_who_is_not_on_the_list_is_told_so_and_nothing_is_done(self, bench: Bench) -> None:
        assert bench.send(form(payload()), users=frozenset({BEN})).status == HTTPStatus.OK
        assert not bench.deeds.done
        [(channel, user, word, _)] = bench.whispered
        assert (channel, user) == ("C0RUNS", ANNA)
        assert "may not" in word
        bench.send(form(payload(user={"id": BEN})), users=frozenset({BEN}))
        assert [press.user for press in bench.deeds.done] == [BEN]

    def test_what_goes_wrong_is_the_callers_to_answer(self, bench: Bench) -> None:
        bench.deeds.error = LostRaceError("busy")
        with pytest.raises(LostRaceError):
            bench.send(form(payload()))

    def test_a_word_that_slack_does_not_take_does_no_harm(self, bench: Bench) -> None:
        bench.deeds.word = "word"
        bench.access.made.error = SlackLaterError("ratelimited")
        assert bench.send(form(payload())) == Answer(HTTPStatus.OK)

    def test_a_slack_that_hangs_is_not_waited_for(self, bench: Bench) -> None:
        bench.deeds.word = "word"
        bench.access.made.hang.clear()
        began = time.monotonic()
        try:
            assert bench.send(form(payload())) == Answer(HTTPStatus.OK)
            assert WHISPER <= time.monotonic() - began < WHISPER + 1
        finally:
            bench.access.made.hang.set()


class TestSignatures:
    def test_what_slack_has_not_signed_is_refused(self, bench: Bench) -> None:
        answer = bench.send(form(payload()), secret="another")
        assert (answer.status, answer.error) == (HTTPStatus.UNAUTHORIZED, "unauthorized")
        assert not bench.deeds.done

    def test_what_is_far_too_large_is_refused(self, bench: Bench) -> None:
        body = form(payload(message="x" * LARGEST))
        with pytest.raises(RequestError, match="body is larger than 256 KB"):
            bench.send(body)
        assert not bench.secrets.readings

    def test_as_much_as_is_taken_is_read(self, bench: Bench) -> None:
        small = len(form(payload(message="")))
        body = form(payload(message="x" * (LARGEST - small)))
        assert len(body) == LARGEST
        assert bench.send(body).status == HTTPStatus.OK

    def test_a_secret_that_is_no_good_is_read_once_a_while_too(self, bench: Bench) -> None:
        bench.secrets.text = "no JSON"
        for _ in range(100):
            with pytest.raises(ConfigurationError, match="no JSON object"):
                bench.send(form(payload()))
        assert bench.secrets.readings == 1

    def test_what_has_no_form_of_a_signature_reads_no_secret(self, bench: Bench) -> None:
        at = {"x-slack-request-timestamp": str(NOW)}
        for headers in ({}, at, {**at, "x-slack-signature": "v0=" + "g" * 64}):
            assert bench.answer(headers, b"x").status == HTTPStatus.UNAUTHORIZED
        old = {"x-slack-request-timestamp": str(NOW - 301), "x-slack-signature": "v0=" + "a" * 64}
        assert bench.answer(old, b"x").status == HTTPStatus.UNAUTHORIZED
        assert not bench.secrets.readings

    def test_a_signing_secret_that_was_replaced_is_read_anew(self, bench: Bench) -> None:
        bench.send(form(payload()))
        bench.put("new")
        assert bench.send(form(payload()), secret="new").status == HTTPStatus.OK
        assert bench.send(form(payload())).status == HTTPStatus.UNAUTHORIZED
        assert len(bench.deeds.done) == 2

    def test_many_wrong_signatures_read_the_secret_once_a_while(self, bench: Bench) -> None:
        for _ in range(100):
            bench.send(form(payload()), secret="wrong")
        assert bench.secrets.readings == 2
        bench.clock.advance(SETTLING)
        bench.send(form(payload()), secret="wrong")
        assert bench.secrets.readings == 3

    def test_without_a_signing_secret_the_log_says_what_to_put(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said: list[str] = []
        monkeypatch.setattr(logger, "error", lambda words, **_: said.append(words))
        bench.put(None)
        assert bench.send(form(payload())).status == HTTPStatus.UNAUTHORIZED
        assert "put the app's Signing Secret into the secret SLACK" in said[0]
        bench.put(SECRET)
        bench.clock.advance(SETTLING)
        assert bench.send(form(payload())).status == HTTPStatus.OK
