"""How pytest tells that there was no browser for the tests in this folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.browser import find_browser

HERE = Path(__file__).parent
ONE_TEST = f"{HERE / 'test_channel_page.py'}::test_every_control_has_a_name"
TWO_TESTS = (ONE_TEST, f"{HERE / 'test_channel_page.py'}::test_words_from_outside_stay_words")


def run_tests(*tests: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run tests where no browser is to be found."""
    hidden = {"PATH": "/nowhere", "PLAYWRIGHT_BROWSERS_PATH": "/nowhere"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    kept = {name: kept[name] for name in kept if name not in ("CI", "RUNBELL_BROWSER")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no", *tests],
        env=kept | hidden | environment,
        cwd=HERE.parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_a_browser_one_line_says_what_was_not_run() -> None:
    done = run_tests(*TWO_TESTS)

    assert done.returncode == 0
    lines = [line for line in done.stdout.splitlines() if "NOT RUN" in line]
    assert lines == [
        "SKIPPED [2] browser tests: NOT RUN, because no Chromium was found: install it with "
        "`apt install chromium` or `python -m playwright install chromium`"
    ]


@pytest.mark.parametrize(
    ("environment", "failed"),
    [
        ({"CI": "true"}, True),
        ({"RUNBELL_BROWSER": "required"}, True),
        ({"CI": "true", "RUNBELL_BROWSER": "optional"}, False),
    ],
)
def test_where_a_browser_is_required_its_absence_is_a_failure(
    environment: dict[str, str], failed: bool
) -> None:
    done = run_tests(ONE_TEST, **environment)

    assert (done.returncode != 0) == failed
    assert "no Chromium was found" in done.stdout


def executable(path: Path) -> str:
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_a_browser_of_the_system_goes_before_one_that_playwright_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "kept"))
    assert find_browser() is None
    executable(tmp_path / "kept" / "chromium-1187" / "chrome-linux" / "chrome")
    newer = executable(tmp_path / "kept" / "chromium-1203" / "chrome-linux64" / "chrome")
    assert find_browser() == newer
    own = executable(tmp_path / "bin" / "google-chrome")
    assert find_browser() == own
