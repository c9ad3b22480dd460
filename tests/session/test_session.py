"""Whole conversations on the virtual clock: real session, scripted engines, no sleeps."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from selam_agent import events
from selam_agent.errors import AudioError, EngineError, SessionError, ValidationError
from selam_agent.ports import Result, Text, Transcript
from selam_agent.session.config import SessionConfig
from tests.fakes import (
    FakeChatModel,
    FakeSynthesizer,
    FakeTranscriber,
    silence,
    speech,
    talk,
)
from tests.session.calls import PACKS, TURN, Call, call
from tests.speech import spoken
from tests.virtual_clock import run


def test_a_turn_is_understood_and_answered() -> None:
    async def story() -> None:
        async with call("What day is it?", llm=FakeChatModel("It is Friday.")) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            order = [name for name in it.outlet.names() if name != "turn_metrics"]
            assert order == [
                "session_started",
                "transcription",
                "transcription",
                "response_delta",
                "response",
                "audio_chunk",
                "audio_chunk",
                "audio_end",
            ]
            heard = [(each.text, each.is_final) for each in it.outlet.all(events.Transcription)]
            assert heard == [("What day is it?", False), ("What day is it?", True)]
            (end,) = it.outlet.all(events.AudioEnd)
            chunks = it.outlet.all(events.AudioChunk)
            assert (end.total_chunks, end.interrupted, end.spoken_text) == (
                len(chunks), False, "It is Friday.",
            )  # fmt: skip
            assert sum(chunk.duration_ms for chunk in chunks) == pytest.approx(600, abs=30)
            assert "".join(chunk.text for chunk in chunks).strip() == "It is Friday."
            assert [w.text for c in chunks for w in c.words] == ["It", "is", "Friday."]

    run(story())


async def first_metrics(**turns: object) -> events.TurnMetrics:
    settings = {f"turns__{name}": value for name, value in turns.items()}
    async with call("Tell me about", settings=settings) as it:
        await talk(it.session, TURN)
        await it.until(events.TurnMetrics)
        (metrics,) = it.outlet.all(events.TurnMetrics)
        parts = metrics.endpoint_ms + metrics.stt_ms + metrics.llm_ms + metrics.tts_ms + metrics.send_ms
        assert metrics.v2v_ms == pytest.approx(parts, abs=1)
        return metrics


def test_without_speculation_the_caller_waits_for_the_sum() -> None:
    metrics = run(first_metrics(speculation=False))
    assert metrics.stt_ms == pytest.approx(150, abs=5)
    assert metrics.llm_ms == pytest.approx(250, abs=5)
    assert metrics.tts_ms == pytest.approx(150, abs=5)
    assert metrics.v2v_ms == pytest.approx(800 + 550, abs=25)
    assert metrics.speculation == "none"


def test_with_speculation_the_caller_waits_for_the_longer_of_patience_and_work() -> None:
    metrics = run(first_metrics(silence_ms=800))
    assert metrics.v2v_ms == pytest.approx(800, abs=25)
    assert metrics.speculation == "hit"
    metrics = run(first_metrics(silence_ms=400))
    assert metrics.v2v_ms == pytest.approx(200 + 550, abs=25)


def test_a_guess_on_half_a_sentence_is_thrown_away() -> None:
    async def story() -> None:
        async with call("I want", "I want tea.") as it:
            await talk(it.session, speech(600) + silence(700) + speech(400) + silence(1000))
            await it.until(events.AudioEnd)
            assert [m.content for m in it.llm.requests[-1].messages] == ["I want tea."]
            (metrics,) = it.outlet.all(events.TurnMetrics)
            assert metrics.speculation == "hit" and metrics.wasted_ms > 0
            finals = [each for each in it.outlet.all(events.Transcription) if each.is_final]
            assert [(each.text, each.revision) for each in finals] == [("I want tea.", 1)]
            assert len(it.outlet.all(events.Response)) == 1

    run(story())


def test_a_guess_is_kept_when_the_words_come_out_the_same() -> None:
    async def story() -> None:
        async with call("Good morning", "Good morning.", llm=FakeChatModel(delay=0.4)) as it:
            await talk(it.session, speech(600) + silence(500) + speech(100) + silence(1000))
            await it.until(events.AudioEnd)
            assert len(it.llm.requests) == 1

    run(story())


def test_the_model_gets_the_conversation_as_it_was_heard() -> None:
    async def story() -> None:
        async with call("One.", "Two.", llm=FakeChatModel("Fine, and you?")) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            await talk(it.session, TURN)
            await it.until(events.AudioEnd, 2)
            said = [(m.role, m.content) for m in it.llm.requests[1].messages]
            assert said == [("user", "One."), ("assistant", "Fine, and you?"), ("user", "Two.")]
            assert it.llm.requests[1].now.isoformat() == "2026-11-20T11:00:00+03:00"

    run(story())


# A buzz is learned as noise when it comes again; this is not.
OVER = spoken("No, that is not what I meant.")


class TestBargeIn:
    LONG = "one two three four five six seven eight nine ten eleven twelve."

    def test_speech_stops_the_agent_and_history_keeps_what_was_heard(self) -> None:
        async def story() -> None:
            async with call("Tell me.", "Stop.", llm=FakeChatModel(self.LONG), interruption="energy") as it:
                await talk(it.session, TURN)
                await it.until(events.AudioChunk, 10)
                await talk(it.session, OVER)
                (end,) = it.outlet.all(events.AudioEnd)
                assert end.interrupted
                assert self.LONG.startswith(end.spoken_text)
                assert 0 < len(end.spoken_text) < len(self.LONG)
                assert len(it.outlet.all(events.Clear)) == 1
                names = it.outlet.names()
                assert names.index("clear") < names.index("audio_end")
                await talk(it.session, silence(1000))
                await it.until(events.AudioEnd, 2)
                assert it.llm.requests[1].messages[1].content == end.spoken_text
                assert it.llm.requests[1].messages[1].interrupted
                assert it.llm.requests[1].messages[2].content == "Stop."

        run(story())

    def test_not_one_chunk_follows_the_interruption(self) -> None:
        async def story() -> None:
            async with call(llm=FakeChatModel(self.LONG), interruption="energy") as it:
                await talk(it.session, TURN)
                await it.until(events.AudioChunk, 10)
                await talk(it.session, OVER)
                (end,) = it.outlet.all(events.AudioEnd)
                await asyncio.sleep(5)
                of_this = [
                    each for _, each in it.outlet.seen if getattr(each, "reply_id", "") == end.reply_id
                ]
                assert of_this[-1] is end
                assert end.total_chunks == len([e for e in of_this if isinstance(e, events.AudioChunk)])

        run(story())

    def test_spoken_text_is_right_to_the_word(self) -> None:
        async def story() -> None:
            async with call(llm=FakeChatModel(self.LONG), tts=FakeSynthesizer(delay=0)) as it:
                await talk(it.session, TURN)
                await it.until(events.AudioChunk, 1)
                begun = it.outlet.times(events.AudioChunk)[0]
                await asyncio.sleep(begun + 1.0 - asyncio.get_running_loop().time())
                it.session.control("interrupt")
                await it.until(events.AudioEnd)
                (end,) = it.outlet.all(events.AudioEnd)
                assert it.outlet.times(events.AudioEnd)[0] - begun == pytest.approx(1.0, abs=0.01)
                assert end.spoken_text == "one two three four five"

        run(story())


class TestSemanticBargeIn:
    """What the words mean decides; ``delay`` is the recogniser's."""

    async def overlap(self, said: str, sound: int | bytes, *, delay: float = 0.02) -> Call:
        """Says this over a long reply; returns the call after it."""
        said_over = Transcript(text=said, rejected=None if said else "no_speech")
        stt = FakeTranscriber(["Tell me."])
        stt.otherwise = said_over
        trusting = {"audio__echo_guard": False}
        async with call(stt=stt, llm=FakeChatModel(TestBargeIn.LONG), settings=trusting) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioChunk, 8)
            stt.delay = delay
            self.onset = asyncio.get_running_loop().time()
            over = speech(sound) if isinstance(sound, int) else sound
            await talk(it.session, over + silence(2500))
            await it.until(events.AudioEnd)
            return it

    def gap_ms(self, it: Call) -> float:
        """The longest silence that a player without a buffer of its own hears, in ms."""
        times, chunks = it.outlet.times(events.AudioChunk), it.outlet.all(events.AudioChunk)
        gap, ends = 0.0, times[0]
        for at, chunk in zip(times, chunks, strict=True):
            gap = max(gap, at - ends)
            ends = max(ends, at) + chunk.duration_ms / 1000
        return gap * 1000

    def test_a_stop_word_interrupts_before_it_is_over(self) -> None:
        it = run(self.overlap("Wait.", 400))
        end = it.outlet.all(events.AudioEnd)[0]
        assert end.interrupted
        assert (it.outlet.times(events.AudioEnd)[0] - self.onset) * 1000 < 350

    def test_a_backchannel_is_not_heard_of(self) -> None:
        it = run(self.overlap("Okay.", 400))
        (end,) = it.outlet.all(events.AudioEnd)
        assert not end.interrupted and end.spoken_text == TestBargeIn.LONG
        assert self.gap_ms(it) < 80
        assert len([each for each in it.outlet.all(events.Transcription) if each.is_final]) == 1

    def test_a_cough_makes_it_say_the_phrase_again(self) -> None:
        it = run(self.overlap("", 300))
        (end,) = it.outlet.all(events.AudioEnd)
        assert not end.interrupted and end.spoken_text == TestBargeIn.LONG
        chunks = it.outlet.all(events.AudioChunk)
        assert sum(chunk.duration_ms for chunk in chunks) > 2400 + 200, "something was said twice"
        assert [chunk.index for chunk in chunks] == list(range(end.total_chunks))
        assert self.gap_ms(it) < 1000

    def test_what_was_heard_before_the_cough_stays_heard(self) -> None:
        async def story() -> None:
            stt = FakeTranscriber(["Tell me."])
            stt.otherwise = Transcript(text="", rejected="no_speech")
            trusting = {"audio__echo_guard": False}
            async with call(stt=stt, llm=FakeChatModel(TestBargeIn.LONG), settings=trusting) as it:
                await talk(it.session, TURN)
                await it.until(events.AudioChunk, 30)
                await talk(it.session, speech(300) + silence(200))
                heard = len(it.outlet.all(events.AudioChunk))
                while len(it.outlet.all(events.AudioChunk)) < heard + 3:
                    it.session.hear(silence(20))
                    await asyncio.sleep(0.02)
                it.session.control("interrupt")
                await it.until(events.AudioEnd)
                (end,) = it.outlet.all(events.AudioEnd)
                assert end.interrupted
                assert end.spoken_text.startswith("one two three four five six")

        run(story())

    def test_words_that_are_not_in_the_lists_interrupt_from_two_on(self) -> None:
        end = run(self.overlap("Not Tuesday.", 500)).outlet.all(events.AudioEnd)[0]
        assert end.interrupted

    def test_long_speech_interrupts_whatever_the_recogniser_says(self) -> None:
        long = spoken("But I would rather talk about something else entirely, if I may.")
        end = run(self.overlap("", long)).outlet.all(events.AudioEnd)[0]
        assert end.interrupted

    def test_with_a_slow_recogniser_the_agent_is_held_and_goes_on(self) -> None:
        it = run(self.overlap("Okay.", 400, delay=0.6))
        (end,) = it.outlet.all(events.AudioEnd)
        assert not end.interrupted and end.spoken_text == TestBargeIn.LONG
        assert 80 < self.gap_ms(it) < 1000

    def test_a_client_that_stops_sending_does_not_leave_it_held(self) -> None:
        async def story() -> None:
            stt = FakeTranscriber(["Tell me."])
            stt.otherwise = Transcript(text="", rejected="no_speech")
            async with call(stt=stt, llm=FakeChatModel(TestBargeIn.LONG)) as it:
                await talk(it.session, TURN)
                await it.until(events.AudioChunk, 8)
                await talk(it.session, speech(300))
                await it.until(events.AudioEnd)
                (end,) = it.outlet.all(events.AudioEnd)
                assert not end.interrupted and end.spoken_text == TestBargeIn.LONG

        run(story())


