"""Which language a session hears, and which one it answers in."""

from __future__ import annotations

from typing import Any

from selam_agent import events
from selam_agent.ports import Transcript
from tests.fakes import FakeSynthesizer
from tests.session.calls import TURN, Call, call
from tests.virtual_clock import run


def turns(*said: str | Transcript, **wishes: Any) -> tuple[list[str | None], list[str], list[str]]:
    """What was heard in which language, what the model answered in, and which voices came."""
    made: list[Call] = []

    async def story() -> None:
        async with call(*said, settings={"turns__speculation": False}, **wishes) as it:
            made.append(it)
            for number in range(len(said)):
                it.session.hear(TURN)
                await it.until(events.AudioEnd, number + 1)

    run(story())
    outlet = made[0].outlet
    heard = [each.language for each in outlet.all(events.Transcription) if each.is_final]
    voices = [each.new_voice for each in outlet.all(events.VoiceChanged)]
    return heard, [request.language for request in made[0].llm.requests], voices


SOMALI = "Waxaan rabaa inaan ballan qabsado."


def test_a_sentence_moves_the_conversation_to_its_language() -> None:
    assert turns(SOMALI, "Haa.") == (["so", "so"], ["so", "so"], ["ubax"])


def test_one_short_turn_does_not_and_two_do() -> None:
    heard, answered, voices = turns("Yes please.", "Haa.", "Fadlan, haa.")
    assert (heard, answered, voices) == (["en", "so", "so"], ["en", "en", "so"], ["ubax"])


def test_what_the_recogniser_says_is_followed_unless_the_script_forbids() -> None:
    haa, wrong = Transcript(text="Haa.", language="so"), Transcript(text="አዎ ነገ ጠዋት ይሻላል", language="so")
    assert turns(haa, wrong) == (["so", "so"], ["so", "am"], ["ubax", "mekdes"])


def test_a_language_that_is_none_of_ours_is_judged_by_the_text() -> None:
    assert turns(Transcript(text=SOMALI, language="sw"))[1:] == (["so"], ["ubax"])


def test_the_voice_is_of_the_wished_gender_and_comes_back() -> None:
    english = "What time is it in Hargeysa now?"
    _, _, voices = turns(SOMALI, english, voice="andrew")
    assert voices == ["muuse", "andrew"]


def test_a_given_language_is_answered_in_whatever_is_spoken() -> None:
    spoken = Transcript(text=SOMALI, language="so")
    assert turns(spoken, SOMALI, language="en") == (["so", "en"], ["en", "en"], [])


def test_only_languages_that_callers_speak_are_heard() -> None:
    token = Transcript(text="Haa.", language="so")
    assert turns(token, SOMALI, languages=("en", "am"))[1:] == (["en", "en"], [])


def test_a_language_that_no_voice_speaks_here_is_answered_in_the_present_one() -> None:
    async def story() -> None:
        english = FakeSynthesizer()
        async with call(SOMALI, SOMALI, voice="aria", only={"openai": english}) as it:
            for count in (1, 2):
                it.session.hear(TURN)
                await it.until(events.AudioEnd, count)
            (notice,) = it.outlet.all(events.Notice)
            assert notice.code == "voice_unavailable" and "answer comes in English" in notice.message
            assert {request.language for request in english.requests} == {"en"}
            assert not it.outlet.all(events.VoiceChanged)

    run(story())


REJECTED = Transcript(text="", language="en", rejected="not_in_book")


def test_what_makes_no_sense_in_the_expected_language_is_heard_in_the_one_spoken() -> None:
    haa = Transcript(text="Haa, fadlan.", language="so")

    async def story() -> None:
        async with call(REJECTED, haa, language="en", settings={"turns__speculation": False}) as it:
            it.session.hear(TURN)
            await it.until(events.AudioEnd)
            assert [request.language for request in it.stt.requests] == ["en", None]
            assert it.llm.requests[0].messages[-1].content == "Haa, fadlan."
            assert it.llm.requests[0].language == "en"

    run(story())


def test_the_same_language_again_or_nothing_is_still_nothing() -> None:
    for second in (REJECTED, Transcript(text="Yes.", language="en")):

        async def story(second: Transcript = second) -> None:
            async with call(REJECTED, second, language="en", settings={"turns__speculation": False}) as it:
                it.session.hear(TURN)
                await it.until(events.AudioEnd)
                assert not it.llm.requests
                assert it.outlet.all(events.Notice)[0].details["reason"] == "not_in_book"

        run(story())


def test_the_only_language_of_the_callers_is_expected() -> None:
    async def story() -> None:
        async with call("Hello there.", languages=("en",)) as it:
            it.session.hear(TURN)
            await it.until(events.AudioEnd)
            assert {request.language for request in it.stt.requests} == {"en"}

    run(story())
