"""Where this machine's Chromium is, and how to start it for our own pages.

`python -m local.browser` prints its path, or says how to install one.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

HOW_TO_INSTALL = "install it with `apt install chromium` or `python -m playwright install chromium`"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Where Playwright keeps the browsers that it installs, and where in there a Chromium is.
KEPT = (".cache/ms-playwright", "Library/Caches/ms-playwright")
INSTALLED = (
    "chromium-*/chrome-linux*/chrome",
    "chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
    "chromium_headless_shell-*/chrome*/*headless*shell",
)


def find_browser() -> str | None:
    """The path of a Chromium or Chrome: the system's own, or one that Playwright installed."""
    own = (path for name in NAMES if (path := shutil.which(name)))
    return next(own, None) or next(_installed_by_playwright(), None)


def flags() -> tuple[str, ...]:
    """Flags with which Chromium shows a page of ours and asks nothing of anybody else."""
    # The sandbox can't be had as root, and what is shown is ours alone.
    without_sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    return (
        *without_sandbox,
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    )


def _installed_by_playwright() -> Iterator[str]:
    told = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    places = [Path(told)] if told else [Path.home() / kept for kept in KEPT]
    for place in places:
        for pattern in INSTALLED:
            # The newest is last by its number, as all have equally many digits.
            for path in sorted(place.glob(pattern), reverse=True):
                if os.access(path, os.X_OK):
                    yield str(path)


def main() -> int:
    """Print the path."""
    browser = find_browser()
    if browser is None:
        print(f"no Chromium was found: {HOW_TO_INSTALL}", file=sys.stderr)
        return 1
    print(browser)
    return 0


if __name__ == "__main__":
    sys.exit(main())
