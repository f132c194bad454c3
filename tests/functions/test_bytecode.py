"""The layers' bytecode, without which Lambda compiles every module at each cold start."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from local.aws import ROOT
from local.table import template

BUILT = ROOT / ".aws-sam" / "build"


@pytest.mark.parametrize("layer", ["RunbellLayer", "DependenciesLayer"])
def test_every_module_of_a_layer_comes_with_bytecode_that_is_not_checked(layer: str) -> None:
    """Lambda's copy has other times than the one that was compiled."""
    modules = [path for path in (BUILT / layer / "python").rglob("*.py") if path.stat().st_size]
    assert modules
    for module in modules:
        compiled = Path(importlib.util.cache_from_source(str(module)))
        head = compiled.read_bytes()[:8]
        assert head[:4] == importlib.util.MAGIC_NUMBER, compiled
        assert head[4] == 0b01, "is checked against its source"  # PEP 552


@pytest.mark.parametrize("layer", ["runbell", "dependencies"])
def test_bytecode_is_for_the_python_of_the_template(layer: str) -> None:
    makefile = (ROOT / "layers" / layer / "Makefile").read_text("utf-8")
    wanted = template()["Globals"]["Function"]["Runtime"]
    assert re.findall(r"^LAMBDAS := (.*)$", makefile, re.MULTILINE) == [wanted]


def test_no_bytecode_tells_of_the_machine_that_built_it() -> None:
    tag = sys.implementation.cache_tag
    for compiled in (BUILT / "RunbellLayer").rglob(f"*.{tag}.pyc"):
        assert str(ROOT).encode() not in compiled.read_bytes(), compiled
