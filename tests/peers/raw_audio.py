"""What the peers are spoken to in: bare WebSocket messages, s16le at 16 kHz in, at 24 kHz out."""

from __future__ import annotations

from collections.abc import Callable

from selam_agent.programs.bench.dialect import Ear
from selam_agent.programs.bench.sockets import BINARY, frame


class RawDialect:
    """Texts: ``ready`` when the session listens, ``clear`` when it was interrupted."""

    path = "/ws"

    def packet(self, pcm: bytes) -> bytes:
        return frame(pcm, BINARY)

    def received(self, message: bytes, kind: int, ear: Ear, send: Callable[[bytes], None]) -> None:
        if kind == BINARY:
            ear.audio(len(message) / 48)
        elif message == b"ready":
            ear.ready()
        elif message == b"clear":
            ear.clear()
