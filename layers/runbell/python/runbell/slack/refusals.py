"""Slack's words for a refusal, and what each of them asks us to do.

Lists: https://docs.slack.dev/reference/methods/chat.postMessage and
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors.
"""

from __future__ import annotations

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

_CLASSES: dict[type[SlackError], frozenset[str]] = {
    SlackLaterError: frozenset({
        "external_channel_migrating", "message_limit_exceeded", "org_login_required",
        "rate_limited", "ratelimited", "request_timeout", "service_unavailable",
        "team_added_to_org", "update_failed",
    }),
    SlackAmbiguousError: frozenset({"fatal_error", "internal_error", "rollup_error"}),
    SlackCredentialError: frozenset({
        "access_denied", "account_inactive", "invalid_auth", "invalid_token", "missing_scope",
        "no_service", "not_allowed_token_type", "not_authed", "team_access_not_granted",
        "token_expired", "token_revoked", "two_factor_setup_required",
    }),
    SlackDestinationError: frozenset({
        "action_prohibited", "channel_is_archived", "channel_not_found", "ekm_access_denied",
        "is_archived", "is_inactive", "no_permission", "not_in_channel", "user_not_found",
    }),
    SlackPayloadError: frozenset({
        "block_mismatch", "invalid_arguments", "invalid_blocks", "invalid_blocks_format",
        "invalid_metadata_format", "invalid_metadata_schema", "invalid_payload",
        "metadata_must_be_sent_from_app", "metadata_too_large", "msg_blocks_too_long",
        "msg_too_long", "no_text", "too_many_attachments",
    }),
    SlackUpdateError: frozenset({
        "cant_update_message", "edit_window_closed", "message_not_found", "thread_not_found",
    }),
}  # fmt: skip

_BY_CODE = {code: kind for kind, codes in _CLASSES.items() for code in codes}


def refusal(
    code: str,
    *,
    status: int = 200,
    retry_after: float | None = None,
    is_update: bool = False,
    detail: str | None = None,
) -> SlackError:
    """Make the error that fits what Slack said.

    Args:
        code: Slack's word, such as `is_archived`.
        status: The HTTP status that it came with.
        retry_after: Seconds that Slack asked to wait.
        is_update: Whether it answers an edit, for which a changed message form means a new post.
        detail: What more Slack said of it.
    """
    if status == 429:
        return SlackLaterError(code or "ratelimited", retry_after=retry_after)
    if is_update and code == "block_mismatch":
        return SlackUpdateError(code)
    kind = _BY_CODE.get(code)
    if kind is None and code.startswith("restricted_action"):
        kind = SlackDestinationError
    if kind is None:
        # Without a word, or after a 5xx, the message may have been taken. With a word that is on no
        # list it is tried again for a while, and then put aside.
        unsure = status >= 500 or (status == 200 and not code)
        later = SlackUnknownError if code else SlackLaterError
        kind = SlackAmbiguousError if unsure else later
    return kind(code or f"http_{status}", retry_after=retry_after, detail=detail)
