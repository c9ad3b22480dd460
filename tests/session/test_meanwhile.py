"""What fills the time: interim transcripts, prompts into silence, fillers, phrases kept ready."""

from __future__ import annotations

import asyncio

import pytest

from selam_agent import events
from selam_agent.ports import Priority, SynthesisRequest
from selam_agent.session.phrases import Phrases
from tests.fakes import FakeChatModel, FakeSynthesizer, FakeTranscriber, silence, speech, talk
from tests.session.calls import PACKS, TURN, call
from tests.virtual_clock import run

# Words with gaps between them, as speech has; 500 of 600 ms count.
WORDS = speech(500) + silence(100)


class TestInterim:
    def test_every_700_ms_of_speech(self) -> None:
        async def story() -> None:
            stt = FakeTranscriber(["I", "I want", "I want tea", "I want tea."], delay=0.02)
            stt.otherwise = "I want tea."
            async with call(stt=stt, interim=True) as it:
                await talk(it.session, WORDS * 6 + silence(1000))
                await it.until(events.AudioEnd)
                interim = [r for r in it.stt.requests if r.priority is Priority.INTERIM]
                assert len(interim) == 3 and {r.stream for r in interim} == {it.session.id}
                said = [(each.text, each.is_final) for each in it.outlet.all(events.Transcription)]
                assert said[:3] == [("I", False), ("I want", False), ("I want tea", False)]
                assert said[-1] == ("I want tea.", True)

        run(story())

    def test_a_slow_recogniser_is_left_to_the_finals(self) -> None:
        async def story() -> None:
            stt = FakeTranscriber([], delay=0.5)
            async with call(stt=stt, interim=True) as it:
                await talk(it.session, WORDS * 7 + silence(2000))
                await it.until(events.AudioEnd)
                assert len([r for r in it.stt.requests if r.priority is Priority.INTERIM]) == 1

        run(story())

    def test_one_that_is_late_is_cancelled_by_the_pause(self) -> None:
        async def story() -> None:
            stt = FakeTranscriber([], delay=5.0)
            async with call(stt=stt, interim=True) as it:
                await talk(it.session, WORDS * 3 + silence(400))
                asked = [each.priority for each in it.stt.requests]
                assert asked == [Priority.INTERIM, Priority.SPECULATIVE] and it.stt.cancelled == 1

        run(story())

    def test_off(self) -> None:
        async def story() -> None:
            async with call(interim=True, settings={"turns__interim_ms": 0}) as it:
                await talk(it.session, WORDS * 5)
                assert not [r for r in it.stt.requests if r.priority is Priority.INTERIM]

        run(story())


class TestSilence:
    def test_asks_once_then_says_goodbye(self) -> None:
        async def story() -> None:
            says = PACKS["en"].says
            async with call(silence_prompt_s=5.0) as it:
                await talk(it.session, silence(20_000), packet_ms=100)
                await it.session.ended.wait()
                said = [each.spoken_text for each in it.outlet.all(events.AudioEnd)]
                assert said == [says["still_there"], says["goodbye"]]
                assert it.outlet.all(events.SessionEnded)[0].reason == "silence"
                times = it.outlet.times(events.AudioEnd)
                assert times[1] - times[0] == pytest.approx(5.5, abs=1)

        run(story())

    def test_a_caller_who_answers_starts_anew(self) -> None:
        async def story() -> None:
            async with call(silence_prompt_s=5.0) as it:
                await talk(it.session, silence(6000), packet_ms=100)
                await talk(it.session, TURN)
                await it.until(events.AudioEnd, 2)
                await talk(it.session, silence(7000), packet_ms=100)
                said = [each.spoken_text for each in it.outlet.all(events.AudioEnd)]
                assert said.count(PACKS["en"].says["still_there"]) == 2
                assert not it.session.ended.is_set()

        run(story())

    def test_never_without_packets_or_unasked(self) -> None:
        async def story() -> None:
            async with call(silence_prompt_s=5.0) as it:
                await asyncio.sleep(60)
                assert not it.outlet.all(events.AudioEnd)
            async with call() as it:
                await talk(it.session, silence(60_000), packet_ms=1000)
                assert not it.outlet.all(events.AudioEnd)

        run(story())


class TestFiller:
    async def said(self, delay: float, filler_ms: int | None = 500) -> str:
        llm = FakeChatModel("It is Friday.", delay=delay)
        async with call("What day?", llm=llm, filler_ms=filler_ms) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            self.times = it.outlet.times(events.AudioChunk)
            return it.outlet.all(events.AudioEnd)[0].spoken_text

    def test_when_the_model_takes_its_time(self) -> None:
        assert run(self.said(3.0)) == "One moment. It is Friday."
        assert self.times[-1] - self.times[0] > 1.5

    def test_not_when_it_is_quick_or_nobody_asked(self) -> None:
        assert run(self.said(0.3)) == "It is Friday."
        assert run(self.said(3.0, 0)) == "It is Friday."
        assert run(self.said(3.0, None)) == "It is Friday."

    def test_never_in_a_guess_that_is_thrown_away(self) -> None:
        async def story() -> None:
            llm = FakeChatModel("Fine.", delay=2.0)
            async with call("I want", "I want tea.", llm=llm, filler_ms=100) as it:
                await talk(it.session, speech(600) + silence(700) + speech(400))
                assert not it.tts.requests

        run(story())


class TestPhrases:
    def test_a_greeting_is_made_once(self) -> None:
        async def story() -> None:
            tts = FakeSynthesizer(delay=0.5)
            async with call(tts=tts, greeting="Welcome to us.") as it:
                await it.until(events.AudioEnd)
                it.registry.open(it.session.config, it.outlet, owner="key", replaces=it.session)
                await it.until(events.AudioEnd, 2)
                assert [r.text for r in tts.requests] == ["Welcome to us."]
                first, second = it.outlet.all(events.AudioEnd)
                assert first.spoken_text == second.spoken_text == "Welcome to us."
                assert first.total_chunks == second.total_chunks

        run(story())

    def test_they_are_bounded_in_bytes(self) -> None:
        async def story() -> None:
            phrases, tts = Phrases(max_bytes=20_000), FakeSynthesizer(delay=0)
            for text in ("one two", "three four", "one two"):
                request = SynthesisRequest(text=text, language="en", voice={"voice": "a"})
                async for _ in phrases.speak(tts, request):
                    pass
                assert phrases.bytes <= 20_000
            assert len(tts.requests) == 3

        run(story())

    def test_what_was_cut_off_is_not_kept(self) -> None:
        async def story() -> None:
            phrases, tts = Phrases(), FakeSynthesizer(delay=0)
            request = SynthesisRequest(text="one two", language="en", voice={})
            stream = phrases.speak(tts, request)
            await anext(stream)
            await stream.aclose()  # type: ignore[attr-defined]
            assert phrases.bytes == 0

        run(story())
