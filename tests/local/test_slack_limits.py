"""The limits that Slack documents: what is at one is posted, what is past it is refused.

https://docs.slack.dev/reference/block-kit
"""

from __future__ import annotations

from typing import Any

import pytest

from local.slack.limits import SlackRefusalError, check_content

Block = dict[str, Any]


def plain(length: int) -> Block:
    return {"type": "plain_text", "text": "x" * length}


def mrkdwn(length: int) -> Block:
    return {"type": "mrkdwn", "text": "x" * length}


def section(**properties: Any) -> Block:
    return {"type": "section", "text": mrkdwn(1), **properties}


def header(**properties: Any) -> Block:
    return {"type": "header", "text": plain(1), **properties}


def context(*elements: Block) -> Block:
    return {"type": "context", "elements": [*elements]}


def actions(*elements: Block) -> Block:
    return {"type": "actions", "elements": [*elements]}


def button(**properties: Any) -> Block:
    return {"type": "button", "text": plain(1), **properties}


def option(**properties: Any) -> Block:
    return {"text": plain(1), "value": "x", **properties}


def menu(**properties: Any) -> Block:
    return {"type": "static_select", "options": [option()], **properties}


def groups(*groups: Block) -> Block:
    return {"type": "static_select", "option_groups": [*groups]}


def group(**properties: Any) -> Block:
    return {"label": plain(1), "options": [option()], **properties}


def overflow(*options: Block) -> Block:
    return section(accessory={"type": "overflow", "options": [*options]})


def choices(kind: str, *options: Block) -> Block:
    return actions({"type": kind, "options": [*options]})


def confirm(**properties: Any) -> Block:
    dialog = {"title": plain(1), "text": plain(1), "confirm": plain(1), "deny": plain(1)}
    return actions(button(confirm={**dialog, **properties}))


def image(**properties: Any) -> Block:
    return {"type": "image", "image_url": "https://example.com/", "alt_text": "x", **properties}


