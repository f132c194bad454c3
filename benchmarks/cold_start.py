"""What a cold start takes: the start of each function and its first answer, beside the peer's.

Run it with `python -m benchmarks.cold_start`.

Both sides run in AWS's Runtime Interface Emulator, under the same interpreter with what Lambda's
runtime brings, and are built as SAM builds them. By turns each is started anew and answers one
event, for which it does its work: secrets, table and queue on the local AWS, Algolia and Slack as
stand-ins. The peer has one handler for all; it is given what comes closest.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from slack_sdk.signature import SignatureVerifier

from benchmarks import page
from benchmarks.chart import Bar, draw
from benchmarks.emulator import ColdStart, cold_start
from benchmarks.stage import SIGNING_SECRET, TOKEN, Artifacts, Stage, stage
from benchmarks.table import Row, compared, keep, machine, show
from local.algolia import RunLife, Step
from local.aws import ROOT

sys.path.insert(0, str(ROOT / "layers" / "runbell" / "python"))

from local.simulated.mapping import batch_of

ROUNDS = 9
TIME_GOAL = 0.40
MEMORY_GOAL = 0.60

COMPARED = {
    "poll, a quiet tick": ("quiet tick", "quiet peer"),
    "poll, a tick with a new run": ("busy tick", "busy peer"),
    "notify, a message": ("message", "busy peer"),
    "api, a run is read": ("call", "quiet peer"),
    "interact, a press": ("press", "busy peer"),
}
"""What of ours is put beside what of the peer's."""

KNOWN = 250
"""Runs that there are, so that a tick reads a full page."""


class Cast:
    """Both sides on one stage, and the events that they are given.

    Args:
        surroundings: The stage.
        artifacts: The code.
        log: Where the emulator writes.
    """

    def __init__(self, surroundings: Stage, artifacts: Artifacts, log: Path) -> None:
        self._stage = surroundings
        self._artifacts = artifacts
        self._log = log
        self._ours = surroundings.ours()
        self._peer = surroundings.peer()
        self._known = uuid.uuid4().hex
        ended = (Step(0, "started"), Step(60, "finished", "success"))
        lives = [RunLife(f"known-{n:04}", f"task-{n % 50}", ended) for n in range(KNOWN)]
        for application in (surroundings.algolia, surroundings.peers_algolia):
            application.play(*lives, start=time.time() - 7200)
        self.quiet_tick()  # reads the whole list
        self.quiet_peer()

    def quiet_tick(self) -> ColdStart:
        """A tick that finds nothing new."""
        return self._start("poll", {"connection": "default"})

    def busy_tick(self) -> ColdStart:
        """A tick that finds one new run, saves it and puts it on the queue."""
        self._stage.algolia.play(_new_run())
        start = self._start("poll", {"connection": "default"})
        assert start.answer["enqueued"] == 1, start.answer
        return start

    def message(self) -> ColdStart:
        """A batch of one message, which is posted."""
        sqs: Any = self._stage.aws.client("sqs")
        queue_url = self._ours["QUEUE_URL"]
        messages = sqs.receive_message(QueueUrl=queue_url, AttributeNames=["All"])["Messages"]
        posted = len(self._stage.slack.calls)
        start = self._start("notify", batch_of(messages[:1]))
        assert start.answer == {"batchItemFailures": []}, start.answer
        assert len(self._stage.slack.calls) > posted
        sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=messages[0]["ReceiptHandle"])
        return start

    def call(self) -> ColdStart:
        """A call of the HTTP API that reads a run."""
        event = _sample("http-get-run")
        event["rawPath"] = event["requestContext"]["http"]["path"] = "/runs/known-0007"
        event["headers"]["authorization"] = f"Bearer {TOKEN}"
        start = self._start("api", event)
        assert start.answer["statusCode"] == 200, start.answer
        return start

    def press(self) -> ColdStart:
        """A press of a button."""
        event = _sample("slack-interaction")
        now, body = str(int(time.time())), base64.b64decode(event["body"])
        signature = SignatureVerifier(SIGNING_SECRET).generate_signature(timestamp=now, body=body)
        event["headers"] |= {"x-slack-request-timestamp": now, "x-slack-signature": signature}
        start = self._start("interact", event)
        assert start.answer["statusCode"] == 200, start.answer
        return start

    def quiet_peer(self, *, is_compiled: bool = False) -> ColdStart:
        """The peer looks at a run that it knows as it is."""
        return self._start_peer("known-0007", is_compiled)

    def busy_peer(self, *, is_compiled: bool = False) -> ColdStart:
        """The peer looks at a run that is new to it, saves it and posts a message."""
        life = _new_run()
        self._stage.peers_algolia.play(life)
        start = self._start_peer(life.run_id, is_compiled)
        assert start.answer["announced"] == 1, start.answer
        return start

    def _start(self, function: str, event: Any) -> ColdStart:
        return cold_start(self._artifacts.ours(function), self._ours, event, self._log)

    def _start_peer(self, run_id: str, is_compiled: bool) -> ColdStart:
        code = self._artifacts.peer(is_compiled=is_compiled)
        start = cold_start(code, self._peer, {"runIDs": [run_id]}, self._log)
        assert start.answer["failed"] == 0, self._log.read_text("utf-8")
        return start


