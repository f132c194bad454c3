"""The saboteur: it breaks the calls that it has orders for, and no others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local.chaos import saboteur
from local.chaos.sabotage import Deed, Sabotage, count
from local.faults import Faults
from local.http_server import Answer, LoopbackServer, Request

BY_BOTO3 = """
import boto3, botocore.exceptions
from botocore.config import Config
client = boto3.client("dynamodb", endpoint_url=URL, region_name="us-east-1",
    aws_access_key_id="x", aws_secret_access_key="x",
    config=Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS}))
key = {"pk": {"S": "run#default#run-1-00007"}}
try:
    print(client.get_item(TableName="t", Key=key)["Item"])
except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
    print("error", error)
"""
BY_URLLIB = """
from urllib.request import Request, urlopen
print(urlopen(Request(f"{URL}/api/chat.postMessage", b"run-1-00007 is told")).read())
"""
BY_REQUESTS = """
import requests
print(requests.get(f"{URL}/1/runs?page=1").json())
"""


class Sabotaged:
    """A service, and a process with a saboteur that asks it."""

    def __init__(self, folder: Path, service: LoopbackServer) -> None:
        self._folder = folder
        self._service = service
        self.sabotage = Sabotage(folder)
        self.asked: list[Request] = []

    def run(self, code: str, *, attempts: int = 1) -> subprocess.CompletedProcess[str]:
        begin = (
            f"import sys; sys.path.insert(0, {str(Path(saboteur.__file__).parent)!r})\n"
            "from saboteur import Saboteur\n"
            f"Saboteur({str(self._folder)!r}, 'notify').install()\n"
            f"URL, ATTEMPTS = {self._service.url!r}, {attempts}\n"
        )
        return subprocess.run(
            [sys.executable, "-c", begin + code],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def sabotaged(tmp_path: Path) -> object:
    asked: list[Request] = []

    def handle(request: Request) -> Answer:
        asked.append(request)
        return Answer.of_json(200, {"Item": {"pk": {"S": "there"}}})

    with LoopbackServer(handle, Faults()) as service:
        made = Sabotaged(tmp_path, service)
        made.asked = asked
        yield made


@pytest.mark.parametrize("code", [BY_BOTO3, BY_URLLIB, BY_REQUESTS])
def test_without_an_order_every_client_has_its_answer(sabotaged: Sabotaged, code: str) -> None:
    sabotaged.sabotage.order("poll", "GetItem", saboteur.KILL_BEFORE)
    sabotaged.sabotage.order("notify", "UpdateItem", saboteur.KILL_BEFORE)
    done = sabotaged.run(code)
    assert (done.returncode, "there" in done.stdout, done.stderr) == (0, True, "")
    assert not sabotaged.sabotage.deeds()


@pytest.mark.parametrize(
    ("code", "operation", "runs"),
    [
        (BY_BOTO3, "GetItem", ("run-1-00007",)),
        (BY_URLLIB, "chat.postMessage", ("run-1-00007",)),
        (BY_REQUESTS, "runs", ()),
    ],
)
@pytest.mark.parametrize(("act", "arrived"), [("kill-before", 0), ("kill-after", 1)])
def test_a_process_is_killed_before_its_request_or_after_the_answer(
    sabotaged: Sabotaged,
    code: str,
    operation: str,
    runs: tuple[str, ...],
    act: str,
    arrived: int,
) -> None:
    sabotaged.sabotage.order("notify", operation, act)
    done = sabotaged.run(code)
    assert (done.returncode, done.stdout) == (137, "")
    assert len(sabotaged.asked) == arrived
    assert sabotaged.sabotage.deeds() == [Deed("notify", operation, act, runs)]
    assert count(sabotaged.sabotage.deeds()) == {f"notify killed {act[5:]} {operation}": 1}


@pytest.mark.parametrize(
    ("act", "arrived"), [("throttle", 0), ("drop-before", 0), ("drop-after", 1)]
)
def test_one_break_is_mended_by_the_sdk_and_as_many_as_its_attempts_come_through(
    sabotaged: Sabotaged, act: str, arrived: int
) -> None:
    sabotaged.sabotage.order("notify", "GetItem", act)
    assert "there" in sabotaged.run(BY_BOTO3, attempts=2).stdout
    assert len(sabotaged.asked) == arrived + 1

    for _ in range(2):
        sabotaged.sabotage.order("notify", "GetItem", act)
    said = sabotaged.run(BY_BOTO3, attempts=2).stdout
    assert said.startswith("error")
    assert ("Throttling" in said) == (act == "throttle")
    assert len(sabotaged.sabotage.deeds()) == 3
    assert sabotaged.sabotage.waiting() == 0


def test_orders_can_be_taken_back(sabotaged: Sabotaged) -> None:
    sabotaged.sabotage.order("notify", "GetItem", saboteur.KILL_BEFORE)
    assert sabotaged.sabotage.waiting() == 1
    sabotaged.sabotage.withdraw()
    assert sabotaged.run(BY_BOTO3).returncode == 0
