"""`make demo` and `make up`: Runbell as deployed, on this machine alone."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable
from typing import Any

from local.algolia import AlgoliaStandIn, Application
from local.aws import LocalStackError
from local.day import LOOKS, OTHER, Day, a_day, play
from local.ledger import Ledger, promises_of, settle
from local.running import Running, real_things, start, step
from local.slack import SlackStandIn
from local.transcript import Transcript

FIRST_TICK = 60.0
"""Seconds after its deploy at which the schedule fires for the first time."""

PATIENCE = 45.0
"""Seconds that the last announcements may take once the day is over."""

LOOK = 0.2
"""Seconds between two looks at the channel."""

CHANNEL = "#algolia-runs"
"""Where the template has runs announced."""

RUN_AGAIN = "run_again"
"""What the button of that name is called in Slack's payload."""

OTHER_APP = "STANDIN002"
YAML = {"Content-Type": "application/yaml"}


def demo() -> int:
    """Play a day of runs and count what was told of it; 0 when nothing was lost or doubled."""
    print("Runbell on this machine: no account is needed, and nothing leaves loopback.\n")
    with start() as running:
        algolia, slack = _stand_ins(running)
        other = algolia.application(OTHER_APP, "outlet-key")
        day = a_day()
        transcript = Transcript(slack, sys.stdout)
        print(f"\n  the channel, as a page: {slack.url}\n")
        _play(running, day, algolia, other, transcript)

        def ledger() -> Ledger:
            shown = [*algolia.shown(), *other.shown()]
            return settle(promises_of(day, shown), slack.calls)

        _wait(lambda: ledger().lost == 0, PATIENCE, transcript)
        settled = ledger()
    print(f"\ndemo: {settled}")
    return 0 if settled.is_balanced else 1


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
        print("\nEvery run is announced. To send those of a task elsewhere:")
        bearer = shlex.quote(f"Authorization: Bearer {running.stack.token}")
        print(f'  curl -X PUT -H {bearer} -d \'{{"channel": "#elsewhere"}}\' \\')
        print(f"    {running.stack.api_url}/watches/tasks/TASK_ID")
        print("\nCtrl-C ends it all.\n", flush=True)
        transcript = Transcript(slack, sys.stdout) if slack else None
        if algolia and transcript:
            other = algolia.application(OTHER_APP, "outlet-key")
            _play(running, a_day(), algolia, other, transcript)
            print("\n  the day is over; the schedule goes on", flush=True)
        while True:
            if transcript:
                transcript.catch_up()
            time.sleep(LOOK)


def _play(
    running: Running,
    day: Day,
    algolia: AlgoliaStandIn,
    other: Application,
    transcript: Transcript,
) -> None:
    """Play the day: have Runbell look more often than its schedule does, and ask it over HTTP."""
    with step("applying a file of watches"):
        _expect(running, "PUT", "/watches", data=day.watches, headers=YAML)
    with step(f"connecting a second application, `{OTHER}`, with a schedule of its own"):
        running.stack.put_connection_secret(OTHER, other.app_id, other.api_key)
        _expect(running, "PUT", f"/connections/{OTHER}", json={})
        connected = time.time()
    began = time.time()
    play(day, algolia, other, began)
    schedule = max(running.deployed_at, connected) + FIRST_TICK - began
    print(f"  a day begins; both schedules have looked in {schedule:.0f} s\n", flush=True)
    checks = [(at, run.life.run_id) for run in day.runs for at in run.checked_at]
    is_pressed = False
    for at, run_id in sorted([*checks, *((at, "") for at in LOOKS)]):
        _wait(lambda at=at: time.time() >= began + at, 3600, transcript)  # type: ignore[misc]
        is_pressed = is_pressed or _press(running, day)
        if run_id:
            _expect(running, "POST", f"/runs/{run_id}/check")
        else:
            running.stack.poll()
    seen_last = {run.life.run_id for run in (day.runs[-1], *day.others)}
    _wait(lambda: seen_last <= _shown(algolia, other), schedule - LOOKS[-1] + 25, transcript)


def _press(running: Running, day: Day) -> bool:
    """Press *Run again* on the failure that the day has for it; False while it is not told yet."""
    assert running.slack, "the demo has stand-ins"
    for message in running.slack.messages(CHANNEL):
        about = (message.metadata or {}).get("event_payload", {}).get("run_id")
        offered = [each for block in message.blocks for each in block.get("elements", ())]
        if about == day.pressed and any(each.get("action_id") == RUN_AGAIN for each in offered):
            print(f"  {time.strftime('%H:%M:%S')}  somebody presses “Run again”", flush=True)
            running.slack.press(CHANNEL, message.ts, RUN_AGAIN)
            return True
    return False


def _shown(*applications: AlgoliaStandIn | Application) -> set[str]:
    """The runs that Runbell has seen."""
    return {state.run_id for application in applications for state in application.shown()}


def _wait(is_done: Callable[[], bool], seconds: float, transcript: Transcript) -> None:
    ends = time.monotonic() + seconds
    while not is_done() and time.monotonic() < ends:
        transcript.catch_up()
        time.sleep(LOOK)
    transcript.catch_up()


def _expect(running: Running, method: str, path: str, **arguments: Any) -> None:
    answer = running.stack.call(method, path, **arguments)
    if not answer.ok:
        raise LocalStackError(f"{method} {path} answered {answer.status_code}: {answer.text}")


def _stand_ins(running: Running) -> tuple[AlgoliaStandIn, SlackStandIn]:
    assert running.algolia, "the demo has stand-ins"
    assert running.slack, "the demo has stand-ins"
    return running.algolia, running.slack
