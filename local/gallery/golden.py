"""The messages as files that a person can read in a diff: docs/gallery/<name>.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from local.aws import ROOT
from local.gallery.specimens import SPECIMENS, Shown, Specimen

GALLERY = ROOT / "docs" / "gallery"


def golden(specimen: Specimen) -> str:
    """A specimen as its file has it."""
    document = {
        "title": specimen.title,
        "explains": specimen.explains,
        "messages": [_as_told(shown) for shown in specimen.make()],
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def path_of(specimen: Specimen, folder: Path = GALLERY) -> Path:
    """Where its file is."""
    return folder / f"{specimen.name}.json"


def write_golden(folder: Path = GALLERY) -> int:
    """Write all files anew and remove those of specimens that are no more; how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {path_of(specimen, folder) for specimen in SPECIMENS}
    for path in folder.glob("*.json"):
        if path not in kept:
            path.unlink()
    for specimen in SPECIMENS:
        path_of(specimen, folder).write_text(golden(specimen), encoding="utf-8")
    return len(SPECIMENS)


def _as_told(shown: Shown) -> dict[str, Any]:
    where = {"in_thread": shown.in_thread, "also_in_channel": shown.also_in_channel}
    return {
        **{name: True for name, value in where.items() if value},
        "text": shown.message.text,
        "blocks": [*shown.message.blocks],
    }
