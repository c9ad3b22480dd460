"""A backchannel over a reply that asks: an answer only to the question that the agent waits for."""

from __future__ import annotations

import pytest

from selam_agent import events
from selam_agent.ports import Transcript
from tests.fakes import FakeChatModel, FakeTranscriber, silence, speech, talk
from tests.session.calls import call
from tests.virtual_clock import run


@pytest.mark.parametrize(
    ("answer", "interrupts"),
    [
        ("Is it one or two? Three four five six seven eight nine ten eleven twelve.", False),
        ("One two three four. Is it five or six or seven or eight or nine or ten or twelve?", True),
    ],
)
def test_only_the_last_question_is_waited_for(answer: str, interrupts: bool) -> None:
    async def story() -> None:
        stt = FakeTranscriber(["Tell me."], delay=0.02)
        stt.otherwise = Transcript(text="Okay.")
        trusting = {"audio__echo_guard": False}
        async with call(stt=stt, llm=FakeChatModel(answer), settings=trusting) as it:
            await talk(it.session, speech(600) + silence(1000))
            await it.until(events.AudioChunk, 32)
            await talk(it.session, speech(600) + silence(2500))
            await it.until(events.AudioEnd)
            assert it.outlet.all(events.AudioEnd)[0].interrupted is interrupts

    run(story())
