"""A session whose voice is a language model's own; on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from selam_agent import events
from selam_agent.errors import EngineError, SessionError
from selam_agent.ports import ChatItem, ChatModelInfo, ChatRequest, Speech, Transcript
from selam_agent.session.config import Engines, SessionConfig
from selam_agent.session.registry import Registry
from selam_agent.settings_file import load
from tests.fakes import FakeChatModel, FakeSynthesizer, FakeTranscriber, friday, speech, talk
from tests.session.calls import PACKS, TURN, Call
from tests.virtual_clock import run

LONG = " ".join(f"word{number:02}" for number in range(40))
MS_PER_WORD = 400


@dataclass
class FakeSpeaker:
    """Tells a word, then sounds for 400 ms: a noise in pieces of 100 ms, faster than it is played."""

    answer: str = "Good day to you."
    fails_after: int | None = None
    requests: list[ChatRequest] = field(default_factory=list)
    left: int = 0

    @property
    def info(self) -> ChatModelInfo:
        return ChatModelInfo(name="gpt-audio", generative=True, speaks=True, languages=("en",))

    async def reply(self, request: ChatRequest) -> AsyncIterator[ChatItem]:
        self.requests.append(request)
        noise = np.random.default_rng(1).integers(-3000, 3000, 2400, np.int16).tobytes()
        try:
            for number, word in enumerate(self.answer.split()):
                if number == self.fails_after:
                    raise EngineError("The model went away.", code="llm_failed")
                await asyncio.sleep(0.1)
                yield Speech(b"", 24_000, word if not number else f" {word}")
                for _ in range(MS_PER_WORD // 100):
                    yield Speech(noise, 24_000)
        finally:
            self.left += 1

    def suggestions(self, request: ChatRequest) -> tuple[str, ...]:
        return ()

    async def aclose(self) -> None: ...


@asynccontextmanager
async def call(
    model: FakeSpeaker | None, *said: str | Transcript, voice: str = "nova", **wishes: object
) -> AsyncIterator[Call]:
    made = Call(FakeTranscriber(list(said) or ["Hello."]), FakeChatModel("ሰላም።"), FakeSynthesizer())
    engines = Engines(
        transcriber=made.stt,
        chat_model=made.llm,
        synthesizers={"espeak": made.tts},
        speaking_models={"gpt_audio": model} if model is not None else {},
    )
    made.registry = Registry(engines=engines, packs=PACKS, settings=load(environ={}), now=friday)
    config = SessionConfig(**({"output_format": "pcm16", "playback": "buffered", "voice": voice} | wishes))
    try:
        made.session = made.registry.open(config, made.outlet, owner="key")
        yield made
    finally:
        await made.registry.aclose()


def test_the_model_speaks_for_itself() -> None:
    async def story() -> None:
        model = FakeSpeaker()
        async with call(model, instructions="Be brief.") as it:
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            # The other model ignores instructions; this one is asked.
            assert not it.outlet.all(events.Notice) and model.requests[-1].instructions == "Be brief."
            (end,) = it.outlet.all(events.AudioEnd)
            assert (end.spoken_text, end.interrupted) == ("Good day to you.", False)
            chunks = it.outlet.all(events.AudioChunk)
            assert sum(chunk.duration_ms for chunk in chunks) == pytest.approx(4 * MS_PER_WORD, abs=50)
            assert "".join(chunk.text for chunk in chunks) == "Good day to you."
            # The text goes along with the sound, not all of it at its end.
            assert len([chunk for chunk in chunks if chunk.text]) >= 2
            assert [each.text for each in it.outlet.all(events.Response)] == ["Good day to you."]
            assert not it.tts.requests and not it.llm.requests
            assert model.requests[-1].voice == "nova" and model.requests[-1].messages[-1].content == "Hello."
            (started,) = it.outlet.all(events.SessionStarted)
            assert started.engines["llm"]["name"] == started.engines["tts"]["name"] == "gpt-audio"

    run(story())


def test_an_interruption_keeps_what_was_heard() -> None:
    async def story() -> None:
        model = FakeSpeaker(LONG)
        async with call(model, "Hello.", "Stop.") as it:
            await talk(it.session, TURN)
            await it.until(events.AudioChunk)
            await asyncio.sleep(4)
            await talk(it.session, speech(900))
            await it.until(events.AudioEnd)
            (end,) = it.outlet.all(events.AudioEnd)
            assert end.interrupted and LONG.startswith(end.spoken_text)
            # About 4.5 s at 400 ms a word; without places of words it is an estimate.
            assert 6 <= len(end.spoken_text.split()) <= 18
            assert model.left == len(model.requests)
            await talk(it.session, bytes(32 * 1500))
            await it.until(events.AudioChunk, len(it.outlet.all(events.AudioChunk)) + 1)
            before = model.requests[-1].messages[1]
            assert before.role == "assistant" and before.interrupted and before.content == end.spoken_text

    run(story())


def test_what_the_server_itself_says_is_spoken_by_the_other_engines() -> None:
    async def story() -> None:
        async with call(FakeSpeaker(), greeting="Welcome.") as it:
            await it.until(events.AudioEnd)
            assert [each.text for each in it.tts.requests] == ["Welcome."]

    run(story())


@pytest.mark.parametrize(("after", "heard"), [(0, "Sorry"), (2, "Good day")])
def test_a_model_that_fails_is_told_and_not_silent(after: int, heard: str) -> None:
    async def story() -> None:
        async with call(FakeSpeaker(fails_after=after)) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            assert [each.code for each in it.outlet.all(events.ErrorEvent)] == ["llm_failed"]
            (end,) = it.outlet.all(events.AudioEnd)
            assert end.spoken_text.startswith(heard)

    run(story())


def test_another_language_gets_another_model_and_an_announced_voice() -> None:
    async def story() -> None:
        amharic = Transcript(text="ሰላም ጤና ይስጥልኝ እንዴት ነዎት ዛሬ", language="am")
        model = FakeSpeaker()
        async with call(model, amharic) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            (changed,) = it.outlet.all(events.VoiceChanged)
            assert (changed.old_voice, changed.new_voice, changed.language) == ("nova", "mekdes", "am")
            assert it.llm.requests[-1].language == "am" and not it.llm.requests[-1].voice

    run(story())


def test_without_such_a_model_the_voice_is_refused_with_what_it_needs() -> None:
    async def story() -> None:
        with pytest.raises(SessionError, match=r"gpt_audio\.model.*privacy\.allow") as caught:
            async with call(None):
                pass
        assert caught.value.code == "voice_unavailable"

    run(story())
