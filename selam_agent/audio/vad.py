"""Which frames are voice? Three conditions, because none of them is enough.

webrtcvad takes steady noise above −26 dBFS for speech, for ever; an energy gate takes every loud
noise; a floor follows noise, but not music. A frame is voiced when webrtcvad hears speech in the
noise-suppressed frame AND the raw frame is loud enough AND the suppressed frame stands out of the
floor *of the suppressed signal* (on the raw signal only 10 % of speech at 5 dB SNR would pass).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import webrtcvad
from numpy.typing import NDArray
from webrtc_noise_gain import AudioProcessor

from selam_agent.audio.frames import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE
from selam_agent.audio.pcm import Pcm16

Denoise = Literal["vad", "all", "off"]

# webrtc-noise-gain: level 2 has the fewest false alarms for the least harm; blocks of 10 ms; 6 ms late.
_NOISE_LEVEL: Final = 2
_BLOCK_BYTES: Final = SAMPLE_RATE // 100 * 2
_FRAME_BYTES: Final = FRAME_SAMPLES * 2

# A line that has been this quiet (RMS of the raw frame; −50 dBFS, and a sixth of the threshold) for 420 ms
# needs no suppression: what level 2 leaves of steady noise is a quarter, after a second and for ever
# (white 0.25, pink 0.18; ``tests/audio/test_vad.py``), and speech wakes it long before it is loud enough.
# The first frame after a rest may be missed, so that is longer than complete words are waited after (400 ms).
_QUIET: Final = 104.0
_QUIET_SHARE: Final = 1 / 6
_RESTS_AFTER: Final = 420 // FRAME_MS
_LEFT: Final = 0.25

_VOICED_OVER_FLOOR: Final = 3.0
_QUIET_SPEECH_OVER_FLOOR: Final = 10 ** (10 / 20)
# A run of speech survives gaps this long.
_RUN_GAP_FRAMES: Final = 200 // FRAME_MS
# The end of a word that is no voice any more: up to 120 ms, no more than 34 dB below its loudest frame.
_FADING_FRAMES: Final = 120 // FRAME_MS
_FADING_SHARE: Final = 0.02


class FrameVerdict(NamedTuple):
    """``voiced``, or ``fading``: the audible end of a word that was. ``rms``: of the raw frame in int16
    units; ``suppressed_rms`` and ``floor``: of the suppressed one, and what it was compared with.
    """

    voiced: bool
    fading: bool
    rms: float
    suppressed_rms: float
    floor: float


@dataclass(slots=True)
class Heard:
    """What is known of n frames: ``audio``, int16 [n, 320], is what the recogniser should get.

    The other fields are the verdicts' by name, as arrays [n], for measuring.
    """

    audio: Pcm16
    frames: list[FrameVerdict]
    # The highest RMS of a raw frame; 0 without frames.
    loudest: float
    # None of them is voiced, and none the end of a word.
    silent: bool

    @property
    def voiced(self) -> NDArray[np.bool_]:
        return np.array([each.voiced for each in self.frames], np.bool_)

    @property
    def fading(self) -> NDArray[np.bool_]:
        return np.array([each.fading for each in self.frames], np.bool_)

    @property
    def rms(self) -> NDArray[np.float64]:
        return np.array([each.rms for each in self.frames], np.float64)

    @property
    def suppressed_rms(self) -> NDArray[np.float64]:
        return np.array([each.suppressed_rms for each in self.frames], np.float64)

    @property
    def floor(self) -> NDArray[np.float64]:
        return np.array([each.floor for each in self.frames], np.float64)


class FloorTracker:
    """The background's level: the lowest smoothed level of the last seconds (minimum statistics).

    After R. Martin, "Noise power spectral density estimation based on optimal smoothing and minimum
    statistics", 2001, on one band: speech has gaps within every window, noise has none. The window
    begins full of ``lowest``, so a stream that begins with speech is speech; noise from the
    beginning, or louder noise later, is learnt when the window has passed, quieter noise at once.
    """

    # 3 s. Measured on espeak speech at −20 dBFS, share of speech frames voiced in reverberation of
    # 0.5 s (the hardest case: no silence between words), against how long loud noise stays voiced:
    # 1.5 s 0.89, 2 s 0.92, 3 s 0.96, 4 s 0.97, 6 s 0.97.
    BLOCKS: Final = 6
    BLOCK_FRAMES: Final = 25
    # −70 dBFS; below it differences are rounding.
    LOWEST: Final = 10.0
    # 60 ms: shorter than the closure of a stop plus its neighbours' decay, long enough that one
    # quiet frame of fluctuating noise is not the floor.
    SMOOTHING_FRAMES: Final = 3

    def __init__(self) -> None:
        self._blocks = deque([self.LOWEST] * self.BLOCKS, self.BLOCKS)
        self._recent: deque[float] = deque(maxlen=self.SMOOTHING_FRAMES)
        self._least = self.LOWEST
        self._current = float("inf")
        self._filled = 0

    def follow(self, levels: Sequence[float]) -> list[float]:
        """Takes the RMS of frames, returns the floor at each, all in int16 units."""
        recent, current, least = self._recent, self._current, self._least
        floors = []
        for level in levels:
            recent.append(level)
            if len(recent) == self.SMOOTHING_FRAMES and (smooth := sum(recent) / len(recent)) < current:
                current = smooth
            self._filled += 1
            if self._filled == self.BLOCK_FRAMES:
                self._blocks.append(max(current, self.LOWEST))
                least = min(self._blocks)
                current, self._filled = float("inf"), 0
            # ``least`` is never below ``LOWEST``.
            floors.append(least if current >= least else max(current, self.LOWEST))
        self._current, self._least = current, least
        return floors


class VoiceGate:
    """The gate of one stream; stateful.

    Args:
        vad_threshold: RMS of a raw 20 ms frame in int16 units below which nothing is voiced.
        mode: webrtcvad's aggressiveness, 0…3.
        denoise: where the suppressed signal goes: to the decision only (``vad``), to the
            recogniser as well (``all``), nowhere (``off``). At high SNR suppression costs the
            recogniser more than it gains (fan noise at 15 dB: 17.8 → 14.5 dB).

    Cost: 32 µs per frame, of which noise suppression takes 22; 3 to 7 while the line is quiet
    (``process_time``, busy virtual cores).

    Measured at the default settings on espeak speech (English, Amharic) at −20 dBFS, after 4 s of the
    noise alone, four drawings each. Share of speech frames voiced: clean 0.96; white, pink, brown noise
    at 10 dB SNR 0.82, 0.79, 0.92; at 5 dB 0.63, 0.59, 0.83; at 0 dB 0.41, 0.38, 0.62. Noise alone from
    the first sample, voiced for at most (six drawings of 7 s): −26 dBFS 0.3 s; −20 dBFS 0.1, 1.1, 1.9 s;
    −10 dBFS 3 s, until it is learnt.
    """

    def __init__(self, vad_threshold: float = 600, mode: int = 2, denoise: Denoise = "vad") -> None:
        self._denoise = denoise
        self._set(vad_threshold)
        self._quiet_for = 0
        self._vad: Any = webrtcvad.Vad(mode)
        self._suppressor: Any = None if denoise == "off" else AudioProcessor(0, _NOISE_LEVEL)
        self._floor = FloorTracker()
        # Of the current run.
        self._quiet_frames = self._voiced_frames = self._gap_frames = 0
        self._most_quiet_frames = 0
        # The loudest frame of the last word, and for how many frames it may still fade.
        self._loudest = 0.0
        self._may_fade = 0

    def set_threshold(self, vad_threshold: float) -> None:
        """From the next frame on; the evidence of a too quiet talker starts afresh."""
        self._set(vad_threshold)
        self._quiet_frames = self._voiced_frames = self._most_quiet_frames = 0

    def _set(self, vad_threshold: float) -> None:
        self._threshold = float(vad_threshold)
        self._quiet = min(_QUIET, self._threshold * _QUIET_SHARE)

    @property
    def quiet_rms(self) -> float:
        """RMS of a raw frame below which it is far from being speech, int16 units."""
        return self._quiet

    @property
    def too_quiet_ms(self) -> int:
        """The most speech-like sound under the threshold that one run had so far, in ms.

        Speech-like: webrtcvad agrees and the suppressed frame is 10 dB over the floor. A run
        survives gaps up to 200 ms and counts while more of it is under the threshold than voiced,
        so the soft ends of a loud talker's words do not.
        """
        return self._most_quiet_frames * FRAME_MS

    def feed(self, frames: Pcm16) -> Heard:
        """int16 [n, 320] at 16 kHz, n ≥ 0 → the verdict on each."""
        frames = np.ascontiguousarray(frames)
        raw = _rms(frames)
        awake = self._awake(raw)
        levels = [rms * _LEFT for rms in raw]
        if not awake:
            return Heard(frames, self._at_rest(raw, levels), max(raw, default=0.0), silent=True)
        data = frames.tobytes()
        clean = [data[number * _FRAME_BYTES : (number + 1) * _FRAME_BYTES] for number in awake]
        if self._suppressor is None:
            levels = raw
        else:
            clean = [self._suppress(frame) for frame in clean]
            suppressed = np.frombuffer(b"".join(clean), np.int16).reshape(-1, FRAME_SAMPLES)
            for number, level in zip(awake, _rms(suppressed), strict=True):
                levels[number] = level
            if self._denoise == "all":
                frames = suppressed
        speech = [False] * len(raw)
        for number, frame in zip(awake, clean, strict=True):
            speech[number] = self._vad.is_speech(frame, SAMPLE_RATE)
        verdicts = list(map(self._verdict, raw, levels, self._floor.follow(levels), speech))
        silent = not any(voiced or fading for voiced, fading, _, _, _ in verdicts)
        return Heard(frames, verdicts, max(raw), silent)

    def _awake(self, raw: Sequence[float]) -> list[int]:
        """The frames that need a closer look: none that is so quiet, and was so before, as nobody speaks."""
        if self._denoise != "vad":
            return list(range(len(raw)))
        awake, quiet_for, quiet = [], self._quiet_for, self._quiet
        for number, rms in enumerate(raw):
            quiet_for = quiet_for + 1 if rms < quiet else 0
            if quiet_for <= _RESTS_AFTER:
                awake.append(number)
        self._quiet_for = quiet_for
        return awake

    def _at_rest(self, raw: Sequence[float], levels: Sequence[float]) -> list[FrameVerdict]:
        """As ``_verdict`` where no frame is awake: the last word has faded long ago."""
        self._gap_frames += len(raw)
        if self._gap_frames > _RUN_GAP_FRAMES:
            self._quiet_frames = self._voiced_frames = 0
        floors = self._floor.follow(levels)
        return [FrameVerdict(False, False, *about) for about in zip(raw, levels, floors, strict=True)]

    def _verdict(self, rms: float, level: float, floor: float, speech: bool) -> FrameVerdict:
        voiced = quiet = False
        if speech:
            loud = rms >= self._threshold
            voiced = loud and level >= _VOICED_OVER_FLOOR * floor
            quiet = not loud and level >= _QUIET_SPEECH_OVER_FLOOR * floor
        self._follow_quiet(voiced, quiet)
        return FrameVerdict(voiced, self._fades(voiced, level, floor), rms, level, floor)

    def _fades(self, voiced: bool, level: float, floor: float) -> bool:
        if voiced:
            word_goes_on = self._may_fade > 0
            self._loudest = max(level, self._loudest if word_goes_on else 0.0)
            self._may_fade = _FADING_FRAMES
        elif self._may_fade:
            # A plosive's closure is silent, its burst belongs to the word.
            self._may_fade -= 1
            return level >= max(_VOICED_OVER_FLOOR * floor, _FADING_SHARE * self._loudest)
        return False

    def _suppress(self, frame: bytes) -> bytes:
        process = self._suppressor.Process10ms
        return bytes(process(frame[:_BLOCK_BYTES]).audio + process(frame[_BLOCK_BYTES:]).audio)

    def _follow_quiet(self, voiced: bool, quiet: bool) -> None:
        if voiced or quiet:
            self._voiced_frames += voiced
            self._quiet_frames += quiet
            self._gap_frames = 0
            if self._quiet_frames > self._voiced_frames:
                self._most_quiet_frames = max(self._most_quiet_frames, self._quiet_frames)
        else:
            self._gap_frames += 1
            if self._gap_frames > _RUN_GAP_FRAMES:
                self._quiet_frames = self._voiced_frames = 0


def _rms(frames: Pcm16) -> list[float]:
    """Of each frame."""
    wide = frames.astype(np.float64)
    rms: list[float] = np.sqrt(np.vecdot(wide, wide) / FRAME_SAMPLES).tolist()
    return rms
