"""The agent's own voice in the caller's microphone: found, measured, subtracted, and told from the caller.

Without headphones the microphone carries the agent, and without a guard the agent interrupts itself about
once a second. Two stages: while the agent speaks for the first seconds, look for its voice in the
microphone at all (``echo_delay``); headphones or the browser's own canceller leave nothing, and then there is
no further cost. In a session that has echo, while the agent is heard, subtract it (``echo_filter``) and
say of each frame whether more than the rest of it is there (``echo_gate``).

Pure: times are arguments. One thread. 150 kB per session while it looks, 10 without echo, 240 with.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from selam_agent.audio.echo_aec3 import AHEAD, Aec3, MakeAec3
from selam_agent.audio.echo_delay import (
    MAX_DELAY_MS,
    DelaySearch,
    FloatWave,
    JumpSearch,
    SearchBudget,
    mean_power,
)
from selam_agent.audio.echo_filter import PARTITIONS, EchoFilter
from selam_agent.audio.echo_gate import EchoGate
from selam_agent.audio.echo_status import Cleaned, EchoStatus, State
from selam_agent.audio.echo_track import Microphone, SentTrack, StreamClock
from selam_agent.audio.frames import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE
from selam_agent.audio.pcm import Pcm16

_PER_MS: Final = SAMPLE_RATE // 1000
_UNTRUSTED_FRAMES: Final = 1500 // FRAME_MS
# After a new delay: the filter's first convergence, and the gate's first idea of the leak.
_SETTLING_FRAMES: Final = 800 // FRAME_MS
_RESETTLING_FRAMES: Final = 400 // FRAME_MS
# The filter begins this much before the delay that was found: room for jitter and drift.
_BEFORE: Final = 10 * _PER_MS
# Two answers about the delay that are this close are one: 1 ms, and 1.5 ms for the filter's own.
_AGREE: Final = _PER_MS
_SAME_PLACE: Final = _PER_MS * 3 // 2
_DRIFTED: Final = 3 * _PER_MS
# A network or a buffer moves by less at once; further away there are more chance peaks than jumps.
_FAR: Final = 250 * _PER_MS
# Echo that has moved leaves nothing at its old place; a loud caller makes chance peaks, beside it.
_STILL_THERE: Final = 0.4
# The room goes on when the agent has stopped.
_TAIL: Final = PARTITIONS * FRAME_SAMPLES + 200 * _PER_MS
# A new stretch of agent audio may come over a network that has changed.
_NEW_REPLY_GAP: Final = 300 * _PER_MS
# Frames over the echo in a row after which a jump is looked for: before 12 of them are a barge-in.
_LOOK_AT_RUN: Final = frozenset((5, 7, 9, 11, 15, 20, 30, 40))
# What was sent longer ago than a filter's start looks back is not asked for any more.
_KEPT: Final = Microphone.LENGTH + MAX_DELAY_MS * _PER_MS


class EchoGuard:
    """Give it all that is sent (``far``) and all that is heard (``near``), with times of one clock in ms.

    Per 20 ms frame: 1 µs with no echo or a silent agent, 12 µs listening (0.13 ms each 250 ms, else 2 µs),
    250 µs guarding (``python -m tests.audio.echo_table``): on an event loop pass at most 6 frames at a time.
    """

    def __init__(self, make_aec3: MakeAec3 | None = None) -> None:
        self._make_aec3 = make_aec3
        self._aec3: Aec3 | None = None
        self._sent = SentTrack()
        self._search = DelaySearch()
        self._sudden = JumpSearch()
        self._microphone = Microphone()
        self._filter: EchoFilter | None = None
        self._gate = EchoGate()
        self._state: State = "listening"
        self._delay: int | None = None
        self._candidate: int | None = None
        self._new_place: int | None = None
        self._clock = StreamClock()
        # Counted in frames in which agent audio could be heard.
        self._active = 0
        self._budget = SearchBudget()
        self._settled = 0
        # What came after the last block that was looked at, in samples.
        self._unseen = 0
        self._over_run = 0
        self._gap = 0

    # ------------------------------------------------------------ what the session asks

    @property
    def state(self) -> State:
        """``listening``: looking for echo. ``none``: there is none. ``guarding``: there is."""
        return self._state

    @property
    def status(self) -> EchoStatus:
        """For metrics."""
        if self._delay is None or self._filter is None:
            return EchoStatus(self._state, None, None)
        return EchoStatus(self._state, self._delay / _PER_MS, round(self._filter.erle_db, 1))

    @property
    def trusted(self) -> bool:
        """Whether a barge-in by sound alone may be believed; not in the first 1.5 s of agent audio."""
        if self._delay is not None:
            return self._settled >= _SETTLING_FRAMES and self._active >= _UNTRUSTED_FRAMES
        return self._active >= _UNTRUSTED_FRAMES and self._candidate is None

    @property
    def suspects(self) -> bool:
        """Whether there is echo, or one look out of two says so."""
        return self._delay is not None or self._candidate is not None

    def listen(self) -> None:
        """Look again: something the caller seemed to say turned out to be the agent's own words."""
        if self._state == "none":
            self._look_again()
            self._budget.renew()

    # ------------------------------------------------------------ sound

    def far(self, pcm: Pcm16, at_ms: float) -> None:
        """Agent audio, int16 [n] at 16 kHz, whose first sample is due at the loudspeaker at this time.

        The network and the client may add up to a second. At most 2 s ahead of ``near``.
        """
        self._sent.write(round(at_ms * _PER_MS), pcm)

    def far_untracked(self, at_ms: float, duration_ms: float) -> None:
        """Agent audio as ``far``, while the state is ``none``: only that there was some counts."""
        self._sent.note(round(at_ms * _PER_MS), round(duration_ms * _PER_MS))

    def cut(self, at_ms: float) -> None:
        """From this time on nothing of what was sent will be played: the agent was interrupted."""
        self._sent.cut(round(at_ms * _PER_MS))

    def near(self, frames: Pcm16, at_ms: float) -> Cleaned:
        """Microphone, int16 [n, 320], whose first sample was heard, or arrived, at this time.

        Frames are taken as one stream: jitter of their times does not matter, a step that lasts a
        second is a hole. Frames without agent audio come back as they are.
        """
        span = len(frames) * FRAME_SAMPLES
        first, hole = self._clock.place(round(at_ms * _PER_MS), span)
        if hole:
            self._search.forget()
        self._sent.forget(first - _KEPT)
        if not self._audible(first, first + span):
            self._gap += span
            if self._gap - span < _NEW_REPLY_GAP <= self._gap:
                self._search.forget()
                self._microphone.forget()
            return Cleaned(frames, None)
        if self._state == "none":
            if not self._budget.rest(len(frames)):
                return Cleaned(frames, None)
            self._look_again()
        seen = self._seek(frames, first) if self._delay is None else 0
        if self._delay is None:
            return Cleaned(frames, None)
        return self._clean(frames, seen, first)

    def _seek(self, frames: Pcm16, position: int) -> int:
        """Looks for echo in these frames; returns after how many of them that came to an end."""
        if self._gap:
            self._go_on()
        seen = 0
        while seen < len(frames) and self._state == "listening":
            until_look = -(-(self._search.block - self._unseen) // FRAME_SAMPLES)
            part = frames[seen : seen + until_look]
            self._remember(part, position + seen * FRAME_SAMPLES)
            seen += len(part)
        return seen

    def _clean(self, frames: Pcm16, first: int, position: int) -> Cleaned:
        """Without echo from the frame ``first`` on; ``position``: where the frames begin."""
        cleaned, suspect = frames, np.zeros(len(frames), np.bool_)
        for number in range(first, len(frames)):
            at, frame = position + number * FRAME_SAMPLES, frames[number]
            if not self._audible(at, at + FRAME_SAMPLES):
                self._gap += FRAME_SAMPLES
                continue
            if self._gap:
                self._go_on()
            self._remember(frame[None], at)
            if self._delay is None:
                continue
            left, suspect[number] = self._guard(frame * np.float32(1 / 32768), at, self._delay)
            if cleaned is frames:
                cleaned = frames.copy()
            if self._aec3 is None:
                cleaned[number] = np.clip(left * 32768, -32768, 32767)
            else:
                ahead = at - self._delay + AHEAD
                sent = self._sent.take_pcm(ahead, ahead + FRAME_SAMPLES)
                cleaned[number] = self._aec3.cancel(frame, sent)
        return Cleaned(cleaned, suspect)

    def _audible(self, first: int, last: int) -> bool:
        if self._delay is None:
            return self._sent.sounds(first - self._search.reference, last)
        return self._sent.sounds(first - self._delay - _TAIL, last - self._delay + _BEFORE)

    def _go_on(self) -> None:
        """The agent is heard again."""
        if self._gap >= _NEW_REPLY_GAP:
            self._search.forget()
            self._candidate = None
        self._gap = 0
        self._microphone.forget()
        self._unseen = 0
        if self._filter is not None:
            self._filter.pause()

    def _look_again(self) -> None:
        self._state = "listening"
        self._go_on()

    def _find_nothing(self) -> None:
        """Headphones, or an echo that is gone. What the search needs, 150 kB, is given back."""
        self._state = "none" if self._delay is None else "listening"
        self._delay = self._candidate = None
        self._search.forget()
        self._budget.renew()
        if self._state == "none":
            self._sent.forget()
            self._microphone.forget()

    # ------------------------------------------------------------ delay

    def _remember(self, frames: Pcm16, position: int) -> None:
        """Adds frames, of which the last one may complete a block, and then looks at that."""
        self._microphone.write(frames.reshape(-1))
        self._active += self._sent.sounding(position, len(frames))
        self._unseen += len(frames) * FRAME_SAMPLES
        if self._unseen >= self._search.block:
            self._unseen -= self._search.block
            self._look(position + len(frames) * FRAME_SAMPLES)

    def _look(self, end: int) -> None:
        """Looks at the last whole block; ``end``: of all that was heard."""
        block, ago = self._search.block, self._unseen
        lag = self._search.look(self._microphone.take(block, ago), end - ago - block, self._sent.take)
        if not self._search.saw:
            return
        again = lag is not None and self._candidate is not None and abs(lag - self._candidate) <= _AGREE
        self._candidate = lag
        if again and lag is not None:
            self._budget.renew()
            self._found(lag, end)
        elif self._budget.spend(block / FRAME_SAMPLES):
            self._find_nothing()

    def _found(self, lag: int, end: int) -> None:
        if self._delay is None or self._filter is None:
            self._start(lag, end)
        elif abs(lag - self._known()) <= _SAME_PLACE:
            # The filter has followed a slow drift; now the blocks it is given follow, too.
            if abs(lag - self._delay) >= _DRIFTED:
                self._filter.shift(lag - self._delay)
                self._delay = lag
        elif self._settled < _SETTLING_FRAMES:
            self._start(lag, end)
        elif self._search.share_at(self._known()) <= _STILL_THERE:
            self._jump(lag)

    def _known(self) -> int:
        """The delay of the path's strongest part."""
        assert self._delay is not None and self._filter is not None
        peak = self._filter.peak() if self._settled >= _SETTLING_FRAMES else None
        return self._delay if peak is None else self._delay + peak - _BEFORE

    def _jump(self, lag: int) -> None:
        """The same echo at another delay."""
        assert self._delay is not None and self._filter is not None
        self._delay = max(0, self._delay + lag - self._known())
        self._filter.moved()
        self._gate.relearn()
        self._settled = _SETTLING_FRAMES - _RESETTLING_FRAMES
        self._over_run = 0
        self._new_place = self._candidate = None
        self._search.forget()

    def _start(self, lag: int, end: int) -> None:
        """There is echo, at this delay."""
        if self._filter is None:
            self._filter = EchoFilter()
            self._aec3 = self._make_aec3() if self._make_aec3 is not None else None
        heard = self._microphone.take(Microphone.LENGTH)
        sent = self._sent.take(end - lag - len(heard), end - lag)
        self._filter.reset(min(1.0, mean_power(heard) / (mean_power(sent) + 1e-9)))
        self._gate.reset()
        self._state, self._delay = "guarding", lag
        self._settled = self._over_run = 0
        self._new_place = None

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
        if self._new_place is not None and abs(lag - self._new_place) <= _AGREE:
            self._jump(lag)
        else:
            self._new_place = lag
        return True

    def _guard(self, wave: FloatWave, position: int, delay: int) -> tuple[FloatWave, bool]:
        assert self._filter is not None
        at = position - delay
        # The filter's two blocks end _BEFORE later than the gate's.
        sent = self._sent.take(at - FRAME_SAMPLES, at + FRAME_SAMPLES + _BEFORE)
        left, louder = self._filter.cancel(wave, sent[_BEFORE:])
        if louder:
            self._gate.raise_leak(louder)
        over = self._gate.judge(left, sent[:-_BEFORE], self._filter.taken_db)
        if not over:
            self._filter.count_as_echo()
        self._settled += 1
        if self._settled < _SETTLING_FRAMES:
            return left, True
        self._over_run = self._over_run + 1 if over else max(0, self._over_run - 2)
        if over and self._over_run in _LOOK_AT_RUN and self._filter.misses() and self._has_jumped(position):
            return left, True
        return left, not over or self._new_place is not None
