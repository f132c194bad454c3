"""Write the gallery anew: its files, its page and its pictures."""

from __future__ import annotations

import sys
from pathlib import Path

from local.aws import ROOT
from local.gallery.golden import write_golden
from local.gallery.page import page
from local.gallery.photographs import NoBrowserError, photograph


def main(docs: Path = ROOT / "docs") -> int:
    """Write them; without a browser the pictures stay as they are, and that is an error."""
    folder = docs / "gallery"
    number = write_golden(folder)
    print(f"gallery: {number} files in {folder.relative_to(docs.parent)}")
    index = folder / "index.html"
    index.write_text(page(), encoding="utf-8")
    print(f"gallery: {index.relative_to(docs.parent)}: {index.stat().st_size // 1024} KB")
    print("gallery: pictures …", flush=True)
    try:
        size = photograph(index, docs / "images", lambda line: print(line, flush=True))
    except NoBrowserError as error:
        print(f"gallery: the pictures stay as they are: {error}", file=sys.stderr)
        return 1
    print(f"gallery: pictures: {size // 1024} KB in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
