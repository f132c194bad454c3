"""What the benchmarks reckon and draw; what they measure is no test's matter."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.answering import Clock
from benchmarks.chart import Bar, draw
from benchmarks.page import PAGE, comparison, filled
from benchmarks.table import Row, compared, keep, ratio_in_words, show
from local.aws import ROOT

SVG = "{http://www.w3.org/2000/svg}"


def test_pairs_give_medians_and_the_spread_of_their_own_ratios() -> None:
    """One slow round of both sides moves no ratio, and one of a single side is seen in it."""
    row = compared("a", "ms", [(1.0, 4.0), (100.0, 400.0), (2.0, 4.0)], goal=0.5)
    assert (row.ours, row.peer, row.ratio) == (2.0, 4.0, 0.5)
    assert (row.lowest, row.highest) == (0.25, 0.5)
    assert row.is_met


def test_a_missed_goal_is_said_and_kept(tmp_path: Path) -> None:
    row = compared("a", "ms", [(3.0, 4.0)], goal=0.5)
    assert not row.is_met
    assert show("what", [row]).splitlines()[1].endswith("missed")
    assert "**0.75**" in comparison("what", [row])
    results = tmp_path / "results.json"
    results.write_text('{"other": {"kept": true}}', "utf-8")
    keep("a", [row], {"python": "3"}, results)
    assert '"met": false' in results.read_text("utf-8")
    assert '"kept": true' in results.read_text("utf-8")


@pytest.mark.parametrize(
    ("ratio", "words"), [(2.0, "2.00"), (0.234, "0.23"), (0.0041, "0.0041"), (0.02, "0.02")]
)
def test_a_small_ratio_keeps_digits_that_count(ratio: float, words: str) -> None:
    assert ratio_in_words(ratio) == words


def test_a_measure_fills_its_own_place_in_the_page() -> None:
    page = "a\n<!-- one -->\nold\n<!-- /one -->\nb\n<!-- two -->\nkept\n<!-- /two -->\n"
    new = filled(page, "one", r"new \1")
    assert new.startswith("a\n<!-- one -->\n\nnew \\1\n\n<!-- /one -->\nb\n")
    assert "kept" in new
    assert filled(new, "one", r"new \1") == new
    with pytest.raises(ValueError, match="three 0 times"):
        filled(page, "three", "lost")


def test_every_measure_has_its_place_in_the_page() -> None:
    from benchmarks.__main__ import MEASURES

    page = PAGE.read_text("utf-8")
    for name in (*MEASURES, "profile"):
        assert filled(page, name, "x").count("x") >= 1


def test_a_shorter_play_leaves_the_million_as_it_was_kept() -> None:
    from benchmarks.scale import MILLION, SHOWN_AS, USUAL, in_words, kept_as

    assert kept_as(USUAL) != kept_as(MILLION) == kept_as(2 * MILLION)
    play = dict.fromkeys(SHOWN_AS, 7)
    both = {kept_as(USUAL): play, kept_as(MILLION): play | {"kills": 6_172}}
    assert "| processes killed | 7 | 6,172 |" in in_words(both)
    assert "| processes killed | 7 |" in in_words({kept_as(USUAL): play})


def test_a_days_goal_that_is_missed_is_in_bold() -> None:
    from benchmarks.fast_polling import DAYS, SWITCHES, Outcome, figures, in_words

    def drawn(lag: float) -> str:
        day = figures(Outcome([lag], [], looks=3, requests=5), quiet=5)
        return in_words({f"{name} {switch}": day for name in DAYS for switch in SWITCHES})

    assert "**" not in drawn(15.0)
    assert "| usual, on | 1 | 15.1 | **15.1** | 0.0 | 3 | 5 | 1.00 |" in drawn(15.1)


def test_a_time_to_tell_that_misses_its_goal_is_in_bold() -> None:
    from benchmarks.notify import in_words

    facts = {
        "announcements": 1_000,
        "channels": 20,
        "seconds": 60.0,
        "goal": 1.2,
        "requests": 1_020,
    }
    assert "| 60.0 | **1.22** | 1.20 | 1.02 |" in in_words({**facts, "factor": 1.224, "met": False})
    assert "| 60.0 | 1.19 | 1.20 | 1.02 |" in in_words({**facts, "factor": 1.19, "met": True})


def test_bars_are_as_long_as_their_values_and_say_them() -> None:
    drawn = draw("a < b", "ms", [Bar("one", (10.0, 30.0), True), Bar("two", (400.0,), False)])
    root = ElementTree.fromstring(drawn)
    wide = [float(rect.get("width", "0")) for rect in root.iter(f"{SVG}rect")]
    assert wide[1] == pytest.approx(3 * wide[0], rel=0.01)
    assert wide[2] == pytest.approx(40 * wide[0], rel=0.01)
    left = [float(rect.get("x", "0")) for rect in root.iter(f"{SVG}rect")]
    assert left[1] == pytest.approx(left[0] + wide[0], abs=0.2)
    assert left[2] == left[0]
    said = [text.text for text in root.iter(f"{SVG}text")]
    assert said == ["a < b", "one", "40.0 ms", "two", "400 ms"]


def test_what_is_timed_within_a_part_is_not_that_parts() -> None:
    """So that the parts of a profile add up to the whole."""
    clock = Clock()

    def work(rounds: int) -> None:
        sum(range(rounds))

    inner = clock.timed(partial(work, 3_000_000), "inner")

    def outer() -> None:
        inner()
        work(100)

    clock.timed(outer, "outer")()
    assert clock.parts["inner"] > 10 * clock.parts["outer"] > 0


def test_an_unknown_measure_is_refused() -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nothing"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 2
    assert "cold_start" in asked.stderr


def test_a_row_says_whether_its_goal_is_met() -> None:
    def row(ratio: float) -> Row:
        return Row("a", "ms", 1, 1, ratio, ratio, ratio, goal=0.4)

    assert row(0.4).is_met
    assert not row(0.41).is_met
