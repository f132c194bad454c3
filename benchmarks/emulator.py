"""A function in AWS's Runtime Interface Emulator: a cold start, and what it costs."""

from __future__ import annotations

import contextlib
import json
import platform
import re
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from benchmarks.stage import PYTHON, Code
from local.aws import free_port

PATIENCE = 30.0

INIT = re.compile(r"INIT REPORT\(durationMs: ([\d.]+)\)")
FIRST = re.compile(r"INVOKE RTDONE\(status: success,.* duration: ([\d.]+)ms\)")


@dataclass(frozen=True)
class ColdStart:
    """What a cold start took.

    Args:
        init: Milliseconds from the start of the interpreter until it asks for its first event.
        first: Milliseconds from then until the first event is answered.
        cpu: Milliseconds of CPU time for both.
        memory: The most MB that the process held by then.
        answer: What the function answered.
    """

    init: float
    first: float
    cpu: float
    memory: float
    answer: Any

    @property
    def total(self) -> float:
        """Milliseconds for both."""
        return self.init + self.first


def cold_start(code: Code, environment: Mapping[str, str], event: Any, log: Path) -> ColdStart:
    """Start a function anew, have it answer one event, and end it."""
    port, runtime_port = free_port(), free_port()
    with log.open("wb") as written:
        emulator = subprocess.Popen(
            [
                _program(),
                *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
                *("--runtime-api-address", f"127.0.0.1:{runtime_port}"),
                *("--log-level", "info"),
                *(PYTHON, "-m", "awslambdaric", "app.handler"),
            ],
            cwd=code.folder,
            env={
                **environment,
                "PYTHONPATH": code.path,
                "AWS_LAMBDA_FUNCTION_TIMEOUT": "55",
            },
            stdout=written,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_up(port)
        url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        answer = requests.post(url, data=json.dumps(event), timeout=PATIENCE).json()
        (process,) = psutil.Process(emulator.pid).children()
        times, memory = process.cpu_times(), _peak(process)
    finally:
        emulator.terminate()
        emulator.wait(timeout=10)
    said = log.read_text("utf-8", "replace")
    init, first = INIT.search(said), FIRST.search(said)
    if init is None or first is None or (isinstance(answer, dict) and "errorType" in answer):
        raise SystemExit(f"the function failed: {answer}\n{said}")
    cpu = 1000 * (times.user + times.system)
    return ColdStart(float(init[1]), float(first[1]), cpu, memory, answer)


def _program() -> Path:
    """The emulator that comes with the SAM CLI."""
    import samcli

    machine = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
    return Path(samcli.__file__).parent / "local" / "rapid" / f"aws-lambda-rie-{machine}"


def _wait_until_up(port: int) -> None:
    """Wait for the emulator, which starts the function with the first event and not before."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise SystemExit("the emulator does not come up")


def _peak(process: psutil.Process) -> float:
    """The most MB that a process has held."""
    status = Path(f"/proc/{process.pid}/status").read_text("utf-8")
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024
