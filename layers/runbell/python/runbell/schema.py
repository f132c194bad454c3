"""Which form the items of the table have, and which release may read and write one.

Every write puts the number of its own release on the item. The number says who may read it, not
when each attribute was written: an update leaves the other attributes as an earlier release has
written them, so whoever raises the number goes on reading both forms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from runbell.errors import NewerItemError

if TYPE_CHECKING:
    from boto3.dynamodb.conditions import ConditionBase

SCHEMA = 1
"""What this release writes and reads. It is raised with a release whose items an earlier one would
misread or spoil; an attribute more, which an earlier one can do without, raises nothing."""

ATTRIBUTE = "schema"
"""Where an item holds it; releases before the first number have written none."""


def check_readable(item: Mapping[str, Any], known: int) -> None:
    """Refuse an item of a later form.

    Raises:
        NewerItemError: It is of one.
    """
    found = int(item.get(ATTRIBUTE, 0))
    if found > known:
        raise NewerItemError(str(item.get("pk", "")), found, known)


def is_readable(known: int) -> ConditionBase:
    """That an item is not there, or of a form that is known."""
    from boto3.dynamodb.conditions import Attr

    attribute = Attr(ATTRIBUTE)
    return attribute.not_exists() | attribute.lte(known)
