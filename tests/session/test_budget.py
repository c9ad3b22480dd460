"""What is thrown away: how much work it was, and engines that swallow their cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from selam_agent import events
from selam_agent.ports import ChatItem, ChatRequest, SpeechChunk, SynthesisRequest, Text
from selam_agent.session.tasks import Tasks
from tests.fakes import FakeChatModel, FakeSynthesizer, FakeTranscriber, silence, speech, talk
from tests.session.calls import TURN, call
from tests.virtual_clock import run


class StubbornModel(FakeChatModel):
    """Writes on for ten seconds, whoever cancels it."""

    async def reply(self, request: ChatRequest) -> AsyncIterator[ChatItem]:
        yield Text("One two three four five six seven. Eight nine ten. And so on")
        end = asyncio.get_running_loop().time() + 10
        while asyncio.get_running_loop().time() < end:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                continue
        yield Text("six")


class StubbornVoice(FakeSynthesizer):
    """The same of a voice."""

    async def synthesize(self, request: SynthesisRequest) -> AsyncIterator[SpeechChunk]:
        yield SpeechChunk(pcm=speech(1000), sample_rate=16_000)
        end = asyncio.get_running_loop().time() + 4.5
        while asyncio.get_running_loop().time() < end:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                continue


@pytest.mark.parametrize("stubborn", ["model", "voice"])
def test_an_interrupted_reply_that_goes_on_is_abandoned_and_logged_within_the_budget(
    stubborn: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        llm = StubbornModel() if stubborn == "model" else FakeChatModel()
        tts = StubbornVoice() if stubborn == "voice" else FakeSynthesizer()
        async with call(llm=llm, tts=tts) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioChunk, 3)
            it.session.control("interrupt")
            await it.until(events.AudioEnd)
            seen = len(it.outlet.all(events.ResponseDelta))
            await asyncio.sleep(1.9)
            assert "abandoned" not in caplog.text
            await asyncio.sleep(0.2)
            assert "ignores cancellation; abandoned" in caplog.text
            # The session goes on, and hears nothing of it any more.
            await asyncio.sleep(10)
            assert len(it.outlet.all(events.ResponseDelta)) == seen

    run(story())


def test_a_cancellation_has_time_to_arrive_on_a_loop_that_seldom_comes_round(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def deep(levels: int) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(deep(levels - 1) if levels else asyncio.Event().wait())  # type: ignore[arg-type]

    async def story() -> None:
        # A turn of the loop takes longer than the whole budget.
        tasks = Tasks("session", budget_s=0)
        replies = [tasks.own(deep(3), "reply") for _ in range(2)]
        await asyncio.sleep(1)
        tasks.cancel(replies[0])
        await asyncio.wait({replies[0]})
        await tasks.aclose()
        assert all(each.cancelled() for each in replies)

    run(story())
    assert not caplog.text


def test_wasted_is_what_the_engines_did_and_not_how_long_the_guess_waited() -> None:
    async def story() -> None:
        # "I want" ends in an incomplete word: the guess lies behind its gate for 1.4 s.
        async with call("I want to", "I want to sleep.", stt=None) as it:
            await talk(it.session, speech(600) + silence(1600) + speech(400) + silence(1500))
            await it.until(events.AudioEnd)
            (metrics,) = it.outlet.all(events.TurnMetrics)
            assert metrics.speculation == "hit" and metrics.dropped == 1
            # The model's 250 ms and the voice's 150 ms.
            assert metrics.wasted_ms == pytest.approx(400, abs=1)

    run(story())


@pytest.mark.parametrize(("ms", "spoken"), [(700, False), (1600, True)])
def test_a_sound_without_words_is_answered_only_when_it_is_as_long_as_a_sentence(
    ms: int, spoken: bool
) -> None:
    async def story() -> None:
        async with call(stt=FakeTranscriber([""])) as it:
            await talk(it.session, speech(ms) + silence(2500))
            (notice,) = it.outlet.all(events.Notice)
            assert notice.code == "not_understood"
            assert bool(it.outlet.all(events.Response)) is spoken

    run(story())
