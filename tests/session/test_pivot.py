"""The model works in English, the caller does not."""

from __future__ import annotations

import asyncio
from typing import Any

from selam_agent import events
from selam_agent.errors import EngineError
from selam_agent.ports import ChatRequest, Transcript
from tests.fakes import FakeChatModel, FakeSynthesizer, FakeTranslator
from tests.session.calls import TURN, call
from tests.virtual_clock import run

ASKED = "ነገ ሐኪም ማየት እፈልጋለሁ።"
ANSWER = "You can come tomorrow morning at <x1/>. Please bring your card."
SCRIPT = {
    ASKED: "I want to see a doctor tomorrow.",
    "አመሰግናለሁ፣ ደህና ይሁኑ።": "Thank you, goodbye.",
    "You can come tomorrow morning at <x1/>.": "ነገ ጠዋት በ<x1/> መምጣት ይችላሉ።",
    "Please bring your card.": "ካርድዎን ይዘው ይምጡ።",
    "Good to hear from you.": "በመደወልዎ ደስ ብሎኛል።",
}
PIVOT: dict[str, Any] = {"translation": "pivot", "voice": "mekdes", "language": "am"}
REPLY = "You can come tomorrow morning at 9:30. Please bring your card."
# Half past nine is half past three on the Ethiopian clock.
SPOKEN = "ነገ ጠዋት በ3:30 መምጣት ይችላሉ። ካርድዎን ይዘው ይምጡ።"


def seen(request: ChatRequest) -> list[str]:
    return [message.content for message in request.messages]


def test_the_model_sees_english_and_the_caller_hears_amharic() -> None:
    async def story() -> None:
        llm = FakeChatModel(lambda request: "Good to hear from you." if len(seen(request)) > 1 else REPLY)
        translator = FakeTranslator(dict(SCRIPT))
        async with call(ASKED, "አመሰግናለሁ፣ ደህና ይሁኑ።", llm=llm, translator=translator, **PIVOT) as it:
            for count in (1, 2):
                it.session.hear(TURN)
                await it.until(events.AudioEnd, count)
            assert [r.text for r in it.outlet.all(events.Response)] == [
                SPOKEN,
                SCRIPT["Good to hear from you."],
            ]
            assert {t.text for t in it.outlet.all(events.Transcription)} == {ASKED, "አመሰግናለሁ፣ ደህና ይሁኑ።"}
            first, second = (each for each in it.llm.requests if each.messages)
            assert seen(first) == ["I want to see a doctor tomorrow."]
            # What it wrote comes back as it wrote it, without another translation.
            assert seen(second) == [*seen(first), REPLY, "Thank you, goodbye."]
            assert {first.language, second.language} == {"en"}
            assert first.preamble is not None and "Answer in English" in first.preamble
            assert "ከጠዋቱ 5 ሰዓት" in first.preamble
            assert [r.text for r in translator.requests].count(ASKED) == 1
            assert {request.language for request in it.tts.requests} == {"am"}

    run(story())


def test_the_first_sentence_is_heard_while_the_next_is_written() -> None:
    async def story() -> None:
        llm = FakeChatModel(REPLY, word_delay=0.5)
        async with call(ASKED, llm=llm, translator=FakeTranslator(dict(SCRIPT)), **PIVOT) as it:
            it.session.hear(TURN)
            await it.until(events.AudioChunk)
            assert not it.outlet.all(events.Response)
            await it.until(events.AudioEnd)
            assert it.outlet.all(events.AudioEnd)[0].spoken_text == SPOKEN

    run(story())


def test_after_an_interruption_the_model_knows_what_was_heard_of_its_words() -> None:
    async def story() -> None:
        llm = FakeChatModel(lambda request: "Good to hear from you." if len(seen(request)) > 1 else REPLY)
        voice = FakeSynthesizer(ms_per_word=600)
        translator = FakeTranslator(dict(SCRIPT))
        async with call(ASKED, "አመሰግናለሁ፣ ደህና ይሁኑ።", llm=llm, tts=voice, translator=translator, **PIVOT) as it:
            it.session.hear(TURN)
            await it.until(events.AudioChunk)
            await asyncio.sleep(1.6)
            it.session.control("interrupt")
            await it.until(events.AudioEnd)
            heard = it.outlet.all(events.AudioEnd)[0].spoken_text
            assert heard and SPOKEN.startswith(heard)
            it.session.hear(TURN)
            await it.until(events.AudioEnd, 2)
            _, said, _ = seen(it.llm.requests[-1])
            assert said and "You can come tomorrow morning at 9:30.".startswith(said)

    run(story())


def test_a_greeting_and_older_turns_are_translated_for_the_model_once() -> None:
    async def story() -> None:
        script = {**SCRIPT, "እንኳን ደህና መጡ።": "Welcome."}
        translator = FakeTranslator(script)
        llm = FakeChatModel("Good to hear from you.")
        async with call(ASKED, ASKED, llm=llm, translator=translator, greeting="እንኳን ደህና መጡ።", **PIVOT) as it:
            await it.until(events.AudioEnd)
            for count in (2, 3):
                it.session.hear(TURN)
                await it.until(events.AudioEnd, count)
            assert seen(it.llm.requests[-1])[:2] == ["Welcome.", "I want to see a doctor tomorrow."]
            assert [r.text for r in translator.requests].count("እንኳን ደህና መጡ።") == 1

    run(story())


def test_a_question_that_cannot_be_translated_reaches_the_model_as_it_is() -> None:
    async def story() -> None:
        broken = {**SCRIPT, ASKED: EngineError("gone", code="llm_failed")}
        llm = FakeChatModel("Good to hear from you.")
        async with call(ASKED, llm=llm, translator=FakeTranslator(broken), **PIVOT) as it:
            it.session.hear(TURN)
            await it.until(events.AudioEnd)
            assert seen(it.llm.requests[-1]) == [ASKED]
            (notice,) = it.outlet.all(events.Notice)
            assert (notice.code, notice.details["from"]) == ("untranslated", "am")
            assert it.outlet.all(events.Response)[0].text == SCRIPT["Good to hear from you."]

    run(story())


def test_an_english_caller_of_an_amharic_line_needs_one_way_only() -> None:
    async def story() -> None:
        translator = FakeTranslator(dict(SCRIPT))
        said = Transcript(text="I want to see a doctor tomorrow.", language="en")
        async with call(said, llm=FakeChatModel(REPLY), translator=translator, **PIVOT) as it:
            it.session.hear(TURN)
            await it.until(events.AudioEnd)
            assert {(r.source, r.target) for r in translator.requests} == {("en", "am")}
            assert it.outlet.all(events.Response)[0].text == SPOKEN

    run(story())


def test_english_on_both_sides_is_not_translated() -> None:
    async def story() -> None:
        async with call("Hello there, doctor.", translator=FakeTranslator({}), translation="pivot") as it:
            it.session.hear(TURN)
            await it.until(events.AudioEnd)
            assert it.outlet.all(events.Response)[0].text == "Good day."

    run(story())
