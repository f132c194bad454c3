"""The template, built and deployed with SAM to the local AWS, and a handle on what is deployed."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import requests

from local.aws import REGION, ROOT, LocalAws, LocalStackError

BUILT = ROOT / ".aws-sam" / "build"

SOURCES = ("template.yaml", "functions", "layers")
"""What is built."""


@dataclass(frozen=True)
class Stack:
    """A deployed Runbell.

    Args:
        aws: Where it is deployed.
        name: The stack's name.
        outputs: The template's outputs, by name.
    """

    aws: LocalAws
    name: str
    outputs: Mapping[str, str]

    @cached_property
    def api_url(self) -> str:
        """Where the HTTP API answers on the local AWS, which serves all APIs from one port."""
        api_id = self.outputs["ApiUrl"].removeprefix("https://").partition(".")[0]
        return f"{self.aws.url}/_aws/execute-api/{api_id}"

    @property
    def token(self) -> str:
        """The HTTP API's bearer token."""
        answer = self.aws.client("secretsmanager").get_secret_value(
            SecretId=self.outputs["ApiTokenSecretArn"]
        )
        return str(answer["SecretString"])

    def put_token(self) -> None:
        """Put a bearer token of letters and digits.

        The emulator makes one with quotes and blanks in it, whatever the template says.
        """
        self.aws.client("secretsmanager").put_secret_value(
            SecretId=self.outputs["ApiTokenSecretArn"], SecretString=secrets.token_hex(24)
        )

    def put_secret(self, output: str, value: Mapping[str, str]) -> None:
        """Put a secret, as a person does after the first deploy."""
        self.aws.client("secretsmanager").put_secret_value(
            SecretId=self.outputs[output], SecretString=json.dumps(value)
        )

    def put_connection_secret(self, name: str, app_id: str, api_key: str) -> None:
        """Make the secret of a further connection, as a person does before it is made."""
        value = {"app_id": app_id, "api_key": api_key, "region": "us"}
        self.aws.client("secretsmanager").create_secret(
            Name=f"{self.name}/connections/{name}", SecretString=json.dumps(value)
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = "",
        timeout: float = 35,
        **arguments: Any,
    ) -> requests.Response:
        """Call the HTTP API; with its token, unless another or None is given."""
        headers = dict(arguments.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token or self.token}"
        return requests.request(
            method, self.api_url + path, headers=headers, timeout=timeout, **arguments
        )

    def poll(self, **event: Any) -> dict[str, Any]:
        """Invoke poll as the schedule does, and wait for its report.

        Raises:
            FunctionFailedError: It raised.
        """
        answer = self.aws.client("lambda").invoke(
            FunctionName=self.outputs["PollFunctionName"],
            Payload=json.dumps({"connection": "default", **event}),
        )
        payload: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise FunctionFailedError(payload)
        return payload

    def remove(self) -> None:
        """Delete the stack, or its schedule would go on for as long as the local AWS does."""
        self.aws.client("cloudformation").delete_stack(StackName=self.name)


class FunctionFailedError(Exception):
    """A function raised; the error's one argument is what Lambda says of it."""


def build() -> Path:
    """Build the template's artifacts with SAM, if its sources have changed since.

    SAM removes what is there first, even where it then puts the same back; who runs what is built
    at that moment would find it gone.

    Returns:
        The built template.

    Raises:
        LocalStackError: SAM could not; the message is its own.
    """
    stamp, sources = BUILT / "sources.sha256", _digest()
    if not stamp.exists() or stamp.read_text("utf-8") != sources:
        _sam("build", "--cached", "--parallel")
        stamp.write_text(sources, "utf-8")
    return BUILT / "template.yaml"


def _digest() -> str:
    """What tells the sources from others: each file's path and content."""
    digest = hashlib.sha256()
    for source in SOURCES:
        for path in sorted([ROOT / source, *(ROOT / source).rglob("*")]):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def deploy(aws: LocalAws, name: str = "runbell-local", **parameters: str) -> Stack:
    """Deploy what is built.

    Args:
        aws: Where.
        name: The stack's name.
        parameters: The template's parameters that differ from their defaults.

    Raises:
        LocalStackError: SAM could not; the message is its own.
    """
    given = [f'{key}="{value}"' for key, value in parameters.items()]
    _sam(
        *("deploy", "--config-env", "local", "--stack-name", name),
        *(("--parameter-overrides", *given) if given else ()),
        environment=aws.environment,
    )
    described = aws.client("cloudformation").describe_stacks(StackName=name)
    outputs = {
        output["OutputKey"]: output["OutputValue"]
        for output in described["Stacks"][0].get("Outputs", [])
    }
    stack = Stack(aws, name, outputs)
    # The emulator's CloudFormation leaves the TTL out.
    aws.client("dynamodb").update_time_to_live(
        TableName=outputs["TableName"],
        TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": True},
    )
    return stack


def _sam(*arguments: str, environment: Mapping[str, str] | None = None) -> None:
    """Run the SAM CLI of this environment, quietly unless it fails."""
    tools = Path(sys.executable).parent
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "SAM_", "ALGOLIA_", "SLACK_"))
    }
    clean |= {
        "PATH": f"{tools}:{os.environ.get('PATH', '')}",
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": REGION,
    }
    finished = subprocess.run(
        [tools / "sam", *arguments],
        cwd=ROOT,
        env=clean | dict(environment or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        words = (finished.stdout + finished.stderr).strip()[-3000:]
        raise LocalStackError(f"`sam {arguments[0]}` failed:\n{words}")
