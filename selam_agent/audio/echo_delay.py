"""How late does the microphone hear what was sent? Generalised cross-correlation, searched over a second.

Knapp and Carter, "The generalized correlation method for estimation of time delay", IEEE Trans. ASSP 24,
1976. The spectrum is whitened with the exponent 0.8, not fully (PHAT, 1.0): speech leaves bands empty, and
full whitening gives their noise the same vote.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from selam_agent.audio.frames import FRAME_MS, SAMPLE_RATE

FloatWave = NDArray[np.float32]
Spectrum: TypeAlias = NDArray[np.complex64]

# 80–600 ms is expected, jitter of the microphone's clock comes on top; no client buffers a second.
MAX_DELAY_MS: Final = 1000
_MAX_LAG: Final = SAMPLE_RATE * MAX_DELAY_MS // 1000
# Two answers that are this close are one.
AGREE: Final = SAMPLE_RATE // 1000
_LOW_HZ, _HIGH_HZ = 300, 3470
_WHITENING: Final = 0.8
_AUDIBLE_POWER: Final = 1e-9
_PART: Final = SAMPLE_RATE // 100
_SENT_POWER: Final = 1e-6


class _Correlator:
    """Whitened correlation of signals of ``size`` samples at 16 kHz, and where it is highest."""

    def __init__(self, size: int, confidence: float) -> None:
        self._size = size
        self._confidence = confidence
        self._band = slice(math.ceil(_LOW_HZ * size / SAMPLE_RATE), math.ceil(_HIGH_HZ * size / SAMPLE_RATE))
        # By delay, in steps of 1/8000 s; kept only where something was found.
        self._correlation: FloatWave = np.zeros(0, np.float32)
        self.peak = 0.0

    def share_at(self, lag: int) -> float:
        """How high the last correlation is within 0.5 ms of this place, relative to its peak."""
        around = self._correlation[max(0, lag // 2 - 4) : lag // 2 + 5]
        return float(around.max() / (self._correlation.max() + 1e-12)) if len(around) else 0.0

    def _spectrum(self, waves: NDArray[np.floating[Any]]) -> Spectrum:
        """float [n, up to size] → complex64 [n, bins]."""
        return np.fft.rfft(waves, self._size)[:, self._band].astype(np.complex64)

    def _correlate(self, cross: Spectrum) -> FloatWave:
        """complex64 [n, bins] → float32 [n, size / 2]: above 3.5 kHz a telephone has nothing, 8 kHz do."""
        half = np.zeros((len(cross), self._size // 4 + 1), np.complex64)
        np.multiply(cross, 1 / (np.abs(cross) ** np.float32(_WHITENING) + 1e-6), out=half[:, self._band])
        correlation: FloatWave = np.fft.irfft(half).astype(np.float32, copy=False)
        return correlation

    def _highest(self, correlation: FloatWave) -> int | None:
        """The delay in samples at 16 kHz, if the correlation is high enough there."""
        at = int(correlation.argmax())
        rms = float(correlation @ correlation / len(correlation)) ** 0.5
        self.peak = float(correlation[at]) / (rms + 1e-12)
        if self.peak < self._confidence:
            self._correlation = np.zeros(0, np.float32)
            return None
        self._correlation = correlation
        return round((at + self._fraction(at)) * 2)

    def _fraction(self, at: int) -> float:
        """The top of a parabola through the peak and its neighbours, −0.5…0.5."""
        if not 0 < at < len(self._correlation) - 1:
            return 0.0
        before, top, after = self._correlation[at - 1 : at + 2].tolist()
        return float(0.5 * (before - after) / (before - 2 * top + after - 1e-12))


class DelaySearch(_Correlator):
    """Adds up evidence over time; ``look`` once for each block of microphone, 0.1 ms.

    A block heard with a delay of q blocks and a part holds the end of one block that was sent and the
    beginning of the next. It is correlated with each of the last five by transforms no longer than a block,
    and each transform of what was sent serves five looks. The circular correlations with two
    neighbours have their peak at the same place, in proportion to what was heard of each.

    Args:
        memory: how much earlier evidence counts at each further look.
        confidence: height of the peak over the RMS of the correlation. Echo has 20 to 50, unrelated
            speech up to 10 at the first look and 6 after a second.
    """

    # Enough for a few syllables.
    BLOCK_MS: Final = 250

    def __init__(self, memory: float = 0.85, confidence: float = 10.5) -> None:
        self.block = SAMPLE_RATE * self.BLOCK_MS // 1000
        super().__init__(self.block, confidence)
        self._memory = memory
        # How far what was sent matters, from a block's end back.
        self.reference = self.block + _MAX_LAG
        self._shares = _shares(self.block // 2)
        # Spectrum and mean power of what was sent, by the position at which it begins.
        self._sent: dict[int, tuple[Spectrum, float]] = {}
        self._evidence: Spectrum | None = None
        # Whether there was sound on both sides at the last look, and whether none of it could be an echo.
        self.saw = self.sure = False
        # What the last one with sound found.
        self.candidate: int | None = None

    def forget(self) -> None:
        """What was seen before does not count any more."""
        self._sent = {}
        self._evidence = None
        self._correlation = np.zeros(0, np.float32)
        self.candidate = None

    def look(
        self, microphone: FloatWave, at: int, sent: Callable[[int, int], FloatWave], *, quiet: float = 0.0
    ) -> int | None:
        """Where is the echo, in samples at 16 kHz? None: nowhere with confidence.

        Args:
            microphone: float32 [block], −1…1, heard from position ``at`` on.
            sent: what was due from one position to another, float32.
            quiet: RMS below which an echo would not matter. A block without 10 ms of more is one without
                echo, and costs 10 µs.
        """
        self.saw = self.sure = False
        if mean_power(microphone) < _AUDIBLE_POWER:
            return None
        if quiet and _loudest(microphone) < quiet:
            self.saw = self.sure = True
            self.candidate = None
            return None
        begins = range(at, at - _MAX_LAG - 1, -self.block)
        # Old ones too when blocks did not follow one another; else one.
        new = [begin for begin in begins if begin not in self._sent]
        waves = np.stack([microphone, *(sent(begin, begin + self.block) for begin in new)], dtype=np.float64)
        heard, *spectra = self._spectrum(waves)
        for begin, wave, spectrum in zip(new, waves[1:], spectra, strict=True):
            self._sent[begin] = spectrum.copy(), mean_power(wave)
        self._sent = {begin: self._sent[begin] for begin in begins}
        self.saw = sum(power for _, power in self._sent.values()) / len(begins) >= _SENT_POWER
        if not self.saw:
            return None
        cross = np.array([spectrum for spectrum, _ in self._sent.values()])
        np.conjugate(cross, out=cross)
        cross *= heard
        cross *= np.float32(1 / (float(np.abs(cross).sum()) / cross.size + 1e-9))
        if self._evidence is not None:
            self._evidence *= np.float32(self._memory)
            cross += self._evidence
        self._evidence = cross
        each = self._correlate(cross)
        later, earlier = self._shares
        both = later * each[:-1]
        both += earlier * each[1:]
        self.candidate = self._highest(np.abs(both, out=both).reshape(-1))
        return self.candidate


class JumpSearch(_Correlator):
    """One look by itself, longer and exact: 0.35 ms. For an echo that is known to be somewhere."""

    def __init__(self) -> None:
        self.window = SAMPLE_RATE * 300 // 1000
        # Circular correlation of a window and a longer reference is exact in the lags that are used.
        self.reference = self.window + _MAX_LAG
        super().__init__(self.reference, confidence=11.0)

    def look(self, microphone: FloatWave, sent: FloatWave) -> int | None:
        """Where is the echo, in samples at 16 kHz? None: nowhere with confidence.

        Args:
            microphone: float32 [window].
            sent: float32 [reference]: what was due in the second before and during it.
        """
        cross = self._spectrum(sent[None]) * self._spectrum(microphone[None]).conj()
        cross /= np.abs(cross).mean() + 1e-9
        return self._highest(np.abs(self._correlate(cross)[0, _MAX_LAG // 2 :: -1]))


@lru_cache(maxsize=1)
def _shares(steps: int) -> tuple[FloatWave, FloatWave]:
    """How much of a block and of the one before is heard with each delay up to a block; of norm 1."""
    part = np.arange(steps) / steps
    both = np.hypot(part, 1 - part)
    return ((1 - part) / both).astype(np.float32), (part / both).astype(np.float32)


class SearchBudget:
    """How long to search. Counted in frames in which agent audio could be heard.

    In a session without echo there is another, short search after each minute of agent audio:
    headphones get unplugged.
    """

    # Four times as long as the slowest echo of the tests took to be found; half as long where the microphone
    # is so quiet that there can be none.
    FIRST: Final = 6000 // FRAME_MS
    LATER: Final = 2000 // FRAME_MS
    REST: Final = 60_000 // FRAME_MS

    def __init__(self) -> None:
        self._left: float = self.FIRST
        self._rested = 0

    def renew(self) -> None:
        """As long as in the beginning."""
        self._left = self.FIRST

    def spend(self, frames: float, *, sure: bool = False) -> bool:
        """Searched for this long without a result, or with that there is no echo; is that enough?"""
        self._left -= 2 * frames if sure else frames
        return self._left <= 0

    def rest(self, frames: int) -> bool:
        """Did not search for this long; is it time for a short search?"""
        self._rested += frames
        if self._rested < self.REST:
            return False
        self._rested, self._left = 0, self.LATER
        return True


def _loudest(wave: FloatWave) -> float:
    """RMS of the loudest 10 ms."""
    parts = wave[: len(wave) // _PART * _PART].reshape(-1, _PART)
    return math.sqrt(float(np.vecdot(parts, parts).max()) / _PART)


def mean_power(wave: NDArray[np.floating[Any]]) -> float:
    """1.0 is a full-scale square wave."""
    return float(wave @ wave) / max(len(wave), 1)
