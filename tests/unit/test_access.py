"""The HTTP API opens to who bears a token, one of two while they are exchanged."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any, cast

import pytest

from runbell.api.access import bears_token
from runbell.secrets import SETTLING, TOKEN_REMEMBERED, Secret, parse_api_tokens

if TYPE_CHECKING:
    from tests.unit.conftest import Clock, FakeSecretsManager

OLD, NEW = "old-token-0123456789", "new-token-0123456789"


@pytest.fixture
def secret(secrets_manager: FakeSecretsManager, clock: Clock) -> Secret[tuple[str, ...]]:
    secrets_manager.text = OLD
    client = cast("Any", secrets_manager)
    return Secret(client, "arn", parse_api_tokens, clock, remembered=TOKEN_REMEMBERED)


def opens(token: str, secret: Secret[tuple[str, ...]]) -> bool:
    return bears_token({"authorization": f"Bearer {token}"}, secret)


def test_both_of_two_tokens_open_it(
    secret: Secret[tuple[str, ...]], secrets_manager: FakeSecretsManager
) -> None:
    secrets_manager.text = f"{OLD}\n{NEW}\n"
    assert opens(OLD, secret)
    assert opens(NEW, secret)
    for wrong in (f"{OLD}\n{NEW}", f"{OLD} {NEW}", OLD + NEW, OLD[:-1], OLD.upper(), "", "\n"):
        assert not opens(wrong, secret)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", OLD, f"Basic {OLD}", f"Bearer{OLD}", "Bearer \ud800", "é"]
)
def test_anything_else_does_not(secret: Secret[tuple[str, ...]], header: str) -> None:
    assert not bears_token({"authorization": header}, secret)
    assert not bears_token({}, secret)


def test_a_new_token_is_taken_at_once_and_one_taken_back_for_a_minute(
    secret: Secret[tuple[str, ...]], secrets_manager: FakeSecretsManager, clock: Clock
) -> None:
    assert opens(OLD, secret)
    secrets_manager.text = f"{OLD}\n{NEW}"
    assert opens(NEW, secret)
    assert opens(OLD, secret)
    secrets_manager.text = NEW
    clock.advance(TOKEN_REMEMBERED - 0.1)
    assert opens(OLD, secret)
    clock.advance(0.1)
    assert not opens(OLD, secret)
    assert opens(NEW, secret)


def test_guesses_read_the_secret_once_a_second(
    secret: Secret[tuple[str, ...]], secrets_manager: FakeSecretsManager, clock: Clock
) -> None:
    for _ in range(3):
        for guess in range(100):
            assert not opens(f"guess-{guess}-0123456789", secret)
        clock.advance(SETTLING)
    assert secrets_manager.readings == 4


@pytest.mark.parametrize("given", [OLD, NEW])
def test_every_token_is_compared_whichever_it_is(
    given: str,
    secret: Secret[tuple[str, ...]],
    secrets_manager: FakeSecretsManager,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return hmac.compare_digest(one, other)

    secrets_manager.text = f"{OLD}\n{NEW}"
    monkeypatch.setattr(
        "runbell.api.access.hmac", cast("Any", type("", (), {"compare_digest": compare}))
    )
    assert opens(given, secret)
    assert compared == [OLD.encode(), NEW.encode()]
