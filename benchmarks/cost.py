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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import Any

from local.aws import ROOT

sys.path.insert(0, str(ROOT / "layers" / "runbell" / "python"))

from benchmarks import page
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
"""Dollars a month for the usage of a hundred tasks that run once a day, as Runbell is by default,
and for what is fixed."""

SUMS = {
    "**together**": "fixed",
    "with a dashboard that is paid for": "fixed_with_dashboard",
    "with `Monitoring=off`": "fixed_without_monitoring",
    "with `FastPolling=off`": "fixed_without_fast_polling",
    "together, with the usage at rest": "resting",
}
"""Sums of what is fixed, in the page's words."""

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
"""Calls of the HTTP API and presses of buttons; none where nothing runs."""

LOGS_SHRINK_TO = 0.15
"""Of a log's bytes, what is stored: CloudWatch compresses them."""

ALWAYS_WRITTEN: frozenset[str] = frozenset({Metric.TICKS, Metric.REQUESTS, Metric.PENDING_AGE})
"""Metrics that each tick writes, so that they are paid for by the month; the others by the hour
they are written."""

OFTEN_WRITTEN: frozenset[str] = frozenset({Metric.CHANGES, Metric.ANNOUNCEMENTS, Metric.LAG})
"""Metrics that are written where something happens; what is left are failures."""

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
    calls = API_CALLS if runs else 0
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
        Line("Lambda: requests", ticks + announcements + calls, "lambda_request"),
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
            calls * 0.3 * _gigabytes(resources, "ApiFunction"),
            "lambda_gb_second_arm64",
        ),
        Line("HTTP API", calls, "http_api_request"),
        Line(
            "DynamoDB: reads",
            # The connection's item, and two empty queries each tick of the schedule. A new process
            # also reads each run of a week once, for half a unit: the hourly look comes by it.
            TICKS * 2 + ahead + runs * a_run.reads + DAYS * STARTS_A_DAY * listed / 2,
            "dynamodb_read_unit",
        ),
        Line(
            "DynamoDB: writes",
            # Each change comes with a tick that notes how far it has come. A look ahead is taken
            # before it is made, and noted afterwards.
            runs * a_run.writes + (min(TICKS, changes) + 2 * ahead) * ceil(CONNECTION_ITEM / 1_024),
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


def metrics_of(runs_a_day: float) -> Line:
    """What it costs that changes are counted and timed, with Monitoring: by the hour, of which the
    share has a run in it that is to be expected if runs come whenever they like."""
    busy = 1 - (1 - 1 / 24) ** runs_a_day
    return Line("metrics, where something happens", busy * len(OFTEN_WRITTEN), "metric_month")


def fixed(
    template: Template,
    *,
    is_monitored: bool = True,
    is_fast: bool = True,
    is_dashboard_paid: bool = False,
) -> list[Line]:
    """What a month costs whether anything happens or not.

    A dashboard is paid for unless it is one of the account's first three.
    """
    resources = template["Resources"]
    kinds = [each["Type"] for each in resources.values()]
    lines = [Line("secrets", kinds.count("AWS::SecretsManager::Secret"), "secret_month")]
    if is_monitored:
        lines += [
            Line("metrics", len(ALWAYS_WRITTEN), "metric_month"),
            Line("alarms", kinds.count("AWS::CloudWatch::Alarm"), "alarm_month"),
        ]
        if is_dashboard_paid:
            number = kinds.count("AWS::CloudWatch::Dashboard")
            lines.append(Line("dashboard", number, "dashboard_month"))
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


def in_words(
    kept: Mapping[str, Any], usual: Sequence[Line], standing: Sequence[Line], a_run: ARun
) -> str:
    """The page's tables: usage by tasks and runs, a usual month line by line, and what is fixed."""
    by_tasks = [
        [name, *(f"{kept[f'{often}_a_day'][str(tasks)][fact]:.2f}" for tasks in TASKS)]
        for often in RUNS_A_DAY
        for name, fact in (
            (f"each runs {often} times a day" if often > 1 else "each runs once a day", "usage"),
            ("… with `FastPolling`, on top", "fast"),
            ("… metrics of what happens, with `Monitoring`, on top", "metrics"),
            ("… a plain handler that gets each task's latest run", "peer"),
        )
    ]
    goals = [
        [words, f"{sum_:.2f}" if sum_ < goal else f"**{sum_:.2f}**", f"{goal:.2f}"]
        for words, sum_, goal in (
            (name, each["sum"], each["goal"]) for name, each in kept["goals"].items()
        )
    ]
    dear = sorted(usual, key=lambda line: -line.dollars)
    return "\n\n".join(
        [
            page.table(["dollars a month", "", "goal"], goals),
            "Usage, in dollars a month, with a tick a minute:",
            page.table(["", *(f"{tasks:,} tasks" for tasks in TASKS)], by_tasks),
            f"A run's life: {a_run.reads:.1f} read units, {a_run.writes:.1f} write units, "
            f"{a_run.stored + a_run.indexed:,.0f} bytes stored, indexes included. "
            "A hundred tasks that run once a day, with `FastPolling`:",
            page.table(
                ["line", "at rest", "in use"],
                [
                    [line.name, f"{kept['at_rest'][line.name]:.3f}", f"{line.dollars:.3f}"]
                    for line in dear
                    if line.dollars >= 0.001
                ],
            ),
            "What is fixed, whether anything happens or not:",
            page.table(
                ["", "a month"],
                [
                    *([line.name, f"{line.dollars:.2f}"] for line in standing),
                    *([name, f"{kept[fact]:.2f}"] for name, fact in SUMS.items()),
                ],
            ),
        ]
    )


def main() -> int:
    """Count, print and keep; answer 1 if a goal is missed."""
    logging.getLogger("runbell").setLevel(logging.CRITICAL)
    template, a_run = read_template(), measure_a_run()
    print(f"Dollars a month ({PRICES['region']}, arm64, list prices of {PRICES['read']}):\n")
    kept: dict[str, Any] = {f"{often}_a_day": {} for often in RUNS_A_DAY}
    for runs_a_day in RUNS_A_DAY:
        for tasks in TASKS:
            slow, fast = (
                total(usage(template, a_run, tasks=tasks, runs_a_day=runs_a_day, is_fast=is_fast))
                for is_fast in (False, True)
            )
            kept[f"{runs_a_day}_a_day"][str(tasks)] = {
                "usage": round(slow, 3),
                "fast": round(fast - slow, 3),
                "metrics": round(metrics_of(tasks * runs_a_day).dollars, 3),
                "peer": round(total(peer_usage(tasks=tasks, runs_a_day=runs_a_day)), 3),
            }
    usual = usage(template, a_run, tasks=100, runs_a_day=1, is_fast=True)
    rest = usage(template, a_run, tasks=0, runs_a_day=0)
    standing = fixed(template)
    sums = {
        "fixed": total(standing),
        "fixed_with_dashboard": total(fixed(template, is_dashboard_paid=True)),
        "fixed_without_monitoring": total(fixed(template, is_monitored=False)),
        "fixed_without_fast_polling": total(fixed(template, is_fast=False)),
        "resting": total(standing) + total(rest),
    }
    kept |= {name: round(each, 2) for name, each in sums.items()}
    kept["at_rest"] = {line.name: round(line.dollars, 4) for line in rest}
    kept["goals"] = {
        name: {"sum": round(each, 3), "goal": goal, "met": each < goal}
        for name, each, goal in (
            ("usage of 100 tasks that run once a day", total(usual), GOAL),
            ("… with the metrics of what happens", total([*usual, metrics_of(100)]), GOAL),
            ("fixed, the dashboard one of the account's first three", sums["fixed"], FIXED_GOAL),
            ("fixed, with a dashboard that is paid for", sums["fixed_with_dashboard"], FIXED_GOAL),
        )
    }
    kept["met"] = all(each["met"] for each in kept["goals"].values())
    drawn = in_words(kept, usual, standing, a_run)
    print(drawn)
    for name, each in kept["goals"].items():
        said = "ok" if each["met"] else "missed"
        print(f"{name}: {each['sum']:.2f}, goal {each['goal']:.2f}: {said}")
    keep("cost", [], kept)
    page.put("cost", drawn)
    return 0 if kept["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