class TestControls:
    def test_interrupt_stops_a_reply_in_preparation(self) -> None:
        async def story() -> None:
            async with call("One.", "Two.", llm=FakeChatModel(delay=2.0)) as it:
                await talk(it.session, TURN)
                await asyncio.sleep(0.5)
                it.session.control("interrupt")
                await it.until(events.ControlAck)
                await asyncio.sleep(5)
                assert not it.outlet.all(events.AudioChunk)
                assert not it.outlet.all(events.AudioEnd)
                assert it.llm.cancelled == 1
                await talk(it.session, TURN)
                await it.until(events.AudioEnd)
                said = [m.content for m in it.llm.requests[1].messages]
                assert said == ["One.", "Two."]

        run(story())

    def test_interrupt_while_idle_is_only_acknowledged(self) -> None:
        async def story() -> None:
            async with call() as it:
                it.session.control("interrupt")
                await it.until(events.ControlAck)
                assert it.outlet.names() == ["session_started", "control_ack"]

        run(story())

    def test_interrupt_never_touches_what_the_caller_is_saying(self) -> None:
        async def story() -> None:
            async with call() as it:
                await talk(it.session, speech(400))
                it.session.control("interrupt")
                await talk(it.session, speech(400) + silence(1000))
                await it.until(events.AudioEnd)
                assert len(it.stt.requests) == 1
                assert len(it.stt.requests[0].audio) >= 16 * 800

        run(story())

    def test_stop_listening_answers_at_once_and_then_hears_nothing(self) -> None:
        async def story() -> None:
            async with call() as it:
                await talk(it.session, speech(600))
                it.session.control("stop_listening")
                await it.until(events.ControlAck)
                await it.until(events.Transcription, within=0.3)
                await it.until(events.AudioEnd)
                await talk(it.session, TURN)
                await asyncio.sleep(3)
                assert len(it.stt.requests) == 1
                it.session.control("start_listening")
                await talk(it.session, TURN)
                await it.until(events.AudioEnd, 2)

        run(story())

    def test_pause_freezes_the_speech_and_resume_goes_on_where_it_stopped(self) -> None:
        async def story() -> None:
            async with call(llm=FakeChatModel(TestBargeIn.LONG)) as it:
                await talk(it.session, TURN)
                await it.until(events.AudioChunk, 10)
                it.session.control("pause")
                await it.until(events.ControlAck)
                count = len(it.outlet.all(events.AudioChunk))
                await asyncio.sleep(400)  # longer than the idle limit
                assert len(it.outlet.all(events.AudioChunk)) == count
                it.session.control("resume")
                await it.until(events.AudioEnd)
                (end,) = it.outlet.all(events.AudioEnd)
                assert end.spoken_text == TestBargeIn.LONG
                assert [c.index for c in it.outlet.all(events.AudioChunk)] == list(range(end.total_chunks))

        run(story())

    def test_an_unknown_action_is_refused(self) -> None:
        async def story() -> None:
            async with call() as it:
                with pytest.raises(ValidationError, match="interrupt, start_listening"):
                    it.session.control("dance")

        run(story())


