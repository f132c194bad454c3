"""One seed of the campaign: a stack of its own, its vendors, what befalls them, and the verdict."""

from __future__ import annotations

import contextlib
import json
import random
import secrets
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from local.algolia import AlgoliaStandIn
from local.aws import LocalAws, LocalStackError
from local.chaos import sabotage
from local.chaos.director import Director, known_by
from local.chaos.leaks import everything_written, items, leaks
from local.chaos.mischief import Mischief
from local.chaos.oracle import Verdict, judge
from local.chaos.sabotage import BREAKS, KILLS, STEPS, Sabotage, is_of_aws
from local.chaos.script import channel_of, write
from local.chaos.weather import OF_ALGOLIA, OF_SLACK, Weather
from local.slack import SlackStandIn
from local.stack import FunctionFailedError, Stack, deploy

VISIBILITY = 23
"""Seconds for which a message is hidden while notify has it: a bit more than notify's time-out,
and not six times as long as on AWS, so that a killed notify does not cost two minutes."""

RECEIVES = 6
"""How often the queue tries before it gives up; 30 times on AWS, which takes an hour."""

AWAY = 40.0
"""Seconds for which Slack is away in the middle: longer than the queue goes on trying."""

PAUSE = 3.0
"""Seconds between two ticks, so that each has more than one change to find."""

LAST_TICKS = 2
"""Ticks within which everything must be out once the faults have ended."""

LONGEST = 540.0
"""Seconds after which a campaign that comes to no end is broken off."""

STUCK = 150.0
"""Seconds that a back-off may take: a sweep's two minutes, and then some."""

KILLS_PER_HUNDRED = 1.0
BREAKS_PER_HUNDRED = 4.0
"""Of the functions' processes, and of their calls to AWS, per hundred changes."""

TIME_FOR_TIME_OUTS = 100
"""Changes from which on a campaign has the time for faults that cost a function its patience."""

MAY_LOOK = "chat:write,channels:history,channels:read"
MAY_NOT_LOOK = "chat:write"


@dataclass(frozen=True)
class Outcome:
    """What came of one seed."""

    seed: int
    verdict: Verdict
    faults: dict[str, int]
    ticks: int
    """Ticks after the faults that it took until everything was out."""
    calls: int
    failed: int
    """How many calls to Algolia and Slack met bad weather, and how many of them failed."""
    seconds: float
    complaints: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        """Whether every promise was kept."""
        return not self.complaints


