"""When may the next chunk of a reply leave, and how much of it has been heard? Arithmetic only.

All times are milliseconds on the caller's monotonic clock; positions and durations are
milliseconds of the reply's audio. The schedule is absolute: rounding and small lateness of one
chunk never shift the ones after it.
"""

from __future__ import annotations

import math
from typing import Final, Literal

Playback = Literal["buffered", "immediate"]

# A timer that fires this late is jitter and does not move the schedule of an immediate client.
# A chunk that leaves later than this has left a gap already; its successors move with it.
_JITTER_MS: Final = 10.0


class Pacer:
    """The schedule of one reply. Call ``due``, wait until then, send, call ``sent``; repeat.

    ``buffered``: the client queues. A chunk at position p may leave at start + p − lead, so the
    client holds at most ``lead_ms`` and one chunk. ``immediate``: the client plays each chunk as it
    arrives, so each is due when its predecessor has been played.

    After a stall the schedule moves by the part of it that left the client without audio: a
    buffering client gets its lead again, never more.
    """

    def __init__(self, mode: Playback, lead_ms: float = 240) -> None:
        self._immediate = mode == "immediate"
        self._lead = 0.0 if self._immediate else float(lead_ms)
        # When position 0 was heard, or would have been, given all stalls so far.
        self._start: float | None = None
        self._sent = 0.0
        self._paused = False

    @property
    def sent_ms(self) -> float:
        """Position after the last chunk that was sent."""
        return self._sent

    def due(self, now: float) -> float:
        """The time at which the next chunk may leave; ``now`` or earlier means at once.

        ``inf`` while paused: ask again after ``resume``.
        """
        if self._paused:
            return math.inf
        if self._start is None:
            return now
        return self._start + self._sent - self._lead

    def plays_at(self, now: float) -> float:
        """When the next chunk, if it left now, would be heard (not counting the network)."""
        return now if self._start is None else max(now, self._start + self._sent)

    def sent(self, now: float, duration_ms: float) -> None:
        """A chunk of this duration left at ``now``."""
        if self._start is None:
            self._start = now
        dry_for = now - (self._start + self._sent)
        if dry_for > (_JITTER_MS if self._immediate else 0.0):
            self._start += dry_for
        self._sent += duration_ms

    def pause(self, now: float) -> None:
        """Nothing leaves until ``resume``. What the client has already, it plays to the end."""
        self._paused = True

    def resume(self, now: float) -> None:
        """Goes on. A client that ran dry meanwhile hears the next chunk from its beginning."""
        if self._paused:
            self._paused = False
            if self._start is not None:
                self._start = max(self._start, now - self._sent)

    def rewind(self, now: float, position_ms: float) -> None:
        """The next chunk is the one at this position, which was sent before; it is due at once."""
        self._sent = position_ms
        if self._start is not None:
            self._start = now - position_ms

    def playhead_ms(self, now: float) -> float:
        """How much has been heard, 0…``sent_ms``, not counting the network.

        Immediate: a chunk that was sent cannot be stopped, so it counts in full.
        """
        if self._start is None:
            return 0.0
        if self._immediate:
            return self._sent
        return min(self._sent, max(0.0, now - self._start))

    def playout_ends_at(self, now: float) -> float:
        """When the last chunk that was sent will have been played; ``now`` if none was sent."""
        return now if self._start is None else self._start + self._sent