class TestPacing:
    def test_buffered_chunks_keep_the_lead_and_do_not_drift(self) -> None:
        async def story() -> None:
            text = " ".join(["word"] * 60) + "."
            async with call(llm=FakeChatModel(text)) as it:
                await talk(it.session, TURN)
                await it.until(events.AudioEnd)
                times = it.outlet.times(events.AudioChunk)
                chunks = it.outlet.all(events.AudioChunk)
                media = 0.0
                for at, chunk in zip(times, chunks, strict=True):
                    # Never later than its moment of playing, never more than the lead before it.
                    early = times[0] + media / 1000 - at
                    assert -0.001 <= early <= 0.241
                    media += chunk.duration_ms
                assert media == pytest.approx(12_000, abs=5)

        run(story())

    def test_immediate_chunks_leave_when_the_one_before_has_been_played(self) -> None:
        async def story() -> None:
            text = " ".join(["word"] * 30) + "."
            async with call(llm=FakeChatModel(text), output_format="wav", playback="immediate") as it:
                await talk(it.session, TURN)
                await it.until(events.AudioEnd)
                times = it.outlet.times(events.AudioChunk)
                chunks = it.outlet.all(events.AudioChunk)
                assert len(chunks) > 5
                for n in range(len(chunks) - 1):
                    gap = (times[n + 1] - times[n]) * 1000
                    assert gap == pytest.approx(chunks[n].duration_ms, abs=60)

        run(story())


