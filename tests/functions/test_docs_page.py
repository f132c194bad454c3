"""The page at GET /docs: one file that loads nothing from elsewhere and trusts no text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib import resources

import pytest

PAGE = resources.files("runbell.api").joinpath("docs.html").read_text("utf-8")

POLICY = (
    "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
)

OWN = ("./", "#", "data:")
"""How an address may begin: beside the page, within the page, or in the page itself."""


class Elements(HTMLParser):
    """All elements of a page with their attributes, and the words of its title."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.title = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "title":
            self.title += data.strip()


ELEMENTS = Elements(PAGE)


def test_the_page_has_a_title() -> None:
    assert ELEMENTS.title == "Runbell API"


def test_the_policy_allows_the_page_itself_and_nothing_else() -> None:
    policies = [
        attributes["content"]
        for tag, attributes in ELEMENTS.found
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == [POLICY]


def test_the_policy_stands_before_all_that_it_governs() -> None:
    assert PAGE.index("Content-Security-Policy") < PAGE.index("<style>") < PAGE.index("<script>")


@pytest.mark.parametrize("name", ["src", "href", "srcset", "action", "data", "poster"])
def test_no_element_points_elsewhere(name: str) -> None:
    addresses = [attributes[name] for _, attributes in ELEMENTS.found if name in attributes]
    assert [address for address in addresses if not address.startswith(OWN)] == []


def test_no_address_of_another_host_is_in_the_page() -> None:
    beyond_xml = PAGE.replace("xmlns='http://www.w3.org/2000/svg'", "")
    assert re.findall(r"(?:https?:|wss?:|[\"'(])//[^\s\"']*", beyond_xml) == []


@pytest.mark.parametrize("loading", ["@import", "url(", "import(", "importScripts", "<script "])
def test_the_page_imports_nothing(loading: str) -> None:
    assert loading not in PAGE


@pytest.mark.parametrize(
    "sink",
    [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "DOMParser",
        "createContextualFragment",
        "setHTMLUnsafe",
        "srcdoc",
        "eval(",
        "Function(",
    ],
)
def test_text_never_becomes_html_or_code(sink: str) -> None:
    assert sink not in PAGE


@pytest.mark.parametrize("store", ["localStorage", "sessionStorage", "indexedDB", "cookieStore"])
def test_the_token_is_kept_nowhere(store: str) -> None:
    assert store not in PAGE
    assert "document.cookie" not in PAGE


def test_the_page_is_drawn_from_the_document_beside_it() -> None:
    fetched = re.findall(r"fetch\(([^,)]+)", PAGE)
    assert fetched == ["url", '"./openapi.json"']


def test_a_request_goes_below_the_place_of_the_page() -> None:
    assert "new URL(`.${filled}`, location.href)" in PAGE


def test_the_page_is_small() -> None:
    assert len(PAGE.encode()) < 28_000
