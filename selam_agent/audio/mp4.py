"""Fragmented MP4 as Safari's MediaRecorder streams it: ftyp, moov with mvex, then moof and mdat.

A push parser for what ISO/IEC 14496-12 needs to find the samples of one AAC or Opus track; the
boxes themselves are read in ``mp4_boxes``. Encoder priming, 44–48 ms for AAC, stays: an edit list
is not applied. A new ``ftyp`` begins a new recording.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from selam_agent.audio.decoding import (
    MAX_BYTES_WITHOUT_AUDIO,
    MAX_ELEMENT_BYTES,
    Output,
    PacketDecoder,
    malformed,
    unsupported,
)
from selam_agent.audio.mp4_boxes import Track, fragment_samples, read_track

_HEADER_BYTES: Final = 8
_LONG_HEADER_BYTES: Final = 16


class Mp4Stream:
    """Memory is bounded by one box (1 MiB) other than mdat, one sample, and the slice fed last."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        # Offset of the buffer's first byte in the recording.
        self._position = 0
        self._media_end: int | None = None
        self._skip_until = 0
        self._track: Track | None = None
        self._decoder: PacketDecoder | None = None
        # (offset in the recording, size) of the samples announced and not yet come, in order.
        self._samples: deque[tuple[int, int]] = deque()
        self._without_audio = 0

    def feed(self, data: bytes, out: Output) -> None:
        """Raises AudioError: not fragmented MP4, no AAC or Opus in it, or a box over 1 MiB."""
        self._buffer += data
        while self._buffer and self._step(out):
            if self._without_audio > MAX_BYTES_WITHOUT_AUDIO:
                raise malformed("The MP4 stream holds no audio")

    def flush(self, out: Output) -> None:
        """Ends the recording."""
        if self._decoder is not None:
            out.add(self._decoder.flush())
            self._decoder = None

    def _step(self, out: Output) -> bool:
        """Consumes something, or returns False when more bytes are needed."""
        if self._position < self._skip_until:
            self._consume(min(self._skip_until - self._position, len(self._buffer)))
            return True
        if self._media_end is not None:
            return self._media(out)
        return self._box(out)

    def _media(self, out: Output) -> bool:
        assert self._media_end is not None
        while self._samples and self._samples[0][0] < self._position:
            self._samples.popleft()
        if not self._samples or self._samples[0][0] + self._samples[0][1] > self._media_end:
            self._skip_until, self._media_end = self._media_end, None
            self._samples.clear()
            return True
        start, size = self._samples[0]
        if start > self._position:
            self._skip_until = start
            return True
        if len(self._buffer) < size:
            return False
        self._samples.popleft()
        packet = bytes(self._buffer[:size])
        self._consume(size)
        if self._decoder is not None:
            out.add(self._decoder.decode(packet))
            self._without_audio = 0
        return True

    def _box(self, out: Output) -> bool:
        if len(self._buffer) < _HEADER_BYTES:
            return False
        size, name = int.from_bytes(self._buffer[:4], "big"), bytes(self._buffer[4:8])
        header = _HEADER_BYTES
        if size == 1:
            header = _LONG_HEADER_BYTES
            if len(self._buffer) < header:
                return False
            size = int.from_bytes(self._buffer[8:16], "big")
        if size < header:
            raise malformed("A box of the MP4 stream has no valid size")
        if name == b"mdat":
            if self._track is None:
                raise unsupported("MP4 that is not fragmented")
            self._media_end = self._position + size
            self._consume(header)
            return True
        if name not in (b"ftyp", b"moov", b"moof"):
            if not all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in name):
                raise malformed("This is not an MP4 stream")
            self._skip_until = self._position + size
            return True
        if size > MAX_ELEMENT_BYTES:
            raise malformed("A box of the MP4 stream is too large")
        if len(self._buffer) < size:
            return False
        body = bytes(self._buffer[header:size])
        if name == b"ftyp":
            self.flush(out)
            self._position, self._skip_until, self._track = 0, 0, None
            self._samples.clear()
        elif name == b"moov":
            self._track = read_track(body)
            self._decoder = PacketDecoder(self._track.codec, self._track.extradata)
        elif self._track is None:
            raise malformed("A fragment of the MP4 stream comes before its header")
        else:
            self._samples = deque(fragment_samples(body, self._position, self._track))
        self._consume(size)
        return True

    def _consume(self, count: int) -> None:
        del self._buffer[:count]
        self._position += count
        self._without_audio += count
