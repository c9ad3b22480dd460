"""The bench: what its callers take for late, dry and interrupted, and that it measures a real server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selam_agent.programs.bench import caller as caller_module
from selam_agent.programs.bench.caller import Caller, Log
from selam_agent.programs.bench.crowd import CrowdFailed
from selam_agent.programs.bench.dialect import Ear, SelamDialect
from selam_agent.programs.bench.page import write_page
from selam_agent.programs.bench.player import Player
from selam_agent.programs.bench.profile import VARIANTS, Profile
from selam_agent.programs.bench.run import measured_server
from selam_agent.programs.bench.sockets import BINARY, TEXT, WebSocket, frame
from selam_agent.programs.bench.speech import Speech


def test_a_player_that_runs_dry_is_an_underrun_and_one_that_is_cut_is_not() -> None:
    player = Player(60)
    player.begin()
    player.add(1000, 40)  # plays from 1060 to 1100
    player.add(1100, 40)
    assert (player.underruns, player.ends) == (0, 1140)
    player.add(1150, 40)  # 10 ms late: silence, and the buffer fills again
    assert (player.underruns, player.silent_ms, player.ends) == (1, 10, 1250)
    player.clear(1200)
    player.begin()
    player.add(5000, 40)
    assert (player.underruns, player.ends) == (1, 5100)


def unmask(data: bytes) -> tuple[int, bytes]:
    size = data[1] & 0x7F
    at = 2 if size < 126 else 4 if size == 126 else 10
    mask, body = data[at : at + 4], data[at + 4 :]
    return data[0] & 0x0F, bytes(each ^ mask[number % 4] for number, each in enumerate(body))


@pytest.mark.parametrize("size", [0, 125, 126, 70_000])
def test_frames_are_masked_and_carry_their_length(size: int) -> None:
    payload = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert unmask(frame(payload, BINARY)) == (BINARY, payload)


async def test_a_socket_puts_messages_together_from_any_pieces() -> None:
    got: list[tuple[bytes, int]] = []
    socket = WebSocket("h", "/", lambda payload, kind: got.append((payload, kind)), lambda: None)
    long = b"x" * 300
    stream = (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
        + bytes((0x81, 2))
        + b"hi"
        + bytes((0x82, 126))
        + len(long).to_bytes(2, "big")
        + long
        + bytes((0x01, 1))  # a text in two fragments
        + b"a"
        + bytes((0x80, 1))
        + b"b"
    )
    for at in range(0, len(stream), 7):
        socket.data_received(stream[at : at + 7])
    assert got == [(b"hi", TEXT), (long, BINARY), (b"ab", TEXT)]
    socket.data_received(bytes((0x88, 6)) + (1001).to_bytes(2, "big") + b"busy")
    socket.connection_lost(None)
    assert socket.ended == "closed by the server with 1001 busy"


async def test_callers_that_were_lost_are_reported_with_the_end_of_the_servers_log() -> None:
    server = "import sys; print('no room', file=sys.stderr); print('{\"port\": 1}', flush=True); input()"
    with pytest.raises(CrowdFailed, match=r"(?s)2 × cut\n.*log ends:\n.*no room"):
        async with measured_server(sys.executable, "-c", server):
            raise CrowdFailed("connections were lost: 2 × cut")


class Said:
    """A dialect whose messages are (what, value)."""

    path = "/"

    def packet(self, pcm: bytes) -> bytes:
        return pcm

    def received(self, message: bytes, kind: int, ear: Ear, send: Callable[[bytes], None]) -> None:
        what, *rest = json.loads(message)
        getattr(ear, what)(*rest)


class Silent:
    def send(self, frame: bytes) -> None: ...


def test_a_caller_takes_the_time_of_answers_and_of_interruptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """20 packets of 20 ms, the answer 820 ms later; 900 ms into it the line again, cleared after 260 ms."""
    clock = [0.0]
    monkeypatch.setattr(caller_module, "now_ms", lambda: clock[0])
    speech = Speech(line=[b"l"] * 20, room=[b"r"], lead_ms=0.0)
    caller = Caller(Said(), speech, buffer_ms=60, seed=1)
    caller.socket = Silent()  # type: ignore[assignment]
    caller.log = log = Log()

    def until(ms: float, *message: Any) -> None:
        while clock[0] + 20 <= ms:
            clock[0] += 20
            caller.send_packet(clock[0])
        if message:
            caller.message(json.dumps(message).encode(), TEXT)

    until(420)  # a packet of room, then the line
    assert log.turns == 1
    until(1240, "audio", 3000)
    assert log.v2v == [820]
    until(2140 + 260, "clear")  # the caller begins at 2140
    until(2140 + 400)
    assert log.barge_in == [260]
    assert (log.turns, log.missed_turns, log.missed_barge_ins) == (2, 0, 0)
    until(2140 + 400 + 4100)  # and this one is never answered
    assert log.missed_turns == 1


def test_the_dialect_reads_what_the_server_sends() -> None:
    heard: list[Any] = []

    class Everything:
        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *args: heard.append((name, *args))

    sent: list[bytes] = []
    dialect = SelamDialect(Profile(), "sk")
    event = "42/v1/audio/agent,"
    for message in (
        '0{"sid":"x"}',
        event + '["connected",{"status":"ok"}]',
        "2",
        event + '["session_started",{}]',
        event + '["audio_chunk",{"audio":"' + "A" * 2560 + '","format":"pcm16","duration_ms":40}]',
        event + '["error",{"code":"overloaded","message":"no"}]',
    ):
        dialect.received(message.encode(), TEXT, Everything(), sent.append)  # type: ignore[arg-type]
    assert heard == [("ready",), ("audio", 40.0), ("failed", "error: overloaded: no")]
    texts = [unmask(each)[1].decode() for each in sent]
    assert [text[:24] for text in texts] == ['40/v1/audio/agent,{"api_', '42/v1/audio/agent,["star', "3"]


def test_a_page_has_a_plot_for_each_figure(tmp_path: Path) -> None:
    row = {
        "sessions": 1,
        "cpu_ms_per_session_second": 5.0,
        "rss_mb_per_session": 0.5,
        "v2v_over_silence_ms_p50": 20.0,
        "v2v_over_silence_ms_p95": 20.0,
        "v2v_over_silence_ms_p99": None,
        "decision_to_first_chunk_ms_p50": 2.0,
        "decision_to_first_chunk_ms_p95": 2.0,
        "barge_in_over_threshold_ms_p50": 2.0,
        "barge_in_over_threshold_ms_p95": 2.0,
        "valid": True,
    }
    levels = [row, {**row, "sessions": 64, "valid": False}]
    report = {"profile": VARIANTS["base"].as_dict(), "machine": {"processor": "a"}, "made": "", "seconds": 1}
    write_page(tmp_path / "x" / "bench.html", report | {"levels": levels})
    page = (tmp_path / "x" / "bench.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 5
    assert "Invalid at 64" in page


async def test_it_measures_a_server_of_its_own_and_prints_one_json_object() -> None:
    command = (sys.executable, "-m", "selam_agent.cli", "bench", "--sessions", "2", "--seconds", "2")
    process = await asyncio.create_subprocess_exec(
        *command, "--json", "-", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    figures = json.loads(output)
    assert (figures["sessions"], figures["errors"], figures["valid"]) == (2, {}, True)
    assert figures["cpu_ms_per_session_second"] > 0
    assert figures["turns"] > 0
    named = {
        "rss_mb_per_session",
        "v2v_over_silence_ms_p50",
        "decision_to_first_chunk_ms_p95",
        "barge_in_over_threshold_ms_p50",
        "underruns",
        "missed_turns",
    }
    assert named <= set(figures)
    assert figures["profile"]["packet_ms"] == 20
