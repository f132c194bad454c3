"""What a month costs at AWS's list prices, line by line, beside the peer.

Run it with `python -m benchmarks.cost`.

What is counted is counted on Runbell's own code: DynamoDB's units for a run's life by a table in
memory that keeps to DynamoDB's rules, memory sizes, secrets, alarms and mappings in the template.
What was measured once, or can only be assumed without AWS, is a constant below that says so. No
free tier is taken into account.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import Any

from local.aws import ROOT

sys.path.insert(0, str(ROOT / "layers" / "runbell" / "python"))

from benchmarks.table import keep
from local.simulated.multitude import CHANGES_A_RUN, Multitude, Trouble
from local.simulated.units import MeteredTable
from local.table import template as read_template
from runbell.foresight import EARNED
from runbell.metering import Metric
from runbell.secrets import REMEMBERED

Template = Mapping[str, Any]

PRICES: dict[str, Any] = json.loads(Path(__file__).with_name("prices.json").read_text("utf-8"))

TASKS = (10, 100, 1_000)
RUNS_A_DAY = (1, 24)
"""How often a task runs: once a day, as most do, and once an hour."""

GOAL, FIXED_GOAL = 0.20, 4.00
"""Dollars a month for the usage of a hundred tasks that run once a day, and for what is fixed."""

DAYS = 30
TICKS = DAYS * 24 * 60
GIGABYTE = 1_000_000_000

# ---- Measured here, on one core, 2026-11-24 ---------------------------------------------------

TICK_CPU, CHANGE_CPU, ANNOUNCEMENT_CPU = 0.0054, 0.006, 0.0054
"""Seconds of a processor for a quiet tick, for what a change adds to one, and for an announcement,
the SDK's share included."""

TICK_LOG, CHANGE_LOG, ANNOUNCEMENT_LOG = 1_218, 712, 590
"""Bytes of the log for each, START, END and REPORT and CloudWatch's 26 bytes a line included."""

CONNECTION_ITEM = 3_000
"""Bytes of a connection's item with all the digests it may remember."""

# ---- Assumed: nothing here can measure it -----------------------------------------------------

ONE_VCPU = 1_769
"""Megabytes for which a function has one processor, taken for one such as here:
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""

ROUND_TRIP, HANDSHAKES = 0.020, 2
"""Seconds to Algolia or Slack and back, and how often before a request on a new TLS connection: one
that was kept since the last minute is mostly closed."""

AWS_CALL, ALGOLIA_WORK, SLACK_WORK = 0.010, 0.060, 0.150
"""Seconds that AWS takes for an answer, and that Algolia and Slack work at one."""

ALGOLIA_CALL = (1 + HANDSHAKES) * ROUND_TRIP + ALGOLIA_WORK
SLACK_CALL = (1 + HANDSHAKES) * ROUND_TRIP + SLACK_WORK

ALGOLIA_BYTES, SLACK_BYTES = 2_000, 5_000
"""Bytes out to the internet for a request, with the handshake before it."""

SECRET_READS = int(DAYS * 86_400 / REMEMBERED)
"""Of poll, which needs its secret at every tick and remembers it for a while."""

MOMENTS_A_RUN = 2
"""In which notify is at work for a run, longer apart than it remembers its secret."""

EMPTY_RECEIVES = 5 * 3 * 60 * 24 * DAYS
"""What a mapping asks of an empty queue: five long polls of twenty seconds side by side, which it
does not reduce where MaximumConcurrency is set. AWS says so of standard queues:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""

LOOKS_AHEAD_A_RUN = 6
"""Looks ahead of the schedule while a run goes on; `benchmarks.fast_polling` counts from four to
seven on a usual day."""

MOST_LOOKS_AHEAD = int(timedelta(days=DAYS) / EARNED)
"""How many of those there may be in a month."""

STARTS_A_DAY = 12
"""How often Lambda starts poll's process anew."""

API_CALLS = 1_000
"""Calls of the HTTP API and presses of buttons."""

LOGS_SHRINK_TO = 0.15
"""Of a log's bytes, what is stored: CloudWatch compresses them."""

