"""A deployed stack, as an operator reaches it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError


class StackError(Exception):
    """The stack is not what the command needs; the message says what to do."""


class Outputs(dict[str, str]):
    """A stack's outputs by name; one that is not there is an error for people."""

    def __missing__(self, name: str) -> str:
        raise StackError(
            f"the stack has no output {name}: it is none of Runbell's, or not deployed to its end"
        )


@dataclass(frozen=True)
class Stack:
    """A stack and its outputs, by name."""

    name: str
    outputs: Outputs
    session: boto3.Session

    def client(self, service: str) -> Any:
        """A client with the credentials and the region of the environment."""
        return self.session.client(service)  # type: ignore[call-overload]


def parser(command: str, description: str) -> argparse.ArgumentParser:
    """The arguments that every command takes."""
    made = argparse.ArgumentParser(prog=f"make {command}", description=description)
    made.add_argument("--stack", default="runbell", help="the stack's name (default: runbell)")
    made.add_argument("--dry-run", action="store_true", help="say what there is, change nothing")
    return made


def find(name: str) -> Stack:
    """Look a stack up.

    Raises:
        StackError: There is none of this name here.
        BotoCoreError, ClientError: AWS could not be asked.
    """
    session = boto3.Session()
    try:
        described = session.client("cloudformation").describe_stacks(StackName=name)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            raise StackError(
                f"there is no stack {name!r} in this account and region; name it with --stack, "
                "and choose the account with AWS_PROFILE and the region with AWS_REGION"
            ) from None
        raise
    outputs = described["Stacks"][0].get("Outputs", [])
    return Stack(
        name, Outputs((each["OutputKey"], each["OutputValue"]) for each in outputs), session
    )
