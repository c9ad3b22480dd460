"""Ogg/Opus as Firefox records it (RFC 3533, RFC 7845): pages cut anywhere, streams chained.

Checksums are not verified: the transport has its own. The last page's end trimming is not applied;
it is less than one packet of padding.
"""

from __future__ import annotations

from typing import Final

from selam_agent.audio.decoding import (
    MAX_BYTES_WITHOUT_AUDIO,
    Output,
    PacketDecoder,
    malformed,
    unsupported,
)

_HEADER_BYTES: Final = 27
_CONTINUED, _FIRST = 0x01, 0x02
# 48 frames of 1275 bytes, the longest Opus packet, with its framing (RFC 6716 §3.2).
_MAX_PACKET_BYTES: Final = 64 * 1024


class OggStream:
    """Memory is bounded by one page (64 KiB), one packet (64 KiB) and the slice fed last."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._serial: bytes | None = None
        self._decoder: PacketDecoder | None = None
        self._partial: bytes | None = None
        self._without_audio = 0

    def feed(self, data: bytes, out: Output) -> None:
        """Raises AudioError: not Ogg, or no Opus in it."""
        self._buffer += data
        at = 0
        while (end := self._page_end(at)) is not None:
            self._page(bytes(self._buffer[at:end]), out)
            self._without_audio += end - at
            if self._without_audio > MAX_BYTES_WITHOUT_AUDIO:
                raise malformed("The Ogg stream holds no audio")
            at = end
        del self._buffer[:at]

    def flush(self, out: Output) -> None:
        """Ends the logical stream."""
        if self._decoder is not None:
            out.add(self._decoder.flush())
            self._decoder = None

    def _page_end(self, at: int) -> int | None:
        magic = bytes(self._buffer[at : at + 5])
        if magic != b"OggS\0"[: len(magic)]:
            raise malformed("A page of the Ogg stream does not begin where it should")
        if len(self._buffer) < at + _HEADER_BYTES:
            return None
        body = at + _HEADER_BYTES + self._buffer[at + 26]
        if len(self._buffer) < body:
            return None
        end = body + sum(self._buffer[at + _HEADER_BYTES : body])
        return end if len(self._buffer) >= end else None

    def _page(self, page: bytes, out: Output) -> None:
        flags, serial, lacing = page[5], page[14:18], page[_HEADER_BYTES : _HEADER_BYTES + page[26]]
        at = _HEADER_BYTES + page[26]
        if flags & _FIRST:
            if page[at : at + 8] == b"OpusHead" and len(page) >= at + 19:
                self.flush(out)
                self._serial = serial
                self._decoder = PacketDecoder("opus", page[at:])
                self._partial, self._without_audio = None, 0
            return
        if self._serial is None:
            raise unsupported("Ogg without an Opus stream")
        if serial != self._serial:
            return
        if not flags & _CONTINUED:
            self._partial = None
        # A continuation whose beginning was lost is dropped up to the packet's end.
        lost = bool(flags & _CONTINUED) and self._partial is None
        start = at
        for number, segment in enumerate(lacing):
            at += segment
            if segment == 255 and number + 1 < len(lacing):
                continue
            packet = (self._partial or b"") + page[start:at]
            start = at
            if len(packet) > _MAX_PACKET_BYTES:
                raise malformed("A packet of the Ogg stream is too large")
            if segment == 255:
                self._partial = None if lost else packet
                return
            self._partial = None
            if not lost:
                self._packet(packet, out)
            lost = False

    def _packet(self, packet: bytes, out: Output) -> None:
        if self._decoder is not None and not packet.startswith(b"OpusTags"):
            out.add(self._decoder.decode(packet))
            self._without_audio = 0