class TestTrouble:
    def test_a_model_that_fails_is_an_error_and_a_spoken_apology(self) -> None:
        async def story() -> None:
            async with call(llm=FakeChatModel(fails_after=0)) as it:
                await talk(it.session, TURN)
                await it.until(events.AudioEnd)
                (error,) = it.outlet.all(events.ErrorEvent)
                assert (error.type, error.code) == ("session_error", "llm_failed")
                assert it.outlet.all(events.AudioEnd)[0].spoken_text == PACKS["en"].says["failed"]

        run(story())

    def test_a_recogniser_that_fails_is_an_error_and_a_spoken_apology(self) -> None:
        async def story() -> None:
            async with call(EngineError("Gone.", code="stt_failed")) as it:
                await talk(it.session, TURN)
                await it.until(events.AudioEnd)
                assert it.outlet.all(events.ErrorEvent)[0].code == "stt_failed"

        run(story())

    def test_a_recogniser_that_hangs_is_given_up(self) -> None:
        async def story() -> None:
            async with call() as it:
                it.stt.delay = 1e6
                await talk(it.session, TURN)
                await it.until(events.AudioEnd)
                assert it.outlet.all(events.ErrorEvent)[0].code == "stt_timeout"
                assert it.stt.cancelled == 1

        run(story())

    @pytest.mark.parametrize("how", ["hangs", "fails"])
    def test_a_voice_that_fails_leaves_the_text_and_an_error(self, how: str) -> None:
        async def story() -> None:
            async with call(tts=FakeSynthesizer(**{how: True})) as it:
                await talk(it.session, TURN)
                await it.until(events.AudioEnd)
                assert it.outlet.all(events.ErrorEvent)[0].code in {"tts_timeout", "tts_failed"}
                assert it.outlet.all(events.Response)[0].text == "Good day."
                (end,) = it.outlet.all(events.AudioEnd)
                assert (end.total_chunks, end.spoken_text) == (0, "")

        run(story())

    def test_not_understood_is_said_and_the_second_time_with_what_can_be_said(self) -> None:
        async def story() -> None:
            rejected = Transcript(text="blah", rejected="low_confidence")
            async with call(rejected, rejected) as it:
                for turn in (1, 2):
                    await talk(it.session, TURN)
                    await it.until(events.AudioEnd, turn)
                said = [event.text for event in it.outlet.all(events.Response)]
                assert said[0] == PACKS["en"].says["say_again"]
                assert "Yes, No" in said[1]
                assert not it.outlet.all(events.Transcription)
                assert not it.llm.requests

        run(story())

    def test_a_short_sound_without_words_is_ignored(self) -> None:
        async def story() -> None:
            async with call(Transcript(text="", rejected="no_speech")) as it:
                await talk(it.session, speech(160) + silence(1000))
                await it.until(events.Notice)
                await asyncio.sleep(3)
                assert not it.outlet.all(events.Response)

        run(story())

    def test_audio_that_cannot_be_decoded_is_an_error_and_the_session_lives_on(self) -> None:
        async def story() -> None:
            async with call() as it:
                it.session.hear(b"RIFF\x00\x00\x00\x00WAVEfmt \xff\xff\xff\xff" + bytes(64), format="wav")
                await it.until(events.ErrorEvent)
                assert it.outlet.all(events.ErrorEvent)[0].type == "audio_error"

        run(story())

    def test_more_than_30_s_ahead_of_real_time_is_refused_and_says_how_much(self) -> None:
        async def story() -> None:
            async with call() as it:
                for _ in range(29):
                    it.session.hear(silence(1000))
                await asyncio.sleep(0.1)
                assert not it.outlet.all(events.ErrorEvent)
                it.session.hear(silence(2000))
                await it.until(events.ErrorEvent)
                error = it.outlet.all(events.ErrorEvent)[0]
                assert (error.type, error.code) == ("audio_error", "audio_rate_violation")
                assert error.details is not None and error.details["refused_s"] == 2.0
                await asyncio.sleep(10)
                it.session.hear(silence(2000))
                await asyncio.sleep(0.1)
                assert len(it.outlet.all(events.ErrorEvent)) == 1

        run(story())

    def test_the_inbox_is_bounded(self) -> None:
        async def story() -> None:
            async with call() as it:
                with pytest.raises(AudioError, match="faster than"):
                    for _ in range(100):
                        it.session.hear(bytes(1 << 20))

        run(story())


