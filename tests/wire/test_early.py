"""Audio is taken off the parser where it may be, in order, and all else goes aiohttp's way."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMessage, WSMsgType

from selam_agent.app import App
from selam_agent.wire import early
from selam_agent.wire.early import EarlyQueue
from selam_agent.wire.fast_path import Lane
from tests.wire.doors import KEY, NAMESPACE, raw, running

CHUNK = {"audio": base64.b64encode(bytes(640)).decode()}


def ear(app: App) -> list[bytes]:
    """What the only session hears from now on."""
    heard: list[bytes] = []
    (session,) = app.registry.sessions.values()
    session.hear = lambda *packets, **_: heard.extend(packets)  # type: ignore[method-assign]
    return heard


async def started(socket: Any) -> None:
    await socket.emit("start_session", {"voice": "aria"})
    while (await socket.event())[0] != "session_started":
        pass


@pytest.mark.parametrize("known", [True, False])
async def test_audio_is_heard_with_and_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    assert early.is_tested()  # the installed release; a new minor one is to be looked at
    monkeypatch.setattr(early, "TESTED", early.TESTED if known else ())
    taken: list[bool] = []
    take = Lane._take

    def watched(self: Lane, message: str) -> bool:
        taken.append(take(self, message))
        return taken[-1]

    monkeypatch.setattr(Lane, "_take", watched)
    async with running(tmp_path) as app, raw(app) as socket:
        await socket.join()
        await started(socket)
        heard = ear(app)
        for number in range(5):
            await socket.emit("audio_chunk", {"audio": base64.b64encode(bytes([number, 0])).decode()})
            await asyncio.sleep(0.01)
        await socket.emit("control", {"action": "pause"})
        while (await socket.event())[0] != "control_ack":
            pass
    assert heard == [bytes([number, 0]) for number in range(5)]
    assert any(taken) is known


async def test_a_flood_keeps_its_order(tmp_path: Path) -> None:
    async with running(tmp_path) as app, raw(app) as socket:
        await socket.join()
        await started(socket)
        heard = ear(app)
        for number in range(400):
            await socket.emit("audio_chunk", {"audio": base64.b64encode(number.to_bytes(2, "big")).decode()})
        await socket.emit("control", {"action": "pause"})
        while (await socket.event())[0] != "control_ack":
            pass
    assert heard == [number.to_bytes(2, "big") for number in range(400)]


def masked(text: str) -> bytes:
    """A client's text frame; shorter than 64 kB."""
    payload, mask = text.encode(), os.urandom(4)
    head = (
        bytes([0x81, 0x80 | len(payload)]) if len(payload) < 126 else b"\x81\xfe" + len(payload).to_bytes(2)
    )
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


async def test_frames_that_come_with_the_request_are_not_lost(tmp_path: Path) -> None:
    """No browser does this; a proxy may send on at once what it has."""
    async with running(tmp_path) as app:
        reader, writer = await asyncio.open_connection("127.0.0.1", app.port)
        join = f"40{NAMESPACE}," + json.dumps({"api_key": KEY, "voice": "aria"})
        start = f"42{NAMESPACE}," + json.dumps(["start_session", {"voice": "aria"}])
        chunk = f"42{NAMESPACE}," + json.dumps(["audio_chunk", CHUNK])
        frames = b"".join(masked(each) for each in (join, start, chunk))
        writer.write(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n" + frames[:-300]
        )
        await asyncio.sleep(0.05)
        # The rest of a frame whose beginning is in aiohttp's own parser.
        writer.write(frames[-300:] + masked(f"42{NAMESPACE}," + json.dumps(["end_session"])))
        got = b""
        while b'"session_ended"' not in got:
            got += await asyncio.wait_for(reader.read(4096), 20)
        writer.close()
        assert b'"session_started"' in got and b'"error"' not in got
        assert b'"audio_s":0.02' in got


class Protocol:
    _reading_paused = False

    def pause_reading(self) -> None:
        raise AssertionError("nothing waits")


@pytest.mark.parametrize("fault", [False, True])
async def test_what_is_not_taken_waits_in_order(fault: bool, caplog: pytest.LogCaptureFixture) -> None:
    queue = EarlyQueue(Protocol(), 1 << 16, loop=asyncio.get_running_loop())  # type: ignore[arg-type]
    seen: list[str] = []

    def take(text: str) -> bool:
        seen.append(text)
        if fault:
            raise RuntimeError("no")
        return text != "b"

    queue.take = take
    for text in "abc":
        queue.feed_data(WSMessage(WSMsgType.TEXT, text, ""), 1)
    left = "abc" if fault else "bc"
    assert [(await queue.read()).data for _ in left] == list(left)
    assert seen == (["a"] if fault else ["a", "b"])
    assert ("could not be taken" in caplog.text) is fault


class Watched:
    """A transport, and what was written to it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def test_what_is_written_in_one_turn_of_the_loop_leaves_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as app, raw(app) as socket:
        await socket.join()
        ((sid, websocket),) = app._sio.eio.websockets.items()
        lane = websocket.lane
        assert lane is not None
        watched = Watched(websocket.transport)
        websocket.transport = watched  # type: ignore[assignment]
        lane.write(b"4one")
        lane.write(b"4two")
        assert lane.is_clear and not watched.written
        # What the library sends comes after what was written before it.
        await app._sio.eio.send(sid, "three")
        assert [(await socket.socket.receive()).data for _ in range(3)] == ["4one", "4two", "4three"]
        assert watched.written == [b"\x81\x044one\x81\x044two"]
        lane.write(bytes(100_000))
        assert not lane.is_clear
