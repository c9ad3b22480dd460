"""Which web pages may open a connection.

No cookies are set, so authority comes from the key alone; the check keeps other people's pages from
using a key that a page of ours holds in its JavaScript only as far as browsers go.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from selam_agent.wire.envelope import error_response

log = logging.getLogger(__name__)

_MAX_LOGGED = 256


class Origins:
    """None, ``null``, the same origin, any loopback origin, and those of ``server.cors_origins``."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._any = "*" in allowed
        self._allowed = {each.rstrip("/").lower() for each in allowed}
        self._logged: set[str] = set()

    def admits(self, origin: str | None, hosts: Sequence[str]) -> bool:
        """``hosts``: the names under which the client reached us, from its request."""
        if origin is None or origin == "null" or self._any or origin.lower() in self._allowed:
            return True
        try:
            parts = urlsplit(origin)
            host = parts.hostname or ""
        except ValueError:
            return False
        return _is_loopback(host) or parts.netloc.lower() in {each.lower() for each in hosts if each}

    def refuse(self, origin: str) -> None:
        """Says once per origin which setting would admit it."""
        if origin not in self._logged and len(self._logged) < _MAX_LOGGED:
            self._logged.add(origin)
            shown = origin[:200]
            log.warning(
                "refused the origin %r; to admit it set server.cors_origins = [%r] in selam.toml "
                "or SELAM_SERVER__CORS_ORIGINS",
                shown,
                shown,
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin_check(origins: Origins, *, socket_path: str) -> Middleware:
    """Refuses sockets from pages that are not admitted, and sets the CORS headers for the others."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None:
            return await handler(request)
        hosts = (request.host, request.headers.get("X-Forwarded-Host", "").split(",")[0].strip())
        admitted = origins.admits(origin, hosts)
        if not admitted and request.path.startswith(socket_path):
            origins.refuse(origin)
            return error_response(
                403, "authorization_error", "origin_not_allowed", "This page's origin is not admitted."
            )
        preflight = request.method == hdrs.METH_OPTIONS
        response: web.StreamResponse = web.Response(status=204) if preflight else await handler(request)
        if admitted and not response.prepared:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers.add(hdrs.VARY, "Origin")
            if preflight:
                response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = "GET, POST, PUT, DELETE, OPTIONS"
                response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = "Authorization, X-API-Key, Content-Type"
                response.headers[hdrs.ACCESS_CONTROL_MAX_AGE] = "600"
        return response

    return middleware
