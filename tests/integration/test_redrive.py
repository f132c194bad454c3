"""`make redrive`: dead letters go back to the queue once a person has mended their cause."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from local.aws import LocalAws
from ops.__main__ import main
from runbell.outbox import DeadLetters, parse_wake
from tests.integration.conftest import Queue

QUEUES = json.dumps(
    {
        "Resources": {
            name: {
                "Type": "AWS::SQS::Queue",
                "Properties": {"FifoQueue": True, "DeduplicationScope": "messageGroup",
                               "FifoThroughputLimit": "perMessageGroupId"},
            }
            for name in ("Queue", "DeadLetterQueue")
        },
        "Outputs": {
            "QueueUrl": {"Value": {"Ref": "Queue"}},
            "DeadLetterQueueUrl": {"Value": {"Ref": "DeadLetterQueue"}},
        },
    }
)  # fmt: skip


@dataclass(frozen=True)
class Queues:
    """A stack with the two queues alone."""

    name: str
    queue: Queue
    dead: Queue
    letters: DeadLetters

    def bury(self, run_id: str, cause: str, channel: str = "#runs") -> None:
        body = {"connection": "default", "runID": run_id, "version": 1, "channel": channel}
        self.letters.bury(json.dumps(body), channel, cause)


@pytest.fixture
def queues(aws: LocalAws, sqs: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queues]:
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    name = f"queues-{uuid.uuid4().hex[:8]}"
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=QUEUES)
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1}
    )
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    urls = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    dead = urls["DeadLetterQueueUrl"]
    yield Queues(name, Queue(sqs, urls["QueueUrl"]), Queue(sqs, dead), DeadLetters(sqs, dead))
    cloudformation.delete_stack(StackName=name)


@pytest.fixture
def redrive(queues: Queues) -> Callable[..., int]:
    def run(*arguments: str) -> int:
        return main(["redrive", "--stack", queues.name, *arguments])

    return run


def test_letters_go_back_as_a_persons(
    queues: Queues, redrive: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(23):
        queues.bury(f"run-{number:02}", "is_archived", "#a" if number < 12 else "#b")

    assert redrive() == 0

    back = [parse_wake(message["Body"]) for message in queues.queue.drain()]
    assert sorted(wake.run_id for wake in back) == [f"run-{number:02}" for number in range(23)]
    assert all(wake.again for wake in back)
    assert queues.dead.count() == 0
    said = capsys.readouterr().out
    assert "12  #a: is_archived" in said
    assert "11  #b: is_archived" in said
    assert "Dead letters sent back: 23 of 23" in said


def test_a_dry_run_changes_nothing(
    queues: Queues, redrive: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(25):
        queues.bury(f"run-{number}", "channel_not_found")

    assert redrive("--dry-run") == 0

    assert queues.queue.count() == 0
    assert len(queues.dead.drain()) == 25, "they are in sight at once"
    assert "25  #runs: channel_not_found" in capsys.readouterr().out


def test_a_letter_without_a_cause_is_sent_back_and_its_story_told(
    queues: Queues, redrive: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    wake = {"connection": "default", "runID": "run-1", "version": 1, "channel": "#runs"}
    queues.dead.send(json.dumps(wake), "#runs")

    assert redrive() == 0

    assert queues.queue.count() == 1
    assert "notify has died of it" in capsys.readouterr().out


@pytest.mark.parametrize("nonsense", ["hello", "[]", '{"runID": "run-1"}'])
def test_what_makes_no_sense_stays_and_is_said(
    queues: Queues,
    redrive: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    nonsense: str,
) -> None:
    queues.dead.send(nonsense, "#odd")
    queues.bury("run-1", "is_archived")

    assert redrive() == 1

    assert queues.queue.count() == 1
    assert queues.dead.count() == 1
    assert "which stays: 1" in capsys.readouterr().out

    assert redrive("--drop-nonsense") == 0

    assert queues.dead.count() == 0
    assert f"dropped: {nonsense}" in capsys.readouterr().out


def test_a_letter_that_is_laid_away_meanwhile_is_not_sent_round_and_round(
    queues: Queues, redrive: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.redrive.time.time", lambda: 0.0)
    queues.bury("run-1", "is_archived")

    assert redrive() == 0

    assert queues.queue.count() == 0
    assert queues.dead.count() == 1


def test_an_unknown_stack_is_an_error_that_says_what_to_do(
    queues: Queues, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["redrive", "--stack", "nobody"]) == 1

    assert "there is no stack 'nobody'" in capsys.readouterr().err


def test_without_a_command_the_choices_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2

    assert "redrive" in capsys.readouterr().err


def test_letters_that_somebody_looks_at_are_not_denied(
    queues: Queues, redrive: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    queues.bury("run-1", "is_archived")
    queues.dead.receive()

    assert redrive() == 0

    assert "1 more are being looked at by somebody" in capsys.readouterr().out


def test_a_stack_of_somebody_else_is_an_error_that_says_so(
    aws: LocalAws, queues: Queues, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"other-{uuid.uuid4().hex[:8]}"
    template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    cloudformation = aws.client("cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))

    assert main(["redrive", "--stack", name]) == 1

    assert "is none of Runbell's" in capsys.readouterr().err
    cloudformation.delete_stack(StackName=name)
