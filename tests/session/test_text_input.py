"""Turns without audio; on the virtual clock."""

from __future__ import annotations

import asyncio

from selam_agent import events
from tests.fakes import FakeChatModel, silence, speech, talk
from tests.session.calls import LONG, TURN, call
from tests.virtual_clock import run


def test_text_is_answered_like_speech() -> None:
    async def story() -> None:
        async with call(llm=FakeChatModel("It is Friday.")) as it:
            it.session.text_input("What day is it?")
            await it.until(events.AudioEnd)
            (said,) = it.outlet.all(events.Transcription)
            assert (said.text, said.is_final, said.source, said.turn_id) == (
                "What day is it?", True, "text", 1,
            )  # fmt: skip
            assert it.outlet.all(events.AudioEnd)[0].spoken_text == "It is Friday."
            (metrics,) = it.outlet.all(events.TurnMetrics)
            assert metrics.reason == "text" and metrics.v2v_ms > 300
            assert not it.stt.requests

    run(story())


def test_text_interrupts_what_is_being_said() -> None:
    async def story() -> None:
        async with call(llm=FakeChatModel(LONG)) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioChunk, 10)
            it.session.text_input("Stop it.")
            await it.until(events.AudioEnd)
            (end,) = it.outlet.all(events.AudioEnd)
            assert end.interrupted and end.spoken_text
            await it.until(events.AudioEnd, 2)
            roles = [(m.role, m.content) for m in it.llm.requests[-1].messages]
            assert roles[1:] == [("assistant", end.spoken_text), ("user", "Stop it.")]

    run(story())


def test_text_waits_for_a_greeting_that_cannot_be_interrupted() -> None:
    async def story() -> None:
        async with call(greeting=LONG, uninterruptible_greeting=True) as it:
            await it.until(events.AudioChunk)
            it.session.text_input("Hello.")
            await it.until(events.AudioEnd, 2)
            assert not it.outlet.all(events.AudioEnd)[0].interrupted

    run(story())


def test_text_while_the_caller_speaks_leaves_both_turns_their_numbers() -> None:
    async def story() -> None:
        async with call("Spoken.", llm=FakeChatModel("Fine.")) as it:
            await talk(it.session, speech(500))
            it.session.text_input("Written.")
            await asyncio.sleep(0)
            await talk(it.session, speech(100) + silence(3000))
            await it.until(events.AudioEnd, 2)
            finals = {
                each.text: each.turn_id for each in it.outlet.all(events.Transcription) if each.is_final
            }
            assert finals == {"Written.": 2, "Spoken.": 1}

    run(story())


def test_an_answer_prepared_before_the_text_is_thrown_away() -> None:
    async def story() -> None:
        async with call("Spoken.", llm=FakeChatModel("Fine.")) as it:
            await talk(it.session, speech(600) + silence(400))
            assert len(it.llm.requests) == 1
            it.session.text_input("Written.")
            await talk(it.session, silence(3000))
            await it.until(events.AudioEnd, 2)
            assert [m.content for m in it.llm.requests[-1].messages] == ["Written.", "Fine.", "Spoken."]

    run(story())


def test_without_a_fixed_language_the_text_says_which() -> None:
    async def story() -> None:
        async with call() as it:
            it.session.text_input("ሰላም እንዴት ነህ ዛሬ")
            await it.until(events.VoiceChanged)
            assert it.outlet.all(events.VoiceChanged)[0].language == "am"

    run(story())
