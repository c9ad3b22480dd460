"""An answer in the wrong language is not spoken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from selam_agent import events
from selam_agent.errors import EngineError
from selam_agent.ports import ChatItem, ChatModelInfo, Text, ToolCall
from tests.fakes import FakeChatModel, FakeTranslator
from tests.session.calls import PACKS, TURN, Call, call
from tests.virtual_clock import run

ENGLISH = "You can come to the clinic tomorrow morning. Please bring your card."
AMHARIC = "ነገ ጠዋት ወደ ክሊኒኩ መምጣት ይችላሉ። ካርድዎን ይዘው ይምጡ።"
SCRIPT = {
    "You can come to the clinic tomorrow morning.": "ነገ ጠዋት ወደ ክሊኒኩ መምጣት ይችላሉ።",
    "Please bring your card.": "ካርድዎን ይዘው ይምጡ።",
}
MEKDES: dict[str, Any] = {"voice": "mekdes", "language": "am"}


class Follower(FakeChatModel):
    """Follows instructions; gives one answer after the other."""

    def __init__(self, *answers: str | Sequence[ChatItem]) -> None:
        super().__init__(lambda request: self.script.pop(0) if len(self.script) > 1 else self.script[0])
        self.script = list(answers)

    @property
    def info(self) -> ChatModelInfo:
        return ChatModelInfo(name="follower", generative=True, calls_tools=True)


def answered(llm: FakeChatModel, **wishes: Any) -> Call:
    """One turn."""
    made: list[Call] = []

    async def story() -> None:
        async with call("ነገ ሐኪም ማየት እፈልጋለሁ።", llm=llm, **{**MEKDES, **wishes}) as it:
            made.append(it)
            it.session.hear(TURN)
            await it.until(events.AudioEnd)

    run(story())
    return made[0]


def remedies(it: Call) -> list[Any]:
    notices = [each for each in it.outlet.all(events.Notice) if each.code == "wrong_language"]
    assert all(each.details["expected"] == "am" and each.details["turn_id"] == 1 for each in notices)
    return [each.details["remedy"] for each in notices]


def text_of(it: Call) -> str:
    (response,) = it.outlet.all(events.Response)
    assert (
        "".join(each.delta for each in it.outlet.all(events.ResponseDelta)).split() == response.text.split()
    )
    return response.text


def test_the_right_language_passes_as_it_comes() -> None:
    it = answered(Follower(AMHARIC))
    assert text_of(it) == AMHARIC and remedies(it) == [] and len(it.llm.requests) == 1


@pytest.mark.parametrize("answer", ["OK.", "9:30.", "Abebe Bekele.", "እሺ, OK!"])
def test_short_answers_are_not_judged(answer: str) -> None:
    it = answered(Follower(answer))
    assert text_of(it) == answer and remedies(it) == []


def test_the_wrong_language_is_asked_for_once_more_strictly() -> None:
    it = answered(Follower(ENGLISH, AMHARIC), instructions="Be kind.")
    assert text_of(it) == AMHARIC and remedies(it) == ["asked_again"]
    first, second = it.llm.requests
    assert first.instructions == "Be kind." and first.language == "am"
    assert second.instructions == f"Be kind.\n\n{PACKS['am'].strict}"
    # The first stream is closed at its first fragment: nothing of it was said.
    assert all(request.language == "am" for request in it.tts.requests)


def test_wrong_again_is_translated_sentence_by_sentence() -> None:
    it = answered(Follower(ENGLISH), translator=FakeTranslator(dict(SCRIPT)))
    assert text_of(it) == AMHARIC and remedies(it) == ["asked_again", "translated"]


def test_wrong_again_without_a_translator_is_an_apology() -> None:
    it = answered(Follower(ENGLISH))
    assert text_of(it) == PACKS["am"].says["wrong_language"]
    assert remedies(it) == ["asked_again", "apology"]


def test_a_translation_that_fails_is_an_apology_as_well() -> None:
    gone = EngineError("gone", code="llm_failed")
    script = {**SCRIPT, "Please bring your card.": gone}
    it = answered(Follower(ENGLISH), translator=FakeTranslator(script))
    assert (
        text_of(it)
        == f"{SCRIPT['You can come to the clinic tomorrow morning.']} " + (PACKS["am"].says["wrong_language"])
    )
    assert "untranslated" in {each.code for each in it.outlet.all(events.Notice)}


def test_amharic_is_no_tigrinya() -> None:
    tigrinya = "ጽባሕ ንግሆ ናብ ክሊኒክ ክትመጹ ትኽእሉ ኢኹም።"
    it = answered(Follower(AMHARIC, tigrinya), voice="sami", language="ti")
    assert text_of(it) == tigrinya and len(it.llm.requests) == 2


def test_tools_are_called_by_the_answer_that_is_spoken() -> None:
    tool = {"type": "function", "function": {"name": "book", "parameters": {"type": "object"}}}
    asked = ToolCall("c1", "book", {})

    async def story() -> None:
        llm = Follower([Text(ENGLISH), asked], [Text("አንድ ጊዜ ይጠብቁ፣ አያለሁ። "), asked], AMHARIC)
        async with call("ነገ ሐኪም ማየት እፈልጋለሁ።", llm=llm, tools=(tool,), **MEKDES) as it:
            it.session.hear(TURN)
            await it.until(events.ToolCall)
            it.session.tool_result(it.outlet.all(events.ToolCall)[0].call_id, "ok")
            await it.until(events.AudioEnd)
            assert len(it.outlet.all(events.ToolCall)) == 1
            assert text_of(it) == f"አንድ ጊዜ ይጠብቁ፣ አያለሁ። {AMHARIC}"

    run(story())


def test_models_that_follow_no_instructions_are_left_alone() -> None:
    it = answered(FakeChatModel(ENGLISH))
    assert text_of(it) == ENGLISH and remedies(it) == []


def test_the_preamble_precedes_the_instructions_and_can_be_replaced() -> None:
    it = answered(Follower(AMHARIC))
    (request,) = it.llm.requests
    assert request.preamble is not None
    assert "Amharic" in request.preamble and "at most two short sentences" in request.preamble
    assert "2026-11-20 11:00+03:00" in request.preamble and "11 ኅዳር 2019፣ ከጠዋቱ 5 ሰዓት" in request.preamble
    for template, made in [("Speak {language}.", "Speak Amharic."), ("", "")]:
        it = answered(Follower(AMHARIC), settings={"llm__preamble": template})
        assert it.llm.requests[0].preamble == made
