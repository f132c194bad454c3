"""What Slack refuses in a message, checked as strictly as Slack checks it.

First the types, as Slack publishes them, then the limits that Slack documents:
https://docs.slack.dev/reference/block-kit.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from local.slack import block_types

TEXT_KEPT = 40_000
UPDATED_TEXT = 4_000
BLOCKS = 50
ALL_BLOCKS = 13_200

Block = dict[str, Any]
Check = Callable[[Any, str], Iterator[str]]
"""Yields what is wrong with a value of the right type, given it and the JSON pointer to it."""


class SlackRefusalError(Exception):
    """Slack's no to a request: its error code, and what it says about the reason.

    ``retry_after`` is in seconds; a refusal that has it is answered with a 429.
    """

    def __init__(self, error: str, *details: str, retry_after: int | None = None) -> None:
        super().__init__(error, *details)
        self.error = error
        self.details = details
        self.retry_after = retry_after


def check_content(text: object, blocks: object) -> tuple[str, list[Block]]:
    """The text and the blocks of a message that Slack would post, either of them optional.

    Raises SlackRefusalError with ``invalid_arguments``, ``invalid_blocks_format``,
    ``invalid_blocks``, ``msg_blocks_too_long`` or ``no_text``.
    """
    if not isinstance(text, str | None):
        raise SlackRefusalError("invalid_arguments", "text must be a string")
    checked = check_blocks([] if blocks is None else blocks)
    if not text and not checked:
        raise SlackRefusalError("no_text")
    return (text or "")[:TEXT_KEPT], checked


def check_blocks(blocks: object) -> list[Block]:
    """The blocks, when each is of Slack's types and they keep its limits, alone and together."""
    if not isinstance(blocks, list):
        raise SlackRefusalError("invalid_blocks_format")
    problems = [_problem(words, f"/blocks{at}") for words, at in block_types.problems(blocks)]
    # A block of the wrong type cannot be measured.
    problems = problems or [*_past_limits(blocks)]
    if problems:
        raise SlackRefusalError("invalid_blocks", *problems)
    # Slack does not say what it counts. The written JSON is the most it can be, so what
    # passes here passes there.
    if len(json.dumps(blocks, ensure_ascii=False, separators=(",", ":"))) > ALL_BLOCKS:
        raise SlackRefusalError("msg_blocks_too_long")
    return blocks


def _past_limits(blocks: list[Block]) -> Iterator[str]:
    yield from several(0, BLOCKS, BLOCK)(blocks, "/blocks")
    for name in _repeated(block.get("block_id") for block in blocks):
        yield _problem(f"block_id {name} already exists", "/blocks")


def _repeated(names: Iterable[object]) -> Iterator[object]:
    counted = Counter(name for name in names if name is not None)
    return (name for name, count in counted.items() if count > 1)


def check_metadata(metadata: object) -> dict[str, Any] | None:
    """The metadata of a message: an event type with its payload, or nothing."""
    if metadata is None or metadata == {}:
        return None
    if isinstance(metadata, dict):
        match metadata:
            case {"event_type": str(), "event_payload": dict()} if len(metadata) == 2:
                return metadata
    raise SlackRefusalError("invalid_metadata_format")


def _problem(words: str, at: str) -> str:
    return f"[ERROR] {words} [json-pointer:{at}]"


def string(limit: int) -> Check:
    def check(value: str, at: str) -> Iterator[str]:
        if not value:
            yield _problem("must be more than 0 characters", at)
        elif len(value) > limit:
            yield _problem(f"must be less than {limit + 1} characters", at)

    return check


def several(fewest: int, most: int, item: Check) -> Check:
    def check(values: Sequence[Any], at: str) -> Iterator[str]:
        if len(values) < fewest:
            yield _problem(f"no fewer than {fewest} items allowed", at)
        if len(values) > most:
            yield _problem(f"no more than {most} items allowed", at)
        for i, value in enumerate(values):
            yield from item(value, f"{at}/{i}")

    return check


