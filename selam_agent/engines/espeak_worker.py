"""espeak-ng in a process of its own: ``python -m selam_agent.engines.espeak_worker OVERLAY_DIR``.

Licence boundary: libespeak-ng is GPL-3.0-or-later. It is loaded in this small program only, which is
spoken to over pipes; the server never loads it. A crash of the library costs one sentence, not a call.

Frames, both ways: kind (u8), request id (u32), length (u32), little-endian, then ``length`` bytes.

======  =========  ==========================================================================
kind    direction  payload
======  =========  ==========================================================================
SPEAK   in         rate, pitch, pitch range, volume, length of voice (5 × u16), voice, text
CANCEL  in         none; the request ends early, with an END
READY   out        sample rate (u32); once, before anything else
PCM     out        s16le mono
MARK    out        a word begins: start, length (characters), audio position in ms (3 × u32)
END     out        none; the request's last frame
FAIL    out        a sentence; the request's last frame. With id 0: the library did not load
======  =========  ==========================================================================

Requests are served in order. The process ends when its standard input does.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["CANCEL", "END", "FAIL", "MARK", "PCM", "READY", "SPEAK", "Frame", "Frames", "Mark", "Speak"]

SPEAK, CANCEL, READY, PCM, MARK, END, FAIL = range(1, 8)
_HEADER: Final = struct.Struct("<BII")
_SPEAK: Final = struct.Struct("<5H")
_MARK: Final = struct.Struct("<3I")
_READ: Final = 65536
# Longer than any legal frame; a header above it means the stream is out of step.
_LARGEST: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. ``id`` 0 belongs to no request."""

    kind: int
    id: int
    payload: bytes = b""

    def encode(self) -> bytes:
        return _HEADER.pack(self.kind, self.id, len(self.payload)) + self.payload


@dataclass(frozen=True, slots=True)
class Speak:
    """What to say. ``rate``: words per minute; ``pitch``, ``pitch_range``: 0–100; ``volume``: 0–200."""

    text: str
    voice: str
    rate: int = 165
    pitch: int = 50
    pitch_range: int = 50
    volume: int = 100

    def encode(self) -> bytes:
        voice = self.voice.encode()
        numbers = _SPEAK.pack(self.rate, self.pitch, self.pitch_range, self.volume, len(voice))
        return numbers + voice + self.text.encode("utf-8", "replace")

    @classmethod
    def decode(cls, payload: bytes) -> Speak:
        rate, pitch, pitch_range, volume, size = _SPEAK.unpack_from(payload)
        end = _SPEAK.size + size
        text = payload[end:].decode("utf-8", "replace")
        return cls(text, payload[_SPEAK.size : end].decode(), rate, pitch, pitch_range, volume)


@dataclass(frozen=True, slots=True)
class Mark:
    """A word of ``length`` characters begins at character ``start``, ``audio_ms`` into the audio."""

    start: int
    length: int
    audio_ms: int

    def encode(self) -> bytes:
        return _MARK.pack(max(0, self.start), max(0, self.length), max(0, self.audio_ms))

    @classmethod
    def decode(cls, payload: bytes) -> Mark:
        return cls(*_MARK.unpack(payload))


class Frames:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that ``data`` completes. Raises ValueError when the stream is out of step."""
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= _HEADER.size:
            kind, number, size = _HEADER.unpack_from(buffer, at)
            if size > _LARGEST:
                raise ValueError(f"a frame of {size} bytes is no frame")
            end = at + _HEADER.size + size
            if len(buffer) < end:
                break
            yield Frame(kind, number, bytes(buffer[at + _HEADER.size : end]))
            at = end
        del buffer[:at]


def main() -> None:
    """The worker's loop: this thread speaks, another one listens for requests and cancels."""
    import queue
    import threading
    from pathlib import Path

    # Only frames may reach the pipe, whatever the C library prints.
    out = os.dup(1)
    os.dup2(2, 1)

    def send(kind: int, number: int, payload: bytes = b"") -> None:
        data = memoryview(Frame(kind, number, payload).encode())
        while data:
            data = data[os.write(out, data) :]

    from selam_agent.engines.espeak_library import EspeakError, EspeakLibrary, WordMark

    try:
        library = EspeakLibrary(Path(sys.argv[1]))
    except (EspeakError, OSError) as error:
        send(FAIL, 0, str(error).encode())
        raise SystemExit(1) from None
    requests: queue.SimpleQueue[Frame] = queue.SimpleQueue()
    cancelled: set[int] = set()

    def listen() -> None:
        frames = Frames()
        while data := os.read(0, _READ):
            for frame in frames.feed(data):
                if frame.kind == CANCEL:
                    cancelled.add(frame.id)
                else:
                    requests.put(frame)
        # The parent is gone or wants us gone; the other thread may be inside the library or a write.
        os._exit(0)

    send(READY, 0, library.sample_rate.to_bytes(4, "little"))
    threading.Thread(target=listen, daemon=True).start()
    while True:
        frame = requests.get()
        number = frame.id

        def on_item(item: bytes | WordMark, number: int = number) -> bool:
            if number in cancelled:
                return False
            if isinstance(item, bytes):
                send(PCM, number, item)
            else:
                send(MARK, number, Mark(item.start, item.length, item.audio_ms).encode())
            return True

        try:
            speak = Speak.decode(frame.payload)
            if number not in cancelled:
                library.speak(
                    speak.text,
                    speak.voice,
                    rate=speak.rate,
                    pitch=speak.pitch,
                    pitch_range=speak.pitch_range,
                    volume=speak.volume,
                    on_item=on_item,
                )
            send(END, number)
        except (EspeakError, ValueError, struct.error) as error:
            send(FAIL, number, str(error).encode())
        # Ids grow and requests are served in order: everything up to here is over.
        for stale in [each for each in list(cancelled) if each <= number]:
            cancelled.discard(stale)


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        os._exit(0)
