"""Answers what Slack sends when somebody presses a button of a message.

Slack shows a warning to who does not get an answer within three seconds, so whatever takes long is
left to a tick: https://docs.slack.dev/interactivity/handling-user-interaction.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from runbell.deeds import Deeds
from runbell.errors import RequestError, RunbellError
from runbell.metering import meter
from runbell.observability import logger, told
from runbell.secrets import Secret, SlackCredentials
from runbell.slack.access import SlackAccess
from runbell.slack.messenger import BotMessenger
from runbell.slack.press import Press, parse_press
from runbell.slack.signature import Signature

LARGEST = 256 * 1024
"""Bytes of a body; Slack sends the message that was pressed on along, about 20 KB of it."""

WHISPER = 1.0
"""Seconds that a word to one person may take."""


@dataclass(frozen=True)
class Answer:
    """What Slack is answered: a status, and for what is wrong a word and what it means."""

    status: HTTPStatus
    error: str = ""
    message: str = ""


class Interactions:
    """Answers Slack's requests about buttons.

    Args:
        secret: The secret SLACK, which holds what they are signed with.
        access: The way into Slack, for a word to who has pressed a button.
        users: Who may press one; empty for everybody.
        deeds: Does what they ask for.
        clock: Seconds since 1970, which a request's moment is held against.
    """

    def __init__(
        self,
        secret: Secret[SlackCredentials],
        access: SlackAccess,
        users: frozenset[str],
        deeds: Deeds,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secret = secret
        self._access = access
        self._users = users
        self._deeds = deeds
        self._clock = clock

    def answer(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Do what a request asks for, if it comes from Slack.

        Raises:
            ConfigurationError, SecretUnavailableError: The secret can't be read.
            RequestError: It is too large, or nothing that Slack sends.
            StoreUnavailableError, LostRaceError: The table did not take it.
        """
        if len(body) > LARGEST:
            raise RequestError(f"is larger than {LARGEST // 1024} KB", "body")
        if not self._is_signed(headers, body):
            return Answer(
                HTTPStatus.UNAUTHORIZED,
                "unauthorized",
                "the request is not signed by Slack, or it is older than five minutes",
            )
        press = parse_press(body)
        if press is None:
            return Answer(HTTPStatus.OK)
        extra = {"action": press.action, "user": press.user, "run_id": press.run_id}
        if self._users and press.user not in self._users:
            logger.warning("somebody who may not has pressed a button", extra=extra)
            self._whisper(press, "You may not do this here: ask who looks after Runbell.")
            return Answer(HTTPStatus.OK)
        logger.info("a button was pressed", extra={**extra, "connection": press.connection})
        word = self._deeds.do(press)
        if word is not None:
            self._whisper(press, word)
        return Answer(HTTPStatus.OK)

    def _is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        signature = Signature.of(headers, self._clock)
        if signature is None:
            return False
        credentials = self._secret.get()
        if _signs(credentials, signature, body):
            return True
        renewed = self._secret.anew(credentials)  # perhaps it was put or replaced just now
        if renewed.signing_secret is None:
            logger.error(
                "Slack's requests can't be told from others: put the app's Signing Secret into "
                "the secret SLACK as signing_secret"
            )
        return renewed != credentials and _signs(renewed, signature, body)

    def _whisper(self, press: Press, word: str) -> None:
        """Say a word to who has pressed a button, if that is done before Slack gives up on us."""
        if press.channel_id is None:
            return
        saying = threading.Thread(target=self._say, args=(press, press.channel_id, word))
        saying.daemon = True
        saying.start()
        saying.join(WHISPER)
        if saying.is_alive():
            logger.warning("Slack takes long for a word to one person")

    def _say(self, press: Press, channel_id: str, word: str) -> None:
        try:
            messenger = self._access.messenger()
            if isinstance(messenger, BotMessenger):
                messenger.whisper(channel_id, press.user, word, thread=press.thread)
        except RunbellError as error:
            meter.fail(error)
            logger.warning("a word to one person was not taken", extra=told(error))


def _signs(credentials: SlackCredentials, signature: Signature, body: bytes) -> bool:
    secret = credentials.signing_secret
    return secret is not None and signature.is_by(secret, body)
