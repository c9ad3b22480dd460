"""Bounds here are looser than what was measured; the measured values are in the gate's docstring."""

from __future__ import annotations

import functools
import wave
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from selam_agent.audio.frames import Framer
from selam_agent.audio.pcm import Pcm16
from selam_agent.audio.vad import FloorTracker, Heard, VoiceGate
from tests.audio.media import FIXTURES

Signal = NDArray[np.float64]


@functools.cache
def speech() -> Pcm16:
    """6 s of espeak-ng, en, at 16 kHz."""
    with wave.open(str(FIXTURES / "speech_en.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def at_level(signal: Signal | Pcm16, dbfs: float) -> Signal:
    wide = signal.astype(np.float64)
    return np.asarray(wide / np.sqrt(np.mean(wide**2)) * 32768 * 10 ** (dbfs / 20))


def noise(seconds: float, *, brown: bool = False) -> Signal:
    white = np.random.default_rng(7).normal(size=int(seconds * 16_000))
    if not brown:
        return white
    spectrum = np.fft.rfft(np.cumsum(white))
    spectrum[: int(40 * seconds)] = 0
    return np.fft.irfft(spectrum, len(white))


def frames(signal: Signal) -> Pcm16:
    return Framer().push(np.clip(signal, -32768, 32767).astype(np.int16))


def spoken(signal: Signal) -> NDArray[np.bool_]:
    """Which frames of clean speech are speech: within 16 dB of its mean level."""
    level = np.sqrt(np.mean(frames(signal).astype(np.float64) ** 2, axis=1))
    return np.asarray(level > 0.15 * np.sqrt(np.mean(signal**2)))


def hear(signal: Signal, gate: VoiceGate | None = None) -> Heard:
    return (gate or VoiceGate()).feed(frames(signal))


@pytest.mark.parametrize("denoise", ["vad", "all", "off"])
@pytest.mark.parametrize("lead_in_s", [0, 2])
def test_clean_speech_is_voiced(denoise: str, lead_in_s: int) -> None:
    said = at_level(speech(), -20)
    gate = VoiceGate(denoise=denoise)  # type: ignore[arg-type]
    voiced = hear(np.concatenate((np.zeros(lead_in_s * 16_000), said)), gate).voiced
    assert not voiced[: lead_in_s * 50].any()
    voiced = voiced[lead_in_s * 50 :]
    assert voiced[spoken(said)].mean() > 0.9
    assert voiced[~spoken(said)].mean() < 0.1
    assert gate.too_quiet_ms < 300


def test_speech_in_noise_is_voiced() -> None:
    said = at_level(speech(), -20)
    for brown in (False, True):
        mixed = at_level(noise(10, brown=brown), -25)
        mixed[64_000 : 64_000 + len(said)] += said
        voiced = hear(mixed).voiced
        of_speech = voiced[200 : 200 + len(spoken(said))]
        assert of_speech[spoken(said)].mean() >= 0.6
        assert voiced[50:200].mean() < 0.1


def test_half_a_minute_of_speech_does_not_raise_the_floor() -> None:
    said = np.tile(at_level(speech(), -20), 5)
    said = said + at_level(noise(len(said) / 16_000), -50)[: len(said)]
    heard = hear(said)
    truth = spoken(said)
    assert heard.voiced[-500:][truth[-500:]].mean() > 0.9
    assert heard.floor.max() < 60


@pytest.mark.parametrize("brown", [False, True])
@pytest.mark.parametrize("dbfs", [-60, -40, -26, -20, -10])
def test_steady_noise_is_learnt(dbfs: float, brown: bool) -> None:
    voiced = hear(at_level(noise(8, brown=brown), dbfs)).voiced
    # The window of 3 s, and what the smoothing and the suppressor add.
    assert voiced[175:].mean() < 0.05
    if dbfs <= -26:
        assert voiced.mean() < 0.1


def test_noise_after_digital_silence_is_learnt() -> None:
    voiced = hear(np.concatenate((np.zeros(48_000), at_level(noise(8), -20)))).voiced
    assert voiced[150 + 175 :].mean() < 0.05


@pytest.mark.parametrize("hertz", [50, 440])
def test_hum_and_tone_are_no_voice(hertz: float) -> None:
    hum = np.sin(2 * np.pi * hertz * np.arange(16_000 * 6) / 16_000)
    assert hear(at_level(hum, -20)).voiced.mean() < 0.1


def test_clicks_are_no_run_of_voice() -> None:
    clicks = np.zeros(16_000 * 6)
    clicks[::8_000] = 20_000
    voiced = hear(clicks).voiced
    # 3 of 5 begin an utterance.
    assert max(np.convolve(voiced, np.ones(5))) < 3


def test_a_quiet_talker_is_noticed_once_loud_enough_to_be_one() -> None:
    gate = VoiceGate()
    hear(at_level(noise(3), -40), gate)
    assert gate.too_quiet_ms < 200
    heard = hear(at_level(speech(), -40), gate)
    assert heard.voiced.mean() < 0.2
    assert gate.too_quiet_ms >= 600
    gate.set_threshold(60)
    assert gate.too_quiet_ms == 0
    said = at_level(speech(), -40)
    assert hear(said, gate).voiced[spoken(said)].mean() > 0.8
    assert gate.too_quiet_ms < 300


def test_quiet_noise_is_no_quiet_talker() -> None:
    gate = VoiceGate()
    hear(at_level(noise(8), -42), gate)
    assert gate.too_quiet_ms < 300


def test_pieces_do_not_matter() -> None:
    # With a quiet stretch in which the suppressor rests.
    said = frames(np.concatenate((at_level(speech(), -20), at_level(noise(2), -62), at_level(speech(), -20))))
    whole = VoiceGate().feed(said)
    gate = VoiceGate()
    parts = [gate.feed(said[at : at + 3]) for at in range(0, len(said), 3)]
    assert [each for part in parts for each in part.frames] == whole.frames
    for part in parts:
        assert part.silent == (not part.voiced.any() and not part.fading.any())
        assert part.loudest == part.rms.max()


class Counting:
    """A suppressor that says how often it was used."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.blocks = 0

    def Process10ms(self, block: bytes) -> Any:  # noqa: N802
        self.blocks += 1
        return self.real.Process10ms(block)


@pytest.mark.parametrize("dbfs", [-75, -62, -54])
def test_a_quiet_line_is_not_suppressed_and_decided_as_if_it_were(dbfs: float) -> None:
    said = at_level(speech(), -24)
    quiet = np.zeros(4 * 16_000)
    call = np.concatenate((quiet, said, quiet, said[: 2 * 16_000], quiet))
    call += at_level(noise(len(call) / 16_000), dbfs)
    gate, always = VoiceGate(), VoiceGate()
    gate._suppressor = counting = Counting(gate._suppressor)
    # A line on which nothing is quiet.
    always._quiet = 0.0
    rests, works = hear(call, gate), hear(call, always)
    assert counting.blocks < 2 * 0.6 * len(works.frames)
    assert np.mean(rests.voiced != works.voiced) < 0.002
    assert np.mean(rests.fading != works.fading) < 0.005


@pytest.mark.parametrize("denoise", ["all", "off"])
def test_only_a_suppressor_that_decides_may_rest(denoise: str) -> None:
    gate = VoiceGate(denoise=denoise)  # type: ignore[arg-type]
    heard = hear(at_level(noise(2), -60), gate)
    assert heard.audio.shape == (100, 320)
    level = heard.suppressed_rms[50:]
    assert np.all(level == heard.rms[50:]) if denoise == "off" else np.all(level < heard.rms[50:] * 0.5)


@pytest.mark.parametrize("dbfs", [-32, -20])
def test_noise_over_a_line_that_was_quiet_is_learnt_as_soon(dbfs: float) -> None:
    gate, always = VoiceGate(), VoiceGate()
    always._quiet = 0.0
    quiet, loud = at_level(noise(3), -60), at_level(noise(6), dbfs)
    rested, worked = (hear(np.concatenate((quiet, loud)), each).voiced for each in (gate, always))
    assert np.mean(rested != worked) < 0.01
    # 3 s is the window of the floor.
    assert np.mean(rested[310:]) < 0.01


def test_what_the_recogniser_gets() -> None:
    said = frames(at_level(speech(), -20))
    assert np.array_equal(VoiceGate(denoise="vad").feed(said).audio, said)
    assert np.array_equal(VoiceGate(denoise="off").feed(said).audio, said)
    cleaned = VoiceGate(denoise="all").feed(said).audio
    assert cleaned.shape == said.shape
    assert not np.array_equal(cleaned, said)


def test_no_frames() -> None:
    heard = VoiceGate().feed(np.zeros((0, 320), np.int16))
    assert len(heard.voiced) == len(heard.floor) == 0
    assert heard.audio.shape == (0, 320)


def test_the_floor_falls_at_once_and_rises_late() -> None:
    floor = FloorTracker()
    assert max(floor.follow([1000] * 50)) == FloorTracker.LOWEST
    assert floor.follow([1000] * 200)[-1] == pytest.approx(1000)
    assert floor.follow([100] * 3)[-1] == pytest.approx(100)
    assert max(floor.follow([1000] * 100)) == pytest.approx(100)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_word_ends_where_it_has_faded(seed: int) -> None:
    """A vowel, a voiceless fricative 26 dB below it, silence: the end is the fricative's."""
    rng = np.random.default_rng(seed)
    vowel = speech()[16_000:20_800].astype(np.float64)
    loud = float(np.sqrt(np.mean(vowel**2)))
    fricative = rng.normal(0, loud / 20, 1600)
    signal = np.concatenate((rng.normal(0, 4, 16_000), vowel, fricative, rng.normal(0, 4, 16_000)))
    heard = VoiceGate().feed(frames(signal))
    end = 50 + 15 + 5
    sounds = np.flatnonzero(heard.voiced | heard.fading)
    assert end - 1 <= sounds[-1] + 1 <= end + 1
    assert not (heard.voiced & heard.fading).any()


def test_what_fades_for_longer_is_no_word() -> None:
    rng = np.random.default_rng(1)
    vowel = speech()[16_000:20_800].astype(np.float64)
    hiss = rng.normal(0, float(np.sqrt(np.mean(vowel**2))) / 20, 16_000)
    heard = VoiceGate().feed(frames(np.concatenate((rng.normal(0, 4, 16_000), vowel, hiss))))
    last_voiced = np.flatnonzero(heard.voiced)[-1]
    assert np.flatnonzero(heard.fading)[-1] <= last_voiced + 6
