"""A voice agent in 120 lines that speaks the documented protocol and understands what it is told to.

It hears by loudness alone: a run of sound and a pause is a turn, sound during its own speech is an
interruption, unless it is short: then the agent is silent for a moment and goes on. What it
"understands" and answers is a list.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import socketio
from aiohttp import web

NAMESPACE = "/v1/audio/agent"
KEY = "sk-right"


@dataclass
class Turn:
    """``speech_ms`` of tone answer a turn that was heard as ``text``."""

    text: str
    answer: str
    speech_ms: int = 600
    result: dict[str, Any] | None = None


@dataclass
class FakeAgent(socketio.AsyncNamespace):  # type: ignore[misc]
    turns: list[Turn]
    started: list[dict[str, Any]] = field(default_factory=list)
    silence_ms: int = 200
    # Sound over the agent that stops it, and for how long shorter sound silences it.
    stops_ms: int = 100
    hesitates_ms: int = 0
    received_ms: float = 0.0

    def __post_init__(self) -> None:
        super().__init__(NAMESPACE)
        self._reply: asyncio.Task[None] | None = None
        self._voiced = 0
        self._quiet = 0
        self._turn = 0
        self._stopped = False
        self._hesitates = False

    async def on_connect(self, sid: str, environ: Any, auth: Any = None) -> None:
        if (auth or {}).get("api_key") != KEY:
            message = {"type": "authentication_error", "code": "invalid_api_key", "message": "wrong key"}
            await self.emit("error", message, to=sid)
            await self.disconnect(sid)
            return
        await self.emit("connected", {"status": "connected", "sid": sid, "voice": auth.get("voice")}, to=sid)

    async def on_start_session(self, sid: str, request: dict[str, Any]) -> None:
        self.started.append(request)
        if request.get("language") == "xx":
            error = {"type": "validation_error", "code": "unknown_language", "message": "no xx"}
            await self.emit("error", error, to=sid)
            return
        await self.emit(
            "session_started",
            {"session_id": "s1", "status": "started", "voice": request["voice"], "sample_rate": 24_000}
            | {"engines": {"stt": {"name": "loudness"}}, "something_new": 1},
            to=sid,
        )
        if request.get("greeting"):
            self._answer(sid, Turn("", request["greeting"], 300))

    async def on_audio_chunk(self, sid: str, chunk: dict[str, Any]) -> None:
        samples = np.frombuffer(chunk["audio"], np.int16).astype(float)
        length = samples.size / 16
        self.received_ms += length
        if np.sqrt((samples**2).mean()) > 600:
            self._voiced, self._quiet = self._voiced + int(length), 0
        else:
            self._quiet += int(length)
        speaking = self._reply is not None and not self._reply.done()
        if self._voiced > self.stops_ms and speaking:
            self._stopped = True
        elif self._voiced and self._quiet > self.silence_ms and speaking and not self._stopped:
            self._voiced = 0
            self._hesitates = True
        elif self._voiced and self._quiet > self.silence_ms and not speaking and self._turn < len(self.turns):
            self._voiced = 0
            self._turn += 1
            self._answer(sid, self.turns[self._turn - 1])

    async def on_control(self, sid: str, request: dict[str, Any]) -> None:
        if request["action"] == "silence":
            return
        if request["action"] == "dance":
            await self.emit("error", {"type": "validation_error", "message": "cannot dance"}, to=sid)
            return
        await self.emit("control_ack", {"action": request["action"], "status": "executed"}, to=sid)

    async def on_end_session(self, sid: str, *_: Any) -> None:
        await self.emit("session_ended", {"session_id": "s1", "status": "ended"}, to=sid)

    async def on_flood(self, sid: str, count: int) -> None:
        for n in range(count):
            await self.emit("response", {"text": str(n)}, to=sid)

    async def on_leave(self, sid: str) -> None:
        await self.disconnect(sid)

    def _answer(self, sid: str, turn: Turn) -> None:
        self._stopped = False
        self._reply = asyncio.create_task(
            self._speak(sid, turn, {"turn_id": self._turn, "reply_id": f"r{self._turn}"})
        )

    async def _speak(self, sid: str, turn: Turn, ids: dict[str, Any]) -> None:
        if turn.text:
            await self.emit("transcription", {"text": turn.text, "is_final": True, **ids}, to=sid)
            decision = {"decision": "commit", "reason": "200 ms of silence", "at_ms": int(self.received_ms)}
            await self.emit("decision", decision, to=sid)
        await self.emit("response", {"text": turn.answer, **ids}, to=sid)
        stages = {"endpoint_ms": 200, "stt_ms": 25, "llm_ms": 1, "tts_ms": 30, "send_ms": 12, "v2v_ms": 268}
        stages |= {"speculation": "miss", "wasted_ms": 40.4}
        await self.emit("turn_metrics", stages | ids, to=sid)
        tone = (6000 * np.sin(np.arange(960) * 2 * np.pi * 220 / 24_000)).astype(np.int16).tobytes()
        sent = 0
        while sent < turn.speech_ms // 40 and not self._stopped:
            if self._hesitates:
                self._hesitates = False
                await asyncio.sleep(self.hesitates_ms / 1000)
            sent += 1
            await self.emit(
                "audio_chunk", {"audio": tone, "format": "pcm16", "sample_rate": 24_000, **ids}, to=sid
            )
            await asyncio.sleep(0.04)
        if self._stopped:
            await self.emit("clear", ids, to=sid)
        end = {"total_chunks": sent, "interrupted": self._stopped, "spoken_text": turn.answer[:6], **ids}
        await self.emit("audio_end", end, to=sid)
        if turn.result:
            await self.emit("result", {"task": "visit", "data": turn.result, **ids}, to=sid)


@contextlib.asynccontextmanager
async def fake_agent(*turns: Turn, **options: Any) -> AsyncIterator[tuple[str, FakeAgent]]:
    """Address and agent."""
    agent = FakeAgent(list(turns), **options)
    sio = socketio.AsyncServer(async_mode="aiohttp", always_connect=True, async_handlers=False)
    sio.register_namespace(agent)
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        yield f"http://127.0.0.1:{port}", agent
    finally:
        await sio.shutdown()
        await runner.cleanup()
