"""Is there a caller in what the filter left, or only the rest of the echo?

The filter takes 10–18 dB off; its rest is still speech, and a voice activity detector says so. In bands,
that rest keeps a ratio to what was sent (the *leak*: saturation, late reverberation, drift). A caller is
what stands out of leak and noise in many bands at once. Envelopes and coherence were tried: they do not tell
the two apart.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from selam_agent.audio.echo_delay import FloatWave
from selam_agent.audio.frames import FRAME_SAMPLES, SAMPLE_RATE

Bands = NDArray[np.float32]

BANDS: Final = 12
_SIZE: Final = 2 * FRAME_SAMPLES
_WINDOW: Final = np.hanning(_SIZE).astype(np.float32)


def _mel(hertz: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    return np.asarray(2595 * np.log10(1 + hertz / 700), np.float64)


def _bands() -> tuple[int, int, Bands]:
    """The first bin, the one after the last, and what belongs to which band: float32 [bins, 12]."""
    hertz = np.fft.rfftfreq(_SIZE, 1 / SAMPLE_RATE)
    lowest, highest = _mel(np.array([250.0, 3500.0])).tolist()
    edges = np.linspace(lowest, highest, BANDS + 1)
    number = np.searchsorted(edges, _mel(hertz), side="right") - 1
    inside = np.flatnonzero((number >= 0) & (number < BANDS))
    matrix = np.stack([number[inside] == band for band in range(BANDS)], axis=1)
    return int(inside[0]), int(inside[-1]) + 1, matrix.astype(np.float32)


_FIRST_BIN, _LAST_BIN, _MATRIX = _bands()
# Mean excess in dB, bands weighted by loudness, over which it is a caller. The more the filter took off
# the frame, the more of it was echo: a caller 5 dB over the echo leaves it 1.2 dB, an equal one 3 dB.
_OVER_DB: Final = 1.0
_FREE_DB: Final = 3.0
_TAKEN_MEMORY: Final = 0.25
# A band that is silent or very loud has one vote, too.
_LEAST_DB, _MOST_DB = -5.0, 15.0
# The room holds what was sent: −4 dB per frame is an RT60 of 0.3 s.
_DECAY: Final = 0.4
_SILENT: Final = 1e-3
_SOUNDING_BANDS: Final = 3
# The leak is the 70 % quantile of the ratio, followed by steps up and down in that proportion: fast in
# the first second, then slowly, and five times more slowly while somebody seems to speak.
_QUANTILE: Final = 0.7
_FIRST_FRAMES, _FAST_FRAMES = 3, 50
_FAST_DB, _SLOW_DB, _SPOKEN_OVER_DB = 1.5, 0.15, 0.03
_SPOKEN_OVER: Final = 4.0
_FIRST_LEAK_DB: Final = -40.0
# Noise: the least smoothed level of the last 2 s, in five blocks, and twice that as its spread.
_NOISE_BLOCKS, _NOISE_BLOCK_FRAMES = 5, 20
_NOISE_SMOOTHING: Final = 0.7
_NOISE_SPREAD: Final = 2.0
_LEAST_NOISE: Final = 1e-7
_TINY: Final = 1e-9


class EchoGate:
    """Judges frames, float32 [320], −1…1; ``score`` is the last frame's excess in dB."""

    def __init__(self, over_db: float = _OVER_DB) -> None:
        self._over_db = over_db
        self._noise_blocks = np.empty((_NOISE_BLOCKS, BANDS))
        self.reset()

    def reset(self) -> None:
        """Another echo: nothing is known of it."""
        self._before = np.zeros(FRAME_SAMPLES, np.float32)
        self._room = np.full(BANDS, _TINY)
        self._leak = np.full(BANDS, _FIRST_LEAK_DB)
        self._smooth: NDArray[np.float64] | None = None
        self._noise_blocks[:] = 1e3
        self._frames = 0
        self._sounding = 0
        self._taken_db = 0.0
        self.score = 0.0

    def relearn(self) -> None:
        """The same echo, for a while less well subtracted."""
        self._sounding = 0

    def raise_leak(self, db: float) -> None:
        """The echo got louder."""
        self._leak += db

    def judge(self, left: FloatWave, sent: FloatWave, taken_db: float) -> bool:
        """Whether more than the rest of the echo is there.

        ``left``: what the filter left of the frame, by ``taken_db`` less than there was. ``sent``:
        float32 [640], what is heard in this frame and what was heard in the one before.
        """
        level = _powers(np.concatenate((self._before, left)))
        self._before = left
        self._room = np.maximum(_powers(sent), _DECAY * self._room)
        noise = self._noise(level)
        sounding = self._room > _SILENT
        self._sounding += int(np.count_nonzero(sounding) >= _SOUNDING_BANDS)
        level_db = 10 * np.log10(level)
        ratio = level_db - 10 * np.log10(self._room)
        expected = self._room * 10 ** (self._leak / 10) + noise
        excess = np.clip(level_db - 10 * np.log10(expected), _LEAST_DB, _MOST_DB)
        weight = np.sqrt(level)
        self.score = float(excess @ weight / weight.sum())
        self._learn(ratio, sounding, level > _NOISE_SPREAD * noise)
        self._taken_db = _TAKEN_MEMORY * self._taken_db + (1 - _TAKEN_MEMORY) * taken_db
        return self.score > self._over_db + max(0.0, self._taken_db - _FREE_DB)

    def _noise(self, level: NDArray[np.float64]) -> NDArray[np.float64]:
        smooth = level if self._smooth is None else self._smooth
        self._smooth = smooth = _NOISE_SMOOTHING * smooth + (1 - _NOISE_SMOOTHING) * level
        block = self._noise_blocks[self._frames // _NOISE_BLOCK_FRAMES % _NOISE_BLOCKS]
        if self._frames % _NOISE_BLOCK_FRAMES == 0:
            block[:] = smooth
        else:
            np.minimum(block, smooth, out=block)
        self._frames += 1
        return np.asarray(_NOISE_SPREAD * self._noise_blocks.min(0) + _LEAST_NOISE)

    def _learn(
        self, ratio: NDArray[np.float64], sounding: NDArray[np.bool_], clear: NDArray[np.bool_]
    ) -> None:
        if self._sounding < _FIRST_FRAMES:
            self._leak = np.where(sounding, np.maximum(self._leak, ratio), self._leak)
            return
        step = _SLOW_DB if self.score < _SPOKEN_OVER else _SPOKEN_OVER_DB
        if self._sounding < _FAST_FRAMES:
            step = _FAST_DB
        higher = ratio > self._leak
        change = np.where(higher, _QUANTILE * clear, _QUANTILE - 1)
        self._leak += step * change * sounding


def _powers(wave: FloatWave) -> NDArray[np.float64]:
    """float32 [640] → the power in each band, float64 [12]."""
    spectrum = np.fft.rfft(wave * _WINDOW)[_FIRST_BIN:_LAST_BIN]
    power = (spectrum.real**2 + spectrum.imag**2) @ _MATRIX
    return power.astype(np.float64) + _TINY
