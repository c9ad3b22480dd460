"""Limits and the end of the server, as a client meets them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from selam_agent.store import KeyStore
from selam_agent.store_limits import KeyLimits
from tests.fakes import FakeChatModel
from tests.wire.doors import KEY, Client, running, scripted

LONG = "One two three four five six seven eight nine ten."


async def test_a_client_is_told_why_there_is_no_session_for_it_and_when_to_come_back(tmp_path: Path) -> None:
    _, secret = KeyStore.open(tmp_path).create("OWNER", limits=KeyLimits(max_sessions=1))
    async with (
        running(tmp_path, max_sessions=2, retry_after_s=3) as app,
        Client(app) as first,
        Client(app) as second,
        Client(app) as third,
    ):
        for client in (first, second):
            await client.connect({"api_key": secret, "voice": "aria"})
            await client.wait("connected")
        await first.start()
        await second.emit("start_session", {"voice": "aria"})
        error = await second.wait("error")
        assert (error["type"], error["code"], error["retry_after"]) == (
            "session_error", "concurrency_exceeded", 3,
        )  # fmt: skip
        await third.greet()
        await third.start()
        async with Client(app) as fourth:
            await fourth.greet()
            await fourth.emit("start_session", {"voice": "aria"})
            error = await fourth.wait("error")
            assert (error["code"], error["retryable"], error["retry_after"]) == ("at_capacity", True, 3)
            # Refused, not thrown out: there is room as soon as somebody leaves.
            await third.emit("end_session")
            await third.wait("session_ended")
            await fourth.start()


async def test_a_draining_server_is_not_ready_answers_and_ends_after_the_turn(tmp_path: Path) -> None:
    engines = scripted(chat_model=FakeChatModel(LONG, delay=0.01))
    async with running(tmp_path, engines=engines) as app, Client(app) as client, Client(app) as idle:
        await client.greet()
        await client.start(playback="buffered", output_format="pcm16")
        await idle.greet()
        await idle.start()
        await client.emit("text_input", {"text": "hello"})
        await client.wait("audio_chunk")
        draining = asyncio.create_task(app.drain())
        assert (await idle.wait("session_ended"))["reason"] == "shutdown"
        async with aiohttp.ClientSession() as http, http.get(app.url + "/readyz") as answer:
            assert answer.status == 503 and (await answer.json())["reasons"] == ["shutting down"]
        async with Client(app) as late:
            await late.connect({"api_key": KEY, "voice": "aria"})
            await late.wait("connected")
            await late.emit("start_session", {"voice": "aria"})
            error = await late.wait("error")
            assert (error["type"], error["code"]) == ("session_error", "shutting_down")
            assert error["retry_after"] > 0
        assert (await client.wait("session_ended"))["reason"] == "shutdown"
        assert client.all("audio_end")[0]["interrupted"] is False
        await draining
