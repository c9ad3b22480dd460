"""The real edge-tts library against the service's stand-in on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from selam_agent.engines.tts_edge import EdgeSynthesizer
from selam_agent.errors import EngineError
from selam_agent.languages import packs
from selam_agent.ports import Guarded, SpeechChunk, SynthesisRequest, Synthesizer
from tests.engines.edge_fake import MS_PER_WORD, FakeEdge, serving

MEKDES = {"engine": "edge", "voice": "am-ET-MekdesNeural"}
WORDS = "ሰላም ለዓለም እንዴት ነዎት።"


@pytest.fixture
async def service():
    async with serving() as fake:
        yield fake


@pytest.fixture
async def edge(request: pytest.FixtureRequest):
    # Short only where the test waits for it: a busy machine is no failure.
    deadline_s = 0.6 if "hang" in request.node.name or "stall" in request.node.name else 10.0
    made = EdgeSynthesizer(patience_s=0.05, deadline_s=deadline_s)
    yield made
    await made.aclose()


def ask(text: str = WORDS, **voice: str) -> SynthesisRequest:
    return SynthesisRequest(text=text, language="am", voice=MEKDES | voice)


async def speak(edge: EdgeSynthesizer, request: SynthesisRequest | None = None) -> list[SpeechChunk]:
    return [chunk async for chunk in edge.synthesize(request or ask())]


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not reached():  # noqa: ASYNC110 - the fake's and the breaker's state have no event
            await asyncio.sleep(0.01)


async def failure(edge: EdgeSynthesizer) -> tuple[str, list[SpeechChunk]]:
    heard: list[SpeechChunk] = []
    with pytest.raises(EngineError) as caught:
        async for chunk in edge.synthesize(ask()):
            heard += [chunk]
    return caught.value.code, heard


async def test_speaks_with_the_places_of_the_words(service: FakeEdge, edge: EdgeSynthesizer) -> None:
    assert isinstance(edge, Synthesizer) and isinstance(edge, Guarded)
    assert edge.info.leaves_machine and edge.info.remote
    chunks = await speak(edge)
    assert {chunk.sample_rate for chunk in chunks} == {24_000} and len(chunks) > 3
    pcm = np.frombuffer(b"".join(chunk.pcm for chunk in chunks), np.int16)
    assert abs(len(pcm) / 24 - 4 * MS_PER_WORD) < 120 and np.abs(pcm).max() > 3000
    words = [word for chunk in chunks for word in chunk.words]
    assert [word.text for word in words] == ["ሰላም", "ለዓለም", "እንዴት", "ነዎት"]
    assert (words[2].start_ms, words[2].end_ms) == (2 * MS_PER_WORD, 3 * MS_PER_WORD)
    assert service.texts == [WORDS] and service.voices == ["am-ET, MekdesNeural"]
    assert edge.breaker_state == "closed"


async def test_markup_in_the_text_is_said_not_obeyed(service: FakeEdge, edge: EdgeSynthesizer) -> None:
    await speak(edge, ask("a <b> & c"))
    assert service.texts == ["a <b> & c"]


async def test_all_edge_voices_of_the_packs_are_voices_of_the_library(
    service: FakeEdge, edge: EdgeSynthesizer
) -> None:
    named = {
        voice.name: each["voice"]
        for _, voice in packs.load().voices()
        for each in voice.engines
        if each["engine"] == "edge"
    }
    assert set(named) == {"mekdes", "ameha", "ubax", "muuse", "aria", "andrew"}
    for voice in named.values():
        assert await speak(edge, ask("one", voice=voice))


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("403", "tts_refused"),
        ("503", "tts_refused"),
        ("no_audio", "tts_silent"),
        ("silence", "tts_silent"),
        ("truncation", "tts_broken_off"),
        ("hang", "tts_timeout"),
        ("stall", "tts_timeout"),
    ],
)
async def test_failures_are_typed_and_open_the_breaker(
    service: FakeEdge, edge: EdgeSynthesizer, mode: str, code: str
) -> None:
    service.mode = mode
    told, heard = await failure(edge)
    assert told == code
    assert bool(heard) == (mode in ("truncation", "stall"))
    await failure(edge)
    assert edge.breaker_state == "open"
    before = service.requests
    assert (await failure(edge))[0] == "tts_unavailable" and service.requests == before


async def test_nobody_there(edge: EdgeSynthesizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_tts.communicate.WSS_URL", "ws://127.0.0.1:9/edge/v1?x=1")
    assert await failure(edge) == ("tts_unavailable", [])


async def test_at_most_two_requests_at_once_in_the_process(service: FakeEdge, edge: EdgeSynthesizer) -> None:
    other = EdgeSynthesizer()
    service.delay = 0.02
    spoken = await asyncio.gather(*(speak(each) for each in (edge, other) for _ in range(4)))
    assert all(spoken) and service.most == 2
    await other.aclose()


async def test_a_listener_in_no_hurry_does_not_hold_the_service(
    service: FakeEdge, edge: EdgeSynthesizer
) -> None:
    slow = edge.synthesize(ask())
    await anext(slow)
    await until(lambda: not service.open)
    assert [chunk async for chunk in slow]


async def test_a_listener_who_leaves_ends_the_request(service: FakeEdge, edge: EdgeSynthesizer) -> None:
    service.mode = "hang"
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await speak(edge)
    await until(lambda: not service.open)
    # Twice nothing came while somebody waited: that is a failure, too.
    assert edge.breaker_state == "open"


async def test_a_trial_closes_the_breaker_though_nobody_waits_for_it(
    service: FakeEdge, edge: EdgeSynthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selam_agent.engines.breaker._FIRST_REST_S", 0.0)
    service.mode = "503"
    edge_now = EdgeSynthesizer(patience_s=0.05)
    for _ in range(2):
        await failure(edge_now)
    service.mode, service.delay = "fine", 0.1
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await speak(edge_now)
    await until(lambda: edge_now.breaker_state == "closed")
    await edge_now.aclose()
    with pytest.raises(EngineError):
        await speak(edge_now)
