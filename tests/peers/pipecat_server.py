"""Pipecat with its defaults (Silero, Smart Turn, FastAPI's WebSocket) and engines that take no time."""

from __future__ import annotations

import asyncio
import socket as sockets
import sys
from collections.abc import AsyncGenerator
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

from selam_agent.programs.bench.engines import HEARD, RATE, REPLY, spoken_word
from selam_agent.programs.bench.gauge import answer_until_told_to_stop, stay_on

_WORD = spoken_word()
app = FastAPI()


class RawAudio(FrameSerializer):
    async def serialize(self, frame: Frame) -> str | bytes | None:
        if isinstance(frame, OutputAudioRawFrame):
            return frame.audio
        return "clear" if isinstance(frame, InterruptionFrame) else None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        if isinstance(data, str):
            return None
        return InputAudioRawFrame(audio=data, sample_rate=16_000, num_channels=1)


class InstantStt(SegmentedSTTService):
    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame, None]:
        yield TranscriptionFrame(HEARD, "", time_now_iso8601())


class InstantLlm(FrameProcessor):
    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        for word in REPLY.split():
            await self.push_frame(LLMTextFrame(word + " "))
        await self.push_frame(LLMFullResponseEndFrame())


class InstantTts(TTSService):
    def __init__(self) -> None:
        super().__init__(sample_rate=RATE, push_start_frame=True, push_stop_frames=True)

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        for _ in text.split():
            yield TTSAudioRawFrame(_WORD, RATE, 1, context_id=context_id)


@app.websocket("/ws")
async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=RawAudio()),
    )
    pair: Any = LLMContextAggregatorPair(
        LLMContext(), user_params=LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    )
    pipeline = Pipeline(
        [
            transport.input(),
            InstantStt(),
            pair.user(),
            InstantLlm(),
            InstantTts(),
            transport.output(),
            pair.assistant(),
        ]
    )
    worker = PipelineWorker(
        pipeline, params=PipelineParams(audio_in_sample_rate=16_000, audio_out_sample_rate=RATE)
    )

    @transport.event_handler("on_client_connected")
    async def on_connected(*_: Any) -> None:
        await websocket.send_text("ready")

    @transport.event_handler("on_client_disconnected")
    async def on_disconnected(*_: Any) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


async def main() -> None:
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    listener = sockets.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="websockets"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    # uvicorn offers no event.
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await answer_until_told_to_stop(listener.getsockname()[1])
    server.should_exit = True
    await asyncio.wait([serving], timeout=3)


if __name__ == "__main__":
    stay_on(sys.argv[1])
    asyncio.run(main())
