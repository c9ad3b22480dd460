"""A packet that is read by its likeness to one before says what it says when it is parsed."""

from __future__ import annotations

import base64
import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from selam_agent.errors import ValidationError
from selam_agent.wire.audio_packets import AudioPackets
from selam_agent.wire.formats import AudioIn, parse_audio
from selam_agent.wire.transport import EVENT


def text_of(audio: bytes) -> str:
    return base64.b64encode(audio).decode()


def packet(payload: str) -> str:
    return f'{EVENT}["audio_chunk",{payload}]'


def parsed(text: str) -> AudioIn | None:
    try:
        _, payload = orjson.loads(text[len(EVENT) :])
        return parse_audio(payload)
    except (ValueError, ValidationError):
        return None


def take(packets: AudioPackets, text: str) -> AudioIn | None:
    """As a connection does."""
    if (audio := packets.read(text)) is not None:
        return AudioIn(audio, packets.format, packets.sample_rate)
    if (meant := parsed(text)) is not None:
        packets.learn(text, orjson.loads(text[len(EVENT) :])[1]["audio"], meant)
    return meant


AUDIO = st.one_of(
    st.binary(max_size=30).map(text_of), st.sampled_from(["", "A", "AAAA", "AA==", "data:;base64,AAAA"])
)
FIELDS = st.fixed_dictionaries(
    {"audio": AUDIO},
    optional={
        "format": st.sampled_from(["pcm16", "pcmu", "mp3"]),
        "sample_rate": st.sampled_from([8000, 16000, "x"]),
        "seq": st.integers(0, 3),
        "note": st.sampled_from(["audio", '"audio":"AAAA"', "\\", "AAAA"]),
        "meta": st.fixed_dictionaries({"audio": AUDIO}),
    },
)


@st.composite
def packets_of_a_client(draw: st.DrawFn) -> str:
    fields: list[tuple[str, Any]] = draw(st.permutations(list(draw(FIELDS).items())))
    if draw(st.booleans()):
        fields.append(("audio", draw(AUDIO)))  # JSON's last one of a name counts
    colon = draw(st.sampled_from([":", ": "]))
    name = draw(st.sampled_from(["audio", "\\u0061udio"]))
    members = [
        f'"{key}"{colon}{json.dumps(value)}'.replace('"audio"', f'"{name}"', 1) for key, value in fields
    ]
    text = packet("{" + ",".join(members) + "}")
    return text[: draw(st.integers(len(text) - 3, len(text)))]


@given(st.lists(packets_of_a_client(), max_size=12))
@example([packet('{"audio":"AAAA"}'), packet('{"audio":"}')])
@example([packet('{"audio":"AAAA","audio":"AAAA"}'), packet('{"audio":"BBBB","audio":"AAAA"}')])
def test_reading_by_likeness_is_parsing(texts: list[str]) -> None:
    packets = AudioPackets()
    for text in texts:
        assert take(packets, text) == parsed(text)


def test_a_client_s_packets_are_parsed_once() -> None:
    packets = AudioPackets()
    like = '{"format":"pcmu","audio":"%s","sample_rate":8000}'
    first, second = packet(like % text_of(b"one")), packet(like % text_of(b"another"))
    assert packets.read(first) is None
    assert take(packets, first) == AudioIn(b"one", "pcmu", 8000)
    assert packets.read(second) == b"another"
    assert (packets.format, packets.sample_rate) == ("pcmu", 8000)


@pytest.mark.parametrize(
    "other", ['{"audio":"AAAA","sample_rate":8000}', '{"audio":"A"}', '{"audio":"AA\\u0041A"}']
)
def test_another_packet_is_parsed(other: str) -> None:
    packets = AudioPackets()
    take(packets, packet('{"audio":"AAAA"}'))
    assert packets.read(packet('{"audio":"BBBB"}')) is not None
    assert packets.read(packet(other)) is None


def test_a_client_s_chatter_is_not_kept() -> None:
    packets = AudioPackets()
    long = packet(json.dumps({"audio": text_of(bytes(3000)), "note": "x" * 2000}, separators=(",", ":")))
    assert take(packets, long) == parsed(long)
    assert packets.read(long) is None
