"""Runs every measure, or those that are named: `python -m benchmarks`, or `make bench`.

All of them are to take no more than ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

MEASURES = ("cold_start", "tick", "busy_tick", "fast_polling", "notify", "cost", "scale")


def main() -> int:
    """Run them one after the other, each in a process of its own; answer 1 if a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=", ".join(MEASURES))
    named = parser.parse_args().measures or MEASURES
    for name in named:
        if name not in MEASURES:
            parser.error(f"{name} is none of {', '.join(MEASURES)}")
    missed, start = [], time.monotonic()
    for name in named:
        began = time.monotonic()
        print(f"\n{name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            missed.append(name)
        print(f"({time.monotonic() - began:.0f} s)", flush=True)
    print(f"\n{time.monotonic() - start:.0f} s in all", end="")
    print(f"\nnot as it is to be: {', '.join(missed)}" if missed else "\nall as it is to be")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
