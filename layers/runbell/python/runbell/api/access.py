"""Who may call: whoever bears the token."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from runbell.secrets import Secret


def bears_token(headers: Mapping[str, str], secret: Secret[str]) -> bool:
    """Whether a request bears the token; one that was just replaced is read anew."""
    scheme, _, given = (headers.get("authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        return False
    token = secret.get()
    return _same(given, token) or _same(given, secret.anew(token))


def _same(given: str, token: str) -> bool:
    """Compare in a time that tells nothing of where the two differ."""
    return hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())
