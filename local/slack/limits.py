"""What Slack refuses in a message, checked as strictly as Slack checks it."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

TEXT_KEPT = 40_000
UPDATED_TEXT = 4_000
BLOCKS = 50
ALL_BLOCKS = 13_200

Block = dict[str, Any]
Check = Callable[[object, str], Iterator[str]]
"""Yields what is wrong with a value, given the value and the JSON pointer to it."""


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
    """The blocks, when each of them and all together are within Slack's limits."""
    if not isinstance(blocks, list):
        raise SlackRefusalError("invalid_blocks_format")
    problems = list(_each(blocks, "/blocks", BLOCK))
    if len(blocks) > BLOCKS:
        problems.append(_problem(f"no more than {BLOCKS} items allowed", "/blocks"))
    names = Counter(block.get("block_id") for block in blocks if isinstance(block, dict))
    problems += [
        _problem(f"block_id {name} already exists", "/blocks")
        for name, count in names.items()
        if name is not None and count > 1
    ]
    if problems:
        raise SlackRefusalError("invalid_blocks", *problems)
    # Slack does not say what it counts. The written JSON is the most it can be, so what
    # passes here passes there.
    if len(json.dumps(blocks, ensure_ascii=False, separators=(",", ":"))) > ALL_BLOCKS:
        raise SlackRefusalError("msg_blocks_too_long")
    return blocks


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


def _each(values: Sequence[object], at: str, check: Check) -> Iterator[str]:
    for i, value in enumerate(values):
        yield from check(value, f"{at}/{i}")


def anything(value: object, at: str) -> Iterator[str]:  # noqa: ARG001
    yield from ()


def string(limit: int) -> Check:
    def check(value: object, at: str) -> Iterator[str]:
        if not isinstance(value, str):
            yield _problem("must be a string", at)
        elif not value:
            yield _problem("must be more than 0 characters", at)
        elif len(value) > limit:
            yield _problem(f"must be less than {limit + 1} characters", at)

    return check


def boolean(value: object, at: str) -> Iterator[str]:
    if not isinstance(value, bool):
        yield _problem("must be a boolean", at)


def one_of(*allowed: str) -> Check:
    def check(value: object, at: str) -> Iterator[str]:
        if value not in allowed:
            yield _problem(f"must be one of {', '.join(allowed)}", at)

    return check


def several(limit: int, item: Check) -> Check:
    def check(value: object, at: str) -> Iterator[str]:
        if not isinstance(value, list):
            yield _problem("must be an array", at)
        elif not value:
            yield _problem("no fewer than 1 items allowed", at)
        elif len(value) > limit:
            yield _problem(f"no more than {limit} items allowed", at)
        else:
            yield from _each(value, at, item)

    return check


def shape(
    required: Mapping[str, Check],
    optional: Mapping[str, Check] | None = None,
    *,
    either: Sequence[str] = (),
) -> Check:
    """An object with these properties and no others, and with at least one of ``either``."""
    known = {"type": anything, **required, **(optional or {})}

    def check(value: object, at: str) -> Iterator[str]:
        assert isinstance(value, dict)
        for name in required:
            if name not in value:
                yield _problem(f"missing required field: {name}", at)
        if either and not any(name in value for name in either):
            yield _problem(f"missing required field: {' or '.join(either)}", at)
        for name, inner in value.items():
            if name in known:
                yield from known[name](inner, f"{at}/{name}")
            else:
                yield _problem(f"invalid additional property: {name}", at)

    return check


def typed(**shapes: Check) -> Check:
    """An object whose ``type`` says which of the shapes it has."""

    def check(value: object, at: str) -> Iterator[str]:
        match value:
            case {"type": str(name)} if name in shapes:
                yield from shapes[name](value, at)
            case {"type": name}:
                yield _problem(f"unsupported type: {name}", f"{at}/type")
            case _:
                yield _problem("must be an object with a type", at)

    return check


def plain(limit: int) -> Check:
    return shape({"text": string(limit)}, {"emoji": boolean})


def mrkdwn(limit: int) -> Check:
    return shape({"text": string(limit)}, {"verbatim": boolean})


def text(limit: int) -> Check:
    return typed(plain_text=plain(limit), mrkdwn=mrkdwn(limit))


BUTTON = shape(
    {"text": typed(plain_text=plain(75))},
    {
        "action_id": string(255),
        "value": string(2000),
        "url": string(3000),
        "style": one_of("primary", "danger"),
        "confirm": anything,
        "accessibility_label": string(75),
    },
)
PICTURE = {"image_url": string(3000), "slack_file": anything}
IMAGE = shape({"alt_text": string(2000)}, PICTURE, either=tuple(PICTURE))
IN_CONTEXT = typed(plain_text=plain(3000), mrkdwn=mrkdwn(3000), image=IMAGE)
BLOCK_ID = {"block_id": string(255)}

# The blocks that notifications are made of; to use another type, describe it here first.
BLOCK = typed(
    section=shape(
        {},
        {
            "text": text(3000),
            "fields": several(10, text(2000)),
            "accessory": typed(button=BUTTON, image=IMAGE),
            "expand": boolean,
            **BLOCK_ID,
        },
        either=("text", "fields"),
    ),
    header=shape({"text": typed(plain_text=plain(150))}, BLOCK_ID),
    context=shape({"elements": several(10, IN_CONTEXT)}, BLOCK_ID),
    divider=shape({}, BLOCK_ID),
    actions=shape({"elements": several(25, typed(button=BUTTON))}, BLOCK_ID),
    image=shape(
        {"alt_text": string(2000)},
        {"title": typed(plain_text=plain(2000)), **PICTURE, **BLOCK_ID},
        either=tuple(PICTURE),
    ),
)
