"""Makes docs/images/message.png: real messages in the stand-in for Slack, photographed.

Run it with `python -m local.picture`; it needs Chromium.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from typing import Any

from slack_sdk import WebClient

from local.aws import ROOT
from local.slack import SlackStandIn

sys.path.insert(0, str(ROOT / "layers" / "runbell" / "python"))

from runbell.changes import State
from runbell.events import ErrorGroup, WhatWentWrong
from runbell.items import HistoryEntry, RunItem
from runbell.rules import kind_of
from runbell.run import Run, parse_run
from runbell.slack import messages
from runbell.slack.messenger import BotMessenger
from runbell.tasks import Names

PICTURE = ROOT / "docs" / "images" / "message.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = "820,930"
TOKEN = "xoxb-stand-in"
CHANNEL = "#runs"
BEGIN = datetime(2026, 11, 23, 9, 30, 1, tzinfo=UTC)

FAILED: dict[str, Any] = {
    "runID": "6c02aeb1-775e-418e-870b-1faccd4b2c0f",
    "appID": "9VK3RQ2T7M",
    "taskID": "76ab4c2a-ce17-496f-b7a6-506dc59ee498",
    "type": "reindex",
    "createdAt": "2026-11-23T09:29:54.000Z",
    "startedAt": "2026-11-23T09:30:12.000Z",
}
RUNNING: dict[str, Any] = {
    "runID": "b1f0a6c9-3d7e-4f52-9a18-7c2de05b94e3",
    "appID": "9VK3RQ2T7M",
    "taskID": "d4e8b03f-51c6-4a97-8e2b-f09a6c37d125",
    "type": "update",
    "createdAt": "2026-11-23T09:40:31.000Z",
    "startedAt": "2026-11-23T09:40:44.000Z",
}


class Clock:
    """The stand-in's time of day."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> float:
        return self.now.timestamp()

    def go_on(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)


class Story:
    """A run's item as it grows, one look after the other."""

    def __init__(self, document: dict[str, Any], names: Names, clock: Clock) -> None:
        self._document = document
        self._names = names
        self._clock = clock
        self._history: list[HistoryEntry] = []

    def seen(self, told: dict[str, Any] | None = None, **fields: Any) -> RunItem:
        """The run's item after a look that found these fields, and what is told with them."""
        run: Run = parse_run(self._document | fields)
        state = State(run.status, run.outcome)
        if not self._history or self._history[-1].state != state:
            self._history.append(
                HistoryEntry(
                    number=len(self._history) + 1,
                    kind=kind_of(state),
                    status=run.status,
                    outcome=run.outcome,
                    at=self._clock.now.isoformat(),
                    announced=True,
                    **(told or {}),
                )
            )
        history = tuple(self._history)
        return RunItem("default", run.run_id, snapshot=run, history=history, names=self._names)


def main() -> int:
    """Post the messages, photograph the channel."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        print("no Chromium is installed: apt install chromium", file=sys.stderr)
        return 1
    clock = Clock()
    with SlackStandIn(bot_token=TOKEN, clock=clock) as slack:
        _post(slack, clock)
        _photograph(browser, f"{slack.url}/channels/{CHANNEL.removeprefix('#')}?still")
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size // 1024} KB")
    return 0


def _post(slack: SlackStandIn, clock: Clock) -> None:
    """Tell what happens to two runs, as notify does."""
    bot = BotMessenger(WebClient(TOKEN, base_url=f"{slack.url}/api/", retry_handlers=[]))

    products = Names(source="Products feed", index="products", action="replace")
    failed = Story(FAILED, products, clock)
    place = bot.post(CHANNEL, messages.run_message(failed.seen(status="created")))
    clock.go_on(minutes=1)
    bot.edit(place, messages.run_message(failed.seen(status="started")))
    clock.go_on(minutes=10)
    groups = (
        ErrorGroup("the attribute `price` is no number in sku-30177", 1_198),
        ErrorGroup("the record sku-41822 is larger than 100 KB", 6),
    )
    item = failed.seen(
        {
            "streak": 3,
            "since": "2026-11-23T07:41:09.000Z",
            "threshold": 5,
            "errors": WhatWentWrong(groups, 1_204),
        },
        status="finished",
        outcome="failure",
        finishedAt="2026-11-23T09:40:52.000Z",
        reasonCode="too_many_errors",
        reason="1,204 of 48,310 records were refused",
    )
    bot.edit(place, messages.run_message(item))
    reply = messages.change_message(item, item.history[-1], is_reply=True)
    bot.post(CHANNEL, reply, thread=place.ts)

    prices = Names(source="Price list", index="prices", action="partial")
    running = Story(RUNNING, prices, clock)
    place = bot.post(CHANNEL, messages.run_message(running.seen(status="started")))
    clock.go_on(minutes=1)
    progress = {"expectedNbOfEvents": 125_000, "receivedNbOfEvents": 78_400}
    bot.edit(place, messages.run_message(running.seen(status="started", progress=progress)))


def _photograph(browser: str, url: str) -> None:
    """Draw a page without a window, in UTC, so that the picture is the same everywhere."""
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="runbell-picture-") as profile:
        subprocess.run(
            [
                browser,
                *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
                *("--no-first-run", "--disable-background-networking"),
                *("--disable-component-update", "--disable-sync", "--hide-scrollbars"),
                f"--user-data-dir={profile}",
                "--virtual-time-budget=3000",
                "--force-device-scale-factor=1.5",
                f"--window-size={SIZE}",
                f"--screenshot={PICTURE}",
                url,
            ],
            env={"PATH": os.defpath, "HOME": profile, "TZ": "UTC", "LANG": "en_US.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
            timeout=60,
        )


if __name__ == "__main__":
    sys.exit(main())
