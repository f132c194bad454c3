"""The simulated FIFO queues do what the local AWS's do: one script is played on both."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws import LocalAws
from local.simulated import FifoQueues, SimulatedTime

TIMEOUT = 30
"""Seconds of the queue's own visibility time-out, which nothing here waits for."""


class Desk:
    """A queue with its dead-letter queue, and somebody who receives from it."""

    def __init__(self, sqs: Any, arn_of: Callable[[str], str]) -> None:
        self._sqs = sqs
        name = uuid.uuid4().hex
        fifo = {"FifoQueue": "true", "VisibilityTimeout": str(TIMEOUT)}
        per_group = {
            "DeduplicationScope": "messageGroup",
            "FifoThroughputLimit": "perMessageGroupId",
        }
        self.dead = sqs.create_queue(QueueName=f"{name}-dead.fifo", Attributes=fifo)["QueueUrl"]
        redrive = {"deadLetterTargetArn": arn_of(self.dead), "maxReceiveCount": 3}
        self.url = sqs.create_queue(
            QueueName=f"{name}.fifo",
            Attributes={**fifo, **per_group, "RedrivePolicy": json.dumps(redrive)},
        )["QueueUrl"]

    def send(self, body: str, group: str, once: str = "") -> None:
        self._sqs.send_message_batch(
            QueueUrl=self.url,
            Entries=[
                {
                    "Id": "0",
                    "MessageBody": body,
                    "MessageGroupId": group,
                    "MessageDeduplicationId": once or uuid.uuid4().hex,
                }
            ],
        )

    def receive(self, most: int = 10, *, url: str = "") -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(
            QueueUrl=url or self.url,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=0,
            AttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    def show_again(self, message: dict[str, Any], seconds: int = 0) -> None:
        self._sqs.change_message_visibility(
            QueueUrl=self.url,
            ReceiptHandle=message["ReceiptHandle"],
            VisibilityTimeout=seconds,
        )

    def delete(self, message: dict[str, Any]) -> None:
        self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture(params=["real", "simulated"])
def desk(request: pytest.FixtureRequest, aws: LocalAws) -> Desk:
    if request.param == "simulated":
        return Desk(FifoQueues(SimulatedTime().seconds), lambda url: url)
    sqs = aws.client("sqs")

    def arn_of(url: str) -> str:
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])

    return Desk(sqs, arn_of)


def bodies(messages: list[dict[str, Any]]) -> list[str]:
    return [each["Body"] for each in messages]


def receives(messages: list[dict[str, Any]]) -> list[str]:
    return [each["Attributes"]["ApproximateReceiveCount"] for each in messages]


def test_a_group_comes_in_order_and_waits_for_what_is_in_flight(desk: Desk) -> None:
    for body in ("a1", "a2", "a3"):
        desk.send(body, "a")
    first = desk.receive(2)
    assert bodies(first) == ["a1", "a2"]
    desk.send("b1", "b")
    second = desk.receive()
    assert bodies(second) == ["b1"]  # a3 waits, and holds nobody up

    desk.delete(first[0])
    assert desk.receive() == []
    desk.show_again(first[1])

    again = desk.receive()
    assert bodies(again) == ["a2", "a3"]
    assert receives(again) == ["2", "1"]


def test_a_message_with_an_id_that_was_there_is_not_kept(desk: Desk) -> None:
    for group in ("a", "b"):
        desk.send("first", group, once="same")
        desk.send("second", group, once="same")
    messages = desk.receive()
    assert bodies(messages) == ["first", "first"]
    for message in messages:
        desk.delete(message)

    desk.send("third", "a", once="same")
    assert desk.receive() == []


def test_what_has_come_too_often_is_laid_away_and_what_is_behind_it_comes(desk: Desk) -> None:
    desk.send("a1", "a")
    for _ in range(3):
        (message,) = desk.receive()
        desk.show_again(message)
    desk.send("a2", "a")

    assert bodies(desk.receive()) == ["a2"]
    assert bodies(desk.receive(url=desk.dead)) == ["a1"]


def test_a_receipt_whose_time_is_over_is_refused() -> None:
    """So does SQS for FIFO queues; the local AWS takes it all the same."""
    desk = Desk(FifoQueues(SimulatedTime().seconds), lambda url: url)
    desk.send("a1", "a")
    (message,) = desk.receive()
    desk.show_again(message)

    with pytest.raises(ClientError):
        desk.show_again(message, 10)


def test_in_simulated_time_what_is_hidden_comes_again_when_its_time_is_over() -> None:
    time = SimulatedTime()
    desk = Desk(FifoQueues(time.seconds), lambda url: url)
    desk.send("a1", "a")
    (message,) = desk.receive()
    desk.show_again(message, 10)
    time.sleep(9.9)
    assert desk.receive() == []
    time.sleep(0.1)
    assert bodies(desk.receive()) == ["a1"]
    time.sleep(TIMEOUT)
    assert receives(desk.receive()) == ["3"]


def test_in_simulated_time_an_id_is_remembered_for_five_minutes() -> None:
    time = SimulatedTime()
    desk = Desk(FifoQueues(time.seconds), lambda url: url)
    desk.send("a1", "a", once="same")
    time.sleep(299)
    desk.send("a2", "a", once="same")
    time.sleep(1)
    desk.send("a3", "a", once="same")
    assert bodies(desk.receive()) == ["a1", "a3"]


def test_processes_wait_in_simulated_time_each_for_its_own() -> None:
    with SimulatedTime() as time:
        begin, seen = time.seconds(), []

        def wait(name: str, seconds: float) -> None:
            for _ in range(2):
                time.sleep(seconds)
                seen.append((name, time.seconds() - begin))

        time.start(lambda: wait("a", 2))
        time.start(lambda: wait("b", 3))
        time.run(4.5)
        assert seen == [("a", 2), ("b", 3), ("a", 4)]
        assert time.seconds() - begin == 4.5
        time.sleep(10)
        assert seen[3:] == [("b", 6)]


def test_what_a_process_raises_is_raised_by_who_lets_the_time_go_on() -> None:
    def fail() -> None:
        raise ZeroDivisionError("a bug")

    with SimulatedTime() as time:
        time.start(fail)
        with pytest.raises(ZeroDivisionError):
            time.run(1)
