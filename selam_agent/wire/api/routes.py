"""All these routes, who may use them, and how their errors are said."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import pydantic
from aiohttp import web
from aiohttp.typedefs import Handler

from selam_agent.errors import AuthenticationError, AuthorizationError, SelamError, SessionError
from selam_agent.store import Key, KeyStore
from selam_agent.store_agents import AgentStore
from selam_agent.store_files import RecordFiles
from selam_agent.store_records import RecordStore
from selam_agent.wire import auth
from selam_agent.wire.api import models
from selam_agent.wire.api.agents import AgentRoutes, rfc3339
from selam_agent.wire.api.envelope import ApiError, answer, body_of, told
from selam_agent.wire.api.openapi import document
from selam_agent.wire.api.sessions import Notes, SessionRoutes
from selam_agent.wire.tokens import TemporaryTokens

log = logging.getLogger(__name__)

# Routes of that API which we do not have: a client of it is told so in its own envelope.
_ABSENT = ("/v1/webhook-subscriptions", "/v1/phone-numbers", "/v1/calls")
PREFIXES = ("/v1/agents", "/v1/sessions", "/v1/token", "/v1/builtin-tools", *_ABSENT)
DOCUMENT = "/openapi.json"
# A database that takes longer is down; a recording of hours is served from a disk.
_ANSWER_S = 60.0
_KEY = web.RequestKey("selam_key", Key)


class Api:
    """The REST half of the AssemblyAI Voice Agent API."""

    def __init__(
        self,
        *,
        keys: KeyStore,
        tokens: TemporaryTokens,
        agents: AgentStore,
        records: RecordStore,
        files: RecordFiles,
        notes: Notes,
        public_url: str,
        version: str,
        fits: Callable[[Mapping[str, Any]], None],
        changed: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        self._keys = keys
        self._version = version
        self._tokens = tokens
        self._agents = AgentRoutes(agents, owner_of=_owner_of, fits=fits, changed=changed)
        self._sessions = SessionRoutes(records, files, notes, owner_of=_owner_of, public_url=public_url)

    def attach(self, app: web.Application) -> None:
        agents, sessions, router = self._agents, self._sessions, app.router
        router.add_post("/v1/agents", agents.create)
        router.add_get("/v1/agents", agents.list)
        router.add_get("/v1/agents/{id}", agents.get)
        router.add_put("/v1/agents/{id}", agents.update)
        router.add_delete("/v1/agents/{id}", agents.delete)
        router.add_get("/v1/sessions", sessions.list)
        router.add_get("/v1/sessions/{id}", sessions.get)
        router.add_delete("/v1/sessions/{id}", sessions.delete)
        router.add_get("/v1/sessions/{id}/events", sessions.events)
        router.add_get("/v1/sessions/{id}/artifacts/{kind}", sessions.artifact)
        router.add_get("/v1/token", self._token)
        router.add_post("/v1/tokens", self._expiring_token)
        router.add_get("/v1/builtin-tools", self._builtin_tools)
        router.add_get(DOCUMENT, self._document)

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Asks for a key and says every error in the envelope of these routes; others pass."""
        if not request.path.startswith(PREFIXES):
            return await handler(request)
        try:
            if "/artifacts/" not in request.path:
                request[_KEY] = self._admit(request)
            async with asyncio.timeout(_ANSWER_S):
                return await handler(request)
        except ApiError as error:
            return told(error)
        except SessionError as error:
            retry = {"Retry-After": "60"} if error.retryable else {}
            return told(ApiError(429, error.code, error.message, headers=retry))
        except SelamError as error:
            return told(ApiError(400, "invalid_request", error.message))
        except web.HTTPNotFound:
            return told(ApiError(404, "not_found", "There is nothing here."))
        except web.HTTPMethodNotAllowed as error:
            allow = {"Allow": ", ".join(sorted(error.allowed_methods))}
            return told(ApiError(405, "method_not_allowed", "Not with this method.", headers=allow))
        except web.HTTPException as error:
            return told(ApiError(error.status, "invalid_request", error.reason))
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return told(ApiError(500, "internal_error", "The server could not answer."))

    def _admit(self, request: web.Request) -> Key:
        secret = auth.request_key(request)
        as_measured = request.path == "/v1/token"
        if not secret:
            if as_measured:
                missing = {"type": "missing", "loc": ["header", "authorization"]}
                detail = [{**missing, "msg": "Field required", "input": None}]
                raise ApiError(422, "missing_authorization", "Field required", detail=detail)
            raise ApiError(401, "missing_authorization", "Missing authorization header", headers=_CHALLENGE)
        try:
            return auth.owner(self._keys, secret)
        except AuthorizationError as error:
            raise ApiError(403, "unauthorized", error.message) from None
        except AuthenticationError:
            if as_measured:
                raise ApiError(404, "unauthorized", "Invalid API key") from None
            raise ApiError(401, "unauthorized", "Unauthorized", headers=_CHALLENGE) from None

    # ------------------------------------------------------------ tokens

    async def _token(self, request: web.Request) -> web.Response:
        try:
            query = models.TokenQuery.model_validate(dict(request.query))
        except pydantic.ValidationError as error:
            detail: list[dict[str, Any]] = [
                {**each, "loc": ["query", *each["loc"]]} for each in error.errors(include_url=False)
            ]
            first = detail[0]
            raise ApiError(
                422, "validation_error", str(first["msg"]), param=str(first["loc"][-1]), detail=detail
            ) from None
        token = self._tokens.create(
            request[_KEY],
            expires_in_seconds=query.expires_in_seconds,
            max_session_seconds=query.max_session_duration_seconds,
        )
        return answer({"token": token, "expires_in_seconds": query.expires_in_seconds})

    async def _expiring_token(self, request: web.Request) -> web.Response:
        wish = await body_of(request, models.TokenRequest, optional=True)
        token = self._tokens.create(request[_KEY], expires_in_seconds=wish.expires_in_seconds)
        return answer({"token": token, "expires_at": rfc3339(time.time() + wish.expires_in_seconds)})

    async def _document(self, _: web.Request) -> web.Response:
        return answer(document(self._version))

    async def _builtin_tools(self, _: web.Request) -> web.Response:
        return answer({"builtin_tools": []})


_CHALLENGE = {"WWW-Authenticate": "Bearer"}


def _owner_of(request: web.Request) -> str:
    return request[_KEY].id