def test_a_file_sent_at_once_is_answered_turn_by_turn() -> None:
    async def story() -> None:
        async with call("One.", "Two.", "Three.") as it:
            for _ in range(3):
                it.session.hear(TURN)
            await it.until(events.AudioEnd, 3)
            assert [event.text for event in it.outlet.all(events.Transcription)] == ["One.", "Two.", "Three."]
            assert not any(event.interrupted for event in it.outlet.all(events.AudioEnd))

    run(story())


def test_push_to_talk_is_answered_when_the_packets_stop() -> None:
    async def story() -> None:
        async with call("One.", "Two.") as it:
            await talk(it.session, speech(600))
            await it.until(events.AudioEnd)
            assert it.outlet.all(events.TurnMetrics)[0].reason == "no_packets"

    run(story())


def test_late_audio_extends_the_turn_while_nothing_was_said() -> None:
    async def story() -> None:
        async with call("One.", "One two.", llm=FakeChatModel(delay=3.0)) as it:
            await talk(it.session, speech(600))
            await asyncio.sleep(2.0)
            await talk(it.session, speech(400) + silence(1000))
            await it.until(events.AudioEnd)
            assert [m.content for m in it.llm.requests[-1].messages] == ["One two."]
            assert len(it.stt.requests[1].audio) > len(it.stt.requests[0].audio)
            assert it.outlet.all(events.Transcription)[-1].revision == 1

    run(story())


