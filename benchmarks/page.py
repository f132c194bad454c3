"""The measures' places in docs/performance.md, each between marks of its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from benchmarks.table import RESULTS, Row, ratio_in_words

PAGE = RESULTS.parent.parent / "docs" / "performance.md"
IMAGES = PAGE.parent / "images"


def put(name: str, content: str) -> None:
    """Write what a measure has found into the page."""
    PAGE.write_text(filled(PAGE.read_text("utf-8"), name, content), "utf-8")


def put_image(name: str, drawing: str) -> None:
    """Write a chart that the page shows."""
    (IMAGES / f"{name}.svg").write_text(drawing, "utf-8")


def filled(page: str, name: str, content: str) -> str:
    """The page with other content between the marks of a name.

    Raises:
        ValueError: It has no such marks.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    marked = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    text, times = marked.subn(lambda _: f"{begin}\n\n{content}\n\n{end}", page)
    if times != 1:
        raise ValueError(f"the page has the marks of {name} {times} times, and not once")
    return text


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, its figures to the right."""
    drawn = [head, ["---", *["---:"] * (len(head) - 1)], *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in drawn)


def comparison(title: str, rows: Iterable[Row]) -> str:
    """A table of what was measured on both sides."""
    return table(
        [title, "Runbell", "peer", "ratio", "of single pairs", "goal"],
        (
            [
                row.name,
                f"{row.ours:,.1f} {row.unit}",
                f"{row.peer:,.1f} {row.unit}",
                ratio_in_words(row.ratio) if row.is_met else f"**{ratio_in_words(row.ratio)}**",
                f"{ratio_in_words(row.lowest)} to {ratio_in_words(row.highest)}",
                ratio_in_words(row.goal),
            ]
            for row in rows
        ),
    )
