"""What the deployment tells a function through its environment, read once and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from runbell.errors import ConfigurationError
from runbell.rules import Routing
from runbell.slack_ids import is_user

DISCOVERIES = ("all", "watched")
"""What `Discover` and a connection's `discover` may say."""

NOTIFIABLE = ("created", "started", "succeeded", "failed", "skipped", "recovered", "stalled")
"""What `NotifyOn`, and the `notifyOn` of a connection or a watch, may name."""

_LOOPBACK = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|::1")

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)+(?!localhost)(?=[a-z]){_LABEL}")
"""A host's name of two parts or more, of which the last one begins with a letter, unlike in any way
to write an IP address."""


class Settings:
    """A function's environment, each value checked when it is asked for.

    A function is given only what it needs, so what is missing is an error only for the one who
    asks.

    Args:
        environment: Names and values, as `os.environ` has them.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    @property
    def table_name(self) -> str:
        return self._required("TABLE_NAME")

    @property
    def queue_url(self) -> str:
        return self._required("QUEUE_URL")

    @property
    def dead_letter_queue_url(self) -> str:
        return self._required("DEAD_LETTER_QUEUE_URL")

    @property
    def algolia_secret(self) -> str:
        return self._required("ALGOLIA_SECRET_ARN")

    @property
    def connection_secrets_prefix(self) -> str:
        """How the names of the secrets of all connections but the first begin."""
        return self._required("CONNECTION_SECRETS_PREFIX")

    @property
    def slack_secret(self) -> str:
        return self._required("SLACK_SECRET_ARN")

    @property
    def api_token_secret(self) -> str:
        return self._required("API_TOKEN_SECRET_ARN")

    @property
    def schedule_group(self) -> str:
        return self._required("SCHEDULE_GROUP")

    @property
    def schedule_role(self) -> str:
        return self._required("SCHEDULE_ROLE_ARN")

    @property
    def schedule_dead_letter_queue(self) -> str:
        return self._required("SCHEDULE_DEAD_LETTER_QUEUE_ARN")

    @property
    def poll_function(self) -> str:
        return self._required("POLL_FUNCTION_ARN")

    @property
    def comeback_queue_url(self) -> str | None:
        """Where poll asks itself to come back; None where it is to keep to its schedule."""
        return self._environment.get("COMEBACK_QUEUE_URL", "").strip() or None

    @property
    def schedule(self) -> str:
        """When the connection `default` is looked at, as EventBridge Scheduler writes it."""
        return self._required("SCHEDULE_EXPRESSION")

    @property
    def algolia_base_url(self) -> str | None:
        return self._url("ALGOLIA_BASE_URL")

    @property
    def slack_base_url(self) -> str | None:
        return self._url("SLACK_BASE_URL")

    @property
    def runtime_api(self) -> str:
        """Where Lambda tells this process what to do: host and port; nowhere outside of Lambda."""
        return self._environment.get("AWS_LAMBDA_RUNTIME_API", "")

    @property
    def fallback_channel(self) -> str | None:
        return self._environment.get("FALLBACK_CHANNEL", "").strip() or None

    @property
    def slack_users(self) -> frozenset[str]:
        """Slack's IDs of the people whose presses of a button count; nobody's for everybody's."""
        return parse_slack_users("SLACK_USERS", self._environment.get("SLACK_USERS", ""))

    @property
    def routing(self) -> Routing:
        """Where announcements go, and so on, unless a connection or a watch says otherwise."""
        return Routing(
            channel=self._required("SLACK_CHANNEL"),
            notify_on=parse_notify_on("NOTIFY_ON", self._required("NOTIFY_ON")),
            stalled_after=self.stalled_after,
        )

    @property
    def discover(self) -> str:
        """Which runs are announced: `all` or `watched`, unless a connection says otherwise."""
        wish = self._required("DISCOVER")
        if wish not in DISCOVERIES:
            raise ConfigurationError(f"DISCOVER is {wish!r}: the choices are all, watched")
        return wish

    @property
    def stalled_after(self) -> timedelta | None:
        """How long a started run may be without news; None for ever."""
        text = self._required("STALLED_AFTER_MINUTES")
        if not text.isdecimal() or int(text) > 10_080:
            raise ConfigurationError(
                f"STALLED_AFTER_MINUTES is {text!r}: give whole minutes from 0 to 10080"
            )
        return timedelta(minutes=int(text)) if int(text) else None

    @property
    def retention(self) -> timedelta:
        """How long the table remembers a run after it last changed."""
        text = self._required("RETENTION_DAYS")
        if not text.isdecimal() or not 1 <= int(text) <= 3650:
            raise ConfigurationError(f"RETENTION_DAYS is {text!r}: give whole days from 1 to 3650")
        return timedelta(days=int(text))

    def _url(self, name: str) -> str | None:
        return checked_url(name, self._environment.get(name, ""), runtime_api=self.runtime_api)

    def _required(self, name: str) -> str:
        value = self._environment.get(name, "").strip()
        if not value:
            raise ConfigurationError(
                f"the environment variable {name} is not set: the template sets it on deploy"
            )
        return value


