from __future__ import annotations

import hashlib
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selam_agent.audio.frames import Framer
from selam_agent.audio.pcm import (
    G711,
    ByteCarry,
    StreamResampler,
    g711_decode,
    g711_encode,
)
from selam_agent.errors import AudioError
from tests.audio.media import tone

ALL_SAMPLES = np.arange(65536, dtype=np.uint16).view(np.int16)
ALL_CODES = bytes(range(256))
# SHA-256 of what CPython 3.11's audioop gives for all inputs; 3.13 has no audioop.
AUDIOOP = {
    "lin2ulaw": "617fa4850d68d3906597e949f7625fb2fc46db479e29707f33159b3d131721cb",
    "lin2alaw": "f77c76aa923ee25617453f87514828a12896227f82ff383bf3bb53d6ac7c2a0f",
    "ulaw2lin": "3dab54339e520bb2c924826e3b72a917a2b612e9fd12fc867500f1d983a75827",
    "alaw2lin": "e04788d110e58ff8c70c93b8480190d973e3b67876b6119abbaec766cc75c174",
}


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(("law", "name"), [("pcmu", "ulaw"), ("pcma", "alaw")])
def test_g711_is_audioops(law: G711, name: str) -> None:
    assert _sha(g711_encode(ALL_SAMPLES, law)) == AUDIOOP[f"lin2{name}"]
    assert _sha(g711_decode(ALL_CODES, law).astype("<i2").tobytes()) == AUDIOOP[f"{name}2lin"]


def test_the_embedded_digests_are_audioops() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop")
    for name, digest in AUDIOOP.items():
        convert = getattr(audioop, name)
        data = ALL_SAMPLES.tobytes() if name.startswith("lin") else ALL_CODES
        assert _sha(convert(data, 2)) == digest


@pytest.mark.parametrize("law", ["pcmu", "pcma"])
def test_g711_survives_views(law: G711) -> None:
    assert g711_encode(ALL_SAMPLES[::2], law) == g711_encode(ALL_SAMPLES, law)[::2]


@given(st.lists(st.binary(max_size=9)), st.integers(1, 8))
def test_bytes_are_carried_to_the_next_unit(pieces: list[bytes], unit: int) -> None:
    carry = ByteCarry(unit)
    out = [carry.push(piece) for piece in pieces]
    whole = b"".join(pieces)
    assert b"".join(out) == whole[: len(whole) - len(whole) % unit]
    assert all(len(piece) % unit == 0 for piece in out)


@given(st.lists(st.integers(0, 1000), max_size=20))
def test_frames_are_whole_and_in_order(sizes: list[int]) -> None:
    framer = Framer()
    stream = np.arange(sum(sizes), dtype=np.int64).astype(np.int16)
    pieces = np.split(stream, np.cumsum(sizes)[:-1]) if sizes else []
    frames = [framer.push(piece) for piece in pieces]
    assert all(each.shape[1] == 320 for each in frames)
    joined = np.concatenate([each.reshape(-1) for each in frames]) if frames else stream
    assert np.array_equal(joined, stream[: len(stream) // 320 * 320])


RATES = [8_000, 16_000, 22_050, 24_000, 44_100, 48_000]


@pytest.mark.parametrize("source", RATES)
@pytest.mark.parametrize("target", [8_000, 16_000, 24_000])
def test_resampling_keeps_count_and_sound(source: int, target: int) -> None:
    resampler = StreamResampler(source, target)
    pcm = tone(source, 2, 1000, 10_000)
    sizes = [1, 7, 160, 961, 3, source // 50]
    parts, at, held = [], 0, 0.0
    while at < len(pcm):
        size = sizes[len(parts) % len(sizes)]
        parts.append(resampler.feed(pcm[at : at + size]))
        at += size
        arrived = min(at, len(pcm)) / source
        held = max(held, arrived - sum(map(len, parts)) / target)
    out = np.concatenate([*parts, resampler.flush()])
    assert abs(len(out) - 2 * target) <= 1
    assert held < 0.005
    inner = slice(target // 10, -target // 10)
    error = out[: 2 * target].astype(float) - tone(target, 2, 1000, 10_000)[: len(out)]
    # 45 dB under the tone.
    assert np.mean(error[inner] ** 2) < 5e7 / 10**4.5


def test_equal_rates_pass_through() -> None:
    pcm = tone(16_000, 0.1)
    resampler = StreamResampler(16_000, 16_000)
    assert np.array_equal(resampler.feed(pcm), pcm)
    assert not len(resampler.flush())


@pytest.mark.parametrize("rate", [0, -1, 3_999, 192_001])
def test_impossible_rates_are_refused(rate: int) -> None:
    with pytest.raises(AudioError, match="sample rate"):
        StreamResampler(rate, 16_000)


@settings(max_examples=20, deadline=None)
@given(st.integers(4_000, 192_000))
def test_any_possible_rate_resamples(rate: int) -> None:
    resampler = StreamResampler(rate, 16_000)
    count = len(resampler.feed(np.ones(rate // 10, np.int16))) + len(resampler.flush())
    assert abs(count - rate // 10 * 16_000 / rate) <= 2
