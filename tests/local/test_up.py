"""`make up` with a person's own credentials: used, never written down, and gone at Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local.aws import ROOT, LocalStackError
from local.running import real_things

pytestmark = pytest.mark.xdist_group("deployed")

SECRETS = {
    "ALGOLIA_API_KEY": "a-key-that-must-not-be-written-4711",
    "SLACK_BOT_TOKEN": "xoxb-that-must-not-be-written-0815",
}


@pytest.fixture
def up(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`python -m local up` with credentials in its environment and a place of its own for files."""
    process = subprocess.Popen(
        [sys.executable, "-m", "local", "up"],
        cwd=ROOT,
        env={
            **os.environ,
            **SECRETS,
            "ALGOLIA_APP_ID": "AN-APP-ID",
            "ALGOLIA_REGION": "eu",
            "SLACK_CHANNEL": "#a-channel",
            "TMPDIR": str(tmp_path),
            "PYTHONUNBUFFERED": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield process
    if process.poll() is None:
        process.kill()
        process.wait()


def test_credentials_are_used_and_never_written_and_ctrl_c_leaves_nothing(
    up: subprocess.Popen[str], tmp_path: Path
) -> None:
    """Its whole life, seen from outside."""
    assert up.stdout is not None
    said = []
    for line in up.stdout:
        said.append(line)
        if "Ctrl-C" in line:
            break
    assert "Ctrl-C" in "".join(said), "".join(said)
    assert "the real one" in "".join(said)
    children = psutil.Process(up.pid).children(recursive=True)
    assert children, "a local AWS is running"

    for folder in (tmp_path, ROOT / ".aws-sam", ROOT / "local"):
        for path in folder.rglob("*"):
            if path.is_file():
                content = path.read_bytes()
                for name, secret in SECRETS.items():
                    assert secret.encode() not in content, f"{name} is in {path}"
    assert not any(secret in "".join(said) for secret in SECRETS.values())

    up.send_signal(signal.SIGINT)
    rest = up.communicate(timeout=20)[0]
    assert up.returncode == 130
    assert "nothing is left running" in rest
    assert not any(child.is_running() for child in children)
    assert not list(tmp_path.glob("runbell-aws-*"))


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"ALGOLIA_APP_ID": "x"}, "ALGOLIA_API_KEY and ALGOLIA_REGION"),
        ({"SLACK_BOT_TOKEN": "x"}, "SLACK_CHANNEL"),
        ({"SLACK_BOT_TOKEN": "x", "SLACK_WEBHOOK_URL": "y", "SLACK_CHANNEL": "c"}, "not both"),
    ],
)
def test_credentials_in_part_are_named(environment: dict[str, str], word: str) -> None:
    """Before anything is started."""
    with pytest.raises(LocalStackError, match=word):
        real_things(environment)


def test_without_credentials_there_are_stand_ins() -> None:
    """The offline case."""
    real = real_things({})
    assert real.algolia is None
    assert real.slack is None
