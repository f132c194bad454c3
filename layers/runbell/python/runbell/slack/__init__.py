"""How announcements look on Slack and how they get there."""
