"""The SelamGPT voice agent protocol: Socket.IO namespace ``/v1/audio/agent``.

Handlers only check and enqueue; nothing in the receive loop waits. Every event a client may send is
in one table; the library's own lookup by method name is not used, because with it a client's event
named ``connect`` or ``disconnect`` would run the connection's own handlers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import socketio

from selam_agent import metrics
from selam_agent.errors import AuthorizationError, SelamError, SessionError, ValidationError
from selam_agent.events import Event
from selam_agent.metrics import Metrics
from selam_agent.store import KeyStore
from selam_agent.wire import auth, early
from selam_agent.wire.fast_path import is_tested
from selam_agent.wire.limits import Limits
from selam_agent.wire.selam_connection import Connection
from selam_agent.wire.selam_events import encoded
from selam_agent.wire.selam_outlet import ConnectionOutlet, SessionOutlet
from selam_agent.wire.tokens import TemporaryTokens
from selam_agent.wire.transport import EVENT, NAMESPACE, AgentSocketIO
from selam_agent.wire.wishes import Resume, parse_start

if TYPE_CHECKING:
    from selam_agent.session.registry import Registry
    from selam_agent.session.session import Session

log = logging.getLogger(__name__)

_EVENT_BYTES = EVENT.encode()


class SelamNamespace(socketio.AsyncNamespace):  # type: ignore[misc]
    """The door: accepts or refuses clients and hands their events to their connection."""

    def __init__(
        self,
        sio: AgentSocketIO,
        registry: Registry,
        keys: KeyStore,
        tokens: TemporaryTokens,
        limits: Limits,
        numbers: Metrics,
        *,
        fast_path: bool = True,
    ) -> None:
        super().__init__(NAMESPACE)
        self._sio = sio
        self._registry = registry
        self._keys = keys
        self._tokens = tokens
        self._limits = limits
        self._numbers = numbers
        self._connections: dict[str, Connection] = {}
        # The same by Engine.IO socket, for the fast path.
        self._by_socket: dict[str, Connection] = {}
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False
        self._watch_engine()
        if fast_path and is_tested():
            sio.eio.ear_of = self._ear_of
            sio.eio.takes_early = early.is_tested()
        elif fast_path:
            log.info(
                "this release of python-engineio is not known to the fast path: the library's own is used"
            )
        sio.register_namespace(self)

    @property
    def connections(self) -> int:
        return len(self._connections)

    async def trigger_event(self, event: Any, *args: Any) -> None:
        """Every event of the namespace arrives here, the library's own two included.

        The library's ``connect`` carries the environ object of the very socket, and at its
        ``disconnect`` the sid is no longer connected. Neither can be said of a client's event.
        """
        sid, rest = args[0], args[1:]
        if event == "connect" and len(rest) == 2 and self._is_environ(sid, rest[0]):
            self._on_connect(sid, rest[0], rest[1])
        elif event == "disconnect" and not self._sio.manager.is_connected(sid, NAMESPACE):
            self._on_disconnect(sid, left=rest[:1] == (self._sio.reason.CLIENT_DISCONNECT,))
        elif (connection := self._connections.get(sid)) is not None:
            connection.receive(event, rest)

    async def aclose(self) -> None:
        """Says goodbye: sends what is queued, then closes every socket."""
        self._draining = True
        await asyncio.gather(*(self._farewell(each) for each in list(self._connections.values())))
        await asyncio.gather(*(self._sio.eio.hang_up(each, 1.0) for each in list(self._sio.eio.sockets)))
        for timer in self._waiting.values():
            timer.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------ sockets below the namespace

    def _watch_engine(self) -> None:
        engine = self._sio.eio
        opened, closed = engine.handlers["connect"], engine.handlers["disconnect"]

        async def on_open(eio_sid: str, environ: dict[str, Any]) -> Any:
            if self._draining or len(self._waiting) >= self._limits.unauthenticated_sockets:
                self._numbers.count(metrics.CONNECTIONS, outcome="turned_away")
                return "The server has no room for another connection now."
            self._expect_namespace(eio_sid)
            return await opened(eio_sid, environ)

        async def on_close(eio_sid: str, reason: str) -> None:
            await closed(eio_sid, reason)
            engine.forget(eio_sid)
            self._stop_waiting(eio_sid)
            if (socket := engine.sockets.get(eio_sid)) is not None:
                # Upstream leaves a waiting poll or writer asleep for up to two ping times. This wakes
                # it, behind the farewell that is queued right after this event.
                asyncio.get_running_loop().call_soon(socket.queue.put_nowait, None)

        engine.on("connect", on_open)
        engine.on("disconnect", on_close)

    def _expect_namespace(self, eio_sid: str) -> None:
        def too_late() -> None:
            self._start(self._sio.eio.hang_up(eio_sid, self._limits.refused_s))

        self._stop_waiting(eio_sid)
        self._waiting[eio_sid] = asyncio.get_running_loop().call_later(self._limits.unaccepted_s, too_late)

    def _stop_waiting(self, eio_sid: str) -> None:
        if (timer := self._waiting.pop(eio_sid, None)) is not None:
            timer.cancel()

    # ------------------------------------------------------------ the namespace's own events

    def _is_environ(self, sid: str, candidate: Any) -> bool:
        eio_sid = self._sio.manager.eio_sid_from_sid(sid, NAMESPACE)
        return eio_sid is not None and candidate is self._sio.environ.get(eio_sid)

    def _on_connect(self, sid: str, environ: dict[str, Any], given: Any) -> None:
        eio_sid = self._sio.manager.eio_sid_from_sid(sid, NAMESPACE)
        connection = Connection(self, sid, eio_sid)
        self._connections[sid] = self._by_socket[eio_sid] = connection
        try:
            identity = auth.handshake_identity(
                environ, given, keys=self._keys, tokens=self._tokens, owner_of=self._registry.owner_of
            )
            voice = auth.handshake_field(environ, given, "voice")
            self._check_voice(voice)
            next_token = self._tokens.renew(identity) if identity.renewable else None
        except SelamError as error:
            self._refuse(connection, error)
            return
        except Exception:
            log.exception("the handshake of %s failed", sid)
            self._refuse(connection, SessionError("The server could not accept the connection."))
            return
        self._stop_waiting(eio_sid)
        connection.accept(identity, voice, next_token)
        self._numbers.count(metrics.CONNECTIONS, outcome="accepted")

    def _check_voice(self, voice: str) -> None:
        if voice:
            return self._registry.check_voice(voice)
        try:
            return self._registry.check_voice("")
        except ValidationError as error:
            names = (error.details or {}).get("voices", [])
            listed = f" The voices are {', '.join(names)}." if names else ""
            raise ValidationError(
                f"The handshake names no voice.{listed}", code="missing_voice", details=error.details
            ) from None

    def _refuse(self, connection: Connection, error: SelamError) -> None:
        self._numbers.count(metrics.CONNECTIONS, outcome=error.type)
        connection.outlet.refuse(error)
        self._start(self._farewell(connection))

    def _on_disconnect(self, sid: str, *, left: bool) -> None:
        connection = self._connections.pop(sid, None)
        if connection is None:
            return
        if self._by_socket.get(connection.eio_sid) is connection:
            del self._by_socket[connection.eio_sid]
        # A client that leaves says so; a connection that breaks does not.
        websocket = self._sio.eio.websockets.get(connection.eio_sid)
        connection.lost(left=left or (websocket is not None and websocket.left))
        socket = self._sio.eio.sockets.get(connection.eio_sid)
        if socket is not None and not socket.closing:
            # The client has left the namespace, or was told to, and kept the socket.
            self._expect_namespace(connection.eio_sid)

    async def _farewell(self, connection: Connection) -> None:
        """Sends what is queued, disconnects the namespace, and closes the socket below it."""
        grace = self._limits.refused_s
        await connection.outlet.flush(self._limits.flush_s if self._draining else grace / 2)
        await self._sio.disconnect(connection.sid, NAMESPACE)
        await self._sio.eio.hang_up(connection.eio_sid, grace / 2)

    def _ear_of(self, eio_sid: str) -> Connection | None:
        """Who hears audio straight from its frame; None: what comes is left to the library."""
        # An event whose attachment has not come yet makes the next message a fault.
        return None if eio_sid in self._sio._binary_packet else self._by_socket.get(eio_sid)

    # ------------------------------------------------------------ for connections

    async def emit_to(self, sid: str, eio_sid: str, name: str, data: dict[str, Any]) -> None:
        """The only emit of the package; returns when the transport has taken the packet."""
        await self._sio.emit(name, data, to=sid, namespace=NAMESPACE)
        if (socket := self._sio.eio.sockets.get(eio_sid)) is not None:
            await socket.queue.join()

    def open_session(self, connection: Connection, data: object) -> tuple[Session, SessionOutlet]:
        assert connection.identity is not None
        start = parse_start(data, connection.voice)
        running = connection.session
        outlet = SessionOutlet(connection.outlet, binary=start.binary)
        owner = connection.identity.key.id
        replaces = None if running is None or running.ended.is_set() else running
        if isinstance(start, Resume):
            session = self._registry.resume(start.token, outlet, owner=owner, replaces=replaces)
        elif connection.identity.resumes_only:
            raise AuthorizationError(
                "A resume token opens no new session; connect with a key or a temporary token.",
                code="resume_only",
            )
        else:
            config = replace(start.config, max_session_s=connection.identity.max_session_s)
            session = self._registry.open(config, outlet, owner=owner, replaces=replaces)
        session.on_expect(self._expecting(connection.eio_sid))
        return session, outlet

    def _expecting(self, eio_sid: str) -> Callable[[int, float], None]:
        websockets = self._sio.eio.websockets

        def expect(packets: int, packet_s: float) -> None:
            websocket = websockets.get(eio_sid)
            if websocket is not None and (lane := websocket.lane) is not None:
                lane.expect(packets, packet_s)

        return expect

    def cut(self, sid: str, eio_sid: str, reason: str) -> None:
        """Ends a connection whose client does not read; it could not be told anyway."""
        log.warning("disconnected %s, which does not read: %s", sid, reason)
        if (websocket := self._sio.eio.websockets.get(eio_sid)) is not None:
            websocket.cut()
        self._start(self._sio.eio.hang_up(eio_sid, self._limits.refused_s))

    def outlet_for(self, sid: str, eio_sid: str) -> ConnectionOutlet:
        async def emit(name: str, data: dict[str, Any]) -> None:
            await self.emit_to(sid, eio_sid, name, data)

        websockets = self._sio.eio.websockets

        def write(event: Event) -> bool:
            websocket = websockets.get(eio_sid)
            if websocket is None or (lane := websocket.lane) is None or not lane.is_clear:
                return False
            lane.write(encoded(event, _EVENT_BYTES))
            return True

        def overflow(reason: str) -> None:
            self.cut(sid, eio_sid, reason)

        return ConnectionOutlet(emit, write, overflow, self._limits, self._numbers)

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
