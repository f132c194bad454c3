"""The way into Slack that the secret opens: a bot or an incoming webhook."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener, install_opener

from runbell.secrets import Secret, SlackCredentials
from runbell.slack.messenger import TIMEOUT, BotMessenger, Messenger, WebhookMessenger
from runbell.slack.patience import PatientHttp, PatientHttps


class _NoRedirect(HTTPRedirectHandler):
    """Takes a redirect for an answer, so that a token goes to Slack's host and nowhere else."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Follow none."""


class SlackAccess:
    """Makes messengers of what the secret holds.

    Args:
        secret: The secret SLACK.
        base_url: Where Slack's Web API is, if it isn't at slack.com. A URL without a path means
            the API below `/api/`, as on slack.com.
    """

    def __init__(self, secret: Secret[SlackCredentials], base_url: str | None = None) -> None:
        self._secret = secret
        self._base_url = base_url
        # slack_sdk asks through urllib's opener for the whole process, which follows redirects
        # with the Authorization header attached, and allows its time-out to every byte.
        install_opener(build_opener(_NoRedirect, PatientHttp, PatientHttps))
        self._made: tuple[SlackCredentials, Messenger] | None = None

    def messenger(self) -> Messenger:
        """Give the way into Slack.

        Raises:
            ConfigurationError: The secret is not usable.
        """
        return self._for(self._secret.get())

    def renewed(self) -> Messenger | None:
        """Read the secret anew after a refusal; None when it holds what was refused.

        Raises:
            ConfigurationError: The secret is not usable.
        """
        refused = self._made[0] if self._made else self._secret.get()
        credentials = self._secret.anew(refused)
        return None if credentials == refused else self._for(credentials)

    def _for(self, credentials: SlackCredentials) -> Messenger:
        if self._made is None or self._made[0] != credentials:
            self._made = (credentials, self._make(credentials))
        return self._made[1]

    def _make(self, credentials: SlackCredentials) -> Messenger:
        if credentials.webhook_url:
            from slack_sdk.webhook import WebhookClient

            hook = WebhookClient(credentials.webhook_url, timeout=TIMEOUT, retry_handlers=[])
            hook.proxy = None  # urllib's opener knows the proxy; slack_sdk's own would redirect
            return WebhookMessenger(hook)
        from slack_sdk import WebClient

        bot = WebClient(
            credentials.bot_token,
            base_url=_api(self._base_url or "https://slack.com"),
            timeout=TIMEOUT,
            retry_handlers=[],
        )
        bot.proxy = None
        return BotMessenger(bot)


def _api(url: str) -> str:
    """The URL below which Slack's methods are found."""
    return f"{url}/" if urlsplit(url).path.strip("/") else f"{url}/api/"
