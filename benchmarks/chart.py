"""A chart of bars, as an SVG file that needs nothing to be drawn with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 760
LABEL = 230
FIGURE = 110
"""Room for what a bar is called, and for its figures behind it."""

HIGH = 18
GAP = 8
HEAD = 34

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.ours { fill: #0969da } .ours.later { fill: #80b4ed }
.other { fill: #6e7781 } .other.later { fill: #b7bbc0 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } }
"""


@dataclass(frozen=True)
class Bar:
    """One bar.

    Args:
        label: What it shows.
        values: Its pieces, one after the other; two at the most.
        is_ours: Whether it is Runbell's, and not what it is compared with.
    """

    label: str
    values: tuple[float, ...]
    is_ours: bool


def draw(title: str, unit: str, bars: Sequence[Bar]) -> str:
    """Draw the bars below each other, all to the same scale, which begins at 0."""
    most = max(sum(bar.values) for bar in bars)
    scale = (WIDTH - LABEL - FIGURE) / most
    height = HEAD + len(bars) * (HIGH + GAP)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<text class="title" x="0" y="16">{escape(title)}</text>',
    ]
    for number, bar in enumerate(bars):
        top = HEAD + number * (HIGH + GAP)
        base = top + HIGH - 5
        lines.append(f'<text x="0" y="{base}">{escape(bar.label)}</text>')
        left = float(LABEL)
        for piece, value in enumerate(bar.values):
            kind = ("ours" if bar.is_ours else "other") + (" later" if piece else "")
            wide = max(value * scale, 0.5)  # one that is next to nothing is still seen
            lines.append(
                f'<rect class="{kind}" x="{left:.1f}" y="{top}" width="{wide:.1f}" '
                f'height="{HIGH}"/>'
            )
            left += wide
        said = f"{sum(bar.values):,.0f}" if sum(bar.values) >= 100 else f"{sum(bar.values):.1f}"
        lines.append(f'<text x="{left + 6:.1f}" y="{base}">{said} {escape(unit)}</text>')
    return "\n".join([*lines, "</svg>", ""])
