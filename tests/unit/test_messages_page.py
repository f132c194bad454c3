"""docs/messages.md explains every kind of message, in the words that the code uses."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from local.aws import ROOT
from local.gallery.photographs import pictured
from local.gallery.specimens import SPECIMENS
from runbell.items import HistoryEntry, Note, NoteKind, RunItem
from runbell.rules import MUST_BE_SEEN, Kind
from runbell.run import ReasonCode, Run
from runbell.slack.details import details
from runbell.slack.wording import note_in_words, plain_headline

DOCS = ROOT / "docs"
PAGE = (DOCS / "messages.md").read_text(encoding="utf-8")

MakeRun = Callable[..., Run]


def row(section: str, name: str) -> list[str]:
    """The cells after a name in a table of a section."""
    part = PAGE.partition(f"# {section}\n")[2]
    (found,) = re.findall(rf"^\| `{name}` \| (.*) \|$", part.partition("\n## ")[0], re.M)
    return [cell.strip() for cell in found.split("|")]


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_is_explained_in_its_words(kind: Kind, make_run: MakeRun) -> None:
    icon, words, told_by = row("Icons and words", kind)
    run = make_run(status="paused")
    for status, streak in (("paused", 0), ("paused", 2), ("skipped", 0)):
        entry = HistoryEntry(1, kind, status, None, "", announced=True, streak=streak)
        item = RunItem("default", run.run_id, snapshot=run, history=(entry,))
        said = plain_headline(item, entry).partition(" (task")[0]
        assert said.startswith(f"{icon} Reindex run ")
        said = re.sub("“.*”", "“…”", said.removeprefix(f"{icon} Reindex run "))
        assert said in words
    assert (told_by == "an edit") is (kind not in MUST_BE_SEEN and kind != Kind.RESUMED)


@pytest.mark.parametrize("kind", list(NoteKind))
def test_every_note_is_explained_in_its_words(kind: NoteKind) -> None:
    words = row("Buttons, and what becomes of them", kind)[0]
    said = note_in_words(Note(kind, "U01", "", "2026-01-31T09:30:00Z"))
    pattern = re.escape(words).replace("…", ".+")
    assert re.fullmatch(pattern, said)


@pytest.mark.parametrize("code", list(ReasonCode))
def test_every_reason_is_explained_in_its_words(code: ReasonCode, make_run: MakeRun) -> None:
    (words,) = row("Algolia's reasons", code)
    run = make_run(status="finished", outcome="failure", reasonCode=code)
    entry = HistoryEntry(1, Kind.FAILED, "finished", "failure", "", announced=True)
    item = RunItem("default", run.run_id, snapshot=run, history=(entry,))
    assert (details(item, entry) or ["nothing"]) == [words]


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\((.*?)\)", PAGE)
    titles = re.findall(r"^#+ (.*)$", PAGE, re.M)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    for link in links:
        if link.startswith("#"):
            assert link[1:] in anchors
        else:
            assert (DOCS / link).exists(), link


def test_every_picture_is_shown_and_described() -> None:
    shown = re.findall(r"!\[(.*?)\]\(images/(.*?)\)", PAGE)
    assert {place for _, place in shown} == {*pictured().values()}
    assert all(words for words, _ in shown)


def test_every_message_is_told_of() -> None:
    linked = {*re.findall(r"\(gallery/(.*?)\.json\)", PAGE)}
    assert linked | {*pictured()} == {each.name for each in SPECIMENS}
