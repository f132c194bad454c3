"""Who may call: whoever bears a token."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence

from runbell.secrets import Secret


def bears_token(headers: Mapping[str, str], secret: Secret[tuple[str, ...]]) -> bool:
    """Whether a request bears a token; one that was put just now is read anew.

    Raises:
        ConfigurationError, SecretUnavailableError: The secret can't be read.
    """
    scheme, _, given = (headers.get("authorization") or "").partition(" ")
    given = given.strip()
    if scheme.lower() != "bearer" or not given:
        return False
    tokens = secret.get()
    return _is_among(given, tokens) or _is_among(given, secret.anew(tokens))


def _is_among(given: str, tokens: Sequence[str]) -> bool:
    """Compare with every one, in a time that tells neither with which nor where they differ."""
    text = given.encode("utf-8", "replace")
    fits = [hmac.compare_digest(text, token.encode()) for token in tokens]
    return any(fits)
