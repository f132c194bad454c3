"""What is wrong with a value that is not as the contract describes it, in words.

A value is never repeated: somebody may have put a key where it does not belong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from runbell.text import clip

if TYPE_CHECKING:
    from fastjsonschema import JsonSchemaValueException

LONGEST_NAME = 80
"""Characters of a member's name that an answer repeats."""

_KINDS = {
    "string": "a text",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
}


def said_of(error: JsonSchemaValueException) -> str:
    """Say what is wrong and what is expected, in words that go on after the value's place."""
    say = _SAYINGS.get(str(error.rule))
    if say is not None:
        return say(error.value, error.definition)
    return str(error.message).removeprefix(str(error.name)).strip()


def _type(_: object, schema: Mapping[str, Any]) -> str:
    return f"must be {_KINDS[schema['type']]}"


def _form(_: object, schema: Mapping[str, Any]) -> str:
    return f"must be written like {' or '.join(schema['examples'])}"


def _enum(_: object, schema: Mapping[str, Any]) -> str:
    return f"must be one of {', '.join(schema['enum'])}"


def _required(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    return f"lacks {', '.join(name for name in schema['required'] if name not in value)}"


def _members(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    known, forms = schema.get("properties", {}), schema.get("patternProperties", {})
    name = next(
        name
        for name in value
        if name not in known and not any(re.fullmatch(form, name) for form in forms)
    )
    wanted = f"it takes {', '.join(known)}" if known else "letters, digits and ._~:- make an ID"
    return f"has the unknown name {clip(repr(name), LONGEST_NAME)}: {wanted}"


_SAYINGS: Mapping[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "type": _type,
    "format": _form,
    "pattern": _form,
    "enum": _enum,
    "required": _required,
    "additionalProperties": _members,
    "propertyNames": _members,
}
