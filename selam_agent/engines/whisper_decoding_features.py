"""Whisper's log-mel spectrogram, computed as faster-whisper's FeatureExtractor does, without its state."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from selam_agent.ports import Pcm16

__all__ = ["LogMel"]

# OpenBLAS multiplies on one thread up to this many multiplications. Above it, its threads spin for
# each other: with other work on the machine 3 s of audio took 16 ms instead of 0.1 ms.
_ONE_THREAD: Final = 262_144


class LogMel:
    """Stateless, so any number of threads may call it.

    Args:
        extractor: the model's faster_whisper FeatureExtractor; its filters, window and hop are used.
            It is never called: with ``chunk_length`` it would change itself for every later caller.
    """

    def __init__(self, extractor: Any) -> None:
        filters: NDArray[np.float32] = extractor.mel_filters
        self._filters = np.ascontiguousarray(filters.T)
        self._size, self._hop = int(extractor.n_fft), int(extractor.hop_length)
        self._window = np.hanning(self._size + 1)[:-1].astype(np.float32)
        self._block = max(1, _ONE_THREAD // self._filters.size)
        self.bins = len(filters)

    def __call__(self, audio: Pcm16) -> NDArray[np.float32]:
        """``audio``: int16 [n] at 16 kHz; returns [bins, ceil(n / 160)]."""
        half = self._size // 2
        count = -(-len(audio) // self._hop)
        # Zeros behind, as much as the last frame sees; both ends are mirrored, as in torch.stft.
        samples = np.zeros(max((count + 1) * self._hop, half + 1), np.float32)
        samples[: len(audio)] = audio
        samples = np.pad(samples / 32768.0, half, mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(samples, self._size)[:: self._hop][:count]
        power = np.zeros((-(-count // self._block) * self._block, half + 1), np.float32)
        power[:count] = np.abs(np.fft.rfft(frames * self._window)) ** 2
        blocks = power.reshape(-1, self._block, half + 1) @ self._filters
        mel = np.log10(np.maximum(blocks.reshape(-1, self.bins)[:count].T, 1e-10))
        spectrum: NDArray[np.float32] = (np.maximum(mel, mel.max() - 8.0) + 4.0) / 4.0
        return spectrum
