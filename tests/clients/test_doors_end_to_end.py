"""Whole conversations through each door with the embedded recogniser and voice; the model is scripted."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import numpy as np
import pytest
import pytest_asyncio

from selam_agent import app_engines
from selam_agent.app import App
from selam_agent.audio.pcm import StreamResampler, g711_decode, g711_encode
from selam_agent.languages import packs
from selam_agent.ports import ChatItem, ChatModelInfo, ChatRequest, Text, ToolCall, TranscriptionRequest
from selam_agent.settings import Settings
from tests.clients.assemblyai_client import VoiceAgent, connected
from tests.clients.twilio_side import calling, ring
from tests.fakes import FakeChatModel
from tests.speech import spoken
from tests.wire.doors import KEY, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUTH = "a-twilio-auth-token"
CLOCK = {"type": "function", "name": "clock", "description": "The time.", "parameters": {"type": "object"}}
STORY = "It is nine, which is early, and there is so much more that I could tell you about the hour."
RATES = {"audio/pcm": 48_000, "audio/pcmu": 8_000}


@dataclass
class Script(FakeChatModel):
    """Asks for the time where it is asked for it, and says goodbye to thanks."""

    delay: float = 0.01

    def __post_init__(self) -> None:
        self.answer = self._answer

    @property
    def info(self) -> ChatModelInfo:
        return replace(super().info, calls_tools=True)

    def _answer(self, request: ChatRequest) -> Sequence[ChatItem] | str:
        last = request.messages[-1]
        if last.role == "tool":
            return STORY
        if "time" in last.content:
            return [Text("Let me look."), ToolCall("call_1", "clock", {})]
        return "Goodbye." if "hank" in last.content else "Yes."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    settings, known = Settings(), packs.load()
    engines = replace(app_engines.build(settings, known), chat_model=Script())
    sections = {
        "records": {"keep": "audio"},
        "twilio": {"auth_token": AUTH, "voice": "aria", "language": "en", "greeting": "Good morning."},
    }
    path = tmp_path_factory.mktemp("doors")
    async with running(path, engines=engines, sections=sections) as app:
        yield app


def said(text: str, encoding: str) -> bytes:
    """A caller's words and a moment of silence after them."""
    pcm = np.concatenate((np.frombuffer(spoken(text), np.int16), np.zeros(16_000, np.int16)))
    if encoding == "audio/pcmu":
        return g711_encode(StreamResampler(16_000, 8_000).feed(pcm), "pcmu")
    return StreamResampler(16_000, 24_000).feed(pcm).tobytes()


async def get(app: App, url: str) -> Any:
    url = url if url.startswith("http") else app.url + url
    async with aiohttp.ClientSession(headers={"Authorization": KEY}) as http, http.get(url) as response:
        return await response.json()


async def begin(app: App, agent: VoiceAgent, encoding: str, *, stored: bool) -> str:
    form = {"encoding": encoding}
    session: dict[str, Any] = {
        "tools": [CLOCK],
        "input": {"type": "audio", "format": form, "language_codes": ["en"]},
        "output": {"type": "audio", "format": form, "voice": "ivy"},
    }
    if not stored:
        return str((await agent.start(**session))["session_id"])
    body = {"name": "Clock", "system_prompt": "", "voice": {"voice_id": "ivy"}, **session}
    async with aiohttp.ClientSession(headers={"Authorization": KEY}) as http:
        made = await (await http.post(f"{app.url}/v1/agents", json=body)).json()
    return str((await agent.start(agent_id=made["id"]))["session_id"])


@pytest.mark.parametrize(("encoding", "stored"), [("audio/pcm", False), ("audio/pcmu", True)])
async def test_a_conversation(app: App, encoding: str, stored: bool) -> None:
    async with connected(app.url, KEY) as agent:
        agent.tools["clock"] = lambda arguments: {"hour": 9}
        session_id = await begin(app, agent, encoding, stored=stored)
        await agent.speak(said("What time is it?", encoding), RATES[encoding])
        await agent.wait("reply.started", 2)
        assert agent.all("transcript.user")[0]["text"] == "What time is it?"
        assert agent.all("transcript.agent")[0]["text"] == "Let me look."
        await agent.wait("reply.audio", 30)
        await agent.speak(said("Wait.", encoding), RATES[encoding])
        await agent.wait("reply.done", 2)
        stopped = agent.all("transcript.agent")[1]
        assert stopped["interrupted"] and STORY.startswith(stopped["text"]) and stopped["text"] != STORY
        assert agent.all("reply.done")[1]["status"] == "interrupted"
        await agent.wait("reply.done", 3)
        agent.socket.transport.abort()
    async with connected(app.url, KEY) as agent:
        await agent.send("session.resume", session_id=session_id)
        await agent.wait("session.ready")
        await agent.speak(said("Thank you.", encoding), RATES[encoding])
        await agent.wait("transcript.user")
        await agent.wait("reply.done")
        assert agent.all("transcript.agent")[-1]["text"] == "Goodbye."
        assert not agent.all("session.error")
        await agent.end()
    await app._doors._stored.flush()
    session = await get(app, f"/v1/sessions/{session_id}")
    assert (session["agent_id"] is not None) == stored
    links = {each["type"]: each["url"] for each in session["artifacts"]}
    timeline = await get(app, links["timeline"])
    told = [(each.get("user_transcript"), each.get("agent_text")) for each in timeline["turns"]]
    assert told[0] == ("What time is it?", f"Let me look. {stopped['text']}")
    assert told[-1] == ("Thank you.", "Goodbye.")
    (call,) = timeline["turns"][0]["tool_calls"]
    assert (call["name"], call["result"], call["timed_out"]) == ("clock", '{"hour": 9}', False)
    assert timeline["turns"][0]["interrupted_at_ms"] > timeline["turns"][0]["agent_reply_started_at_ms"]
    assert timeline["ended"]["public_reason"] == "client_end"
    async with aiohttp.ClientSession() as http, http.get(links["audio"]) as response:
        recording = await response.read()
    with wave.open(io.BytesIO(recording)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, file.getnchannels())
        seconds = file.getnframes() / file.getframerate()
    # The caller left, the agent right.
    assert pcm.shape[1] == 2 and (np.abs(pcm.astype(int)).max(axis=0) > 1_000).all()
    assert abs(seconds - session["duration_seconds"]) < 3


async def test_a_telephone_call_is_understood_by_both_sides(app: App) -> None:
    _, address, parameters = await ring(f"{app.url}/twilio/voice", AUTH)
    async with calling(address, parameters) as phone:
        await phone.until(lambda: len(phone.heard) > 12_000 and phone.quiet)
        half = len(phone.heard)
        (session,) = app.registry.sessions.values()
        phone.say(said("Thank you.", "audio/pcmu"))
        await phone.until(lambda: len(phone.got) > 0 and phone.quiet and session._actor._answering.idle)
        await phone.until(lambda: len(session._actor._replies.history.messages) == 3 and phone.quiet)
    await asyncio.wait_for(session.ended.wait(), 5)
    words = []
    for part in (phone.heard[:half], phone.heard[half:]):
        pcm = StreamResampler(8_000, 16_000).feed(g711_decode(bytes(part), "pcmu"))
        loud = np.flatnonzero(np.abs(pcm.astype(int)) > 200)
        request = TranscriptionRequest(audio=pcm[loud[0] : loud[-1] + 1_600], language="en")
        words.append((await app.engines.transcriber.transcribe(request)).text)
    assert words == ["Good morning.", "Goodbye."]
