"""A season of many tasks' runs, played to Runbell, and an oracle that knows what must be told.

What must be told is computed from the script and the moments of the ticks alone, by none of
Runbell's own code.
"""

from local.season.oracle import Told, expected
from local.season.play import play
from local.season.script import Script, Tick, Way
from local.season.verdict import Verdict, verdict
from local.season.writing import write

__all__ = ["Script", "Tick", "Told", "Verdict", "Way", "expected", "play", "verdict", "write"]
