"""The fast path does what the library's own loop does, and steps aside where it does not know the library."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from pathlib import Path

import aiohttp
import pytest

from selam_agent.wire import fast_path
from selam_agent.wire.limits import Limits
from tests.fakes import silence, speech
from tests.wire.doors import KEY, NAMESPACE, Client, raw, running


def test_it_is_used_with_releases_it_was_tested_with() -> None:
    assert fast_path.is_tested()  # the installed one; a new minor release is to be looked at
    assert fast_path.is_tested("4.13.3")
    assert not fast_path.is_tested("4.16.0") and not fast_path.is_tested("5.0.0")


@pytest.mark.parametrize("known", [True, False])
async def test_a_client_that_begins_with_polling_changes_over_and_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    monkeypatch.setattr(fast_path, "TESTED", fast_path.TESTED if known else ())
    async with running(tmp_path) as app, Client(app) as client:
        await client.greet(transports=["polling", "websocket"])
        assert client.sio.transport() == "websocket"
        (websocket,) = app._sio.eio.websockets.values()
        assert (websocket.lane is not None) is known
        await client.start(output_format="pcm16")
        for at in range(0, 32 * 1600, 640):
            audio = (speech(600) + silence(1000))[at : at + 640]
            await client.emit("audio_chunk", {"audio": base64.b64encode(audio).decode()})
        await client.wait("audio_end")
        names = [name for name in client.names() if name != "audio_chunk"]
        assert names[:2] == ["connected", "session_started"]
        assert names.index("transcription") < names.index("response") < names.index("audio_end")


async def test_audio_between_other_events_keeps_its_place(tmp_path: Path) -> None:
    """Audio takes the short way and everything else the long one; a session sees them as they were sent."""
    async with running(tmp_path) as app, raw(app) as socket:
        await socket.join()
        await socket.emit("start_session", {"voice": "aria"})
        assert (await socket.event())[0] == "session_started"
        seen: list[str] = []
        (session,) = app.registry.sessions.values()
        session.hear = lambda *_, **__: seen.append("audio")  # type: ignore[method-assign]
        session.control = lambda action: seen.append(action)  # type: ignore[method-assign]
        chunk = {"audio": base64.b64encode(bytes(640)).decode()}
        for action in ("pause", "resume", "interrupt"):
            await socket.emit("audio_chunk", chunk)
            await socket.emit("control", {"action": action})
        await socket.emit("audio_chunk", chunk)
        await socket.emit("end_session")
        while (await socket.event())[0] != "session_ended":
            pass
        assert seen == ["audio", "pause", "audio", "resume", "audio", "interrupt", "audio"]


async def test_a_client_that_falls_silent_is_cut(tmp_path: Path) -> None:
    limits = Limits(ping_interval_s=0.3, ping_timeout_s=0.3, unaccepted_s=30)
    async with running(tmp_path, limits=limits) as app, aiohttp.ClientSession() as http:
        url = f"{app.url}/socket.io/?EIO=4&transport=websocket"
        async with http.ws_connect(url) as socket:
            await socket.receive_str()
            await socket.send_str(f"40{NAMESPACE}," + json.dumps({"api_key": KEY, "voice": "aria"}))
            begun = time.monotonic()
            with pytest.raises(TypeError):  # pings come and are not answered, then it is closed
                while time.monotonic() < begun + 5:
                    await socket.receive_str()
        for _ in range(100):
            if not app._sio.eio.websockets:
                break
            await asyncio.sleep(0.01)
        assert not app._door.connections and not app._door._by_socket


async def test_a_server_that_was_held_up_reads_what_has_come_before_it_cuts_anybody(tmp_path: Path) -> None:
    limits = Limits(ping_interval_s=0.1, ping_timeout_s=0.1, unaccepted_s=30)
    async with running(tmp_path, limits=limits) as app, raw(app) as socket:
        await socket.join()
        await socket.emit("start_session", {"voice": "aria"})
        while (await socket.event())[0] != "session_started":
            pass
        for _ in range(3):
            # Long enough for the ping to go out that nobody answers.
            for _ in range(15):
                await asyncio.sleep(0.01)
                await socket.emit("audio_chunk", {"audio": base64.b64encode(bytes(640)).decode()})
            time.sleep(0.3)  # noqa: ASYNC251 – the whole process stands still, as on a suspended machine
        await socket.emit("control", {"action": "pause"})
        while (await socket.event())[0] != "control_ack":
            pass


async def test_audio_of_a_socket_that_has_left_the_namespace_is_nobodys(tmp_path: Path) -> None:
    async with running(tmp_path) as app, raw(app) as socket:
        await socket.join()
        await socket.socket.send_str(f"41{NAMESPACE},")
        await socket.emit("audio_chunk", {"audio": "AAAA"})
        await socket.join()  # and may come back
        (connection,) = app._door._connections.values()
        assert list(app._door._by_socket.values()) == [connection]
