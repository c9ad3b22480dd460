"""What users of such a service get wrong or complain about, row by row; here it goes well.

1 echo, 2 results of tools, 4 a pause in mid-thought, 5 names, 6 early audio, 10 greetings and forms: below.
3 silence: ``test_conversation.test_a_reply_begins_with_sound``. 7 voices:
``test_session_object.test_every_voice_of_their_catalogues_speaks``. 8 sessions that are not ended:
``test_errors.test_the_cap_of_a_token_is_enforced``, and a polite close in ``tests/clients``. 9 silent
failures: ``test_conversation.test_a_failing_model_says_so``, ``test_an_interruption`` (no unspoken text),
``test_the_model_is_told_and_speaks_of_its_own_accord``. 11 keys in a browser: temporary tokens, in
``tests/clients`` and ``tests/wire/test_tokens.py``.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from selam_agent.wire.assemblyai.errors import CODES
from tests.fakes import FakeChatModel, silence, speech
from tests.session.calls import LONG, TURN
from tests.wire.assemblyai.lines import House, Line
from tests.wire.assemblyai.test_conversation import WEATHER, play, sunny

CHUNKS = Path(__file__).parents[2] / "fixtures" / "mediarecorder_chunks.jsonl"


def test_1_the_agents_own_voice_in_the_microphone_is_no_interruption() -> None:
    async def story(at: House, line: Line) -> None:
        await line.start(greeting=LONG)
        await line.wait("reply.audio", 5)
        at.stt.otherwise = "one two three"
        await line.say(speech(500) + silence(600))
        assert (await line.wait("reply.done"))["status"] == "completed"
        assert not line.all("input.speech.started")

    play(story)


def test_2_a_result_may_come_at_once() -> None:
    async def story(at: House, line: Line) -> None:
        await line.start(tools=[WEATHER])
        await line.say(TURN)
        call = await line.wait("tool.call")
        await line.send("tool.result", call_id=call["call_id"], result="clear")
        await line.wait("reply.done", 2)
        assert [each["text"] for each in line.all("transcript.agent")] == ["Let me look.", "It is sunny."]

    play(story, llm=sunny())


def test_2_a_result_together_with_reply_create_is_one_reply() -> None:
    async def story(at: House, line: Line) -> None:
        await line.start(tools=[WEATHER])
        await line.say(TURN)
        call = await line.wait("tool.call")
        await line.wait("reply.done")
        await line.send("tool.result", call_id=call["call_id"], result="clear")
        await line.send("reply.create")
        await line.wait("reply.done", 2)
        await asyncio.sleep(5)
        assert len(line.all("reply.started")) == 2

    play(story, llm=sunny())


def test_2_a_result_for_an_interrupted_reply_lands_nowhere() -> None:
    async def story(at: House, line: Line) -> None:
        await line.start(tools=[WEATHER])
        await line.say(TURN)
        call = await line.wait("tool.call")
        await line.wait("reply.audio")
        await line.send("reply.cancel", reply_id=line.all("reply.started")[0]["reply_id"])
        assert (await line.wait("reply.done"))["status"] == "interrupted"
        await line.send("tool.result", call_id=call["call_id"], result="clear")
        await asyncio.sleep(3)
        assert not line.all("session.error") and len(line.all("reply.started")) == 1
        await line.say(TURN)
        await line.wait("tool.call", 2)
        results = [each.content for each in at.llm.requests[-1].messages if each.role == "tool"]
        assert results == ["cancelled"]

    play(story, llm=sunny())


@pytest.mark.parametrize("stated", [{}, {"type": "server_vad", "vad_threshold": 0.5}])
def test_4_a_pause_in_mid_thought_does_not_end_the_turn(stated: dict[str, object]) -> None:
    async def story(at: House, line: Line) -> None:
        await line.start(input={"turn_detection": stated or None})
        await line.say(speech(600) + silence(380) + speech(600) + silence(2200))
        await line.wait("reply.done")
        assert len(line.all("transcript.user")) == 1 and len(line.all("input.speech.stopped")) == 1

    play(story, "I want to", "I want to come on Monday.", "I want to come on Monday.")


def test_5_names_are_what_clients_of_every_age_expect() -> None:
    assert all(code == code.lower() for code in CODES)

    async def story(at: House, line: Line) -> None:
        await line.start(tools=[WEATHER])
        at.stt.script[:], at.stt.otherwise = ["What is", "What is"], "What is the weather?"
        await line.say(speech(600) + silence(250) + speech(600) + silence(1200))
        call = await line.wait("tool.call")
        assert call["args"] == call["arguments"]
        deltas = [each["text"] for each in line.all("transcript.user.delta")]
        assert deltas == sorted(deltas, key=len)  # cumulative: each is the whole so far

    play(story, llm=sunny())


def test_6_audio_before_the_session_is_kept() -> None:
    async def story(at: House, line: Line) -> None:
        await line.say(speech(600))
        await line.start()
        await line.say(silence(1200))
        await line.wait("transcript.user")
        assert len(at.stt.requests[-1].audio) > 16 * 600

    play(story)


def test_6_a_recorders_stream_is_heard_whatever_it_is_called() -> None:
    async def story(at: House, line: Line) -> None:
        await line.start()
        for row in map(json.loads, CHUNKS.read_text().splitlines()):
            chunk = row["audio"] if "audio" in row else row["data"]
            await asyncio.sleep(0.1)
            await line.send("input.audio", audio=chunk)
        await line.wait("transcript.user")
        assert not line.all("session.error")

    play(story)


def test_10_a_null_greeting_and_the_nested_form_of_tools() -> None:
    async def story(at: House, line: Line) -> None:
        function = {name: WEATHER[name] for name in ("name", "description", "parameters")}
        ready = await line.start(greeting=None, tools=[{"type": "function", "function": function}])
        assert ready["config"]["tools"][0]["name"] == "weather" and ready["config"]["greeting"] is None
        await asyncio.sleep(2)
        assert not line.all("reply.started")  # it listens first

    play(story, llm=FakeChatModel())
