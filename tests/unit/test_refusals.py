"""Slack's words, and what each asks us to do."""

from __future__ import annotations

import pytest

from runbell.errors import (
    SlackAmbiguousError,
    SlackCredentialError,
    SlackDestinationError,
    SlackError,
    SlackLaterError,
    SlackPayloadError,
    SlackUnknownError,
    SlackUpdateError,
)
from runbell.slack.refusals import refusal

WORDS: dict[type[SlackError], str] = {
    SlackLaterError: "ratelimited rate_limited service_unavailable request_timeout "
    "team_added_to_org org_login_required external_channel_migrating update_failed "
    "message_limit_exceeded",
    SlackAmbiguousError: "internal_error fatal_error rollup_error",
    SlackCredentialError: "invalid_auth not_authed account_inactive token_revoked token_expired "
    "missing_scope invalid_token no_service",
    SlackDestinationError: "channel_not_found not_in_channel is_archived restricted_action "
    "restricted_action_read_only_channel restricted_action_thread_only_channel "
    "restricted_action_non_threadable_channel restricted_action_thread_locked no_permission "
    "ekm_access_denied action_prohibited channel_is_archived",
    SlackPayloadError: "invalid_blocks invalid_blocks_format msg_blocks_too_long msg_too_long "
    "too_many_attachments metadata_too_large no_text invalid_payload block_mismatch",
    SlackUpdateError: "message_not_found cant_update_message edit_window_closed",
}
CASES = [(word, kind) for kind, words in WORDS.items() for word in words.split()]


@pytest.mark.parametrize(("code", "kind"), CASES)
def test_a_word_of_slacks_has_its_class(code: str, kind: type[SlackError]) -> None:
    error = refusal(code)
    assert type(error) is kind
    assert error.code == code
    assert str(error) == f"Slack says {code}"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_payload", SlackPayloadError),
        (403, "action_prohibited", SlackDestinationError),
        (403, "invalid_token", SlackCredentialError),
        (404, "channel_not_found", SlackDestinationError),
        (404, "no_service", SlackCredentialError),
        (410, "channel_is_archived", SlackDestinationError),
        (500, "rollup_error", SlackAmbiguousError),
    ],
)
def test_a_webhooks_words_have_their_classes(
    status: int, code: str, kind: type[SlackError]
) -> None:
    assert type(refusal(code, status=status)) is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("block_mismatch", SlackUpdateError),
        ("edit_window_closed", SlackUpdateError),
        ("invalid_blocks", SlackPayloadError),
        ("update_failed", SlackLaterError),
        ("channel_not_found", SlackDestinationError),
    ],
)
def test_an_edit_that_can_not_be_made_asks_for_a_new_message(
    code: str, kind: type[SlackError]
) -> None:
    assert type(refusal(code, is_update=True)) is kind


@pytest.mark.parametrize("code", ["", "ratelimited", "rate_limited", "anything"])
def test_a_429_is_for_later_whatever_it_says(code: str) -> None:
    error = refusal(code, status=429, retry_after=1.5)
    assert type(error) is SlackLaterError
    assert (error.code, error.retry_after) == (code or "ratelimited", 1.5)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("code", ["", "a_new_word"])
def test_a_5xx_may_have_been_taken(status: int, code: str) -> None:
    error = refusal(code, status=status)
    assert type(error) is SlackAmbiguousError
    assert error.code == (code or f"http_{status}")


def test_a_200_without_a_word_may_have_been_taken() -> None:
    assert type(refusal("")) is SlackAmbiguousError


@pytest.mark.parametrize(("code", "status"), [("a_new_word", 200), ("", 404), ("new", 400)])
def test_a_word_on_no_list_is_tried_again(code: str, status: int) -> None:
    error = refusal(code, status=status)
    assert type(error) is (SlackUnknownError if code else SlackLaterError)
    assert error.retryable
    assert error.code == (code or f"http_{status}")


@pytest.mark.parametrize(("code", "kind"), CASES)
def test_slacks_wait_is_handed_on(code: str, kind: type[SlackError]) -> None:
    assert refusal(code, retry_after=3.0).retry_after == 3.0
    assert refusal(code).retry_after is None


@pytest.mark.parametrize(
    ("kind", "retryable"),
    [
        (SlackLaterError, True),
        (SlackUnknownError, True),
        (SlackAmbiguousError, True),
        (SlackCredentialError, True),
        (SlackDestinationError, False),
        (SlackPayloadError, False),
        (SlackUpdateError, False),
    ],
)
def test_a_class_says_whether_the_same_call_can_succeed(
    kind: type[SlackError], retryable: bool
) -> None:
    assert kind("word").retryable is retryable
