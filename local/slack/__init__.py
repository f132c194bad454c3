"""A stand-in for Slack: its Web API, webhook and interactions, and a page with the channel."""

from local.slack.interactions import Press
from local.slack.message import Message
from local.slack.stand_in import Call, SlackStandIn

__all__ = ["Call", "Message", "Press", "SlackStandIn"]
