"""What leaves: raw pieces of 40 ms, or self-contained MP3, Ogg and WAV files of about half a second.

The documented client plays each chunk as a file of its own, so files are cut where it is quietest
and MP3 carries its Xing/LAME header: decoders that honour it trim the priming (56 ms of padding per
file without it, 0 with it; engines.md §7).

One MP3 of 0.6 s at 24 kHz costs 4.4–5.5 ms of CPU time (best of 20, ``time.process_time``, on busy
virtual cores); the encoder's default quality costs half as much again and measures no better at this
bit rate. A second of WAV or raw audio costs 0.1 ms.
"""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from typing import Final, Literal

import av
import numpy as np

from selam_agent.audio.opus import RATES as OPUS_RATES
from selam_agent.audio.opus import ogg_opus
from selam_agent.audio.pcm import Pcm16, empty, g711_decode, g711_encode
from selam_agent.errors import AudioError

OutputFormat = Literal["mp3", "opus", "wav", "pcm16", "pcmu", "pcma"]

# Whole files, each of which plays by itself.
FILES: Final = frozenset({"mp3", "opus", "wav"})
# Formats that cost milliseconds per file: not on the event loop.
COMPRESSED: Final = frozenset({"mp3", "opus"})

RAW_CHUNK_MS: Final = 40
# Long enough that a client which starts files late has few seams, short enough to interrupt between.
_MIN_FILE_MS, _MAX_FILE_MS = 400, 800
# The first file is what the caller waits for.
_MIN_FIRST_MS, _MAX_FIRST_MS = 300, 500
# Nobody wants a file this short at the end: the one before takes it along.
_SHORTEST_FILE_MS: Final = 200
_QUIET_WINDOW_MS: Final = 10

_MP3_BIT_RATE: Final = 48_000
_MP3_RATES: Final = frozenset({8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000})
# Of LAME's 0 (best) to 9.
_MP3_COMPRESSION_LEVEL: Final = "7"
# Encoder and decoder delay are 1105 samples, 47 short of whole frames of 576 or 1152. A file that is
# up to 47 samples over a whole frame has too little padding for the tag to say so, and plays up to
# 2 ms of silence more than was put in.
_MP3_FRAME: Final = 576
_MP3_AWKWARD: Final = 47


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """``samples`` of audio from ``start_sample`` of the reply on, as ``data`` in ``format``."""

    data: bytes
    samples: int
    start_sample: int
    format: OutputFormat
    sample_rate: int
    # What a compressed file was made from: decoding it again would cost a millisecond.
    source: Pcm16 | None = None

    def pcm(self) -> Pcm16:
        """The samples as a listener hears them: int16 [samples]."""
        if self.source is not None:
            return self.source
        match self.format:
            case "pcmu" | "pcma":
                return g711_decode(self.data, self.format)
            case _:
                return np.frombuffer(self.data, "<i2")[-self.samples :]