def _new_run() -> RunLife:
    return RunLife(uuid.uuid4().hex, "task-1", [Step(0, "started")])


def _sample(name: str) -> Any:
    return json.loads((ROOT / "events" / f"{name}.json").read_text("utf-8"))


def measure(rounds: int = ROUNDS) -> dict[str, list[ColdStart]]:
    """Start everything anew by turns, so many times; by what it does."""
    with tempfile.TemporaryDirectory() as folder, stage() as surroundings:
        both = Cast(surroundings, Artifacts(Path(folder) / "code"), Path(folder) / "log")
        starts: dict[str, Callable[[], ColdStart]] = {
            "quiet tick": both.quiet_tick,
            "quiet peer": both.quiet_peer,
            "quiet peer, compiled": partial(both.quiet_peer, is_compiled=True),
            "call": both.call,
            "busy tick": both.busy_tick,
            "message": both.message,
            "busy peer": both.busy_peer,
            "busy peer, compiled": partial(both.busy_peer, is_compiled=True),
            "press": both.press,
        }
        taken: dict[str, list[ColdStart]] = {name: [] for name in starts}
        for number in range(rounds):
            print(f"\rcold starts: {number + 1} of {rounds}", end="", file=sys.stderr, flush=True)
            for name, start in starts.items():
                taken[name].append(start())
        print(file=sys.stderr)
        return taken


def rows(taken: Mapping[str, Sequence[ColdStart]], peer: str = "") -> list[Row]:
    """Compare each of ours with what of the peer's comes closest.

    Args:
        taken: What was measured.
        peer: Which peer: ", compiled" for the one with bytecode.
    """
    made = []
    for name, (ours, theirs) in COMPARED.items():
        pairs = list(zip(taken[ours], taken[theirs + peer], strict=True))
        times = [(one.total, other.total) for one, other in pairs]
        memory = [(one.memory, other.memory) for one, other in pairs]
        made += [
            compared(name, "ms", times, TIME_GOAL),
            compared(f"{name}: memory", "MB", memory, MEMORY_GOAL),
        ]
    return made


def chart(taken: Mapping[str, Sequence[ColdStart]]) -> str:
    """Draw them, the start and the first answer apart."""
    peers = {
        "peer, a known run": "quiet peer",
        "peer, a new run": "busy peer",
        "… with bytecode": "busy peer, compiled",
    }
    ours = {name: of for name, (of, _) in COMPARED.items()}
    bars = [
        Bar(
            label,
            (median(one.init for one in taken[of]), median(one.first for one in taken[of])),
            of in ours.values(),
        )
        for label, of in (ours | peers).items()
    ]
    return draw("A cold start: until it asks for its first event, and its first answer", "ms", bars)


def main() -> int:
    """Measure, print and keep; answer 1 if a goal is missed."""
    taken = measure()
    as_built, as_compiled = rows(taken), rows(taken, ", compiled")
    print(show("peer as SAM builds it", as_built))
    print(show("peer with bytecode", as_compiled))
    starts = {
        name: {
            "init_ms": round(median(one.init for one in all_of_it), 1),
            "first_ms": round(median(one.first for one in all_of_it), 1),
            "cpu_ms": round(median(one.cpu for one in all_of_it), 1),
            "memory_mb": round(median(one.memory for one in all_of_it), 1),
        }
        for name, all_of_it in taken.items()
    }
    facts = {**machine(), "rounds": ROUNDS, "starts": starts}
    keep("cold_start", as_built, facts)
    keep("cold_start_compiled", as_compiled, machine() | {"rounds": ROUNDS})
    page.put_image("cold-start", chart(taken))
    parts = [
        page.comparison("beside the peer as SAM builds it", as_built),
        page.comparison("beside the peer with bytecode", as_compiled),
    ]
    page.put("cold_start", "\n\n".join(parts))
    return 0 if all(row.is_met for row in [*as_built, *as_compiled]) else 1


if __name__ == "__main__":
    sys.exit(main())
