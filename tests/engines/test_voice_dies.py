"""A conversation goes on when its first voice fails: real edge-tts library, real espeak, real clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from selam_agent import events
from selam_agent.engines.tts_edge import EdgeSynthesizer
from selam_agent.engines.tts_espeak import EspeakSynthesizer
from selam_agent.languages import packs
from selam_agent.session.config import Engines, SessionConfig
from selam_agent.session.registry import Registry
from selam_agent.settings_file import load
from tests.engines.edge_fake import FakeEdge, serving
from tests.fakes import FakeChatModel, FakeTranscriber, Recorder, friday

GREETING = "ሰላም ለዓለም እንዴት ነዎት።"


@pytest.fixture
async def service() -> AsyncIterator[FakeEdge]:
    async with serving() as fake:
        yield fake


@pytest.mark.parametrize("mode", ["truncation", "hang"])
async def test_every_word_is_heard_once(service: FakeEdge, espeak: EspeakSynthesizer, mode: str) -> None:
    service.mode = mode
    edge = EdgeSynthesizer()
    engines = Engines(
        transcriber=FakeTranscriber([]),
        chat_model=FakeChatModel(),
        synthesizers={"edge": edge, "espeak": espeak},
    )
    registry = Registry(engines=engines, packs=packs.load(), settings=load(environ={}), now=friday)
    outlet = Recorder()
    config = SessionConfig(voice="mekdes", greeting=GREETING, output_format="pcm16", playback="buffered")
    registry.open(config, outlet, owner="key")
    try:
        async with asyncio.timeout(15):
            while not outlet.all(events.AudioEnd):
                await outlet.next()
    finally:
        await registry.aclose()
        await edge.aclose()
    (end,) = outlet.all(events.AudioEnd)
    assert (end.spoken_text, end.interrupted) == (GREETING, False)
    words = [word.text for chunk in outlet.all(events.AudioChunk) for word in chunk.words]
    assert [word.strip("።") for word in words] == GREETING.rstrip("።").split()
    assert outlet.all(events.Notice)
    assert not outlet.all(events.ErrorEvent)