def split_at_quietest(pcm: Pcm16, rate: int, min_ms: int = 400, max_ms: int = 800) -> int:
    """Where to cut: the sample nearest to zero in the quietest 10 ms between ``min_ms`` and ``max_ms``.

    Args:
        pcm: int16 [n]; n may be less than ``max_ms``.
        rate: Hz.
        min_ms, max_ms: bounds of the cut, from the beginning of ``pcm``.

    Returns:
        Samples before the cut, at most n. Of equally quiet places it is the last: fewer files.
    """
    window = max(1, rate * _QUIET_WINDOW_MS // 1000)
    first, last = rate * min_ms // 1000, min(rate * max_ms // 1000, len(pcm))
    windows = (last - first) // window
    if windows < 1:
        return last
    part = pcm[last - windows * window : last].astype(np.float32).reshape(windows, window)
    energy = np.square(part).sum(axis=1)
    quietest = windows - 1 - int(np.argmin(energy[::-1]))
    return last - (windows - quietest) * window + int(np.argmin(np.abs(part[quietest])))


class ChunkEncoder:
    """Cuts and encodes one reply.

    Files (mp3, opus, wav): 0.4–0.8 s, the first 0.3–0.5 s, the last up to 1 s. Raw formats: 40 ms.

    Args:
        format: of the chunks.
        sample_rate: Hz of what is pushed and of what comes out.

    Raises:
        AudioError: MP3 or Opus does not know the rate.
    """

    def __init__(self, format: OutputFormat, sample_rate: int) -> None:
        rates = {"mp3": _MP3_RATES, "opus": OPUS_RATES}.get(format)
        if rates is not None and sample_rate not in rates:
            raise AudioError(
                f"{format} has no sample rate of {sample_rate} Hz.",
                code="invalid_sample_rate",
                details={"sample_rates": sorted(rates)},
            )
        self._format: OutputFormat = format
        self._rate = sample_rate
        self._held = empty()
        self._start = 0

    def push(self, pcm: Pcm16) -> list[EncodedChunk]:
        """Takes int16 [n]; returns the chunks that are complete, in order."""
        self._held = np.concatenate((self._held, pcm)) if len(self._held) else pcm
        return self._files() if self._format in FILES else self._raw()

    def finish(self) -> list[EncodedChunk]:
        """What is held, as one chunk, if anything is. More may be pushed: positions go on."""
        return [self._cut(len(self._held))] if len(self._held) else []

    def _raw(self) -> list[EncodedChunk]:
        samples = self._rate * RAW_CHUNK_MS // 1000
        count = len(self._held) // samples
        if not count:
            return []
        data = encode(self._held[: count * samples], self._format, self._rate)
        self._held = self._held[count * samples :]
        size, start = len(data) // count, self._start
        self._start += count * samples
        return [
            EncodedChunk(
                data[n * size : (n + 1) * size], samples, start + n * samples, self._format, self._rate
            )
            for n in range(count)
        ]

    def _files(self) -> list[EncodedChunk]:
        chunks: list[EncodedChunk] = []
        while True:
            if self._start == 0:
                shortest, longest, needed = _MIN_FIRST_MS, _MAX_FIRST_MS, _MAX_FIRST_MS
            else:
                shortest, longest, needed = _MIN_FILE_MS, _MAX_FILE_MS, _MAX_FILE_MS + _SHORTEST_FILE_MS
            if len(self._held) < self._rate * needed // 1000:
                return chunks
            cut = split_at_quietest(self._held, self._rate, shortest, longest)
            if self._format == "mp3" and 0 < cut % _MP3_FRAME <= _MP3_AWKWARD:
                cut -= cut % _MP3_FRAME
            chunks.append(self._cut(cut))

    def _cut(self, samples: int) -> EncodedChunk:
        pcm, self._held = self._held[:samples], self._held[samples:]
        data = encode(pcm, self._format, self._rate)
        source = pcm if self._format in COMPRESSED else None
        chunk = EncodedChunk(data, len(pcm), self._start, self._format, self._rate, source)
        self._start += len(pcm)
        return chunk


def encode(pcm: Pcm16, format: OutputFormat, rate: int) -> bytes:
    """int16 [n] in one piece: a whole file for mp3, opus and wav, bare little-endian samples otherwise."""
    match format:
        case "pcm16":
            return pcm.astype("<i2", copy=False).tobytes()
        case "pcmu" | "pcma":
            return g711_encode(pcm, format)
        case "wav":
            return _wav(pcm, rate)
        case "mp3":
            return _mp3(pcm, rate)
        case "opus":
            return ogg_opus(pcm, rate)


def _wav(pcm: Pcm16, rate: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, rate, len(pcm), "NONE", ""))
        out.writeframes(pcm.astype("<i2", copy=False).tobytes())
    return file.getvalue()


def _mp3(pcm: Pcm16, rate: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp3", options={"id3v2_version": "0", "write_xing": "1"}) as out:
        stream = out.add_stream(
            "libmp3lame", rate=rate, layout="mono", options={"compression_level": _MP3_COMPRESSION_LEVEL}
        )
        stream.bit_rate = _MP3_BIT_RATE
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm)[None], format="s16p", layout="mono")
        frame.sample_rate = rate
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()
