"""Every kind of message looks as its file in docs/gallery has it; `make gallery` writes them."""

from __future__ import annotations

import json
import re
import struct
import zlib
from itertools import pairwise
from pathlib import Path

import pytest

from local.gallery.__main__ import main
from local.gallery.golden import GALLERY, golden, path_of
from local.gallery.page import page, pictures
from local.gallery.photographs import pictured
from local.gallery.png import SIGNATURE, packed
from local.gallery.specimens import SPECIMENS, Specimen
from local.slack.limits import check_content, check_metadata
from runbell.slack.messages import LONGEST_POST, LONGEST_TEXT

IMAGES = GALLERY.parent / "images"
WRITE = "`make gallery` writes it anew; read the diff"

every_specimen = pytest.mark.parametrize("specimen", SPECIMENS, ids=[s.name for s in SPECIMENS])


@every_specimen
def test_a_message_is_as_its_file_has_it(specimen: Specimen) -> None:
    path = path_of(specimen)
    assert path.exists(), WRITE
    assert golden(specimen) == path.read_text(encoding="utf-8"), WRITE


@every_specimen
def test_a_message_keeps_slacks_limits(specimen: Specimen) -> None:
    for shown in specimen.make():
        message = shown.message
        check_content(message.text, [*message.blocks])
        check_metadata(message.metadata)
        longest = LONGEST_POST if message.is_reply else LONGEST_TEXT
        assert 0 < len(message.text) <= longest


def test_no_file_is_of_a_message_that_is_no_more() -> None:
    assert {path.stem for path in GALLERY.glob("*.json")} == {each.name for each in SPECIMENS}
    assert len({each.title for each in SPECIMENS}) == len(SPECIMENS)


def test_the_page_shows_the_messages_as_they_are() -> None:
    kept = (GALLERY / "index.html").read_text(encoding="utf-8")
    assert _data(kept) == pictures(), WRITE
    assert _data(page()) == pictures()


def test_the_page_asks_nothing_of_anybody() -> None:
    assert "connect-src 'self'" in page()
    assert not re.search(r"""\b(src|href)="(?!data:)[^"#]""", page().partition("<script")[0])
    assert "\nfollow();" not in page()


def test_each_picture_is_there_and_no_other() -> None:
    kept = {path.relative_to(IMAGES).as_posix() for path in IMAGES.rglob("*.png")}
    assert kept == {*pictured().values()}
    assert sum(path.stat().st_size for path in IMAGES.rglob("*.png")) < 1_500_000


def test_without_a_browser_everything_but_the_pictures_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", "/nowhere")
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "of-old.json").write_text("{}")
    assert main(tmp_path) == 1
    written = {path.name for path in (tmp_path / "gallery").iterdir()}
    assert written == {"index.html", *(f"{each.name}.json" for each in SPECIMENS)}
    assert not (tmp_path / "images").exists()
    assert "no Chromium was found: install it with" in capsys.readouterr().err


@pytest.mark.parametrize(("colour", "pixel"), [(2, 3), (6, 4)])
def test_a_picture_that_is_packed_is_the_same_picture(colour: int, pixel: int) -> None:
    width, rows = 7, [bytes((y * x * 7 + y) % 256 for x in range(7 * pixel)) for y in range(40)]
    header = struct.pack(">IIBBBBB", width, len(rows), 8, colour, 0, 0, 0)
    filtered = b"".join(
        bytes([y % 5]) + _filtered(y % 5, row, above, pixel)
        for y, (above, row) in enumerate(pairwise([bytes(width * pixel), *rows]))
    )
    png = _png(header, zlib.compress(filtered, 0))
    small = packed(png)
    assert len(small) < len(png)
    (length,) = struct.unpack_from(">I", small, 33)
    assert zlib.decompress(small[41 : 41 + length]) == b"".join(b"\0" + row for row in rows)
    assert small[:33] == png[:33]


def test_a_picture_of_another_form_is_left_alone() -> None:
    png = _png(struct.pack(">IIBBBBB", 1, 1, 8, 3, 0, 0, 0), zlib.compress(b"\0\0", 0))
    assert packed(png) == png


def _data(html: str) -> object:
    found = re.search(r'<script type="application/json" id="specimens">(.*?)</script>', html, re.S)
    assert found
    return json.loads(found[1])


def _png(header: bytes, body: bytes) -> bytes:
    chunks = [(b"IHDR", header), (b"IDAT", body[:9]), (b"IDAT", body[9:]), (b"IEND", b"")]
    return SIGNATURE + b"".join(
        struct.pack(">I", len(part)) + kind + part + struct.pack(">I", zlib.crc32(kind + part))
        for kind, part in chunks
    )


def _filtered(way: int, row: bytes, above: bytes, pixel: int) -> bytes:
    """A row as the standard's filters write it."""
    out = bytearray()
    for i, value in enumerate(row):
        a, b, c = (row[i - pixel], above[i], above[i - pixel]) if i >= pixel else (0, above[i], 0)
        nearest = min((a, b, c), key=lambda each: abs(a + b - c - each))
        out.append((value - (0, a, b, (a + b) // 2, nearest)[way]) & 255)
    return bytes(out)
