"""A stand-in for Slack: its Web API, an incoming webhook, and a page that shows the channel."""

from local.slack.stand_in import Call, SlackStandIn

__all__ = ["Call", "SlackStandIn"]