def test_without_a_fixed_language_the_agent_follows_the_caller() -> None:
    async def story() -> None:
        async with call(Transcript(text="Haa.", language="so")) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            (changed,) = it.outlet.all(events.VoiceChanged)
            assert (changed.old_voice, changed.new_voice, changed.language) == ("aria", "ubax", "so")
            assert it.tts.requests[0].language == "so"

    run(story())


def test_with_a_fixed_language_it_does_not() -> None:
    async def story() -> None:
        async with call(Transcript(text="Haa.", language="so"), language="en") as it:
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            assert not it.outlet.all(events.VoiceChanged)
            assert it.tts.requests[0].language == "en"

    run(story())


def test_a_result_reaches_the_client() -> None:
    async def story() -> None:
        items = [Text("Booked."), Result("booking", {"at": "2026-11-23T09:00+03:00"})]
        async with call(llm=FakeChatModel(lambda _: items)) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            (result,) = it.outlet.all(events.Result)
            assert result.data == {"at": "2026-11-23T09:00+03:00"}

    run(story())


def test_a_greeting_is_spoken_first_and_can_be_interrupted() -> None:
    async def story() -> None:
        async with call(greeting=TestBargeIn.LONG, interruption="energy") as it:
            await it.until(events.AudioChunk, 5)
            await talk(it.session, speech(400))
            (end,) = it.outlet.all(events.AudioEnd)
            assert end.interrupted

    run(story())


def test_instructions_that_nobody_follows_are_a_warning() -> None:
    async def story() -> None:
        async with call(instructions="Be brief.") as it:
            await it.until(events.Notice)
            assert it.outlet.all(events.Notice)[0].code == "instructions_ignored"

    run(story())


