"""Real (synthetic) speech for tests: espeak-ng, in this process, at 16 kHz."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from selam_agent.audio.pcm import StreamResampler
from selam_agent.engines.espeak_library import EspeakLibrary, WordMark


@cache
def _library() -> EspeakLibrary:
    return EspeakLibrary(Path(tempfile.mkdtemp(prefix="selam-test-espeak-")))


def spoken(text: str, voice: str = "en-us", *, dbfs: float = -20.0, rate: int = 165) -> bytes:
    """s16le at 16 kHz with this RMS level."""
    pieces: list[bytes] = []

    def take(item: bytes | WordMark) -> bool:
        if isinstance(item, bytes):
            pieces.append(item)
        return True

    library = _library()
    library.speak(text, voice, rate=rate, on_item=take)
    pcm = StreamResampler(library.sample_rate, 16_000).feed(np.frombuffer(b"".join(pieces), np.int16))
    wave = pcm.astype(np.float64)
    wave *= 32768 * 10 ** (dbfs / 20) / max(1.0, float(np.sqrt(np.mean(wave**2))))
    return np.clip(wave, -32768, 32767).astype(np.int16).tobytes()
