"""A WebSocket client that costs almost nothing: frames are masked once, before the measurement begins.

One process plays hundreds of callers; with a general client it would be the measurement's own limit.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from typing import cast

import numpy as np

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Refused(ConnectionError):  # noqa: N818
    """The server did not accept the WebSocket."""


def frame(payload: bytes, kind: int = TEXT) -> bytes:
    """A whole client frame (RFC 6455 §5.2), masked."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | kind, 0x80 | size))
    elif size < 1 << 16:
        head = bytes((0x80 | kind, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | kind, 0x80 | 127)) + size.to_bytes(8, "big")
    mask = os.urandom(4)
    key = np.resize(np.frombuffer(mask, np.uint8), size)
    return head + mask + (np.frombuffer(payload, np.uint8) ^ key).tobytes()


class WebSocket(asyncio.Protocol):
    """``on_message`` gets each message with its kind (``TEXT`` or ``BINARY``), ``on_lost`` the end."""

    def __init__(
        self, host: str, path: str, on_message: Callable[[bytes, int], None], on_lost: Callable[[], None]
    ) -> None:
        self._host = host
        self._path = path
        self._on_message = on_message
        self._on_lost = on_lost
        self._held = b""
        self._parts: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        # How the connection ended: the peer's code and reason, or what the system said.
        self.ended = ""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def send(self, frame: bytes) -> None:
        """Sends a frame made by ``frame``."""
        if self._transport is not None:
            self._transport.write(frame)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = opened = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        opened.write(
            f"GET {self._path} HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.ended = self.ended or (f"cut: {exc}" if exc is not None else "cut without a goodbye")
        if not self.opened.done():
            self.opened.set_exception(Refused("the connection was closed"))
        self._on_lost()

    def data_received(self, data: bytes) -> None:
        if self._held:
            data = self._held + data
        if not self.opened.done():
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._held = head
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self.opened.set_exception(Refused(head.split(b"\r\n", 1)[0].decode("latin-1")))
                return
            self.opened.set_result(None)
        self._held = data[self._take(data) :]

    def _take(self, data: bytes) -> int:
        """Hands over the whole frames; returns where the rest begins."""
        at, end = 0, len(data)
        while end - at >= 2:
            kind, size, body = data[at] & 0x0F, data[at + 1] & 0x7F, at + 2
            if size >= 126:
                body += 2 if size == 126 else 8
                if body > end:
                    break
                size = int.from_bytes(data[at + 2 : body], "big")
            if body + size > end:
                break
            self._message(kind, data[body : body + size], last=bool(data[at] & 0x80))
            at = body + size
        return at

    def _message(self, kind: int, payload: bytes, *, last: bool) -> None:
        if kind == PING:
            self.send(frame(payload, PONG))
        elif kind == CLOSE:
            code = int.from_bytes(payload[:2], "big") if payload else "no code"
            self.ended = f"closed by the server with {code} {payload[2:].decode('utf-8', 'replace')}".rstrip()
            self.close()
        elif kind != PONG:
            if last and not self._parts:
                self._on_message(payload, kind)
                return
            self._parts.append(payload)
            if last:
                whole, self._parts = b"".join(self._parts), []
                self._on_message(whole, kind or TEXT)
