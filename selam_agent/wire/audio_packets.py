"""A client's ``audio_chunk`` packets differ in their audio alone, so the rest is looked at once."""

from __future__ import annotations

import pybase64

from selam_agent.wire.formats import AudioIn

_NAME = '"audio"'
_KEY = _NAME + ':"'
# A connection keeps no more than this of what a client writes around its audio.
_MOST_AROUND = 1024


class AudioPackets:
    """What one connection's packets have around their audio.

    A packet that is the same around it, with nothing but base64 between, means the same: base64 has no
    character with which JSON could say anything else.
    """

    def __init__(self) -> None:
        # No packet begins with this.
        self._before, self._after = "\0", "\0"
        self.format, self.sample_rate = "", 0

    def read(self, packet: str) -> bytes | None:
        """The audio of a packet like those before; None: this one must be parsed.

        It is of the ``format`` and the ``sample_rate`` (Hz) that were learned.
        """
        before, after = self._before, self._after
        if not packet.startswith(before) or not packet.endswith(after):
            return None
        try:
            data = pybase64.b64decode(packet[len(before) : -len(after)], validate=True)
        except ValueError:
            return None
        # In something malformed the two may overlap.
        return data or None

    def learn(self, packet: str, audio: object, meant: AudioIn) -> None:
        """What a packet meant whose payload has this ``audio``."""
        if not isinstance(audio, str) or not audio or len(packet) - len(audio) > _MOST_AROUND:
            return
        before, _, rest = packet.partition(_KEY)
        if not rest.startswith(audio):
            return
        after = rest[len(audio) :]
        # Where there is another way to read it, it is not learned.
        if not any(odd in each for odd in ("\\", _NAME) for each in (before, after)):
            self._before, self._after = before + _KEY, after
            self.format, self.sample_rate = meant.format, meant.sample_rate