ALWAYS_WRITTEN: frozenset[str] = frozenset({Metric.TICKS, Metric.REQUESTS, Metric.PENDING_AGE})
"""Metrics that each tick writes, so that they are paid for by the month; the others by the hour
they are written."""

PAGE = 100
"""Runs that one request to Algolia lists, and one to DynamoDB reads."""

PEER_MEMORY = 512
PEER_CALL = ROUND_TRIP + ALGOLIA_WORK
"""Seconds that the peer waits for each run, one after the other on one connection."""


@dataclass(frozen=True)
class Line:
    """One line of a bill: how many of what, and what it comes to."""

    name: str
    number: float
    price: str

    @property
    def dollars(self) -> float:
        """What it comes to."""
        listed = PRICES["prices"][self.price]
        return float(self.number * listed["usd"] / listed["per"])


@dataclass(frozen=True)
class ARun:
    """What one run's life asks of DynamoDB, on average.

    Args:
        reads, writes: Request units.
        stored, indexed: Bytes of its item in the end, and of its entries in the indexes.
    """

    reads: float
    writes: float
    stored: float
    indexed: float


def total(lines: Iterable[Line]) -> float:
    """What some lines come to, in dollars."""
    return sum(line.dollars for line in lines)


def measure_a_run(runs: int = 400) -> ARun:
    """Count what the lives of some runs ask of DynamoDB: looks, commits, sweeps and deliveries."""
    multitude = Multitude(1, Trouble(0, 0, 0, 0, 0, 0), MeteredTable)
    for changes in multitude.play(CHANGES_A_RUN * runs):
        if changes == CHANGES_A_RUN * runs:
            break  # before what has ended is forgotten
    table = multitude.table
    assert isinstance(table, MeteredTable)
    sizes = [table.stored(pk) for pk in table.keys() if pk.startswith("run#")]  # noqa: SIM118
    return ARun(
        reads=table.reads / runs,
        writes=table.writes / runs,
        stored=sum(stored for stored, _ in sizes) / len(sizes),
        indexed=sum(indexed for _, indexed in sizes) / len(sizes),
    )


def usage(
    template: Template, a_run: ARun, *, tasks: int, runs_a_day: float, is_fast: bool = False
) -> list[Line]:
    """What a month's use costs, by how many tasks there are and how often they run."""
    resources = template["Resources"]
    runs = tasks * runs_a_day * DAYS
    changes = announcements = runs * CHANGES_A_RUN
    ahead = min(MOST_LOOKS_AHEAD, runs * LOOKS_AHEAD_A_RUN) if is_fast else 0
    ticks = TICKS + ahead
    listed = tasks * runs_a_day * 7  # that the look through all runs of a week goes through
    pages = DAYS * 24 * (listed / PAGE + 1)
    remembered = tasks * runs_a_day * template["Parameters"]["RetentionDays"]["Default"]
    poll_seconds = (
        ticks * (_on(resources, "PollFunction", TICK_CPU) + ALGOLIA_CALL + 3 * AWS_CALL)
        + changes * (_on(resources, "PollFunction", CHANGE_CPU) + 4 * AWS_CALL)
        + pages * (ALGOLIA_CALL + AWS_CALL)
    )
    notify_seconds = announcements * (
        _on(resources, "NotifyFunction", ANNOUNCEMENT_CPU) + SLACK_CALL + 2 * AWS_CALL
    )
    logged = ticks * TICK_LOG + changes * CHANGE_LOG + announcements * ANNOUNCEMENT_LOG
    return [
        Line("Scheduler: ticks", TICKS, "scheduler_invocation"),
        Line("Lambda: requests", ticks + announcements + API_CALLS, "lambda_request"),
        Line(
            "Lambda: poll",
            poll_seconds * _gigabytes(resources, "PollFunction"),
            "lambda_gb_second_arm64",
        ),
        Line(
            "Lambda: notify",
            notify_seconds * _gigabytes(resources, "NotifyFunction"),
            "lambda_gb_second_arm64",
        ),
        Line(
            "Lambda: api and interact",
            API_CALLS * 0.3 * _gigabytes(resources, "ApiFunction"),
            "lambda_gb_second_arm64",
        ),
        Line("HTTP API", API_CALLS, "http_api_request"),
        Line(
            "DynamoDB: reads",
            # The connection's item, and two empty queries each tick of the schedule. A new process
            # also reads each run of a week once, for half a unit: the hourly look comes by it.
            TICKS * 2 + ahead + runs * a_run.reads + DAYS * STARTS_A_DAY * listed / 2,
            "dynamodb_read_unit",
        ),
        Line(
            "DynamoDB: writes",
            # Each change comes with a tick that notes how far it has come, as a look ahead does.
            runs * a_run.writes + (min(TICKS, changes) + ahead) * ceil(CONNECTION_ITEM / 1_024),
            "dynamodb_write_unit",
        ),
        Line(
            "DynamoDB: storage",
            remembered * (a_run.stored + a_run.indexed) / GIGABYTE,
            "dynamodb_gb_month",
        ),
        Line(
            "DynamoDB: backups",
            remembered * a_run.stored / GIGABYTE if _is_backed_up(resources) else 0,
            "dynamodb_pitr_gb_month",
        ),
        Line("SQS: words to notify", announcements * 3, "sqs_fifo_request"),
        Line("SQS: words to poll", ahead * 3, "sqs_request"),
        Line("Logs: ingested", logged / GIGABYTE, "logs_gb_ingested"),
        Line(
            "Logs: stored",
            logged / GIGABYTE * LOGS_SHRINK_TO * _retention(resources) / DAYS,
            "logs_gb_month",
        ),
        Line(
            "Secrets: reads",
            SECRET_READS + min(SECRET_READS, runs * MOMENTS_A_RUN),
            "secret_request",
        ),
        Line(
            "To Algolia and Slack",
            ((ticks + pages) * ALGOLIA_BYTES + announcements * SLACK_BYTES) / GIGABYTE,
            "internet_gb_out",
        ),
    ]


