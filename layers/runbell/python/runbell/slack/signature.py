"""Whether a request comes from Slack: its signature, and that it is of this moment.

See https://docs.slack.dev/authentication/verifying-requests-from-slack.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

WINDOW = 300
"""Seconds by which a request's moment may differ from ours; an older one may be a replay."""

_MOMENT = re.compile("[0-9]{1,12}")
_VALUE = re.compile("v0=[0-9a-f]{64}")


@dataclass(frozen=True)
class Signature:
    """What a request claims to be signed with, in a form that can be compared.

    slack_sdk's own check raises on a moment that is no number, on a signature that is not ASCII
    and on a body that is not UTF-8. `of` lets the first two through to nobody.

    Args:
        moment: When Slack sent it, in seconds since 1970, as it is written in the header.
        value: The signature.
    """

    moment: str
    value: str

    @classmethod
    def of(
        cls, headers: Mapping[str, str], clock: Callable[[], float] = time.time
    ) -> Signature | None:
        """Read a request's headers; None if they hold no signature of about this moment."""
        given = {name.lower(): value for name, value in headers.items()}
        moment = given.get("x-slack-request-timestamp", "")
        value = given.get("x-slack-signature", "")
        if not _MOMENT.fullmatch(moment) or not _VALUE.fullmatch(value):
            return None
        if abs(clock() - int(moment)) > WINDOW:
            return None
        return cls(moment, value)

    def is_by(self, signing_secret: str, body: bytes) -> bool:
        """Whether who knows the secret has signed this body; compared in constant time."""
        from slack_sdk.signature import SignatureVerifier

        try:
            signed = SignatureVerifier(signing_secret).generate_signature(
                timestamp=self.moment, body=body
            )
        except UnicodeDecodeError:  # Slack signs text
            return False
        return signed is not None and hmac.compare_digest(signed, self.value)