def test_a_quiet_caller_is_told_once() -> None:
    async def story() -> None:
        async with call() as it:
            for _ in range(3):
                await talk(it.session, spoken("Can you hear me at all over there?", dbfs=-42) + silence(300))
            assert [each.code for each in it.outlet.all(events.Notice)] == ["too_quiet"]

    run(story())


class TestEnds:
    def test_end_session(self) -> None:
        async def story() -> None:
            async with call(llm=FakeChatModel(TestBargeIn.LONG)) as it:
                await talk(it.session, TURN)
                await it.until(events.AudioChunk, 5)
                it.session.end()
                await it.session.ended.wait()
                assert it.outlet.names()[-2:] == ["audio_end", "session_ended"]
                assert it.outlet.all(events.SessionEnded)[0].reason == "client"
                assert not it.registry.sessions

        run(story())

    def test_idle(self) -> None:
        async def story() -> None:
            async with call() as it:
                begun = asyncio.get_running_loop().time()
                await it.session.ended.wait()
                assert asyncio.get_running_loop().time() - begun == pytest.approx(300, abs=1)
                assert it.outlet.all(events.SessionEnded)[0].reason == "idle"

        run(story())

    def test_maximum_duration(self) -> None:
        async def story() -> None:
            async with call(settings={"turns__max_session_s": 60.0}) as it:
                await talk(it.session, silence(70_000), packet_ms=1000)
                assert it.outlet.all(events.SessionEnded)[0].reason == "max_duration"

        run(story())

    def test_a_second_session_replaces_the_first_after_its_last_event(self) -> None:
        async def story() -> None:
            async with call(llm=FakeChatModel(TestBargeIn.LONG)) as it:
                await talk(it.session, TURN)
                await it.until(events.AudioChunk, 5)
                config = replace(it.session.config, voice="andrew")
                it.registry.open(config, it.outlet, owner="key", replaces=it.session)
                await it.until(events.SessionStarted, 2)
                names = it.outlet.names()
                assert names[-2:] == ["audio_end", "session_started"]
                assert "session_ended" not in names

        run(story())

    def test_a_client_that_is_gone_hears_nothing(self) -> None:
        async def story() -> None:
            async with call() as it:
                it.session.abandon()
                await it.session.ended.wait()
                assert "session_ended" not in it.outlet.names()

        run(story())


class TestOpening:
    @pytest.mark.parametrize(
        ("wishes", "message"),
        [
            ({"voice": "nobody"}, "aria"),
            ({"voice": ""}, "aria"),
            ({"voice": "alloy", "language": "am"}, "mekdes, ameha, betty"),
            ({"voice": "aria", "language": "fr"}, "am"),
            ({"voice": "aria", "instructions": "x" * 16_001}, "16000"),
            ({"voice": "aria", "greeting": "x" * 4_001}, "4000"),
        ],
    )
    def test_wishes_that_cannot_be_met(self, wishes: dict[str, Any], message: str) -> None:
        async def story() -> None:
            async with call() as it:
                with pytest.raises(ValidationError, match=message):
                    it.registry.open(SessionConfig(**wishes), it.outlet, owner="key")

        run(story())

    def test_a_voice_whose_engine_is_missing_says_what_to_configure(self) -> None:
        async def story() -> None:
            async with call() as it:
                with pytest.raises(SessionError, match=r"gpt_audio\.model"):
                    it.registry.open(SessionConfig(voice="alloy"), it.outlet, owner="key")

        run(story())

    def test_a_full_server(self) -> None:
        async def story() -> None:
            async with call(settings={"server__max_sessions": 1}) as it:
                with pytest.raises(SessionError, match="full") as caught:
                    it.registry.open(SessionConfig(voice="aria"), it.outlet, owner="key")
                assert caught.value.code == "at_capacity" and caught.value.retryable

        run(story())


def test_nothing_is_left_of_fifty_sessions() -> None:
    async def story() -> None:
        for _ in range(50):
            async with call() as it:
                it.session.hear(TURN)
                await it.until(events.AudioChunk)
        # ``call`` checks that no task is left.
        assert len(asyncio.all_tasks()) == 1

    run(story())
