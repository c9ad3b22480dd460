"""python-socketio on aiohttp, made to survive what the network sends.

Three small subclasses, each at a seam the library offers:

- ``AgentPacket`` (its ``serializer`` parameter) turns every packet that is not one of ours into an
  event named ``MALFORMED``, so that the client hears of it. Upstream raises inside the receive loop
  or waits for ever for attachments that were announced and never sent.
- ``AgentWebSocket`` (Engine.IO's driver) refuses permessage-deflate, which costs 130–250 kB per
  connection and hardly shrinks audio, and keeps frames away that end upstream's receive loop
  without its clean-up (an empty frame, ``x``, deeply nested JSON).
- ``AgentEngine`` knows its WebSockets and background tasks, so that both can be ended.

``fast_path.py`` adds a leaner loop for WebSockets; without it the library's own runs.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import engineio
import orjson
import socketio
from aiohttp import WSCloseCode, WSMsgType, web
from engineio.async_drivers import aiohttp as driver
from engineio.payload import Payload
from socketio import packet

from selam_agent.wire.early import EarlyQueue, EarlyWebSocket
from selam_agent.wire.fast_path import Ear, Lane
from selam_agent.wire.limits import Limits
from selam_agent.wire.low_water import Tide

NAMESPACE = "/v1/audio/agent"
# How an event of the namespace begins on the wire, and how the one that comes fifty times a second does.
EVENT = f"42{NAMESPACE},"
_AUDIO = EVENT + '["audio_chunk",'

# The name of the event that stands for a packet that is none; no client can send this object.
MALFORMED = object()

# A client that starts on polling sends 20 ms chunks faster than one request at a time returns.
_MAX_PACKETS_PER_POLL = 512
_MAX_BAD_FRAMES = 1_000

log = logging.getLogger(__name__)


class _Json:
    """orjson in the shape that python-socketio asks for; it also refuses NaN and deep nesting."""

    loads = staticmethod(orjson.loads)

    @staticmethod
    def dumps(value: Any, **_: Any) -> str:
        return orjson.dumps(value).decode()


class AgentPacket(packet.Packet):  # type: ignore[misc]
    """A Socket.IO packet whose decoding never raises and never waits for more than one attachment."""

    json = _Json

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "encoded_packet" in kwargs and not kwargs["encoded_packet"]:
            self._mark("an empty packet")

    def decode(self, encoded_packet: Any) -> int:
        try:
            attachments = super().decode(encoded_packet) or 0
            fault = self._fault(attachments)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            fault = "not a Socket.IO packet"
        if fault is None:
            return int(attachments)
        self._mark(fault)
        return 0

    def add_attachment(self, attachment: Any) -> bool:
        if isinstance(attachment, bytes):
            with contextlib.suppress(ValueError, TypeError, LookupError, RecursionError):
                return bool(super().add_attachment(attachment))
        self.data = [MALFORMED, "a binary attachment was announced and something else came"]
        return True

    def _fault(self, attachments: int) -> str | None:
        if self.packet_type in (packet.CONNECT, packet.DISCONNECT):
            return None
        if self.packet_type not in (packet.EVENT, packet.BINARY_EVENT):
            return "a packet of a type that clients do not send"
        if not isinstance(self.data, list) or not self.data:
            return "an event must be a list that begins with its name"
        if attachments != (self.packet_type == packet.BINARY_EVENT):
            return "an event carries at most one binary attachment"
        return None

    def _mark(self, fault: str) -> None:
        self.packet_type = packet.EVENT
        self.namespace = NAMESPACE
        self.id = None
        self.data = [MALFORMED, fault]


class AgentWebSocket(driver.WebSocket):  # type: ignore[misc]
    """One WebSocket below Engine.IO."""

    async def __call__(self, environ: dict[str, Any]) -> web.WebSocketResponse:
        request: web.Request = environ["aiohttp.request"]
        engine: AgentEngine = self.server
        self._sock = EarlyWebSocket(
            max_msg_size=engine.max_http_buffer_size, timeout=1.0, early=engine.takes_early
        )
        await self._sock.prepare(request)
        assert request.transport is not None
        self.transport: asyncio.Transport = request.transport
        self._bad_frames = 0
        # The peer said goodbye at this level; python-socketio's client does, and its packets are lost.
        self.left = False
        self.environ = environ
        socket = self.handler.__self__
        self.lane: Lane | None = None
        if engine.ear_of is not None:
            self.lane = Lane(self, socket, prefix=_AUDIO, ear_of=engine.ear_of, tide=engine.tide)
        engine.websockets[socket.sid] = self
        try:
            await (self.handler(self) if self.lane is None else self.lane.run())
        finally:
            engine.websockets.pop(socket.sid, None)
            self.lane = None
        return self._sock

    @property
    def early(self) -> EarlyQueue | None:
        """Where a message may be taken before anybody reads it."""
        return self._sock.early

    @property
    def closed(self) -> bool:
        """Whether a goodbye was sent or received."""
        return bool(self._sock.closed)

    async def wait(self) -> str | bytes:
        while True:
            message = await self._sock.receive()
            data = message.data
            if isinstance(data, bytes):
                return data
            if not isinstance(data, str):
                # Not 1001, "going away", nor no code: pages send these when they reload or lose a ping.
                self.left = message.type is WSMsgType.CLOSE and data == WSCloseCode.OK
                raise OSError("the WebSocket is closed")
            if (frame := _sane(data)) is not None:
                return frame
            self._bad_frames += 1
            if self._bad_frames > _MAX_BAD_FRAMES:
                raise OSError("too many frames that are no Engine.IO packets")

    async def end(self, grace_s: float) -> None:
        """Closes politely, then cuts the connection; a peer that does not read cannot delay it."""
        with contextlib.suppress(TimeoutError, OSError, RuntimeError):
            if self.lane is not None:
                self.lane.flush()
            async with asyncio.timeout(grace_s):
                await self._sock.close()
        self.cut()

    def cut(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()


def _sane(frame: str) -> str | None:
    """The frame as Engine.IO may see it, or None when it is not one."""
    kind = frame[:1]
    if kind == "4":
        # Anything but a Socket.IO packet type here would be parsed as JSON, to any depth.
        return frame if "0" <= frame[1:2] <= "6" else "4"
    if kind == "b":
        try:
            return frame if base64.b64decode(frame[1:], validate=True) is not None else None
        except (binascii.Error, ValueError):
            return None
    return frame[:6] if kind and kind in "012356" else None


class AgentEngine(engineio.AsyncServer):  # type: ignore[misc]
    """Engine.IO that can end what it started."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.websockets: dict[str, AgentWebSocket] = {}
        # Who hears the audio of this socket id. Without it every message goes the library's way.
        self.ear_of: Callable[[str], Ear | None] | None = None
        # With ``ear_of``: already while the frames are parsed.
        self.takes_early = False
        self.tide = Tide()
        self._tasks: dict[asyncio.Task[Any], str | None] = {}
        self._async: dict[str, Any] = {**self._async, "websocket": AgentWebSocket}

    def start_background_task(
        self, target: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = super().start_background_task(target, *args, **kwargs)
        # The sleeper before a socket's next ping belongs to that socket.
        self._tasks[task] = getattr(getattr(target, "__self__", None), "sid", None)
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return task

    def forget(self, eio_sid: str) -> None:
        """Ends what a closed socket has left waiting."""
        current = asyncio.current_task()
        for task, owner in list(self._tasks.items()):
            if owner == eio_sid and task is not current:
                task.cancel()

    async def hang_up(self, eio_sid: str, grace_s: float) -> None:
        """Closes the socket for certain, within about ``grace_s``."""
        websocket = self.websockets.get(eio_sid)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s / 2):
                await self.disconnect(eio_sid)
        if websocket is not None:
            await websocket.end(grace_s / 2)

    async def end_tasks(self) -> None:
        self.tide.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class AgentSocketIO(socketio.AsyncServer):  # type: ignore[misc]
    """Socket.IO over ``AgentEngine``."""

    eio: AgentEngine

    def _engineio_server_class(self) -> type[AgentEngine]:
        return AgentEngine


def build_socketio(limits: Limits) -> AgentSocketIO:
    """The server; origins are checked by ``origins.py`` before a request reaches it."""
    Payload.max_decode_packets = _MAX_PACKETS_PER_POLL
    return AgentSocketIO(
        async_mode="aiohttp",
        async_handlers=False,
        always_connect=True,
        namespaces=[NAMESPACE],
        serializer=AgentPacket,
        max_http_buffer_size=limits.max_message_bytes,
        ping_interval=limits.ping_interval_s,
        ping_timeout=limits.ping_timeout_s,
        cors_allowed_origins=[],
        http_compression=False,
        logger=logging.getLogger("selam_agent.socketio"),
        engineio_logger=logging.getLogger("selam_agent.engineio"),
    )
