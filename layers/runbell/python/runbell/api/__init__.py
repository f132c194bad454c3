"""The HTTP API's contract and how its answers look."""
