"""From bytes to voiced frames: decoding, framing, voice activity, and the audio that is still needed.

Audio time is counted in whole 20 ms frames, in step with the turn-taker.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from selam_agent.audio.containers import InputDecoder, sniff
from selam_agent.audio.frames import FRAME_SAMPLES, Framer
from selam_agent.audio.vad import Heard as Verdicts
from selam_agent.audio.vad import VoiceGate
from selam_agent.dialogue.decisions import FRAME_MS
from selam_agent.errors import AudioError
from selam_agent.ports import Pcm16
from selam_agent.session.messages import Heard
from selam_agent.session.room import Room
from selam_agent.settings import Audio

SAMPLE_RATE = 16_000
# Noise suppression costs about 1 ms per second of audio; this keeps a slice well under 2 ms.
_SLICE_FRAMES = 50
# Opus of 32 kB is 8 s or more and takes 17 ms (2.1 ms per second, measured; ``audio.containers``).
_HEAVY_BYTES = 32 * 1024
_HEAD = 64
# Subtracting echo costs a quarter of a millisecond per frame.
_GUARDED_SLICE_FRAMES = 6


class Ears:
    """The hearing of one session.

    Call order: ``plain``, or ``decode`` and ``admit``; then iterate ``listen`` to its end.
    """

    def __init__(self, settings: Audio, vad_threshold: float, room: Room) -> None:
        self._room = room
        self._decoder = InputDecoder()
        self._framer = Framer()
        self._gate = VoiceGate(vad_threshold, mode=settings.vad_mode, denoise=settings.denoise)
        room.mind_from(self._gate.quiet_rms)
        # Frames kept for the recogniser: (audio time of the first sample, frames [n, 320]).
        self._kept: deque[tuple[int, Pcm16]] = deque()
        self._next_ms = 0
        self._max_pending_s = settings.max_pending_s
        self._stream_begun: float | None = None
        # The loudest frame since ``take_level``, and whether one was voiced.
        self._loudest, self._any_voiced = 0.0, False
        self._received_s = 0.0

    @property
    def recorder(self) -> bool:
        """Whether the client sends a recorder's container."""
        return self._decoder.is_container

    @property
    def held_ms(self) -> float:
        """How much was heard that does not fill a frame yet."""
        return self._framer.held * 1000 / SAMPLE_RATE

    @property
    def too_quiet_ms(self) -> int:
        """How long speech-like sound has stayed under the gate, in this run of it."""
        return self._gate.too_quiet_ms

    def take_level(self) -> tuple[float, bool]:
        """RMS of the loudest frame since the last call, int16 units, and whether any frame was voiced."""
        level = self._loudest, self._any_voiced
        self._loudest, self._any_voiced = 0.0, False
        return level

    def set_threshold(self, vad_threshold: float) -> None:
        """RMS of a 20 ms frame in int16 units below which nothing is speech, from now on."""
        self._gate.set_threshold(vad_threshold)
        self._room.mind_from(self._gate.quiet_rms)

    def heavy(self, data: bytes) -> bool:
        """Whether decoding takes longer than the event loop may be held: compressed, and many seconds."""
        compressed = self._decoder.is_container or sniff(data[:_HEAD]) is not None
        return compressed and len(data) > _HEAVY_BYTES

    def plain(self, packets: Sequence[Heard]) -> Pcm16 | None:
        """What nearly all packets are: samples as they are, none of them ahead of real time. Else None.

        They are admitted then; with None nothing has happened.
        """
        first = packets[0]
        for packet in packets:
            if packet.format != first.format or packet.sample_rate != first.sample_rate:
                return None
        pcm = self._decoder.all_plain([each.data for each in packets], first.format, first.sample_rate)
        if pcm is None or not len(pcm) or self._ahead_s(len(pcm), first.arrived) > self._max_pending_s:
            return None
        self._received_s += len(pcm) / SAMPLE_RATE
        return pcm

    def decode(self, data: bytes, format: str, sample_rate: int) -> Pcm16:
        """Returns int16 [n] at 16 kHz. Raises AudioError; the next container header starts afresh."""
        return self._decoder.decode(data, format, sample_rate)

    def admit(self, pcm: Pcm16, arrived: float) -> None:
        """Counts audio that arrived at this time (s).

        Raises AudioError when the stream would be further ahead of real time than is allowed; then
        this audio is to be dropped, and none that came before it.
        """
        seconds = len(pcm) / SAMPLE_RATE
        ahead = self._ahead_s(len(pcm), arrived)
        if ahead > self._max_pending_s:
            raise AudioError(
                f"{ahead:.1f} s of audio are ahead of real time and at most {self._max_pending_s:.0f} s "
                f"may be; {seconds:.2f} s were refused.",
                code="audio_rate_violation",
                details={
                    "ahead_s": round(ahead, 2),
                    "bound_s": self._max_pending_s,
                    "refused_s": round(seconds, 2),
                },
                retryable=True,
            )
        self._received_s += seconds

    def _ahead_s(self, samples: int, arrived: float) -> float:
        """How far ahead of real time the stream is with so many more that arrived at this time (s).

        The first of them begin it.
        """
        if self._stream_begun is None:
            self._stream_begun = arrived
        return self._received_s + samples / SAMPLE_RATE - (arrived - self._stream_begun)

    def listen(
        self, pcm: Pcm16, pieces: Sequence[tuple[int, float]]
    ) -> Iterator[tuple[list[float], list[tuple[bool, bool]] | None]]:
        """Yields when each frame had arrived (ms), and of each whether it is voiced, or a word's fading end.

        None instead: not one of them is either.

        Args:
            pcm: int16 [n] at 16 kHz.
            pieces: how many samples of it arrived, and when (ms).

        Returns at most a second at a time, and less where that much would take too long.
        """
        arrivals = self._arrivals(pieces)
        frames = self._framer.push(pcm)
        begun_ms = pieces[-1][1] - len(frames) * FRAME_MS
        size = _GUARDED_SLICE_FRAMES if self._room.echoes else _SLICE_FRAMES
        for first in range(0, len(frames), size):
            part = frames[first : first + size]
            clean, suspect = self._room.hears(part, begun_ms + first * FRAME_MS)
            heard = self._gate.feed(clean)
            self._kept.append((self._next_ms, heard.audio))
            self._next_ms += len(part) * FRAME_MS
            self._loudest = max(self._loudest, heard.loudest)
            yield arrivals[first : first + size], None if heard.silent else self._told(heard, suspect)

    def _told(self, heard: Verdicts, suspect: NDArray[np.bool_] | None) -> list[tuple[bool, bool]]:
        """What is an echo is neither voiced nor fading."""
        told = [(voiced, fading) for voiced, fading, _, _, _ in heard.frames]
        if suspect is not None:
            told = [
                (voiced and not echo, fading and not echo)
                for (voiced, fading), echo in zip(told, suspect.tolist(), strict=True)
            ]
        self._any_voiced = self._any_voiced or any(voiced for voiced, _ in told)
        return told

    def _arrivals(self, pieces: Sequence[tuple[int, float]]) -> list[float]:
        """When the last sample of each frame that is whole by now arrived."""
        arrivals: list[float] = []
        samples = self._framer.held
        for count, arrived in pieces:
            whole, samples = divmod(samples + count, FRAME_SAMPLES)
            arrivals += [arrived] * whole
        return arrivals

    def take(self, start_ms: int, end_ms: int) -> Pcm16:
        """The audio between two audio times, as far as it is kept: int16 [n]."""
        pieces = []
        for at, frames in self._kept:
            first = max(0, (start_ms - at) // FRAME_MS)
            last = min(len(frames), (end_ms - at) // FRAME_MS)
            if first < last:
                pieces.append(frames[first:last].reshape(-1))
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)

    def forget_before(self, ms: int) -> None:
        """Audio before this time is needed no more."""
        while self._kept and self._kept[0][0] + len(self._kept[0][1]) * FRAME_MS <= ms:
            self._kept.popleft()
