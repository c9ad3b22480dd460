"""Both sides of a call on one time line: what the microphone heard and what the loudspeaker played."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from selam_agent.ports import Pcm16

RATE = 16_000
_PER_MS = RATE // 1000
# Packets come with jitter; only a longer gap is one in what was said.
_JITTER = 200 * _PER_MS


class CallRecording:
    """Stereo at 16 kHz, caller left and agent right. Times are ms of one clock; the first one heard is 0.

    What is played later than ``take`` asks for may still be cut off, so take a little less than all.
    """

    def __init__(self) -> None:
        self._begun: float | None = None
        # Samples given away so far, and those from there on.
        self._taken = 0
        self._held: NDArray[np.int16] = np.zeros((RATE, 2), np.int16)
        self._end = 0
        self._near_end = self._far_end = 0

    def near(self, pcm: Pcm16, at_ms: float) -> None:
        """Int16 [n] from the microphone, the first sample at this time."""
        at = self._sample(at_ms)
        if at - self._near_end < _JITTER:
            at = self._near_end
        self._near_end = self._put(0, pcm, at)

    def far(self, pcm: Pcm16, at_ms: float) -> None:
        """Int16 [n] at 16 kHz that is due at the loudspeaker at this time."""
        self._far_end = self._put(1, pcm, max(self._sample(at_ms), self._far_end))

    def cut(self, at_ms: float) -> None:
        """The loudspeaker is silent from this time on."""
        at = max(self._sample(at_ms), self._taken)
        self._held[at - self._taken : self._end - self._taken, 1] = 0
        self._far_end = min(self._far_end, at)
        self._end = max(at, self._near_end, self._taken)

    def take(self, before_ms: float | None = None) -> NDArray[np.int16]:
        """Int16 [n, 2], once: what lies before this time, or all."""
        end = self._end if before_ms is None else min(self._end, self._sample(before_ms))
        count = max(0, end - self._taken)
        taken = self._held[:count].copy()
        left = self._end - self._taken - count
        self._held[:left] = self._held[count : count + left]
        self._held[left:] = 0
        self._taken += count
        return taken

    def _sample(self, at_ms: float) -> int:
        if self._begun is None:
            self._begun = at_ms
        return max(0, round((at_ms - self._begun) * _PER_MS))

    def _put(self, side: int, pcm: Pcm16, at: int) -> int:
        end = at + len(pcm)
        # What belongs before the part that was given away is lost.
        pcm = pcm[max(0, self._taken - at) :]
        if len(pcm):
            first = end - len(pcm) - self._taken
            self._grow(first + len(pcm))
            self._held[first : first + len(pcm), side] = pcm
            self._end = max(self._end, end)
        return end

    def _grow(self, samples: int) -> None:
        if samples > len(self._held):
            more = np.zeros((max(samples, 2 * len(self._held)) - len(self._held), 2), np.int16)
            self._held = np.concatenate((self._held, more))
