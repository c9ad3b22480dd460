"""An echo that was found: subtracted, followed where it goes, and told from the caller."""

from __future__ import annotations

from typing import Final

import numpy as np

from selam_agent.audio.echo_aec3 import AHEAD, Aec3, MakeAec3
from selam_agent.audio.echo_delay import AGREE, DelaySearch, FloatWave, JumpSearch, mean_power
from selam_agent.audio.echo_filter import PARTITIONS, EchoFilter
from selam_agent.audio.echo_gate import EchoGate
from selam_agent.audio.echo_track import Microphone, SentTrack
from selam_agent.audio.frames import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE
from selam_agent.audio.pcm import Pcm16

_PER_MS: Final = SAMPLE_RATE // 1000
# After a new delay: the filter's first convergence, and the gate's first idea of the leak.
_SETTLING_FRAMES: Final = 800 // FRAME_MS
_RESETTLING_FRAMES: Final = 400 // FRAME_MS
# The filter begins this much before the delay that was found: room for jitter and drift.
BEFORE: Final = 10 * _PER_MS
# Two answers about the delay that are this close are one: 1 ms (AGREE), and 1.5 ms for the filter's own.
_SAME_PLACE: Final = _PER_MS * 3 // 2
_DRIFTED: Final = 3 * _PER_MS
# A network or a buffer moves by less at once; further away there are more chance peaks than jumps.
_FAR: Final = 250 * _PER_MS
# Echo that has moved leaves nothing at its old place; a loud caller makes chance peaks, beside it.
_STILL_THERE: Final = 0.4
# The room goes on when the agent has stopped.
TAIL: Final = PARTITIONS * FRAME_SAMPLES + 200 * _PER_MS
# Frames over the echo in a row after which a jump is looked for: before 12 of them are a barge-in.
_LOOK_AT_RUN: Final = frozenset((5, 7, 9, 11, 15, 20, 30, 40))


class EchoPath:
    """``delay``: samples at 16 kHz. Positions and delays as in ``SentTrack`` and ``DelaySearch``."""

    def __init__(
        self, sent: SentTrack, microphone: Microphone, search: DelaySearch, make_aec3: MakeAec3 | None
    ) -> None:
        self._sent = sent
        self._microphone = microphone
        self._search = search
        self._sudden = JumpSearch()
        self._filter = EchoFilter()
        self._gate = EchoGate()
        self._aec3: Aec3 | None = make_aec3() if make_aec3 is not None else None
        self.delay = 0
        # Counted in frames.
        self._settled = self._over_run = 0
        self._new_place: int | None = None

    @property
    def settled(self) -> bool:
        """Whether what it says of frames may be believed."""
        return self._settled >= _SETTLING_FRAMES

    @property
    def erle_db(self) -> float:
        """By how much the filter takes the echo down."""
        return self._filter.erle_db

    def start(self, lag: int, end: int) -> None:
        """There is echo, at this delay; ``end``: of what was heard."""
        heard = self._microphone.take(Microphone.LENGTH)
        sent = self._sent.take(end - lag - len(heard), end - lag)
        self._filter.reset(min(1.0, mean_power(heard) / (mean_power(sent) + 1e-9)))
        self._gate.reset()
        self.delay = lag
        self._settled = self._over_run = 0
        self._new_place = None

    def pause(self) -> None:
        """Nothing was sent for longer than the filter is."""
        self._filter.pause()

    def follow(self, lag: int, end: int) -> None:
        """The search has found the echo again."""
        if abs(lag - self._known()) <= _SAME_PLACE:
            # The filter has followed a slow drift; now the blocks it is given follow, too.
            if abs(lag - self.delay) >= _DRIFTED:
                self._filter.shift(lag - self.delay)
                self.delay = lag
        elif not self.settled:
            self.start(lag, end)
        elif self._search.share_at(self._known()) <= _STILL_THERE:
            self._jump(lag)

    def clean(self, frame: Pcm16, position: int) -> tuple[Pcm16 | FloatWave, bool]:
        """The frame, [320] in int16's units, without the echo; whether there was nothing else in it."""
        left, suspect = self._guard(frame * np.float32(1 / 32768), position)
        if self._aec3 is None:
            return np.clip(left * 32768, -32768, 32767), suspect
        ahead = position - self.delay + AHEAD
        return self._aec3.cancel(frame, self._sent.take_pcm(ahead, ahead + FRAME_SAMPLES)), suspect

    def _guard(self, wave: FloatWave, position: int) -> tuple[FloatWave, bool]:
        at = position - self.delay
        # The filter's two blocks end BEFORE later than the gate's.
        sent = self._sent.take(at - FRAME_SAMPLES, at + FRAME_SAMPLES + BEFORE)
        left, louder = self._filter.cancel(wave, sent[BEFORE:])
        if louder:
            self._gate.raise_leak(louder)
        over = self._gate.judge(left, sent[:-BEFORE], self._filter.taken_db)
        if not over:
            self._filter.count_as_echo()
        self._settled += 1
        if not self.settled:
            return left, True
        self._over_run = self._over_run + 1 if over else max(0, self._over_run - 2)
        if over and self._over_run in _LOOK_AT_RUN and self._filter.misses() and self._has_jumped(position):
            return left, True
        return left, not over or self._new_place is not None

    def _known(self) -> int:
        """The delay of the path's strongest part."""
        peak = self._filter.peak() if self.settled else None
        return self.delay if peak is None else self.delay + peak - BEFORE

    def _has_jumped(self, position: int) -> bool:
        """Is what seems to be a caller the agent at another delay? Twice the same answer is believed."""
        end = position + FRAME_SAMPLES
        sent = self._sent.take(end - self._sudden.reference, end)
        lag = self._sudden.look(self._microphone.take(self._sudden.window), sent)
        known = self._known()
        moved = 0 if lag is None else abs(lag - known)
        if lag is None or not _SAME_PLACE < moved < _FAR or self._sudden.share_at(known) > _STILL_THERE:
            self._new_place = None
            return False
        if self._new_place is not None and abs(lag - self._new_place) <= AGREE:
            self._jump(lag)
        else:
            self._new_place = lag
        return True

    def _jump(self, lag: int) -> None:
        """The same echo at another delay."""
        self.delay = max(0, self.delay + lag - self._known())
        self._filter.moved()
        self._gate.relearn()
        self._settled = _SETTLING_FRAMES - _RESETTLING_FRAMES
        self._over_run = 0
        self._new_place = None
        self._search.forget()