def fixed(template: Template, *, is_monitored: bool = True, is_fast: bool = True) -> list[Line]:
    """What a month costs whether anything happens or not."""
    resources = template["Resources"]
    kinds = [each["Type"] for each in resources.values()]
    lines = [Line("secrets", kinds.count("AWS::SecretsManager::Secret"), "secret_month")]
    if is_monitored:
        lines += [
            Line("metrics", len(ALWAYS_WRITTEN), "metric_month"),
            Line("alarms", kinds.count("AWS::CloudWatch::Alarm"), "alarm_month"),
        ]
    for name, each in resources.items():
        is_optional = each.get("Condition") == "HasFastPolling"
        if each["Type"] == "AWS::Lambda::EventSourceMapping" and (is_fast or not is_optional):
            queue = each["Properties"]["EventSourceArn"]["GetAtt"].partition(".")[0]
            is_fifo = resources[queue]["Properties"].get("FifoQueue", False)
            price = "sqs_fifo_request" if is_fifo else "sqs_request"
            lines.append(Line(f"empty polls of {name}", EMPTY_RECEIVES, price))
    return lines


def peer_usage(*, tasks: int, runs_a_day: float) -> list[Line]:
    """The same for the peer, which is handed the latest run of each task once a minute."""
    changes = tasks * runs_a_day * DAYS * CHANGES_A_RUN
    looks = TICKS * tasks
    seconds = (
        looks * (PEER_CALL + AWS_CALL + TICK_CPU / 3 * ONE_VCPU / PEER_MEMORY)
        + changes * (SLACK_CALL + AWS_CALL)
    )  # fmt: skip
    gigabytes = TICKS * 700 / GIGABYTE
    return [
        Line("Scheduler: ticks", TICKS, "scheduler_invocation"),
        Line("Lambda: requests", TICKS, "lambda_request"),
        Line("Lambda: handler", seconds * PEER_MEMORY / 1_024, "lambda_gb_second_arm64"),
        Line("DynamoDB: reads", looks / 2, "dynamodb_read_unit"),
        Line("DynamoDB: writes", changes, "dynamodb_write_unit"),
        Line("Logs: ingested", gigabytes, "logs_gb_ingested"),
        Line(
            "To Algolia and Slack",
            (looks * 500 + changes * SLACK_BYTES) / GIGABYTE,
            "internet_gb_out",
        ),
    ]


