"""A stand-in for Slack: its Web API, a webhook, its interactions, and a page with the channel."""

import copy
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from local.faults import Fault, Faults
from local.http_server import Answer, LoopbackServer, Request
from local.slack import scopes as scope
from local.slack.interactions import Choice, Interactions, Press
from local.slack.limits import SlackRefusalError
from local.slack.message import Message
from local.slack.methods import Methods
from local.slack.people import PEOPLE, TEAM
from local.slack.requests import read_arguments, read_choice, read_payload
from local.slack.response_urls import ResponseUrls
from local.slack.workspace import Workspace

PAGE = Path(__file__).with_name("channel.html")
HOLD_SECONDS = 20.0
# A webhook answers in plain text, and has words of its own for some refusals.
WEBHOOK_REFUSALS = {
    "no_service": (404, "no_service"),
    "channel_not_found": (404, "channel_not_found"),
    "is_archived": (410, "channel_is_archived"),
    "ratelimited": (429, "rate_limited"),
}


@dataclass(frozen=True)
class Call:
    """One request to Slack, and how it was answered."""

    at: float
    method: str
    """The Web API's name for it, or ``webhook``."""
    arguments: dict[str, Any]
    """Without the token."""
    answer: dict[str, Any] | str


class SlackStandIn(LoopbackServer):
    """Slack on 127.0.0.1, while its context is open.

    slack_sdk reaches it with ``base_url=f"{url}/api/"``, and a person with a browser at
    ``url``. The webhook lies under ``/services/``. Channels exist from their first use on.
    Attachments are taken and not shown. What a person presses on the page, or a test with
    ``press``, goes to ``interactions_url``, signed with the signing secret.
    """

    def __init__(
        self,
        *,
        bot_token: str = "xoxb-stand-in",
        webhook_path: str = "/services/T000/B000/stand-in",
        webhook_channel: str = "#runs",
        signing_secret: str = "stand-in-signing-secret",
        scopes: str = scope.DEFAULT,
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        faults = _SlackFaults("/api/", "/services/")
        super().__init__(self._answer, faults, port=port, clock=clock, refuse=_refused)
        self.signing_secret = signing_secret
        self.webhook_url = f"{self.url}{webhook_path}"
        self.on_posted: Callable[[Call], None] | None = None
        """Called after a message was stored and before the answer is sent."""
        self._webhook_path = webhook_path
        self._webhook_channel = webhook_channel
        self._token = bot_token
        self._revoked: set[str] = set()
        self._workspace = Workspace(clock)
        self._methods = Methods(self._workspace, scopes)
        self._response_urls = ResponseUrls(self._workspace, clock)
        self._interactions = Interactions(
            self._workspace,
            signing_secret=signing_secret,
            response_url=self._response_url,
            clock=clock,
        )
        self._calls: list[Call] = []
        self._calls_lock = threading.Lock()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._workspace.close()
        super().__exit__(kind, error, traceback)

    @property
    def calls(self) -> list[Call]:
        """Every request that reached Slack; those that a fault kept away are in ``requests``."""
        with self._calls_lock:
            return copy.deepcopy(self._calls)

    @property
    def rate_limit(self) -> float | None:
        """The seconds that must lie between two posts in one channel; None is no limit."""
        return self._methods.rate_limit

    @rate_limit.setter
    def rate_limit(self, seconds: float | None) -> None:
        self._methods.rate_limit = seconds

    @property
    def scopes(self) -> str:
        """What the token may do, in a list with commas."""
        return self._methods.scopes

    @scopes.setter
    def scopes(self, scopes: str) -> None:
        self._methods.scopes = scopes

    @property
    def interactions_url(self) -> str | None:
        """Where presses are sent; None leaves the buttons without an effect."""
        return self._interactions.url

    @interactions_url.setter
    def interactions_url(self, url: str | None) -> None:
        self._interactions.url = url
        self._workspace.tell()

    @property
    def answer_within(self) -> float:
        """The seconds that the app has to answer a press: three, as with Slack."""
        return self._interactions.answer_within

    @answer_within.setter
    def answer_within(self, seconds: float) -> None:
        self._interactions.answer_within = seconds

    @property
    def presses(self) -> list[Press]:
        """Every press that was sent to the app, with its answer, oldest first."""
        return self._interactions.presses

    def press(
        self,
        channel: str,
        ts: str,
        action_id: str,
        *,
        user: str = "U0ANNA1",
        option: str | None = None,
    ) -> Press:
        """Press a button of a message, or choose the option with this value from a menu.

        Returns once the app has answered or its time is up. Raises LookupError when the
        message has no such control or option, ValueError when no ``interactions_url`` is set.
        """
        return self._interactions.press(Choice(channel, ts, action_id, user, option=option))

    @property
    def ephemerals(self) -> list[Message]:
        """What one user alone was shown, in every channel, oldest first."""
        return copy.deepcopy(self._workspace.ephemerals())

    def make_channel(self, channel: str) -> str:
        """A channel that nobody has posted in yet; answers its id."""
        return self._workspace.channel(channel).id

    def leave(self, channel: str) -> None:
        """From now on the bot is no member: it reads nothing, and posts only if it may anywhere."""
        self._workspace.leave(channel)

    def delete(self, channel: str, ts: str) -> None:
        """A person deletes a message; a tombstone stays as long as it has replies.

        Raises LookupError when there is no such message.
        """
        self._workspace.delete(channel, ts)

    def freeze(self, channel: str, ts: str) -> None:
        """From now on an edit of the message answers ``cant_update_message``."""
        self._workspace.freeze(channel, ts)

    def messages(self, channel: str) -> list[Message]:
        """A channel's messages and replies, in order of posting; by its name or its id."""
        return copy.deepcopy(self._workspace.messages(channel))

    def archive(self, channel: str) -> None:
        """From now on the channel ``is_archived``."""
        self._workspace.archive(channel)

    def remove(self, channel: str) -> None:
        """From now on the answer is ``channel_not_found``."""
        self._workspace.remove(channel)

    def restore(self, channel: str) -> None:
        """The channel is there again and takes messages."""
        self._workspace.restore(channel)

    def revoke(self, token: str) -> None:
        """From now on the answer to this token is ``token_revoked``."""
        self._revoked.add(token)

    def rotate_token(self, new: str) -> None:
        """Take a new token and revoke the present one."""
        self.revoke(self._token)
        self._revoked.discard(new)
        self._token = new

    def _answer(self, request: Request) -> Answer:
        match request.method, request.segments:
            case "GET" | "POST", ["api", method]:
                return self._answer_method(method, request)
            case "POST", ["services", *_]:
                return self._answer_webhook(request)
            case "POST", ["actions", _, key]:
                return self._answer_response_url(key, request)
            case "POST", ["press"]:
                return self._answer_press(request)
            case "GET", [""] | ["channels", _]:
                return Answer(200, PAGE.read_bytes(), "text/html; charset=utf-8")
            case "GET", ["events"]:
                return self._answer_page(request)
        return Answer.of_json(404, {"message": "There is nothing here"})

    def _answer_method(self, method: str, request: Request) -> Answer:
        arguments: dict[str, Any] = {}
        status, headers = 200, {}
        try:
            arguments = read_arguments(request)
            self._check_token(request, arguments.pop("token", ""))
            headers["X-OAuth-Scopes"] = self.scopes
            answer = {"ok": True, **self._methods.call(method, arguments)}
        except SlackRefusalError as refusal:
            answer = {"ok": False, "error": refusal.error}
            if refusal.details:
                answer["response_metadata"] = {"messages": list(refusal.details)}
            if isinstance(refusal, scope.MissingScopeError):
                answer |= {"needed": refusal.needed, "provided": refusal.provided}
            if refusal.retry_after is not None:
                status = 429
                headers["Retry-After"] = str(refusal.retry_after)
        self._note(method, arguments, answer, posted=answer["ok"] and method == "chat.postMessage")
        return Answer.of_json(status, answer, headers=headers)

    def _answer_webhook(self, request: Request) -> Answer:
        arguments: dict[str, Any] = {}
        status, words, headers = 200, "ok", {}
        try:
            self._check_service(request)
            arguments = read_payload(request)
            self._methods.post(self._webhook_channel, arguments, by_webhook=True)
        except SlackRefusalError as refusal:
            status, words = WEBHOOK_REFUSALS.get(refusal.error, (400, refusal.error))
            if refusal.retry_after is not None:
                headers = {"Retry-After": str(refusal.retry_after)}
        self._note("webhook", arguments, words, posted=status == 200)
        return Answer(status, words.encode(), "text/plain; charset=utf-8", headers)

    def _response_url(self, message: Message, user: str) -> str:
        return f"{self.url}/actions/{TEAM}/{self._response_urls.open(message, user)}"

    def _answer_response_url(self, key: str, request: Request) -> Answer:
        try:
            self._response_urls.say(key, read_payload(request))
        except LookupError:
            return Answer.of_json(404, {"ok": False, "error": "message_not_found"})
        except SlackRefusalError as refusal:
            status = 404 if refusal.error.endswith("_url") else 400
            return Answer.of_json(status, {"ok": False, "error": refusal.error})
        return Answer(200, b"ok", "text/plain; charset=utf-8")

    def _answer_press(self, request: Request) -> Answer:
        """What became of a press on the page: the status that the app answered with."""
        try:
            press = self._interactions.press(read_choice(request))
        except LookupError as error:
            return Answer.of_json(404, {"message": str(error)})
        except ValueError as error:
            return Answer.of_json(400, {"message": str(error)})
        return Answer.of_json(200, {"taken": press.taken, "status": press.status})

    def _answer_page(self, request: Request) -> Answer:
        """The channel as it is, once it is other than the page has seen it."""
        query = {name: values[-1] for name, values in request.query.items()}
        seen = query.get("after", "")
        if seen.isdecimal():
            self._workspace.wait_for_news(int(seen), HOLD_SECONDS)
        picture = self._workspace.picture(query.get("channel", ""))
        picture |= {"interactive": self.interactions_url is not None, "people": PEOPLE}
        return Answer.of_json(200, picture, headers={"Cache-Control": "no-store"})

    def _note(
        self,
        method: str,
        arguments: dict[str, Any],
        answer: dict[str, Any] | str,
        *,
        posted: bool,
    ) -> None:
        call = copy.deepcopy(Call(self._clock(), method, arguments, answer))
        with self._calls_lock:
            self._calls.append(call)
        if posted and self.on_posted:
            self.on_posted(call)

    def _check_token(self, request: Request, argument: str) -> None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or argument
        if not token:
            raise SlackRefusalError("not_authed")
        if token in self._revoked:
            raise SlackRefusalError("token_revoked")
        if token != self._token:
            raise SlackRefusalError("invalid_auth")

    def _check_service(self, request: Request) -> None:
        if request.path != self._webhook_path:
            raise SlackRefusalError("no_service")


class _SlackFaults(Faults):
    """Faults for Slack's clients alone: the page that watches the channel meets none."""

    def __init__(self, *places: str) -> None:
        super().__init__()
        self._places = places

    def take(self, request_line: str, body: bytes = b"") -> Fault | None:
        place = request_line.partition(" ")[2]
        return super().take(request_line, body) if place.startswith(self._places) else None


def _refused(fault: Fault) -> Answer:
    """A fault in Slack's words: an ``error`` comes with a 200, as Slack's own do."""
    usual = "ratelimited" if fault.status == 429 else "internal_error"
    status = 200 if fault.kind == "error" else fault.status
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    return Answer.of_json(status, {"ok": False, "error": fault.error or usual}, headers=headers)
