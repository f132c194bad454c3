"""What is taken for an ID of Slack's, by everything that takes one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from runbell import api
from runbell.slack.mrkdwn import mention
from runbell.slack_ids import is_group, is_user

CONTRACT: dict[str, Any] = json.loads(Path(api.__file__).with_name("openapi.json").read_text())
MENTIONS = CONTRACT["components"]["schemas"]["Mentions"]["items"]

RIGHT = ["U02", "W12", "S01", "U0ANNA1", "S0123456789", "U" + "9" * 31, "S" + "Z" * 31]
WRONG = ["", "U", "U1", "U" + "9" * 32, "S" + "Z" * 32, "u0anna1", "C0123456789", "U0 ANNA", "U0\n"]


@pytest.mark.parametrize("text", RIGHT)
def test_an_id_is_taken_and_is_mentioned(text: str) -> None:
    assert (is_user(text), is_group(text)) == (text[0] in "UW", text[0] == "S")
    assert text in mention(text)
    assert re.search(MENTIONS["pattern"], text)
    assert len(text) <= MENTIONS["maxLength"]


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_id_is_not_taken_and_mentions_nobody(text: str) -> None:
    assert not is_user(text)
    assert not is_group(text)
    assert mention(text) == ""
