"""Whether blocks are of the types that Slack publishes for them, npm's ``@slack/types``.

``block_types.json`` is their JSON Schema; ``make block-types`` makes it. Slack refuses more than
what is of the wrong type: the limits are in ``limits.py``.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import fastjsonschema

SCHEMA = Path(__file__).with_suffix(".json")

Problem = tuple[str, str]
"""What is wrong, and the JSON pointer to it from the list of blocks."""


def problems(blocks: Sequence[object]) -> Iterator[Problem]:
    """Say of each block that is of none of Slack's types what is first wrong with it, and where."""
    for number, block in enumerate(blocks):
        match block:
            case {"type": str(name)} if name in _schemas():
                yield from _first_problem(block, name, f"/{number}")
            case {"type": name}:
                yield f"unsupported type: {name}", f"/{number}/type"
            case _:
                yield "must be an object with a type", f"/{number}"


def _first_problem(block: object, name: str, at: str) -> Iterator[Problem]:
    try:
        _validator(name)(block)
    except fastjsonschema.JsonSchemaValueException as error:
        yield _words(error), "/".join([at, *error.path[1:]])


def _words(error: fastjsonschema.JsonSchemaValueException) -> str:
    """What is wrong with a value, as Slack would say it."""
    match error.rule, error.rule_definition:
        case "additionalProperties", _:
            unknown = sorted(set(error.value) - set(error.definition["properties"]))
            return f"invalid additional property: {', '.join(unknown)}"
        case "required", names:
            missing = [name for name in names if name not in error.value]
            return f"missing required field: {', '.join(missing)}"
        case "type", kind:
            return f"must be {'an' if kind[0] in 'aeiou' else 'a'} {kind}"
        case "const", only:
            return f"must be {only}"
        case "enum", allowed:
            return f"must be one of {', '.join(map(str, allowed))}"
        case "anyOf", shapes:
            needs = [" and ".join(shape.get("required", ())) for shape in shapes]
            return f"must be of one shape: with {', or with '.join(filter(None, needs))}"
        case _:
            return str(error.message).removeprefix(f"{error.name} ")


@cache
def _whole() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(SCHEMA.read_text())
    return schema


@cache
def _schemas() -> dict[str, dict[str, Any]]:
    """The schema of each type of block, by the type's name."""
    return {each["if"]["properties"]["type"]["const"]: each["then"] for each in _whole()["allOf"]}


@cache
def _validator(name: str) -> Callable[[object], object]:
    # Each type by itself and when it is first met: all of them take a second.
    schema = {"definitions": _whole()["definitions"], **_schemas()[name]}
    validator: Callable[[object], object] = fastjsonschema.compile(schema)
    return validator
