"""The boxes of ISO/IEC 14496-12, -14 and "Encapsulation of Opus in ISOBMFF" that say where samples are."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from selam_agent.audio.decoding import MAX_ELEMENT_BYTES, malformed, unsupported

# A fragment is a second or so, of samples of 20 ms.
_MAX_SAMPLES: Final = 65_536
# Fields of a sound sample entry before its boxes; QuickTime's version 1 has 16 bytes more.
_SOUND_ENTRY_BYTES: Final = 28
_QUICKTIME_V1_BYTES: Final = 16
_ES, _DECODER_CONFIG, _DECODER_SPECIFIC = 0x03, 0x04, 0x05
_AAC_OBJECT_TYPES: Final = frozenset({0x40, 0x66, 0x67, 0x68})

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Track:
    """``codec`` and ``extradata`` as PacketDecoder takes them; ``default_size`` of samples in bytes."""

    number: int
    codec: str
    extradata: bytes
    default_size: int


def read_track(moov: bytes) -> Track:
    """The first sound track of a ``moov`` body. Raises AudioError: none, not fragmented, other codec."""
    return _checked(lambda: _read_track(moov))


def fragment_samples(moof: bytes, start: int, track: Track) -> list[tuple[int, int]]:
    """(offset in the recording, size in bytes) of the track's samples, in order of their offset.

    Args:
        moof: the box's body.
        start: offset of the box, header included, in the recording.
        track: whose samples.

    Raises:
        AudioError: a malformed box, or more samples than a fragment has.
    """
    return _checked(lambda: sorted(_fragment_samples(moof, start, track)))


def _checked(read: Callable[[], _T]) -> _T:
    try:
        return read()
    except (struct.error, IndexError) as error:
        raise malformed("A box of the MP4 stream is cut short") from error


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size == 0:
            size = len(data) - at
        if size < 8 or at + size > len(data):
            raise malformed("A box of the MP4 stream has no valid size")
        yield name, data[at + 8 : at + size]
        at += size


def _find(data: bytes, *path: bytes) -> bytes:
    for name in path:
        data = next((body for each, body in _boxes(data) if each == name), b"")
    return data


def _read_track(moov: bytes) -> Track:
    extends = _find(moov, b"mvex")
    if not extends:
        raise unsupported("MP4 that is not fragmented")
    for name, trak in _boxes(moov):
        if name != b"trak" or _find(trak, b"mdia", b"hdlr")[8:12] != b"soun":
            continue
        header = _find(trak, b"tkhd")
        (number,) = struct.unpack_from(">I", header, 20 if header[0] == 1 else 12)
        codec, extradata = _sound_entry(_find(trak, b"mdia", b"minf", b"stbl", b"stsd"))
        default_size = 0
        for kind, body in _boxes(extends):
            if kind == b"trex" and struct.unpack_from(">I", body, 4) == (number,):
                (default_size,) = struct.unpack_from(">I", body, 16)
        return Track(number, codec, extradata, default_size)
    raise malformed("The MP4 stream has no audio track")


def _sound_entry(stsd: bytes) -> tuple[str, bytes]:
    for name, entry in _boxes(stsd[8:]):
        (version,) = struct.unpack_from(">H", entry, 8)
        inside = entry[_SOUND_ENTRY_BYTES + (_QUICKTIME_V1_BYTES if version == 1 else 0) :]
        if name == b"mp4a" and (esds := _find(inside, b"esds") or _find(inside, b"wave", b"esds")):
            return "aac", _audio_specific_config(esds[4:])
        if name == b"Opus" and (dops := _find(inside, b"dOps")):
            return "opus", _opus_head(dops)
        raise unsupported(f"The codec {name.decode('ascii', 'replace')!r} in MP4")
    raise malformed("The MP4 stream does not say how its audio is coded")


def _audio_specific_config(data: bytes) -> bytes:
    at = 0
    while True:
        tag, at = data[at], at + 1
        length = 0
        for _ in range(4):
            byte, at = data[at], at + 1
            length = length << 7 | byte & 0x7F
            if not byte & 0x80:
                break
        if tag == _ES:
            flags, at = data[at + 2], at + 3
            at += 2 * bool(flags & 0x80) + 2 * bool(flags & 0x20)
            if flags & 0x40:
                at += 1 + data[at]
        elif tag == _DECODER_CONFIG:
            if data[at] not in _AAC_OBJECT_TYPES:
                raise unsupported(f"MP4 audio of object type {data[at]:#04x}")
            at += 13
        elif tag == _DECODER_SPECIFIC:
            return data[at : at + length]
        else:
            at += length


def _opus_head(dops: bytes) -> bytes:
    """The same fields as OpusHead (RFC 7845 §5.1), which is little-endian."""
    _, channels, pre_skip, rate, gain, family = struct.unpack_from(">BBHIhB", dops)
    head = struct.pack("<8sBBHIhB", b"OpusHead", 1, channels, pre_skip, rate, gain, family)
    return head + (dops[11 : 11 + 2 + channels] if family else b"")


def _fragment_samples(moof: bytes, start: int, track: Track) -> list[tuple[int, int]]:
    samples: list[tuple[int, int]] = []
    for name, traf in _boxes(moof):
        if name != b"traf":
            continue
        header = _find(traf, b"tfhd")
        flags, number = struct.unpack_from(">II", header)
        if number != track.number:
            continue
        at, base, default_size = 8, start, track.default_size
        if flags & 0x01:
            (base,) = struct.unpack_from(">Q", header, at)
            at += 8
        at += 4 * bool(flags & 0x02) + 4 * bool(flags & 0x08)
        if flags & 0x10:
            (default_size,) = struct.unpack_from(">I", header, at)
        end = base
        for kind, run in _boxes(traf):
            if kind == b"trun":
                found, end = _run(run, base, end, default_size)
                samples += found
                if len(samples) > _MAX_SAMPLES:
                    raise malformed("A fragment of the MP4 stream has too many samples")
    return samples


def _run(run: bytes, base: int, at: int, default_size: int) -> tuple[list[tuple[int, int]], int]:
    flags, count = struct.unpack_from(">II", run)
    if count > _MAX_SAMPLES:
        raise malformed("A fragment of the MP4 stream has too many samples")
    place = 8
    if flags & 0x01:
        (offset,) = struct.unpack_from(">i", run, place)
        at, place = base + offset, place + 4
    place += 4 * bool(flags & 0x04)
    # Per sample: duration, size, flags, composition offset; each only if its flag is set.
    before = 4 * bool(flags & 0x100)
    stride = before + 4 * (bool(flags & 0x200) + bool(flags & 0x400) + bool(flags & 0x800))
    samples = []
    for number in range(count):
        size = default_size
        if flags & 0x200:
            (size,) = struct.unpack_from(">I", run, place + number * stride + before)
        if size > MAX_ELEMENT_BYTES:
            raise malformed("A sample of the MP4 stream is too large")
        if size:
            samples.append((at, size))
        at += size
    return samples, at
