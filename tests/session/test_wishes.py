"""What a client may ask of a session at its start and later; on the virtual clock."""

from __future__ import annotations

import asyncio

import pytest

from selam_agent import events
from selam_agent.errors import ValidationError
from selam_agent.session.config import SessionConfig
from selam_agent.session.turn_settings import turn_settings
from selam_agent.settings import Turns
from tests.fakes import FakeChatModel, FakeSynthesizer, silence, speech, talk
from tests.session.calls import LONG, TURN, call
from tests.virtual_clock import run


def test_an_interruption_delay_raises_whatever_may_stop_the_agent() -> None:
    plain = turn_settings(Turns(), SessionConfig(voice="aria"))
    late = turn_settings(Turns(), SessionConfig(voice="aria", interruption_delay_ms=700))
    assert (late.hold_ms, late.interrupt_frames, late.interrupt_speech_ms) == (700, 35, 700)
    assert (plain.hold_ms, plain.interrupt_frames, plain.interrupt_speech_ms) == (60, 12, 600)


@pytest.mark.parametrize(("delay", "stops"), [(0, True), (900, False)])
def test_an_interruption_delay(delay: int, stops: bool) -> None:
    async def story() -> None:
        async with call(
            "Tell me.", "Stop.", "Stop.", llm=FakeChatModel(LONG), interruption_delay_ms=delay
        ) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioChunk, 8)
            await talk(it.session, speech(500) + silence(2500))
            assert it.outlet.all(events.AudioEnd)[0].interrupted is stops

    run(story())


def test_interruption_off() -> None:
    async def story() -> None:
        async with call(llm=FakeChatModel(LONG), interruption="off") as it:
            await talk(it.session, TURN)
            await it.until(events.AudioChunk, 5)
            await talk(it.session, speech(1500) + silence(2500))
            assert not it.outlet.all(events.AudioEnd)[0].interrupted

    run(story())


def test_a_greeting_that_cannot_be_interrupted() -> None:
    async def story() -> None:
        async with call(greeting=LONG, uninterruptible_greeting=True) as it:
            await it.until(events.AudioChunk)
            await talk(it.session, speech(1500) + silence(500))
            await it.until(events.AudioEnd)
            (end,) = it.outlet.all(events.AudioEnd)
            assert not end.interrupted and end.spoken_text == LONG
            assert not it.stt.requests, "what was said meanwhile is discarded"
            await talk(it.session, TURN)
            await it.until(events.AudioEnd, 2)

    run(story())


def test_new_wishes_count_from_the_next_turn() -> None:
    async def story() -> None:
        async with call("One.", "Two.", llm=FakeChatModel(LONG), instructions="Be brief.") as it:
            await talk(it.session, speech(400))
            it.session.update({"instructions": "Be kind.", "voice": "andrew"})
            await it.until(events.SessionUpdated)
            changes = dict(it.outlet.all(events.SessionUpdated)[0].changes)
            assert changes == {"instructions": "Be kind.", "voice": "andrew", "language": None}
            await talk(it.session, silence(1000))
            await it.until(events.AudioEnd)
            assert it.llm.requests[-1].instructions == "Be brief."
            changed = it.outlet.all(events.VoiceChanged)
            assert [(e.old_voice, e.new_voice, e.reason) for e in changed] == [("aria", "andrew", "client")]
            await talk(it.session, TURN)
            await it.until(events.AudioEnd, 2)
            assert it.llm.requests[-1].instructions == "Be kind."
            assert it.tts.requests[-1].voice != it.tts.requests[0].voice

    run(story())


def test_a_language_alone_means_its_usual_voice() -> None:
    async def story() -> None:
        async with call(language="en") as it:
            it.session.update({"language": "so"})
            await it.until(events.VoiceChanged)
            assert it.outlet.all(events.VoiceChanged)[0].new_voice == "ubax"
            it.session.text_input("Haa.")
            await it.until(events.AudioEnd)
            assert it.llm.requests[-1].language == "so"

    run(story())


def test_thresholds_change() -> None:
    async def story() -> None:
        async with call() as it:
            it.session.update({"vad_threshold": 32_000.0})
            await it.until(events.SessionUpdated)
            await talk(it.session, TURN)
            assert not it.stt.requests

    run(story())


