"""Every error that Runbell raises on purpose; its type says what to do next.

RunbellError
├── ConfigurationError           a setting or secret is missing or wrong: a person must fix it
├── RequestError                 a caller sent something wrong: says what and where
├── NotKnownError                Runbell knows nothing of what was asked for
├── MalformedRunError            Algolia answered something that is no run: says which run and field
├── LostRaceError                others kept writing the same run: try again
├── StoreUnavailableError        DynamoDB is out of reach or throttles: try again
│   └── StoreRefusedError        DynamoDB answered, and would refuse the same again
│       └── NewerItemError       a later release has written the item: deploy that one again
├── QueueUnavailableError        SQS is out of reach: the next sweep enqueues again
│   └── QueueRefusedError        SQS answered, and refuses one message or all of a request
├── SecretUnavailableError       Secrets Manager is out of reach or throttles: try again
├── ScheduleError                EventBridge Scheduler did not do what it was asked
│   ├── ScheduleUnavailableError it is out of reach or throttles: try again
│   ├── ScheduleRefusedError     it refuses, and would again: a person must fix it
│   └── ScheduleExpressionError  it does not understand when: the caller must say it otherwise
├── OutOfTimeError               the function's time is nearly over: try again with a fresh one
├── AlgoliaError
│   ├── RunNotFoundError         Algolia does not know the run
│   ├── AlgoliaRefusedError      a 4xx that trying again does not mend
│   ├── AlgoliaCredentialError   the key is refused, also after reading the secret anew
│   ├── AlgoliaUnavailableError  5xx, no connection, no sense in the answer: try again
│   ├── AlgoliaRateLimitError    429: try again after `retry_after` seconds
│   └── AlgoliaAmbiguousError    it may have been done: a person must look
└── SlackError                   `code` is Slack's own word
    ├── SlackLaterError          try again, after `retry_after` seconds where Slack says so
    ├── SlackAmbiguousError      it may have been posted: try again, at the risk of a duplicate
    ├── SlackCredentialError     the token is refused: read the secret anew once, then tell a person
    ├── SlackDestinationError    the channel cannot be posted to: a person must fix it
    ├── SlackPayloadError        Slack refuses the blocks: send the plain text
    ├── SlackUpdateError         the message cannot be edited: post a new one
    └── SlackUnknownError        its word is on no list: try again a few times, then put it aside
"""

from __future__ import annotations


class RunbellError(Exception):
    """Something that Runbell knows how to speak about."""

    retryable = False
    """Whether the same call can succeed later without a person."""

    retry_after: float | None = None
    """Seconds to wait before the next try, where the other side named them."""


class ConfigurationError(RunbellError):
    """A setting or a secret is missing or wrong; the message says which and how to mend it."""


class RequestError(RunbellError):
    """A caller sent something wrong.

    Args:
        message: What is wrong, in words that go on after the place.
        where: The place of it, such as `body.channel` or `query.cursor`.
    """

    def __init__(self, message: str, where: str) -> None:
        super().__init__(f"{where} {message}")
        self.where = where


class NotKnownError(RunbellError):
    """Runbell knows nothing of what was asked for."""


class MalformedRunError(RunbellError):
    """Algolia answered something that is no run.

    Args:
        run_id: The run in question, as far as it is known.
        field: The vendor's name of the field that is missing or of the wrong type.
        problem: What is wrong with it.
    """

    def __init__(self, run_id: str | None, field: str, problem: str) -> None:
        super().__init__(f"malformed run {run_id or '(without an ID)'}: {field} {problem}")
        self.run_id = run_id
        self.field = field


class LostRaceError(RunbellError):
    """Another writer saved the same run first."""

    retryable = True


class StoreUnavailableError(RunbellError):
    """DynamoDB did not do what it was asked, after the SDK's own retries."""

    retryable = True


class StoreRefusedError(StoreUnavailableError):
    """DynamoDB answered and refuses, such as an item that is too large."""

    retryable = False


