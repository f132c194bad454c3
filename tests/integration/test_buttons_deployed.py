"""The buttons of a message on the deployed stack, pressed as a person in Slack presses them."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from local.algolia import AlgoliaStandIn
from local.aws import LocalAws
from local.faults import Fault
from local.slack import Message, Press, SlackStandIn
from local.stack import Stack, deploy
from runbell.items import NoteKind, RunItem
from runbell.store import RunStore
from runbell.table import Table
from runbell.task_store import TaskStore
from tests.integration.test_deployed import (
    assert_as_described,
    everything_logged,
    minutes_ago,
    wait_until,
)

pytestmark = pytest.mark.xdist_group("deployed")

CHANNEL = "#runs"
ANNA, BEN, STRANGER = "U0ANNA1", "U0BEN22", "U0CARLA"
SLACKS_PATIENCE = 3.0


class Buttons:
    """A deployed stack whose messages can be pressed on."""

    def __init__(self, stack: Stack, algolia: AlgoliaStandIn, slack: SlackStandIn) -> None:
        self.stack = stack
        self.algolia = algolia
        self.slack = slack
        table = Table(stack.aws.client("dynamodb"), stack.outputs["TableName"])
        self.store = RunStore(table)
        self.tasks = TaskStore(table)

    def fail(self) -> RunItem:
        """Let a new run of a new task fail, and have it told."""
        run_id = str(uuid.uuid4())
        run = {
            "runID": run_id,
            "appID": self.algolia.app_id,
            "taskID": f"task-of-{run_id}",
            "type": "reindex",
            "createdAt": minutes_ago(3),
            "startedAt": minutes_ago(2),
            "finishedAt": minutes_ago(1),
            "status": "finished",
            "outcome": "failure",
        }
        self.algolia.put_run(run)
        assert self.stack.call("POST", f"/runs/{run_id}/check").status_code == 200
        wait_until(lambda: self.message(run_id) is not None, "the failure is not told")
        return self.store.get("default", run_id)

    def message(self, run_id: str) -> Message | None:
        """The run's message."""
        return next(
            (
                each
                for each in self.slack.messages(CHANNEL)
                if each.thread_ts is None and run_id in json.dumps(each.blocks)
            ),
            None,
        )

    def press(self, item: RunItem, action: str, *, user: str = ANNA, **more: Any) -> Press:
        message = self.message(item.run_id)
        assert message is not None
        return self.slack.press(CHANNEL, message.ts, action, user=user, **more)

    def notes(self, item: RunItem) -> list[tuple[str, str | None, str]]:
        """What is noted about a run."""
        notes = self.store.get("default", item.run_id).notes
        return [(note.kind, note.by, note.text) for note in notes]

    def task(self, item: RunItem) -> str:
        assert item.snapshot is not None
        return item.snapshot.task_id

    def started(self, item: RunItem) -> list[str]:
        """The runs that Algolia has started of a run's task."""
        return [each.run_id for each in self.algolia.started() if each.task_id == self.task(item)]


@pytest.fixture(scope="module")
def buttons(aws: LocalAws) -> Iterator[Buttons]:
    """The built template, deployed anew; two people may press buttons."""
    with AlgoliaStandIn() as algolia, SlackStandIn() as slack:
        stack = deploy(
            aws,
            "runbell-buttons",
            AlgoliaBaseUrl=algolia.url,
            SlackBaseUrl=slack.url,
            SlackChannel=CHANNEL,
            SlackUsers=f"{ANNA},{BEN}",
        )
        stack.put_secret(
            "AlgoliaSecretArn",
            {"app_id": algolia.app_id, "api_key": algolia.api_key, "region": "us"},
        )
        stack.put_secret(
            "SlackSecretArn",
            {"bot_token": "xoxb-stand-in", "signing_secret": slack.signing_secret},
        )
        slack.interactions_url = f"{stack.api_url}/slack/interactions"
        slack.answer_within = 20.0  # the tests say themselves how long it may take
        yield Buttons(stack, algolia, slack)
        stack.remove()


def signed(secret: str, body: str, moment: float) -> dict[str, str]:
    """The headers with which Slack sends a body."""
    at = str(int(moment))
    digest = hmac.new(secret.encode(), f"v0:{at}:{body}".encode(), hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Slack-Request-Timestamp": at,
        "X-Slack-Signature": f"v0={digest}",
    }


