"""The client over a real socket, against a server that speaks the documented protocol."""

from __future__ import annotations

import asyncio
import textwrap
from typing import Any

import numpy as np
import pytest

from selam_agent import client as client_module
from selam_agent.client import (
    AudioChunk,
    AudioEnd,
    ClientTimeout,
    Connected,
    ConnectionLost,
    ConnectionRefused,
    EventsOverflow,
    RequestRefused,
    Response,
    SelamClient,
    SessionEnded,
    SessionStarted,
    ToolCall,
    Transcription,
    VoiceChanged,
)
from selam_agent.client_events import ErrorEvent, Unknown, parse_event
from tests.programs.fake_agent import KEY, Turn, fake_agent

SPEECH = (8000 * np.sin(np.arange(8000) / 7)).astype(np.int16).tobytes()
SILENCE = bytes(2 * 8000)


async def test_a_turn_from_speech_to_the_end_of_the_answer() -> None:
    async with (
        fake_agent(Turn("Hello.", "Hello, caller.", speech_ms=120)) as (url, agent),
        SelamClient(url, api_key=KEY, voice="aria") as client,
    ):
        session = await client.start_session(language="en", output_format="pcm16")
        assert session.engines["stt"]["name"] == "loudness"
        assert session.raw["something_new"] == 1
        for chunk in (SPEECH, SILENCE):
            await client.send_audio(chunk)
        seen = []
        async for event in client.events():
            seen.append(event)
            if isinstance(event, AudioEnd):
                await client.end_session()
    kinds = [type(event) for event in seen]
    assert kinds[:2] == [Connected, SessionStarted]
    assert kinds[-1] is SessionEnded
    assert [e.text for e in seen if isinstance(e, Transcription | Response)] == ["Hello.", "Hello, caller."]
    chunks = [e for e in seen if isinstance(e, AudioChunk)]
    assert len(chunks) == 3 and all(len(e.audio) == 1920 for e in chunks)
    # What was not asked for is the server's to decide.
    assert agent.started == [{"voice": "aria", "language": "en", "output_format": "pcm16", "binary": True}]


async def test_a_refusal_says_what_the_server_said() -> None:
    async with fake_agent() as (url, _):
        with pytest.raises(ConnectionRefused) as refused:
            async with SelamClient(url, api_key="sk-wrong", voice="aria"):
                pass
    assert refused.value.error.type == "authentication_error"
    assert refused.value.error.code == "invalid_api_key"


async def test_nobody_at_the_address() -> None:
    with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1:9"):
        async with SelamClient("http://127.0.0.1:9", api_key=KEY, voice="aria"):
            pass


async def test_errors_answer_the_request_that_waits() -> None:
    async with fake_agent() as (url, _), SelamClient(url, api_key=KEY, voice="aria", timeout=0.5) as client:
        with pytest.raises(RequestRefused, match="no xx"):
            await client.start_session(language="xx")
        await client.start_session(language="en")
        assert (await client.interrupt()).action == "interrupt"
        with pytest.raises(RequestRefused, match="cannot dance"):
            await client.control("dance")  # type: ignore[arg-type]
        with pytest.raises(ClientTimeout, match="control silence"):
            await client.control("silence")  # type: ignore[arg-type]


async def test_a_lost_connection_ends_the_events_and_refuses_audio() -> None:
    async with fake_agent() as (url, _), SelamClient(url, api_key=KEY, voice="aria") as client:
        await client._sio.emit("leave", namespace="/v1/audio/agent")
        with pytest.raises(ConnectionLost):
            async for _event in client.events():
                pass
        with pytest.raises(ConnectionLost):
            await client.send_audio(SILENCE)


async def test_unread_events_are_bounded_and_the_loss_is_told() -> None:
    async with fake_agent() as (url, _), SelamClient(url, api_key=KEY, voice="aria", max_events=10) as client:
        await client._sio.emit("flood", 25, namespace="/v1/audio/agent")
        # The answer to a later request comes after the flood.
        await client.interrupt()
        with pytest.raises(EventsOverflow) as lost:
            await anext(client.events())
        assert lost.value.dropped == 17
        assert (await anext(client.events())).raw == {"text": "16"}


def test_names_that_a_dataclass_cannot_have() -> None:
    call = parse_event("tool_call", {"call_id": "a", "name": "weather", "arguments": {"city": "Jimma"}})
    assert call == ToolCall(call_id="a", tool="weather", arguments={"city": "Jimma"})
    changed = parse_event("voice_changed", {"from": "aria", "to": "ubax", "language": "so"})
    assert changed == VoiceChanged(old_voice="aria", new_voice="ubax", language="so")


def test_payloads_of_any_kind_are_read_or_kept() -> None:
    chunk = parse_event("audio_chunk", {"audio": "AAEC", "words": [["hi", 0, 90]]})
    assert isinstance(chunk, AudioChunk)
    assert chunk.audio == b"\x00\x01\x02" and chunk.words == (("hi", 0, 90),)
    assert isinstance(parse_event("audio_chunk", {"audio": "not base64"}), Unknown)
    assert isinstance(parse_event("audio_chunk", {"audio": None}), Unknown)
    assert parse_event("news", {"a": 1}) == Unknown(event="news", raw={"a": 1})
    assert parse_event("error", {"type": "audio_error", "extra": 1}) == ErrorEvent(type="audio_error")


async def test_the_example_of_the_documentation_runs(capsys: pytest.CaptureFixture[str]) -> None:
    text = textwrap.dedent(str(client_module.__doc__).partition("::\n")[2].partition("When the")[0])
    names: dict[str, Any] = {}
    exec(text.partition("asyncio.run(")[0], names)
    async with fake_agent(Turn("Hello.", "Hello, caller.", speech_ms=80)) as (url, _):
        await asyncio.wait_for(names["ask"](url, KEY, SPEECH), 10)
    assert capsys.readouterr().out == "listening with loudness\ncaller: Hello.\nagent: Hello, caller.\n"
