"""`make demo` and `make up`: Runbell as deployed, on this machine alone."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable

from local.algolia import AlgoliaStandIn
from local.aws import LocalStackError
from local.day import a_day
from local.ledger import settle
from local.running import Running, real_things, start, step
from local.slack import SlackStandIn
from local.transcript import Transcript

FIRST_TICK = 60.0
"""Seconds after its deploy at which the schedule fires for the first time."""

PATIENCE = 45.0
"""Seconds that the last announcements may take once the day is over."""

LOOK = 0.2
"""Seconds between two looks at the channel."""


def demo() -> int:
    """Play a day of runs and count what was told of it; 0 when nothing was lost or doubled."""
    print("Runbell on this machine: no account is needed, and nothing leaves loopback.\n")
    with start() as running:
        algolia, slack = _stand_ins(running)
        transcript = Transcript(slack, sys.stdout)
        print(f"\n  the channel, as a page: {slack.url}\n")
        _play(running, algolia, transcript)

        def is_done() -> bool:
            return settle(algolia.shown(), slack.calls).lost == 0

        _wait(is_done, PATIENCE, transcript)
        ledger = settle(algolia.shown(), slack.calls)
    print(f"\ndemo: {ledger}")
    return 0 if ledger.is_balanced else 1


def up(port: int | None) -> int:
    """Stay until Ctrl-C: a day of runs on stand-ins, or the real vendors where credentials are."""
    real = real_things(os.environ)
    with start(real, port) as running:
        slack, algolia = running.slack, running.algolia
        print(f"\n  Algolia:  {algolia.url + ' (stand-in)' if algolia else 'the real one'}")
        print(f"  Slack:    {slack.url + ' (stand-in, a page)' if slack else 'the real one'}")
        print(f"  HTTP API: {running.stack.api_url}  (/docs describes it)")
        print(f"  AWS:      {running.aws.url}")
        print(f"  token:    {running.stack.token}")
        print("\nWatch a run:")
        bearer = shlex.quote(f"Authorization: Bearer {running.stack.token}")
        print(f"  curl -X PUT -H {bearer} \\")
        print(f"    {running.stack.api_url}/watches/runs/RUN_ID")
        print("\nCtrl-C ends it all.\n", flush=True)
        transcript = Transcript(slack, sys.stdout) if slack else None
        if algolia and transcript:
            _play(running, algolia, transcript)
            print("\n  the day is over; the schedule goes on", flush=True)
        while True:
            if transcript:
                transcript.catch_up()
            time.sleep(LOOK)


def _play(running: Running, algolia: AlgoliaStandIn, transcript: Transcript) -> None:
    """Play the day: let the schedule look where it does, and ask for the other looks."""
    tick = running.deployed_at + FIRST_TICK - time.time()
    day = a_day(tick)
    began = time.time()
    with step("watching the runs of the day"):
        for run in day:
            if run.watched:
                _expect(running, "PUT", f"/watches/runs/{run.life.run_id}")
    algolia.play(*(run.life for run in day), start=began)
    print(f"  a day begins; the schedule looks in {tick:.0f} s\n", flush=True)
    checks = sorted((at, run.life.run_id) for run in day for at in run.checked_at)
    tick_awaited = tick + 25
    unasked = next(run.life.run_id for run in day if run.watched and not run.checked_at)
    for at, run_id in checks:
        if at > tick:  # what comes after the tick waits for it
            _wait(lambda: _ticked(algolia, unasked), tick_awaited, transcript)
        _wait(lambda at=at: time.time() >= began + at, 3600, transcript)  # type: ignore[misc]
        _expect(running, "POST", f"/runs/{run_id}/check")


def _ticked(algolia: AlgoliaStandIn, run_id: str) -> bool:
    """Whether the schedule has looked: nobody else asks for this run."""
    return any(state.run_id == run_id for state in algolia.shown())


def _wait(is_done: Callable[[], bool], seconds: float, transcript: Transcript) -> None:
    ends = time.monotonic() + seconds
    while not is_done() and time.monotonic() < ends:
        transcript.catch_up()
        time.sleep(LOOK)
    transcript.catch_up()


def _expect(running: Running, method: str, path: str) -> None:
    answer = running.stack.call(method, path)
    if not answer.ok:
        raise LocalStackError(f"{method} {path} answered {answer.status_code}: {answer.text}")


def _stand_ins(running: Running) -> tuple[AlgoliaStandIn, SlackStandIn]:
    assert running.algolia, "the demo has stand-ins"
    assert running.slack, "the demo has stand-ins"
    return running.algolia, running.slack
