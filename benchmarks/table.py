"""What every measure answers with, and how it is shown and kept."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import cpu_count
from pathlib import Path
from statistics import median
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


def compared(name: str, unit: str, pairs: Sequence[tuple[float, float]], goal: float) -> Row:
    """Put pairs together, each of ours and the peer's, that were measured one after the other."""
    ratios = [ours / peer for ours, peer in pairs]
    ours, peer = median(ours for ours, _ in pairs), median(peer for _, peer in pairs)
    return Row(
        name=name,
        unit=unit,
        ours=round(ours, 3),
        peer=round(peer, 3),
        ratio=round(ours / peer, 4),
        lowest=round(min(ratios), 4),
        highest=round(max(ratios), 4),
        goal=goal,
    )


def machine() -> dict[str, Any]:
    """What was measured on."""
    return {"python": platform.python_version(), "cores": cpu_count()}


def show(title: str, rows: Sequence[Row], remarks: Sequence[str] = ()) -> str:
    """Draw the rows as a table of plain text."""
    head = [title, "median", "peer", "", "ratio", "spread", "goal", ""]
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
        row.unit,
        ratio_in_words(row.ratio),
        f"{ratio_in_words(row.lowest)}..{ratio_in_words(row.highest)}",
        ratio_in_words(row.goal),
        "ok" if row.is_met else "missed",
    ]


def ratio_in_words(ratio: float) -> str:
    """A ratio, with two digits that count."""
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.2g}"
