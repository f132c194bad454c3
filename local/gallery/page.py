"""The gallery as one page: the channel's page of the stand-in, which draws the specimens itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from local.gallery.specimens import DAY, NOW, PEOPLE, SPECIMENS, Shown
from local.slack.message import Message as Posted
from local.slack.stand_in import PAGE

HERE = Path(__file__).parent

START = "\nfollow();\n</script>"
"""Where the channel's page begins to ask the stand-in for messages; the gallery has them."""

AT_FIRST = DAY + timedelta(hours=9, minutes=30, seconds=2)
"""When a specimen's message was posted, unless it says so."""

CLOCK = """<script>
// The messages are of one day, and the page is looked at on that day.
globalThis.Date = class extends Date {
  constructor(...given) { if (given.length) super(...given); else super(%(now)d); }
  static now() { return %(now)d; }
};
</script>
"""


def page() -> str:
    """The page as HTML, with everything in it.

    Raises:
        ValueError: The channel's page is no longer of the form that this builds on.
    """
    channel = PAGE.read_text(encoding="utf-8")
    for seam in (START, "</style>", "<body>"):
        if channel.count(seam) != 1:
            raise ValueError(f"{PAGE.name} has no single {seam.strip()!r} to build on")
    data = json.dumps(pictures(), ensure_ascii=False, indent=1).replace("</", "<\\/")
    specimens = f'<script type="application/json" id="specimens">\n{data}\n</script>\n'
    clock = CLOCK % {"now": NOW.timestamp() * 1_000}
    drawn = f"\n{_read('page.js')}</script>"
    return (
        channel.replace("</style>", f"{_read('page.css')}</style>")
        .replace("<body>", f"<body>\n{clock}{specimens}".rstrip())
        .replace(START, drawn)
    )


def pictures() -> dict[str, Any]:
    """What the page draws: each specimen, its messages as the stand-in shows them."""
    moments = _moments()
    return {
        "people": PEOPLE,
        "specimens": [
            {
                "name": specimen.name,
                "title": specimen.title,
                "explains": specimen.explains,
                "messages": [_posted(shown, moments) for shown in specimen.make()],
            }
            for specimen in SPECIMENS
        ],
    }


def _posted(shown: Shown, moments: Iterator[timedelta]) -> dict[str, Any]:
    ts = _ts((shown.at or AT_FIRST) + next(moments))
    posted = Posted(
        channel="C0GALLERY",
        ts=ts,
        text=shown.message.text,
        blocks=[*shown.message.blocks],
        thread_ts="0.0" if shown.in_thread else None,
        broadcast=shown.also_in_channel,
        edited=ts if shown.edited else None,
    )
    return posted.as_shown() | {"in_thread": shown.in_thread}


def _moments() -> Iterator[timedelta]:
    """A microsecond more each time: a message's time is its name, so no two have the same."""
    count = 0
    while True:
        count += 1
        yield timedelta(microseconds=count)


def _ts(moment: datetime) -> str:
    return f"{int(moment.timestamp())}.{moment.microsecond:06d}"


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
