"""A listener's player: it holds a little audio, then plays; when it runs dry the listener hears a gap."""

from __future__ import annotations


class Player:
    """Times in ms of one clock. ``buffer_ms``: what it holds before it begins."""

    def __init__(self, buffer_ms: float) -> None:
        self._buffer_ms = buffer_ms
        # When what has come will have been played; None before the first sound of a reply.
        self._ends: float | None = None
        self.underruns = 0
        self.silent_ms = 0.0

    @property
    def ends(self) -> float:
        return 0.0 if self._ends is None else self._ends

    def begin(self) -> None:
        """The next sound is a new reply's."""
        self._ends = None

    def add(self, now: float, duration_ms: float) -> None:
        """So much audio has come."""
        if self._ends is None:
            self._ends = now + self._buffer_ms
        elif now > self._ends:
            self.underruns += 1
            self.silent_ms += now - self._ends
            self._ends = now + self._buffer_ms
        self._ends += duration_ms

    def clear(self, now: float) -> None:
        """Throws away what it holds."""
        if self._ends is not None:
            self._ends = min(self._ends, now)
