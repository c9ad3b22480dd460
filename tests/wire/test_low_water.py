"""Audio waits in the kernel while it can decide nothing, and nothing else does for long."""

from __future__ import annotations

import asyncio
import base64
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from selam_agent.wire.low_water import LowWater, Tide
from tests.fakes import silence, speech
from tests.virtual_clock import run
from tests.wire.doors import NAMESPACE, raw, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems wake for each packet")

FRAME = 100
PACKET_S = 0.02


class Marks:
    """A tide that is looked after by the test."""

    def __init__(self) -> None:
        self.raised: set[Any] = set()
        self.add = self.raised.add
        self.discard = self.raised.discard


class Reader(asyncio.Protocol):
    """What the server's side reads, and in how many pieces."""

    def __init__(self) -> None:
        self.pieces: list[int] = []
        self.over = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.pieces.append(len(data))

    def connection_lost(self, exc: Exception | None) -> None:
        self.over = True


async def true(state: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not state():  # noqa: ASYNC110 – turns of the loop, not time
            await asyncio.sleep(0)


@asynccontextmanager
async def line() -> AsyncIterator[tuple[LowWater, Reader, socket.socket, Marks]]:
    """A mark, what is read above it, the client's end, and which marks are raised."""
    reader, marks = Reader(), Marks()
    server = await asyncio.get_running_loop().create_server(lambda: reader, "127.0.0.1")
    client = socket.create_connection(server.sockets[0].getsockname())
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        await true(lambda: reader.transport is not None)
        assert reader.transport is not None
        yield LowWater(reader.transport, cast(Tide, marks)), reader, client, marks
    finally:
        client.close()
        server.close()
        if reader.transport is not None:
            reader.transport.close()
        await server.wait_closed()


async def settled(reader: Reader) -> list[int]:
    """What was read up to now: on loopback what was sent is there at once."""
    for _ in range(20):
        await asyncio.sleep(0)
    return reader.pieces


async def until(reader: Reader, size: int) -> list[int]:
    await true(lambda: sum(reader.pieces) >= size)
    return reader.pieces


async def test_packets_come_in_one_piece() -> None:
    async with line() as (mark, reader, client, marks):
        mark.hold(4, PACKET_S, FRAME, 0.0)
        assert marks.raised == {mark}
        for _ in range(3):
            client.send(bytes(FRAME))
        assert await settled(reader) == []
        client.send(bytes(FRAME))
        assert await until(reader, 400) == [400]
        mark.hold(1, PACKET_S, FRAME, 0.0)
        assert not marks.raised
        client.send(bytes(FRAME))
        assert await until(reader, 500) == [400, 100]


@pytest.mark.parametrize(
    ("packets", "sent", "at", "read"),
    [
        (4, 2 * FRAME, 0.06, False),
        (4, 2 * FRAME + 60, 0.06, True),  # a control waits behind them
        (4, 60, 0.06, True),
        (4, 2 * FRAME, 0.2, True),  # nothing came since the last look
        (12, 6 * FRAME, 0.06, False),
        (12, 9 * FRAME, 0.06, True),  # enough before the next look: now, with the others'
        (9, 7 * FRAME, 0.06, False),  # so few come soon
    ],
)
async def test_who_is_read_before(packets: int, sent: int, at: float, read: bool) -> None:
    async with line() as (mark, reader, client, marks):
        mark.hold(packets, PACKET_S, FRAME, 0.0)
        client.send(bytes(sent))
        assert await settled(reader) == []
        mark.look(0.05)
        if at > 0.06:
            assert await settled(reader) == []
        mark.look(at)
        assert await (until(reader, sent) if read else settled(reader)) == ([sent] if read else [])
        assert (mark in marks.raised) is not read


async def test_a_goodbye_waits_for_nothing() -> None:
    async with line() as (mark, reader, client, _):
        mark.hold(4, PACKET_S, FRAME, 0.0)
        client.send(bytes(FRAME))
        client.close()
        await true(lambda: reader.over)
        assert reader.pieces == [FRAME]


async def test_a_descriptor_that_is_being_closed_is_left_alone() -> None:
    async with line() as (mark, reader, _, marks):
        assert reader.transport is not None
        mark.hold(4, PACKET_S, FRAME, 0.0)
        reader.transport.abort()
        mark.hold(5, PACKET_S, FRAME, 0.0)
        assert not marks.raised
        mark.look(9.0)
        mark.close()


async def test_other_connections_wake_the_server_for_each_packet() -> None:
    here, there = socket.socketpair()
    marks, reader = Marks(), Reader()
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: reader, sock=here)
    mark = LowWater(transport, cast(Tide, marks))
    mark.hold(4, PACKET_S, FRAME, 0.0)
    there.send(bytes(FRAME))
    assert await until(reader, FRAME) == [FRAME] and not marks.raised
    there.close()
    transport.close()


def test_the_tide_looks_only_while_a_mark_is_raised() -> None:
    class Mark:
        def __init__(self) -> None:
            self.looks: list[float] = []

        def look(self, now: float) -> None:
            self.looks.append(round(now % 1, 3))
            if len(self.looks) == 3:
                tide.discard(cast(LowWater, self))

    tide = Tide()

    async def story() -> None:
        loop = asyncio.get_running_loop()
        first, second = Mark(), Mark()
        tide.add(cast(LowWater, first))
        await asyncio.sleep(0.07)
        tide.add(cast(LowWater, second))
        await asyncio.sleep(1)
        assert len(first.looks) == len(second.looks) == 3
        assert first.looks[1:] == second.looks[:2]  # at the same times
        assert tide._timer is None and loop.time() > 0
        tide.add(cast(LowWater, Mark()))
        tide.close()
        await asyncio.sleep(1)

    run(story())


async def test_a_call_is_read_in_pieces_and_its_controls_are_found(tmp_path: Path) -> None:
    """In real time, over the real server: what is said arrives whole, and a control behind it soon."""
    async with running(tmp_path, fast_path=True) as app, raw(app) as client:
        await client.join()
        await client.emit(
            "start_session", {"voice": "aria", "output_format": "pcm16", "playback": "buffered"}
        )
        (websocket,) = app._sio.eio.websockets.values()
        mark = websocket.lane._low_water
        raised = 0
        spoken = speech(600) + silence(1000)
        for at in range(0, len(spoken), 640):
            chunk = base64.b64encode(spoken[at : at + 640]).decode()
            await client.socket.send_str(f'42{NAMESPACE},["audio_chunk",{{"audio":"{chunk}"}}]')
            await asyncio.sleep(PACKET_S)
            raised = max(raised, mark._mark)
        names = []
        while "audio_end" not in names:
            names.append((await client.event())[0])
        assert names.index("transcription") < names.index("response") < names.index("audio_chunk")
        assert raised > 4 * len(chunk)
        await client.emit("control", {"action": "interrupt"})
        while (await client.event())[0] != "control_ack":
            pass
        await true(lambda: mark._mark == 1)  # no more audio comes
        (session,) = app.registry.sessions.values()
        assert session.received_s == pytest.approx(len(spoken) / 32_000)
        await client.emit("end_session")
        while (event := await client.event())[0] != "session_ended":
            pass
        assert event[1]["audio_s"] == pytest.approx(1.6)
        assert not app._sio.eio.tide._raised
