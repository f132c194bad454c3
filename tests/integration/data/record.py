"""Records what an earlier release leaves in its table and on Slack, by really running it.

    cd tests/integration/data
    ../../../.venv/bin/python record.py f8c4cb1 > release-0.1.0.json

It takes the release out of git into a folder of its own, deploys it from there on a local AWS, and
has it announce some runs and watch others. Then notify is held back while runs go on, so that the
table is left with announcements that are still to be made.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def main(commit: str) -> None:
    """Run a release's own local stack, and print what it leaves behind."""
    with tempfile.TemporaryDirectory(prefix="runbell-release-") as folder:
        archive = subprocess.run(
            ["git", "archive", commit], cwd=ROOT, check=True, capture_output=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(folder, filter="data")
        for tools in (".venv", ".venv-aws"):
            Path(folder, tools).symlink_to(ROOT / tools)
        play = Path(__file__).with_name("play.py")
        path = os.pathsep.join([folder, str(Path(folder, "layers/runbell/python"))])
        subprocess.run(
            [sys.executable, play], cwd=folder, check=True, env={**os.environ, "PYTHONPATH": path}
        )


if __name__ == "__main__":
    main(sys.argv[1])
