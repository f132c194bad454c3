"""What a function finds around it while it is measured: a local AWS, Algolia and Slack.

The local AWS is a process of its own, and the stand-ins run in the one that measures; so what a
function's process uses is its own. Ours and the peer's find the same Algolia and the same Slack.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.algolia import AlgoliaStandIn, Application
from local.aws import ROOT, LocalAws
from local.slack import SlackStandIn
from local.stack import BUILT, build
from local.table import new_table

TOKEN = "benchmark-token-0123456789"
SIGNING_SECRET = "benchmark-signing-secret"
CHANNEL = "#runs"

PYTHON = ROOT / ".venv-lambda" / "bin" / "python"
"""The interpreter with what Lambda's runtime brings, and nothing else."""

PEER = ROOT / "benchmarks" / "peer"
FLOOR = ROOT / "benchmarks" / "floor"


@dataclass(frozen=True)
class Code:
    """A function's code, as Lambda has it.

    Args:
        folder: Where the handler's module is.
        layers: The folders of the packages that it brings along.
    """

    folder: Path
    layers: tuple[Path, ...]

    @property
    def path(self) -> str:
        """What is to be in PYTHONPATH."""
        return os.pathsep.join(map(str, (self.folder, *self.layers)))


class Artifacts:
    """The built functions and the peer, copied so that nothing else changes them.

    SAM puts no bytecode into what it builds, and Lambda can't write any, so it compiles the peer's
    packages at each cold start. Ours have it, by their Makefiles. So there is a peer with bytecode,
    too: what differs then is the code alone.

    Args:
        folder: Where to copy them.
    """

    def __init__(self, folder: Path) -> None:
        build()
        self._folder = folder
        shutil.copytree(BUILT, folder / "ours")
        ignore = shutil.ignore_patterns("__pycache__", "*.dist-info", "pip", "setuptools")
        shutil.copytree(PEER, folder / "peer" / "app", ignore=ignore)
        shutil.copytree(FLOOR, folder / "floor", ignore=ignore)
        (packages,) = (ROOT / ".venv-peer" / "lib").glob("python*/site-packages")
        shutil.copytree(packages, folder / "peer" / "packages", ignore=ignore)
        shutil.copytree(folder / "peer", folder / "compiled")
        compiling = [str(PYTHON), "-m", "compileall", "-q", str(folder / "compiled")]
        subprocess.run(compiling, check=True, env={"PATH": os.defpath})

    def ours(self, name: str) -> Code:
        """One of Runbell's functions, such as `poll`."""
        ours = self._folder / "ours"
        layers = (ours / "DependenciesLayer" / "python", ours / "RunbellLayer" / "python")
        return Code(ours / f"{name.capitalize()}Function", layers)

    def floor(self) -> Code:
        """The least that a quiet tick can do."""
        return Code(self._folder / "floor", self.ours("poll").layers[:1])

    def peer(self, *, is_compiled: bool = False) -> Code:
        """The plain handler, with bytecode or as SAM builds it."""
        folder = self._folder / ("compiled" if is_compiled else "peer")
        return Code(folder / "app", (folder / "packages",))


@dataclass(frozen=True)
class Stage:
    """The surroundings of both sides, of which each has its own Algolia application.

    Args:
        aws: The local AWS.
        algolia: The stand-in for the Ingestion API; its first application is ours.
        peers_algolia: The peer's application.
        slack: The stand-in for Slack.
        secrets: The ARNs of the secrets, by the name of their variable.
    """

    aws: LocalAws
    algolia: AlgoliaStandIn
    peers_algolia: Application
    slack: SlackStandIn
    secrets: Mapping[str, str]

    def ours(self, **others: str) -> dict[str, str]:
        """The environment of Runbell's functions, with a table and a queue of its own."""
        return {
            **self._both,
            "POWERTOOLS_LOG_LEVEL": "INFO",
            "POWERTOOLS_SERVICE_NAME": "runbell",
            "TABLE_NAME": new_table(self.aws.client("dynamodb")),
            "QUEUE_URL": self._new_queue(),
            "DEAD_LETTER_QUEUE_URL": self._new_queue(),
            "RETENTION_DAYS": "30",
            "FALLBACK_CHANNEL": "",
            "DISCOVER": "all",
            "CONNECTION_SECRETS_PREFIX": "runbell/connections/",
            "SCHEDULE_GROUP": "runbell",
            "SCHEDULE_ROLE_ARN": "arn:aws:iam::000000000000:role/schedule",
            "SCHEDULE_DEAD_LETTER_QUEUE_ARN": "arn:aws:sqs:us-east-1:000000000000:ticks",
            "POLL_FUNCTION_ARN": "arn:aws:lambda:us-east-1:000000000000:function:poll",
            "STALLED_AFTER_MINUTES": "60",
            "NOTIFY_ON": "created,started,succeeded,failed,skipped",
            "SLACK_USERS": "",
            **others,
        }

    def peer(self) -> dict[str, str]:
        """The environment of the peer, with a table of its own."""
        name = f"peer-{uuid.uuid4().hex}"
        self.aws.client("dynamodb").create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "run_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "run_id", "KeyType": "HASH"}],
        )
        base_url = f"{self.slack.url}/api/"
        return {
            **self._both,
            "TABLE_NAME": name,
            "SLACK_BASE_URL": base_url,
            "ALGOLIA_SECRET_ARN": self.secrets["PEERS_ALGOLIA_SECRET_ARN"],
        }

    @property
    def _both(self) -> dict[str, str]:
        return {
            **self.aws.environment,
            **self.secrets,
            "PATH": os.defpath,
            "HOME": os.devnull,
            "PYTHONDONTWRITEBYTECODE": "1",
            "ALGOLIA_BASE_URL": self.algolia.url,
            "SLACK_BASE_URL": self.slack.url,
            "SLACK_CHANNEL": CHANNEL,
        }

    def _new_queue(self) -> str:
        fifo = {"FifoQueue": "true", "VisibilityTimeout": "120"}
        name = f"runbell-{uuid.uuid4().hex}.fifo"
        made = self.aws.client("sqs").create_queue(QueueName=name, Attributes=fifo)
        return str(made["QueueUrl"])


@contextmanager
def stage() -> Iterator[Stage]:
    """Set a stage, until its context closes."""
    with LocalAws() as aws, AlgoliaStandIn() as algolia, SlackStandIn() as slack:
        client: Any = aws.client("secretsmanager")

        def secret(value: str) -> str:
            made = client.create_secret(Name=f"bench/{uuid.uuid4().hex}", SecretString=value)
            return str(made["ARN"])

        peers = algolia.application("PEER", "peer-key")
        applications = [(algolia.app_id, algolia.api_key), (peers.app_id, peers.api_key)]
        ours, theirs = (
            secret(json.dumps({"app_id": app_id, "api_key": api_key, "region": "us"}))
            for app_id, api_key in applications
        )
        slacks = {"bot_token": "xoxb-stand-in", "signing_secret": SIGNING_SECRET}
        secrets = {
            "API_TOKEN_SECRET_ARN": secret(TOKEN),
            "ALGOLIA_SECRET_ARN": ours,
            "PEERS_ALGOLIA_SECRET_ARN": theirs,
            "SLACK_SECRET_ARN": secret(json.dumps(slacks)),
        }
        yield Stage(aws, algolia, peers, slack, secrets)
