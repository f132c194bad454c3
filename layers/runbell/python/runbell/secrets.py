"""The credentials, read from Secrets Manager and remembered for a while."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from runbell.errors import ConfigurationError, RunbellError, SecretUnavailableError
from runbell.settings import checked_url

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

PLACEHOLDER = "REPLACE_ME"
"""What the template puts in place of every credential that only a person can give."""

REGIONS = ("us", "eu")

ALGOLIA_FORM = '{"app_id": …, "api_key": …, "region": "us" or "eu"}'
"""What the secret of a connection holds."""

REMEMBERED = 900.0
"""Seconds for which a secret is not read again, unless it is told otherwise."""

TOKEN_REMEMBERED = 60.0
"""Seconds for which API TOKEN is not read again: nobody refuses a token that was taken back, so
this is how long it still opens the API. A reading costs $0.000005."""

TOKENS = 2
"""Tokens that API TOKEN may hold: one, and during a rotation the old and the new one."""

SHORTEST_TOKEN = 16
"""Characters."""

FOR_A_PERSON = frozenset({
    "AccessDeniedException",
    "DecryptionFailure",
    "InvalidRequestException",  # the secret is marked for deletion
    "ResourceNotFoundException",
})  # fmt: skip
"""Refusals of Secrets Manager that trying again does not mend."""

SETTLING = 1.0
"""Seconds for which a secret that was read anew, or could not be read, is not read again, however
often it is refused or asked for: strangers decide how often that is."""

# At DEBUG botocore writes down what Secrets Manager answers.
logging.getLogger("botocore").setLevel(logging.WARNING)


@dataclass(frozen=True)
class AlgoliaCredentials:
    """What the Ingestion API asks for."""

    app_id: str
    region: str
    api_key: str = field(repr=False)


@dataclass(frozen=True)
class SlackCredentials:
    """A bot token or the URL of an incoming webhook: one of the two.

    `signing_secret` is what Slack signs presses of buttons with; None where nobody has put it.
    """

    bot_token: str | None = field(default=None, repr=False)
    webhook_url: str | None = field(default=None, repr=False)
    signing_secret: str | None = field(default=None, repr=False)


T = TypeVar("T")


class Secret(Generic[T]):
    """One secret and how to read it.

    Args:
        client: The boto3 client of Secrets Manager.
        arn: Which secret.
        parse: Turns its text into credentials; raises ConfigurationError when it can't.
        clock: Seconds that only ever go on.
        remembered: Seconds for which it is not read again.
    """

    def __init__(
        self,
        client: SecretsManagerClient,
        arn: str,
        parse: Callable[[str], T],
        clock: Callable[[], float] = time.monotonic,
        *,
        remembered: float = REMEMBERED,
    ) -> None:
        self._client = client
        self._arn = arn
        self._parse = parse
        self._clock = clock
        self._remembered = remembered
        self._lock = threading.Lock()
        self._known: tuple[float, T] | None = None
        self._failed: tuple[float, RunbellError] | None = None
        self._renewed_at = float("-inf")

    def get(self) -> T:
        """Give the credentials, from memory for as long as they are remembered.

        Raises:
            ConfigurationError: The secret can't be read, or is not what it should be.
            SecretUnavailableError: Secrets Manager does not answer.
        """
        with self._lock:
            if self._known and self._clock() - self._known[0] < self._remembered:
                return self._known[1]
            return self._read()

    def anew(self, refused: T) -> T:
        """Read the secret again, because what it held was refused.

        Many refusals at once lead to one reading, and so do many of the same value in a row.

        Args:
            refused: The value that was refused.

        Raises:
            ConfigurationError, SecretUnavailableError: As for `get`.
        """
        with self._lock:
            now = self._clock()
            if self._known and (self._known[1] != refused or now - self._renewed_at < SETTLING):
                return self._known[1]
            self._renewed_at = now
            return self._read()

    def _read(self) -> T:
        if self._failed and self._clock() - self._failed[0] < SETTLING:
            raise self._failed[1].with_traceback(None)
        try:
            value = self._parse(self._text())
        except RunbellError as error:
            self._failed = (self._clock(), error)
            raise
        self._known, self._failed = (self._clock(), value), None
        return value

    def _text(self) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.get_secret_value(SecretId=self._arn)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            message = f"the secret {self._arn} can't be read: {code}"
            if code in FOR_A_PERSON:
                raise ConfigurationError(message) from None
            raise SecretUnavailableError(message) from None
        except BotoCoreError as error:
            cause = type(error).__name__
            raise SecretUnavailableError(f"the secret {self._arn} can't be read: {cause}") from None
        return answer.get("SecretString", "")


def parse_algolia(text: str, name: str = "ALGOLIA") -> AlgoliaCredentials:
    """Read a secret such as ALGOLIA: {app_id, api_key, region}.

    Args:
        text: What it holds.
        name: What it is called in errors, which show nothing of what it holds.
    """
    document = _object(name, text, ALGOLIA_FORM)
    region = _entry(name, document, "region")
    if region not in REGIONS:
        raise ConfigurationError(f"the secret {name} has another region than us or eu")
    return AlgoliaCredentials(
        app_id=_header(_entry(name, document, "app_id"), "app_id"),
        api_key=_header(_entry(name, document, "api_key"), "api_key"),
        region=region,
    )


def parse_slack(text: str, runtime_api: str = "") -> SlackCredentials:
    """Read the secret SLACK: {bot_token} or {webhook_url}, and {signing_secret} for the buttons.

    Args:
        text: What it holds.
        runtime_api: Where the webhook can't lead: see `checked_url`.
    """
    document = _object("SLACK", text, '{"bot_token": …} or {"webhook_url": …}')
    given = [name for name in ("bot_token", "webhook_url") if document.get(name)]
    if len(given) != 1:
        raise ConfigurationError(
            "the secret SLACK needs either bot_token or webhook_url, and not both"
        )
    value, signing_secret = _entry("SLACK", document, given[0]), _signing_secret(document)
    if given[0] == "bot_token":
        token = _header(value, "bot_token")
        return SlackCredentials(bot_token=token, signing_secret=signing_secret)
    url = checked_url("the secret SLACK's webhook_url", value, runtime_api=runtime_api)
    return SlackCredentials(webhook_url=url, signing_secret=signing_secret)


def parse_api_tokens(text: str) -> tuple[str, ...]:
    """Read the secret API TOKEN: the bearer token itself, or two of them, one a line."""
    tokens = tuple(line.strip() for line in text.split("\n") if line.strip()) or ("",)
    if len(tokens) > TOKENS:
        raise ConfigurationError(
            f"the secret API TOKEN has more than {TOKENS} lines: put one token, or the old one and "
            "the new one"
        )
    if min(map(len, tokens)) < SHORTEST_TOKEN:
        raise ConfigurationError(
            f"the secret API TOKEN has one shorter than {SHORTEST_TOKEN} characters: put a long "
            "random one"
        )
    return tokens


def _object(secret: str, text: str, form: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ConfigurationError(f"the secret {secret} is no JSON object: put {form}")
    return document


def _entry(secret: str, document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"the secret {secret} lacks {name}, which must be a string")
    if PLACEHOLDER in value:
        raise ConfigurationError(
            f"the secret {secret} still holds the placeholder for {name}: "
            "put the real one with `aws secretsmanager put-secret-value`"
        )
    return value.strip()


def _signing_secret(document: dict[str, Any]) -> str | None:
    """What signs presses; one that can't be taken for one is none, as announcements need none."""
    value = document.get("signing_secret")
    if not isinstance(value, str) or PLACEHOLDER in value or not value.isprintable():
        return None
    return value.strip() or None


def _header(value: str, name: str) -> str:
    """Refuse what could not be sent as an HTTP header, without showing it."""
    if not value.isascii() or not value.isprintable():
        raise ConfigurationError(f"{name} holds characters that no HTTP header can carry")
    return value
