"""How late does the microphone hear what was sent? Generalised cross-correlation, searched over a second.

Knapp and Carter, "The generalized correlation method for estimation of time delay", IEEE Trans. ASSP 24,
1976. The spectrum is whitened with the exponent 0.8, not fully (PHAT, 1.0): speech leaves bands empty, and
full whitening gives their noise the same vote.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from selam_agent.audio.frames import FRAME_MS, SAMPLE_RATE

FloatWave = NDArray[np.float32]

# 80–600 ms is expected, jitter of the microphone's clock comes on top; no client buffers a second.
MAX_DELAY_MS: Final = 1000
_MAX_LAG: Final = SAMPLE_RATE * MAX_DELAY_MS // 1000
# The correlation is looked at with 8 kHz: above 3.5 kHz a telephone has nothing.
_LAGS: Final = _MAX_LAG // 2 + 1
_LOW_HZ, _HIGH_HZ = 300, 3470
_WHITENING: Final = 0.8


class DelaySearch:
    """Adds up evidence over time; ``look`` once for each stretch of microphone.

    Args:
        window_ms: microphone compared at a time. 500 ms hold a few syllables: enough for a peak, few
            enough for the search to be finished early in the first reply.
        memory: how much earlier evidence counts at each further look.
        confidence: height of the peak over the RMS of the correlation. Echo has 20 to 60, unrelated
            speech up to 9, a few syllables against noise now and then 12.
    """

    def __init__(self, window_ms: int = 500, memory: float = 0.85, confidence: float = 13.0) -> None:
        self.window = SAMPLE_RATE * window_ms // 1000
        # Circular correlation of a window and a longer reference is exact in the lags that are used.
        self.reference = self.window + _MAX_LAG
        self._memory = memory
        self._confidence = confidence
        hertz = np.fft.rfftfreq(self.reference, 1 / SAMPLE_RATE)
        self._band = slice(int(np.searchsorted(hertz, _LOW_HZ)), int(np.searchsorted(hertz, _HIGH_HZ)))
        self._evidence: NDArray[np.complex64] | None = None
        self.peak = 0.0
        self._correlation = np.zeros(0, np.float32)

    def forget(self) -> None:
        """What was seen before does not count any more."""
        self._evidence = None
        self._correlation = np.zeros(0, np.float32)

    def look(self, microphone: FloatWave, sent: FloatWave) -> int | None:
        """Where is the echo, in samples at 16 kHz? None: nowhere with confidence.

        Args:
            microphone: float32 [window].
            sent: float32 [window + 16000]: what was due in the second before and during it.
        """
        heard = np.fft.rfft(microphone, self.reference)[self._band]
        cross = np.asarray(np.fft.rfft(sent)[self._band] * heard.conj(), np.complex64)
        cross /= np.abs(cross).mean() + 1e-9
        if self._evidence is not None:
            cross += self._memory * self._evidence
        self._evidence = cross
        half = np.zeros(self.reference // 4 + 1, np.complex64)
        half[self._band] = cross / (np.abs(cross) ** _WHITENING + 1e-6)
        self._correlation = correlation = np.abs(np.fft.irfft(half)[:_LAGS])
        at = int(correlation.argmax())
        self.peak = float(correlation[at]) / (float(np.sqrt(np.mean(correlation**2))) + 1e-12)
        if self.peak < self._confidence:
            return None
        return round((_LAGS - 1 - at - self._fraction(at)) * 2)

    def _fraction(self, at: int) -> float:
        """The top of a parabola through the peak and its neighbours, −0.5…0.5."""
        if not 0 < at < _LAGS - 1:
            return 0.0
        before, top, after = self._correlation[at - 1 : at + 2].tolist()
        return float(0.5 * (before - after) / (before - 2 * top + after - 1e-12))

    def share_at(self, lag: int) -> float:
        """How high the last correlation is within 0.5 ms of this place, relative to its peak."""
        at = _LAGS - 1 - lag // 2
        around = self._correlation[max(0, at - 4) : at + 5]
        return float(around.max() / (self._correlation.max() + 1e-12)) if len(around) else 0.0


class SearchBudget:
    """How long to search. Counted in frames in which agent audio could be heard.

    In a session without echo there is another, short search after each minute of agent audio:
    headphones get unplugged.
    """

    # Four times as long as the slowest echo of the tests took to be found.
    FIRST: Final = 6000 // FRAME_MS
    LATER: Final = 2000 // FRAME_MS
    REST: Final = 60_000 // FRAME_MS

    def __init__(self) -> None:
        self._left = self.FIRST
        self._rested = 0

    def renew(self) -> None:
        """As long as in the beginning."""
        self._left = self.FIRST

    def spend(self, frames: int) -> bool:
        """Searched for this long without a result; is that enough?"""
        self._left -= frames
        return self._left <= 0

    def rest(self, frames: int) -> bool:
        """Did not search for this long; is it time for a short search?"""
        self._rested += frames
        if self._rested < self.REST:
            return False
        self._rested, self._left = 0, self.LATER
        return True


def mean_power(wave: FloatWave) -> float:
    """1.0 is a full-scale square wave."""
    return float(wave @ wave) / max(len(wave), 1)
