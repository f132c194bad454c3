"""However slow the other side is, each function ends before its time is over: in simulated time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from requests import ConnectTimeout, PreparedRequest, ReadTimeout, Response, Session
from requests.adapters import HTTPAdapter

from local.algolia import AlgoliaStandIn
from local.aws import LocalAws
from local.faults import Fault
from local.simulated import Context, Delivery, SimulatedTime, Weather, delivery
from runbell.algolia import IngestionClient
from runbell.deadline import Deadline
from runbell.errors import AlgoliaError
from runbell.outbox import Wake
from runbell.secrets import Secret, parse_algolia
from runbell.watcher import Watcher
from tests.integration.conftest import CHANNEL, Clock, Rebuild, Show, document, run_of, save

FALLBACK = "#fallback"


def limit_of(template: dict[str, Any], function: str) -> float:
    """The seconds after which Lambda ends a function."""
    return float(template["Resources"][function]["Properties"]["Timeout"])


# ---- Slack ----------------------------------------------------------------------------------


Refusals = list[tuple[str, str]]
"""What Slack refuses, by method and word, in that order."""

SLOW_ANSWERS: dict[str, tuple[Weather, Refusals]] = {
    "all is taken": ("slow", []),
    "the answer to a post is lost": ("lost", []),
    "the form of an edit is refused": ("slow", [("chat.update", "invalid_blocks")]),
    "the form of a reply is refused": ("slow", [("chat.postMessage", "invalid_blocks")]),
    "the plain text is refused as well": ("slow", [("chat.postMessage", "invalid_blocks")] * 2),
    "the message is gone": ("slow", [("chat.update", "message_not_found")]),
    "the message is gone, and the form of the new one is refused": (
        "slow",
        [("chat.update", "message_not_found"), ("chat.postMessage", "invalid_blocks")],
    ),
    "the channel takes no reply": ("slow", [("chat.postMessage", "restricted_action")]),
    "the token is refused": ("slow", [("chat.update", "token_revoked")]),
}


@pytest.mark.parametrize("is_known", [True, False], ids=["a known run fails", "a new run"])
@pytest.mark.parametrize("case", SLOW_ANSWERS)
def test_notify_ends_in_time_while_each_of_slacks_answers_comes_at_the_last_moment(
    aws: LocalAws, template: dict[str, Any], case: str, is_known: bool
) -> None:
    first, refusals = SLOW_ANSWERS[case]
    asked: list[str] = []

    def weather(_: float, channel: str) -> Weather:
        asked.append(channel)
        if begun:
            return first if len(asked) == 1 else "slow"
        return "fair"

    begun: list[bool] = []
    with delivery(aws, weather, fallback_channel=FALLBACK) as of:
        if is_known:
            tell(of, "started")
            of.time.sleep(30)
        asked.clear()
        begun.append(True)
        for method, word in refusals:
            of.slack.faults.add(Fault("error", error=word), path=method)
        tell(of, "finished", "failure")
        of.time.sleep(300)

        assert max(each.seconds for each in of.source.invoked) < limit_of(
            template, "NotifyFunction"
        )
        assert not [*of.store.pending("default")]
        told = [each for name in (CHANNEL, FALLBACK) for each in of.slack.messages(name)]
        assert len([each for each in told if "failed" in each.text]) >= 1
        assert len(told) <= 3


@pytest.mark.parametrize("weather", ["hanging", "slow"])
def test_notify_ends_in_time_with_a_batch_of_five_channels(
    aws: LocalAws, template: dict[str, Any], weather: Weather
) -> None:
    with delivery(aws, lambda _, __: weather) as of:
        for number in range(5):
            tell(of, "started", run_id=f"run-{number}", channel=f"#channel-{number}")
        of.time.sleep(300)

        assert max(each.taken for each in of.source.invoked) == 5
        assert max(each.seconds for each in of.source.invoked) < limit_of(
            template, "NotifyFunction"
        )


def tell(
    of: Delivery,
    status: str,
    outcome: str | None = None,
    *,
    run_id: str = "run-1",
    channel: str = CHANNEL,
) -> None:
    item = save(of.store, run_of(status, outcome, run_id=run_id), announce_in=channel)
    of.outbox.enqueue([Wake.of(item)])


# ---- Algolia --------------------------------------------------------------------------------


class Hanging(HTTPAdapter):
    """Lets requests wait for as long as their client does, in simulated time.

    Args:
        time: Whose seconds it takes.
        hangs: Whether a request finds nobody who answers, by its path.
        connects: Whether there is a connection at least.
    """

    def __init__(
        self, time: SimulatedTime, hangs: Callable[[str], bool], *, connects: bool
    ) -> None:
        super().__init__()
        self._time, self._hangs, self._connects = time, hangs, connects
        self.hung = 0

    def send(self, request: PreparedRequest, *args: Any, **more: Any) -> Response:
        """Send a request, or don't."""
        if not self._hangs(request.path_url):
            return super().send(request, *args, **more)
        self.hung += 1
        connect, read = more["timeout"]
        self._time.sleep(read if self._connects else connect)
        raise (ReadTimeout if self._connects else ConnectTimeout)("timed out")


