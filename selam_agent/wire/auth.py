"""Who is asking: the key in a handshake or a request, and what its tier allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from aiohttp import hdrs, web

from selam_agent.errors import AuthenticationError, AuthorizationError
from selam_agent.store import Key, KeyStore, Tier
from selam_agent.wire.tokens import Identity, TemporaryTokens

_MAX_SECRET = 512


def handshake_key(environ: Mapping[str, Any], auth: object) -> str:
    """The key of a Socket.IO connection: its ``auth`` object, else the query, else the headers.

    The auth object is preferred, because query strings end up in other people's logs.
    """
    named = handshake_field(environ, auth, "api_key")
    if named:
        return named
    return _from_headers(environ.get("HTTP_X_API_KEY", ""), environ.get("HTTP_AUTHORIZATION", ""))


def handshake_identity(
    environ: Mapping[str, Any],
    auth: object,
    *,
    keys: KeyStore,
    tokens: TemporaryTokens,
    owner_of: Callable[[str], str | None],
) -> Identity:
    """Who opens a Socket.IO connection: by a key, a temporary token, or the resume token of a session.

    Tokens are taken from the ``auth`` object only, and before a key.

    Args:
        owner_of: id of the key whose live session a resume token belongs to.

    Raises:
        AuthenticationError: nothing that is valid was given.
        AuthorizationError: the key's tier is below OWNER.
    """
    given = auth if isinstance(auth, dict) else {}
    if isinstance(token := given.get("temporary_token"), str) and token:
        identity = tokens.redeem(token[:_MAX_SECRET])
        check_tier(identity.key)
        return identity
    if isinstance(token := given.get("resume_token"), str) and token:
        found = owner_of(token[:_MAX_SECRET])
        key = None if found is None else keys.find(found)
        if key is None:
            raise AuthenticationError("There is no session to come back to.", code="invalid_token")
        return Identity(key=key, resumes_only=True)
    return Identity(key=owner(keys, handshake_key(environ, auth)))


def handshake_field(environ: Mapping[str, Any], auth: object, name: str) -> str:
    """A field of the ``auth`` object or of the query; empty when there is none."""
    if isinstance(auth, dict) and isinstance(value := auth.get(name), str) and value:
        return str(value[:_MAX_SECRET])
    values = parse_qs(environ.get("QUERY_STRING", ""), max_num_fields=64).get(name, [""])
    return str(values[0])[:_MAX_SECRET]


def request_key(request: web.Request) -> str:
    """The key of a REST request: ``X-API-Key``, or ``Authorization`` with or without ``Bearer``."""
    return _from_headers(request.headers.get("X-API-Key", ""), request.headers.get(hdrs.AUTHORIZATION, ""))


def owner(keys: KeyStore, secret: str) -> Key:
    """The key, when it reaches the voice agent.

    Raises:
        AuthenticationError: it is missing, unknown or revoked.
        AuthorizationError: its tier is below OWNER.
    """
    return check_tier(keys.check(secret))


def check_tier(key: Key) -> Key:
    """The key itself. Raises AuthorizationError when its tier is below OWNER."""
    if key.tier < Tier.OWNER:
        raise AuthorizationError(
            f"The voice agent needs a key of tier OWNER; this one is {key.tier.name}.",
            details={"tier": key.tier.name, "required": Tier.OWNER.name},
        )
    return key


def _from_headers(x_api_key: str, authorization: str) -> str:
    # With a JWT in Authorization the key stands in X-API-Key, so that one goes first.
    secret = x_api_key.strip() or authorization.strip()
    scheme, _, rest = secret.partition(" ")
    return (rest.strip() if scheme.lower() == "bearer" else secret)[:_MAX_SECRET]
