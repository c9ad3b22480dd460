"""Temporary tokens: what a page or a phone gets instead of a key.

A token opens one connection, once, and soon. Tokens are random and kept in memory only, as hashes: a
restart forgets them, and what leaks into a log or a browser's history is worth nothing a moment later.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from selam_agent.errors import AuthenticationError, SessionError, ValidationError
from selam_agent.store import Key

TOKEN_PREFIX = "tmp-selam-"
MAX_EXPIRY_S = 600
MIN_SESSION_S, MAX_SESSION_S = 60, 10_800
# The page keeps a token for its next connection; a working day, so that the terminal is left alone.
_RENEWED_EXPIRY_S = 12 * 3600.0
# After its time a token is remembered so long, to say "expired" and not "unknown".
_REMEMBERED_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a token stands for. ``max_session_s``: how long a session may last; None: the server's limit.

    ``renewable``: the connection gets a fresh token for the one after it. ``resumes_only``: it may come
    back to its session and open no other.
    """

    key: Key
    max_session_s: float | None = None
    renewable: bool = False
    resumes_only: bool = False


@dataclass(slots=True)
class _Entry:
    identity: Identity
    expires: float
    used: bool = False


class TemporaryTokens:
    """The tokens of one server.

    Args:
        still_valid: whether a key opens the server now; a revoked key's tokens die with it.
        limit: tokens outstanding at once, of all keys; a quarter of it per key.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        still_valid: Callable[[Key], bool],
        *,
        limit: int = 4_096,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._still_valid = still_valid
        self._limit = limit
        self._clock = clock
        self._entries: dict[bytes, _Entry] = {}

    def create(
        self,
        key: Key,
        *,
        expires_in_seconds: int = 60,
        max_session_seconds: int | None = None,
        renewable: bool = False,
    ) -> str:
        """Makes a token of this key.

        Args:
            key: whom the token stands for.
            expires_in_seconds: until when it must be used, 1 to 600.
            max_session_seconds: how long the session it opens may last, 60 to 10800; None: the
                server's limit.
            renewable: the connection it opens may get another one with ``renew``.

        Raises:
            ValidationError: a number is out of range.
            SessionError: (``too_many_tokens``) too many are outstanding.
        """
        _check("expires_in_seconds", expires_in_seconds, 1, MAX_EXPIRY_S)
        if max_session_seconds is not None:
            _check("max_session_seconds", max_session_seconds, MIN_SESSION_S, MAX_SESSION_S)
        identity = Identity(key=key, max_session_s=max_session_seconds, renewable=renewable)
        return self._put(identity, float(expires_in_seconds))

    def renew(self, identity: Identity) -> str:
        """Makes the token for a renewable connection's successor; valid for 12 hours.

        Raises:
            SessionError: (``too_many_tokens``) too many are outstanding.
        """
        assert identity.renewable
        return self._put(identity, _RENEWED_EXPIRY_S)

    def redeem(self, token: str) -> Identity:
        """Uses a token up.

        Raises:
            AuthenticationError: ``invalid_token`` (unknown, or its key is revoked), ``token_used`` or
                ``token_expired``.
        """
        # Found by its hash: how long the look-up takes says nothing about the token.
        entry = self._entries.get(_digest(token))
        if entry is None:
            raise AuthenticationError("This temporary token is not valid.", code="invalid_token")
        if entry.used:
            raise AuthenticationError("This temporary token has been used.", code="token_used")
        if entry.expires <= self._clock():
            raise AuthenticationError("This temporary token has expired.", code="token_expired")
        entry.used, entry.expires = True, min(entry.expires, self._clock())
        if not self._still_valid(entry.identity.key):
            raise AuthenticationError("This temporary token is not valid.", code="invalid_token")
        return entry.identity

    def _put(self, identity: Identity, expires_in: float) -> str:
        now = self._clock()
        gone = [digest for digest, entry in self._entries.items() if entry.expires + _REMEMBERED_S <= now]
        for digest in gone:
            del self._entries[digest]
        mine = sum(entry.identity.key.id == identity.key.id for entry in self._entries.values())
        if len(self._entries) >= self._limit or mine >= self._limit // 4:
            raise SessionError(
                "Too many temporary tokens are outstanding.", code="too_many_tokens", retryable=True
            )
        token = TOKEN_PREFIX + secrets.token_urlsafe(24)
        self._entries[_digest(token)] = _Entry(identity, now + expires_in)
        return token


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _check(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValidationError(
            f"{name} must be a whole number from {low} to {high}", details={"fields": {name: "out of range"}}
        )
