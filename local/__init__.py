"""Runbell on one machine: stand-ins for the services it talks to."""
