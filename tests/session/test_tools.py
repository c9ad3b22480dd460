"""Tools: asked for by the model, carried out by the client; on the virtual clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from selam_agent import events
from selam_agent.errors import ValidationError
from selam_agent.ports import ChatItem, ChatModelInfo, ChatRequest, Message, Text, ToolCall
from tests.fakes import FakeChatModel, Recorder, silence, speech, talk
from tests.session.calls import PACKS, TURN, Call, call
from tests.virtual_clock import run

WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


@dataclass
class ToolModel(FakeChatModel):
    """Answers each turn round by round; the last entry of the script repeats."""

    script: tuple[Sequence[ChatItem], ...] = ()

    def __post_init__(self) -> None:
        def answer(request: ChatRequest) -> Sequence[ChatItem]:
            since = len(request.messages) - [m.role for m in reversed(request.messages)].index("user")
            rounds = sum(bool(m.tool_calls) for m in request.messages[since:])
            return self.script[min(rounds, len(self.script) - 1)]

        self.answer = answer

    @property
    def info(self) -> ChatModelInfo:
        return replace(super().info, calls_tools=True)


def asks(name: str = "weather", id: str = "a", **arguments: Any) -> ToolCall:
    return ToolCall(id, name, arguments)


def sunny(**changes: Any) -> ToolModel:
    return ToolModel(script=([Text("Let me look."), asks(city="Jimma")], [Text("It is sunny.")]), **changes)


def last_messages(it: Call) -> list[Message]:
    return list(it.llm.requests[-1].messages)


def test_a_tool_is_asked_for_and_its_result_is_spoken() -> None:
    async def story() -> None:
        async with call("What is the weather?", "Thanks.", llm=sunny(), tools=(WEATHER,)) as it:
            await talk(it.session, TURN)
            await it.until(events.ToolCall)
            (asked,) = it.outlet.all(events.ToolCall)
            assert (asked.tool, asked.arguments, asked.turn_id) == ("weather", {"city": "Jimma"}, 1)
            await asyncio.sleep(3)
            it.session.tool_result(asked.call_id, {"sky": "clear"})
            await it.until(events.AudioEnd)
            (end,) = it.outlet.all(events.AudioEnd)
            assert end.spoken_text == "Let me look. It is sunny."
            assert it.outlet.all(events.Response)[0].text == end.spoken_text
            question, spoken, result = last_messages(it)
            assert question.content == "What is the weather?"
            assert spoken.content == "Let me look." and spoken.tool_calls[0].name == "weather"
            assert (result.role, result.content) == ("tool", '{"sky": "clear"}')
            assert result.tool_call_id == asked.call_id
            assert it.llm.requests[0].tools == (WEATHER,)
            await talk(it.session, TURN)
            roles = [(m.role, m.content) for m in it.llm.requests[2].messages]
            assert roles == [
                ("user", "What is the weather?"),
                ("assistant", "Let me look."),
                ("tool", '{"sky": "clear"}'),
                ("assistant", "It is sunny."),
                ("user", "Thanks."),
            ]

    run(story())


def test_what_comes_before_the_call_is_spoken_while_it_runs() -> None:
    async def story() -> None:
        async with call(llm=sunny(), tools=(WEATHER,)) as it:
            await talk(it.session, TURN)
            await asyncio.sleep(2)
            said = "".join(chunk.text for chunk in it.outlet.all(events.AudioChunk))
            assert said.strip() == "Let me look."
            assert not it.outlet.all(events.AudioEnd)
            it.session.tool_result("a", "sunny")

    run(story())


def test_a_guess_calls_nothing() -> None:
    async def story() -> None:
        async with call("I want", "I want tea.", llm=sunny(delay=0.01), tools=(WEATHER,)) as it:
            await talk(it.session, speech(600) + silence(700))
            assert it.llm.requests and not it.outlet.all(events.ToolCall)
            await talk(it.session, speech(400) + silence(1500))
            (asked,) = it.outlet.all(events.ToolCall)
            it.session.tool_result(asked.call_id, "sunny")
            await it.until(events.AudioEnd)

    run(story())


def test_a_client_that_does_not_answer_is_told_to_the_model() -> None:
    async def story() -> None:
        async with call(llm=sunny(), tools=(WEATHER,), settings={"turns__tool_timeout_s": 5.0}) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            assert "no answer within 5 s" in last_messages(it)[-1].content
            assert it.outlet.all(events.Notice)[-1].code == "tool_timeout"
            with pytest.raises(ValidationError):
                it.session.tool_result("a", "late")

    run(story())


def test_an_interrupted_call_has_a_result_all_the_same() -> None:
    async def story() -> None:
        async with call("One.", "Two.", llm=sunny(), tools=(WEATHER,)) as it:
            await talk(it.session, TURN)
            await it.until(events.ToolCall)
            await asyncio.sleep(1)
            it.session.control("interrupt")
            await it.until(events.ControlAck)
            with pytest.raises(ValidationError, match="waits for a result"):
                it.session.tool_result("a", "late")
            await talk(it.session, TURN)
            assert [(m.role, m.content) for m in it.llm.requests[1].messages] == [
                ("user", "One."),
                ("assistant", "Let me look."),
                ("tool", "cancelled"),
                ("user", "Two."),
            ]

    run(story())


def test_an_error_is_a_result() -> None:
    async def story() -> None:
        async with call(llm=sunny(), tools=(WEATHER,)) as it:
            await talk(it.session, TURN)
            await it.until(events.ToolCall)
            it.session.tool_result("a", "no network", is_error=True)
            await it.until(events.AudioEnd)
            assert json.loads(last_messages(it)[-1].content) == {"error": "no network"}

    run(story())


def test_results_that_nobody_waits_for_are_refused() -> None:
    async def story() -> None:
        async with call(llm=sunny(), tools=(WEATHER,)) as it:
            with pytest.raises(ValidationError) as caught:
                it.session.tool_result("a", "x")
            assert caught.value.code == "unknown_call"
            await talk(it.session, TURN)
            await it.until(events.ToolCall)
            it.session.tool_result("a", "x")
            await it.until(events.AudioEnd)
            with pytest.raises(ValidationError):
                it.session.tool_result("a", "x")

    run(story())


def test_several_calls_and_ids_that_come_again() -> None:
    async def story() -> None:
        script = ([asks(id="0"), asks(id="0"), asks("dance", id="1")], [Text("Done.")])
        async with call(llm=ToolModel(script=script), tools=(WEATHER,)) as it:
            await talk(it.session, TURN)
            await it.until(events.ToolCall, 2)
            first, second = it.outlet.all(events.ToolCall)
            assert first.call_id != second.call_id
            it.session.tool_result(second.call_id, "two")
            it.session.tool_result(first.call_id, "one")
            await it.until(events.AudioEnd)
            results = [m.content for m in last_messages(it) if m.role == "tool"]
            assert results == ["one", "two", '{"error": "there is no tool dance"}']

    run(story())


def test_a_model_that_never_stops_asking_must_speak_at_last() -> None:
    async def story() -> None:
        class Stubborn(ToolModel):
            def __post_init__(self) -> None:
                self.answer = lambda request: [asks()] if request.tools else [Text("Enough.")]

        async with call(llm=Stubborn(delay=0), tools=(WEATHER,)) as it:
            await talk(it.session, TURN)
            for n in range(8):
                await it.until(events.ToolCall, n + 1)
                it.session.tool_result(it.outlet.all(events.ToolCall)[n].call_id, "x")
            await it.until(events.AudioEnd)
            assert it.outlet.all(events.AudioEnd)[0].spoken_text == "Enough."

    run(story())


def test_a_model_that_cannot_call_tools_is_not_offered_any() -> None:
    async def story() -> None:
        async with call(tools=(WEATHER,)) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            assert "tools_ignored" in [each.code for each in it.outlet.all(events.Notice)]
            assert it.llm.requests[0].tools == ()

    run(story())


def test_a_pending_call_waits_for_a_client_that_comes_back() -> None:
    async def story() -> None:
        async with call(llm=sunny(), tools=(WEATHER,), settings={"turns__tool_timeout_s": 5.0}) as it:
            await talk(it.session, TURN)
            await it.until(events.ToolCall)
            it.session.detach(it.outlet)
            await asyncio.sleep(20)
            again = Recorder()
            it.registry.resume(it.session.resume_token, again, owner="key")
            it.outlet = again
            await it.until(events.ToolCall)
            it.session.tool_result(again.all(events.ToolCall)[0].call_id, "sunny")
            await it.until(events.AudioEnd)
            assert last_messages(it)[-1].content == "sunny"

    run(story())


def test_a_model_that_says_nothing_is_an_error_and_an_apology() -> None:
    async def story() -> None:
        async with call(llm=ToolModel(script=([],))) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioEnd)
            assert it.outlet.all(events.ErrorEvent)[0].code == "llm_empty"
            assert it.outlet.all(events.AudioEnd)[0].spoken_text == PACKS["en"].says["failed"]

    run(story())


def test_a_guess_that_fails_and_is_thrown_away_is_no_error() -> None:
    async def story() -> None:
        async with call("I want", "I want tea.", llm=FakeChatModel("Here it is.", fails_after=0)) as it:
            await talk(it.session, speech(600) + silence(700))
            assert it.llm.requests and not it.outlet.all(events.ErrorEvent)
            it.llm.fails_after = None
            await talk(it.session, speech(400) + silence(1500))
            await it.until(events.AudioEnd)
            assert not it.outlet.all(events.ErrorEvent)

    run(story())


class TestEndCall:
    GOODBYE = ToolCall("z", "end_call", {})

    def model(self, *items: ChatItem) -> ToolModel:
        return ToolModel(script=(items,))

    def test_the_session_ends_when_the_last_word_was_heard(self) -> None:
        async def story() -> None:
            llm = self.model(Text("Have a very good day."), self.GOODBYE)
            async with call(llm=llm, end_call=True) as it:
                await talk(it.session, TURN)
                await it.session.ended.wait()
                (end,) = it.outlet.all(events.AudioEnd)
                assert end.spoken_text == "Have a very good day." and not end.interrupted
                chunks = it.outlet.all(events.AudioChunk)
                played_s = sum(chunk.duration_ms for chunk in chunks) / 1000
                begun = it.outlet.times(events.AudioChunk)[0]
                (ended,) = it.outlet.all(events.SessionEnded)
                assert ended.reason == "agent"
                assert it.outlet.times(events.SessionEnded)[0] >= begun + played_s - 0.01
                assert not it.outlet.all(events.ToolCall)

        run(story())

    def test_without_a_word_it_says_goodbye(self) -> None:
        async def story() -> None:
            async with call(llm=self.model(self.GOODBYE), end_call=True) as it:
                await talk(it.session, TURN)
                await it.session.ended.wait()
                assert it.outlet.all(events.AudioEnd)[0].spoken_text == PACKS["en"].says["goodbye"]

        run(story())

    def test_a_caller_who_cuts_in_keeps_the_call(self) -> None:
        async def story() -> None:
            text = Text(" ".join(["word"] * 30))
            async with call(llm=self.model(text, self.GOODBYE), end_call=True, interruption="energy") as it:
                await talk(it.session, TURN)
                await it.until(events.AudioChunk, 5)
                await talk(it.session, speech(600))
                assert it.outlet.all(events.AudioEnd)[0].interrupted
                await asyncio.sleep(0.5)
                assert not it.session.ended.is_set()

        run(story())

    def test_it_is_offered_only_to_sessions_that_asked(self) -> None:
        async def story() -> None:
            class Once(ToolModel):
                def __post_init__(self) -> None:
                    self.answer = self.reply_to

                def reply_to(self, request: ChatRequest) -> Sequence[ChatItem]:
                    return [Text("Bye."), TestEndCall.GOODBYE] if len(self.requests) == 1 else [Text("Hm.")]

            async with call(llm=Once()) as it:
                await talk(it.session, TURN)
                await it.until(events.AudioEnd)
                assert it.llm.requests[0].tools == ()
                await asyncio.sleep(1)
                assert not it.session.ended.is_set()

        run(story())