def body_of(item: RunItem, action: str, user: str = ANNA) -> str:
    """What Slack sends when a button is pressed."""
    pressed = {"action_id": action, "block_id": f"runbell default {item.run_id}"}
    payload = {
        "type": "block_actions",
        "user": {"id": user},
        "channel": {"id": "C0123456789"},
        "actions": [pressed],
    }
    return urlencode({"payload": json.dumps(payload)})


def test_a_press_is_answered_in_time_cold_and_warm(buttons: Buttons) -> None:
    item = buttons.fail()
    seconds = []
    for _ in range(6):
        began = time.monotonic()
        press = buttons.press(item, "claim")
        seconds.append(time.monotonic() - began)
        assert (press.status, press.body) == (200, "")
    assert max(seconds) < SLACKS_PATIENCE, seconds
    assert buttons.notes(item) == [(NoteKind.CLAIMED, ANNA, "")]


def test_a_task_runs_again_once_however_often_it_is_asked_for(buttons: Buttons) -> None:
    """Eight at the same moment, and then once more: one run, told in the same thread."""
    item = buttons.fail()

    def press(number: int) -> int | None:
        return buttons.press(item, "run_again", user=(ANNA, BEN)[number % 2]).status

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(press, range(8))) == [200] * 8
    wait_until(lambda: bool(buttons.notes(item)), "no tick has run the task again")
    [new_id] = buttons.started(item)
    [(kind, by, text)] = buttons.notes(item)
    assert (kind, text) == (NoteKind.AGAIN, new_id)
    assert by in {ANNA, BEN}

    assert buttons.press(item, "run_again", user=BEN).status == 200
    buttons.stack.poll()
    assert buttons.started(item) == [new_id]
    thread = buttons.message(item.run_id)
    assert thread is not None

    def in_the_thread() -> list[Message]:
        replies = [m for m in buttons.slack.messages(CHANNEL) if m.thread_ts == thread.ts]
        return [m for m in replies if new_id in json.dumps(m.blocks)]

    wait_until(lambda: len(in_the_thread()) >= 2, "the new run is not told in the thread")
    new = buttons.store.get("default", new_id)
    assert (new.thread_of, new.channel) == (item.run_id, CHANNEL)


def test_what_slack_has_not_signed_is_refused(buttons: Buttons) -> None:
    item = buttons.fail()
    url, secret = f"{buttons.stack.api_url}/slack/interactions", buttons.slack.signing_secret
    body, now = body_of(item, "claim"), time.time()
    good = signed(secret, body, now)
    for wrong in (
        signed("another-secret", body, now),
        signed(secret, body_of(item, "run_again"), now),
        signed(secret, body, now - 301),
        signed(secret, body, now + 330),
        {**good, "X-Slack-Request-Timestamp": "soon"},
        {**good, "X-Slack-Signature": "v0=\u00fc".encode().decode("latin-1")},
        {name: value for name, value in good.items() if name != "X-Slack-Signature"},
        {"Authorization": f"Bearer {buttons.stack.token}"},
    ):
        answer = requests.post(url, data=body, headers=wrong, timeout=20)
        assert answer.status_code == 401, (wrong, answer.text)
        assert_as_described("POST", "/slack/interactions", answer)
    assert not buttons.notes(item)
    answer = requests.post(url, data=body, headers=signed(secret, body, now - 290), timeout=20)
    assert (answer.status_code, answer.content) == (200, b"")
    assert buttons.notes(item) == [(NoteKind.CLAIMED, ANNA, "")]


def test_what_is_signed_and_makes_no_sense_is_a_400(buttons: Buttons) -> None:
    url, secret = f"{buttons.stack.api_url}/slack/interactions", buttons.slack.signing_secret
    for body in (
        "",
        "payload=",
        "payload=[]",
        "text=hi",
        "payload=%7B%22type%22%3A%22block_actions%22%7D",
    ):
        answer = requests.post(
            url, data=body, headers=signed(secret, body, time.time()), timeout=20
        )
        assert answer.status_code == 400, (body, answer.text)
        assert_as_described("POST", "/slack/interactions", answer)


