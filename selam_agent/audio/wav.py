"""WAV that arrives in slices: header cut anywhere, sizes that a live stream could not know.

A header's data size is believed as far as it helps: what follows the data is skipped when it looks
like a chunk, and is taken for more samples when it does not, because a client that writes one
header for its first buffer goes on with bare samples.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from selam_agent.audio.decoding import OUTPUT_RATE, Output, malformed, unsupported
from selam_agent.audio.pcm import ByteCarry, Pcm16, StreamResampler, g711_decode

_PCM, _FLOAT, _ALAW, _ULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_MAX_CHANNELS: Final = 8
_MAX_CHUNK_BYTES: Final = 64 * 1024

_Convert: TypeAlias = Callable[[bytes], Pcm16]


def _scaled(values: NDArray[np.float64]) -> Pcm16:
    return np.clip(np.rint(values), -32768, 32767).astype(np.int16)


def _int24(data: bytes) -> Pcm16:
    # The two upper bytes of each sample.
    pairs = np.frombuffer(data, np.uint8).reshape(-1, 3)[:, 1:]
    return np.ascontiguousarray(pairs).view("<i2").reshape(-1).astype(np.int16)


def _floats(data: bytes, kind: str) -> Pcm16:
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.frombuffer(data, kind).astype(np.float64)
        return _scaled(np.nan_to_num(np.clip(values, -1, 1)) * 32767)


_CONVERT: Final[dict[tuple[int, int], _Convert]] = {
    (_PCM, 8): lambda data: ((np.frombuffer(data, np.uint8).astype(np.int16) - 128) * 256).astype(np.int16),
    (_PCM, 16): lambda data: np.frombuffer(data, "<i2").astype(np.int16, copy=False),
    (_PCM, 24): _int24,
    (_PCM, 32): lambda data: (np.frombuffer(data, "<i4") >> 16).astype(np.int16),
    (_FLOAT, 32): lambda data: _floats(data, "<f4"),
    (_FLOAT, 64): lambda data: _floats(data, "<f8"),
    (_ALAW, 8): lambda data: g711_decode(data, "pcma"),
    (_ULAW, 8): lambda data: g711_decode(data, "pcmu"),
}


class WavStream:
    """Integer and float PCM, μ-law and A-law, up to eight channels averaged to one."""

    def __init__(self) -> None:
        self._buffer = b""
        self._in_data = False
        # Bytes of the data chunk still to come; None: to the end of the stream.
        self._left: int | None = None
        self._convert: _Convert | None = None
        self._channels = 1
        self._carry = ByteCarry()
        self._resampler = StreamResampler(OUTPUT_RATE, OUTPUT_RATE)
        self._pad = 0

    def feed(self, data: bytes, out: Output) -> None:
        """Raises AudioError: not RIFF/WAVE, or a sample format that is not supported."""
        self._buffer += data
        while self._buffer:
            if self._in_data:
                count = len(self._buffer) if self._left is None else min(self._left, len(self._buffer))
                self._samples(self._buffer[:count], out)
                self._buffer = self._buffer[count:]
                if self._left is not None:
                    self._left -= count
                    if self._left == 0:
                        self._in_data = False
            elif not self._chunk():
                return

    def flush(self, out: Output) -> None:
        """Adds the resampler's tail."""
        out.add(self._resampler.flush())

    def _chunk(self) -> bool:
        """Reads one chunk's header, and its body if it is not the data; False: more bytes are needed."""
        head = self._buffer
        if self._pad and head[:1] == b"\0":
            head = self._buffer = head[1:]
        self._pad = 0
        if len(head) < 8:
            return False
        name, size = struct.unpack_from("<4sI", head)
        if name == b"RIFF":
            if len(head) < 12:
                return False
            if head[8:12] != b"WAVE":
                raise malformed("The RIFF stream is not WAVE")
            self._convert = None
            self._buffer = head[12:]
        elif name == b"data" and self._convert is not None:
            self._buffer = head[8:]
            self._in_data = True
            # 0 and values near the limit are what writers put who cannot know; odd data is padded.
            self._left = size if 0 < size < 0x7FFFF000 else None
            self._pad = size & 1
        elif self._convert is not None and not _looks_like_chunk(name, size):
            self._in_data, self._left = True, None
        else:
            if size > _MAX_CHUNK_BYTES:
                raise malformed("The WAV header is too long")
            end = 8 + size + (size & 1)
            if len(head) < end:
                return False
            if name == b"fmt ":
                self._format(head[8 : 8 + size])
            self._buffer = head[end:]
        return True

    def _format(self, body: bytes) -> None:
        if len(body) < 16:
            raise malformed("The WAV format is cut short")
        tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
        if tag == _EXTENSIBLE and len(body) >= 26:
            (tag,) = struct.unpack_from("<H", body, 24)
        convert = _CONVERT.get((tag, bits))
        if convert is None or not 1 <= channels <= _MAX_CHANNELS:
            raise unsupported(f"WAV format {tag} with {bits} bits and {channels} channels")
        self._resampler = StreamResampler(rate, OUTPUT_RATE)
        self._convert, self._channels = convert, channels
        self._carry = ByteCarry(bits // 8 * channels)

    def _samples(self, data: bytes, out: Output) -> None:
        assert self._convert is not None
        whole = self._carry.push(data)
        if not whole:
            return
        pcm = self._convert(whole)
        if self._channels > 1:
            pcm = _scaled(pcm.reshape(-1, self._channels).mean(axis=1))
        out.add(self._resampler.feed(pcm))


def _looks_like_chunk(name: bytes, size: int) -> bool:
    return size <= _MAX_CHUNK_BYTES and all(0x20 <= byte < 0x7F for byte in name)
