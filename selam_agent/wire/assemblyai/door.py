"""The door: accepts or refuses WebSockets at ``/v1/ws`` and ``/v1/realtime``, and opens their sessions.

No check of the page's origin: a browser can send no header with a WebSocket, only ``?token=``, and a
token is worth one session.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, hdrs, web

from selam_agent.errors import AuthenticationError, SelamError, SessionError
from selam_agent.languages.packs import Packs
from selam_agent.metrics import CONNECTIONS, Metrics
from selam_agent.session.config import SessionConfig
from selam_agent.session.registry import Registry, new_session_id
from selam_agent.session.session import Session, new_resume_token
from selam_agent.settings import Turns
from selam_agent.store import KeyStore
from selam_agent.wire import auth
from selam_agent.wire.assemblyai.connection import Connection
from selam_agent.wire.assemblyai.conversation import Conversation, ConversationOutlet
from selam_agent.wire.assemblyai.errors import ProtocolError, error_frame
from selam_agent.wire.assemblyai.narration import stamped
from selam_agent.wire.json_socket import JsonSocket
from selam_agent.wire.limits import Limits
from selam_agent.wire.tokens import TOKEN_PREFIX, Identity, TemporaryTokens

log = logging.getLogger(__name__)

# A client that has shown its key and opens no session keeps its socket for so long.
_UNSTARTED_S = 60.0


# By owner and id: the session object of a stored agent.
FindAgent = Callable[[str, str], Awaitable[Mapping[str, Any] | None]]
# By session: the agent it is of, and the configuration it began with.
Describe = Callable[[str, str | None, Mapping[str, Any]], None]


class AssemblyAIDoor:
    """See the module's docstring.

    Args:
        find_agent: the stored agents; owners are ids of keys. None: there are none.
        described: is told of each session that was opened.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        packs: Packs,
        keys: KeyStore,
        tokens: TemporaryTokens,
        turns: Turns,
        limits: Limits,
        metrics: Metrics,
        find_agent: FindAgent | None = None,
        described: Describe | None = None,
    ) -> None:
        self._registry = registry
        self._packs = packs
        self._keys = keys
        self._tokens = tokens
        self._turns = turns
        self._limits = limits
        self._numbers = metrics
        self._find_agent = find_agent
        self._described = described
        self._connections: set[Connection] = set()
        self._conversations: dict[str, Conversation] = {}
        self._draining = False

    def attach(self, app: web.Application) -> None:
        app.router.add_get("/v1/ws", self._serve)
        app.router.add_get("/v1/realtime", self._serve_legacy)

    @property
    def connections(self) -> int:
        return len(self._connections)

    def fits(self, given: Mapping[str, Any]) -> None:
        """Whether a session of this session object could begin here. Raises ValidationError."""
        made = self._conversation("", dict(given), None, legacy=False)
        try:
            self._registry.check(made.wishes["voice"], made.wishes["language"])
        except SessionError as error:
            raise ProtocolError("invalid_value", error.message, "output.voice") from None

    def agent_changed(self, agent_id: str, given: Mapping[str, Any]) -> None:
        """A stored agent was changed: its live sessions take what may change at their next turn."""
        for conversation in list(self._conversations.values()):
            if conversation.agent_id == agent_id and not conversation.over:
                try:
                    conversation.agent_changed(given)
                except SelamError as error:
                    log.warning("session %s keeps its agent as it was: %s", conversation.id, error)

    async def aclose(self) -> None:
        """Sends what is queued, and closes every socket."""
        self._draining = True
        for connection in self._connections:
            connection.socket.close(1011, "shutting down")
        await asyncio.gather(*(each.socket.closed(self._limits.flush_s) for each in self._connections))

    # ------------------------------------------------------------ sockets

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        return await self._converse(request, legacy=False)

    async def _serve_legacy(self, request: web.Request) -> web.WebSocketResponse:
        return await self._converse(request, legacy=True)

    async def _converse(self, request: web.Request, *, legacy: bool) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse(
            max_msg_size=self._limits.max_message_bytes,
            compress=False,
            timeout=1.0,
            heartbeat=2 * self._limits.ping_timeout_s,
        )
        await websocket.prepare(request)
        socket = JsonSocket(websocket, request.transport, self._limits, self._numbers)
        try:
            identity = self._identify(request)
        except SelamError as error:
            self._numbers.count(CONNECTIONS, outcome=error.type)
            socket.put(stamped(error_frame(error, None)))
            socket.close(1008, "unauthorized")
            await socket.closed(self._limits.refused_s)
            return websocket
        self._numbers.count(CONNECTIONS, outcome="accepted")
        connection = Connection(self, socket, identity, new_session_id(), legacy=legacy)
        await self._run(connection, websocket, legacy=legacy)
        return websocket

    async def _run(self, connection: Connection, websocket: web.WebSocketResponse, *, legacy: bool) -> None:
        self._connections.add(connection)
        waiting = sum(not each.started for each in self._connections)
        if self._draining or waiting > self._limits.unauthenticated_sockets:
            full = SessionError("The server has no room for another connection now.", code="at_capacity")
            connection.refuse_and_close(full)
        elif legacy:
            connection.socket.put(self._ready_before(connection))
        timer = asyncio.get_running_loop().call_later(_UNSTARTED_S, self._give_up, connection)
        try:
            while True:
                message = await websocket.receive()
                if message.type is WSMsgType.TEXT:
                    await connection.receive(message.data)
                elif message.type is WSMsgType.BINARY:
                    connection.refuse(ProtocolError("invalid_format", "Messages are JSON text.", stays=True))
                else:
                    break
        finally:
            timer.cancel()
            self._connections.discard(connection)
            connection.lost(left=websocket.close_code == WSCloseCode.OK)
            connection.socket.abort()

    def _ready_before(self, connection: Connection) -> dict[str, Any]:
        """The ``session.ready`` of the older dialect, which comes before the first update."""
        if self._turns.resume_s:
            # No other session.ready follows that could tell it.
            connection.resume_token = new_resume_token()
        made = self._conversation(connection.session_id, {}, None, legacy=True)
        return made.narration.ready(connection.resume_token)

    def _give_up(self, connection: Connection) -> None:
        if not connection.started:
            connection.refuse_and_close(
                ProtocolError("session_expired", f"No session.update came within {_UNSTARTED_S:.0f} s.")
            )

    def _identify(self, request: web.Request) -> Identity:
        """By header: a key, a temporary or a resume token; by ``?token=``: a temporary one."""
        header = request.headers.get(hdrs.AUTHORIZATION, "")
        try:
            if not header and (token := request.query.get("token", "")):
                return _of_owner(self._tokens.redeem(token))
            secret = auth.request_key(request)
            if secret.startswith(TOKEN_PREFIX):
                return _of_owner(self._tokens.redeem(secret))
            owner = self._registry.owner_of(secret) if secret else None
            key = self._keys.find(owner) if owner is not None else None
            if key is not None:
                return Identity(key=key, resumes_only=True)
            return Identity(key=auth.owner(self._keys, secret))
        except AuthenticationError:
            # As the service says it, whatever is wrong with the key.
            raise AuthenticationError("Authentication failed") from None

    # ------------------------------------------------------------ for connections

    async def describe(
        self, session_id: str, given: dict[str, Any], identity: Identity, *, legacy: bool
    ) -> Conversation:
        """The conversation of a first update. Raises ValidationError."""
        agent: Mapping[str, Any] | None = None
        if (agent_id := given.get("agent_id")) is not None:
            if len(given) > 1:
                raise ProtocolError(
                    "invalid_value", "agent_id is mutually exclusive with other session fields", "agent_id"
                )
            if self._find_agent is not None:
                agent = await self._find_agent(identity.key.id, str(agent_id))
            if agent is None:
                raise ProtocolError("agent_not_found", "There is no such agent.", "agent_id")
        if agent is not None:
            given = dict(agent)
        made = self._conversation(session_id, given, identity.max_session_s, legacy=legacy)
        made.agent_id = None if agent is None else str(agent_id)
        return made

    def _conversation(
        self, session_id: str, given: dict[str, Any], max_session_s: float | None, *, legacy: bool
    ) -> Conversation:
        lasts_s = min(self._turns.max_session_s, max_session_s or self._turns.max_session_s)
        return Conversation(
            session_id,
            given,
            packs=self._packs,
            silences=(self._turns.complete_ms, self._turns.silence_limit_ms),
            expires_at=int(time.time() + lasts_s),
            legacy=legacy,
        )

    def open(
        self,
        conversation: Conversation,
        outlet: ConversationOutlet,
        identity: Identity,
        *,
        resume_token: str,
    ) -> Session:
        """Opens its session; an empty token: any. Raises ValidationError or SessionError."""
        config = SessionConfig(
            **conversation.wishes,
            playback="buffered",
            interim=conversation.object.input.continuous_partials is not False,
            signals=True,
            max_session_s=identity.max_session_s,
        )
        session = self._registry.open(
            config,
            outlet,
            owner=identity.key.id,
            session_id=conversation.id,
            resume_token=resume_token,
        )
        if (longest_s := session.config.max_session_s) is not None:
            # The key may have a limit of its own.
            conversation.narration.ends_within(longest_s)
        if self._described is not None:
            self._described(session.id, conversation.agent_id, conversation.echo())
        conversations = self._conversations
        for session_id in [key for key, each in conversations.items() if each.over]:
            del conversations[session_id]
        conversations[conversation.id] = conversation
        return session

    def resumable(self, session_id: str, identity: Identity, by: Connection) -> Conversation:
        """The conversation that a client may come back to. Raises SessionError."""
        self._registry.resumable(session_id, owner=identity.key.id)
        conversation = self._conversations.get(session_id)
        if conversation is None:
            raise SessionError("The session was opened at another door.", code="session_not_found")
        for each in self._connections:
            if each is not by and each.tells(conversation):
                # Not noticed yet that it is dead.
                each.socket.close(1008, "resumed elsewhere")
        return conversation


def _of_owner(identity: Identity) -> Identity:
    auth.check_tier(identity.key)
    return identity
