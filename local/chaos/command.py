"""`make chaos`: seeds played side by side, what failed in each, and the four numbers."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from local.aws import LocalAws
from local.chaos.campaign import AWAY, LAST_TICKS, RECEIVES, VISIBILITY, Campaign, Outcome
from local.chaos.oracle import Verdict
from local.running import step
from local.stack import build

MOST_COMPLAINTS = 20


def chaos(seeds: Sequence[int], changes: int, rate: float) -> int:
    """Play seeds side by side, each in a process and on a local AWS of its own.

    Returns:
        0 when every promise was kept, else 1.
    """
    began = time.monotonic()
    with step("building the template with SAM"):
        build()
    print(
        f"\n{len(seeds)} seeds of {changes:,} changes each, side by side; {rate:.0%} of all calls "
        f"to Algolia and Slack fail.\nOther than in the template: a message of the queue that its "
        f"taker leaves is back after {VISIBILITY} s,\nthe queue gives up after {RECEIVES} tries, "
        "and the campaign makes the ticks, back to back.\n",
        flush=True,
    )
    with tempfile.TemporaryDirectory(prefix="runbell-chaos-") as folder:
        command = [sys.executable, "-m", "local", "chaos", "--into", folder]
        command += ["--changes", str(changes), "--rate", str(rate)]
        players = [subprocess.Popen([*command, "--seed", str(seed)]) for seed in seeds]
        try:
            for player in players:
                player.wait()
        finally:
            for player in players:  # after a Ctrl-C; each ends its local AWS
                player.terminate()
                player.wait()
        outcomes = [*map(read, sorted(Path(folder).iterdir()))]
    for outcome in outcomes:
        print(f"\n{report(outcome)}")
    broken = set(seeds) - {outcome.seed for outcome in outcomes if outcome.is_right}
    print(f"\nchaos: {total(outcomes)}; {time.monotonic() - began:.0f} s")
    for seed in sorted(broken):
        again = f"--seed {seed} --changes {changes} --rate {rate:.3f}"
        print(f"chaos: seed {seed} has broken a promise; again: make chaos ARGS='{again}'")
    return 1 if broken else 0


def play_one(seed: int, changes: int, rate: float, *, away: float = AWAY) -> Outcome:
    """Play one seed on a local AWS of its own; the template is built already."""
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"  seed {seed}, {time.monotonic() - began:3.0f} s: {line}", flush=True)

    with LocalAws() as aws:
        return Campaign(seed, changes, rate, say, away=away).play(aws)


def write(outcome: Outcome, folder: str) -> None:
    """Leave an outcome for whoever has started this process."""
    document = json.dumps(dataclasses.asdict(outcome))
    Path(folder, f"{outcome.seed:09}.json").write_text(document, "utf-8")


def read(file: Path) -> Outcome:
    """Read an outcome that was left."""
    document = json.loads(file.read_text("utf-8"))
    verdict = document["verdict"]
    document["verdict"] = Verdict(**verdict | {"complaints": tuple(verdict["complaints"])})
    document["complaints"] = tuple(document["complaints"])
    return Outcome(**document)


def report(outcome: Outcome) -> str:
    """An outcome in words: the faults by kind, the four numbers, and what is wrong."""
    verdict, seed = outcome.verdict, outcome.seed
    lines = [f"seed {seed}: faults by kind, and what else there was"]
    lines += [f"  {times:6,}  {name}" for name, times in sorted(outcome.faults.items())]
    lines += [
        f"seed {seed}: {outcome.failed:,} of {outcome.calls:,} calls to Algolia and Slack failed",
        f"seed {seed}: {verdict}; all was out {outcome.ticks} ticks after the faults (at most "
        f"{LAST_TICKS}); {outcome.seconds:.0f} s",
    ]
    lines += [f"  BROKEN: {complaint}" for complaint in outcome.complaints[:MOST_COMPLAINTS]]
    if len(outcome.complaints) > MOST_COMPLAINTS:
        lines.append(f"  … and {len(outcome.complaints) - MOST_COMPLAINTS} more")
    return "\n".join(lines)


def total(outcomes: Sequence[Outcome]) -> Verdict:
    """The four numbers of all seeds together."""
    verdicts = [outcome.verdict for outcome in outcomes]
    return Verdict(
        sum(verdict.changes for verdict in verdicts),
        sum(verdict.announced for verdict in verdicts),
        sum(verdict.duplicates for verdict in verdicts),
        sum(verdict.allowed for verdict in verdicts),
        sum(verdict.out_of_order for verdict in verdicts),
    )