AT_AND_PAST: dict[str, tuple[Block, Block, str]] = {
    "a section's text": (section(text=mrkdwn(3000)), section(text=mrkdwn(3001)), "/text/text"),
    "a section's fields": (
        section(fields=[plain(1)] * 10),
        section(fields=[plain(1)] * 11),
        "/fields",
    ),
    "a field": (section(fields=[plain(2000)]), section(fields=[plain(2001)]), "/fields/0/text"),
    "the fewest fields": (section(fields=[plain(1)]), section(fields=[]), "/fields"),
    "what a section has": (
        {"type": "section", "fields": [plain(1)]},
        {"type": "section", "block_id": "x"},
        "",
    ),
    "the shortest text": (section(text=mrkdwn(1)), section(text=mrkdwn(0)), "/text/text"),
    "a block_id": (section(block_id="x" * 255), section(block_id="x" * 256), "/block_id"),
    "a divider's block_id": (
        {"type": "divider", "block_id": "x" * 255},
        {"type": "divider", "block_id": "x" * 256},
        "/block_id",
    ),
    "an empty block_id": (section(block_id="x"), section(block_id=""), "/block_id"),
    "a header": (header(text=plain(150)), header(text=plain(151)), "/text/text"),
    "a context": (context(*[plain(1)] * 10), context(*[plain(1)] * 11), "/elements"),
    "an empty context": (context(plain(1)), context(), "/elements"),
    "a text in a context": (context(mrkdwn(3000)), context(mrkdwn(3001)), "/elements/0/text"),
    "actions": (actions(*[button()] * 25), actions(*[button()] * 26), "/elements"),
    "no actions": (actions(button()), actions(), "/elements"),
    "an action_id": (
        actions(button(action_id="x" * 255)),
        actions(button(action_id="x" * 256)),
        "/elements/0/action_id",
    ),
    "an action_id that is there twice": (
        actions(button(action_id="1"), button(action_id="2"), button(), button()),
        actions(button(action_id="1"), button(action_id="1")),
        "/elements",
    ),
    "a button's text": (
        actions(button(text=plain(75))),
        actions(button(text=plain(76))),
        "/elements/0/text/text",
    ),
    "a button's value": (
        actions(button(value="x" * 2000)),
        actions(button(value="x" * 2001)),
        "/elements/0/value",
    ),
    "a button's url": (
        actions(button(url="x" * 3000)),
        actions(button(url="x" * 3001)),
        "/elements/0/url",
    ),
    "a button's label for screen readers": (
        section(accessory=button(accessibility_label="x" * 75)),
        section(accessory=button(accessibility_label="x" * 76)),
        "/accessory/accessibility_label",
    ),
    "a dialog's title": (
        confirm(title=plain(100)),
        confirm(title=plain(101)),
        "/elements/0/confirm/title/text",
    ),
    "a dialog's text": (
        confirm(text=mrkdwn(300)),
        confirm(text=mrkdwn(301)),
        "/elements/0/confirm/text/text",
    ),
    "a dialog's yes": (
        confirm(confirm=plain(30)),
        confirm(confirm=plain(31)),
        "/elements/0/confirm/confirm/text",
    ),
    "a dialog's no": (
        confirm(deny=plain(30)),
        confirm(deny=plain(31)),
        "/elements/0/confirm/deny/text",
    ),
    "what a dialog has": (
        confirm(),
        actions(button(confirm={"text": plain(1), "confirm": plain(1), "deny": plain(1)})),
        "/elements/0/confirm",
    ),
    "a menu's placeholder": (
        actions(menu(placeholder=plain(150))),
        actions(menu(placeholder=plain(151))),
        "/elements/0/placeholder/text",
    ),
    "a menu's options": (
        actions(menu(options=[option()] * 100)),
        actions(menu(options=[option()] * 101)),
        "/elements/0/options",
    ),
    "a menu of nothing": (actions(menu()), actions(menu(options=[])), "/elements/0/options"),
    "a menu of one kind": (
        actions(groups(group())),
        actions({**menu(), **groups(group())}),
        "/elements/0",
    ),
    "a menu of groups": (
        section(accessory=groups(*[group()] * 100)),
        section(accessory=groups(*[group()] * 101)),
        "/accessory/option_groups",
    ),
    "a group's label": (
        actions(groups(group(label=plain(75)))),
        actions(groups(group(label=plain(76)))),
        "/elements/0/option_groups/0/label/text",
    ),
    "a group's options": (
        actions(groups(group(options=[option()] * 100))),
        actions(groups(group(options=[option()] * 101))),
        "/elements/0/option_groups/0/options",
    ),
    "an option's text": (
        actions(menu(options=[option(text=plain(75))])),
        actions(menu(options=[option(text=plain(76))])),
        "/elements/0/options/0/text/text",
    ),
    "an option's value": (
        actions(menu(options=[option(value="x" * 150)])),
        actions(menu(options=[option(value="x" * 151)])),
        "/elements/0/options/0/value",
    ),
    "an option's description": (
        actions(menu(options=[option(description=plain(75))])),
        actions(menu(options=[option(description=plain(76))])),
        "/elements/0/options/0/description/text",
    ),
    "an option without a value": (
        actions(menu()),
        actions(menu(options=[{"text": plain(1)}])),
        "/elements/0/options/0",
    ),
    "an overflow menu": (
        overflow(*[option()] * 5),
        overflow(*[option()] * 6),
        "/accessory/options",
    ),
    "an overflow menu of nothing": (overflow(option()), overflow(), "/accessory/options"),
    "an overflow option's url": (
        overflow(option(url="x" * 3000)),
        overflow(option(url="x" * 3001)),
        "/accessory/options/0/url",
    ),
    "checkboxes": (
        choices("checkboxes", *[option()] * 10),
        choices("checkboxes", *[option()] * 11),
        "/elements/0/options",
    ),
    "no checkboxes": (
        choices("checkboxes", option()),
        choices("checkboxes"),
        "/elements/0/options",
    ),
    "no groups": (actions(groups(group())), actions(groups()), "/elements/0/option_groups"),
    "a plain text in a context": (
        context(plain(3000)),
        context(plain(3001)),
        "/elements/0/text",
    ),
    "radio buttons": (
        choices("radio_buttons", *[option()] * 10),
        choices("radio_buttons", *[option()] * 11),
        "/elements/0/options",
    ),
    "a list of people": (
        actions({"type": "users_select", "placeholder": plain(150)}),
        actions({"type": "users_select", "placeholder": plain(151)}),
        "/elements/0/placeholder/text",
    ),
    "a picture's words": (image(alt_text="x" * 2000), image(alt_text="x" * 2001), "/alt_text"),
    "a picture's url": (image(image_url="x" * 3000), image(image_url="x" * 3001), "/image_url"),
    "a picture's title": (image(title=plain(2000)), image(title=plain(2001)), "/title/text"),
    "a small picture's words": (
        context(image(alt_text="x" * 2000)),
        context(image(alt_text="x" * 2001)),
        "/elements/0/alt_text",
    ),
    "markdown": (
        {"type": "markdown", "text": "x" * 12_000},
        {"type": "markdown", "text": "x" * 12_001},
        "/text",
    ),
}


