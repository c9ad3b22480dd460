"""No assistant: what one says is said again in the other's language."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from selam_agent import events
from selam_agent.errors import EngineError, SessionError, ValidationError
from selam_agent.ports import Transcript
from selam_agent.session.config import SessionConfig
from tests.fakes import FakeSynthesizer, FakeTranslator, silence, speech
from tests.session.calls import TURN, call
from tests.virtual_clock import run

PAIR: dict[str, Any] = {"translation": "interpreter", "languages": ("so", "en"), "voice": "ubax"}
HELLO = Transcript(text="Waan xanuunsanahay, i caawi fadlan.", language="so")
SCRIPT = {
    "Waan xanuunsanahay, i caawi fadlan.": "I am ill, please help me.",
    "Where does it hurt?": "Xaggee ku xanuunaysaa?",
}


def test_both_ways_each_in_a_voice_of_its_language() -> None:
    async def story() -> None:
        translator = FakeTranslator(dict(SCRIPT))
        back = Transcript(text="Where does it hurt?", language="en")
        async with call(HELLO, back, translator=translator, **PAIR) as it:
            (started,) = await it_started(it)
            assert started.extra == {"translation": "interpreter", "languages": ("so", "en")}
            for count in (1, 2):
                it.session.hear(TURN)
                await it.until(events.AudioEnd, count)
            assert [r.text for r in it.outlet.all(events.Response)] == [
                "I am ill, please help me.",
                "Xaggee ku xanuunaysaa?",
            ]
            assert [(v.new_voice, v.reason) for v in it.outlet.all(events.VoiceChanged)] == [
                ("aria", "interpreter"),
                ("ubax", "interpreter"),
            ]
            assert [r.language for r in it.tts.requests] == ["en", "so"]
            assert [(r.source, r.target) for r in translator.requests] == [("so", "en"), ("en", "so")]
            # The recogniser must expect either language, and no model is asked anything.
            assert {r.language for r in it.stt.requests} == {None}
            assert not it.llm.requests

    run(story())


async def it_started(it: Any) -> list[events.SessionStarted]:
    await it.until(events.SessionStarted)
    started: list[events.SessionStarted] = it.outlet.all(events.SessionStarted)
    return started


def test_without_a_token_the_text_says_who_speaks_and_in_doubt_the_one_spoken_to_answers() -> None:
    async def story() -> None:
        translator = FakeTranslator({"Where does it hurt?": "Xaggee ku xanuunaysaa?", "OK.": "Haye."})
        async with call("Where does it hurt?", "OK.", translator=translator, **PAIR) as it:
            it.session.hear(TURN)
            await it.until(events.AudioEnd)
            it.session.hear(TURN)
            await it.until(events.AudioEnd, 2)
            assert [(r.source, r.target) for r in translator.requests] == [("en", "so"), ("so", "en")]

    run(story())


def test_sentences_are_heard_while_the_next_is_translated() -> None:
    async def story() -> None:
        said = "Where does it hurt you now? How long have you had this fever?"
        translator = FakeTranslator(
            {
                "Where does it hurt you now?": "Xaggee hadda ku xanuunaysaa?",
                "How long have you had this fever?": "Ilaa goorma ayaad qandhadan qabtay?",
            },
            delay=2.0,
        )
        async with call(Transcript(text=said, language="en"), translator=translator, **PAIR) as it:
            it.session.hear(TURN)
            await it.until(events.AudioChunk)
            first = it.outlet.times(events.AudioChunk)[0]
            await it.until(events.AudioEnd)
            assert len(translator.requests) == 2
            assert it.outlet.times(events.Response)[0] > first
            assert it.outlet.all(events.AudioEnd)[0].spoken_text == (
                "Xaggee hadda ku xanuunaysaa? Ilaa goorma ayaad qandhadan qabtay?"
            )

    run(story())


def test_an_interruption_tells_what_was_heard_in_the_language_spoken() -> None:
    async def story() -> None:
        translator = FakeTranslator(dict(SCRIPT))
        async with call(HELLO, translator=translator, tts=FakeSynthesizer(ms_per_word=600), **PAIR) as it:
            it.session.hear(TURN)
            await it.until(events.AudioChunk)
            await asyncio.sleep(1.5)
            it.session.control("interrupt")
            await it.until(events.AudioEnd)
            ended = it.outlet.all(events.AudioEnd)[0]
            assert ended.interrupted and ended.spoken_text == "I am ill,"

    run(story())


@pytest.mark.parametrize(
    ("answers", "reason", "asked"),
    [
        ([EngineError("gone", code="llm_failed")], "llm_failed", 2),
        ([EngineError("refused", code="llm_refused", retryable=False)], "llm_refused", 1),
        (["I live in Hargeysa since 9."], "names_or_numbers_lost", 2),
        (["Waxaan degganahay <x1/> ilaa <x2/> saac."], "not_translated", 2),
    ],
)
def test_what_cannot_be_translated_is_said_as_it_was_with_a_warning(
    answers: list[Any], reason: str, asked: int
) -> None:
    async def story() -> None:
        translator = FakeTranslator({"Waxaan degganahay <x1/> ilaa <x2/> saac.": answers})
        said = Transcript(text="Waxaan degganahay Hargeysa ilaa 9 saac.", language="so")
        async with call(said, translator=translator, **PAIR) as it:
            it.session.hear(TURN)
            await it.until(events.AudioEnd)
            assert it.outlet.all(events.Response)[0].text == said.text
            (notice,) = it.outlet.all(events.Notice)
            assert notice.code == "untranslated"
            assert notice.details == {"from": "so", "to": "en", "reason": reason, "turn_id": 1}
            # A voice of the language that it stayed in, and back.
            assert [request.language for request in it.tts.requests] == ["so"]
            changes = [(each.new_voice, each.reason) for each in it.outlet.all(events.VoiceChanged)]
            assert changes == [("aria", "interpreter"), ("ubax", "untranslated"), ("aria", "translated")]
            assert len(translator.requests) == asked

    run(story())


def test_a_second_try_may_bring_names_and_numbers_back() -> None:
    async def story() -> None:
        answers = ["I live in Hargeysa.", "I have lived in <x1/> since <x2/>."]
        translator = FakeTranslator({"Waxaan degganahay <x1/> ilaa <x2/> saac.": answers})
        said = Transcript(text="Waxaan degganahay Hargeysa ilaa 9 saac.", language="so")
        async with call(said, translator=translator, **PAIR) as it:
            it.session.hear(TURN)
            await it.until(events.AudioEnd)
            assert it.outlet.all(events.Response)[0].text == "I have lived in Hargeysa since 9."
            assert not it.outlet.all(events.Notice)

    run(story())


def test_a_late_translation_is_none() -> None:
    async def story() -> None:
        translator = FakeTranslator(dict(SCRIPT), delay=60)
        settings = {"translation__deadline_s": 2.0}
        async with call(HELLO, translator=translator, settings=settings, **PAIR) as it:
            it.session.hear(TURN)
            await it.until(events.AudioEnd)
            (notice,) = it.outlet.all(events.Notice)
            assert notice.details["reason"] == "translation_timeout"
            assert it.outlet.all(events.Response)[0].text == HELLO.text
            assert translator.cancelled == len(translator.requests)

    run(story())


def test_a_guess_that_is_thrown_away_warns_nobody() -> None:
    async def story() -> None:
        broken = EngineError("gone", code="llm_failed")
        translator = FakeTranslator({"Waan": broken, **SCRIPT})
        async with call(Transcript(text="Waan", language="so"), HELLO, translator=translator, **PAIR) as it:
            it.session.hear(speech(600) + silence(300))
            await asyncio.sleep(0.45)
            it.session.hear(TURN)
            await it.until(events.AudioEnd)
            assert [r.text for r in translator.requests] == ["Waan", "Waan", HELLO.text]
            assert not it.outlet.all(events.Notice)

    run(story())


def test_a_guess_in_the_wrong_direction_is_not_used() -> None:
    async def story() -> None:
        translator = FakeTranslator({"OK OK.": ["Haye, haye.", "All right."]})
        heard = [Transcript(text="OK OK.", language=code) for code in ("en", "so", "so")]
        async with call(*heard, translator=translator, **PAIR) as it:
            it.session.hear(speech(600) + silence(300))
            await asyncio.sleep(0.25)
            it.session.hear(TURN)
            await it.until(events.AudioEnd)
            assert [(r.source, r.target) for r in translator.requests] == [("en", "so"), ("so", "en")]
            assert it.outlet.all(events.Response)[0].text == "All right."
            assert it.tts.requests[-1].language == "en"

    run(story())


GOOD = SessionConfig(voice="ubax", translation="interpreter", languages=("so", "en"))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"languages": ()}, "interpreter_languages"),
        ({"languages": ("so",)}, "interpreter_languages"),
        ({"languages": ("so", "so")}, "interpreter_languages"),
        ({"languages": ("so", "en", "am")}, "interpreter_languages"),
        ({"languages": ("so", "fr")}, "unknown_language"),
        ({"language": "am", "voice": "mekdes"}, "interpreter_languages"),
        ({"voice": "mekdes"}, "voice_language_mismatch"),
        ({"translation": "off", "languages": ("am", "ti")}, "voice_language_mismatch"),
    ],
)
def test_refusals(changes: dict[str, Any], code: str) -> None:
    async def story() -> None:
        async with call(translator=FakeTranslator({})) as it:
            with pytest.raises(ValidationError) as caught:
                it.registry.open(replace(GOOD, **changes), it.outlet, owner="key")
            assert caught.value.code == code

    run(story())


def test_without_a_language_model_there_is_no_translation() -> None:
    async def story() -> None:
        async with call() as it:
            for config in (GOOD, SessionConfig(voice="aria", translation="pivot")):
                with pytest.raises(ValidationError, match=r"llm\.base_url") as caught:
                    it.registry.open(config, it.outlet, owner="key")
                assert caught.value.code == "no_translator"
            with pytest.raises(ValidationError, match=r"llm\.base_url"):
                it.session.update({"translation": "interpreter", "languages": ("so", "en")})

    run(story())


def test_an_interpreter_needs_a_voice_for_both() -> None:
    async def story() -> None:
        async with call(translator=FakeTranslator({})) as it:
            silent = replace(GOOD, voice="alloy")
            with pytest.raises(SessionError, match=r"gpt_audio\.model"):
                it.registry.open(silent, it.outlet, owner="key")

    run(story())


def test_the_mode_changes_in_the_middle_of_a_session() -> None:
    async def story() -> None:
        translator = FakeTranslator(dict(SCRIPT))
        async with call("Hello.", HELLO, translator=translator, language="en") as it:
            it.session.hear(TURN)
            await it.until(events.AudioEnd)
            assert it.llm.requests
            it.session.update({"translation": "interpreter", "languages": ("so", "en"), "language": None})
            await it.until(events.SessionUpdated)
            changes = it.outlet.all(events.SessionUpdated)[0].changes
            assert changes["translation"] == "interpreter" and changes["languages"] == ("so", "en")
            it.session.hear(TURN)
            await it.until(events.AudioEnd, 2)
            assert it.outlet.all(events.Response)[-1].text == "I am ill, please help me."

    run(story())


def test_the_servers_mode_is_for_clients_that_name_none() -> None:
    async def story() -> None:
        settings = {"translation__mode": "interpreter", "translation__languages": ["so", "en"]}
        translator = FakeTranslator(dict(SCRIPT))
        async with call(HELLO, translator=translator, settings=settings) as it:
            it.session.hear(TURN)
            await it.until(events.Response)
            assert it.outlet.all(events.Response)[0].text == "I am ill, please help me."
            plain = it.registry.open(SessionConfig(voice="aria", translation="off"), it.outlet, owner="key")
            assert plain.config.translation == "off"

    run(story())