@pytest.fixture
def time(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedTime]:
    """A time by which all deadlines of a tick go, with one look at once."""
    with SimulatedTime(clock.now) as time:

        class SimulatedDeadline(Deadline):
            def __init__(self, seconds: float) -> None:
                super().__init__(seconds, time.seconds)

        for module in ("round", "checker"):
            monkeypatch.setattr(f"runbell.{module}.Deadline", SimulatedDeadline)
        # Side by side they would wait for the same seconds; one after the other is the worst.
        monkeypatch.setattr(
            "runbell.looks._side_by_side", lambda do, things, **_: _one_by_one(do, things)
        )
        yield time


def _one_by_one(do: Callable[[Any], Any], things: Any) -> Any:
    from runbell.looks import Work

    work = Work()
    for thing in things:
        work.add(do(thing))
    return work


@pytest.fixture
def hanging_watcher(
    time: SimulatedTime,
    rebuild: Rebuild,
    secrets: Any,
    new_secret: Callable[[object], str],
    algolia: AlgoliaStandIn,
) -> Iterator[Callable[..., tuple[Watcher, Hanging]]]:
    """Makes watchers whose Algolia hangs, for some paths or all."""
    arn = new_secret({"app_id": algolia.app_id, "api_key": algolia.api_key, "region": "us"})
    with Session() as session:

        def make(hangs: Callable[[str], bool], *, connects: bool) -> tuple[Watcher, Hanging]:
            adapter = Hanging(time, hangs, connects=connects)
            session.mount("http://", adapter)
            secret = Secret(secrets, arn, parse_algolia)
            client = IngestionClient(secret, session, base_url=algolia.url, sleep=time.sleep)
            return rebuild(client=client), adapter

        yield make


@pytest.mark.parametrize("connects", [True, False], ids=["no answer", "no connection"])
@pytest.mark.parametrize("discover", ["all"])
def test_a_tick_ends_in_time_while_algolia_hangs(
    time: SimulatedTime,
    hanging_watcher: Callable[..., tuple[Watcher, Hanging]],
    template: dict[str, Any],
    connects: bool,
) -> None:
    limit = limit_of(template, "PollFunction")
    watcher, adapter = hanging_watcher(lambda _: True, connects=connects)
    began = time.seconds()

    watcher.tick(_deadline(time, limit))

    assert adapter.hung > 1
    assert time.seconds() - began < limit


@pytest.mark.parametrize("discover", ["all"])
def test_a_tick_ends_in_time_while_algolia_answers_with_the_list_alone(
    time: SimulatedTime,
    hanging_watcher: Callable[..., tuple[Watcher, Hanging]],
    show: Show,
    template: dict[str, Any],
) -> None:
    limit = limit_of(template, "PollFunction")
    for number in range(30):
        show(f"run-{number}", "started", taskID=f"task-{number}")
    watcher, adapter = hanging_watcher(lambda path: "/runs?" not in path, connects=True)
    began = time.seconds()

    report = watcher.tick(_deadline(time, limit))

    assert adapter.hung >= 1
    assert time.seconds() - began < limit
    assert report.changed == 30  # what hangs is what an announcement can do without


@pytest.mark.parametrize("connects", [True, False], ids=["no answer", "no connection"])
def test_a_check_ends_before_the_http_api_gives_up_while_algolia_hangs(
    time: SimulatedTime,
    hanging_watcher: Callable[..., tuple[Watcher, Hanging]],
    algolia: AlgoliaStandIn,
    template: dict[str, Any],
    connects: bool,
) -> None:
    limit = limit_of(template, "ApiFunction")
    algolia.put_run(document("started"))
    watcher, adapter = hanging_watcher(lambda _: True, connects=connects)
    began = time.seconds()

    with suppress(AlgoliaError):
        watcher.check("run-1", _deadline(time, limit))

    assert adapter.hung > 1
    assert time.seconds() - began < limit


def _deadline(time: SimulatedTime, limit: float) -> Deadline:
    """The deadline of an invocation that begins now."""
    reserved = Deadline.of(Context(time, limit)).remaining()
    return Deadline(round(reserved, 1), time.seconds)
