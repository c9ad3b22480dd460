"""Every error and close code of the AssemblyAI protocol, and what is fatal when."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from selam_agent.errors import EngineError
from selam_agent.wire.assemblyai.errors import CODES
from tests.session.calls import TURN
from tests.virtual_clock import run
from tests.wire.assemblyai.lines import OTHER, Line, house

TOOL = {"type": "function", "name": "weather"}
LONG_PROMPT = "x" * 16_001


def heard(**detection: Any) -> dict[str, Any]:
    return {"input": {"turn_detection": detection}}


def update(session: str) -> str:
    return f'{{"type": "session.update", "session": {session}}}'


# The first update → code, param; the connection closes with 1008.
FATAL: list[tuple[Any, str, str | None]] = [
    ({"output": {"voice": "nobody"}}, "invalid_value", "output.voice"),
    ({"output": {"voice": 3}}, "invalid_value", "output.voice"),
    ({"output": {"voice": "aria"}, "language": "am"}, "invalid_config", "output.voice"),
    ({"output": {"voice": "alloy"}}, "invalid_value", "output.voice"),
    ({"output": {"volume": 101}}, "invalid_value", "output.volume"),
    ({"output": {"format": {"encoding": "audio/mp3"}}}, "invalid_value", "output.format.encoding"),
    (
        {"output": {"format": {"encoding": "audio/pcm", "sample_rate": 8000}}},
        "invalid_value",
        "output.format",
    ),
    ({"agent_id": "agent_1", "greeting": "Hi."}, "invalid_value", "agent_id"),
    ({"agent_id": "agent_1"}, "agent_not_found", "agent_id"),
    ({"llm": [{"base_url": "https://llm.example"}]}, "invalid_value", "llm"),
    ({"pre_connect_requests": [{}]}, "invalid_value", "pre_connect_requests"),
    ({"webhook": {"url": "https://hook.example", "events": []}}, "invalid_webhook", "webhook"),
    ({"volume": 3}, "invalid_value", "volume"),
    ({"language": "xx"}, "invalid_value", "language"),
    ({"system_prompt": LONG_PROMPT}, "invalid_value", "system_prompt"),
    (
        {"input": {"turn_detection": {"min_silence": 1.5}}},
        "invalid_value",
        "input.turn_detection.min_silence",
    ),
    (
        {"input": {"turn_detection": {"min_silence": 900, "max_silence": 300}}},
        *("invalid_config", "input.turn_detection"),
    ),
    (
        {"input": {"turn_detection": {"vad_threshold": 1.1}}},
        "invalid_value",
        "input.turn_detection.vad_threshold",
    ),
    ({"input": {"keyterms": ["x"] * 101}}, "invalid_value", "input.keyterms"),
    ({"input": {"transcription_prompt": "x" * 1751}}, "invalid_value", "input.transcription_prompt"),
    ({"input": {"transcription_mode": "fast"}}, "invalid_value", "input.transcription_mode"),
    ({"tools": [{**TOOL, "name": "a b"}]}, "invalid_value", "tools[0].name"),
    ({"tools": [TOOL, TOOL]}, "invalid_value", "tools"),
    ({"tools": [{**TOOL, "timeout_seconds": 301}]}, "invalid_value", "tools[0].timeout_seconds"),
    ({"tools": [{**TOOL, "parameters": {"properties": []}}]}, "invalid_value", "tools[0].parameters"),
    ({"tools": [{**TOOL, "http": {"url": "https://x"}}]}, "invalid_value", "tools[0].http"),
]


@pytest.mark.parametrize(("session", "code", "param"), FATAL)
def test_a_wrong_first_update_is_fatal(session: Any, code: str, param: str | None) -> None:
    async def story() -> None:
        async with house() as at:
            line = at.line()
            await line.send("session.update", session=session)
            (error,) = line.all("session.error")
            assert (error["code"], error["param"], error["session_id"]) == (code, param, None)
            assert await line.closed() == 1008 and line.types() == ["session.error"]
            assert not at.registry.sessions

    run(story())


def test_an_unknown_voice_is_told_which_there_are() -> None:
    async def story() -> None:
        async with house() as at:
            line = at.line()
            await line.send("session.update", session={"output": {"voice": "nobody"}})
            assert "aria" in line.all("session.error")[0]["message"]

    run(story())


# After session.ready: message → code, param; the session goes on.
HARMLESS: list[tuple[str, str, str | None]] = [
    ("{", "invalid_format", None),
    ("[]", "invalid_format", None),
    ("7", "invalid_format", None),
    ('{"session": {}}', "invalid_format", None),
    ('{"type": "session.dance"}', "invalid_format", None),
    ('{"type": "input.audio"}', "invalid_format", None),
    ('{"type": "input.audio", "audio": 3}', "invalid_format", None),
    ('{"type": "input.audio", "audio": "?"}', "invalid_audio", None),
    ('{"type": "tool.result", "call_id": "x"}', "invalid_format", None),
    ('{"type": "tool.result", "call_id": "x", "result": "y"}', "invalid_value", "call_id"),
    ('{"type": "conversation.message", "role": "assistant", "content": "x"}', "invalid_format", None),
    ('{"type": "conversation.message", "content": "x"}', "invalid_format", None),
    ('{"type": "reply.create", "instructions": 3}', "invalid_format", None),
    ('{"type": "reply.cancel"}', "invalid_format", None),
    ('{"type": "session.resume", "session_id": "sess_1"}', "invalid_format", None),
    (update("3"), "invalid_format", None),
    (
        update('{"output": {"voice": "nobody"}}'),
        "immutable_field",
        "output.voice",
    ),
    (update('{"output": {"type": "text"}}'), "immutable_field", "output.type"),
    (update('{"output": {"format": {"encoding": "audio/pcmu"}}}'), "immutable_field", "output.format"),
    (update('{"greeting": "Other."}'), "immutable_field", "greeting"),
    (update('{"agent_id": "agent_1"}'), "agent_id_not_first", "agent_id"),
    (update('{"output": {"volume": -1}}'), "invalid_value", "output.volume"),
    (update('{"webhook": {"url": "x"}}'), "invalid_webhook", "webhook"),
]


@pytest.mark.parametrize(("message", "code", "param"), HARMLESS)
def test_other_mistakes_leave_the_session(message: str, code: str, param: str | None) -> None:
    async def story() -> None:
        async with house() as at:
            line = at.line()
            ready = await line.start(greeting="Hello.")
            before = ready["config"]
            await line.connection.receive(message)
            (error,) = line.all("session.error")
            assert (error["code"], error["param"]) == (code, param)
            assert error["session_id"] == ready["session_id"] and error["message"]
            await line.send("session.update")
            assert (await line.wait("session.updated", 2))["config"] == before
            await line.send("reply.create")
            await line.wait("reply.done")
            assert line.wire.code is None
            line.connection.lost(left=True)

    run(story())


@pytest.mark.parametrize("message", ["{", update("3"), '{"type": "reply.create"}'])
def test_a_mistake_before_the_first_update_is_not_fatal(message: str) -> None:
    async def story() -> None:
        async with house() as at:
            line = at.line()
            await line.connection.receive(message)
            assert line.all("session.error")[0]["code"] == "invalid_format"
            await line.start(greeting=None)
            line.connection.lost(left=True)

    run(story())


def test_resuming() -> None:
    async def refused(line: Line, session_id: str) -> str:
        await line.send("session.resume", session_id=session_id)
        assert await line.closed() == 1008
        return str(line.all("session.error")[0]["code"])

    async def story() -> None:
        async with house(turns__resume_s=30.0) as at:
            line = at.line()
            session_id = (await line.start())["session_id"]
            line.connection.lost(left=False)
            assert await refused(at.line(), "sess_unknown") == "session_not_found"
            assert await refused(at.line(OTHER), session_id) == "session_forbidden"
            await asyncio.sleep(31)
            assert await refused(at.line(), session_id) == "session_expired"

    run(story())


def test_a_connection_whose_session_goes_on_elsewhere() -> None:
    async def story() -> None:
        async with house() as at:
            line, other = at.line(), at.line()
            at.door._connections.add(line.connection)
            session_id = (await line.start())["session_id"]
            await other.send("session.resume", session_id=session_id)
            await other.wait("session.ready")
            assert await line.closed() == 1008
            line.connection.lost(left=True)
            await other.send("reply.create")
            await other.wait("reply.done")
            other.connection.lost(left=True)

    run(story())


def test_a_full_server() -> None:
    async def story() -> None:
        async with house(server__max_sessions=1) as at:
            first, second = at.line(), at.line()
            await first.start()
            await second.send("session.update")
            assert await second.closed() == 1008
            assert second.all("session.error")[0]["code"] == "at_capacity"
            first.connection.lost(left=True)

    run(story())


@pytest.mark.parametrize(
    ("reason", "code", "close"),
    [
        ("idle", "session_expired", 1008),
        ("max_duration", "session_expired", 1008),
        ("shutdown", "internal_error", 1011),
        ("error", "internal_error", 1011),
    ],
)
def test_the_server_ends_it(reason: str, code: str, close: int) -> None:
    async def story() -> None:
        async with house() as at:
            line = at.line()
            session_id = (await line.start())["session_id"]
            at.registry.sessions[session_id].end(reason)
            assert await line.closed() == close
            assert line.all("session.error")[0]["code"] == code and not line.all("session.ended")

    run(story())


def test_the_cap_of_a_token_is_enforced() -> None:
    async def story() -> None:
        async with house() as at:
            line = at.line(max_session_s=60.0)
            begun = asyncio.get_running_loop().time()
            await line.start()
            assert await line.closed(within=90) == 1008
            assert abs(asyncio.get_running_loop().time() - begun - 60) < 1

    run(story())


def test_a_resume_token_opens_nothing_new() -> None:
    async def story() -> None:
        async with house() as at:
            line = at.line(resumes_only=True)
            await line.send("session.update")
            assert await line.closed() == 1008
            assert line.all("session.error")[0]["code"] == "unauthorized"

    run(story())


def test_audio_faster_than_real_time() -> None:
    async def story() -> None:
        async with house() as at:
            line = at.line()
            await line.start()
            second = bytes(48_000)
            for _ in range(29):
                await line.hear(second)
            await asyncio.sleep(0.1)
            assert not line.all("session.error")
            for _ in range(4):
                await line.hear(second)
            error = await line.wait("session.error")
            assert error["code"] == "audio_rate_violation" and line.wire.code is None
            line.connection.lost(left=True)

    run(story())


def test_a_recogniser_that_fails() -> None:
    async def story() -> None:
        async with house() as at:
            at.stt.otherwise = EngineError("It is gone.", code="stt_failed")
            line = at.line()
            await line.start()
            await line.say(TURN)
            assert (await line.wait("session.error"))["code"] == "internal_error"
            await line.wait("reply.done")
            line.connection.lost(left=True)

    run(story())


def test_ending_without_a_session() -> None:
    async def story() -> None:
        async with house() as at:
            line = at.line()
            await line.send("session.end")
            assert await line.closed() == 1000 and line.types() == ["session.ended"]

    run(story())


def test_every_code_is_in_a_table() -> None:
    """``unauthorized`` at the handshake and ``concurrency_exceeded`` are told over a real socket."""
    told = {code for _, code, _ in FATAL} | {code for _, code, _ in HARMLESS}
    told |= {"session_not_found", "session_forbidden", "session_expired", "at_capacity", "internal_error"}
    told |= {"unauthorized", "audio_rate_violation", "concurrency_exceeded"}
    assert told == CODES
