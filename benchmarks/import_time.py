"""How long a function's module takes to import, beside the peer's.

Run it with `python -m benchmarks.import_time`.

Each import happens in an interpreter of its own, by turns ours and the peer's, so that what else
the machine does falls on both. Bytecode is compiled before the first round, as the warm-up.

This is what Lambda does before a function can take its first event, and no more than that: Runbell
imports the vendors' clients with the first event that needs them, and the peer imports them at the
top. What the first event then costs is the cold start's measure.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.table import Row, keep, show

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "layers" / "runbell" / "python"
PEER = ROOT / "benchmarks" / "peer"
FUNCTIONS = ("poll", "api", "notify")

ROUNDS = 15
GOAL = 0.50
"""A function's module imports in half the peer's time or less."""

CHILD = """
import importlib, json, time
start = time.perf_counter()
importlib.import_module("app")
print(json.dumps(time.perf_counter() - start))
"""


@dataclass(frozen=True)
class Start:
    """One start of an interpreter: the import alone and the whole process, in milliseconds."""

    importing: float
    process: float


def measure() -> list[Row]:
    """Import each function and the peer by turns, and compare."""
    with tempfile.TemporaryDirectory() as bytecode:
        return [_compare(name, bytecode) for name in FUNCTIONS]


def bare_interpreter() -> float:
    """The milliseconds in which an interpreter starts and ends that imports nothing of ours."""
    with tempfile.TemporaryDirectory() as bytecode:
        times = [_run("print(0)", _environment(bytecode)).process for _ in range(ROUNDS + 1)]
    return median(times[1:])


def main() -> int:
    """Measure, print and keep; answer 1 if a goal is missed."""
    rows = measure()
    bare = bare_interpreter()
    remark = f"for reference, the bare interpreter starts and ends in {bare:.1f} ms"
    print(show("import", rows, [remark]))
    keep(
        "import_time",
        rows,
        {"python": platform.python_version(), "rounds": ROUNDS, "bare_interpreter": round(bare, 3)},
    )
    return 0 if all(row.is_met for row in rows) else 1


def _compare(name: str, bytecode: str) -> Row:
    ours = _environment(bytecode, ROOT / "functions" / name, PACKAGE)
    peer = _environment(bytecode, PEER)
    for environment in (ours, peer):
        _run(CHILD, environment)  # compiles the bytecode
    pairs = []
    for number in range(ROUNDS):
        print(f"\rimporting {name}: {number + 1} of {ROUNDS}", end="", file=sys.stderr, flush=True)
        pairs.append((_run(CHILD, ours).importing, _run(CHILD, peer).importing))
    print(file=sys.stderr)
    ratios = [one / other for one, other in pairs]
    mine, theirs = median(one for one, _ in pairs), median(other for _, other in pairs)
    return Row(
        name=f"functions/{name}",
        unit="ms",
        ours=round(mine, 3),
        peer=round(theirs, 3),
        ratio=round(mine / theirs, 4),
        lowest=round(min(ratios), 4),
        highest=round(max(ratios), 4),
        goal=GOAL,
    )


def _environment(bytecode: str, *path: Path) -> Mapping[str, str]:
    """An environment without any setting of a function, since importing needs none."""
    return {
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONPYCACHEPREFIX": bytecode,
        "PYTHONSAFEPATH": "1",  # else an app.py where one stands would be imported instead
    }


def _run(program: str, environment: Mapping[str, str]) -> Start:
    started = time.perf_counter()
    child = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    process = time.perf_counter() - started
    if child.returncode:
        raise SystemExit(f"the import failed:\n{child.stderr}")
    return Start(importing=json.loads(child.stdout) * 1000, process=process * 1000)


if __name__ == "__main__":
    sys.exit(main())
