"""What comes into the caller's microphone: espeak speech with word times, coughs, noise, babble.

Everything is int16 at 16 kHz. Speech is trimmed, so that its first and last sample are its acoustic
beginning and end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from selam_agent.audio.pcm import StreamResampler
from selam_agent.engines.espeak_library import WordMark
from selam_agent.ports import Pcm16
from tests import espeak_afresh
from tests.scenarios.dsl import LANGUAGES, Noise, Sound, lexicon

RATE = 16_000
# Below the loudest sample by so much (30 dB) it is silence: espeak's ends fade.
_SILENT = 0.03


@dataclass(frozen=True, slots=True)
class Said:
    """Speech: ``words`` are (word, start, end) in samples."""

    pcm: Pcm16
    words: tuple[tuple[str, int, int], ...]


def say(text: str, language: str, variant: str = "m7", rate: int = 160, dbfs: float = -20.0) -> Said:
    """Speaks with espeak-ng: the same samples every time, but within :func:`another_take`."""
    return _say(text, language, variant, rate, dbfs, _TAKE.get())


@contextmanager
def another_take() -> Iterator[None]:
    """In here everything is spoken once more: other samples, other lengths by a percent or so."""
    token = _TAKE.set(_TAKE.get() + 1)
    try:
        yield
    finally:
        _TAKE.reset(token)


_TAKE = ContextVar("take", default=0)


@cache
def _say(text: str, language: str, variant: str, rate: int, dbfs: float, take: int) -> Said:
    base = "en-us" if language == "en" else language
    said = espeak_afresh.speak(text, f"{base}+{variant}", rate=rate, take=take)
    wave = StreamResampler(said.sample_rate, RATE).feed(np.frombuffer(said.pcm, np.int16))
    loud = np.flatnonzero(np.abs(wave.astype(np.int32)) > _SILENT * np.abs(wave.astype(np.int32)).max())
    first, last = int(loud[0]), int(loud[-1]) + 1
    return Said(level(wave[first:last], dbfs), _spans(text, said.marks, first, last))


def _spans(text: str, marks: Sequence[WordMark], first: int, last: int) -> tuple[tuple[str, int, int], ...]:
    """The text's words, split at spaces, each from its first mark to the next word's."""
    starts: list[tuple[str, int | None]] = []
    at = 0
    for word in text.split():
        at = text.index(word, at)
        inside = [mark for mark in marks if at <= mark.start < at + len(word)]
        starts.append((word, inside[0].audio_ms * RATE // 1000 - first if inside else None))
        at += len(word)
    spans: list[tuple[str, int, int]] = []
    for number, (word, start) in enumerate(starts):
        later = [other for _, other in starts[number + 1 :] if other is not None]
        begin = max(0, start) if start is not None else (spans[-1][2] if spans else 0)
        spans.append((word, begin, max(begin, later[0] if later else last - first)))
    return tuple(spans)


def level(wave: NDArray[np.generic], dbfs: float) -> Pcm16:
    """int16 with this RMS level."""
    wide = wave.astype(np.float64)
    wide *= 32768 * 10 ** (dbfs / 20) / max(1e-9, float(np.sqrt(np.mean(wide**2))))
    return np.clip(wide, -32768, 32767).astype(np.int16)


@cache
def sound(what: Sound, seed: int = 0) -> Pcm16:
    """A sound without words; ``seed`` varies it."""
    rng = np.random.default_rng([seed, what.ms])
    n = what.ms * RATE // 1000
    t = np.arange(n) / RATE
    if what.kind == "cough":
        # A burst of turbulent noise, a short gap, a voiced second one that fades.
        noise = _coloured(rng, n, 0.5)
        cut = int(n * rng.uniform(0.35, 0.5))
        envelope = np.exp(-t * rng.uniform(8, 16))
        envelope[cut:] += 0.7 * np.exp(-(t[cut:] - t[cut]) * rng.uniform(8, 14))
        voiced = sum(np.sin(2 * np.pi * rng.uniform(110, 190) * k * t) / k for k in range(1, 8))
        return level(envelope * (noise + 0.4 * voiced * (np.arange(n) > cut)), what.dbfs)
    if what.kind == "click":
        return level(rng.standard_normal(n) * np.exp(-t * 900), what.dbfs)
    if what.kind == "door":
        return level((np.sin(2 * np.pi * 70 * t) + 0.5 * _coloured(rng, n, 1.0)) * np.exp(-t * 14), what.dbfs)
    if what.kind == "hum":
        return level(_hum(t), what.dbfs)
    return level(rng.standard_normal(n), what.dbfs)


@cache
def background(noise: Noise, language: str, seconds: int = 8) -> Pcm16:
    """Noise to be looped."""
    rng = np.random.default_rng(3)
    n = seconds * RATE
    if noise.kind == "babble":
        crowd = np.zeros(n)
        for number, (other, variant) in enumerate(
            zip(LANGUAGES, ("f2", "m2", "f4", "m4", "f5"), strict=True)
        ):
            voice = _say(str(lexicon()[other]["open"]), other, variant, 170, -20.0, 0).pcm.astype(np.float64)
            crowd += np.roll(np.resize(voice, n), number * 9000)
        return level(crowd, noise.dbfs)
    if noise.kind == "hum":
        return level(_hum(np.arange(n) / RATE), noise.dbfs)
    return level(_coloured(rng, n, 0.0 if noise.kind == "white" else 0.5), noise.dbfs)


def _hum(t: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(sum(np.sin(2 * np.pi * 50 * k * t) / k for k in (1, 2, 3, 5)))


def _coloured(rng: np.random.Generator, n: int, power: float) -> NDArray[np.float64]:
    """Noise whose amplitude falls with frequency to this power (0 white, 0.5 pink, 1 brown)."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    spectrum /= np.maximum(1.0, np.arange(spectrum.size)) ** power
    return np.asarray(np.fft.irfft(spectrum, n))
