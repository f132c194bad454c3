"""The fault campaign: a deployed Runbell among vendors and an AWS that fail at random."""
