"""Connections that break and clients that come back, over real sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from selam_agent.app import App
from tests.fakes import FakeSynthesizer, silence, speech
from tests.wire.doors import Client, Raw, raw, running, scripted


async def until(condition: Any, within: float = 20.0) -> None:
    for _ in range(round(within / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


async def break_off(socket: Raw) -> None:
    """The TCP connection goes without a word."""
    transport = socket.socket._response.connection.transport  # type: ignore[union-attr]
    transport.abort()


async def speak(client: Client | Raw) -> None:
    for at in range(0, 32 * 1900, 32 * 100):
        packet = (speech(900) + silence(1000))[at : at + 32 * 100]
        if isinstance(client, Client):
            await client.emit("audio_chunk", {"audio": packet})
        await asyncio.sleep(0.1)


async def test_a_broken_connection_is_taken_up_again(tmp_path: Path) -> None:
    engines = scripted(synthesizers={"espeak": FakeSynthesizer(delay=0.01, ms_per_word=700)})
    async with running(tmp_path, engines=engines) as app, Client(app) as client:
        await client.greet()
        started = await client.start(output_format="pcm16", binary=True)
        assert started["resumed"] is False and len(started["resume_token"]) > 20
        await speak(client)
        await client.wait("audio_chunk", 5)
        client.sio.eio.ws._response.connection.transport.abort()
        await asyncio.wait_for(client.disconnected.wait(), 3)
        await until(lambda: not app._door.connections)
        assert len(app.registry.sessions) == 1
        async with Client(app) as again:
            await again.greet()
            await again.emit("start_session", {"resume": started["resume_token"], "binary": True})
            resumed = await again.wait("session_started")
            assert (resumed["resumed"], resumed["session_id"]) == (True, started["session_id"])
            assert resumed["resume_token"] != started["resume_token"]
            end = await again.wait("audio_end")
            assert not end["interrupted"] and end["spoken_text"].strip() == "Good day to you."
            assert again.all("audio_chunk")[0]["index"] > 0
            await again.emit("text_input", {"text": "And now?"})
            await again.wait("audio_end", 2)
            assert len(engines.chat_model.requests[-1].messages) == 3
        await until(lambda: not app.registry.sessions)


@pytest.mark.parametrize("token", ["nonsense", "x" * 128])
async def test_a_wrong_token_is_told_and_a_new_session_may_begin(app: App, token: str) -> None:
    async with Client(app) as client:
        await client.greet()
        await client.emit("start_session", {"resume": token})
        error = await client.wait("error")
        assert (error["type"], error["code"]) == ("session_error", "resume_failed")
        assert (await client.start())["resumed"] is False


@pytest.mark.parametrize("goodbye", ["41/v1/audio/agent,", "1", "close"])
async def test_a_client_that_leaves_ends_its_session_at_once(app: App, goodbye: str) -> None:
    async with raw(app) as socket:
        await socket.join()
        await socket.emit("start_session", {"voice": "aria"})
        assert (await socket.event())[0] == "session_started"
        if goodbye == "close":
            await socket.socket.close(code=aiohttp.WSCloseCode.OK)
        else:
            await socket.socket.send_str(goodbye)
        await until(lambda: not app.registry.sessions)


@pytest.mark.parametrize("how", ["abort", "going away"])
async def test_a_connection_that_breaks_leaves_its_session_waiting(app: App, how: str) -> None:
    async with raw(app) as socket:
        await socket.join()
        await socket.emit("start_session", {"voice": "aria"})
        assert (await socket.event())[0] == "session_started"
        if how == "abort":
            await break_off(socket)
        else:
            await socket.socket.close(code=aiohttp.WSCloseCode.GOING_AWAY)
        await until(lambda: not app._door.connections)
        (session,) = app.registry.sessions.values()
        assert session.away


async def test_a_client_may_come_back_before_its_old_connection_is_missed(app: App) -> None:
    async with Client(app) as old, Client(app) as new:
        await old.greet()
        token = (await old.start())["resume_token"]
        await new.greet()
        await new.emit("start_session", {"resume": token})
        await new.wait("session_started")
        await old.emit("control", {"action": "interrupt"})
        assert (await old.wait("error"))["code"] == "no_session"
        await old.sio.disconnect()
        await new.emit("control", {"action": "interrupt"})
        await new.wait("control_ack")
        assert len(app.registry.sessions) == 1


async def test_an_ended_session_is_not_resumed(app: App) -> None:
    async with Client(app) as client:
        await client.greet()
        token = (await client.start())["resume_token"]
        await client.emit("end_session")
        await client.emit("start_session", {"resume": token})
        assert (await client.wait("error"))["code"] == "resume_failed"
        assert client.names().count("session_started") == 1
