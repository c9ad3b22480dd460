"""What was sent, by the time at which it is due at the caller's loudspeaker; the microphone's time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from selam_agent.audio.echo_delay import FloatWave
from selam_agent.audio.frames import FRAME_SAMPLES, SAMPLE_RATE
from selam_agent.audio.pcm import Pcm16

# A stalled microphone arrives up to 3 s late, the echo a second after that, and 2 s are sent ahead.
_LENGTH: Final = 8 * SAMPLE_RATE
# Schedules are computed in floating point and moved by jitter; less than this is the same stream.
_SAME_STREAM: Final = SAMPLE_RATE * 5 // 1000
# Stretches of sound, each ended by a gap; more than these are older than the track.
_STRETCHES: Final = 64
# The microphone's time is off by this much, for this long: a hole in the stream, not jitter.
_HOLE: Final = SAMPLE_RATE * 60 // 1000
_HOLE_LASTS: Final = SAMPLE_RATE


class StreamClock:
    """Where pieces of one stream stand: end to end, however unevenly they arrive.

    A burst after a stall catches up, and changes nothing; what was lost does not come back, and the
    stream goes on later.
    """

    def __init__(self) -> None:
        self._next: int | None = None
        self._off_since: int | None = None
        self._least_off = 0

    def place(self, given: int, samples: int) -> tuple[int, bool]:
        """The position of a piece that came with this time, and whether it is after a hole."""
        position = given if self._next is None else self._next
        off = given - position
        hole = False
        if abs(off) < _HOLE:
            self._off_since = None
        elif self._off_since is None:
            self._off_since, self._least_off = given, off
        else:
            self._least_off = min(self._least_off, off, key=abs)
            if abs(given - self._off_since) >= _HOLE_LASTS:
                hole = True
                position += self._least_off
                self._off_since = None
        self._next = position + samples
        return position, hole


class Microphone:
    """The last 500 ms that were heard, silence before; takes its 16 kB with the first of them."""

    LENGTH: Final = SAMPLE_RATE // 2

    def __init__(self) -> None:
        self._heard: Pcm16 | None = None

    def forget(self) -> None:
        """Begins anew."""
        self._heard = None

    def write(self, pcm: Pcm16) -> None:
        """int16 [n]."""
        if self._heard is None:
            self._heard = np.zeros(self.LENGTH, np.int16)
        if len(pcm) < self.LENGTH:
            self._heard[: -len(pcm)] = self._heard[len(pcm) :]
        self._heard[-len(pcm) :] = pcm[-self.LENGTH :]

    def take(self, samples: int, ago: int = 0) -> FloatWave:
        """float32 [samples], −1…1, up to so many samples before the last one."""
        if self._heard is None:
            return np.zeros(samples, np.float32)
        end = self.LENGTH - ago
        return self._heard[end - samples : end] * np.float32(1 / 32768)


@dataclass(slots=True)
class _Piece:
    """What was sent from ``begin`` to ``end``: int16, or what makes it; more than that where it was cut."""

    begin: int
    end: int
    pcm: Pcm16 | Callable[[], Pcm16]


class SentTrack:
    """The last 8 s, as the pieces that were sent: at most 256 kB once made, none while the agent is silent.

    Positions are samples at 16 kHz; what is unknown is silence.
    """

    def __init__(self) -> None:
        # Oldest first, without overlap.
        self._pieces: deque[_Piece] = deque()
        # Whether the last of them, or more, are still to be made.
        self._to_make = False
        self._stretches: deque[tuple[int, int]] = deque(maxlen=_STRETCHES)
        self._end: int | None = None

    def write(self, position: int, pcm: Pcm16) -> None:
        """``pcm`` begins here, or a few milliseconds from here where the last piece ended."""
        if not len(pcm):
            return
        position = self.note(position, len(pcm))
        end = position + len(pcm)
        self._pieces.append(_Piece(max(position, end - _LENGTH), end, pcm[-_LENGTH:]))
        self.forget(end - _LENGTH)

    def write_later(self, position: int, samples: int, make: Callable[[], Pcm16]) -> None:
        """As ``write``; most of what is sent is forgotten before it is asked for.

        ``make`` returns int16 [about ``samples``], at most 8 s; those that are called are called in order.
        """
        if samples:
            position = self.note(position, samples)
            self._pieces.append(_Piece(position, position + samples, make))
            self._to_make = True
            self.forget(position + samples - _LENGTH)

    def note(self, position: int, samples: int) -> int:
        """So much was sent, and nobody will ask what. Returns where it begins."""
        if self._end is not None:
            if abs(position - self._end) <= _SAME_STREAM:
                position = self._end
            elif position < self._end:
                self.cut(position)
        begin = position
        if self._stretches and self._stretches[-1][1] == position:
            begin = self._stretches.pop()[0]
        self._end = position + samples
        self._stretches.append((begin, self._end))
        return position

    def forget(self, before: int | None = None) -> None:
        """What was sent, all or before this position, is not needed any more."""
        while self._pieces and (before is None or self._pieces[0].end <= before):
            self._pieces.popleft()

    def cut(self, position: int) -> None:
        """Nothing from here on will be played."""
        if self._end is None or position >= self._end:
            return
        self._end = position
        while self._pieces and self._pieces[-1].begin >= position:
            self._pieces.pop()
        if self._pieces:
            self._pieces[-1].end = min(self._pieces[-1].end, position)
        while self._stretches and self._stretches[-1][1] > position:
            begin, _ = self._stretches.pop()
            if begin < position:
                self._stretches.append((begin, position))

    def sounds(self, first: int, last: int) -> bool:
        """Was anything sent that is due between these positions?"""
        for begin, end in reversed(self._stretches):
            if end <= first:
                return False
            if begin < last:
                return True
        return False

    def sounding(self, first: int, frames: int) -> int:
        """In how many of these frames anything is due."""
        last = first + frames * FRAME_SAMPLES
        if self._stretches and self._stretches[-1][0] <= first and last <= self._stretches[-1][1]:
            return frames
        return sum(self.sounds(at, at + FRAME_SAMPLES) for at in range(first, last, FRAME_SAMPLES))

    def take(self, first: int, last: int) -> FloatWave:
        """float32 [last − first], −1…1."""
        return self.take_pcm(first, last) * np.float32(1 / 32768)

    def take_pcm(self, first: int, last: int) -> Pcm16:
        """int16 [last − first]."""
        taken = np.zeros(last - first, np.int16)
        if self._to_make:
            self._make()
        for piece in reversed(self._pieces):
            if piece.end <= first:
                break
            if piece.begin < last:
                begin, end = max(piece.begin, first), min(piece.end, last)
                assert not callable(piece.pcm)
                part = piece.pcm[begin - piece.begin : end - piece.begin]
                taken[begin - first : begin - first + len(part)] = part
        return taken

    def _make(self) -> None:
        for piece in self._pieces:
            if callable(piece.pcm):
                piece.pcm = piece.pcm()
        self._to_make = False
