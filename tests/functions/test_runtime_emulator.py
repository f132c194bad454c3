"""The built functions as Lambda runs them: the artifact and the layers, and nothing else.

AWS's Runtime Interface Emulator starts each in an environment that holds what Lambda's runtime
brings (boto3), so a dependency that the layer forgot fails here as it would on AWS.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local.aws import ROOT, free_port

BUILT = ROOT / ".aws-sam" / "build"
PYTHON = ROOT / ".venv-lambda" / "bin" / "python"
PATIENCE = 20.0

Invoke = Callable[[dict[str, Any]], Any]


def emulator() -> Path:
    """The emulator that comes with the SAM CLI."""
    import samcli

    machine = "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
    return Path(samcli.__file__).parent / "local" / "rapid" / f"aws-lambda-rie-{machine}"


@pytest.fixture
def start(
    environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[[str, Path | None], Invoke]]:
    """Starts a built function; the answer invokes it."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(function: str, layer: Path | None) -> Invoke:
        port, runtime_port = free_port(), free_port()
        layers = [layer, BUILT / "RunbellLayer"]
        path = [str(BUILT / function), *(str(one / "python") for one in layers if one)]
        running.append(
            subprocess.Popen(
                [
                    emulator(),
                    *("--runtime-interface-emulator-address", f"127.0.0.1:{port}"),
                    *("--runtime-api-address", f"127.0.0.1:{runtime_port}"),
                    *("--log-level", "error"),
                    *(PYTHON, "-m", "awslambdaric", "app.handler"),
                ],
                cwd=BUILT / function,
                env={
                    **environment,
                    "PATH": os.defpath,
                    "HOME": str(tmp_path),
                    "PYTHONPATH": os.pathsep.join(path),
                    "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",  # as in the template, for the longest
                },
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"

        def invoke(event: dict[str, Any]) -> Any:
            ends = time.monotonic() + PATIENCE
            while True:
                try:
                    return requests.post(url, json=event, timeout=PATIENCE).json()
                except requests.ConnectionError:
                    assert time.monotonic() < ends, "the emulator does not come up"
                    time.sleep(0.05)

        return invoke

    yield begin
    for process in running:
        process.terminate()
        process.wait(timeout=10)


def test_poll_runs_from_its_artifact(start: Callable[..., Invoke]) -> None:
    """A tick with a run that Algolia doesn't know: fetched, counted, reported."""
    invoke = start("PollFunction", BUILT / "DependenciesLayer")
    report = invoke({"connection": "default", "runIDs": ["unknown"]})
    assert (report["failed"], report["requests"]) == (1, 1), report


def test_api_runs_from_its_artifact(start: Callable[..., Invoke]) -> None:
    """A call that has a body validated by the contract."""
    invoke = start("ApiFunction", BUILT / "DependenciesLayer")
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/watches/runs/r",
        "rawQueryString": "",
        "headers": {"authorization": "Bearer example-token-0123456789"},
        "requestContext": {
            "http": {"method": "PUT", "path": "/watches/runs/r"},
            "stage": "$default",
        },
        "body": '{"channel": 5}',
        "isBase64Encoded": False,
    }
    answer = invoke(event)
    assert answer["statusCode"] == 400, answer
    assert "body.channel" in answer["body"]


def test_api_reads_yaml_from_its_artifact(start: Callable[..., Invoke]) -> None:
    """The one package that is imported only when such a body comes."""
    invoke = start("ApiFunction", BUILT / "DependenciesLayer")
    event = json.loads((ROOT / "events" / "http-put-watches-yaml.json").read_text("utf-8"))
    answer = invoke(event)
    assert answer["statusCode"] == 200, answer
    assert len(json.loads(answer["body"])["added"]) == 2


def test_notify_runs_from_its_artifact(start: Callable[..., Invoke]) -> None:
    """A batch with a run that is not known: nothing to tell, nothing comes again."""
    invoke = start("NotifyFunction", BUILT / "DependenciesLayer")
    record = {
        "messageId": "m",
        "receiptHandle": "r",
        "body": '{"connection": "default", "runID": "r", "version": 1, "channel": "#runs"}',
        "attributes": {"MessageGroupId": "#runs", "ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:queue.fifo",
        "awsRegion": "us-east-1",
    }
    assert invoke({"Records": [record]}) == {"batchItemFailures": []}


def test_interact_runs_from_its_artifact(start: Callable[..., Invoke]) -> None:
    """A press that Slack signed long ago: verified, and refused as a replay."""
    invoke = start("InteractFunction", BUILT / "DependenciesLayer")
    event = json.loads((ROOT / "events" / "slack-interaction.json").read_text("utf-8"))
    assert invoke(event)["statusCode"] == 401


@pytest.mark.parametrize(
    "function", ["PollFunction", "ApiFunction", "NotifyFunction", "InteractFunction"]
)
def test_a_forgotten_dependency_is_noticed(start: Callable[..., Invoke], function: str) -> None:
    """Without the layer of third-party packages no function starts."""
    answer = start(function, None)({"connection": "default"})
    assert answer.get("errorType") == "Runtime.ImportModuleError", answer


def test_the_layers_hold_pure_python_only() -> None:
    """One artifact serves every architecture and Python version."""
    compiled = [path for path in BUILT.rglob("*") if path.suffix in {".so", ".pyd", ".dylib"}]
    assert not compiled
