"""What an accepted client may send, and what it hears when it sends something else."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selam_agent.app import App
from selam_agent.errors import ValidationError
from selam_agent.wire.formats import parse_audio
from tests.fakes import speech
from tests.wire.doors import KEY, NAMESPACE, Client, Raw, raw, running


async def refused(client: Client, code: str, count: int = 1) -> Any:
    error = await client.wait("error", count)
    assert error["code"] == code, error
    assert set(error) - {"details"} == {"type", "code", "message", "retryable", "error"}
    return error


async def test_a_session_from_start_to_end(app: App) -> None:
    async with Client(app) as client:
        await client.greet(voice="mekdes")
        started = await client.start(voice="aria")
        assert started["status"] == "started" and started["voice"] == "aria" and started["language"] == "en"
        assert (started["output_format"], started["sample_rate"]) == ("mp3", 24_000)
        assert set(started["engines"]) >= {"stt"}
        for action in ("interrupt", "stop_listening", "start_listening", "pause", "resume"):
            await client.emit("control", {"action": action})
        await client.wait("control_ack", 5)
        assert client.all("control_ack")[4] == {"action": "resume", "status": "executed"}
        await client.emit("end_session")
        ended = await client.wait("session_ended")
        assert (ended["session_id"], ended["status"]) == (started["session_id"], "ended")
        await client.emit("control", {"action": "interrupt"})
        assert (await refused(client, "no_session"))["type"] == "session_error"
        await client.start()
        assert not client.disconnected.is_set()


@pytest.mark.parametrize("name", ["connect", "disconnect", "connect_error", "disconnecting", "nonsense", ""])
@pytest.mark.parametrize("args", [(), ({"api_key": "wrong"},), ("a", "b"), ({}, {}, {})])
async def test_forged_and_unknown_events_do_nothing(app: App, name: str, args: tuple[Any, ...]) -> None:
    async with raw(app) as socket:
        await socket.join()
        await socket.emit("start_session", {"voice": "aria"})
        assert (await socket.event())[0] == "session_started"
        await socket.emit(name, *args)
        event, error = await socket.event()
        assert (event, error["type"], error["code"]) == ("error", "validation_error", "unknown_event")
        assert "audio_chunk" in error["details"]["events"]
        # The session is still the same one, and the connection is still known.
        await socket.emit("control", {"action": "interrupt"})
        assert (await socket.event())[0] == "control_ack"
        assert app._door.connections == 1 and len(app.registry.sessions) == 1


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("start_session", ()),
        ("start_session", ({"voice": "aria"}, "extra")),
        ("audio_chunk", ({"audio": ""}, 1)),
        ("control", ()),
        ("end_session", ("now",)),
        ("end_session", ({}, {})),
    ],
)
async def test_wrong_arity(app: App, name: str, args: tuple[Any, ...]) -> None:
    async with raw(app) as socket:
        await socket.join()
        await socket.emit(name, *args)
        _, error = await socket.event()
        assert (error["type"], error["code"]) == ("validation_error", "wrong_arity")


@pytest.mark.parametrize("payload", [[], [None], [{}]])
async def test_end_session_with_an_empty_payload(app: App, payload: list[Any]) -> None:
    async with raw(app) as socket:
        await socket.join()
        await socket.emit("start_session", {"voice": "aria"})
        await socket.event()
        await socket.emit("end_session", *payload)
        assert (await socket.event())[0] == "session_ended"


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"instructions": "x" * 16_001}, "instructions"),
        ({"greeting": "x" * 4_001}, "greeting"),
        ({"vad_threshold": -1}, "vad_threshold"),
        ({"vad_threshold": 32_768}, "vad_threshold"),
        ({"vad_threshold": "loud"}, "vad_threshold"),
        ({"vad_threshold": True}, "vad_threshold"),
        ({"interrupt_threshold": 0}, "interrupt_threshold"),
        ({"interrupt_threshold": 101}, "interrupt_threshold"),
        ({"interrupt_threshold": 2.5}, "interrupt_threshold"),
        ({"output_format": "flac"}, "output_format"),
        ({"output_sample_rate": 12_345}, "output_sample_rate"),
        ({"output_format": "pcmu", "output_sample_rate": 16_000}, "output_sample_rate"),
        ({"binary": "yes"}, "binary"),
        ({"playback": "later"}, "playback"),
        ({"voice": 7}, "voice"),
        ({"voice": "nobody"}, "nobody"),
        ({"voice": "aria", "language": "am"}, ""),
        ({"language": ["en"]}, "language"),
    ],
)
async def test_limits_of_start_session(app: App, wish: dict[str, Any], field: str) -> None:
    async with raw(app) as socket:
        await socket.join()
        await socket.emit("start_session", {"voice": "aria", **wish})
        name, error = await socket.event()
        assert (name, error["type"]) == ("error", "validation_error")
        assert field in error["message"]
        await socket.emit("start_session", {"voice": "aria"})
        assert (await socket.event())[0] == "session_started"


async def test_the_largest_allowed_values(app: App) -> None:
    async with Client(app) as client:
        await client.greet()
        await client.start(
            instructions="x" * 16_000,
            greeting=None,
            vad_threshold=32_767,
            interrupt_threshold=100.0,
            output_format="pcma",
            playback="immediate",
            binary=True,
            unheard_of=1,
        )


async def test_nulls_are_left_out_and_the_query_voice_is_the_default(app: App) -> None:
    async with Client(app) as client:
        await client.greet(voice="andrew")
        await client.emit("start_session", {"language": None, "vad_threshold": None})
        started = await client.wait("session_started")
        assert (started["voice"], started["language"]) == ("andrew", None)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ("AAAA", "invalid_payload"),
        (None, "invalid_payload"),
        ([1], "invalid_payload"),
        ({}, "invalid_payload"),
        ({"audio": 5}, "invalid_payload"),
        ({"audio": None}, "invalid_payload"),
        ({"audio": ["AAAA"]}, "invalid_payload"),
        ({"audio": "AAA"}, "invalid_base64"),
        ({"audio": "AA=A"}, "invalid_base64"),
        ({"audio": "AA A"}, "invalid_base64"),
        ({"audio": "ሰላም"}, "invalid_base64"),
        ({"audio": "AAAA", "format": "flac"}, "invalid_format"),
        ({"audio": "AAAA", "format": 3}, "invalid_format"),
        ({"audio": "AAAA", "sample_rate": 7_999}, "invalid_sample_rate"),
        ({"audio": "AAAA", "sample_rate": 48_001}, "invalid_sample_rate"),
        ({"audio": "AAAA", "sample_rate": "16000"}, "invalid_sample_rate"),
        ({"audio": "AAAA", "sample_rate": True}, "invalid_sample_rate"),
    ],
)
async def test_audio_payloads(app: App, payload: Any, code: str) -> None:
    async with raw(app) as socket:
        await socket.join()
        await socket.emit("start_session", {"voice": "aria"})
        await socket.event()
        await socket.emit("audio_chunk", payload)
        _, error = await socket.event()
        assert (error["type"], error["code"]) == ("validation_error", code)


@pytest.mark.parametrize(
    "media_type",
    ["audio/webm", "audio/webm;codecs=opus", "video/webm;codecs=vp8,opus", "AUDIO/wav", "", "text/plain"],
)
@given(pcm=st.binary(max_size=64))
def test_a_data_url_is_the_audio_in_it(media_type: str, pcm: bytes) -> None:
    url = f"data:{media_type};base64,{base64.b64encode(pcm).decode()}"
    assert parse_audio({"audio": url}).data == pcm
    assert parse_audio({"audio": url.replace("data:", "Data:", 1)}).data == pcm


@pytest.mark.parametrize(
    "audio", ["data:", "data:audio/webm,AAAA", "data:audio/webm;base64,AAA", "audio/webm;base64,AAAA"]
)
def test_what_is_no_data_url_of_base64(audio: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        parse_audio({"audio": audio})
    assert refusal.value.code == "invalid_base64"


@pytest.mark.parametrize("payload", ["interrupt", {"action": None}, {"action": "dance"}, {}])
async def test_unknown_controls_get_no_ack(app: App, payload: Any) -> None:
    async with Client(app) as client:
        await client.greet()
        await client.start()
        await client.emit("control", payload)
        assert (await client.wait("error"))["type"] == "validation_error"
        await client.emit("control", {"action": "interrupt"})
        await client.wait("control_ack")
        assert len(client.all("control_ack")) == 1


async def test_audio_before_a_session_is_summed_up(app: App) -> None:
    async with Client(app) as client:
        await client.greet()
        for _ in range(100):
            await client.emit("audio_chunk", {"audio": "AAAA"})
        last = await client.wait("error", 21, within=3)
        errors = client.all("error")
        assert {each["code"] for each in errors} == {"no_session"}
        assert last["details"] == {"suppressed": 80, "codes": {"no_session": 80}}
        assert len(errors) == 21
        await asyncio.sleep(0.2)
        await client.emit("audio_chunk", {"audio": "AAAA"})
        assert "details" not in await client.wait("error", 22)


async def test_a_second_start_replaces_the_first(app: App) -> None:
    async with Client(app) as client:
        await client.greet()
        first = await client.start()
        await client.emit("start_session", {"voice": "andrew"})
        second = await client.wait("session_started", 2)
        assert first["session_id"] != second["session_id"] and second["voice"] == "andrew"
        await client.emit("control", {"action": "interrupt"})
        await client.wait("control_ack")
        assert client.all("error") == []


async def test_a_failed_second_start_keeps_the_first(app: App) -> None:
    async with Client(app) as client:
        await client.greet()
        await client.start()
        await client.emit("start_session", {"voice": "nobody"})
        await refused(client, "unknown_voice")
        await client.emit("control", {"action": "interrupt"})
        await client.wait("control_ack")


async def test_end_and_start_at_once_stay_in_order(app: App) -> None:
    async with Client(app) as client:
        await client.greet()
        await client.start()
        await client.emit("end_session")
        await client.emit("start_session", {"voice": "aria"})
        await client.wait("session_started", 2)
        assert client.names() == ["connected", "session_started", "session_ended", "session_started"]


async def test_order_is_kept(app: App) -> None:
    actions = ["interrupt", "stop_listening", "start_listening", "pause", "resume"] * 20
    async with Client(app) as client:
        await client.greet()
        await client.emit("start_session", {"voice": "aria"})
        for action in actions:
            await client.emit("control", {"action": action})
        await client.wait("control_ack", len(actions))
        assert [each["action"] for each in client.all("control_ack")] == actions
        assert client.names()[:2] == ["connected", "session_started"]


async def test_the_session_ends_with_its_socket(app: App) -> None:
    async with Client(app) as client:
        await client.greet()
        await client.start()
        assert len(app.registry.sessions) == 1
    for _ in range(50):
        await asyncio.sleep(0.02)
        if not app.registry.sessions and not app._door.connections:
            return
    raise AssertionError("the session or its connection is still there")


async def test_shutdown_says_goodbye(tmp_path: Path) -> None:
    async with running(tmp_path) as app:
        client = await Client(app).greet()
        await client.start()
        await app.stop()
        assert (await client.wait("session_ended"))["reason"] == "shutdown"
        await asyncio.wait_for(client.disconnected.wait(), 2)
        await client.sio.disconnect()


# ---------------------------------------------------------------- malformed packets

PACKETS = [
    "4",
    "42",
    "42[]",
    "44{}",
    "4[1]",
    "4null",
    f"42{NAMESPACE},",
    f"42{NAMESPACE},[]",
    f"42{NAMESPACE},{{}}",
    f'42{NAMESPACE},"control"',
    f"42{NAMESPACE},[1]",
    f"42{NAMESPACE},[null]",
    f'42{NAMESPACE},[{{"a":1}}]',
    f"42{NAMESPACE},[[[]]]",
    f'42{NAMESPACE},["control",',
    f'42{NAMESPACE},["control",NaN]',
    f"42{NAMESPACE}," + "[" * 100_000,
    f'43{NAMESPACE},7["ack"]',
    f"43{NAMESPACE},[]",
    f'450-{NAMESPACE},["audio_chunk",{{}}]',
    f'459999999999-{NAMESPACE},["audio_chunk",{{}}]',
    f'452-{NAMESPACE},["audio_chunk",{{"audio":{{"_placeholder":true,"num":0}}}}]',
    f'42{NAMESPACE},["audio_chunk","\\ud800"]',
    "49",
    "4" + "9" * 200 + "-",
]
NOISE = [
    "",
    "x",
    "9",
    "b",
    "b!!!",
    "5",
    "6",
    "0",
    "0" + "[" * 100_000,
    "3probe",
    "²",
    "4²",
    "4" + "{" * 100_000,
]


async def still_answers(socket: Raw) -> list[str]:
    """The codes of the errors that came before the answer to a proper event."""
    await socket.emit("control", {"action": "interrupt"})
    codes = []
    while True:
        name, data = await socket.event()
        if name == "control_ack":
            return codes
        codes.append(data["code"])


@pytest.mark.parametrize("packet", PACKETS, ids=lambda text: text[:40])
async def test_malformed_packets_are_answered(app: App, packet: str) -> None:
    async with raw(app) as socket:
        await socket.join()
        await socket.emit("start_session", {"voice": "aria"})
        await socket.event()
        await socket.socket.send_str(packet)
        codes = await still_answers(socket)
        # An event without our namespace belongs to "/", which nobody can join: silence is right.
        assert set(codes) <= {"malformed_packet", "unknown_event"} and len(codes) <= 1


@pytest.mark.parametrize("frame", NOISE, ids=lambda text: text[:20])
async def test_noise_below_socketio_is_survived(app: App, frame: str) -> None:
    async with raw(app) as socket:
        await socket.join()
        await socket.emit("start_session", {"voice": "aria"})
        await socket.event()
        await socket.socket.send_str(frame)
        await still_answers(socket)


async def test_stray_and_missing_attachments(app: App) -> None:
    async with raw(app) as socket:
        await socket.join()
        await socket.emit("start_session", {"voice": "aria"})
        await socket.event()
        header = '["audio_chunk",{"audio":{"_placeholder":true,"num":%s}}]'
        await socket.socket.send_bytes(b"stray")
        assert await still_answers(socket) == ["malformed_packet"]
        for number in ("1", "-2", '"x"', "[]", "null"):
            await socket.socket.send_str(f"451-{NAMESPACE}," + header % number)
            await socket.socket.send_bytes(b"\0\0")
            assert await still_answers(socket) in (["malformed_packet"], ["invalid_payload"]), number
        await socket.socket.send_str(f"451-{NAMESPACE}," + header % 0)
        await socket.emit("control", {"action": "pause"})  # takes the attachment's place
        assert await still_answers(socket) == ["malformed_packet"]
        await socket.socket.send_str(f"451-{NAMESPACE}," + header % 0)
        await socket.socket.send_bytes(b"\0\0")
        assert await still_answers(socket) == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["start_session", "audio_chunk", "control", "end_session", "connect", "disconnect"])
fields = st.sampled_from(
    ["voice", "audio", "format", "sample_rate", "action", "language", "binary", "_placeholder"]
)
payloads = st.dictionaries(fields, json_values, max_size=4) | json_values
packets = st.one_of(
    st.tuples(names | st.text(max_size=10) | json_values, st.lists(payloads, max_size=3)).map(
        lambda event: f"42{NAMESPACE}," + _json([event[0], *event[1]])
    ),
    st.text(max_size=60).map(lambda text: "4" + text),
    st.text(max_size=60).map(lambda text: f"42{NAMESPACE},{text}"),
    st.text(max_size=20),
    st.binary(max_size=60),
)


def _json(value: Any) -> str:
    import json

    return json.dumps(value)


async def test_two_hundred_malformed_inputs(app: App) -> None:
    """One connection takes them all (a new one only after an input that means goodbye)."""
    loop = asyncio.get_running_loop()
    inputs: list[str | bytes] = []

    @settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(packets)
    def collect(packet: str | bytes) -> None:
        inputs.append(packet)

    await loop.run_in_executor(None, collect)
    farewells = ("1", f"41{NAMESPACE}")
    waiting = [each for each in inputs if not (isinstance(each, str) and each.startswith(farewells))]
    assert len(waiting) >= 150
    async with raw(app) as socket:
        await socket.join()
        for packet in waiting:
            await (socket.socket.send_bytes if isinstance(packet, bytes) else socket.socket.send_str)(packet)
        await asyncio.sleep(1.1)  # the budget of errors is whole again
        await socket.emit("start_session", {"voice": "aria"})
        while (await socket.event())[0] != "session_started":
            pass
    async with Client(app) as client:
        await client.greet()
        await client.start()


async def test_both_kinds_of_audio_are_taken(app: App) -> None:
    async with Client(app) as client:
        await client.greet()
        await client.start()
        pcm = speech(40)
        await client.emit("audio_chunk", {"audio": base64.b64encode(pcm).decode(), "format": "pcm16"})
        await client.emit("audio_chunk", {"audio": pcm, "format": "pcm16", "sample_rate": 16_000})
        await client.emit("audio_chunk", {"audio": pcm[:161], "format": "pcmu"})
        await client.emit("audio_chunk", {"audio": ""})
        await client.emit("control", {"action": "interrupt"})
        await client.wait("control_ack")
        assert client.all("error") == []


async def test_keys_are_not_echoed(app: App) -> None:
    async with Client(app) as client:
        await client.greet()
        await client.start()
        await client.emit("start_session", {"voice": "aria", "vad_threshold": KEY})
        assert KEY not in str(await client.wait("error"))