class NewerItemError(StoreRefusedError):
    """An item that a later release has written, which this one neither reads nor changes.

    Args:
        pk: The item's key.
        found: The number of its form; see `schema.SCHEMA`.
        known: The highest that this release knows.
    """

    def __init__(self, pk: str, found: int, known: int) -> None:
        super().__init__(
            f"the item {pk} was written by a later release (its schema is {found}, and this one "
            f"knows none beyond {known}): deploy that release again. Until then the item is left "
            "as it is"
        )
        self.pk = pk


class QueueUnavailableError(RunbellError):
    """SQS did not take a message, after the SDK's own retries."""

    retryable = True


class SecretUnavailableError(RunbellError):
    """Secrets Manager gave no answer, after the SDK's own retries."""

    retryable = True


class QueueRefusedError(QueueUnavailableError):
    """SQS answered and refuses; other messages, or one at a time, may be taken."""


class ScheduleError(RunbellError):
    """EventBridge Scheduler did not do what it was asked."""


class ScheduleUnavailableError(ScheduleError):
    """EventBridge Scheduler gave no answer, after the SDK's own retries."""

    retryable = True


class ScheduleRefusedError(ScheduleError):
    """EventBridge Scheduler refuses, and would refuse it again; the message has its word."""


class ScheduleExpressionError(ScheduleError):
    """EventBridge Scheduler does not understand when; the message has its word."""


class OutOfTimeError(RunbellError):
    """The time left does not suffice for another try."""

    retryable = True


class AlgoliaError(RunbellError):
    """Algolia did not give what was asked for.

    Args:
        message: What happened, with Algolia's own word where it gave one.
        status: The HTTP status of the answer; None when there was no answer.
        retry_after: Seconds that Algolia asked to wait.
    """

    def __init__(
        self, message: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class RunNotFoundError(AlgoliaError):
    """Algolia does not know the run."""


class AlgoliaRefusedError(AlgoliaError):
    """Algolia refuses the request, and would refuse it again."""


class AlgoliaCredentialError(AlgoliaError):
    """Algolia refuses the credentials, also after the secret was read anew."""


class AlgoliaUnavailableError(AlgoliaError):
    """Algolia is out of reach, failing, or not making sense."""

    retryable = True


class AlgoliaRateLimitError(AlgoliaError):
    """Algolia asks for fewer requests."""

    retryable = True


class AlgoliaAmbiguousError(AlgoliaError):
    """Algolia's answer was lost or tells nothing: what was asked for may be done or not."""


class SlackError(RunbellError):
    """Slack did not take a message.

    Args:
        code: Slack's word for it, such as `channel_not_found`, or what stands in for one.
        retry_after: Seconds that Slack asked to wait.
        detail: What more Slack said of it, in words that go on after a colon.
    """

    def __init__(
        self, code: str, *, retry_after: float | None = None, detail: str | None = None
    ) -> None:
        super().__init__(f"Slack says {code}: {detail}" if detail else f"Slack says {code}")
        self.code = code
        self.retry_after = retry_after
        self.detail = detail


class SlackLaterError(SlackError):
    """Slack cannot take the message now."""

    retryable = True


class SlackUnknownError(SlackError):
    """Slack refuses with a word that is on no list: it may mean to wait, or this message alone."""

    retryable = True


class SlackAmbiguousError(SlackError):
    """Slack's answer was lost or tells nothing: the message may be there or not."""

    retryable = True


class SlackCredentialError(SlackError):
    """Slack refuses the token; once a person has replaced it, the same call succeeds."""

    retryable = True


class SlackDestinationError(SlackError):
    """The channel is gone, archived, or closed to the app."""


class SlackPayloadError(SlackError):
    """Slack refuses the form of the message."""


class SlackUpdateError(SlackError):
    """The message to be edited is gone or can no longer be edited."""
