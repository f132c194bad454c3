"""Whether a pinned package has a weakness that is publicly known: pip-audit asks PyPI.

`python -m local.audit` reads every file of pinned packages. A weakness makes it fail. What could
not be asked for is said and lets it pass, since it is for those who are offline too, unless
`RUNBELL_ADVISORIES=required`, as in the workflow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.aws import ROOT

PROGRAM = ROOT / ".venv-audit" / "bin" / "pip-audit"
PINNED = (*sorted(ROOT.glob("requirements/*.txt")), ROOT / "layers/dependencies/requirements.txt")

ACCEPTED = {
    "CVE-2024-23342": "ecdsa leaks of its keys to who can time it, and will not be mended; checkov "
    "brings it along and signs nothing here",
}
"""Weaknesses that we live with, and why."""


@dataclass(frozen=True)
class Findings:
    """What is known of the packages of a file.

    Args:
        weak: A line for each weakness.
        unknown: The packages of which nothing could be learned.
    """

    weak: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def read_report(report: Mapping[str, Any]) -> Findings:
    """Read what pip-audit writes with `--format json`.

    It passes over what the index does not know, and calls that clean; so an index without
    advisories looks like one in which all is well.
    """
    weak, unknown = [], []
    for package in report["dependencies"]:
        if "skip_reason" in package:
            unknown.append(package["name"])
        for each in package.get("vulns", ()):
            mended = ", ".join(each["fix_versions"]) or "no version yet"
            weak.append(f"{package['name']} {package['version']}: {each['id']}, mended in {mended}")
    return Findings(tuple(weak), tuple(unknown))


def ask(pinned: Path, program: Path = PROGRAM) -> Findings | None:
    """Have a file's packages looked up; None when the advisories can't be reached."""
    accepted = [word for name in ACCEPTED for word in ("--ignore-vuln", name)]
    flags = ["--require-hashes", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
    finished = subprocess.run(
        [program, *flags, *accepted, "--requirement", pinned],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        return read_report(json.loads(finished.stdout))
    except ValueError:  # it ends with words, and no report, when nobody answers
        return None


def audit(files: Iterable[Path], program: Path = PROGRAM, *, is_required: bool = False) -> int:
    """Look files up and print what is known.

    Args:
        files: Those of pinned packages.
        program: pip-audit.
        is_required: Whether what could not be asked for counts as a failure.

    Returns:
        The exit code.
    """
    is_weak = is_unknown = False
    for pinned in files:
        name = os.path.relpath(pinned, ROOT)
        found = ask(pinned, program)
        if found is None:
            print(f"  {name}: NOT AUDITED, the advisories can't be reached from here")
        elif found.unknown:
            some = ", ".join(found.unknown[:2])
            count = len(found.unknown)
            print(f"  {name}: NOT AUDITED are {count}, of which the index tells nothing: {some} …")
        elif not found.weak:
            print(f"  {name}: no known weakness")
        for line in found.weak if found else ():
            print(f"  {name}: {line}")
        is_weak = is_weak or bool(found and found.weak)
        is_unknown = is_unknown or found is None or bool(found.unknown)
    return int(is_weak or (is_unknown and is_required))


if __name__ == "__main__":
    sys.exit(audit(PINNED, is_required=os.environ.get("RUNBELL_ADVISORIES") == "required"))