def test_who_may_not_is_told_so_and_nothing_happens(buttons: Buttons) -> None:
    item = buttons.fail()
    began = time.monotonic()
    for action, option in (("run_again", None), ("claim", None), ("mute", "8h")):
        assert buttons.press(item, action, user=STRANGER, option=option).status == 200
    assert time.monotonic() - began < 3 * SLACKS_PATIENCE
    words = [each for each in buttons.slack.ephemerals if each.only_for == STRANGER]
    assert len(words) == 3
    assert "may not" in words[0].text
    buttons.stack.poll()
    assert not buttons.notes(item)
    assert not buttons.started(item)
    assert buttons.tasks.get("default", buttons.task(item)).mute is None


def test_a_task_is_muted_once_and_heard_again(buttons: Buttons) -> None:
    item = buttons.fail()
    for _ in range(2):
        assert buttons.press(item, "mute", option="8h").status == 200
    [(kind, by, until)] = buttons.notes(item)
    assert (kind, by) == (NoteKind.MUTED, ANNA)
    mute = buttons.tasks.get("default", buttons.task(item)).mute
    assert mute is not None
    assert (mute.by, mute.until) == (ANNA, until)

    def unmuting() -> Message | None:
        said = ((m, json.dumps(m.blocks)) for m in buttons.slack.messages(CHANNEL))
        return next((m for m, text in said if item.run_id in text and '"unmute"' in text), None)

    wait_until(lambda: unmuting() is not None, "nothing offers to unmute the task")
    message = unmuting()
    assert message is not None
    assert buttons.slack.press(CHANNEL, message.ts, "unmute", user=BEN).status == 200
    assert buttons.tasks.get("default", buttons.task(item)).mute is None
    assert buttons.notes(item)[1:] == [(NoteKind.UNMUTED, BEN, "")]


def test_a_refusal_is_told_in_words_and_the_button_works_again(buttons: Buttons) -> None:
    """Algolia's own word, in the thread; asked once more, the task runs."""
    item = buttons.fail()
    buttons.algolia.faults.add(
        Fault("error", status=400, error="The task is disabled"),
        path=f"{buttons.task(item)}/run",
    )
    assert buttons.press(item, "run_again").status == 200
    wait_until(lambda: bool(buttons.notes(item)), "the refusal is not noted")
    [(kind, by, text)] = buttons.notes(item)
    assert (kind, by) == (NoteKind.REFUSED, ANNA)
    assert "The task is disabled" in text
    wait_until(
        lambda: any("The task is disabled" in m.text for m in buttons.slack.messages(CHANNEL)),
        "the refusal is not told",
    )

    def is_settled() -> bool:
        buttons.press(item, "run_again")
        return len(buttons.notes(item)) > 1

    wait_until(is_settled, "it can't be asked for again")
    assert buttons.notes(item)[1][0] == NoteKind.AGAIN
    assert len(buttons.started(item)) == 1


def test_no_secret_of_slacks_is_in_the_log(buttons: Buttons) -> None:
    logged = everything_logged(buttons.stack)
    assert "a button was pressed" in logged
    assert buttons.slack.signing_secret not in logged
    assert "xoxb-stand-in" not in logged


def test_without_a_signing_secret_the_log_says_what_to_put(buttons: Buttons) -> None:
    """Every request is refused until it is there; then it works without a deploy."""
    item = buttons.fail()
    secret = {"bot_token": "xoxb-stand-in"}
    signing = {"signing_secret": f"other-{uuid.uuid4().hex}"}
    url, body = f"{buttons.stack.api_url}/slack/interactions", body_of(item, "claim")

    def answer_is(status: int) -> bool:
        headers = signed(signing["signing_secret"], body, time.time())
        return requests.post(url, data=body, headers=headers, timeout=20).status_code == status

    try:
        buttons.stack.put_secret("SlackSecretArn", secret)
        assert answer_is(401)
        words = "put the app's Signing Secret into the secret SLACK as signing_secret"
        wait_until(
            lambda: answer_is(401) and words in everything_logged(buttons.stack), "no word of it"
        )
        buttons.stack.put_secret("SlackSecretArn", secret | signing)
        wait_until(lambda: answer_is(200), "the new secret is not read")
    finally:
        signing = {"signing_secret": buttons.slack.signing_secret}
        buttons.stack.put_secret("SlackSecretArn", secret | signing)
        body = body_of(item, "nothing-of-ours")
        wait_until(lambda: answer_is(400), "the old secret is not read")
