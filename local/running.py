"""A running Runbell on this machine: the local AWS, the vendors' stand-ins, and the stack."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from local.algolia import AlgoliaStandIn
from local.aws import LocalAws, LocalStackError
from local.slack import SlackStandIn
from local.stack import Stack, build, deploy

CHANNEL = "#algolia-runs"


@dataclass(frozen=True)
class RealThings:
    """Credentials of the real vendors, where a person has given them."""

    algolia: Mapping[str, str] | None
    slack: Mapping[str, str] | None
    channel: str


@dataclass(frozen=True)
class Running:
    """What runs; a stand-in is None where the real vendor is used."""

    aws: LocalAws
    algolia: AlgoliaStandIn | None
    slack: SlackStandIn | None
    stack: Stack
    deployed_at: float


def real_things(environment: Mapping[str, str]) -> RealThings:
    """Find the vendors' credentials in the environment.

    Raises:
        LocalStackError: Only a part of them is there.
    """
    algolia = {
        "app_id": environment.get("ALGOLIA_APP_ID", ""),
        "api_key": environment.get("ALGOLIA_API_KEY", ""),
        "region": environment.get("ALGOLIA_REGION", ""),
    }
    missing = [f"ALGOLIA_{name.upper()}" for name, value in algolia.items() if not value]
    if 0 < len(missing) < len(algolia):
        raise LocalStackError(f"for the real Algolia, set {' and '.join(missing)} too")
    if not missing and algolia["region"] not in {"us", "eu"}:
        raise LocalStackError("set ALGOLIA_REGION to us or eu")
    slack = {
        name: value
        for name in ("bot_token", "webhook_url")
        if (value := environment.get(f"SLACK_{name.upper()}", ""))
    }
    if len(slack) > 1:
        raise LocalStackError("set SLACK_BOT_TOKEN or SLACK_WEBHOOK_URL, not both")
    channel = environment.get("SLACK_CHANNEL", "")
    if "bot_token" in slack and not channel:
        raise LocalStackError("set SLACK_CHANNEL too: the channel that the bot is to post to")
    return RealThings(None if missing else algolia, slack or None, channel or CHANNEL)


NOTHING_REAL = RealThings(None, None, CHANNEL)


@contextmanager
def start(real: RealThings = NOTHING_REAL, port: int | None = None) -> Iterator[Running]:
    """Build, start and deploy, telling how far it is; end it all when the context closes.

    Raises:
        LocalStackError: A step failed; the message says what to do.
    """
    with contextlib.ExitStack() as open_things:
        with step("building the template with SAM"):
            build()
        with step("starting the local AWS"):
            aws = open_things.enter_context(LocalAws(port))
        algolia = None if real.algolia else open_things.enter_context(AlgoliaStandIn())
        slack = None if real.slack else open_things.enter_context(SlackStandIn())
        with step("deploying the template"):
            stack = deploy(
                aws,
                SlackChannel=real.channel,
                **({"AlgoliaBaseUrl": algolia.url} if algolia else {}),
                **({"SlackBaseUrl": slack.url} if slack else {}),
            )
            deployed_at = time.time()
        with step("putting the secrets"):
            stack.put_token()
            stack.put_secret("AlgoliaSecretArn", real.algolia or _stand_in_secret(algolia))
            stack.put_secret("SlackSecretArn", real.slack or _slack_secret(slack))
        if slack:
            slack.interactions_url = f"{stack.api_url}/slack/interactions"
        yield Running(aws, algolia, slack, stack, deployed_at)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Tell that a step has begun, and how long it took."""
    began = time.monotonic()
    print(f"  {what} … ", end="", flush=True)
    try:
        yield
    except BaseException as error:
        print("stopped" if isinstance(error, KeyboardInterrupt) else "failed", flush=True)
        raise
    print(f"{time.monotonic() - began:.1f} s", flush=True)


def _stand_in_secret(algolia: AlgoliaStandIn | None) -> dict[str, str]:
    assert algolia is not None, "there is a stand-in where there is no real Algolia"
    return {"app_id": algolia.app_id, "api_key": algolia.api_key, "region": "us"}


def _slack_secret(slack: SlackStandIn | None) -> dict[str, str]:
    assert slack is not None, "there is a stand-in where there is no real Slack"
    return {"bot_token": "xoxb-stand-in", "signing_secret": slack.signing_secret}