def _on(resources: Mapping[str, Any], function: str, cpu: float) -> float:
    """Seconds that work takes on a function's share of a processor."""
    memory: int = resources[function]["Properties"]["MemorySize"]
    return cpu * max(1.0, ONE_VCPU / memory)


def _gigabytes(resources: Mapping[str, Any], function: str) -> float:
    return float(resources[function]["Properties"]["MemorySize"] / 1_024)


def _is_backed_up(resources: Mapping[str, Any]) -> bool:
    wanted = resources["Table"]["Properties"]["PointInTimeRecoverySpecification"]
    return bool(wanted["PointInTimeRecoveryEnabled"])


def _retention(resources: Mapping[str, Any]) -> int:
    return int(resources["PollLogGroup"]["Properties"]["RetentionInDays"])


def main() -> int:
    """Count, print and keep; answer 1 if a goal is missed."""
    logging.getLogger("runbell").setLevel(logging.CRITICAL)
    template, a_run = read_template(), measure_a_run()
    print(
        f"A run's life: {a_run.reads:.1f} read units, {a_run.writes:.1f} write units, "
        f"{a_run.stored:,.0f} bytes, {a_run.indexed:,.0f} in the indexes.\n"
        f"Dollars a month ({PRICES['region']}, arm64, list prices of {PRICES['read']}):\n"
    )
    kept: dict[str, Any] = {}
    for runs_a_day in RUNS_A_DAY:
        bills = [usage(template, a_run, tasks=tasks, runs_a_day=runs_a_day) for tasks in TASKS]
        print(
            f"{runs_a_day} runs a day of each task"
            + _row("", [f"{n:,}" for n in TASKS])[len("1 runs a day of each task") :]
        )
        for row in zip(*bills, strict=True):
            print(_row(row[0].name, [f"{line.dollars:.4f}" for line in row]))
        sums = [total(bill) for bill in bills]
        fast = [
            total(usage(template, a_run, tasks=tasks, runs_a_day=runs_a_day, is_fast=True)) - before
            for tasks, before in zip(TASKS, sums, strict=True)
        ]
        peers = [total(peer_usage(tasks=tasks, runs_a_day=runs_a_day)) for tasks in TASKS]
        print(_row("usage", [f"{each:.2f}" for each in sums]))
        print(_row("FastPolling adds", [f"{each:.2f}" for each in fast]))
        print(_row("the peer's usage", [f"{each:.2f}" for each in peers]) + "\n")
        kept[f"{runs_a_day}_a_day"] = {
            str(tasks): {"usage": round(one, 3), "fast": round(two, 3), "peer": round(three, 3)}
            for tasks, one, two, three in zip(TASKS, sums, fast, peers, strict=True)
        }
    lines = fixed(template)
    for line in lines:
        print(_row(line.name, [f"{line.dollars:.2f}"]))
    print(_row("fixed", [f"{total(lines):.2f}"]))
    print(_row("without Monitoring", [f"{total(fixed(template, is_monitored=False)):.2f}"]))
    print(_row("without FastPolling", [f"{total(fixed(template, is_fast=False)):.2f}"]))
    usual = kept["1_a_day"]["100"]["usage"]
    is_met = usual < GOAL and total(lines) < FIXED_GOAL
    print(
        f"\nusage of 100 tasks: {usual:.2f}, goal {GOAL:.2f}; "
        f"fixed: {total(lines):.2f}, goal {FIXED_GOAL:.2f}: {'ok' if is_met else 'missed'}"
    )
    kept |= {"fixed": round(total(lines), 2), "goal": GOAL, "met": is_met}
    keep("cost", [], kept)
    return 0 if is_met else 1


def _row(name: str, cells: Iterable[str]) -> str:
    return f"{name:34}" + "".join(f"{cell:>10}" for cell in cells)


if __name__ == "__main__":
    sys.exit(main())
