"""What `record.py` has an earlier release do; it runs in that release's folder, on its modules."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from local.algolia import AlgoliaStandIn
from local.aws import LocalAws
from local.slack import SlackStandIn
from local.stack import Stack, build, deploy

CHANNEL, ELSEWHERE = "#runs", "#elsewhere"
POST = "chat.postMessage"


def main() -> None:
    """Deploy the release, play, and print the items and messages that it leaves."""
    build()
    with LocalAws() as aws, AlgoliaStandIn() as algolia, SlackStandIn() as slack:
        stack = deploy(
            aws,
            "runbell-recorded",
            AlgoliaBaseUrl=algolia.url,
            SlackBaseUrl=slack.url,
            SlackChannel=CHANNEL,
            # Ticks come when they are asked for.
            ScheduleExpression="rate(1 day)",
        )
        play(stack, algolia, slack)
        json.dump(left_behind(stack, slack), sys.stdout, indent=1, sort_keys=True)
        sys.stdout.write("\n")


def play(stack: Stack, algolia: AlgoliaStandIn, slack: SlackStandIn) -> None:
    """Let runs be announced, and others go on while notify is held back."""
    key = {"app_id": algolia.app_id, "api_key": algolia.api_key, "region": "us"}
    stack.put_secret("AlgoliaSecretArn", key)
    stack.put_secret("SlackSecretArn", {"bot_token": "xoxb-stand-in"})
    stack.put_token()

    def show(run_id: str, status: str, outcome: str | None = None) -> None:
        now = datetime.now(UTC)
        run = {
            "runID": run_id,
            "appID": algolia.app_id,
            "taskID": f"task-of-{run_id}",
            "type": "reindex",
            "createdAt": _written(now - timedelta(minutes=3)),
            "status": status,
            **({"startedAt": _written(now - timedelta(minutes=2))} if status != "created" else {}),
            **({"finishedAt": _written(now)} if status == "finished" else {}),
            **({"outcome": outcome} if outcome else {}),
        }
        algolia.put_run(run)

    def watch(run_id: str, **wishes: Any) -> None:
        answer = stack.call("PUT", f"/watches/runs/{run_id}", json=wishes)
        answer.raise_for_status()

    show("goes-on", "started")
    watch("goes-on", channel=ELSEWHERE, notifyOn=["started", "failed"])
    show("fails-meanwhile", "started")
    watch("fails-meanwhile")
    show("is-over", "finished", "success")
    watch("is-over")
    watch("is-not-known-yet", channel=ELSEWHERE)
    stack.poll()
    wait_until(lambda: len(posts(slack)) == 3 and not pending(stack))

    hold_notify_back(stack)
    show("fails-meanwhile", "finished", "failure")
    show("starts-meanwhile", "started")
    watch("starts-meanwhile")
    stack.poll()
    show("is-checked-meanwhile", "created")
    stack.call("POST", "/runs/is-checked-meanwhile/check").raise_for_status()
    assert sorted(pending(stack)) == [
        "run#default#fails-meanwhile",
        "run#default#is-checked-meanwhile",
        "run#default#starts-meanwhile",
    ]
    assert len(posts(slack)) == 3


def hold_notify_back(stack: Stack) -> None:
    """Switch the queue's event source off."""
    client = stack.aws.client("lambda")
    name = stack.outputs["NotifyFunctionName"]
    for mapping in client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]:
        client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def left_behind(stack: Stack, slack: SlackStandIn) -> dict[str, Any]:
    """What is in the table, as DynamoDB writes it, and who was told of what on Slack."""
    table = stack.aws.client("dynamodb").scan(TableName=stack.outputs["TableName"])
    return {"at": _written(datetime.now(UTC)), "items": table["Items"], "posts": posts(slack)}


def posts(slack: SlackStandIn) -> list[dict[str, str]]:
    """The messages that were posted: of which run, where, and under which name."""
    posted = ((call.arguments, call.answer) for call in slack.calls if call.method == POST)
    return [
        {
            "run": arguments["metadata"]["event_payload"]["run_id"],
            "channel": answer["channel"],
            "ts": answer["ts"],
        }
        for arguments, answer in posted
        if isinstance(answer, dict) and answer["ok"]
    ]


def pending(stack: Stack) -> list[str]:
    """What is still to be announced."""
    name = stack.outputs["TableName"]
    found = stack.aws.client("dynamodb").scan(TableName=name, IndexName="pending")["Items"]
    return [item["pk"]["S"] for item in found]


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what is about to happen."""
    ends = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < ends, "it does not happen"
        time.sleep(0.05)


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    main()
