"""The door for telephone calls: the webhook that answers a call, and the WebSocket that carries it.

Only the webhook is told who calls: its answer carries a temporary token, and whoever opens the
WebSocket without one is closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

from aiohttp import WSMsgType, web

from selam_agent.errors import AuthenticationError, SelamError, SessionError, ValidationError
from selam_agent.languages.packs import Packs
from selam_agent.metrics import CONNECTIONS, Metrics
from selam_agent.session.config import SessionConfig
from selam_agent.session.registry import Registry
from selam_agent.session.session import Session
from selam_agent.settings import Twilio
from selam_agent.store import Key, KeyStore
from selam_agent.wire import auth
from selam_agent.wire.assemblyai import mapping
from selam_agent.wire.assemblyai.door import Describe, FindAgent
from selam_agent.wire.envelope import error_response
from selam_agent.wire.json_socket import JsonSocket
from selam_agent.wire.limits import Limits
from selam_agent.wire.tokens import TemporaryTokens
from selam_agent.wire.twilio.call import Call
from selam_agent.wire.twilio.signature import HEADER, is_signed

log = logging.getLogger(__name__)

PATH, WEBHOOK = "/twilio", "/twilio/voice"
# What a webhook's query, or a <Parameter>, may choose.
CHOICES = ("agent", "voice", "language")
_MAX_PARAMETER = 500
_TOKEN_S = 60


class TwilioDoor:
    """See the module's docstring. Without ``settings.auth_token`` it is closed: its paths do not exist."""

    def __init__(
        self,
        settings: Twilio,
        *,
        registry: Registry,
        packs: Packs,
        keys: KeyStore,
        tokens: TemporaryTokens,
        limits: Limits,
        metrics: Metrics,
        public_url: str,
        find_agent: FindAgent,
        described: Describe,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._packs = packs
        self._keys = keys
        self._tokens = tokens
        self._limits = limits
        self._numbers = metrics
        self._public_url = public_url.rstrip("/")
        self._find_agent = find_agent
        self._described = described
        self._calls: dict[JsonSocket, Call] = {}

    def attach(self, app: web.Application) -> None:
        if self._settings.auth_token:
            app.router.add_post(WEBHOOK, self._answer)
            app.router.add_get(PATH, self._carry)

    @property
    def connections(self) -> int:
        return len(self._calls)

    async def aclose(self) -> None:
        """Hangs up every call."""
        for socket in self._calls:
            socket.close(1001, "shutting down")
        await asyncio.gather(*(each.closed(self._limits.flush_s) for each in self._calls))

    # ------------------------------------------------------------ a call comes in

    async def _answer(self, request: web.Request) -> web.Response:
        """TwiML that connects the call to the WebSocket."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        if not self._is_from_twilio(request, form, ("http", "https")):
            self._numbers.count(CONNECTIONS, outcome=AuthenticationError.type)
            return web.Response(status=403, text="The signature is missing or wrong.")
        key = self._key()
        if key is None:
            log.error("a call cannot be answered: there is no valid key of tier OWNER (twilio.key)")
            return _twiml("<Reject/>")
        chosen = {name: request.query[name] for name in CHOICES if request.query.get(name)}
        try:
            await self._described_as(key, chosen)
        except SelamError as error:
            # Twilio logs what it was answered; of a connection it would only log the end.
            log.warning("a call cannot be answered: %s", error.message)
            status = 400 if isinstance(error, ValidationError) else 503
            return error_response(status, error.type, error.code, error.message)
        parameters = {**chosen, "token": self._tokens.create(key, expires_in_seconds=_TOKEN_S)}
        inside = "".join(
            f"<Parameter name={quoteattr(name)} value={quoteattr(value[:_MAX_PARAMETER])}/>"
            for name, value in parameters.items()
        )
        url = f"ws{self._base(request).removeprefix('http')}{PATH}"
        return _twiml(f"<Connect><Stream url={quoteattr(url)}>{inside}</Stream></Connect>")

    async def _carry(self, request: web.Request) -> web.StreamResponse:
        schemes = ("ws", "wss", "http", "https")
        if HEADER in request.headers and not self._is_from_twilio(request, {}, schemes):
            return web.Response(status=403, text="The signature is wrong.")
        # Strangers may take the place of other strangers only.
        waiting = sum(not each.started for each in self._calls.values())
        if waiting >= self._limits.unauthenticated_sockets:
            return web.Response(status=503, text="Too many connections that have not begun a call.")
        websocket = web.WebSocketResponse(
            max_msg_size=self._limits.max_message_bytes, compress=False, timeout=1.0
        )
        await websocket.prepare(request)
        socket = JsonSocket(websocket, request.transport, self._limits, self._numbers)
        call = Call(socket, self._open)
        self._calls[socket] = call
        self._numbers.count(CONNECTIONS, outcome="accepted")
        timer = asyncio.get_running_loop().call_later(self._limits.unaccepted_s, _expect_start, call, socket)
        try:
            while True:
                message = await websocket.receive()
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                await call.receive(message.data)
        finally:
            timer.cancel()
            call.over()
            del self._calls[socket]
            socket.abort()
        return websocket

    # ------------------------------------------------------------ its session

    async def _open(self, parameters: Mapping[str, str], call: Call) -> Session:
        identity = self._tokens.redeem(parameters.get("token", ""))
        auth.check_tier(identity.key)
        if sum(each.started for each in self._calls.values()) >= self._settings.max_calls:
            raise SessionError("There are as many calls as there may be.", code="at_capacity", retryable=True)
        agent_id, described, wishes = await self._described_as(identity.key, parameters)
        fixed: dict[str, Any] = {
            "output_format": "pcmu",
            "output_sample_rate": 8_000,
            # Nobody on the telephone could carry them out.
            "tools": (),
            "tool_timeouts": {},
            "filled_tools": frozenset(),
        }
        config = SessionConfig(**{**wishes, **fixed}, playback="buffered", end_call=True)
        session = self._registry.open(config, call, owner=identity.key.id)
        self._described(session.id, agent_id, described)
        return session

    async def _described_as(
        self, key: Key, parameters: Mapping[str, str]
    ) -> tuple[str | None, dict[str, Any], dict[str, Any]]:
        """Agent, session object and wishes of a call.

        Raises:
            ValidationError: there is no such agent, voice or language, or they do not go together.
            SessionError: the agents cannot be read, or the voice's engine is missing.
        """
        agent_id = parameters.get("agent") or self._settings.agent or None
        described = await self._session_object(key.id, agent_id, parameters)
        wishes = mapping.wishes(mapping.parse(described), self._packs)
        self._registry.check(wishes["voice"], wishes["language"])
        return agent_id, described, wishes

    async def _session_object(
        self, owner: str, agent_id: str | None, parameters: Mapping[str, str]
    ) -> dict[str, Any]:
        settings = self._settings
        chosen: dict[str, Any] = {
            "system_prompt": settings.instructions,
            "greeting": settings.greeting,
            "language": settings.language,
            "output": {"voice": settings.voice or None},
        }
        if agent_id is not None:
            agent = await self._find_agent(owner, agent_id)
            if agent is None:
                raise ValidationError(f"There is no agent {agent_id[:64]!r}.", code="agent_not_found")
            chosen = {**agent, "tools": None}
        if language := parameters.get("language"):
            # A voice that was not chosen for this call follows the language.
            chosen |= {"language": language, "output": {**chosen.get("output", {}), "voice": None}}
        if voice := parameters.get("voice"):
            chosen["output"] = {**chosen.get("output", {}), "voice": voice}
        return {name: value for name, value in chosen.items() if value}

    def _key(self) -> Key | None:
        """The key that calls belong to."""
        return self._keys.find(self._settings.key) if self._settings.key else self._keys.an_owner()

    # ------------------------------------------------------------ addresses

    def _is_from_twilio(
        self, request: web.Request, form: Mapping[str, str], schemes: tuple[str, ...]
    ) -> bool:
        rest = self._base(request).partition("://")[2] + request.path_qs
        urls = [f"{scheme}://{rest}" for scheme in schemes]
        return is_signed(request.headers.get(HEADER, ""), self._settings.auth_token, urls, form)

    def _base(self, request: web.Request) -> str:
        """The server's address as Twilio knows it."""
        return self._public_url or f"{request.scheme}://{request.host}"


def _expect_start(call: Call, socket: JsonSocket) -> None:
    if not call.started:
        log.warning("a connection at %s did not begin a call: %s", PATH, SessionError.default_code)
        socket.close(1008, "no start")


def _twiml(inside: str) -> web.Response:
    body = f'<?xml version="1.0" encoding="UTF-8"?><Response>{inside}</Response>'
    return web.Response(text=body, content_type="application/xml")
