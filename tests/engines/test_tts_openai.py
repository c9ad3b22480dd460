"""The real openai library against a speech server on loopback."""

from __future__ import annotations

import asyncio
import io
import wave
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from selam_agent.engines.tts_openai import OpenAISynthesizer
from selam_agent.errors import EngineError
from selam_agent.ports import Guarded, SpeechChunk, SynthesisRequest, Synthesizer
from selam_agent.settings import Tts
from tests.engines.loopback import serving

KEY = "sk-very-secret"
TONE = np.asarray(6000 * np.sin(np.arange(24_000) / 10), np.int16).tobytes()


class FakeServer:
    """``mode``: fine, wav, json, 403, 429, 503, silence, truncation, hang or stall."""

    def __init__(self) -> None:
        self.mode = "fine"
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.open = 0
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        self.keys.append(request.headers.get("Authorization", ""))
        self.open += 1
        try:
            return await self._answer(request)
        finally:
            self.open -= 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.mode.isdecimal():
            return web.json_response({"error": {"message": f"bad key {KEY}"}}, status=int(self.mode))
        if self.mode == "json":
            return web.json_response({"audio": "somewhere"})
        response = web.StreamResponse(headers={"Content-Type": "audio/pcm"})
        if self.mode == "hang":
            await asyncio.sleep(30)
        await response.prepare(request)
        data = bytes(len(TONE)) if self.mode == "silence" else TONE
        if self.mode == "wav":
            file = io.BytesIO()
            with wave.open(file, "wb") as wav:
                wav.setparams((1, 2, 22_050, 0, "NONE", ""))
                wav.writeframes(TONE)
            data = file.getvalue()
        half = len(data) // 2 + 1
        # An odd number of bytes, so that a sample is cut.
        await response.write(data[:half])
        if self.mode == "truncation":
            assert request.transport is not None
            request.transport.abort()
        elif self.mode == "stall":
            await asyncio.sleep(30)
        else:
            await response.write(data[half:])
        return response


@pytest.fixture
async def server():
    fake = FakeServer()
    async with serving("/v1/audio/speech", fake.handle) as fake.url:
        yield fake


@pytest.fixture
async def voice(server: FakeServer, request: pytest.FixtureRequest):
    # Short only where the test waits for it: a busy machine is no failure.
    deadline_s = 0.6 if "hang" in request.node.name or "stall" in request.node.name else 10.0
    settings = Tts(base_url=server.url, api_key=KEY, model="m", options={"speed": 1.1})
    made = OpenAISynthesizer(settings, patience_s=0.05, deadline_s=deadline_s)
    yield made
    await made.aclose()


def ask() -> SynthesisRequest:
    return SynthesisRequest(text="Good day.", language="en", voice={"engine": "openai", "voice": "nova"})


async def speak(voice: OpenAISynthesizer) -> list[SpeechChunk]:
    return [chunk async for chunk in voice.synthesize(ask())]


async def failure(voice: OpenAISynthesizer) -> tuple[str, list[SpeechChunk]]:
    heard: list[SpeechChunk] = []
    with pytest.raises(EngineError) as caught:
        async for chunk in voice.synthesize(ask()):
            heard += [chunk]
    assert KEY not in str(caught.value)
    return caught.value.code, heard


async def test_speaks_as_the_samples_come(server: FakeServer, voice: OpenAISynthesizer) -> None:
    assert isinstance(voice, Synthesizer) and isinstance(voice, Guarded)
    assert voice.info.remote and not voice.info.leaves_machine
    chunks = await speak(voice)
    assert b"".join(chunk.pcm for chunk in chunks) == TONE and len(chunks) > 3
    assert {chunk.sample_rate for chunk in chunks} == {24_000}
    assert server.bodies == [
        {"model": "m", "voice": "nova", "input": "Good day.", "response_format": "pcm", "speed": 1.1}
    ]
    assert server.keys == [f"Bearer {KEY}"]


async def test_a_server_that_sends_wav_is_understood(server: FakeServer, voice: OpenAISynthesizer) -> None:
    server.mode = "wav"
    chunks = await speak(voice)
    assert b"".join(chunk.pcm for chunk in chunks) == TONE
    assert {chunk.sample_rate for chunk in chunks} == {22_050}


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("403", "tts_refused"),
        ("429", "tts_refused"),
        ("503", "tts_failed"),
        ("json", "tts_failed"),
        ("silence", "tts_silent"),
        ("truncation", "tts_broken_off"),
        ("hang", "tts_timeout"),
        ("stall", "tts_timeout"),
    ],
)
async def test_failures_are_typed_and_open_the_breaker(
    server: FakeServer, voice: OpenAISynthesizer, mode: str, code: str
) -> None:
    server.mode = mode
    told, heard = await failure(voice)
    assert told == code
    assert bool(heard) == (mode in ("truncation", "stall"))
    await failure(voice)
    assert voice.breaker_state == "open"
    before = len(server.bodies)
    assert (await failure(voice))[0] == "tts_unavailable" and len(server.bodies) == before


async def test_nobody_there() -> None:
    voice = OpenAISynthesizer(Tts(base_url="http://127.0.0.1:9/v1"))
    assert await failure(voice) == ("tts_unavailable", [])
    await voice.aclose()


async def test_a_listener_who_leaves_closes_the_connection(
    server: FakeServer, voice: OpenAISynthesizer
) -> None:
    server.mode = "stall"
    stream = voice.synthesize(ask())
    await anext(stream)
    assert server.open
    await stream.aclose()
    async with asyncio.timeout(5):
        while server.open:  # noqa: ASYNC110 - the fake's state has no event
            await asyncio.sleep(0.01)


async def test_without_an_address_it_is_openai() -> None:
    voice = OpenAISynthesizer(Tts(api_key=KEY))
    assert voice.info.leaves_machine
    await voice.aclose()
