"""Speech and what happens to it on the way: espeak-ng, other throats, rooms, noise, telephones.

All audio is float32 mono at 16 kHz, nominally within ±1. Every random choice comes from the
generator that is passed in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, lfilter, resample_poly, sosfilt

from selam_agent.engines.espeak_library import EspeakLibrary, WordMark

Audio = NDArray[np.float32]
SAMPLE_RATE: Final = 16000


@dataclass(frozen=True, slots=True)
class Delivery:
    """How something is said: espeak's ``rate`` in words per minute, ``pitch`` and ``pitch_range`` 0..100.

    ``tract``: 1.0 is the variant's own vocal tract; 1.1 shifts all frequencies down (and slows) by 1.1.
    """

    rate: int = 165
    pitch: int = 50
    pitch_range: int = 50
    tract: float = 1.0


def draw_delivery(rng: np.random.Generator, *, tract: bool = True) -> Delivery:
    """A delivery from the range that callers cover; ``tract`` False keeps the variant's own."""
    return Delivery(
        rate=int(rng.triangular(115, 168, 225)),
        pitch=int(rng.uniform(22, 80)),
        pitch_range=int(rng.uniform(25, 80)),
        tract=float(rng.uniform(0.87, 1.15)) if tract and rng.random() < 0.5 else 1.0,
    )


def say(library: EspeakLibrary, text: str, voice: str, delivery: Delivery) -> Audio:
    """Speaks ``text``; silence before and after is trimmed. Empty if the voice made no sound."""
    return say_words(library, text, voice, delivery)[0]


def say_words(
    library: EspeakLibrary, text: str, voice: str, delivery: Delivery
) -> tuple[Audio, dict[int, int]]:
    """The same, and at which sample each word (counted from 0, between spaces) begins."""
    pcm: list[bytes] = []
    begins: dict[int, int] = {}

    def keep(item: bytes | WordMark) -> bool:
        if isinstance(item, bytes):
            pcm.append(item)
        else:
            # The first mark of a word counts: espeak marks again after an apostrophe.
            begins.setdefault(len(text[: item.start + 1].split()) - 1, item.audio_ms)
        return True

    library.speak(
        text,
        voice,
        rate=delivery.rate,
        pitch=delivery.pitch,
        pitch_range=delivery.pitch_range,
        end_pause=False,
        on_item=keep,
    )
    native = np.frombuffer(b"".join(pcm), dtype="<i2").astype(np.float32) / 32768
    if len(native) == 0:
        return silence(0), {}
    # 22050 → 16000 Hz and the other vocal tract in one resampling: the ratio of both, in 1/320.
    down = round(441 * library.sample_rate / 22050 / delivery.tract)
    audio = resample_poly(native, 320, down)
    loud = np.flatnonzero(np.abs(audio) > 0.003)
    if len(loud) == 0:
        return silence(0), {}
    first = max(0, int(loud[0]) - 80)
    stretch = library.sample_rate / 1000 * 320 / down
    starts = {word: max(0, round(at * stretch) - first) for word, at in begins.items()}
    return np.asarray(audio[first : loud[-1] + 400], np.float32), starts


def silence(seconds: float) -> Audio:
    """Digital silence."""
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)


def mu_law(audio: Audio) -> Audio:
    """There and back through 8-bit μ-law (the continuous law of G.711)."""
    x = np.clip(audio, -1, 1)
    code = np.round((np.sign(x) * np.log1p(255 * np.abs(x)) / math.log(256) + 1) / 2 * 255)
    y = code / 255 * 2 - 1
    return np.asarray(np.sign(y) * (np.power(256, np.abs(y)) - 1) / 255, np.float32)


def a_law(audio: Audio) -> Audio:
    """There and back through 8-bit A-law (the continuous law of G.711)."""
    a, unit = 87.6, 1 + math.log(87.6)
    x = np.clip(audio, -1, 1)
    level = np.abs(x)
    code = np.where(level < 1 / a, a * level / unit, (1 + np.log(np.maximum(a * level, 1))) / unit)
    code = np.round(code * 127) / 127
    back = np.where(code < 1 / unit, code * unit / a, np.exp(code * unit - 1) / a)
    return np.asarray(back * np.sign(x), np.float32)