@pytest.mark.parametrize("changes", [{"voice": "nobody"}, {"voice": "mekdes"}, {"language": "fr"}])
def test_wishes_that_cannot_be_met_change_nothing(changes: dict[str, str]) -> None:
    async def story() -> None:
        async with call(language="en") as it:
            with pytest.raises(ValidationError):
                it.session.update(changes)
            await asyncio.sleep(0.1)
            assert not it.outlet.all(events.SessionUpdated)

    run(story())


class TestPlaybackPosition:
    async def stopped_at(self, *positions: tuple[float, float]) -> str:
        """The text heard when a reply of 200 ms a word is stopped 1 s after its first chunk.

        ``positions``: (seconds after the first chunk, played ms).
        """
        async with call(llm=FakeChatModel(LONG), tts=FakeSynthesizer(delay=0)) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioChunk)
            reply_id = it.outlet.all(events.AudioChunk)[0].reply_id
            begun = it.outlet.times(events.AudioChunk)[0]
            clock = asyncio.get_running_loop().time
            for at, played_ms in positions:
                await asyncio.sleep(begun + at - clock())
                it.session.playback_position(reply_id, played_ms)
            await asyncio.sleep(begun + 1.0 - clock())
            it.session.control("interrupt")
            await it.until(events.AudioEnd)
            return it.outlet.all(events.AudioEnd)[0].spoken_text

    def test_the_client_knows_better_than_the_pacer(self) -> None:
        assert run(self.stopped_at()) == "one two three four five"
        assert run(self.stopped_at((0.8, 400))) == "one two three"

    def test_no_client_has_heard_more_than_was_sent(self) -> None:
        assert run(self.stopped_at((0.9, 60_000))) == "one two three four five six"

    def test_it_never_goes_back(self) -> None:
        assert run(self.stopped_at((0.8, 600), (0.95, 0))) == "one two three"

    def test_of_another_reply_it_is_ignored(self) -> None:
        async def story() -> None:
            async with call(llm=FakeChatModel(LONG)) as it:
                await talk(it.session, TURN)
                await it.until(events.AudioChunk, 3)
                it.session.playback_position("another", 5)
                await it.until(events.AudioEnd)
                assert it.outlet.all(events.AudioEnd)[0].spoken_text == LONG

        run(story())

    def test_a_client_that_says_nothing_moves_does_not_hold_the_reply_for_ever(self) -> None:
        async def story() -> None:
            async with call() as it:
                await talk(it.session, TURN)
                await it.until(events.AudioChunk)
                reply_id = it.outlet.all(events.AudioChunk)[0].reply_id
                for _ in range(60):
                    it.session.playback_position(reply_id, 0)
                    await asyncio.sleep(0.1)
                assert it.outlet.all(events.AudioEnd)

        run(story())


def test_the_level_of_the_microphone_for_those_who_ask() -> None:
    async def story() -> None:
        async with call(input_level=True, vad_threshold=500.0) as it:
            begun = asyncio.get_running_loop().time()
            await talk(it.session, speech(1000) + silence(1000))
            passed = asyncio.get_running_loop().time() - begun
            levels = it.outlet.all(events.InputLevel)
            assert 5 <= len(levels) <= 10 * passed + 1
            assert max(each.rms for each in levels) > 500 and levels[-1].rms < 100
            assert any(each.voiced for each in levels) and not levels[-1].voiced
            assert {each.gate for each in levels} == {500.0}
        async with call() as it:
            await talk(it.session, speech(500))
            assert not it.outlet.all(events.InputLevel)

    run(story())


def test_what_can_be_said_now_for_those_who_ask() -> None:
    async def story() -> None:
        async with call("Tell me.", llm=FakeChatModel("Good day."), suggestions=True) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            await it.until(events.Suggestions, 2)  # at the start, and after the reply
        async with call() as it:
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            assert not it.outlet.all(events.Suggestions)

    run(story())


def test_a_session_may_have_a_limit_of_its_own() -> None:
    async def story() -> None:
        async with call(max_session_s=60.0) as it:
            await asyncio.sleep(61)
            assert it.outlet.all(events.SessionEnded)[0].reason == "max_duration"

    run(story())
