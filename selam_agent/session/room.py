"""The air between the client's loudspeaker and its microphone, as far as the server can know it.

What a reply sends goes in with the time at which it will be played; what the microphone heard comes
out without it. A session without echo (headphones, a browser that cancels it) pays for looking in
the first seconds of agent speech, and for nothing afterwards.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from selam_agent.audio.call_recording import CallRecording
from selam_agent.audio.echo import EchoGuard
from selam_agent.audio.echo_aec3 import MakeAec3
from selam_agent.audio.encode import EncodedChunk
from selam_agent.audio.fir import FirResampler
from selam_agent.ports import Pcm16

_RATE = 16_000


class Room:
    """One client's. Times are ms of the clock on which audio arrives."""

    def __init__(
        self,
        *,
        guarded: bool,
        make_aec3: MakeAec3 | None = None,
        recording: CallRecording | None = None,
    ) -> None:
        self._guarded = guarded
        self._make_aec3 = make_aec3
        self._recording = recording
        # Made when the agent first speaks: a session that only listens has no use for what finds echo.
        self._guard: EchoGuard | None = None
        self._quiet_rms = 0.0
        self._loudspeaker = _Loudspeaker()

    def mind_from(self, quiet_rms: float) -> None:
        """Below this RMS of a frame, int16 units, nothing is taken for speech, and no echo matters."""
        self._quiet_rms = quiet_rms
        if self._guard is not None:
            self._guard.quiet_rms = quiet_rms

    @property
    def echoes(self) -> bool:
        """Whether the agent's voice was found in the microphone."""
        return self._guard is not None and self._guard.state == "guarding"

    @property
    def trusted(self) -> bool:
        """Whether sound alone may be taken for the caller's: not before it is known if there is echo."""
        return not self._guarded or (self._guard is not None and self._guard.trusted)

    @property
    def suspected(self) -> bool:
        """Whether there is a sign of the agent's voice in the microphone."""
        return self._guard is not None and self._guard.suspects

    def plays(self, chunk: EncodedChunk, at_ms: float) -> None:
        """This chunk leaves for the loudspeaker, where its first sample is due at this time."""
        if self._guard is None and self._guarded:
            self._guard = EchoGuard(self._make_aec3)
            self._guard.quiet_rms = self._quiet_rms
        guard, duration_ms = self._guard, chunk.samples * 1000 / chunk.sample_rate
        if guard is not None and guard.state == "none":
            guard.far_untracked(at_ms, duration_ms)
            guard = None
        if self._recording is not None:
            pcm = self._loudspeaker.hears(chunk)
            self._recording.far(pcm, at_ms)
            if guard is not None:
                guard.far(pcm, at_ms)
        elif guard is not None:
            # Nobody looks for it while the caller's line is quiet, and that is nearly always.
            guard.far_later(round(duration_ms * _RATE / 1000), at_ms, partial(self._loudspeaker.hears, chunk))

    def falls_silent(self, at_ms: float) -> None:
        """What was sent and would be played after this time was thrown away by the client."""
        if self._guard is not None:
            self._guard.cut(at_ms)
        if self._recording is not None:
            self._recording.cut(at_ms)

    def hears(self, frames: Pcm16, at_ms: float) -> tuple[Pcm16, NDArray[np.bool_] | None]:
        """Microphone frames [n, 320] from this time on: without the echo, and which are nothing but echo."""
        if self._recording is not None:
            self._recording.near(frames.reshape(-1), at_ms)
        if self._guard is None:
            return frames, None
        cleaned = self._guard.near(frames, at_ms)
        return cleaned.frames, cleaned.suspect

    def echo_was_taken_for_words(self) -> None:
        """The recogniser heard the agent's own words: look for echo again."""
        if self._guard is not None:
            self._guard.listen()


class _Loudspeaker:
    """What is sent, at 16 kHz; apart from the room, which is not to be held by what may yet be resampled."""

    def __init__(self) -> None:
        self._resampler: FirResampler | None = None

    def hears(self, chunk: EncodedChunk) -> Pcm16:
        """int16 [n]; the first millisecond is wrong where the chunk before it was left out."""
        pcm = chunk.pcm()
        if chunk.sample_rate == _RATE:
            return pcm
        if self._resampler is None or self._resampler.source_rate != chunk.sample_rate:
            self._resampler = FirResampler(chunk.sample_rate, _RATE)
        return self._resampler.feed(pcm)
