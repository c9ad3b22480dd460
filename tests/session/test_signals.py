"""What a session tells doors that want to know more, and what they may ask of it; on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from selam_agent import events
from selam_agent import events_signals as signals
from selam_agent.errors import SessionError
from selam_agent.ports import ChatItem, ChatRequest
from tests.fakes import FakeChatModel, Recorder, silence, speech, talk
from tests.session.calls import LONG, TURN, call
from tests.session.test_tools import WEATHER, ToolModel, asks, sunny
from tests.virtual_clock import run


def told(outlet: Recorder) -> list[str]:
    """Names of what a door would show, runs of audio as one."""
    shown = {"speech_started", "speech_stopped", "reply_started", "tools_awaited", "reply_ended"}
    shown |= {"audio_chunk", "tool_call", "session_ended"}
    names = [name for name in outlet.names() if name in shown]
    return [
        name for name, before in zip(names, ["", *names], strict=False) if name != before or "_call" in name
    ]


def test_a_turn_with_a_tool() -> None:
    async def story() -> None:
        async with call("What is the weather?", llm=sunny(), tools=(WEATHER,), signals=True) as it:
            await talk(it.session, TURN)
            await it.until(events.ToolCall)
            it.session.tool_result(it.outlet.all(events.ToolCall)[0].call_id, "clear")
            # Answered in the middle of the words before it: they are told apart all the same.
            await it.until(signals.ReplyEnded)
            assert told(it.outlet) == [
                *("speech_started", "speech_stopped", "reply_started", "tool_call", "audio_chunk"),
                *("tools_awaited", "audio_chunk", "reply_ended"),
            ]
            (awaited,), (ended,) = it.outlet.all(signals.ToolsAwaited), it.outlet.all(signals.ReplyEnded)
            assert awaited.spoken_text == "Let me look." and abs(awaited.at_ms - 600) < 2
            assert ended.spoken_text == "Let me look. It is sunny." and not ended.interrupted
            assert it.outlet.all(signals.ReplyStarted)[0].trigger == "user_speech"

    run(story())


def test_without_the_wish_nothing_of_it_is_told() -> None:
    async def story() -> None:
        async with call(greeting="Hello.") as it:
            await it.until(events.AudioEnd)
            assert not it.outlet.all(signals.Signal)

    run(story())


def test_an_interruption_is_speech_that_started() -> None:
    async def story() -> None:
        stop = FakeChatModel(LONG)
        async with call("Hello.", "Wait, stop.", llm=stop, signals=True) as it:
            await talk(it.session, TURN)
            await it.until(events.AudioChunk, 10)
            it.outlet.seen.clear()
            await talk(it.session, speech(900) + silence(1000))
            await it.until(signals.ReplyStarted)
            names = told(it.outlet)
            assert names.index("speech_started") < names.index("reply_ended")
            assert it.outlet.all(signals.ReplyEnded)[0].interrupted
            at = names.index("reply_ended")
            assert "audio_chunk" not in names[at : names.index("reply_started", at)]

    run(story())


def test_the_agent_may_be_asked_to_speak() -> None:
    def answer(request: ChatRequest) -> Sequence[ChatItem] | str:
        return f"I was told: {request.messages[-1].content}." if request.messages else "So."

    async def story() -> None:
        async with call(llm=FakeChatModel(answer), greeting=LONG, signals=True) as it:
            await it.until(events.AudioChunk)
            it.session.note("system", "The caller is called Hana")
            it.session.create_reply("Say her name")
            await it.until(signals.ReplyEnded, 2)
            greeting, reply = it.outlet.all(signals.ReplyEnded)
            assert greeting.interrupted and reply.spoken_text == "I was told: Say her name."
            triggers = [each.trigger for each in it.outlet.all(signals.ReplyStarted)]
            assert triggers == ["greeting", "reply_create"]
            asked = it.llm.requests[-1].messages
            assert [(each.role, each.content) for each in asked if each.role == "system"] == [
                ("system", "The caller is called Hana"),
                ("system", "Say her name"),
            ]
            # The instructions were for that reply only; the note stays.
            it.session.create_reply()
            await it.until(signals.ReplyEnded, 3)
            contents = [each.content for each in it.llm.requests[-1].messages]
            assert "Say her name" not in contents and "The caller is called Hana" in contents

    run(story())


def test_a_reply_asked_for_beside_a_tools_result_is_the_same_one() -> None:
    async def story() -> None:
        async with call("What is the weather?", llm=sunny(), tools=(WEATHER,), signals=True) as it:
            await talk(it.session, TURN)
            await it.until(signals.ToolsAwaited)
            it.session.tool_result(it.outlet.all(events.ToolCall)[0].call_id, "clear")
            it.session.create_reply()
            await it.until(signals.ReplyEnded)
            await asyncio.sleep(5)
            assert len(it.outlet.all(signals.ReplyStarted)) == 1 and len(it.llm.requests) == 2

    run(story())


def test_a_reply_can_be_cancelled_by_its_id_only() -> None:
    async def story() -> None:
        async with call(greeting=LONG, signals=True) as it:
            await it.until(events.AudioChunk)
            it.session.cancel_reply("resp_of_another")
            await it.until(events.AudioChunk, 10)
            it.session.cancel_reply(it.outlet.all(signals.ReplyStarted)[0].reply_id)
            await it.until(signals.ReplyEnded)
            assert it.outlet.all(signals.ReplyEnded)[0].interrupted

    run(story())


def test_each_tool_has_its_own_patience() -> None:
    two = ToolModel(script=([asks(id="a"), asks("map", id="b")], "So be it."))
    tools = (WEATHER, {"type": "function", "function": {"name": "map", "parameters": {"type": "object"}}})

    async def story() -> None:
        wishes = {"weather": 2.0, "map": 5.0}
        async with call(
            "What is the weather?", llm=two, tools=tools, tool_timeouts=wishes, signals=True
        ) as it:
            await talk(it.session, TURN)
            await it.until(events.ToolCall, 2)
            begun = asyncio.get_running_loop().time()
            await asyncio.sleep(4)
            it.session.tool_result("b", "found")
            await it.until(signals.ToolEnded, 2)
            assert asyncio.get_running_loop().time() - begun < 4.1
            ends = {each.call_id: (each.timed_out, each.result) for each in it.outlet.all(signals.ToolEnded)}
            assert ends["b"] == (False, "found") and ends["a"][0] and "within 2 s" in ends["a"][1]

    run(story())


@pytest.mark.parametrize("volume", [100.0, 50.0, 0.0])
def test_the_volume_is_of_the_voice(volume: float) -> None:
    async def story() -> None:
        async with call(greeting="Hello.", volume=volume, output_sample_rate=16_000) as it:
            await it.until(events.AudioEnd)
            audio = b"".join(each.audio for each in it.outlet.all(events.AudioChunk))
            peak = np.abs(np.frombuffer(audio, np.int16).astype(int)).max()
            assert abs(peak - 3000 * volume / 100) < 30

    run(story())


def test_hints_reach_the_recogniser() -> None:
    async def story() -> None:
        async with call("Hello.", hints=("Jimma",)) as it:
            await talk(it.session, TURN)
            it.session.update({"hints": ("Adama",)})
            await it.until(events.AudioEnd)
            await talk(it.session, TURN)
            assert it.stt.requests[0].hints == ("Jimma",) and it.stt.requests[-1].hints == ("Adama",)

    run(story())


def test_a_client_may_come_back_by_the_sessions_name() -> None:
    async def story() -> None:
        async with call(settings={"turns__resume_s": 30.0}) as it:
            await it.until(events.SessionStarted)
            it.session.detach(it.outlet)
            other = Recorder()
            for name, owner, code in (
                ("sess_unknown", "key", "session_not_found"),
                (it.session.id, "another", "session_forbidden"),
            ):
                with pytest.raises(SessionError) as caught:
                    it.registry.resumable(name, owner=owner)
                assert caught.value.code == code
            assert it.registry.resumable(it.session.id, owner="key") is it.session
            it.session.attach(other)
            await asyncio.sleep(0.1)
            assert other.all(events.SessionStarted)[0].resumed
            it.session.detach(other)
            await asyncio.sleep(31)
            with pytest.raises(SessionError) as caught:
                it.registry.resumable(it.session.id, owner="key")
            assert caught.value.code == "session_expired"

    run(story())
