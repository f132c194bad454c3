"""Every message is of the block types that Slack publishes: by their schema and by a compiler.

The schema is held against TypeScript's own compiler where ``make block-types`` has put one.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from local.slack.block_types import SCHEMA, problems

ROOT = Path(__file__).parents[2]
TYPES = ROOT / "local/slack/types"
GALLERY = ROOT / "docs/gallery"
"""Each kind of message, as `make gallery` writes it and tests/unit/test_golden.py has it."""

Block = dict[str, Any]

TEXT = {"type": "mrkdwn", "text": "*failed*", "verbatim": True}
PLAIN = {"type": "plain_text", "text": "Retry", "emoji": True}
BUTTON = {"type": "button", "text": PLAIN, "action_id": "retry", "style": "primary"}
OPTION = {"text": PLAIN, "value": "1"}
PICTURE = {"type": "image", "image_url": "https://example.com/a.png", "alt_text": "a chart"}
RICH = {"type": "rich_text_section", "elements": [{"type": "text", "text": "failed"}]}


def rich(*elements: Block) -> Block:
    return {"type": "rich_text", "elements": [*elements]}


def section(**properties: Any) -> Block:
    return {"type": "section", "text": TEXT, **properties}


def actions(*elements: Any) -> Block:
    return {"type": "actions", "elements": [*elements]}


RIGHT: dict[str, Block] = {
    "a section": section(),
    "a section with all it can have": section(
        fields=[TEXT, PLAIN], accessory=BUTTON, block_id="1", expand=True
    ),
    "a section with an image": section(accessory=PICTURE),
    "a header": {"type": "header", "text": PLAIN},
    "a context": {"type": "context", "elements": [TEXT, PLAIN, PICTURE]},
    "a divider": {"type": "divider"},
    "a button that asks": actions({**BUTTON, "confirm": {"title": PLAIN, "text": TEXT}}),
    "a menu": actions({"type": "static_select", "options": [OPTION], "placeholder": PLAIN}),
    "an overflow menu": section(accessory={"type": "overflow", "options": [OPTION]}),
    "an image": {**PICTURE, "title": PLAIN},
    "an image on Slack": {"type": "image", "alt_text": "a", "slack_file": {"id": "F1"}},
    "rich text": rich(RICH, {"type": "rich_text_list", "style": "bullet", "elements": [RICH]}),
    "a table": {"type": "table", "rows": [[{"type": "raw_text", "text": "1"}, rich(RICH)]]},
    "markdown": {"type": "markdown", "text": "# failed"},
}
WRONG: dict[str, tuple[Block, str, str]] = {
    "an unknown property": (section(colour="red"), "invalid additional property: colour", ""),
    "an unknown property of a text": (
        section(text={**TEXT, "emoji": True}),
        "invalid additional property: emoji",
        "/text",
    ),
    "a text that is a string": (section(text="failed"), "must be an object", "/text"),
    "a text without its type": (
        section(text={"text": "x"}),
        "missing required field: type",
        "/text",
    ),
    "a list that is an object": (section(fields={"0": TEXT}), "must be an array", "/fields"),
    "a field of the wrong type": (
        section(fields=[TEXT, PICTURE]),
        "must be one of plain_text, mrkdwn",
        "/fields/1/type",
    ),
    "a boolean that is a number": (section(expand=1), "must be a boolean", "/expand"),
    "a null": (section(block_id=None), "must be a string", "/block_id"),
    "a header in mrkdwn": ({"type": "header", "text": TEXT}, "must be plain_text", "/text/type"),
    "a header without its text": ({"type": "header"}, "missing required field: text", ""),
    "an unknown style": (
        actions({**BUTTON, "style": "loud"}),
        "must be one of primary, danger",
        "/elements/0/style",
    ),
    "a button without a text": (
        actions(BUTTON, {"type": "button"}),
        "missing required field: text",
        "/elements/1",
    ),
    "an option in mrkdwn in a menu": (
        actions({"type": "static_select", "options": [{"text": TEXT, "value": "1"}]}),
        "must be plain_text",
        "/elements/0/options/0/text/type",
    ),
    "an image without a picture": (
        {"type": "image", "alt_text": "a chart"},
        "must be of one shape: with alt_text and image_url and type,"
        " or with alt_text and slack_file and type",
        "",
    ),
    "rich text that is plain": (
        rich(RICH, {"type": "rich_text_section", "elements": [TEXT]}),
        "must be one of ",
        "/elements/1/elements/0/type",
    ),
    "a block that is an element": (BUTTON, "unsupported type: button", "/type"),
    "a block of no known type": ({"type": "fireworks"}, "unsupported type: fireworks", "/type"),
    "a block without a type": ({"text": TEXT}, "must be an object with a type", ""),
    "a type that is no word": ({"type": ["section"]}, "unsupported type: ['section']", "/type"),
    "a string": ("failed", "must be an object with a type", ""),  # type: ignore[dict-item]
}


def golden() -> dict[str, list[Block]]:
    """The messages of every kind, by file and number."""
    return {
        f"{path.name} {number}": message["blocks"]
        for path in sorted(GALLERY.glob("*.json"))
        for number, message in enumerate(json.loads(path.read_text())["messages"], start=1)
    }


# ---- By the schema --------------------------------------------------------------------------


def test_every_message_is_of_slacks_types() -> None:
    found = golden()
    assert len(found) > len([*GALLERY.glob("*.json")]) > 0
    for name, blocks in found.items():
        assert [*problems(blocks)] == [], name


@pytest.mark.parametrize("block", RIGHT.values(), ids=RIGHT.keys())
def test_what_slacks_types_allow_passes(block: Block) -> None:
    assert [*problems([block])] == []


@pytest.mark.parametrize(("block", "words", "place"), WRONG.values(), ids=WRONG.keys())
def test_what_they_do_not_allow_is_named_with_its_place(
    block: Block, words: str, place: str
) -> None:
    ((said, where),) = problems([RIGHT["a divider"], block])
    assert said.startswith(words)
    assert where == f"/1{place}"


def test_an_image_has_one_picture() -> None:
    # The compiler lets both pass, as it knows no "either"; Slack does not.
    (problem,) = problems([{**PICTURE, "slack_file": {"id": "F1"}}])
    assert problem[1] == "/0"


def test_each_block_that_is_wrong_is_named() -> None:
    found = [*problems([section(a=1), section(), section(b=2)])]
    assert found == [
        ("invalid additional property: a", "/0"),
        ("invalid additional property: b", "/2"),
    ]


def test_the_schema_says_the_same_to_another_validator() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    assert [name for name, block in RIGHT.items() if not validator.is_valid(block)] == []
    assert [name for name, (block, *_) in WRONG.items() if validator.is_valid(block)] == []


# ---- By TypeScript's compiler ---------------------------------------------------------------


def is_installed() -> bool:
    """Whether Node is there, and the packages in the versions that are wanted."""
    wanted = json.loads((TYPES / "package.json").read_text())["dependencies"]
    packages = {name: TYPES / "node_modules" / name / "package.json" for name in wanted}
    return shutil.which("node") is not None and all(
        path.exists() and json.loads(path.read_text())["version"] == wanted[name]
        for name, path in packages.items()
    )


def by_compiler(test: Callable[..., None]) -> Callable[..., None]:
    """A test that is reported as not run where there is no compiler."""
    reason = "not run: `make block-types` installs TypeScript's compiler; it needs Node.js"
    return test if is_installed() else pytest.mark.skip(reason=reason)(test)


@pytest.fixture
def node() -> Callable[..., str]:
    """Runs Node with these arguments in the folder of Slack's types, and gives what it prints."""

    def run(*arguments: str | Path) -> str:
        done = subprocess.run(
            ["node", *arguments],
            cwd=TYPES,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0 or done.stdout, done.stderr
        return done.stdout

    return run


def refused_by_compiler(
    node: Callable[..., str], folder: Path, every: Iterable[list[Block]]
) -> set[int]:
    """The numbers of those that are no ``KnownBlock[]``, written as literals."""
    for number, blocks in enumerate(every):
        (folder / f"message{number}.ts").write_text(
            "import type { KnownBlock } from '@slack/types';\n"
            f"export const blocks: KnownBlock[] = {json.dumps(blocks, indent=1)};\n"
        )
    files = [path.name for path in folder.glob("*.ts")]
    project = {"extends": str(TYPES / "tsconfig.json"), "files": files}
    (folder / "tsconfig.json").write_text(json.dumps(project))
    said = node(TYPES / "node_modules/typescript/bin/tsc", "--project", folder, "--pretty", "false")
    complaints = [line for line in said.splitlines() if not line.startswith(" ")]
    places = [re.search(r"message(\d+)\.ts\(\d+,\d+\): error", line) for line in complaints]
    assert all(places), said
    return {int(place[1]) for place in places if place}


@by_compiler
def test_every_message_compiles_and_what_the_schema_refuses_does_not(
    node: Callable[..., str], tmp_path: Path
) -> None:
    wrong = {name: [block] for name, (block, *_) in WRONG.items()}
    right = {name: [block] for name, block in RIGHT.items()} | golden()
    every = right | wrong
    refused = refused_by_compiler(node, tmp_path, every.values())
    assert len(every) == len(right) + len(wrong)
    assert {name for number, name in enumerate(every) if number in refused} == {*wrong}


@by_compiler
def test_the_schema_is_what_slacks_types_make(node: Callable[..., str], tmp_path: Path) -> None:
    node("schema.mjs", tmp_path / "made.json")
    assert (tmp_path / "made.json").read_text() == SCHEMA.read_text()
