"""Whatever a client sends, as 16 kHz mono.

The label on a chunk is only believed for raw audio: the documented browser client labels
MediaRecorder's WebM ``pcm16``. So the beginning of each chunk is looked at:

- Where a stream begins, four to twelve bytes of magic decide; up to eleven bytes are held until
  they do. Random bytes begin like that once in 2³²; raw audio taken for a recording without its
  header would have to begin with a clipped sample.
- Later, in raw audio or in an open container, a chunk that *begins* with a full signature (48 bits
  and more: EBML with its DocType, ``OggS`` with the flag of a first page and number 0, RIFF…WAVE,
  ftyp with a brand) opens a new stream. Container parsers also find a new header of their own kind
  at any boundary of their elements.
- Else an open container takes every chunk until the label changes: a client that changes its label
  has changed its source. Raw bytes under the same label cannot be told from container bytes.
- A container that fails is closed; headerless bytes are then dropped, not played as raw noise,
  until a header or a new label comes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, cast, get_args

import numpy as np

from selam_agent.audio.decoding import OUTPUT_RATE, Output, Stream, malformed
from selam_agent.audio.mp4 import Mp4Stream
from selam_agent.audio.ogg import OggStream
from selam_agent.audio.pcm import ByteCarry, Pcm16, StreamResampler, g711_decode
from selam_agent.audio.wav import WavStream
from selam_agent.audio.webm import WebmStream, is_webm_header
from selam_agent.errors import AudioError

InputFormat = Literal["pcm16", "pcmu", "pcma", "wav"]
Kind = Literal["webm", "ogg", "mp4", "wav"]

_EBML_MAGIC: Final = b"\x1a\x45\xdf\xa3"
_SIGNATURE_BYTES: Final = 64
# A ftyp box is its header, a brand, a version and a few more brands.
_MAX_FTYP_BYTES: Final = 256
# Two seconds of PCM16, sixteen of Opus: often enough that a client is told, not for each chunk.
_REMIND_AFTER_BYTES: Final = 64 * 1024


# Of WebM, Ogg and WAV.
_FIRST_BYTES: Final = frozenset((_EBML_MAGIC[:1], b"O", b"R"))


def sniff(head: bytes) -> Kind | None:
    """The container whose full signature ``head`` begins with."""
    # Fifty times a second it is none of them.
    if head[:1] not in _FIRST_BYTES and head[4:8] != b"ftyp":
        return None
    if head.startswith(_EBML_MAGIC):
        return "webm" if is_webm_header(head[:_SIGNATURE_BYTES]) else None
    if head.startswith(b"OggS\0"):
        return "ogg" if len(head) >= 22 and head[5] & 0x02 and head[18:22] == bytes(4) else None
    if head.startswith(b"RIFF"):
        return "wav" if head[8:12] == b"WAVE" else None
    if head[4:8] == b"ftyp" and len(head) >= 12:
        size, brand = int.from_bytes(head[:4], "big"), head[8:12]
        return "mp4" if size <= _MAX_FTYP_BYTES and all(0x20 <= byte < 0x7F for byte in brand) else None
    return None


def _sniff_start(head: bytes) -> Kind | Literal["undecided"] | None:
    """As ``sniff``, but content with the magic, and undecided while there are too few bytes for it."""
    for kind, magic in _MAGICS:
        matches = all(want is None or got == want for got, want in zip(head, magic, strict=False))
        if matches:
            return kind if len(head) >= len(magic) else "undecided"
    return None


def _magic(pattern: str) -> tuple[int | None, ...]:
    return tuple(None if part == "??" else int(part, 16) for part in pattern.split())


_MAGICS: Final[tuple[tuple[Kind, tuple[int | None, ...]], ...]] = (
    ("webm", _magic("1a 45 df a3")),
    ("ogg", _magic("4f 67 67 53")),
    ("wav", _magic("52 49 46 46 ?? ?? ?? ?? 57 41 56 45")),
    # Nobody's ftyp has 256 bytes, and digital silence has zeros only.
    ("mp4", _magic("00 00 00 ?? 66 74 79 70")),
)


def _is_headless_recording(head: bytes) -> bool:
    """Whether a stream begins in the middle of a WebM recording: a Cluster, or a keyframe block of track 1.

    Chromium cuts its blobs inside the block's header, so the block's id may be missing.
    """
    if head.startswith(b"\x1f\x43\xb6\x75"):
        return True
    block = head.removeprefix(b"\xa3")
    size_bytes = 2 if block[:1] and 0x40 <= block[0] < 0x80 else 1 if block[:1] and block[0] > 0x80 else 0
    return (
        bool(size_bytes)
        and block[size_bytes : size_bytes + 1] == b"\x81"
        and block[size_bytes + 3 :][:1] == b"\x80"
    )


def _input_format(name: str) -> InputFormat:
    for each in get_args(InputFormat):
        if each == name:
            return cast(InputFormat, each)
    raise AudioError(
        f"The audio format {name!r} is not supported.",
        code="invalid_format",
        details={"formats": list(get_args(InputFormat))},
    )


class _RawStream:
    """Bare samples: little-endian PCM16 or G.711 at the declared rate."""

    def __init__(self, format: InputFormat, rate: int) -> None:
        self._format = format
        self._carry = ByteCarry()
        self._resampler = StreamResampler(rate, OUTPUT_RATE)

    def feed(self, data: bytes, out: Output) -> None:
        match self._format:
            case "pcmu" | "pcma" as law:
                pcm = g711_decode(data, law)
            case _:
                pcm = np.frombuffer(self._carry.push(data), "<i2").astype(np.int16, copy=False)
        out.add(self._resampler.feed(pcm))

    def flush(self, out: Output) -> None:
        out.add(self._resampler.flush())

    @property
    def is_plain(self) -> bool:
        """Whether bytes are samples as they are, and none is held."""
        return (
            self._format == "pcm16" and self._resampler.source_rate == OUTPUT_RATE and not self._carry.holds
        )


_STREAMS: Final[dict[Kind, Callable[[], Stream]]] = {
    "webm": WebmStream,
    "ogg": OggStream,
    "mp4": Mp4Stream,
    "wav": WavStream,
}


class InputDecoder:
    """The ears' decoder, one per session. Its memory is bounded by 1 MiB and a minute of samples."""

    def __init__(self) -> None:
        self._stream: Stream | None = None
        self._is_container = False
        self._label: tuple[str, int] | None = None
        self._held = b""
        # Bytes dropped since a container failed; None: none did.
        self._dropped: int | None = None

    @property
    def is_container(self) -> bool:
        """Whether the client sends a recorder's container: WebM, Ogg or MP4. Stays true when one fails."""
        return self._is_container

    def decode(self, data: bytes, declared_format: str, declared_rate: int) -> Pcm16:
        """The samples that this chunk completes: int16 [n] at 16 kHz, n may be 0.

        Args:
            data: any slice of the stream; an odd byte waits for the next one.
            declared_format: ``pcm16``, ``pcmu``, ``pcma`` or ``wav``; ignored for containers.
            declared_rate: Hz, of raw audio. A new rate begins a new stream.

        Raises:
            AudioError: ``invalid_audio``, ``unsupported_audio``, ``audio_too_long`` (more than a
                minute in one chunk), ``missing_header`` (a recording without its beginning),
                ``invalid_sample_rate``, ``invalid_format``. The samples of this chunk are lost; the
                next header or, for raw audio, the next chunk starts afresh.
        """
        if (samples := self.plain(data, declared_format, declared_rate)) is not None:
            return samples
        out = Output()
        try:
            self._route(data, declared_format, declared_rate, out)
        except AudioError:
            self._fail()
            raise
        return out.take()

    def plain(self, data: bytes, declared_format: str, declared_rate: int) -> Pcm16 | None:
        """The chunk as it is, where nothing needs to be done to it; else None, and nothing has happened.

        What most clients send, fifty times a second.
        """
        return self.all_plain((data,), declared_format, declared_rate)

    def all_plain(self, chunks: Sequence[bytes], declared_format: str, declared_rate: int) -> Pcm16 | None:
        """``plain`` of several chunks, one after the other; None if it is None for any of them."""
        stream = self._stream
        if (
            not isinstance(stream, _RawStream)
            or not stream.is_plain
            or self._label != (declared_format, declared_rate)
        ):
            return None
        for data in chunks:
            if len(data) % 2 or sniff(data) is not None:
                return None
        return np.frombuffer(chunks[0] if len(chunks) == 1 else b"".join(chunks), "<i2")

    def reset(self) -> None:
        """Forgets the stream: the next chunk is the beginning of one."""
        self._stream, self._label, self._held, self._dropped = None, None, b"", None
        self._is_container = False

    def _route(self, data: bytes, declared_format: str, rate: int, out: Output) -> None:
        format = _input_format(declared_format)
        if (declared_format, rate) != self._label:
            self._close(out)
            self._label, self._held, self._dropped = (declared_format, rate), b"", None
        if not data:
            return
        if self._stream is None:
            data, self._held = self._held + data, b""
            kind = _sniff_start(data)
            if kind == "undecided":
                self._held = data
                return
        else:
            kind = sniff(data)
        if kind is not None:
            self._open(kind, out)
        elif self._stream is None:
            if self._dropped is not None:
                self._drop(len(data))
                return
            self._open_raw(data, format, rate)
        assert self._stream is not None
        self._stream.feed(data, out)

    def _open(self, kind: Kind, out: Output) -> None:
        self._close(out)
        self._stream = _STREAMS[kind]()
        self._is_container = kind != "wav"
        self._dropped = None

    def _open_raw(self, data: bytes, format: InputFormat, rate: int) -> None:
        if format == "wav":
            raise malformed("A WAV stream begins with a RIFF header")
        if format == "pcm16" and _is_headless_recording(data):
            self._is_container = True
            raise AudioError(
                "The recording's header is missing: start the recorder after session_started.",
                code="missing_header",
            )
        self._stream = _RawStream(format, rate)
        self._is_container = False

    def _close(self, out: Output) -> None:
        if self._stream is not None:
            self._stream.flush(out)
            self._stream = None

    def _drop(self, count: int) -> None:
        self._dropped = (self._dropped or 0) + count
        if self._dropped >= _REMIND_AFTER_BYTES:
            self._dropped = 0
            raise malformed("Audio is dropped until a header begins a new recording")

    def _fail(self) -> None:
        """Closes the stream. After a container, or where one was meant to begin, bytes are no raw audio."""
        was_raw = isinstance(self._stream, _RawStream) or (self._stream is None and not self._is_container)
        if not was_raw and self._dropped is None:
            self._dropped = 0
        self._stream, self._held = None, b""
