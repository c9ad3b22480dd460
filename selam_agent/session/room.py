"""The air between the client's loudspeaker and its microphone, as far as the server can know it.

What a reply sends goes in with the time at which it will be played; what the microphone heard comes
out without it. A session without echo (headphones, a browser that cancels it) pays for looking in
the first seconds of agent speech, and for nothing afterwards.
"""

from __future__ import annotations

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
        self._resampler: FirResampler | None = None

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
        guard = self._guard
        if guard is not None and guard.state == "none":
            guard.far_untracked(at_ms, chunk.samples * 1000 / chunk.sample_rate)
            guard = None
        if guard is None and self._recording is None:
            self._resampler = None
            return
        pcm = chunk.pcm()
        if chunk.sample_rate != _RATE:
            if self._resampler is None or self._resampler.source_rate != chunk.sample_rate:
                self._resampler = FirResampler(chunk.sample_rate, _RATE)
            pcm = self._resampler.feed(pcm)
        if guard is not None:
            guard.far(pcm, at_ms)
        if self._recording is not None:
            self._recording.far(pcm, at_ms)

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
