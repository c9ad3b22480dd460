"""A resampler without state worth speaking of: one matrix for all streams of a pair of rates.

swresample's filter (``pcm.StreamResampler``) is as quick and a little better, and takes 118 kB for each
stream. What is only compared with a microphone does not need the difference.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from selam_agent.audio.pcm import Pcm16

# Zero crossings of the sinc on either side, and what the window leaves of the pass band.
_CROSSINGS: Final = 10
_PASS: Final = 0.92
_KAISER_BETA: Final = 7.0
# Inputs that are worked on together: rows of few are all overlap, rows of many all zeros.
_ROW: Final = 96


class FirResampler:
    """Mono int16 from one rate to another, in pieces of any length; 0.5–1.3 ms late.

    A windowed sinc: tones up to 80 % of the lower Nyquist frequency keep 60 dB of distance from what
    is wrong about them. About 10 µs for 40 ms from 24 to 16 kHz.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        self.source_rate = source_rate
        common = math.gcd(source_rate, target_rate)
        self._up, self._down = target_rate // common, source_rate // common
        self._matrix, self._row_steps = _matrix(self._up, self._down)
        self._before = len(self._matrix) - self._row_steps * self._down
        self._held: NDArray[np.float32] = np.zeros(self._before, np.float32)

    def feed(self, pcm: Pcm16) -> Pcm16:
        """int16 [n] → what whole steps of the ratio give: int16 [m]."""
        fresh = len(self._held) - self._before + len(pcm)
        steps = fresh // self._down
        rows = -(-steps // self._row_steps)
        row = self._row_steps * self._down
        samples = np.zeros(self._before + max(rows * row, fresh), np.float32)
        samples[: len(self._held)] = self._held
        samples[len(self._held) : self._before + fresh] = pcm
        self._held = samples[steps * self._down : self._before + fresh].copy()
        # Rows overlap by what the filter reaches; a BLAS wants them apart.
        windows = np.ndarray((rows, len(self._matrix)), np.float32, samples, strides=(row * 4, 4)).copy()
        made = (windows @ self._matrix).reshape(-1)[: steps * self._up]
        np.rint(made, out=made)
        np.maximum(made, -32768, out=made)
        return np.minimum(made, 32767, out=made).astype(np.int16)


@lru_cache(maxsize=16)
def _matrix(up: int, down: int) -> tuple[NDArray[np.float32], int]:
    """float32 [window, outputs of a row], and how many steps of ``down`` inputs a row takes."""
    row_steps = max(1, _ROW // down)
    cutoff = min(1.0, up / down) * _PASS
    half = math.ceil(_CROSSINGS / cutoff)
    # Column j stands j · down / up input samples after the first.
    at = np.arange(2 * half + row_steps * down)[:, None] - half - np.arange(row_steps * up)[None] * down / up
    inside = np.clip(1 - (at / half) ** 2, 0, None)
    weights = cutoff * np.sinc(cutoff * at) * np.i0(_KAISER_BETA * np.sqrt(inside)) / np.i0(_KAISER_BETA)
    weights[np.abs(at) > half] = 0
    return np.ascontiguousarray(weights / weights.sum(0), np.float32), row_steps
