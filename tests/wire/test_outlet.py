"""The way out: order, encoding, and what happens to a client that does not read."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import logging
import socket
import threading
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selam_agent import events
from selam_agent.metrics import Metrics
from selam_agent.ports import Word
from selam_agent.session.config import Engines
from selam_agent.wire.limits import Limits
from selam_agent.wire.selam_events import encoded, payload
from selam_agent.wire.selam_outlet import ConnectionOutlet
from tests.wire.doors import KEY, NAMESPACE, Client, Raw, running, scripted


def chunk(index: int, size: int = 4_000) -> events.AudioChunk:
    return events.AudioChunk(
        audio=bytes(size), format="pcm16", sample_rate=24_000, index=index, duration_ms=40.0,
        text="", turn_id=1, reply_id="r",
    )  # fmt: skip


def never(event: events.Event) -> bool:
    return False


async def test_order_and_flush() -> None:
    seen: list[Any] = []

    async def emit(name: str, data: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        seen.append(data["delta"])

    outlet = ConnectionOutlet(emit, never, pytest.fail, Limits(), Metrics())
    for number in range(100):
        outlet.send(events.ResponseDelta(delta=str(number), turn_id=1, reply_id="r"))
    assert await outlet.flush(1)
    assert seen == [str(number) for number in range(100)]
    outlet.close()
    outlet.send(events.Clear(reply_id="r"))
    assert not outlet._queue


async def test_what_follows_an_event_that_had_to_wait_does_not_wait_for_itself() -> None:
    """On a busy machine every wait is several turns of a slow loop: 25 of them a second are too many."""
    sent: list[str] = []
    taken = asyncio.Event()

    async def emit(name: str, data: dict[str, Any]) -> None:
        await taken.wait()
        sent.append(f"slowly {data['delta']}")

    def write(event: events.Event) -> bool:
        if taken.is_set():
            assert isinstance(event, events.ResponseDelta)
            sent.append(event.delta)
        return taken.is_set()

    outlet = ConnectionOutlet(emit, write, pytest.fail, Limits(), Metrics())
    for number in range(4):
        outlet.send(events.ResponseDelta(delta=str(number), turn_id=1, reply_id="r"))
        await asyncio.sleep(0)
    taken.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sent == ["slowly 0", "1", "2", "3"]
    outlet.close()


@pytest.mark.parametrize(
    ("limits", "count"), [(Limits(queue_audio_ms=1e9), 46), (Limits(), 75), (Limits(queue_events=10), 10)]
)
async def test_a_full_queue_ends_the_connection_once(limits: Limits, count: int) -> None:
    reasons: list[str] = []

    async def emit(name: str, data: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    numbers = Metrics()
    outlet = ConnectionOutlet(emit, never, reasons.append, limits, numbers)
    size = 4_000 if limits.queue_audio_ms > 1e6 else 100
    for number in range(count):
        outlet.send(chunk(number, size))
    assert not reasons
    warnings = [event for event, *_ in outlet._queue if isinstance(event, events.Notice)]
    assert [each.code for each in warnings] == ([] if limits.queue_events == 10 else ["slow_client"])
    for number in range(5):
        outlet.send(chunk(number, size))
    assert len(reasons) == 1
    assert b"selam_slow_clients_total 1.0" in numbers.exposition()


async def test_a_failing_emit_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    seen = []

    async def emit(name: str, data: dict[str, Any]) -> None:
        if name == "clear":
            raise RuntimeError("no")
        seen.append(name)

    outlet = ConnectionOutlet(emit, never, pytest.fail, Limits(), Metrics())
    outlet.send(events.Clear(reply_id="r"))
    outlet.send(events.ControlAck(action="pause"))
    assert await outlet.flush(1) and seen == ["control_ack"] and "could not send clear" in caplog.text
    outlet.close()


def test_payloads_have_the_documented_keys() -> None:
    audio = payload(chunk(0, 3))
    assert base64.b64decode(audio["audio"]) == bytes(3) and "words" not in audio
    assert payload(chunk(0, 3), binary=True)["audio"] == bytes(3)
    worded = events.AudioChunk(
        audio=b"", format="mp3", sample_rate=24_000, index=0, duration_ms=1, text="a", turn_id=1,
        reply_id="r", words=(Word("a", 0, 90),),
    )  # fmt: skip
    assert payload(worded)["words"] == [["a", 0, 90]]
    assert payload(events.ControlAck(action="pause")) == {"action": "pause", "status": "executed"}
    end = events.AudioEnd(total_chunks=2, interrupted=True, spoken_text="so", turn_id=1, reply_id="r")
    assert payload(end).keys() == {"total_chunks", "interrupted", "spoken_text", "turn_id", "reply_id"}
    started = events.SessionStarted(
        session_id="s", voice="aria", language=None, output_format="mp3", sample_rate=24_000,
        engines={"stt": {"phrases": ("a", "b")}}, extra={"notice": "x"},
    )  # fmt: skip
    assert payload(started)["engines"] == {"stt": {"phrases": ["a", "b"]}}
    assert payload(started)["notice"] == "x" and "name" not in payload(started)
    said = events.Transcription(text="a", is_final=True, language="en", turn_id=1)
    assert payload(said).items() >= {"text": "a", "is_final": True, "language": "en"}.items()


@settings(max_examples=40)
@given(
    audio=st.binary(max_size=300),
    text=st.text(),
    times=st.tuples(*[st.floats(-1e7, 1e7)] * 2),
    numbers=st.tuples(*[st.integers(0, 2**53)] * 3),
    words=st.lists(st.builds(Word, st.text(), st.integers(0, 10**6), st.integers(0, 10**6)), max_size=3),
)
def test_audio_is_written_as_its_payload_says(
    audio: bytes, text: str, times: tuple[float, float], numbers: tuple[int, int, int], words: list[Word]
) -> None:
    event = events.AudioChunk(
        audio=audio, format="pcm16", sample_rate=numbers[0], index=numbers[1], start_ms=times[0],
        duration_ms=times[1], text=text, turn_id=numbers[2], reply_id=text[::-1], words=tuple(words),
    )  # fmt: skip
    written = encoded(event, b"42,")
    assert written[:3] == b"42," and json.loads(written[3:]) == ["audio_chunk", payload(event)]


@pytest.mark.parametrize(
    "event",
    [
        events.ResponseDelta(delta='"\\ \u1230\u120b\u121d', turn_id=1, reply_id="r"),
        events.Result(task="booking", data={"at": ("Monday", 10), "for": {"name": None}}, turn_id=1),
        events.Notice(code="slow_client", message="x", details={"turn_id": 2}),
    ],
)
def test_every_event_is_written_as_its_payload_says(event: events.Event) -> None:
    assert json.loads(encoded(event)) == [event.name, payload(event)]


async def test_a_client_that_does_not_read_is_disconnected(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with running(tmp_path) as app:
        connector = aiohttp.TCPConnector(
            socket_factory=lambda info: _small_receiver(info[0], info[1], info[2])
        )
        async with aiohttp.ClientSession(connector=connector) as http:
            url = f"{app.url}/socket.io/?EIO=4&transport=websocket"
            async with http.ws_connect(url, max_msg_size=0) as ws:
                await ws.receive_str()
                client = Raw(ws)
                await client.join()
                transport = ws._reader._protocol.transport
                assert transport is not None
                transport.pause_reading()
                (connection,) = app._door._connections.values()
                for number in range(2_000):
                    connection.outlet.send(chunk(number))
                    await asyncio.sleep(0)
                    if connection.outlet._closed:
                        break
                else:
                    raise AssertionError("2000 chunks were taken from a client that reads none")
                assert "does not read" in caplog.text
                for _ in range(100):
                    if not app._door.connections and not app._sio.eio.websockets:
                        break
                    await asyncio.sleep(0.02)
                else:
                    raise AssertionError("the connection is still there")
                transport.abort()
                assert number < 400


def _small_receiver(family: int, kind: int, protocol: int) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    made.setblocking(False)
    return made


async def test_nothing_is_left_after_fifty_sessions(tmp_path: Path) -> None:
    gc.collect()
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    async with running(tmp_path) as app:
        for _ in range(10):
            clients = [Client(app) for _ in range(5)]
            await asyncio.gather(*(client.greet() for client in clients))
            await asyncio.gather(*(client.start() for client in clients))
            await asyncio.gather(*(client.sio.disconnect() for client in clients))
        await asyncio.sleep(0.3)
        assert not app._door.connections and not app._sio.eio.websockets and not app.registry.sessions
        mine = [task for task in asyncio.all_tasks() - tasks if "_send_ping" in repr(task.get_coro())]
        assert not mine
    await asyncio.sleep(0.05)
    left = {task for task in asyncio.all_tasks() - tasks if not task.done()}
    assert not left
    pools = ("asyncio_", "ThreadPool")
    assert not [each for each in set(threading.enumerate()) - threads if not each.name.startswith(pools)]


async def test_engines_are_closed(tmp_path: Path) -> None:
    closed: list[str] = []
    engines: Engines = scripted()

    async def aclose() -> None:
        closed.append("transcriber")

    engines.transcriber.aclose = aclose  # type: ignore[method-assign]
    async with running(tmp_path, engines=engines) as app:
        assert app.url.startswith("http://127.0.0.1:")
    assert closed == ["transcriber"]


async def test_binary_audio_in_the_session_that_asked_for_it(tmp_path: Path) -> None:
    async with running(tmp_path) as app, Client(app) as client:
        await client.connect({"api_key": KEY, "voice": "aria"})
        await client.start(binary=True)
        (connection,) = app._door._connections.values()
        connection.outlet.send(chunk(0, 6), binary=True)
        connection.outlet.send(chunk(1, 6), binary=False)
        await client.wait("audio_chunk", 2)
        assert [type(each["audio"]) for each in client.all("audio_chunk")] == [bytes, str]
        assert client.sio.namespaces.keys() == {NAMESPACE}
