"""Runs every measure: `python -m benchmarks`, or `make bench`."""

from __future__ import annotations

import sys

from benchmarks import import_time

MEASURES = (import_time.main,)

sys.exit(max([measure() for measure in MEASURES]))
