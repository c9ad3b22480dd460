"""LiveKit's AgentSession with its defaults and engines that take no time, behind a bare WebSocket.

In process: no WebRTC, no process per job. What it costs here is a lower bound of what it costs there.
By default a model listens for the end of a turn and chooses between 0.3 and 2.5 s of silence; with
``fixed`` as the second argument the VAD alone decides, after as long a silence as ours.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from aiohttp import WSMsgType, web
from livekit import rtc
from livekit.agents import Agent, AgentSession, inference, llm, stt, tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from livekit.agents.voice import io

from selam_agent.programs.bench.engines import HEARD, RATE, REPLY, spoken_word
from selam_agent.programs.bench.gauge import answer_until_told_to_stop, stay_on
from selam_agent.programs.bench.profile import SILENCE_MS

_WORD = spoken_word()
# What a room's audio source holds ahead (its queue_size_ms).
_LEAD_S = 0.2
_FIXED: dict[str, Any] = {
    "turn_detection": "vad",
    "endpointing": {"min_delay": SILENCE_MS / 1000, "max_delay": SILENCE_MS / 1000},
}


class InstantStt(stt.STT):
    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))

    async def _recognize_impl(self, buffer: Any, **_: Any) -> stt.SpeechEvent:
        heard = stt.SpeechData(language="en", text=HEARD)
        return stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[heard])


class InstantLlm(llm.LLM):
    def chat(self, *, chat_ctx: Any, tools: Any = None, conn_options: Any = None, **_: Any) -> llm.LLMStream:
        options = conn_options or DEFAULT_API_CONNECT_OPTIONS
        return InstantLlmStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=options)


class InstantLlmStream(llm.LLMStream):
    async def _run(self) -> None:
        for word in REPLY.split():
            delta = llm.ChoiceDelta(role="assistant", content=word + " ")
            self._event_ch.send_nowait(llm.ChatChunk(id="1", delta=delta))


class InstantTts(tts.TTS):
    def __init__(self) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=RATE, num_channels=1)

    def synthesize(self, text: str, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> tts.ChunkedStream:
        return InstantSpeech(tts=self, input_text=text, conn_options=conn_options)


class InstantSpeech(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid(), sample_rate=RATE, num_channels=1, mime_type="audio/pcm"
        )
        for _ in self.input_text.split():
            output_emitter.push(_WORD)
        output_emitter.flush()


class Ear(io.AudioInput):
    def __init__(self) -> None:
        super().__init__(label="websocket")
        self.frames: asyncio.Queue[rtc.AudioFrame] = asyncio.Queue(500)

    async def __anext__(self) -> rtc.AudioFrame:
        return await self.frames.get()


class Mouth(io.AudioOutput):
    """Sends on an absolute schedule with the room's lead, as its audio source would play."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        super().__init__(
            label="websocket", capabilities=io.AudioOutputCapabilities(pause=False), sample_rate=RATE
        )
        self._socket = socket
        self._begun = 0.0
        self._sent = 0.0
        self._waiting: asyncio.Task[None] | None = None
        self._clearing: asyncio.Task[None] | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        now = time.monotonic()
        if not self._sent or now > self._begun + self._sent:
            if not self._sent:
                self.on_playback_started(created_at=time.time())
            self._begun = now - self._sent
        await asyncio.sleep(max(0.0, self._begun + self._sent - _LEAD_S - now))
        self._sent += frame.duration
        await self._socket.send_bytes(bytes(frame.data))

    def flush(self) -> None:
        super().flush()
        if self._sent:
            self._waiting = asyncio.create_task(self._play_out(self._sent))

    async def _play_out(self, duration: float) -> None:
        await asyncio.sleep(max(0.0, self._begun + duration - time.monotonic()))
        self._finish(duration, interrupted=False)

    def clear_buffer(self) -> None:
        if not self._sent:
            return
        if self._waiting is not None:
            self._waiting.cancel()
        self._clearing = asyncio.create_task(self._socket.send_str("clear"))
        self._finish(min(self._sent, time.monotonic() - self._begun), interrupted=True)

    def _finish(self, position: float, *, interrupted: bool) -> None:
        self._sent, self._waiting = 0.0, None
        self.on_playback_finished(playback_position=position, interrupted=interrupted)


async def talk(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    session: AgentSession[None] = AgentSession(
        stt=InstantStt(),
        vad=request.app["vad"],
        llm=InstantLlm(),
        tts=InstantTts(),
        **request.app["options"],
    )
    ear = Ear()
    session.input.audio = ear
    session.output.audio = Mouth(socket)
    await session.start(Agent(instructions="You answer."))
    await socket.send_str("ready")
    async for message in socket:
        if message.type is WSMsgType.BINARY and not ear.frames.full():
            ear.frames.put_nowait(rtc.AudioFrame(message.data, 16_000, 1, len(message.data) // 2))
    await session.aclose()
    return socket


async def main(*, fixed: bool) -> None:
    app = web.Application()
    # One for all sessions, as a worker's prewarm does.
    app["vad"] = inference.VAD(model="silero")
    app["options"] = {"turn_handling": _FIXED} if fixed else {}
    app.router.add_get("/ws", talk)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    await answer_until_told_to_stop(runner.addresses[0][1])


if __name__ == "__main__":
    stay_on(sys.argv[1])
    asyncio.run(main(fixed=sys.argv[2:] == ["fixed"]))
