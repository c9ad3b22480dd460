"""A stream of samples as 20 ms frames."""

from __future__ import annotations

from typing import Final

import numpy as np

from selam_agent.audio.pcm import Pcm16, empty

SAMPLE_RATE: Final = 16_000
FRAME_MS: Final = 20
FRAME_SAMPLES: Final = SAMPLE_RATE * FRAME_MS // 1000


class Framer:
    """Carries what does not fill a frame, fewer than 320 samples, to the next call."""

    def __init__(self) -> None:
        self._rest = empty()

    def push(self, pcm: Pcm16) -> Pcm16:
        """int16 [m] at 16 kHz → the whole frames there are now, int16 [n, 320]; n may be 0.

        The result is a view of ``pcm`` when nothing was carried.
        """
        if not len(self._rest) and not len(pcm) % FRAME_SAMPLES:
            return pcm.reshape(-1, FRAME_SAMPLES)
        if len(self._rest):
            pcm = np.concatenate((self._rest, pcm))
        whole = len(pcm) - len(pcm) % FRAME_SAMPLES
        self._rest = pcm[whole:].copy()
        return pcm[:whole].reshape(-1, FRAME_SAMPLES)

    @property
    def held(self) -> int:
        """How many samples are carried."""
        return len(self._rest)

    def reset(self) -> None:
        """Forgets what was carried."""
        self._rest = empty()