def each(
    limits: Mapping[str, Check],
    *,
    required: Sequence[str] = (),
    any_of: Sequence[str] = (),
    one_of: Sequence[str] = (),
) -> Check:
    """An object whose properties keep these limits.

    Beyond its type it has what is ``required``, something of ``any_of`` and just one of ``one_of``.
    """

    def check(value: Block, at: str) -> Iterator[str]:
        for name in required:
            if name not in value:
                yield _problem(f"missing required field: {name}", at)
        if any_of and not any(name in value for name in any_of):
            yield _problem(f"missing required field: {' or '.join(any_of)}", at)
        if one_of and sum(name in value for name in one_of) != 1:
            yield _problem(f"must have just one of {', '.join(one_of)}", at)
        for name, limit in limits.items():
            if name in value:
                yield from limit(value[name], f"{at}/{name}")

    return check


def by_type(**checks: Check) -> Check:
    """An object whose ``type`` says which limits it keeps; of another type it is refused."""

    def check(value: Block, at: str) -> Iterator[str]:
        if value["type"] in checks:
            yield from checks[value["type"]](value, at)
        else:
            yield _problem(f"unsupported type: {value['type']}", f"{at}/type")

    return check


def with_own_actions(elements: Check) -> Check:
    """Elements of which no two have the same action_id."""

    def check(values: list[Block], at: str) -> Iterator[str]:
        yield from elements(values, at)
        for name in _repeated(value.get("action_id") for value in values):
            yield _problem(f"action_id {name} already exists", at)

    return check


def text(limit: int) -> Check:
    return each({"text": string(limit)})


CONFIRM = each(
    {"title": text(100), "text": text(300), "confirm": text(30), "deny": text(30)},
    required=("title", "confirm", "deny"),
)


def element(limits: Mapping[str, Check], *, one_of: Sequence[str] = ()) -> Check:
    """What people press or choose from, with the limits that all such elements have."""
    common = {"action_id": string(255), "confirm": CONFIRM, "placeholder": text(150)}
    return each({**common, **limits}, one_of=one_of)


def block(limits: Mapping[str, Check], *, any_of: Sequence[str] = ()) -> Check:
    return each({"block_id": string(255), **limits}, any_of=any_of)


OPTION = each(
    {"text": text(75), "value": string(150), "description": text(75), "url": string(3000)},
    required=("value",),
)
OPTIONS = several(1, 100, OPTION)
OPTION_GROUPS = several(1, 100, each({"label": text(75), "options": OPTIONS}))
FEW_OPTIONS = element({"options": several(1, 10, OPTION)})
ELEMENTS = {
    "button": element(
        {
            "text": text(75),
            "value": string(2000),
            "url": string(3000),
            "accessibility_label": string(75),
        }
    ),
    "channels_select": element({}),
    "checkboxes": FEW_OPTIONS,
    "conversations_select": element({}),
    "datepicker": element({}),
    "overflow": element({"options": several(1, 5, OPTION)}),
    "radio_buttons": FEW_OPTIONS,
    "static_select": element(
        {"options": OPTIONS, "option_groups": OPTION_GROUPS},
        one_of=("options", "option_groups"),
    ),
    "users_select": element({}),
}
PICTURE = {"alt_text": string(2000), "image_url": string(3000)}
IMAGE = each(PICTURE)
IN_CONTEXT = by_type(plain_text=text(3000), mrkdwn=text(3000), image=IMAGE)

# The blocks that notifications are made of; to use another type, describe it here first.
BLOCK = by_type(
    actions=block({"elements": with_own_actions(several(1, 25, by_type(**ELEMENTS)))}),
    context=block({"elements": several(1, 10, IN_CONTEXT)}),
    divider=block({}),
    header=block({"text": text(150)}),
    image=block({"title": text(2000), **PICTURE}),
    markdown=block({"text": string(12_000)}),
    rich_text=block({}),
    section=block(
        {
            "text": text(3000),
            "fields": several(1, 10, text(2000)),
            "accessory": by_type(**ELEMENTS, image=IMAGE),
        },
        any_of=("text", "fields"),
    ),
)