def parse_notify_on(name: str, text: str) -> frozenset[str]:
    """Read a comma-separated list of the changes that people want to hear of.

    Raises:
        ConfigurationError: One of them is none that Runbell knows.
    """
    kinds = [kind for part in text.split(",") if (kind := part.strip())]
    for kind in kinds:
        if kind not in NOTIFIABLE:
            raise ConfigurationError(
                f"{name} names {kind!r}: the choices are {', '.join(NOTIFIABLE)}"
            )
    return frozenset(kinds)


def parse_slack_users(name: str, text: str) -> frozenset[str]:
    """Read a comma-separated list of Slack's IDs of users.

    Raises:
        ConfigurationError: One of them is none.
    """
    users = [user for part in text.split(",") if (user := part.strip())]
    for user in users:
        if not is_user(user):
            raise ConfigurationError(f"{name} names {user!r}: give Slack's user IDs, U… or W…")
    return frozenset(users)


def checked_url(name: str, url: str, *, runtime_api: str = "") -> str | None:
    """Hold a URL that credentials are sent to against the one rule for them.

    It is https to a host by its name, or http on loopback, where stand-ins for the vendors live,
    but for the port of Lambda's own API. So no URL names an address inside, be it of link-local
    metadata or of a private network, in any of the ways to write one. What a name resolves to is
    not looked at; the host there must hold a certificate for the name.

    Args:
        name: What the URL is called in errors.
        url: The URL. Empty means None: the vendor's own.
        runtime_api: Host and port of Lambda's API, as AWS_LAMBDA_RUNTIME_API has them.

    Raises:
        ConfigurationError: It is anything else. The message leaves the URL's path out, since the
            path of an incoming webhook is a secret.
    """
    url = url.strip()
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or 80
    except ValueError:
        raise ConfigurationError(f"{name} is no URL") from None
    # Some letters of other scripts become ASCII on the way to a name: ℡ and K are tel and k.
    if not url.isprintable() or " " in url or not parts.netloc.isascii():
        raise ConfigurationError(
            f"{name} holds a space, a control character, or a host in letters beyond ASCII"
        )
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ConfigurationError(f"{name} may hold a scheme, a host, a port and a path only")
    is_inside = str(port) == runtime_api.rpartition(":")[2]
    if (parts.scheme == "https" and _NAME.fullmatch(host)) or (
        parts.scheme == "http" and _LOOPBACK.fullmatch(host) and not is_inside
    ):
        return url.rstrip("/")
    raise ConfigurationError(
        f"{name} is refused: it must start with https:// and a host's full name "
        "(plain http:// is for loopback only, and no IP address is taken)"
    )
