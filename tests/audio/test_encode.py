from __future__ import annotations

import io
import wave

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from selam_agent.audio.encode import ChunkEncoder, EncodedChunk, OutputFormat, encode, split_at_quietest
from selam_agent.audio.pcm import Pcm16, g711_decode
from selam_agent.errors import AudioError
from tests.audio.media import demuxed, tone
from tests.audio.test_vad import speech

RATE = 24_000


def _run(format: OutputFormat, pcm: Pcm16, rate: int = RATE, piece: int = 960) -> list[EncodedChunk]:
    encoder = ChunkEncoder(format, rate)
    chunks = [chunk for at in range(0, len(pcm), piece) for chunk in encoder.push(pcm[at : at + piece])]
    chunks += encoder.finish()
    assert encoder.finish() == []
    assert [chunk.start_sample for chunk in chunks] == [
        sum(each.samples for each in chunks[:index]) for index in range(len(chunks))
    ]
    assert sum(chunk.samples for chunk in chunks) == len(pcm)
    return chunks


def test_it_cuts_in_the_gap() -> None:
    pcm = tone(RATE, 1.0)
    pcm[13_000:13_600] = 0
    assert 13_000 <= split_at_quietest(pcm, RATE) <= 13_600


@given(st.integers(0, 3000), st.integers(0, 900), st.integers(0, 900))
def test_a_cut_is_within_its_bounds(samples: int, low: int, more: int) -> None:
    pcm = np.random.default_rng(samples).integers(-100, 100, samples).astype(np.int16)
    cut = split_at_quietest(pcm, 1000, low, low + more)
    assert min(low, samples) <= cut <= min(low + more, samples)


def test_mp3_files_are_self_contained_and_exact() -> None:
    pcm = np.repeat(speech(), 2)[: RATE * 5]
    chunks = _run("mp3", pcm)
    for number, chunk in enumerate(chunks):
        decoded = demuxed(chunk.data)
        # Only the last one's length cannot be chosen.
        assert abs(len(decoded) - chunk.samples) <= (47 if number == len(chunks) - 1 else 0)
        said = pcm[chunk.start_sample : chunk.start_sample + chunk.samples].astype(float)
        error = said - decoded[: chunk.samples]
        assert np.mean(error**2) < 0.2 * np.mean(said**2)
        assert len(chunk.data) < 10_000
    durations = [chunk.samples / RATE for chunk in chunks]
    assert 0.3 <= durations[0] <= 0.5
    assert all(0.39 <= each <= 0.8 for each in durations[1:-1])
    assert durations[-1] >= 0.2


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
def test_mp3_at_every_rate(rate: int) -> None:
    for chunk in _run("mp3", tone(rate, 1.6), rate)[:-1]:
        assert len(demuxed(chunk.data)) == chunk.samples


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3_000))
@example(5)
def test_short_mp3s_are_exact_to_2_ms(samples: int) -> None:
    assert 0 <= len(demuxed(encode(tone(RATE, 1)[:samples], "mp3", RATE), "mp3")) - samples <= 47


def test_mp3_refuses_a_rate_it_does_not_know() -> None:
    with pytest.raises(AudioError):
        ChunkEncoder("mp3", 9_000)


@pytest.mark.parametrize("rate", [8_000, 12_000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("seconds", [0.31, 0.5, 0.8013])
def test_opus_files_are_self_contained_and_exact(rate: int, seconds: float) -> None:
    pcm = tone(rate, seconds)
    (chunk,) = _run("opus", pcm, rate, piece=len(pcm))[:1]
    heard = demuxed(chunk.data, "ogg")
    # A decoder answers at 48 kHz, without the encoder's delay before and with nothing behind.
    assert len(heard) == chunk.samples * 48_000 // rate
    power = np.mean(heard.astype(float) ** 2) / np.mean(pcm[: chunk.samples].astype(float) ** 2)
    assert 0.7 < power < 1.3
    # Speech at 24 kbit/s, and 200 bytes around it.
    assert len(chunk.data) < 24_000 / 8 * chunk.samples / rate * 1.5 + 200


def test_opus_refuses_a_rate_it_does_not_know() -> None:
    with pytest.raises(AudioError, match="44100"):
        ChunkEncoder("opus", 44_100)


def test_wav_files_join_to_the_whole() -> None:
    pcm = np.repeat(speech(), 2)[: RATE * 4]
    joined = []
    for chunk in _run("wav", pcm):
        with wave.open(io.BytesIO(chunk.data)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
            assert file.getnframes() == chunk.samples
            joined.append(np.frombuffer(file.readframes(chunk.samples), np.int16))
    assert np.array_equal(np.concatenate(joined), pcm)


@pytest.mark.parametrize("format", ["pcm16", "pcmu", "pcma"])
def test_raw_chunks_are_40_ms(format: OutputFormat) -> None:
    pcm = tone(8_000, 0.5)
    chunks = _run(format, pcm, 8_000, piece=333)
    assert {chunk.samples for chunk in chunks[:-1]} == {320}
    data = b"".join(chunk.data for chunk in chunks)
    if format == "pcm16":
        assert data == pcm.tobytes()
    else:
        error = g711_decode(data, format).astype(float) - pcm  # type: ignore[arg-type]
        assert np.mean(error**2) < 0.001 * np.mean(pcm.astype(float) ** 2)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(["wav", "pcm16"]), st.lists(st.integers(0, 30_000), max_size=8))
def test_no_sample_is_lost_however_it_is_pushed(format: OutputFormat, sizes: list[int]) -> None:
    encoder = ChunkEncoder(format, RATE)
    pcm = np.random.default_rng(len(sizes)).integers(-9000, 9000, sum(sizes)).astype(np.int16)
    chunks, at = [], 0
    for size in sizes:
        chunks += encoder.push(pcm[at : at + size])
        at += size
    chunks += encoder.finish()
    head = 44 if format == "wav" else 0
    assert b"".join(chunk.data[head:] for chunk in chunks) == pcm.tobytes()
    assert all(chunk.samples > 0 for chunk in chunks)


def test_more_may_be_pushed_after_finish() -> None:
    encoder = ChunkEncoder("pcm16", RATE)
    first = encoder.push(tone(RATE, 0.05)) + encoder.finish()
    (second,) = encoder.push(tone(RATE, 0.04))
    assert second.start_sample == sum(chunk.samples for chunk in first)


@pytest.mark.parametrize("output", ["mp3", "opus", "wav", "pcm16", "pcmu", "pcma"])
def test_a_chunk_knows_what_it_sounds_like(output: OutputFormat) -> None:
    pcm = (np.sin(np.arange(8_000) / 9) * 9_000).astype(np.int16)
    encoder = ChunkEncoder(output, 8_000)
    chunks = encoder.push(pcm) + encoder.finish()
    heard = np.concatenate([chunk.pcm() for chunk in chunks])
    assert [len(chunk.pcm()) for chunk in chunks] == [chunk.samples for chunk in chunks]
    assert np.abs(heard.astype(int) - pcm).max() < 400
