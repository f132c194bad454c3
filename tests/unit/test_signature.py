"""What Slack has signed is told from everything else, and nothing hostile raises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier

from runbell.slack.signature import WINDOW, Signature

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOW = 1_531_420_618.0
BODY = b"payload=%7B%22type%22%3A%22block_actions%22%7D"


def headers(body: bytes = BODY, moment: object = int(NOW), secret: str = SECRET) -> dict[str, str]:
    """As Slack would send a body."""
    value = SignatureVerifier(secret).generate_signature(timestamp=str(moment), body=body)
    return {"X-Slack-Request-Timestamp": str(moment), "X-Slack-Signature": str(value)}


def is_slacks(given_headers: dict[str, str], body: bytes = BODY, secret: str = SECRET) -> bool:
    signature = Signature.of(given_headers, lambda: NOW)
    return signature is not None and signature.is_by(secret, body)


def test_slacks_own_example_is_taken() -> None:
    """From https://docs.slack.dev/authentication/verifying-requests-from-slack."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
        b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
        b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    given_headers = {
        "x-slack-request-timestamp": "1531420618",
        "x-slack-signature": (
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        ),
    }
    assert is_slacks(given_headers, body)


@pytest.mark.parametrize("age", [0, WINDOW, -WINDOW, WINDOW - 1])
def test_what_is_of_about_this_moment_is_taken(age: int) -> None:
    assert is_slacks(headers(moment=int(NOW) - age))


@pytest.mark.parametrize("age", [WINDOW + 1, -WINDOW - 1, 86_400, int(NOW)])
def test_what_is_older_or_newer_is_a_replay(age: int) -> None:
    assert not is_slacks(headers(moment=int(NOW) - age))


def test_another_body_or_another_secret_is_refused() -> None:
    assert not is_slacks(headers(), BODY + b"&")
    assert not is_slacks(headers(), b"")
    assert not is_slacks(headers(), secret="another")
    assert not is_slacks({**headers(), "X-Slack-Request-Timestamp": str(int(NOW) + 1)})


@pytest.mark.parametrize(
    "moment",
    [
        *("", "soon", "1e9", "-1531420618", "+1531420618", " 1531420618", "1531420618\n"),
        *("1_531_420_618", "١٥٣١٤٢٠٦١٨", "1531420618.0", "0x5b47a68a", "9" * 5_000),
        "1531420618, 1531420618",
    ],
)
def test_a_moment_that_is_none_is_refused(moment: str) -> None:
    assert not is_slacks({**headers(), "X-Slack-Request-Timestamp": moment})


@pytest.mark.parametrize(
    "value",
    [
        *("", "v0=", "v0", "v1=" + "a" * 64, "v0=" + "ü" * 64, "v0=" + "A" * 64),
        *("v0=" + "a" * 64 + "\n", "v0=" + "a" * 100_000, "\ud800"),
    ],
)
def test_a_signature_that_is_none_is_refused(value: str) -> None:
    assert not is_slacks({**headers(), "X-Slack-Signature": value})


@pytest.mark.parametrize("name", ["X-Slack-Signature", "X-Slack-Request-Timestamp"])
def test_a_header_that_is_missing_is_refused(name: str) -> None:
    assert not is_slacks({key: value for key, value in headers().items() if key != name})
    assert not is_slacks({})


def test_headers_have_no_case() -> None:
    assert is_slacks({name.upper(): value for name, value in headers().items()})


@pytest.mark.parametrize("body", [b"\xff", b"payload=\xc3", b"\x80" * 100])
def test_a_body_that_is_no_text_is_refused(body: bytes) -> None:
    assert not is_slacks(headers(), body)


@given(st.text(), st.text(), st.binary())
def test_nothing_raises_and_nothing_is_taken_by_chance(
    moment: str, value: str, body: bytes
) -> None:
    given_headers = {"x-slack-request-timestamp": moment, "x-slack-signature": value}
    assert not is_slacks(given_headers, body)
    given_headers["x-slack-request-timestamp"] = str(int(NOW))
    assert not is_slacks(given_headers, body)
    assert not is_slacks(headers(), body)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_slack_sdk_signs_the_same(text: str) -> None:
    body = text.encode()
    assert is_slacks(headers(body), body)