def details(*blocks: Block) -> tuple[str, ...]:
    """What Slack says of blocks that it refuses."""
    with pytest.raises(SlackRefusalError) as refused:
        check_content("x", [*blocks])
    assert refused.value.error == "invalid_blocks"
    return refused.value.details


@pytest.mark.parametrize(("at", "past", "place"), AT_AND_PAST.values(), ids=AT_AND_PAST.keys())
def test_a_limit_holds_to_the_character_and_names_its_place(
    at: Block, past: Block, place: str
) -> None:
    assert check_content("x", [at]) == ("x", [at])
    (problem,) = details({"type": "divider"}, past)
    assert problem.startswith("[ERROR] ")
    assert problem.endswith(f"[json-pointer:/blocks/1{place}]")


def test_a_block_of_the_wrong_type_is_refused_with_its_place() -> None:
    (problem,) = details(section(colour="red"))
    assert problem == "[ERROR] invalid additional property: colour [json-pointer:/blocks/0]"


def test_all_that_is_wrong_is_named() -> None:
    found = details(section(text=mrkdwn(0)), header(text=plain(151), block_id="x" * 256))
    assert len(found) == 3


def test_rich_text_may_be_as_long_as_a_message() -> None:
    text = {"type": "text", "text": "x" * 12_000}
    block = {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": [text]}],
    }
    assert check_content(None, [block]) == ("", [block])


def test_a_type_whose_limits_are_not_known_here_is_refused() -> None:
    (problem,) = details({"type": "file", "source": "remote", "external_id": "1"})
    assert "unsupported type: file" in problem


def test_a_message_has_fifty_blocks() -> None:
    assert len(check_content("x", [{"type": "divider"}] * 50)[1]) == 50
    (problem,) = details(*[{"type": "divider"}] * 51)
    assert problem == "[ERROR] no more than 50 items allowed [json-pointer:/blocks]"


def test_a_block_id_is_there_once_in_a_message() -> None:
    named = [{"type": "divider", "block_id": name} for name in "12"]
    assert check_content("x", [*named, {"type": "divider"}, {"type": "divider"}])[1][:2] == named
    (problem,) = details(*named, named[0])
    assert problem == "[ERROR] block_id 1 already exists [json-pointer:/blocks]"


def test_an_action_id_may_come_again_in_another_block() -> None:
    block = actions(button(action_id="retry"))
    assert check_content("x", [block, block])[1] == [block, block]


def test_all_blocks_together_have_a_limit() -> None:
    # Counted as JSON: names and braces are part of the 13,200.
    fits = [section(text=mrkdwn(2_550)) for _ in range(5)]
    assert check_content("x", fits)[1] == fits
    with pytest.raises(SlackRefusalError) as refused:
        check_content("x", [*fits, section(text=mrkdwn(300))])
    assert refused.value.error == "msg_blocks_too_long"


def test_a_long_text_is_cut() -> None:
    assert check_content("x" * 40_000, None)[0] == "x" * 40_000
    assert check_content("x" * 40_001, None)[0] == "x" * 40_000
