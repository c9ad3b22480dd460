"""What all container parsers share: packets to samples, and the bounds."""

from __future__ import annotations

from typing import Any, Final, Protocol

import av
import numpy as np

from selam_agent.audio.pcm import Pcm16, empty, joined
from selam_agent.errors import AudioError

OUTPUT_RATE: Final = 16_000
# One call never yields more: an Opus packet of three bytes may hold 120 ms, so a megabyte of them
# would be half a gigabyte of samples.
MAX_OUTPUT_S: Final = 60
# The largest element, page or box that is held in memory while it is incomplete.
MAX_ELEMENT_BYTES: Final = 1 << 20
# A stream that has brought no audio for this long is none of ours.
MAX_BYTES_WITHOUT_AUDIO: Final = 1 << 20
# A lossy transport may damage a packet; a decoder that refuses this many in a row has the wrong stream.
_MAX_BAD_PACKETS: Final = 10


class Output:
    """Collects the samples of one call."""

    def __init__(self) -> None:
        self._parts: list[Pcm16] = []
        self._left = MAX_OUTPUT_S * OUTPUT_RATE

    def add(self, pcm: Pcm16) -> None:
        """Raises AudioError when the call has brought more than a minute."""
        self._left -= len(pcm)
        if self._left < 0:
            raise AudioError(
                f"One audio chunk may hold at most {MAX_OUTPUT_S} s of audio.", code="audio_too_long"
            )
        if len(pcm):
            self._parts.append(pcm)

    def take(self) -> Pcm16:
        """Everything so far: int16 [n] at 16 kHz."""
        if len(self._parts) == 1:
            return self._parts[0]
        return np.concatenate(self._parts) if self._parts else empty()


class Stream(Protocol):
    """An incremental decoder. ``feed`` takes any slice of the stream and raises AudioError."""

    def feed(self, data: bytes, out: Output) -> None: ...

    def flush(self, out: Output) -> None:
        """Adds what is held back; the stream has ended."""
        ...


def unsupported(what: str) -> AudioError:
    """The error for audio that is well-formed but not for us."""
    return AudioError(f"{what} is not supported.", code="unsupported_audio")


def malformed(what: str) -> AudioError:
    """The error for bytes that are not what they claim to be."""
    return AudioError(f"{what}.", code="invalid_audio")


class PacketDecoder:
    """One codec's packets → 16 kHz mono int16; down-mixes and resamples.

    Opus pre-skip is trimmed when ``extradata`` is the OpusHead. 40–60 µs per 20 ms, parsers included
    (``process_time``, busy cores).

    Args:
        codec: FFmpeg's name, ``opus`` or ``aac``.
        extradata: OpusHead or AudioSpecificConfig.
    """

    def __init__(self, codec: str, extradata: bytes) -> None:
        context: Any = av.CodecContext.create(codec, "r")
        if extradata:
            context.extradata = extradata
        self._context = context
        self._resampler: Any = av.AudioResampler("s16", "mono", OUTPUT_RATE)
        self._codec = codec
        self._bad = 0

    def decode(self, packet: bytes) -> Pcm16:
        """Returns int16 [n]. A bad packet is skipped; raises AudioError after ten in a row."""
        if not packet:
            return empty()
        try:
            frames = self._context.decode(av.Packet(packet))
            pcm = joined([each for frame in frames for each in self._resampler.resample(frame)])
        except (av.error.FFmpegError, ValueError) as error:
            self._bad += 1
            if self._bad >= _MAX_BAD_PACKETS:
                raise malformed(f"The {self._codec} audio cannot be decoded") from error
            return empty()
        self._bad = 0
        return pcm

    def flush(self) -> Pcm16:
        """The samples held back, about 1 ms; the decoder is spent."""
        try:
            frames = self._context.decode(None)
            parts = [each for frame in frames for each in self._resampler.resample(frame)]
            return joined(parts + self._resampler.resample(None))
        except (av.error.FFmpegError, ValueError):
            return empty()
