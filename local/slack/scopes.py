"""What a bot's token may do in the stand-in for Slack: its scopes."""

from local.slack.limits import SlackRefusalError

DEFAULT = "chat:write,channels:history,channels:read"
POST_ANYWHERE = "chat:write.public"
NEEDED = {
    "chat.postMessage": "chat:write",
    "chat.postEphemeral": "chat:write",
    "chat.update": "chat:write",
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
    "conversations.info": "channels:read",
}


class MissingScopeError(SlackRefusalError):
    """Slack's no to a token without the scope that a method needs."""

    def __init__(self, needed: str, provided: str) -> None:
        super().__init__("missing_scope")
        self.needed = needed
        self.provided = provided


def read_scopes(scopes: str) -> frozenset[str]:
    """The scopes in a list with commas, as Slack writes it."""
    return frozenset(scope.strip() for scope in scopes.split(",") if scope.strip())


def check_scope(method: str, scopes: str) -> None:
    """Raise MissingScopeError unless the scopes allow the method."""
    needed = NEEDED.get(method)
    if needed and needed not in read_scopes(scopes):
        raise MissingScopeError(needed, scopes)
