"""The agent's own voice in the caller's microphone: found, measured, subtracted, and told from the caller.

Without headphones the microphone carries the agent, and without a guard the agent interrupts itself about
once a second. Two stages: while the agent speaks for the first seconds, look for its voice in the
microphone at all (``echo_delay``); headphones or the browser's own canceller leave nothing, and then there is
no further cost. In a session that has echo, while the agent is heard, subtract it (``echo_filter``) and
say of each frame whether more than the rest of it is there (``echo_gate``).

Pure: times are arguments. One thread. 150 kB per session while it looks, 10 without echo, 240 with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from selam_agent.audio.echo_aec3 import MakeAec3
from selam_agent.audio.echo_delay import AGREE, MAX_DELAY_MS, DelaySearch, SearchBudget
from selam_agent.audio.echo_path import BEFORE, TAIL, EchoPath
from selam_agent.audio.echo_status import Cleaned, EchoStatus, State
from selam_agent.audio.echo_track import Microphone, SentTrack, StreamClock
from selam_agent.audio.frames import FRAME_MS, FRAME_SAMPLES, SAMPLE_RATE
from selam_agent.audio.pcm import Pcm16

_PER_MS: Final = SAMPLE_RATE // 1000
_UNTRUSTED_FRAMES: Final = 1500 // FRAME_MS
# A new stretch of agent audio may come over a network that has changed.
_NEW_REPLY_GAP: Final = 300 * _PER_MS
# What was sent longer ago than the beginning of a path looks back is not asked for any more.
_KEPT: Final = Microphone.LENGTH + MAX_DELAY_MS * _PER_MS


class EchoGuard:
    """Give it all that is sent (``far``) and all that is heard (``near``), with times of one clock in ms.

    Per 20 ms frame: 1 µs with no echo or a silent agent, 12 µs listening (0.13 ms each 250 ms, else 2 µs),
    250 µs guarding (``python -m tests.audio.echo_table``): on an event loop pass at most 6 frames at a time.
    """

    def __init__(self, make_aec3: MakeAec3 | None = None) -> None:
        # Of a frame, int16 units: below this nothing is taken for speech by anybody, and no echo matters.
        self.quiet_rms = 0.0
        self._make_aec3 = make_aec3
        self._sent = SentTrack()
        self._microphone = Microphone()
        self._clock = StreamClock()
        self._search = DelaySearch()
        self._budget = SearchBudget()
        self._state: State = "listening"
        # There is one exactly while guarding.
        self._path: EchoPath | None = None
        # Counted in frames in which agent audio could be heard.
        self._active = 0
        # In samples: what came after the last block that was looked at, and how long the agent is silent.
        self._unseen = self._gap = 0

    # ------------------------------------------------------------ what the session asks

    @property
    def state(self) -> State:
        """``listening``: looking for echo. ``none``: there is none. ``guarding``: there is."""
        return self._state

    @property
    def status(self) -> EchoStatus:
        """For metrics."""
        if self._path is None:
            return EchoStatus(self._state, None, None)
        return EchoStatus(self._state, self._path.delay / _PER_MS, round(self._path.erle_db, 1))

    @property
    def trusted(self) -> bool:
        """Whether a barge-in by sound alone may be believed; not in the first 1.5 s of agent audio."""
        sure = self._search.candidate is None if self._path is None else self._path.settled
        return sure and self._active >= _UNTRUSTED_FRAMES

    @property
    def suspects(self) -> bool:
        """Whether there is echo, or one look out of two says so."""
        return self._path is not None or self._search.candidate is not None

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

    def far_later(self, samples: int, at_ms: float, make: Callable[[], Pcm16]) -> None:
        """As ``far``, of what ``make`` returns if it is asked for, in order: int16 [about ``samples``]."""
        self._sent.write_later(round(at_ms * _PER_MS), samples, make)

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
        seen = self._seek(frames, first) if self._path is None else 0
        if self._path is None:
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
            if self._path is None:
                continue
            if cleaned is frames:
                cleaned = frames.copy()
            cleaned[number], suspect[number] = self._path.clean(frame, at)
        return Cleaned(cleaned, suspect)

    def _audible(self, first: int, last: int) -> bool:
        if self._path is None:
            return self._sent.sounds(first - self._search.reference, last)
        return self._sent.sounds(first - self._path.delay - TAIL, last - self._path.delay + BEFORE)

    def _go_on(self) -> None:
        """The agent is heard again."""
        if self._gap >= _NEW_REPLY_GAP:
            self._search.forget()
        self._gap = self._unseen = 0
        self._microphone.forget()
        if self._path is not None:
            self._path.pause()

    def _look_again(self) -> None:
        self._state = "listening"
        self._go_on()

    # ------------------------------------------------------------ the search

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
        block, ago, before = self._search.block, self._unseen, self._search.candidate
        heard = self._microphone.take(block, ago)
        quiet = self.quiet_rms / 32768 if self._path is None else 0.0
        lag = self._search.look(heard, end - ago - block, self._sent.take, quiet=quiet)
        if not self._search.saw:
            return
        if lag is not None and before is not None and abs(lag - before) <= AGREE:
            self._budget.renew()
            self._found(lag, end)
        elif self._budget.spend(block / FRAME_SAMPLES, sure=self._search.sure):
            self._find_nothing()

    def _found(self, lag: int, end: int) -> None:
        if self._path is not None:
            self._path.follow(lag, end)
            return
        self._path = EchoPath(self._sent, self._microphone, self._search, self._make_aec3)
        self._path.start(lag, end)
        self._state = "guarding"

    def _find_nothing(self) -> None:
        """Headphones, or an echo that is gone. What the search needs, 150 kB, is given back."""
        self._search.forget()
        self._budget.renew()
        if self._path is not None:
            self._path, self._state = None, "listening"
            return
        self._state = "none"
        self._sent.forget()
        self._microphone.forget()
