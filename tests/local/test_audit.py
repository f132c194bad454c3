"""What the look-up of known weaknesses says, and when it fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local.audit import ACCEPTED, PINNED, audit

CLEAN = {"name": "requests", "version": "2.34.2", "vulns": []}
WEAK = {
    "name": "urllib3",
    "version": "2.8.0",
    "vulns": [{"id": "CVE-2000-1", "fix_versions": ["2.8.1"], "aliases": [], "description": ""}],
}
UNKNOWN = {"name": "certifi", "skip_reason": "Dependency not found on PyPI"}


@pytest.fixture
def pip_audit(tmp_path: Path) -> Any:
    """Makes programs that answer as pip-audit does, and note what they were asked."""

    def make(*packages: dict[str, Any] | None) -> Path:
        program = tmp_path / "pip-audit"
        report = json.dumps({"dependencies": packages, "fixes": []})
        answer = "exit 1" if None in packages else f"cat <<'END'\n{report}\nEND\n"
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n{answer}\n', "utf-8")
        program.chmod(0o755)
        return program

    return make


@pytest.mark.parametrize(
    ("packages", "says", "code", "code_if_required"),
    [
        ([CLEAN], "no known weakness", 0, 0),
        ([CLEAN, WEAK], "urllib3 2.8.0: CVE-2000-1, mended in 2.8.1", 1, 1),
        ([CLEAN, UNKNOWN], "NOT AUDITED are 1", 0, 1),
        ([UNKNOWN, WEAK], "CVE-2000-1", 1, 1),
        ([None], "NOT AUDITED, the advisories can't be reached", 0, 1),
    ],
)
def test_a_weakness_fails_and_silence_is_said(
    pip_audit: Any,
    capsys: pytest.CaptureFixture[str],
    packages: list[dict[str, Any] | None],
    says: str,
    code: int,
    code_if_required: int,
) -> None:
    program = pip_audit(*packages)
    assert audit(PINNED[:1], program) == code
    said = capsys.readouterr().out
    assert says in said
    assert ("no known weakness" in said) == (packages == [CLEAN])
    assert audit(PINNED[:1], program, is_required=True) == code_if_required


def test_one_weak_file_among_others_fails(pip_audit: Any, tmp_path: Path) -> None:
    weak = pip_audit(WEAK)
    program = weak.with_name("of-two-minds")
    clean = """echo '{"dependencies": []}'"""
    program.write_text(f'#!/bin/sh\ncase "$*" in *first*) {weak};; *) {clean};; esac\n', "utf-8")
    program.chmod(0o755)
    assert audit([tmp_path / "first.txt", tmp_path / "second.txt"], program) == 1
    assert audit([tmp_path / "second.txt"], program) == 0


def test_every_file_of_pinned_packages_is_looked_up() -> None:
    """Those of the tools, and what goes to AWS."""
    names = {f"{path.parent.name}/{path.name}" for path in PINNED}
    assert {
        "dependencies/requirements.txt",
        "requirements/audit.txt",
        "requirements/aws.txt",
        "requirements/dev.txt",
        "requirements/lambda.txt",
        "requirements/peer.txt",
    } == names


def test_what_is_accepted_is_named_to_the_program_and_has_a_reason(
    pip_audit: Any, tmp_path: Path
) -> None:
    audit(PINNED[:1], pip_audit(CLEAN))
    asked = (tmp_path / "asked").read_text("utf-8")
    for name, reason in ACCEPTED.items():
        assert f"--ignore-vuln {name}" in asked
        assert len(reason) > 20
