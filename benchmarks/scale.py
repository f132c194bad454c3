"""A million changes through the parts that hold the state, and what came of each.

Run it with `python -m benchmarks.scale`, or with `--changes 100000` for a tenth of it. It needs no
network: table, queue and Slack are in memory. Each half is played in a process of its own.
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from local.aws import ROOT

sys.path.insert(0, str(ROOT / "layers" / "runbell" / "python"))

from benchmarks.table import keep
from local.simulated.multitude import Multitude, Played

PROCESSES = 2
USUAL = 1_000_000

SHOWN = 20
"""Faults that are printed; of more only the number."""

INJECTED = ("races", "doubled looks", "late looks", "doubled words", "kills", "hidden posts")
DONE = ("changes", "commits", "posts", "edits", "words", "table calls", "duplicates")


def play(seed: int, share: int) -> Played:
    """Play a share of the changes; the first process says how far it is."""
    logging.getLogger("runbell").setLevel(logging.CRITICAL)
    multitude = Multitude(seed)
    began, said = time.monotonic(), 0
    for changes in multitude.play(share):
        if seed == 1 and changes >= said + 10_000:
            said = changes
            rate = changes / (time.monotonic() - began)
            print(f"\r{changes:,} changes, {rate:,.0f} a second", end="", file=sys.stderr)
    multitude.played.counts["megabytes"] = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    )
    return multitude.played


def measure(changes: int) -> tuple[Played, float]:
    """Play so many changes; answers with the seconds it took, too."""
    share = -(-changes // PROCESSES)
    began = time.monotonic()
    total = Played()
    with ProcessPoolExecutor(PROCESSES) as pool:
        for played in pool.map(play, range(1, PROCESSES + 1), [share] * PROCESSES):
            total.add(played)
    return total, time.monotonic() - began


def main() -> int:
    """Play, print and keep; answer 1 if anything is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--changes", type=int, default=USUAL, help="how many (%(default)s)")
    changes = parser.parse_args().changes
    if changes < 1:
        parser.error("there is nothing to play without a change")
    played, seconds = measure(changes)
    counts = played.counts
    print(f"\n{counts['changes']:,} changes in {seconds:.0f} s, {PROCESSES} processes")
    print("done: " + ", ".join(f"{counts[name]:,} {name}" for name in DONE))
    print("on purpose: " + ", ".join(f"{counts[name]:,} {name}" for name in INJECTED))
    for word in played.wrong[:SHOWN]:
        print(word)
    lost = counts["changes"] - counts["commits"]
    print(
        f"{lost} lost, {len(played.wrong)} wrong, "
        f"{counts['duplicates']} duplicates of {counts['hidden posts']} made possible"
    )
    facts: dict[str, Any] = {name.replace(" ", "_"): counts[name] for name in (*DONE, *INJECTED)}
    keep(
        "scale",
        [],
        facts
        | {
            "seconds": round(seconds),
            "processes": PROCESSES,
            "lost": lost,
            "wrong": len(played.wrong),
            "megabytes": counts["megabytes"],
        },
    )
    return 1 if lost or played.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
