"""Runbell tells a team on Slack what happens to their Algolia ingestion runs."""

__version__ = "0.1.0"
