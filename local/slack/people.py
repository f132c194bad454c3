"""The team of the stand-in for Slack, and the people in it."""

TEAM = "T0STANDIN"
DOMAIN = "stand-in"
PEOPLE = {"U0ANNA1": "anna", "U0BEN22": "ben", "U0CARLA": "carla"}
"""Their names by their user ids; a user who is not among them has their id for a name."""


def name_of(user: str) -> str:
    """What a user is called."""
    return PEOPLE.get(user, user.lower())
