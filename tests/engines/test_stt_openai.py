"""The real openai client against a server of this machine that works, and fails in every way."""

from __future__ import annotations

import asyncio
import io
import json
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from selam_agent.engines import catalog
from selam_agent.engines.stt_openai import OpenAITranscriber
from selam_agent.errors import EngineError, SettingsError
from selam_agent.ports import Priority, Transcriber, TranscriptionRequest
from selam_agent.settings import Settings, Stt

KEY = "sk-very-secret"
AUDIO = (np.sin(np.arange(16_000) / 7) * 8000).astype(np.int16)
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

Build = Callable[[Settings], Transcriber]


@asynccontextmanager
async def engine(answer: Answer, **settings: Any) -> AsyncIterator[OpenAITranscriber]:
    app = web.Application()
    app.router.add_post("/v1/audio/transcriptions", answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    made = OpenAITranscriber(Stt(base_url=url, api_key=KEY, model="whisper-large-v3", **settings))
    try:
        yield made
    finally:
        await made.aclose()
        await runner.cleanup()


def ask(**about: Any) -> TranscriptionRequest:
    return TranscriptionRequest(**{"audio": AUDIO, "language": "so", "deadline": 5.0, **about})


async def test_an_utterance_goes_as_a_wav_file_with_language_and_hints() -> None:
    seen: dict[str, Any] = {}

    async def answer(request: web.Request) -> web.StreamResponse:
        seen["key"] = request.headers["Authorization"]
        form = await request.post()
        seen.update((name, value) for name, value in form.items() if isinstance(value, str))
        file = form["file"]
        with wave.open(io.BytesIO(file.file.read())) as sound:
            seen["format"] = (sound.getframerate(), sound.getnchannels(), sound.getsampwidth())
            seen["audio"] = np.frombuffer(sound.readframes(sound.getnframes()), "<i2")
        return web.json_response({"text": " Waan ku salaamayaa. "})

    async with engine(answer, options={"temperature": 0.0}) as stt:
        assert isinstance(stt, Transcriber) and not stt.info.leaves_machine
        transcript = await stt.transcribe(ask(hints=("haa", "maya")))
    assert (transcript.text, transcript.language, transcript.rejected) == ("Waan ku salaamayaa.", "so", None)
    assert seen["key"] == f"Bearer {KEY}" and seen["format"] == (16_000, 1, 2)
    assert np.array_equal(seen["audio"], AUDIO)
    expected = {"model": "whisper-large-v3", "language": "so", "prompt": "haa, maya", "temperature": "0.0"}
    assert expected.items() <= seen.items()


async def test_without_a_language_none_is_claimed() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        assert "language" not in await request.post()
        return web.json_response({"text": "Hello there."})

    async with engine(answer) as stt:
        transcript = await stt.transcribe(ask(language=None))
    assert (transcript.text, transcript.language) == ("Hello there.", None)


@pytest.mark.parametrize(
    ("text", "language", "reason"),
    [("Thank you for watching", "am", "wrong_script"), ("no " * 30, "en", "repetition"), ("", "en", "empty")],
)
async def test_what_cannot_have_been_said_is_rejected(text: str, language: str, reason: str) -> None:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"text": text})

    async with engine(answer) as stt:
        assert (await stt.transcribe(ask(language=language))).rejected == reason


def refuses(status: int) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": f"bad key {KEY}"}}, status=status)

    return answer


def says(body: bytes, content_type: str = "application/json") -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=content_type)

    return answer


async def hangs(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    raise AssertionError


async def breaks_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "500"})
    await response.prepare(request)
    await response.write(b'{"text": "Hel')
    assert request.transport is not None
    request.transport.abort()
    return response


async def drops(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    raise ConnectionResetError


@pytest.mark.parametrize(
    ("answer", "code", "retryable"),
    [
        (refuses(401), "stt_refused", False),
        (refuses(403), "stt_refused", False),
        (refuses(429), "stt_refused", True),
        (refuses(503), "stt_failed", True),
        (refuses(400), "stt_failed", False),
        (hangs, "stt_timeout", True),
        (breaks_off, "stt_unreachable", True),
        (drops, "stt_unreachable", True),
        (says(b'{"text": "Hel'), "stt_malformed", True),
        (says(b"<html>", "text/html"), "stt_malformed", True),
        (says(json.dumps({"words": []}).encode()), "stt_malformed", True),
        (says(json.dumps({"text": 7}).encode()), "stt_malformed", True),
        (says(b"[]"), "stt_malformed", True),
    ],
)
async def test_failures_are_typed_and_name_no_secret(answer: Answer, code: str, retryable: bool) -> None:
    async with engine(answer) as stt:
        with pytest.raises(EngineError) as caught:
            await stt.transcribe(ask(deadline=0.3 if answer is hangs else 5.0))
        assert (caught.value.code, caught.value.retryable) == (code, retryable)
        assert KEY not in str(caught.value) and caught.value.__cause__ is None


async def test_too_many_wait_and_interim_transcripts_are_refused() -> None:
    async with engine(hangs, queue=2) as stt:
        waiting = [asyncio.create_task(stt.transcribe(ask())) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(EngineError) as caught:
            await stt.transcribe(ask())
        assert caught.value.code == "stt_busy"
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        with pytest.raises(EngineError, match="interim"):
            await stt.transcribe(ask(priority=Priority.INTERIM))


def test_a_server_elsewhere_needs_to_be_allowed(recogniser: Build) -> None:
    remote = {"engine": "openai", "model": "m", "base_url": "https://stt.example/v1"}
    with pytest.raises(SettingsError, match=r'stt\.engine: openai would send .* allow = \["openai"\]'):
        catalog.build_transcriber(Settings(stt=remote))
    with pytest.raises(SettingsError, match=r"stt\.models\.am\.engine"):
        catalog.build_transcriber(Settings(stt={"models": {"am": remote}}))
    allowed = Settings(stt=remote, privacy={"allow": ["openai"]})
    assert recogniser(allowed).info.leaves_machine
    offline = Settings(server={"offline": True}, stt=remote, privacy={"allow": ["openai"]})
    with pytest.raises(SettingsError, match="offline"):
        catalog.build_transcriber(offline)
    with pytest.raises(SettingsError, match="needs a model"):
        catalog.build_transcriber(Settings(stt={"engine": "openai", "api_key": "x"}))