class Campaign:
    """Plays one seed against a stack of its own.

    Args:
        seed: What everything random follows from.
        changes: How many changes Algolia shows.
        rate: The share of calls to Algolia and Slack that fail.
        say: Takes a line of progress.
        away: Seconds for which Slack is away in the middle.
    """

    def __init__(
        self,
        seed: int,
        changes: int,
        rate: float,
        say: Callable[[str], None],
        *,
        away: float = AWAY,
    ) -> None:
        self._seed = seed
        self._say = say
        self._away_seconds = away
        self._chance = random.Random(f"campaign {seed}")
        self._script = write(seed, changes)
        self._secrets = {
            name: secrets.token_hex(24)
            for name in ("Algolia's key", "Algolia's new key", "Slack's token", "Slack's new token")
        } | {"the signing secret": secrets.token_hex(16)}
        of_algolia, of_slack = (
            [odd for odd in odds if odd.most is None or changes >= TIME_FOR_TIME_OUTS]
            for odds in (OF_ALGOLIA, OF_SLACK)
        )
        self._algolia_weather = Weather(f"algolia {seed}", of_algolia, rate)
        self._slack_weather = Weather(f"slack {seed}", of_slack, rate, "/api/")
        self._kills_ordered = self._breaks_ordered = 0
        self._edges = self._every_edge()
        self._happened: Counter[str] = Counter()

    def play(self, aws: LocalAws) -> Outcome:
        """Play it on a local AWS; the template is built already."""
        began = time.monotonic()
        with (
            AlgoliaStandIn(api_key=self._secrets["Algolia's key"]) as algolia,
            SlackStandIn(
                bot_token=self._secrets["Slack's token"],
                signing_secret=self._secrets["the signing secret"],
                scopes=MAY_LOOK if self._seed % 2 else MAY_NOT_LOOK,
            ) as slack,
            tempfile.TemporaryDirectory(prefix="runbell-chaos-") as folder,
        ):
            algolia.application(algolia.app_id, "").faults = self._algolia_weather
            slack.faults = self._slack_weather
            self._algolia, self._slack = algolia, slack
            self._director = Director(self._script, algolia)
            self._stack = self._deploy(aws)
            self._sabotage = Sabotage(Path(folder))
            self._sabotage.enter(self._stack)
            self._say(f"deployed after {time.monotonic() - began:.0f} s")
            self._live_through(began + LONGEST)
            ticks = self._settle()
            outcome = self._outcome(ticks, began)
            self._stack.remove()
            return outcome

    # ---- Before --------------------------------------------------------------------------------

    def _deploy(self, aws: LocalAws) -> Stack:
        stack = deploy(
            aws,
            f"chaos-{self._seed}",
            AlgoliaBaseUrl=self._algolia.url,
            SlackBaseUrl=self._slack.url,
            ScheduleExpression="rate(30 days)",  # the campaign makes the ticks itself
            LogLevel="DEBUG" if self._seed % 2 else "INFO",
        )
        stack.put_token()
        self._secrets["the API's token"] = stack.token
        self._put_algolia_secret(stack, "Algolia's key")
        self._put_slack_secret(stack, "Slack's token")
        dead_letters = aws.client("sqs").get_queue_attributes(
            QueueUrl=stack.outputs["DeadLetterQueueUrl"], AttributeNames=["QueueArn"]
        )["Attributes"]["QueueArn"]
        redrive = {"deadLetterTargetArn": dead_letters, "maxReceiveCount": RECEIVES}
        aws.client("sqs").set_queue_attributes(
            QueueUrl=stack.outputs["QueueUrl"],
            Attributes={
                "VisibilityTimeout": str(VISIBILITY),
                "RedrivePolicy": json.dumps(redrive),
            },
        )
        watches = {task: {"channel": channel_of(task)} for task in self._script.tasks}
        answer = stack.call(
            "PUT",
            "/watches",
            data=json.dumps({"tasks": watches}),
            headers={"Content-Type": "application/yaml"},
        )
        if not answer.ok:
            raise LocalStackError(f"PUT /watches answered {answer.status_code}: {answer.text}")
        stack.poll()
        return stack

    def _put_algolia_secret(self, stack: Stack, name: str) -> None:
        value = {"app_id": self._algolia.app_id, "api_key": self._secrets[name], "region": "us"}
        stack.put_secret("AlgoliaSecretArn", value)

    def _put_slack_secret(self, stack: Stack, name: str) -> None:
        signing_secret = self._secrets["the signing secret"]
        value = {"bot_token": self._secrets[name], "signing_secret": signing_secret}
        stack.put_secret("SlackSecretArn", value)

    # ---- The bad times -------------------------------------------------------------------------

    def _live_through(self, ends: float) -> None:
        """Show the script to its end while everything fails."""
        sqs = self._stack.aws.client("sqs")
        mischief = Mischief(sqs, self._stack.outputs["QueueUrl"], self._seed)
        checks = threading.Event()
        checker = threading.Thread(target=self._check_at_random, args=(checks,), daemon=True)
        blows = self._blows()
        self._algolia_weather.is_bad = self._slack_weather.is_bad = True
        mischief.start()
        checker.start()
        said = time.monotonic()
        try:
            with ThreadPoolExecutor(4) as pool:
                while not self._director.go_on(known_by(self._stack)):
                    if time.monotonic() > ends:
                        raise LocalStackError("the campaign does not come to an end")
                    self._give_orders()
                    next(blows, None)
                    at_once = 2 if self._chance.random() < 0.15 else 1
                    list(pool.map(lambda _: self._tick(), range(at_once)))
                    time.sleep(PAUSE)
                    if time.monotonic() - said > 15:
                        said = time.monotonic()
                        self._say(self._progress())
            for _ in blows:  # a short campaign is over before everything has befallen it
                time.sleep(0.5)
        finally:
            checks.set()
            mischief.stop()
            checker.join()
            self._algolia_weather.is_bad = self._slack_weather.is_bad = False
            self._slack_weather.is_away = False
            self._sabotage.withdraw()
        self._happened.update({f"queue: {name}": times for name, times in mischief.done.items()})

    def _blows(self) -> Iterator[None]:
        """What befalls a campaign once: at certain points of the script, one after the other."""

        def part(share: float) -> bool:
            return self._director.shown >= share * self._script.changes

        while not part(0.2):
            yield
        self._algolia.rotate_key(self._secrets["Algolia's new key"])
        yield
        self._put_algolia_secret(self._stack, "Algolia's new key")
        self._say("Algolia's key was rotated")
        while not part(0.35):
            yield
        self._slack.rotate_token(self._secrets["Slack's new token"])
        revoked = time.monotonic()
        while time.monotonic() < revoked + 3:
            yield
        self._put_slack_secret(self._stack, "Slack's new token")
        self._say("Slack's token was revoked and replaced")
        while not part(0.5):
            yield
        self._slack_weather.is_away = True
        self._say("Slack is away")
        left = time.monotonic()
        while time.monotonic() < left + self._away_seconds:
            yield
        self._slack_weather.is_away = False
        self._say("Slack is back")

    def _give_orders(self) -> None:
        """Order the kills and breaks that are due by now."""
        hundreds = self._director.shown / 100
        while self._kills_ordered < hundreds * KILLS_PER_HUNDRED:
            self._kills_ordered += 1
            self._sabotage.order(*next(self._edges))
        while self._breaks_ordered < hundreds * BREAKS_PER_HUNDRED:
            function = self._chance.choice(("notify", "notify", "poll", "api"))
            operation = self._chance.choice([step for step in STEPS[function] if is_of_aws(step)])
            act = self._chance.choice(BREAKS)
            # The SDK makes three attempts: one break it mends by itself, three come through.
            for _ in range(self._chance.choice((1, 3))):
                self._breaks_ordered += 1
                self._sabotage.order(function, operation, act)

    def _every_edge(self) -> Iterator[tuple[str, str, str]]:
        """Where a function can be killed, in random order, and again when all had their turn.

        Notify has two turns: it is the one that could say something twice.
        """
        edges = [
            (name, step, act) for name, steps in STEPS.items() for step in steps for act in KILLS
        ]
        edges += [edge for edge in edges if edge[0] == "notify"]
        while True:
            self._chance.shuffle(edges)
            yield from edges

    def _tick(self) -> None:
        """Let poll look once, as the schedule does; one that dies is followed by the next."""
        try:
            self._stack.poll()
            self._happened["ticks"] += 1
        except FunctionFailedError:
            self._happened["ticks that died"] += 1

    def _check_at_random(self, ends: threading.Event) -> None:
        """Ask for looks at runs over the HTTP API, while poll looks at the same ones."""
        chance = random.Random(f"checks {self._seed}")
        token = self._secrets["the API's token"]
        while not ends.wait(chance.uniform(1.0, 3.0)):
            if live := self._director.live():
                with contextlib.suppress(requests.RequestException):
                    path = f"/runs/{chance.choice(live)}/check"
                    answer = self._stack.call("POST", path, token=token)
                    self._happened[f"checks beside poll: {answer.status_code}"] += 1

    # ---- After ---------------------------------------------------------------------------------

    def _settle(self) -> int:
        """Let back-offs go by and make ticks until everything is out; answers how many it took."""
        self._say(f"the faults are over; {self._progress()}")
        self._await(self._is_queue_empty)
        for ticks in range(LAST_TICKS + 3):
            if self._is_out():
                return ticks
            self._await(lambda: not self._rests())
            self._stack.poll()
            self._await(self._is_queue_empty)
        return ticks + 1

    def _await(self, is_so: Callable[[], bool]) -> None:
        """Wait for a back-off to go by; what takes longer is for the verdict to complain about."""
        ends = time.monotonic() + STUCK
        while not is_so() and time.monotonic() < ends:
            time.sleep(0.5)

    def _is_queue_empty(self) -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        sqs = self._stack.aws.client("sqs")
        answer = sqs.get_queue_attributes(
            QueueUrl=self._stack.outputs["QueueUrl"], AttributeNames=names
        )
        return not any(int(count) for count in answer["Attributes"].values())

    def _pending(self) -> list[dict[str, Any]]:
        found = items(self._stack, "pk", "pending", "pending_due")
        return [item for item in found if "pending" in item]

    def _rests(self) -> bool:
        """Whether something is pending that a sweep leaves alone for now."""
        now = datetime.now(UTC).isoformat()
        return any(item["pending_due"]["S"] > now for item in self._pending())

    def _is_out(self) -> bool:
        verdict = self._judge()
        return verdict.announced == verdict.changes and not self._pending()

    def _judge(self) -> Verdict:
        return judge(
            self._algolia.shown(),
            self._slack.calls,
            self._slack_weather.met,
            self._sabotage.deeds(),
        )

    def _progress(self) -> str:
        weathers = self._algolia_weather, self._slack_weather
        failed = sum(weather.drawn.total() for weather in weathers)
        kills = sum(deed.is_kill for deed in self._sabotage.deeds())
        return (
            f"{self._director.shown:,} of {self._script.changes:,} changes shown, "
            f"{failed:,} calls failed, {kills} kills"
        )

    def _outcome(self, ticks: int, began: float) -> Outcome:
        verdict = self._judge()
        faults = self._happened + sabotage.count(self._sabotage.deeds())
        for name, weather in (("Algolia", self._algolia_weather), ("Slack", self._slack_weather)):
            faults.update({f"{name}: {kind}": times for kind, times in weather.drawn.items()})
        complaints = [
            *verdict.complaints,
            *leaks(self._secrets, everything_written(self._stack, self._slack.calls)),
            *([f"{ticks} ticks until all was out"] if ticks > LAST_TICKS else []),
            *(f"{item['pk']['S']} is still pending" for item in self._pending()),
        ]
        if verdict.changes != self._script.changes:
            complaints.append(f"{verdict.changes} of {self._script.changes} changes were shown")
        weathers = self._algolia_weather, self._slack_weather
        return Outcome(
            seed=self._seed,
            verdict=verdict,
            faults=dict(faults),
            ticks=ticks,
            calls=sum(weather.asked for weather in weathers),
            failed=sum(weather.drawn.total() for weather in weathers),
            seconds=time.monotonic() - began,
            complaints=tuple(complaints),
        )
