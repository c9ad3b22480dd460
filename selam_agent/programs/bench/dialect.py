"""How a caller speaks to a server: what it sends, and what the server's messages mean for a listener."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from selam_agent.programs.bench.profile import Profile
from selam_agent.programs.bench.sockets import frame

_NAMESPACE = b"/v1/audio/agent"
_EVENT = b"42" + _NAMESPACE + b","
_AUDIO = _EVENT + b'["audio_chunk",{"audio":"'
_SAMPLE_BYTES = 2


class Ear(Protocol):
    """What a caller wants to know; times are the caller's own."""

    def ready(self) -> None:
        """The session has begun."""

    def audio(self, duration_ms: float) -> None:
        """Agent audio has come."""

    def clear(self) -> None:
        """The agent was interrupted: what was not played is void."""

    def turn_metrics(self, figures: dict[str, Any]) -> None:
        """The server's own figures of a turn."""

    def failed(self, message: str) -> None:
        """The server reported an error."""


class Dialect(Protocol):
    """A server's protocol; one for all callers."""

    path: str

    def packet(self, pcm: bytes) -> bytes:
        """A packet of audio as a whole WebSocket frame."""

    def received(self, message: bytes, kind: int, ear: Ear, send: Callable[[bytes], None]) -> None:
        """A message of the server; ``send`` takes frames."""


class SelamDialect:
    """Engine.IO frames as a browser's Socket.IO client sends them."""

    path = "/socket.io/?EIO=4&transport=websocket"

    def __init__(self, profile: Profile, key: str) -> None:
        wishes = profile.wishes()
        self._binary_ms = 1000 / (profile.output_sample_rate * _SAMPLE_BYTES)
        self._raw = profile.output_format == "pcm16"
        self._join = frame(
            b"40" + _NAMESPACE + b"," + orjson.dumps({"api_key": key, "voice": wishes["voice"]})
        )
        self._start = frame(_EVENT + orjson.dumps(["start_session", wishes]))
        self._pong = frame(b"3")

    def packet(self, pcm: bytes) -> bytes:
        data = {"audio": base64.b64encode(pcm).decode(), "format": "pcm16", "sample_rate": 16_000}
        return frame(_EVENT + orjson.dumps(["audio_chunk", data]))

    def received(self, message: bytes, kind: int, ear: Ear, send: Callable[[bytes], None]) -> None:
        if self._raw and message.startswith(_AUDIO):
            # By far the most of what comes; the length says it all.
            base64_bytes = message.index(b'"', len(_AUDIO)) - len(_AUDIO)
            ear.audio(base64_bytes // 4 * 3 * self._binary_ms)
        elif message.startswith(_EVENT):
            name, *rest = orjson.loads(message[len(_EVENT) :])
            self._event(name, rest[0] if rest else {}, ear, send)
        elif message == b"2":
            send(self._pong)
        elif message.startswith(b"0"):
            send(self._join)

    def _event(self, name: str, data: dict[str, Any], ear: Ear, send: Callable[[bytes], None]) -> None:
        if name == "connected":
            send(self._start)
        elif name == "session_started":
            ear.ready()
        elif name == "audio_chunk":
            ear.audio(data["duration_ms"])
        elif name == "clear":
            ear.clear()
        elif name == "turn_metrics":
            ear.turn_metrics(data)
        elif name in ("error", "warning", "session_ended"):
            ear.failed(f"{name}: {data.get('code') or data.get('reason')}: {data.get('message', '')}")
