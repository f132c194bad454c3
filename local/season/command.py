"""Plays seasons side by side: `python -m local season`."""

from __future__ import annotations

import logging
import signal
import sys
import time
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

from local.aws import ROOT

SIDE_BY_SIDE = 2
UNDISTURBED = 4
"""Of so many seeds one is played without disturbances."""

MOST_DIFFERENCES = 20
"""Differences of one seed that are printed."""


@dataclass(frozen=True)
class Result:
    """What a seed's season comes to, in plain values that go from process to process."""

    line: str
    differences: tuple[str, ...]
    announcements: int
    answers: int


def season(tasks: int, seeds: int, first_seed: int) -> int:
    """Play a season for each of some seeds; 1 if Runbell told other things than it had to."""
    began = time.monotonic()
    wrong = announcements = answers = 0
    # A new interpreter for each worker: threads and clients don't survive a fork.
    with get_context("spawn").Pool(SIDE_BY_SIDE, _end_in_order) as workers:
        results = workers.imap_unordered(
            partial(season_of, tasks), range(first_seed, first_seed + seeds)
        )
        for number, result in enumerate(results, 1):
            print(f"{result.line}  [{number}/{seeds}]", flush=True)
            for difference in result.differences[:MOST_DIFFERENCES]:
                print(f"  {difference}")
            if len(result.differences) > MOST_DIFFERENCES:
                print(f"  and {len(result.differences) - MOST_DIFFERENCES} more")
            wrong += bool(result.differences)
            announcements += result.announcements
            answers += result.answers
        workers.close()
        workers.join()
    print(
        f"season: {seeds} seeds, {wrong} with differences, {announcements:,} announcements, "
        f"{answers:,} answers accepted by the official client, {time.monotonic() - began:.0f} s"
    )
    return 1 if wrong else 0


def season_of(tasks: int, seed: int) -> Result:
    """Play one seed's season; every other one as a bot, the rest through a webhook."""
    sys.path.insert(0, str(ROOT / "layers" / "runbell" / "python"))
    logging.disable(logging.CRITICAL)
    from local.aws import LocalAws
    from local.season.accepted import accepted
    from local.season.oracle import AmbiguousScriptError, expected, total
    from local.season.play import play
    from local.season.verdict import verdict
    from local.season.writing import write

    script = write(seed, tasks=tasks, disturbed=seed % UNDISTURBED != 1)
    try:
        expected(script)
    except AmbiguousScriptError as error:
        why = f"season: seed {seed}: NOT PLAYED, its script has no one right answer ({error})"
        return Result(why, (f"seed {seed} was not played",), 0, 0)
    with LocalAws() as aws:
        played = play(script, aws, is_bot=seed % 2 == 1)
    found, answers = verdict(script, played), accepted(played.answers)
    return Result(
        f"{found.line}, {answers.count:,} answers accepted by the official client",
        (*found.differences, *(f"seed {seed}: {each}" for each in answers.refused)),
        total(played.told),
        answers.count,
    )


def _end_in_order() -> None:
    """Let a worker that is told to end close its local AWS first."""

    def end(*_: object) -> None:
        sys.exit(1)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
