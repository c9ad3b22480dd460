"""The one way out of a WebSocket that speaks JSON: a bounded queue and the task that empties it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any, TypeAlias

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from selam_agent.metrics import SLOW_CLIENTS, Metrics
from selam_agent.wire import base64_audio
from selam_agent.wire.limits import Limits

log = logging.getLogger(__name__)

# Bytes in it leave as base64 text.
Frame: TypeAlias = Mapping[str, Any]


class JsonSocket:
    """Sends frames in order; never blocks and never raises.

    What a client does not read piles up here, where it is counted. A client that has fallen too far
    behind is cut off: its session then waits for it, as after any lost connection.

    Args:
        socket: prepared; the caller goes on reading from it.
        transport: below it.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        limits: Limits,
        numbers: Metrics,
    ) -> None:
        self._socket = socket
        self._transport = transport
        self._limits = limits
        self._numbers = numbers
        self._queue: deque[tuple[Frame, int, float]] = deque()
        self._bytes = 0
        self._audio_ms = 0.0
        self._wake = asyncio.Event()
        self._closing: tuple[int, str] | None = None
        self._gone = False
        self._writer = asyncio.create_task(self._write(), name="json-socket")

    @property
    def closing(self) -> bool:
        """Whether nothing more is sent after what waits."""
        return self._closing is not None or self._gone

    def put(self, frame: Frame, *, size: int = 0, audio_ms: float = 0.0) -> None:
        """Sends a frame of ``audio_ms``; ``size``: bytes of audio or text in it."""
        if self.closing:
            return
        size = 256 + size * 4 // 3
        self._queue.append((frame, size, audio_ms))
        self._bytes += size
        self._audio_ms += audio_ms
        self._wake.set()
        limits = self._limits
        if (
            self._bytes > limits.queue_bytes
            or self._audio_ms > limits.queue_audio_ms
            or len(self._queue) > limits.queue_events
        ):
            log.warning("cut a client that does not read: %d bytes, %.0f ms", self._bytes, self._audio_ms)
            self.abort()
            self._numbers.count(SLOW_CLIENTS)

    def close(self, code: int = WSCloseCode.OK, reason: str = "") -> None:
        """Closes the socket behind what waits; the first call decides."""
        if not self.closing:
            self._closing = (code, reason)
            self._wake.set()

    def abort(self) -> None:
        """Cuts the connection; what waits is lost. Safe to call again."""
        self._gone = True
        self._queue.clear()
        self._writer.cancel()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.abort()

    async def closed(self, within_s: float) -> None:
        """Waits until the socket is closed, then cuts it."""
        await asyncio.wait({self._writer}, timeout=within_s)
        self.abort()
        await asyncio.gather(self._writer, return_exceptions=True)

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    frame, size, audio_ms = self._queue.popleft()
                    await self._socket.send_frame(orjson.dumps(frame, default=_text), WSMsgType.TEXT)
                    self._bytes -= size
                    self._audio_ms -= audio_ms
                if self._closing is not None:
                    code, reason = self._closing
                    await self._socket.close(code=code, message=reason.encode()[:120])
                    return


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return base64_audio.encoded(value).decode("ascii")
    raise TypeError(type(value).__name__)
