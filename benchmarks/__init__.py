"""Measures of Runbell beside what one would write instead; `python -m benchmarks` runs them."""
