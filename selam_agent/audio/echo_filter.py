"""Subtracts the echo: a partitioned-block frequency-domain Kalman filter.

Enzner and Vary, "Frequency-domain adaptive Kalman filter for acoustic echo control in hands-free
telephones", Signal Processing 86, 2006; in partitions: Kuech, Mabande and Enzner, "State-space architecture
of the partitioned-block-based acoustic echo controller", ICASSP 2014. The filter keeps how unsure it is of
each coefficient, and so needs no double-talk detector: while the caller speaks, the error is large compared
with that, and the step small.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from selam_agent.audio.echo_delay import FloatWave, mean_power
from selam_agent.audio.frames import FRAME_SAMPLES

# 6 × 20 ms: what comes later of a room is 20 dB down in ordinary ones, and left to the gate.
PARTITIONS: Final = 6
_SIZE: Final = 2 * FRAME_SAMPLES
_BINS: Final = FRAME_SAMPLES + 1
# How much of the path is still true after 20 ms.
# 0.996 follows a drift of 100 ppm no better, and takes 2 dB less off an echo that stands still.
_KEEP: Final = 0.998
_ERROR_MEMORY: Final = 0.9
# Squared correlation of rest and echo over about 100 ms. A caller and the agent stay below 0.1.
_ALIKE: Final = 0.3
# Over 100 ms: 0 for an echo that is there, whoever speaks over it, −1 for one that is not.
_MISSED: Final = -0.4
# After a jump the coefficients are as true as the new delay is exact: a third of their power may be wrong.
_DOUBT: Final = 0.3
# A filter that adds this much is wrong, and better left out.
_WORSE: Final = 1.5
_ERLE_MEMORY: Final = 0.98
_TINY: Final = 1e-9
# Peak over RMS of the first 40 ms; before it has converged a filter has about 3.
_CLEAR_PEAK: Final = 5.0
_LEVEL_MEMORY: Final = 0.8
# A room's energy halves in 20 ms or faster (RT60 0.4 s); knowing it shortens the first convergence.
_DECAY: Final = (0.5 ** np.arange(1, PARTITIONS + 1, dtype=np.float32))[:, None]


class EchoFilter:
    """float32 frames of 320 samples, −1…1."""

    def __init__(self) -> None:
        self._path = np.zeros((PARTITIONS, _BINS), np.complex64)
        self._uncertainty = np.zeros((PARTITIONS, _BINS), np.float32)
        self._sent = np.zeros((PARTITIONS, _BINS), np.complex64)
        self._error_power = np.zeros(_BINS, np.float32)
        self._block = np.zeros(_SIZE, np.float32)
        self._left_by_echo = self._echo_by_echo = self._left_by_left = 0.0
        self._power = self._power_left = _TINY
        self._mean_power = self._mean_power_left = _TINY

    def reset(self, power: float) -> None:
        """The path is another one; ``power``: of the echo, relative to what was sent."""
        self._path[:] = 0
        self._uncertainty[:] = power * _DECAY
        self._error_power[:] = 0
        self._mean_power = self._mean_power_left = _TINY
        self._left_by_echo = self._echo_by_echo = self._left_by_left = 0.0
        self.pause()

    def pause(self) -> None:
        """Nothing was sent for longer than the filter is."""
        self._sent[:] = 0

    def moved(self) -> None:
        """The same path, as far as is known, but at another delay."""
        self._uncertainty += _DOUBT * (self._path.real**2 + self._path.imag**2)
        self.pause()

    def peak(self) -> int | None:
        """Where the path is strongest, in samples from its beginning; None before it is known."""
        response = np.abs(np.fft.irfft(self._path[:2], axis=1)[:, :FRAME_SAMPLES].reshape(-1))
        at = int(response.argmax())
        return at if response[at] > _CLEAR_PEAK * float(np.sqrt(np.mean(response**2))) else None

    def shift(self, samples: int) -> None:
        """The reference will come this many samples later than so far."""
        response = np.fft.irfft(self._path, axis=1)[:, :FRAME_SAMPLES].reshape(-1)
        moved = np.zeros_like(response)
        if samples >= 0:
            moved[: len(response) - samples] = response[samples:]
        else:
            moved[-samples:] = response[:samples]
        self._path[:] = np.fft.rfft(moved.reshape(PARTITIONS, -1), _SIZE, axis=1)
        self.pause()

    def cancel(self, microphone: FloatWave, sent: FloatWave) -> tuple[FloatWave, float]:
        """Returns what is left of the microphone's frame, float32 [320], and by how many dB the echo rose.

        ``sent``: float32 [640], the frame that is due and the one before it.
        """
        self._sent[1:] = self._sent[:-1]
        self._sent[0] = np.fft.rfft(sent)
        sent_spectra, path, uncertainty = self._sent, self._path, self._uncertainty
        spectrum = np.einsum("ij,ij->j", path, sent_spectra)
        echo = np.asarray(np.fft.irfft(spectrum)[FRAME_SAMPLES:], np.float32)
        left = microphone - echo
        left, louder = self._follow_level(left, echo)
        self._block[FRAME_SAMPLES:] = left
        error = np.fft.rfft(self._block)
        power = error.real**2 + error.imag**2
        self._error_power *= _ERROR_MEMORY
        self._error_power += (1 - _ERROR_MEMORY) * power
        sent_power = sent_spectra.real**2 + sent_spectra.imag**2
        expected = 0.5 * (sent_power * uncertainty).sum(0) + self._error_power + 1e-6
        gain = uncertainty / expected
        step = np.fft.irfft(gain * sent_spectra.conj() * error, axis=1)
        step[:, FRAME_SAMPLES:] = 0
        path += np.fft.rfft(step, axis=1)
        path *= _KEEP
        uncertainty *= 1 - 0.5 * gain * sent_power
        uncertainty *= _KEEP**2
        uncertainty += (1 - _KEEP**2) * (path.real**2 + path.imag**2)
        self._power = mean_power(microphone) + _TINY
        self._power_left = mean_power(left) + _TINY
        if self._power_left > _WORSE * self._power:
            left, self._power_left = microphone, self._power
        return left, louder

    @property
    def taken_db(self) -> float:
        """By how much the last frame got quieter."""
        return 10 * math.log10(self._power / self._power_left)

    def misses(self) -> bool:
        """Is the echo that was subtracted not there? It is then in what is left, upside down."""
        return self._left_by_echo < _MISSED * self._echo_by_echo

    def count_as_echo(self) -> None:
        """In the last frame there was nobody but the agent."""
        self._mean_power = _ERLE_MEMORY * self._mean_power + self._power
        self._mean_power_left = _ERLE_MEMORY * self._mean_power_left + self._power_left

    @property
    def erle_db(self) -> float:
        """Echo return loss enhancement: ``taken_db`` over the last second of echo."""
        return 10 * math.log10(self._mean_power / self._mean_power_left)

    def _follow_level(self, left: FloatWave, echo: FloatWave) -> tuple[FloatWave, float]:
        """When the echo gets louder as a whole (gain control), what is left looks like the echo."""
        self._left_by_echo = _LEVEL_MEMORY * self._left_by_echo + float(left @ echo)
        self._echo_by_echo = _LEVEL_MEMORY * self._echo_by_echo + float(echo @ echo)
        self._left_by_left = _LEVEL_MEMORY * self._left_by_left + float(left @ left)
        alike = self._left_by_echo**2 / (self._echo_by_echo * self._left_by_left + 1e-12)
        if alike < _ALIKE:
            return left, 0.0
        change = np.float32(min(max(self._left_by_echo / self._echo_by_echo, -1.0), 2.0))
        if change < 0:
            # Or there is no echo any more at this place: the path may be needed again at another.
            return left - change * echo, 0.0
        self._path *= 1 + change
        self._left_by_echo = 0.0
        self._left_by_left *= 1 - alike
        self._echo_by_echo *= float(1 + change) ** 2
        return left - change * echo, 20 * math.log10(1 + float(change))
