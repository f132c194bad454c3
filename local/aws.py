"""The local AWS: ministack, started on a free loopback port with an environment of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
import requests
from botocore.config import Config

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / ".venv-aws" / "bin" / "ministack"
REGION = "us-east-1"
BOOT = 30.0
"""Seconds that it may take to answer; it takes less than one."""


class LocalStackError(Exception):
    """The local stack can't be had; the message says what to do."""


class LocalAws:
    """An AWS of one's own while its context is open.

    Args:
        port: Where it listens; a free port if not given.
        is_strict: Whether roles may do what their policies say and no more; else everybody may do
            everything.

    Raises:
        LocalStackError: It is not installed, the port is taken, or it does not come up.
    """

    def __init__(self, port: int | None = None, *, is_strict: bool = False) -> None:
        self._asked_port = port
        self._is_strict = is_strict
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        if not PROGRAM.exists():
            raise LocalStackError("the local AWS is not installed: run it by make, which does that")
        port = self._asked_port or free_port()
        if not 0 < port < 65_536:
            raise LocalStackError(f"{port} is no port: choose one from 1 to 65535")
        if not _is_free(port):
            raise LocalStackError(f"the port {port} is taken: choose another, or none for any")
        self._folder = Path(tempfile.mkdtemp(prefix="runbell-aws-"))
        self.url = f"http://127.0.0.1:{port}"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [PROGRAM],
                # Functions inherit this environment, so nothing of the caller's is in it.
                env={
                    "PATH": "/usr/bin:/bin",
                    "HOME": str(self._folder),
                    "TMPDIR": str(self._folder),
                    "BIND_HOST": "127.0.0.1",
                    "GATEWAY_PORT": str(port),
                    "IOT_MTLS_ENABLED": "0",
                    "SFTP_ENABLED": "0",
                    "AWS_ACCESS_KEY_ID": "test",
                    "AWS_SECRET_ACCESS_KEY": "test",
                    "AWS_DEFAULT_REGION": REGION,
                    "AUTH": str(self._is_strict).lower(),
                },
                cwd=self._folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is ours to hand on, in order
            )
        try:
            self._wait_until_healthy()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def log(self) -> Path:
        """What it says of itself."""
        assert self._folder is not None, "the local AWS has been started"
        return self._folder / "ministack.log"

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs in its environment to talk to this AWS and to no other."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str) -> Any:
        """Make a boto3 client of this AWS."""
        return client_at(self.url, service)

    def close(self) -> None:
        """End it with all the functions it runs, and leave nothing behind."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _wait_until_healthy(self) -> None:
        assert self._process is not None
        ends = time.monotonic() + BOOT
        while time.monotonic() < ends:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self.url}/_ministack/health", timeout=1).ok:
                    return
            time.sleep(0.05)
        tail = self.log.read_text("utf-8", "replace")[-2000:]
        raise LocalStackError(f"the local AWS did not come up; its last words:\n{tail}")


def client_at(url: str, service: str) -> Any:
    """Make a boto3 client of what listens at an address of this machine."""
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, read_timeout=70),
    )


def free_port() -> int:
    """Find a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
