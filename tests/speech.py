"""Real (synthetic) speech for tests: espeak-ng at 16 kHz, the same samples in every run."""

from __future__ import annotations

from functools import cache

import numpy as np

from selam_agent.audio.pcm import StreamResampler
from tests import espeak_afresh


@cache
def spoken(text: str, voice: str = "en-us", *, dbfs: float = -20.0, rate: int = 165) -> bytes:
    """s16le at 16 kHz with this RMS level."""
    said = espeak_afresh.speak(text, voice, rate=rate)
    pcm = StreamResampler(said.sample_rate, 16_000).feed(np.frombuffer(said.pcm, np.int16))
    wave = pcm.astype(np.float64)
    wave *= 32768 * 10 ** (dbfs / 20) / max(1.0, float(np.sqrt(np.mean(wave**2))))
    return np.clip(wave, -32768, 32767).astype(np.int16).tobytes()
