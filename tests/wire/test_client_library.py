"""Our own client against the real server: what the documented protocol has no words for."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from selam_agent.client import (
    AudioChunk,
    AudioEnd,
    ConnectionLost,
    RequestRefused,
    SelamClient,
    SessionEnded,
    ToolCall,
    VoiceChanged,
)
from selam_agent.ports import ChatModelInfo, Text
from selam_agent.ports import ToolCall as Called
from tests.fakes import FakeChatModel, FakeSynthesizer
from tests.wire.doors import KEY, running, scripted

TOOL = {"type": "function", "function": {"name": "weather"}}


async def test_a_break_and_a_return(tmp_path: Path) -> None:
    engines = scripted(synthesizers={"espeak": FakeSynthesizer(delay=0.01, ms_per_word=600)})
    async with running(tmp_path, engines=engines) as app:
        client = SelamClient(app.url, api_key=KEY, voice="aria")
        await client.connect()
        started = await client.start_session(language="en", output_format="pcm16")
        await client.send_text("Hello.")
        with pytest.raises(ConnectionLost):
            async for event in client.events():
                if isinstance(event, AudioChunk) and event.index == 3:
                    await client.send_playback_position(event.reply_id, 80)
                    client._sio.eio.ws._response.connection.transport.abort()
        assert client.resume_token is not None
        async with SelamClient(app.url, api_key=KEY, voice="aria") as again:
            resumed = await again.resume(client.resume_token)
            assert resumed.resumed and resumed.session_id == started.session_id
            with pytest.raises(RequestRefused, match="cannot be resumed"):
                await again.resume(client.resume_token)
            async for event in again.events():
                if isinstance(event, AudioEnd):
                    assert event.spoken_text == "Good day to you." and not event.interrupted
                    break
            await again.end_session()


class Caller(FakeChatModel):
    @property
    def info(self) -> ChatModelInfo:
        return dataclasses.replace(super().info, calls_tools=True)


async def test_tools_and_new_wishes(tmp_path: Path) -> None:
    def answer(request: Any) -> list[Any]:
        if request.messages[-1].role == "tool":
            return [Text("Sunny, goodbye."), Called("z", "end_call", {})]
        return [Called("a", "weather", {})]

    engines = scripted(chat_model=Caller(answer, delay=0.01))
    async with (
        running(tmp_path, engines=engines) as app,
        SelamClient(app.url, api_key=KEY, voice="aria") as client,
    ):
        await client.start_session(language="en", tools=[TOOL], end_call=True, output_format="pcm16")
        updated = await client.update_session(voice="andrew", min_silence=300)
        assert updated.voice == "andrew" and updated.raw["min_silence"] == 300
        await client.send_text("What is the weather?")
        seen = []
        async for event in client.events():
            seen.append(event)
            if isinstance(event, ToolCall):
                assert event.tool == "weather"
                await client.send_tool_result(event.call_id, {"sky": "clear"})
        assert isinstance(seen[-1], SessionEnded) and seen[-1].reason == "agent"
        assert any(isinstance(each, VoiceChanged) and each.new_voice == "andrew" for each in seen)
        assert '{"sky": "clear"}' in [each.content for each in engines.chat_model.requests[-1].messages]
