"""What every measure answers with, and how it is shown and kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")


@dataclass(frozen=True)
class Row:
    """One thing measured on both sides, and the goal for the ratio of the two.

    `ours` and `peer` are medians in `unit`; `ratio` is that of the medians, `lowest` and
    `highest` are those of the single rounds.
    """

    name: str
    unit: str
    ours: float
    peer: float
    ratio: float
    lowest: float
    highest: float
    goal: float

    @property
    def is_met(self) -> bool:
        """Whether the ratio is within the goal."""
        return self.ratio <= self.goal


def show(title: str, rows: Sequence[Row], remarks: Sequence[str] = ()) -> str:
    """Draw the rows as a table of plain text."""
    unit = rows[0].unit if rows else ""
    head = [title, f"median {unit}", f"peer {unit}", "ratio", "spread", "goal", ""]
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    drawn = [
        "  ".join(
            cell.rjust(width) if 0 < column < len(head) - 1 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*drawn, *remarks])


def keep(measure: str, rows: Sequence[Row], facts: dict[str, Any], results: Path = RESULTS) -> None:
    """Write a measure's rows and the facts about them beside the other measures' results."""
    kept = json.loads(results.read_text("utf-8")) if results.exists() else {}
    kept[measure] = {**facts, "rows": [{**asdict(row), "met": row.is_met} for row in rows]}
    results.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", "utf-8")


def _cells(row: Row) -> list[str]:
    return [
        row.name,
        f"{row.ours:.1f}",
        f"{row.peer:.1f}",
        f"{row.ratio:.2f}",
        f"{row.lowest:.2f}..{row.highest:.2f}",
        f"{row.goal:.2f}",
        "ok" if row.is_met else "missed",
    ]
