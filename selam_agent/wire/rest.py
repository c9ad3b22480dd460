"""The HTTP routes beside the sockets: health, voices, metrics, the page at ``/`` and its synthetic caller."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from selam_agent.errors import AuthenticationError, AuthorizationError, SelamError
from selam_agent.metrics import CONTENT_TYPE
from selam_agent.store import KeyStore
from selam_agent.wire.auth import request_key
from selam_agent.wire.envelope import error_response
from selam_agent.wire.page import PREFIX, Page
from selam_agent.wire.say import Say

log = logging.getLogger(__name__)

_OPEN_PATHS = ("/", "/healthz", "/readyz", "/metrics", "/favicon.ico", "/favicon.svg")
# Besides a key, the resume token of a live session opens these: a page may have no key.
_SESSION_PATHS = ("/v1/say",)
_FORWARDED = (hdrs.FORWARDED, hdrs.X_FORWARDED_FOR)


class Rest:
    """The routes.

    Args:
        keys: checked for every route that is not open.
        voices: the rows of ``GET /v1/voices``.
        not_ready: the reasons why sessions cannot be served yet; empty when they can.
        exposition: what ``GET /metrics`` answers.
        doors: paths (and those below them) of doors that ask for the key themselves.
        page: the web page, open to everybody.
        say: the synthetic caller.
        owner_of: id of the key whose session a resume token belongs to.
    """

    def __init__(
        self,
        *,
        keys: KeyStore,
        voices: Callable[[], Sequence[Mapping[str, Any]]],
        not_ready: Callable[[], Sequence[str]],
        exposition: Callable[[], bytes],
        doors: tuple[str, ...],
        page: Page,
        say: Say,
        owner_of: Callable[[str], str | None],
    ) -> None:
        self._keys = keys
        self._voices = voices
        self._not_ready = not_ready
        self._exposition = exposition
        self._doors = doors
        self._page = page
        self._say = say
        self._owner_of = owner_of

    def attach(self, app: web.Application) -> None:
        self._page.attach(app)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/v1/voices", self._list_voices)
        app.router.add_get("/v1/say", self._say.answer)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Asks for a key where one is needed, and says every error in the documented envelope."""
        if request.path.startswith(self._doors):
            return await handler(request)
        try:
            self._admit(request)
            return await handler(request)
        except AuthenticationError as error:
            challenge = {"WWW-Authenticate": "Bearer"}
            return error_response(401, error.type, error.code, error.message, headers=challenge)
        except SelamError as error:
            status = 403 if isinstance(error, AuthorizationError) else 400
            return error_response(status, error.type, error.code, error.message)
        except web.HTTPNotFound:
            return error_response(404, "invalid_request_error", "not_found", "There is nothing here.")
        except web.HTTPMethodNotAllowed as error:
            allow = {"Allow": ", ".join(sorted(error.allowed_methods))}
            return error_response(
                405, "invalid_request_error", "method_not_allowed", "Not with this method.", headers=allow
            )
        except web.HTTPException as error:
            return error_response(error.status, "invalid_request_error", "bad_request", error.reason)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return error_response(500, "server_error", "internal_error", "The server could not answer.")

    def _admit(self, request: web.Request) -> None:
        """Raises AuthenticationError where a key is needed and none is given."""
        if request.path in _OPEN_PATHS or request.path.startswith(PREFIX):
            return
        secret = request_key(request)
        if request.path in _SESSION_PATHS and secret and self._owner_of(secret) is not None:
            return
        self._keys.check(secret)

    async def _healthz(self, _: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def _readyz(self, _: web.Request) -> web.Response:
        reasons = list(self._not_ready())
        if reasons:
            return _json({"status": "unavailable", "reasons": reasons}, status=503)
        return _json({"status": "ready"})

    async def _metrics(self, request: web.Request) -> web.Response:
        if not _is_local(request):
            self._keys.check(request_key(request))
        return web.Response(body=self._exposition(), headers={"Content-Type": CONTENT_TYPE})

    async def _list_voices(self, _: web.Request) -> web.Response:
        return _json({"voices": list(self._voices())})


def _is_local(request: web.Request) -> bool:
    """Whether the client itself is on this machine; behind a proxy on it every peer would seem so."""
    if any(name in request.headers for name in _FORWARDED) or request.remote is None:
        return False
    try:
        return ipaddress.ip_address(request.remote).is_loopback
    except ValueError:
        return False


def _json(data: Any, *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(data), content_type="application/json")
