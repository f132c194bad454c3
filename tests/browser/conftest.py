"""A real headless browser for the tests in this folder.

Without one they are not run, and pytest says so in one line at its end. A missing browser is a
failure with CI=true in the environment, unless RUNBELL_BROWSER says ``optional`` there, and with
RUNBELL_BROWSER=required.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from local.browser import HOW_TO_INSTALL, find_browser, flags

PageAt = Callable[..., Page]
NO_BROWSER = f"no Chromium was found: {HOW_TO_INSTALL}"


def browser_is_required() -> bool:
    """Whether these tests must not be left out."""
    told = os.environ.get("RUNBELL_BROWSER")
    return told == "required" or (told != "optional" and os.environ.get("CI") == "true")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let all tests that lack a browser share one line of pytest's summary."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and NO_BROWSER in report.longrepr[2]:
        # Without a line's number pytest folds them into one, and counts them.
        report.longrepr = ("browser tests", None, f"NOT RUN, because {NO_BROWSER}")  # type: ignore[assignment]
    return report


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium, one for all tests."""
    path = find_browser()
    if path is None:
        if browser_is_required():
            pytest.fail(NO_BROWSER, pytrace=False)
        pytest.skip(NO_BROWSER)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*flags()])
        yield browser
        browser.close()


@pytest.fixture
def page_at(browser: Browser) -> Iterator[PageAt]:
    """Opens pages of a width; a page that complains on its console fails the test.

    ``page_at(360)`` is a page as wide as a phone; further arguments are those of Playwright's
    ``new_context``, such as ``color_scheme="dark"``.
    """
    complaints: list[str] = []
    contexts = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complaints.append(message.text)

    def open_page(width: int = 1024, **options: Any) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 800},
            locale="en-GB",
            timezone_id="UTC",
            **options,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
