"""The AssemblyAI door over real sockets, with the driver in ``assemblyai_client.py``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from selam_agent.app import App
from selam_agent.ports import Text, ToolCall
from selam_agent.store import Tier
from selam_agent.store_limits import KeyLimits
from tests.clients.assemblyai_client import connected
from tests.fakes import silence, speech
from tests.session.test_tools import ToolModel
from tests.wire.doors import KEY, running, scripted

pytestmark = pytest.mark.asyncio(loop_scope="module")

PREAMBLE = "Let me look for the weather there, one moment please."
TOOL = {"type": "function", "name": "weather", "description": "", "parameters": {"type": "object"}}


def at_24_khz(pcm16k: bytes) -> bytes:
    return np.repeat(np.frombuffer(pcm16k, np.int16), 3)[::2].tobytes()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[App]:
    script = ([Text(PREAMBLE), ToolCall("call_1", "weather", {"city": "Jimma"})], [Text("Sunny.")])
    engines = scripted(chat_model=ToolModel(script=script, delay=0.01))
    path: Path = tmp_path_factory.mktemp("assemblyai")
    async with running(path, engines=engines) as app:
        yield app


@pytest.mark.parametrize("header", [KEY, f"Bearer {KEY}", f"bearer {KEY}"])
async def test_a_key_in_the_header_is_enough(app: App, header: str) -> None:
    async with connected(app.url, header) as agent:
        await asyncio.sleep(0.05)
        assert agent.events == []  # nothing is said before the first update
        await agent.start()
        await agent.end()
        assert agent.socket.close_code == 1000


@pytest.mark.parametrize("place", ["query", "header"])
async def test_a_token_opens_one_session(app: App, place: str) -> None:
    token = app.tokens.create(app.keys.check(KEY), max_session_seconds=60)
    key, path = (None, f"/v1/ws?token={token}") if place == "query" else (f"Bearer {token}", "/v1/ws")
    async with connected(app.url, key, path) as agent:
        ready = await agent.start()
        assert ready["expires_at"] - agent.all("session.ready")[0]["timestamp"] < 61
        await agent.end()
    async with connected(app.url, key, path) as agent:
        assert (await agent.wait("session.error"))["code"] == "unauthorized"


@pytest.mark.parametrize("given", [None, "", "Bearer", "sk-selam-wrong", "Bearer tmp-selam-wrong", "low"])
async def test_whoever_has_no_key_hears_so_and_is_closed(app: App, given: str | None) -> None:
    if given == "low":
        given = app.keys.create(Tier.PRO)[1]
    async with connected(app.url, given) as agent:
        assert await agent.closed() == 1008
        (error,) = agent.events
        assert (error["type"], error["code"]) == ("session.error", "unauthorized")
        assert error["session_id"] is None and error["param"] is None


async def test_a_query_is_no_place_for_a_key(app: App) -> None:
    async with connected(app.url, None, f"/v1/ws?token={KEY}") as agent:
        assert await agent.closed() == 1008


async def test_a_conversation_with_a_tool_cut_in_the_middle(app: App) -> None:
    async with connected(app.url, KEY) as agent:
        ready = await agent.start(tools=[TOOL], output={"voice": "ivy"})
        await agent.speak(at_24_khz(speech(900) + silence(500)), 48_000)
        call = await agent.wait("tool.call")
        await agent.wait("reply.audio")
        agent.socket.transport.abort()
    async with connected(app.url, f"Bearer {ready['resume_token']}") as agent:
        await agent.send("session.resume", session_id=ready["session_id"])
        assert (await agent.wait("session.ready"))["session_id"] == ready["session_id"]
        assert (await agent.wait("tool.call"))["call_id"] == call["call_id"]
        await agent.send("tool.result", call_id=call["call_id"], result='{"sky": "clear"}')
        await agent.wait("reply.done", 2)
        assert [each["text"] for each in agent.all("transcript.agent")] == [PREAMBLE, "Sunny."]
        assert agent.all("session.error") == [] and len(agent.audio) > 0
        ended = await agent.end()
        assert ended["audio_duration_seconds"] > 1


async def test_tools_as_the_documentation_says(app: App) -> None:
    async with connected(app.url, KEY) as agent:
        agent.tools["weather"] = lambda arguments: {"city": arguments["city"], "sky": "clear"}
        await agent.start(tools=[TOOL], output={"format": {"encoding": "audio/pcmu"}})
        await agent.send("conversation.message", role="user", content="The weather?")
        await agent.send("reply.create")
        await agent.wait("reply.done", 2)
        assert agent.all("transcript.agent")[-1]["text"] == "Sunny."


async def test_the_older_dialect_says_ready_at_once(app: App) -> None:
    async with connected(app.url, KEY, "/v1/realtime") as agent:
        ready = await agent.wait("session.ready")
        session = {"tools": [TOOL], "input": {"type": "audio"}, "output": {"type": "audio"}}
        await agent.send("session.update", session=session)
        await agent.wait("session.updated")
        await agent.send("conversation.message", role="user", content="Hello?")
        await agent.send("reply.create")
        assert (await agent.wait("tool.call"))["args"] == {"city": "Jimma"}
        assert ready["session_id"] in app.registry.sessions
        assert agent.types().count("session.ready") == 1
        await agent.end()


async def test_the_older_dialect_resumes_by_the_token_of_its_only_ready(app: App) -> None:
    async with connected(app.url, KEY, "/v1/realtime") as agent:
        ready = await agent.wait("session.ready")
        await agent.send("session.update", session={"tools": [TOOL]})
        await agent.wait("session.updated")
        agent.socket.transport.abort()
    async with connected(app.url, f"Bearer {ready['resume_token']}", "/v1/realtime") as agent:
        await agent.send("session.resume", session_id=ready["session_id"])
        again = await agent.wait("session.ready", 2)
        assert again["session_id"] == ready["session_id"]
        assert again["resume_token"] not in ("", ready["resume_token"])
        await agent.end()


async def test_a_client_that_closes_politely_has_left(app: App) -> None:
    async with connected(app.url, KEY) as agent:
        session_id = (await agent.start())["session_id"]
    await asyncio.wait_for(_gone(app, session_id), 5)


async def _gone(app: App, session_id: str) -> None:
    session = app.registry.sessions.get(session_id)
    if session is not None:
        await session.ended.wait()


async def test_binary_frames_are_told_and_survived(app: App) -> None:
    async with connected(app.url, KEY) as agent:
        await agent.socket.send(b"\x00\x01")
        assert (await agent.wait("session.error"))["code"] == "invalid_format"
        await agent.start()
        await agent.end()


async def test_the_server_says_goodbye(tmp_path: Path) -> None:
    async with running(tmp_path) as app, connected(app.url, KEY) as agent:
        await agent.start()
        await app.stop()
        assert await agent.closed() == 1011
        assert agent.events[-1]["code"] == "internal_error"


async def test_a_key_with_as_many_sessions_as_it_may_have(app: App) -> None:
    key = app.keys.create(Tier.OWNER, limits=KeyLimits(max_sessions=1))[1]
    async with connected(app.url, key) as first, connected(app.url, key) as second:
        await first.start()
        await second.send("session.update")
        assert await second.closed() == 1008
        assert second.events[0]["code"] == "concurrency_exceeded"
        await first.end()
