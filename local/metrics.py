"""The metrics in functions' logs, as CloudWatch takes them out of them; the local one does not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from local.aws import LocalAws


@dataclass(frozen=True)
class Measured:
    """What a line of a log says of one metric.

    Args:
        namespace: The metric's.
        name: The metric's.
        dimensions: Their values by their names.
        unit: What the values are.
        values: One or more of them.
        at: Seconds since 1970.
    """

    namespace: str
    name: str
    dimensions: dict[str, str]
    unit: str
    values: list[float]
    at: float


def read_metrics(lines: Iterable[str]) -> Iterator[Measured]:
    """Find the metrics in lines of a log; all other lines are left aside.

    The format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html.

    Raises:
        KeyError: A line names a metric or a dimension that it has no value of.
    """
    for line in lines:
        document = _document(line)
        about = document.get("_aws")
        if not isinstance(about, dict):
            continue
        for directive in about["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                for metric in directive["Metrics"]:
                    values = document[metric["Name"]]
                    yield Measured(
                        directive["Namespace"],
                        metric["Name"],
                        {name: document[name] for name in names},
                        metric.get("Unit", "None"),
                        values if isinstance(values, list) else [values],
                        about["Timestamp"] / 1000,
                    )


def read_logs(aws: LocalAws, group: str) -> list[str]:
    """All lines that functions have written into a log group."""
    events = aws.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    return [event["message"].strip() for page in events for event in page["events"]]


def put_metrics(aws: LocalAws, metrics: Iterable[Measured]) -> None:
    """Put metrics into the local CloudWatch, which then looks at its alarms."""
    cloudwatch = aws.client("cloudwatch")
    for each in metrics:
        cloudwatch.put_metric_data(
            Namespace=each.namespace,
            MetricData=[
                {
                    "MetricName": each.name,
                    "Dimensions": [
                        {"Name": name, "Value": value} for name, value in each.dimensions.items()
                    ],
                    "Timestamp": each.at,
                    "Unit": each.unit,
                    "Values": each.values,
                }
            ],
        )


def _document(line: str) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
