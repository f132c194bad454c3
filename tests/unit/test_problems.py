"""How every error looks in the API's answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from runbell import errors
from runbell.api.problems import problem
from runbell.errors import RunbellError

ANSWERS: list[tuple[RunbellError, int, str]] = [
    (errors.RequestError("is missing", "body.channel"), 400, "bad_request"),
    (errors.NotKnownError("nothing is known"), 404, "not_found"),
    (errors.RunNotFoundError("no such run", status=404), 404, "run_not_found"),
    (errors.LostRaceError("lost"), 409, "conflict"),
    (errors.AlgoliaRateLimitError("slowly", status=429), 429, "algolia_rate_limit"),
    (errors.AlgoliaError("failed"), 502, "algolia_failed"),
    (errors.AlgoliaUnavailableError("down", status=503), 502, "algolia_failed"),
    (errors.AlgoliaRefusedError("no", status=400), 502, "algolia_failed"),
    (errors.AlgoliaCredentialError("the key", status=403), 502, "algolia_failed"),
    (errors.MalformedRunError("run-1", "status", "is missing"), 502, "algolia_failed"),
    (errors.OutOfTimeError("no time"), 502, "algolia_failed"),
    (errors.ConfigurationError("set it"), 503, "not_configured"),
    (errors.StoreUnavailableError("table arn:x"), 503, "unavailable"),
    (errors.NewerItemError("run#default#run-1", 2, 1), 503, "later_release"),
    (errors.QueueUnavailableError("queue arn:x"), 503, "unavailable"),
    (errors.SecretUnavailableError("secret arn:x"), 503, "unavailable"),
    (errors.ScheduleUnavailableError("scheduler arn:x"), 503, "unavailable"),
    (errors.ScheduleRefusedError("deploy the stack anew"), 503, "not_configured"),
    (errors.SlackLaterError("ratelimited"), 500, "failed"),
    (RunbellError("something"), 500, "failed"),
]


def all_errors(kind: type[RunbellError] = RunbellError) -> Iterator[type[RunbellError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from all_errors(child)


@pytest.mark.parametrize(("error", "status", "word"), ANSWERS, ids=lambda v: type(v).__name__)
def test_an_error_has_its_answer(error: RunbellError, status: int, word: str) -> None:
    got_status, body, headers = problem(error)
    assert (got_status, body["error"]) == (status, word)
    assert headers == {}
    if word == "unavailable":
        assert body["message"] == "a service behind Runbell does not answer: try again"
    else:
        assert body["message"] == str(error)


def test_a_callers_error_says_where_and_no_other_does() -> None:
    for error, _, word in ANSWERS:
        assert ("where" in problem(error)[1]) == (word == "bad_request")
    _, body, _ = problem(errors.RequestError("is missing", "body.channel"))
    assert body["where"] == "body.channel"


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "0"), (1.2, "2"), (30.0, "30")])
def test_a_wait_is_handed_on_in_whole_seconds(seconds: float, header: str) -> None:
    error = errors.AlgoliaRateLimitError("slowly", retry_after=seconds)
    assert problem(error)[2] == {"Retry-After": header}


@pytest.mark.parametrize("kind", list(all_errors()), ids=lambda kind: kind.__name__)
def test_no_error_is_without_an_answer(kind: type[RunbellError]) -> None:
    error = kind.__new__(kind)
    if isinstance(error, errors.RequestError):
        error.where = "body"
    status, body, _ = problem(error)
    assert status >= 400
    assert set(body) <= {"error", "message", "where"}


@pytest.mark.parametrize("kind", list(all_errors()), ids=lambda kind: kind.__name__)
def test_every_error_stands_in_the_tree_that_is_drawn(kind: type[RunbellError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")
