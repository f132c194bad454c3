"""Where a quiet tick's CPU time goes: `make profile`.

The parts are timed by a clock around each, without a profiler, which would make what calls many
small functions look dear.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import page
from benchmarks.stage import Artifacts, stage
from benchmarks.tick import AGE, know, lives_of, settle
from benchmarks.warm_process import Place, WarmFunction

TICKS = 300
KNOWN = 1_000

REST = "Runbell's own code and the rest"
PARTS: Mapping[str, Sequence[Place]] = {
    "DynamoDB's client: 3 calls": [("runbell.table", "Table", "_try")],
    "DynamoDB's items and conditions, written and read": [
        ("runbell.table", "Table", "get"),
        ("runbell.table", "Table", "query"),
    ],
    "HTTP to Algolia: 1 request": [("runbell.algolia", "IngestionClient", "_send")],
    "JSON of the page": [("runbell.algolia_answers", "", "_json")],
    "digests of its 100 rows": [("runbell.discovery", "Row", "of")],
    "log and metrics": [
        ("aws_lambda_powertools.logging.logger", "Logger", "info"),
        ("aws_lambda_powertools.logging.logger", "Logger", "append_keys"),
        ("aws_lambda_powertools.logging.logger", "Logger", "structure_logs"),
        ("runbell.metering", "Meter", "flush"),
    ],
}


def measure() -> dict[str, float]:
    """The milliseconds of CPU time of each part of a quiet tick."""
    with tempfile.TemporaryDirectory() as folder, stage() as surroundings:
        artifacts = Artifacts(Path(folder) / "code")
        environment = surroundings.ours()
        surroundings.algolia.play(*lives_of(KNOWN), start=time.time() - AGE)
        know(surroundings, environment["TABLE_NAME"])
        with WarmFunction(artifacts.ours("poll"), environment) as ours:
            settle(ours)
            return ours.profile({"connection": "default"}, TICKS, PARTS, REST)


def main() -> int:
    """Measure, print, and write into the page."""
    parts = measure()
    whole = sum(parts.values())
    lines = [
        [name, f"{cpu:.2f}", f"{cpu / whole:.0%}"]
        for name, cpu in sorted(parts.items(), key=lambda each: -each[1])
    ]
    drawn = page.table(["part", "ms of CPU", "share"], [*lines, ["all", f"{whole:.2f}", "100%"]])
    print(drawn)
    page.put("profile", drawn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