def telephone(audio: Audio, rng: np.random.Generator) -> Audio:
    """8 kHz, sometimes the 300..3400 Hz band of an old line, and G.711."""
    narrow = resample_poly(audio, 1, 2)
    if rng.random() < 0.6:
        edges = [rng.uniform(150, 320), rng.uniform(3200, 3700)]
        narrow = sosfilt(butter(3, edges, "band", fs=8000, output="sos"), narrow)
    narrow = np.asarray(narrow, np.float32)
    coded = mu_law(narrow) if rng.random() < 0.6 else a_law(narrow)
    return np.asarray(resample_poly(coded, 2, 1), np.float32)


def noise(samples: int, rng: np.random.Generator, babble: Sequence[Audio] = ()) -> Audio:
    """White, pink, brown noise, mains hum or, if given, voices; of RMS 1."""
    kind = rng.choice(["white", "pink", "brown", "hum", "babble" if babble else "pink"])
    white = rng.standard_normal(samples + 200)
    if kind == "white":
        z = white[200:]
    elif kind == "pink":
        # The usual three-pole approximation of 1/f.
        z = lfilter([0.049922, -0.095993, 0.050612, -0.004408], [1, -2.494956, 2.017265, -0.522189], white)[
            200:
        ]
    elif kind == "brown":
        z = lfilter([1], [1, -0.98], white)[200:]
    elif kind == "hum":
        t = np.arange(samples) / SAMPLE_RATE
        base = rng.choice([50, 60, 100, 120])
        z = 0.1 * white[200:]
        for harmonic in range(1, 8):
            z = z + np.sin(2 * np.pi * base * harmonic * t + rng.uniform(0, 6)) / harmonic
    else:
        z = np.zeros(samples)
        for index in rng.choice(len(babble), size=min(4, len(babble)), replace=False):
            voice = babble[index]
            z = z + np.resize(np.roll(voice, rng.integers(len(voice))), samples)
    return np.asarray(z / (np.std(z) + 1e-9), np.float32)


def _level(audio: Audio) -> float:
    """RMS of the part that is not silence."""
    loud = audio[np.abs(audio) > 0.01]
    return float(np.sqrt(np.mean(loud**2))) if len(loud) else 0.1


def add_noise(audio: Audio, snr_db: float, rng: np.random.Generator, babble: Sequence[Audio] = ()) -> Audio:
    """Adds noise at ``snr_db`` below the speech's own level."""
    return audio + noise(len(audio), rng, babble) * np.float32(_level(audio) * 10 ** (-snr_db / 20))


def channel(audio: Audio, rng: np.random.Generator, babble: Sequence[Audio] = ()) -> Audio:
    """One random way from a mouth to the server: room, microphone, noise, gain, clipping, line."""
    x = audio / (np.abs(audio).max() + 1e-9)
    if rng.random() < 0.15:
        tail = np.arange(int(SAMPLE_RATE * rng.uniform(0.05, 0.3)))
        response = rng.standard_normal(len(tail)) * np.exp(-tail / (len(tail) / 5))
        response[0] = rng.uniform(4, 9)
        x = fftconvolve(x, response)[: len(x)]
        x = x / (np.abs(x).max() + 1e-9)
    if rng.random() < 0.25:
        x = lfilter([1, -rng.uniform(-0.5, 0.7)], [1], x)
        x = x / (np.abs(x).max() + 1e-9)
    x = np.asarray(x, np.float32)
    if rng.random() < 0.45:
        x = add_noise(x, rng.uniform(4, 35), rng, babble)
    elif rng.random() < 0.5:
        x = x + rng.standard_normal(len(x)).astype(np.float32) * np.float32(10 ** rng.uniform(-5, -3))
    x = x * np.float32(10 ** rng.uniform(-1.4, 0) * 0.95 / (np.abs(x).max() + 1e-9))
    if rng.random() < 0.05:
        x = np.clip(x * rng.uniform(1.5, 4), -0.95, 0.95)
    if rng.random() < 0.35:
        x = telephone(np.asarray(x, np.float32), rng)
    if rng.random() < 0.5:
        x = np.round(x * 32767) / 32767
    return np.asarray(x, np.float32)
