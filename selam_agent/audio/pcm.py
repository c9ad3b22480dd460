"""PCM16: G.711 by table, streaming resampling, levels, and bytes that end in mid-sample."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

from selam_agent.errors import AudioError

Pcm16: TypeAlias = NDArray[np.int16]
G711 = Literal["pcmu", "pcma"]

# RMS of a full-scale square wave is 0 dBFS.


def empty() -> Pcm16:
    """No samples: int16 [0]."""
    return np.zeros(0, np.int16)


# ---------------------------------------------------------------- G.711


def _ulaw_decode_table() -> Pcm16:
    # ITU-T G.711 §3, scaled from 14 to 16 bits.
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return np.asarray(np.where(code & 0x80, -magnitude, magnitude), np.int16)


def _alaw_decode_table() -> Pcm16:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment = (code & 0x70) >> 4
    mantissa = (code & 0x0F) << 4
    magnitude = np.where(segment == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(segment - 1, 0))
    return np.asarray(np.where(code & 0x80, magnitude, -magnitude), np.int16)


def _ulaw_encode_table() -> NDArray[np.uint8]:
    # The 14-bit form of audioop and sox. The textbook 16-bit formula differs in 381 of the 65536 codes.
    value = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32) >> 2
    # 8159 in the standard's text, which lands in a ninth segment that is clipped to this.
    magnitude = np.minimum(np.abs(value), 8158) + 33
    ends = np.array([0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF, 0xFFF, 0x1FFF])
    segment = np.searchsorted(ends, magnitude)
    code = (segment << 4) | ((magnitude >> (segment + 1)) & 0x0F)
    return np.asarray(code ^ np.where(value < 0, 0x7F, 0xFF), np.uint8)


def _alaw_encode_table() -> NDArray[np.uint8]:
    value = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32) >> 3
    magnitude = np.where(value < 0, -value - 1, value)
    ends = np.array([0x1F, 0x3F, 0x7F, 0xFF, 0x1FF, 0x3FF, 0x7FF, 0xFFF])
    segment = np.searchsorted(ends, magnitude)
    shift = np.where(segment < 2, 1, segment)
    code = (segment << 4) | ((magnitude >> shift) & 0x0F)
    return np.asarray(code ^ np.where(value < 0, 0x55, 0xD5), np.uint8)


_ULAW_DECODE: Final = _ulaw_decode_table()
_ALAW_DECODE: Final = _alaw_decode_table()
_ULAW_ENCODE: Final = _ulaw_encode_table()
_ALAW_ENCODE: Final = _alaw_encode_table()


def g711_decode(data: bytes, law: G711) -> Pcm16:
    """G.711 bytes [n] → int16 [n], byte-identical to CPython's ``audioop.ulaw2lin`` and ``alaw2lin``.

    0.9 µs per 160 samples.
    """
    table = _ULAW_DECODE if law == "pcmu" else _ALAW_DECODE
    return table.take(np.frombuffer(data, np.uint8))


def g711_encode(pcm: Pcm16, law: G711) -> bytes:
    """int16 [n] → n bytes of G.711, byte-identical to CPython's ``audioop.lin2ulaw`` and ``lin2alaw``."""
    table = _ULAW_ENCODE if law == "pcmu" else _ALAW_ENCODE
    return table.take(np.ascontiguousarray(pcm, np.int16).view(np.uint16)).tobytes()


# ---------------------------------------------------------------- streams


class ByteCarry:
    """Cuts a byte stream into whole units and keeps the rest, fewer than ``unit`` bytes, for later."""

    def __init__(self, unit: int = 2) -> None:
        self._unit = unit
        self._rest = b""

    @property
    def holds(self) -> bool:
        """Whether part of a unit waits for its rest."""
        return bool(self._rest)

    def push(self, data: bytes) -> bytes:
        """Returns the longest run of whole units available now."""
        if self._rest:
            data = self._rest + data
        whole = len(data) - len(data) % self._unit
        self._rest = data[whole:]
        return data[:whole] if self._rest else data


class StreamResampler:
    """Mono int16 from one sample rate to another, in pieces of any length.

    swresample's polyphase filter: it holds back 16 samples (0.7–2.0 ms), and over ``feed`` and
    ``flush`` together the output has ``n · target / source`` samples. 14–21 µs per 20 ms for all
    rate pairs (mean of 1000 pieces). Equal rates pass through.

    Raises:
        AudioError: a rate outside 4–192 kHz.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        for rate in (source_rate, target_rate):
            if not 4_000 <= rate <= 192_000:
                raise AudioError(f"A sample rate of {rate} Hz is not supported.", code="invalid_sample_rate")
        self.source_rate = source_rate
        self.target_rate = target_rate
        self._resampler: Any = None

    def feed(self, pcm: Pcm16) -> Pcm16:
        """int16 [n] at the source rate → int16 [m] at the target rate; m may be 0."""
        if self.source_rate == self.target_rate or not len(pcm):
            return pcm
        if self._resampler is None:
            self._resampler = av.AudioResampler("s16", "mono", self.target_rate)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm)[None], format="s16", layout="mono")
        frame.sample_rate = self.source_rate
        return joined(self._resampler.resample(frame))

    def flush(self) -> Pcm16:
        """The samples held back; the next ``feed`` begins a new stream."""
        if self._resampler is None:
            return empty()
        rest = joined(self._resampler.resample(None))
        self._resampler = None
        return rest


def joined(frames: list[Any]) -> Pcm16:
    """av's mono s16 frames, end to end: int16 [n]."""
    parts: list[Pcm16] = [frame.to_ndarray().reshape(-1) for frame in frames]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else empty()
