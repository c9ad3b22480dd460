"""Whole conversations over the AssemblyAI door: which frames come, in which order, with which fields."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from selam_agent.ports import SpeechChunk, SynthesisRequest, Text, ToolCall
from selam_agent.wire.assemblyai import schema
from tests.fakes import FakeChatModel, FakeSynthesizer, silence, speech
from tests.session.calls import LONG, TURN
from tests.session.test_tools import ToolModel, asks
from tests.virtual_clock import run
from tests.wire.assemblyai.lines import House, Line, house

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": []},
}
FIELDS = {
    "session.ready": {"session_id", "expires_at", "resume_token", "config"},
    "session.updated": {"config"},
    "session.error": {"code", "message", "param", "session_id"},
    "session.ended": {"session_duration_seconds", "audio_duration_seconds"},
    "input.speech.started": set(),
    "input.speech.stopped": set(),
    "transcript.user.delta": {"item_id", "text"},
    "transcript.user": {"item_id", "text"},
    "reply.started": {"reply_id", "item_id"},
    "reply.audio": {"reply_id", "data"},
    "transcript.agent.delta": {"reply_id", "item_id", "delta", "start_ms", "end_ms"},
    "transcript.agent": {"reply_id", "item_id", "text", "interrupted"},
    "reply.done": {"reply_id", "status"},
    "reply.error": {
        *("reply_id", "code", "message", "retryable"),
        *("status_code", "provider_code", "provider_param"),
    },
    "tool.call": {"call_id", "name", "arguments", "args"},
}
SCHEMA = schema.events(schema.ServerEvent)
REPLY = ["reply.started", "reply.audio", "transcript.agent.delta", "transcript.agent", "reply.done"]

Story = Callable[[House, Line], Coroutine[Any, Any, None]]


def play(story: Story, *said: Any, legacy: bool = False, **options: Any) -> None:
    """Runs a story on one line, and checks what is true of every frame."""

    async def whole() -> None:
        async with house(*said, **options) as at:
            line = at.line(legacy=legacy)
            await story(at, line)
            for _, frame in line.wire.frames:
                assert set(frame) - {"type", "timestamp"} == FIELDS[frame["type"]], frame
                SCHEMA[frame["type"]].model_validate(frame)
            if line.connection.started:
                line.connection.lost(left=True)

    run(whole())


def sunny() -> ToolModel:
    return ToolModel(script=([Text("Let me look."), asks(city="Jimma")], [Text("It is sunny.")]))


def test_greeting_turn_and_end() -> None:
    async def story(at: House, line: Line) -> None:
        ready = await line.start(greeting="Hello there.", output={"voice": "ivy"})
        assert ready["session_id"].startswith("sess_") and len(ready["session_id"]) == 37
        assert isinstance(ready["expires_at"], int) and ready["resume_token"]
        await line.wait("reply.done")
        await line.say(TURN)
        await line.wait("reply.done", 2)
        await line.send("session.end")
        assert await line.closed() == 1000
        assert line.types() == [
            *("session.updated", "session.ready"),
            *REPLY,
            *("input.speech.started", "transcript.user.delta", "input.speech.stopped", "transcript.user"),
            *REPLY,
            "session.ended",
        ]
        greeting, answer = line.all("transcript.agent")
        assert (greeting["text"], greeting["interrupted"]) == ("Hello there.", False)
        assert answer["text"] == "Good day."
        assert [each["status"] for each in line.all("reply.done")] == ["completed"] * 2
        (said,) = line.all("transcript.user")
        assert said["text"] == "Hello." and said["item_id"].startswith("msg_")
        assert {each["item_id"] for each in line.all("transcript.user.delta")} == {said["item_id"]}
        started = line.all("reply.started")[1]
        ours = [frame for _, frame in line.wire.frames if frame.get("reply_id") == started["reply_id"]]
        assert {frame["item_id"] for frame in ours if "item_id" in frame} == {started["item_id"]}
        words = [each for each in line.all("transcript.agent.delta") if each in ours]
        assert "".join(each["delta"] for each in words).split() == ["Good", "day."]
        assert [(each["start_ms"], each["end_ms"]) for each in words] == [(0, 200), (200, 400)]
        audio = b"".join(each["data"] for each in line.all("reply.audio") if each in ours)
        assert abs(len(audio) - 2 * 24 * 400) < 200
        ended = line.all("session.ended")[0]
        assert abs(ended["audio_duration_seconds"] - len(TURN) / 32_000) < 0.05
        assert ended["session_duration_seconds"] > ended["audio_duration_seconds"]

    play(story, "Hello.")


def test_an_interruption() -> None:
    async def story(at: House, line: Line) -> None:
        await line.start()
        await line.say(TURN)
        await line.wait("reply.audio", 20)
        await line.say(speech(900) + silence(1000))
        await line.wait("reply.started", 2)
        done = line.all("reply.done")[0]
        assert done["status"] == "interrupted"
        types = [(frame["type"], frame.get("reply_id")) for _, frame in line.wire.frames]
        at_done = types.index(("reply.done", done["reply_id"]))
        assert ("reply.audio", done["reply_id"]) not in types[at_done:]
        assert types[at_done - 2][0] == "input.speech.started"
        said = line.all("transcript.agent")[0]
        assert said["interrupted"] and LONG.startswith(said["text"]) and len(said["text"]) < len(LONG) - 10

    play(story, "Hello.", "Wait, stop now.", llm=FakeChatModel(LONG))


def test_a_backchannel_interrupts_nothing() -> None:
    async def story(at: House, line: Line) -> None:
        await line.start()
        at.stt.otherwise = "Uh-huh."
        await line.send("reply.create")
        await line.wait("reply.audio", 10)
        await line.say(speech(300) + silence(1500))
        assert (await line.wait("reply.done"))["status"] == "completed"
        assert not line.all("input.speech.started")

    play(story, llm=FakeChatModel(LONG))


@pytest.mark.parametrize("result", ["clear", '{"sky": "clear"}', {"sky": "clear"}])
def test_a_tool_turn(result: Any) -> None:
    async def story(at: House, line: Line) -> None:
        await line.start(tools=[WEATHER])
        await line.say(TURN)
        await line.wait("reply.done")
        (call,) = line.all("tool.call")
        assert (call["name"], call["arguments"], call["args"]) == ("weather", *[{"city": "Jimma"}] * 2)
        await line.send("tool.result", call_id=call["call_id"], result=result, is_error=False)
        await line.wait("reply.done", 2)
        types = line.types()
        assert types[types.index("transcript.user") + 1 :] == [
            *("reply.started", "tool.call", "reply.audio", "transcript.agent.delta"),
            *("transcript.agent", "reply.done", *REPLY),
        ]
        first, second = line.all("transcript.agent")
        assert (first["text"], second["text"]) == ("Let me look.", "It is sunny.")
        assert first["reply_id"] != second["reply_id"] and second["reply_id"].startswith("resp_")
        assert line.all("transcript.agent.delta")[3]["start_ms"] == 0
        heard = at.llm.requests[-1].messages[-1]
        assert heard.role == "tool" and "clear" in heard.content

    play(story, "What is the weather?", llm=sunny())


def test_a_tools_own_patience_and_what_the_model_is_told_with_its_result() -> None:
    async def story(at: House, line: Line) -> None:
        steered = {"success": "Be brief.", "error": "Say sorry."}
        await line.start(tools=[{**WEATHER, "timeout_seconds": 3, "response_instructions": steered}])
        await line.say(TURN)
        call = await line.wait("tool.call")
        await line.send("tool.result", call_id=call["call_id"], result="no", is_error=True)
        await line.wait("reply.done", 2)
        assert at.llm.requests[-1].messages[-1].content == '{"error": "no"}\n\nSay sorry.'
        await line.say(TURN)
        await line.wait("tool.call", 2)
        begun = asyncio.get_running_loop().time()
        await line.wait("reply.started", 4)
        assert asyncio.get_running_loop().time() - begun < 5
        assert "no answer within 3 s" in at.llm.requests[-1].messages[-1].content

    play(story, llm=sunny())


def test_the_model_is_told_and_speaks_of_its_own_accord() -> None:
    async def story(at: House, line: Line) -> None:
        await line.start(greeting=LONG)
        await line.wait("reply.audio")
        await line.send("conversation.message", role="user", content="My name is Hana.")
        await line.send("conversation.message", role="system", content="She is a regular.")
        await line.send("reply.create", instructions="Use her name.")
        await line.wait("reply.done", 2)
        assert [each["status"] for each in line.all("reply.done")] == ["interrupted", "completed"]
        contents = [each.content for each in at.llm.requests[-1].messages]
        assert contents[-3:] == ["My name is Hana.", "She is a regular.", "Use her name."]

    play(story)


def test_a_reply_is_cancelled() -> None:
    async def story(at: House, line: Line) -> None:
        await line.start(greeting=LONG)
        await line.wait("reply.audio")
        await line.send("reply.cancel", reply_id="resp_nothing")
        await line.send("reply.cancel", reply_id=line.all("reply.started")[0]["reply_id"])
        assert (await line.wait("reply.done"))["status"] == "interrupted"

    play(story)


def test_the_older_dialect() -> None:
    async def story(at: House, line: Line) -> None:
        line.wire.put(at.door._ready_before(line.connection))  # the door does when it is connected
        await line.send("session.update", session={"greeting": LONG})
        await line.wait("reply.audio")
        assert line.types()[:3] == ["session.ready", "session.updated", "reply.started"]
        await line.send("reply.cancel", reply_id=line.all("reply.started")[0]["reply_id"])
        await line.wait("reply.done")
        assert line.types()[-3:] == ["transcript.agent", "reply.interrupted", "reply.done"]

    FIELDS["reply.interrupted"] = {"reply_id"}
    play(story, legacy=True)


@pytest.mark.parametrize(
    ("encoding", "rate", "width"),
    [("audio/pcm", 24_000, 2), ("audio/pcmu", 8_000, 1), ("audio/pcma", 8_000, 1)],
)
def test_formats_of_output(encoding: str, rate: int, width: int) -> None:
    async def story(at: House, line: Line) -> None:
        ready = await line.start(greeting="Hello there.", output={"format": {"encoding": encoding}})
        assert ready["config"]["output"]["format"] == {"encoding": encoding, "sample_rate": rate}
        await line.wait("reply.done")
        audio = b"".join(each["data"] for each in line.all("reply.audio"))
        assert abs(len(audio) / width / rate - 0.4) < 0.01

    play(story)


@pytest.mark.parametrize("encoding", ["audio/pcm", "audio/pcmu"])
def test_formats_of_input_and_their_change(encoding: str) -> None:
    from selam_agent.audio.pcm import g711_encode

    async def speak(line: Line) -> None:
        if encoding == "audio/pcm":
            await line.say(TURN)
            return
        mulaw = g711_encode(np.frombuffer(TURN, np.int16)[::2], "pcmu")
        for begin in range(0, len(mulaw), 400):
            await asyncio.sleep(0.05)
            await line.hear(mulaw[begin : begin + 400])

    async def story(at: House, line: Line) -> None:
        await line.start(input={"format": {"encoding": "audio/pcma"}})
        await line.send("session.update", session={"input": {"format": {"encoding": encoding}}})
        updated = await line.wait("session.updated", 2)
        assert updated["config"]["input"]["format"]["encoding"] == encoding
        await speak(line)
        assert (await line.wait("transcript.user"))["text"] == "Hello."
        heard = at.stt.requests[-1].audio
        assert 500 < np.abs(heard.astype(int)).max() < 12_000

    play(story)


def test_text_only() -> None:
    async def story(at: House, line: Line) -> None:
        await line.start(greeting="Hello there.", output={"type": "text"})
        await line.wait("reply.done")
        assert not line.all("reply.audio") and line.all("transcript.agent")[0]["text"] == "Hello there."

    play(story)


def test_a_failing_model_says_so() -> None:
    async def story(at: House, line: Line) -> None:
        await line.start()
        await line.say(TURN)
        error = await line.wait("reply.error")
        assert (error["code"], error["retryable"]) == ("llm_failed", True)
        await line.wait("reply.done")
        assert error["reply_id"] == line.all("reply.done")[0]["reply_id"]
        assert line.all("transcript.agent")[0]["text"].startswith("Sorry")

    play(story, llm=FakeChatModel(fails_after=0))


def test_a_failing_voice_says_so() -> None:
    async def story(at: House, line: Line) -> None:
        await line.start(greeting="Hello.")
        assert (await line.wait("reply.error"))["code"] == "tts_failed"
        assert (await line.wait("reply.done"))["status"] == "interrupted"
        assert not line.all("transcript.agent")

    play(story, tts=FakeSynthesizer(fails=True))


def test_resume_with_history_unheard_audio_and_a_pending_call() -> None:
    async def story(at: House, line: Line) -> None:
        ready = await line.start(tools=[WEATHER])
        await line.say(TURN)
        call = await line.wait("tool.call")
        await asyncio.sleep(0.1)
        line.connection.lost(left=False)
        await asyncio.sleep(20)
        other = at.line()
        await other.send("session.resume", session_id=ready["session_id"])
        again = await other.wait("session.ready")
        assert again["session_id"] == ready["session_id"] and again["config"] == ready["config"]
        assert again["resume_token"] not in ("", ready["resume_token"])
        assert (await other.wait("tool.call"))["call_id"] == call["call_id"]
        await other.wait("reply.audio")
        await other.send("tool.result", call_id=call["call_id"], result="clear")
        await other.wait("reply.done", 2)
        first, second = other.all("transcript.agent")
        assert (first["text"], second["text"]) == ("Let me look.", "It is sunny.")
        assert first["reply_id"] == line.all("reply.started")[0]["reply_id"]
        await other.say(TURN)
        await other.wait("transcript.user")
        await other.wait("reply.done", 3)
        contents = [each.content for each in at.llm.requests[-1].messages]
        assert contents[0] == "What is the weather?" and "Let me look." in contents
        await other.send("session.end")
        assert await other.closed() == 1000

    play(story, "What is the weather?", llm=sunny())


def test_what_is_changed_is_changed() -> None:
    async def story(at: House, line: Line) -> None:
        await line.start(system_prompt="One.", input={"keyterms": ["Jimma"]}, output={"volume": 50})
        changes = {
            "system_prompt": "Two.",
            "tools": [WEATHER],
            "input": {
                "keyterms": ["Adama"],
                "transcription_prompt": "A clinic.",
                "turn_detection": {"min_silence": 2000},
            },
            "output": {"volume": 100},
        }
        await line.send("session.update", session=changes)
        config = (await line.wait("session.updated", 2))["config"]
        assert config["system_prompt"] == "Two." and config["tools"][0]["timeout_seconds"] == 120
        assert config["input"]["keyterms"] == ["Adama"] and config["output"]["volume"] == 100
        await line.say(speech(600) + silence(2500))
        await line.wait("reply.done")
        at_ms = {frame["type"]: when for when, frame in line.wire.frames}
        assert at_ms["input.speech.stopped"] - at_ms["input.speech.started"] > 2.3
        assert at.stt.requests[-1].hints == ("A clinic.", "Adama")
        (request,) = at.llm.requests[-1:]
        assert request.instructions == "Two."
        peak = max(
            int(np.abs(np.frombuffer(each["data"], np.int16).astype(int)).max())
            for each in line.all("reply.audio")
        )
        assert peak > 2500

    play(story)


class LateVoice(FakeSynthesizer):
    """Begins with a second of nothing, as voices do."""

    async def synthesize(self, request: SynthesisRequest) -> Any:
        yield SpeechChunk(pcm=bytes(32_000), sample_rate=16_000)
        async for chunk in super().synthesize(request):
            later = tuple(
                replace(each, start_ms=each.start_ms + 1000, end_ms=each.end_ms + 1000)
                for each in chunk.words
            )
            yield replace(chunk, words=later)


def test_a_reply_begins_with_sound() -> None:
    async def story(at: House, line: Line) -> None:
        await line.start(greeting="Hello there.")
        first = np.frombuffer((await line.wait("reply.audio"))["data"], np.int16)
        assert np.abs(first[:100].astype(int)).max() > 100
        await line.wait("reply.done")
        assert line.all("transcript.agent.delta")[0]["start_ms"] == 0

    play(story, tts=LateVoice())


def test_calls_of_one_reply_are_answered_each() -> None:
    async def story(at: House, line: Line) -> None:
        await line.start(tools=[WEATHER])
        await line.say(TURN)
        await line.wait("tool.call", 2)
        for call in line.all("tool.call")[::-1]:
            await line.send("tool.result", call_id=call["call_id"], result=call["arguments"]["city"])
        await line.wait("reply.done", 2)
        assert [each.content for each in at.llm.requests[-1].messages[-2:]] == ["Jimma", "Adama"]
        assert len(line.all("reply.started")) == 2

    both = [ToolCall("a", "weather", {"city": "Jimma"}), ToolCall("b", "weather", {"city": "Adama"})]
    play(story, llm=ToolModel(script=(both, [Text("Sunny in both.")])))


@pytest.mark.parametrize("mode", ["interactive", "hold"])
def test_what_is_said_while_a_tool_runs(mode: str) -> None:
    async def story(at: House, line: Line) -> None:
        await line.start(tools=[{**WEATHER, "execution_mode": mode}])
        await line.say(TURN)
        call = await line.wait("tool.call")
        # The client holds its result until reply.done is the latest event, as it is told to.
        await line.wait("reply.done")
        await asyncio.sleep(4)
        meanwhile = ["One moment."] if mode == "interactive" else []
        assert [each["text"] for each in line.all("transcript.agent")] == meanwhile
        assert line.types()[-1] == "reply.done"
        await line.send("tool.result", call_id=call["call_id"], result="clear")
        await line.send("reply.create")
        await line.wait("transcript.agent", len(meanwhile) + 1)
        await asyncio.sleep(3)
        assert [each["text"] for each in line.all("transcript.agent")] == [*meanwhile, "It is sunny."]

    play(story, llm=ToolModel(script=([asks(city="Jimma")], [Text("It is sunny.")])))


def test_a_quick_tool_needs_no_words() -> None:
    async def story(at: House, line: Line) -> None:
        await line.start(tools=[WEATHER])
        await line.say(TURN)
        call = await line.wait("tool.call")
        await line.wait("reply.done")
        await asyncio.sleep(0.5)
        await line.send("tool.result", call_id=call["call_id"], result="clear")
        await line.wait("transcript.agent")
        assert line.all("transcript.agent")[0]["text"] == "It is sunny."

    play(story, llm=ToolModel(script=([asks(city="Jimma")], [Text("It is sunny.")])))
