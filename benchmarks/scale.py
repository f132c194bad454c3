"""A great many changes through the parts that hold the state, and what came of each.

Run it with `python -m benchmarks.scale`, and with `--changes 1000000` for the million that
docs/performance.md shows beside it; that takes a quarter of an hour. It needs no network: table,
queue and Slack are in memory. Each half is played in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import logging
import resource
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from local.aws import ROOT

sys.path.insert(0, str(ROOT / "layers" / "runbell" / "python"))

from benchmarks import page
from benchmarks.table import RESULTS, keep
from local.simulated.multitude import Multitude, Played

PROCESSES = 2
USUAL, MILLION = 100_000, 1_000_000

SHOWN = 20
"""Faults that are printed; of more only the number."""

INJECTED = ("races", "doubled looks", "late looks", "doubled words", "kills", "hidden posts")
DONE = ("changes", "commits", "posts", "edits", "words", "table calls", "duplicates")

SHOWN_AS = {
    "changes": "changes",
    "commits": "committed, each once",
    "lost": "lost",
    "wrong": "told wrongly, or out of order",
    "races": "lost races",
    "doubled_looks": "looks doubled",
    "late_looks": "looks that came late",
    "doubled_words": "words doubled",
    "kills": "processes killed",
    "hidden_posts": "posts hidden from the one who looks for them",
    "duplicates": "told twice, each of them one of those",
    "seconds": "seconds, two processes on two cores",
}
"""What the page shows, in its words."""


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


def kept_as(changes: int) -> str:
    """The name of a play among the results, so that a shorter one does not replace the million."""
    return "scale_million" if changes >= MILLION else "scale"


def in_words(results: Mapping[str, Any]) -> str:
    """The page's table: the usual play and the million, as far as they were kept."""
    plays = [results[name] for name in ("scale", "scale_million") if name in results]
    return page.table(
        ["", *(f"{play['changes']:,}" for play in plays)],
        (
            [words, *(f"{play[fact]:,}" for play in plays)]
            for fact, words in SHOWN_AS.items()
            if fact != "changes"
        ),
    )


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
        kept_as(changes),
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
    page.put("scale", in_words(json.loads(RESULTS.read_text("utf-8"))))
    return 1 if lost or played.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
