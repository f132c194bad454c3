"""Pictures of the gallery's page, taken by a real browser: the same ones each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from local.browser import HOW_TO_INSTALL, find_browser, flags
from local.gallery.png import packed
from local.gallery.specimens import SPECIMENS

SCALE = 1.25
"""Pixels of a picture for one of the page: sharp enough, and small."""


class NoBrowserError(Exception):
    """No Chromium was found; the message says how to install one."""


def pictured() -> dict[str, str]:
    """The specimens that have a picture, and where in docs/images it is."""
    of_messages = {each.name: f"messages/{each.name}.png" for each in SPECIMENS if each.is_pictured}
    return {"channel": "message.png", **of_messages}


def photograph(page: Path, folder: Path, said: Callable[[str], None]) -> int:
    """Take all pictures of the gallery's page anew; the bytes that they have together.

    Args:
        page: The gallery's page.
        folder: Where the pictures go.
        said: Takes a line about each.

    Raises:
        NoBrowserError: There is no browser to do it.
    """
    path = find_browser()
    if path is None:
        raise NoBrowserError(f"no Chromium was found: {HOW_TO_INSTALL}")
    from playwright.sync_api import sync_playwright

    (folder / "messages").mkdir(parents=True, exist_ok=True)
    pictures = {name: folder / place for name, place in pictured().items()}
    for old in (folder / "messages").glob("*.png"):
        if old not in pictures.values():
            old.unlink()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*flags()])
        context = browser.new_context(
            viewport={"width": 800, "height": 800},
            device_scale_factor=SCALE,
            color_scheme="light",
            reduced_motion="reduce",
            locale="en-US",
            timezone_id="UTC",
        )
        shown = context.new_page()
        shown.goto(f"{page.absolute().as_uri()}?still")
        for name, picture in pictures.items():
            specimen = shown.locator(f"[id='{name}'] > .specimen")
            picture.write_bytes(packed(specimen.screenshot()))
            said(f"  {picture.relative_to(folder)}: {picture.stat().st_size // 1024} KB")
        browser.close()
    return sum(picture.stat().st_size for picture in pictures.values())
