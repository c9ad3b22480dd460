"""How long a session lives: its limits, its client's presence and its pauses. Loop seconds throughout."""

from __future__ import annotations

from selam_agent.session.messages import End
from selam_agent.settings import Turns

# Longer than it takes to notice that a client is gone: two pings.
_UNNOTICED_S = 25.0


class Lifetime:
    """Begins at ``now``. ``max_session_s``: a limit below the server's; None: the server's."""

    def __init__(self, now: float, timings: Turns, max_session_s: float | None) -> None:
        self._timings = timings
        self._ends = now + min(timings.max_session_s, max_session_s or timings.max_session_s)
        self._paused_at: float | None = None
        self._away_since: float | None = None
        self.begun = now
        self.last_packet = now

    @property
    def paused(self) -> bool:
        """Whether the client has paused the conversation."""
        return self._paused_at is not None

    @property
    def away(self) -> bool:
        """Whether the client's connection broke, and it may come back."""
        return self._away_since is not None

    @property
    def waiting(self) -> bool:
        """Whether nothing goes on: audio is discarded, and silence does not count."""
        return self.paused or self.away

    def last_sign(self, now: float, *, sends_always: bool) -> float:
        """When the client was certainly there: its last packet, if it sends all the time."""
        silent = not sends_always or now - self.last_packet > _UNNOTICED_S
        return now if silent else self.last_packet

    def pause(self, now: float) -> None:
        self._paused_at = now

    def resume(self, now: float) -> float:
        """The pause is over. Returns for how long it was quiet."""
        assert self._paused_at is not None
        paused_s = now - self._paused_at
        self._paused_at = None
        self.last_packet += paused_s
        return paused_s

    def leave(self, now: float) -> None:
        self._away_since = now

    def come_back(self, now: float) -> float:
        """The client is here again. Returns for how long it was not."""
        assert self._away_since is not None
        away_s = now - self._away_since
        self._away_since = None
        self.last_packet += away_s
        return away_s

    def next_deadline(self) -> float:
        """When ``end`` is to be asked again, at the latest."""
        if self._away_since is not None:
            return min(self._ends, self._away_since + self._timings.resume_s)
        return self._ends if self.paused else min(self._ends, self.last_packet + self._timings.idle_s)

    def end(self, now: float) -> End | None:
        """Why the session is over now, if it is."""
        if now >= self._ends:
            return End("max_duration")
        if self._away_since is not None:
            gone = now >= self._away_since + self._timings.resume_s
            return End("disconnected", silently=True) if gone else None
        if not self.paused and now >= self.last_packet + self._timings.idle_s:
            return End("idle")
        return None
