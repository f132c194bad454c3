"""What is counted: written in one line however the function ends, and never in its way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aws_lambda_powertools.metrics import EphemeralMetrics

from runbell.errors import (
    AlgoliaCredentialError,
    NotKnownError,
    OutOfTimeError,
    QueueRefusedError,
    RequestError,
    SlackLaterError,
)
from runbell.metering import UNFORESEEN, Meter, Metric, meter, metered


@pytest.fixture(autouse=True)
def in_a_function(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The template's environment, and nothing left over from another test."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "a-stack")
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "false")
    meter.flush()
    yield
    meter.flush()


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The lines that CloudWatch would take for metrics."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [line for line in lines if "_aws" in line]


def test_all_that_comes_together_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With the stack's name as its one dimension, and each metric's unit."""
    own = Meter()
    own.count(Metric.CHANGES, 2)
    own.count(Metric.CHANGES)
    own.measure(Metric.LAG, 12.5)
    own.measure(Metric.LAG, 3.0)
    own.fail(SlackLaterError("ratelimited"))
    own.flush()
    [line] = written(capsys)
    [described] = line["_aws"]["CloudWatchMetrics"]
    assert (described["Namespace"], described["Dimensions"]) == ("Runbell", [["service"]])
    units = {each["Name"]: each["Unit"] for each in described["Metrics"]}
    assert units == {"Changes": "Count", "Lag": "Seconds", "SlackLaterError": "Count"}
    assert line["service"] == "a-stack"
    assert (line["Changes"], line["Lag"], line["SlackLaterError"]) == ([3.0], [12.5, 3.0], [1.0])


def test_what_did_not_happen_is_not_written(
    capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    """A metric costs by the hour in which it is written; nothing to write is nothing to warn of."""
    own = Meter()
    own.flush()
    own.count(Metric.TICKS)
    own.flush()
    own.flush()
    assert [line["Ticks"] for line in written(capsys)] == [[1.0]]
    assert not recwarn.list


def test_nothing_waiting_is_written_as_none_waiting(capsys: pytest.CaptureFixture[str]) -> None:
    """Or nobody could tell it from a tick that has not looked."""
    own = Meter()
    own.measure(Metric.PENDING_AGE, 0)
    own.flush()
    assert [line["PendingAge"] for line in written(capsys)] == [[0.0]]


def test_threads_count_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    own = Meter()
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: own.count(Metric.REQUESTS), range(800)):
            pass
    own.flush()
    assert [line["Requests"] for line in written(capsys)] == [[800.0]]


def test_metrics_are_written_when_the_handler_raises(capsys: pytest.CaptureFixture[str]) -> None:
    """And what it has raised goes on to Lambda."""

    @metered
    def handler(event: Any, context: Any) -> None:
        meter.count(Metric.REQUESTS)
        raise AlgoliaCredentialError("refused")

    with pytest.raises(AlgoliaCredentialError):
        handler({}, None)
    assert [line["Requests"] for line in written(capsys)] == [[1.0]]


def test_a_handler_answers_although_its_metrics_can_not_be_written(
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The log says so, and the next invocation writes its own."""

    @metered
    def handler(event: int, context: Any) -> int:
        meter.count(Metric.TICKS, event)
        return event

    def fail(*_: Any) -> None:
        raise OSError("no room")

    with monkeypatch.context() as broken:
        broken.setattr(EphemeralMetrics, "flush_metrics", fail)
        assert handler(5, None) == 5
    assert caplog.messages == ["metrics are lost"]
    assert handler(7, None) == 7
    assert [line["Ticks"] for line in written(capsys)] == [[7.0]]


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (SlackLaterError("ratelimited"), "SlackLaterError"),
        (QueueRefusedError("no"), "QueueRefusedError"),
        (ZeroDivisionError("a bug"), UNFORESEEN),
        (OutOfTimeError("the next tick goes on"), None),
        (RequestError("is wrong", "body"), None),
        (NotKnownError("nothing of it"), None),
    ],
)
def test_a_failure_goes_by_the_name_of_its_error(
    capsys: pytest.CaptureFixture[str], error: Exception, name: str | None
) -> None:
    """Callers' mistakes, and what is carried on later, are no failures."""
    own = Meter()
    own.fail(error)
    own.flush()
    lines = written(capsys)
    names = [
        each["Name"] for line in lines for each in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    ]
    assert names == ([name] if name else [])


def test_what_an_error_says_is_in_no_metric(capsys: pytest.CaptureFixture[str]) -> None:
    own = Meter()
    own.fail(AlgoliaCredentialError("the key abc123 is refused"))
    own.fail(ValueError("abc123"))
    own.flush()
    assert "abc123" not in capsys.readouterr().out


def test_switched_off_nothing_is_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    own = Meter()
    own.count(Metric.TICKS)
    own.flush()
    assert written(capsys) == []
