"""A season of many tasks' runs, played to Runbell, and an oracle that knows what must be told.

What must be told is computed from the script and the moments of the ticks alone, by none of
Runbell's own code.
"""
