"""A circuit breaker: an engine that fails again and again is left alone for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from selam_agent.ports import BreakerState

__all__ = ["Breaker"]

# One failure may be an accident.
_FAILURES: Final = 2
# A service that was down for a moment is back in half a minute; one that blocks us should not be
# asked more often than every five.
_FIRST_REST_S: Final = 30.0
_LONGEST_REST_S: Final = 300.0


class Breaker:
    """Counts failures in a row. Times are seconds of ``clock``.

    Opens after two; after a rest (30 s, doubled with each vain attempt up to 300 s) it lets one
    request through, whose outcome closes or opens it.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._rest_s = _FIRST_REST_S
        self._opened_at = 0.0
        self._state: BreakerState = "closed"

    @property
    def state(self) -> BreakerState:
        return self._state

    def admit(self) -> bool:
        """Whether a request may be made now. The one that finds the rest over is the trial."""
        if self._state == "open" and self._clock() >= self._opened_at + self._rest_s:
            self._state = "half_open"
            return True
        return self._state == "closed"

    def succeeded(self) -> None:
        """A request was answered."""
        self._failures, self._rest_s, self._state = 0, _FIRST_REST_S, "closed"

    def failed(self) -> None:
        """A request was not answered, or not to its end."""
        self._failures += 1
        if self._state == "half_open":
            self._rest_s = min(_LONGEST_REST_S, self._rest_s * 2)
        if self._failures >= _FAILURES and self._state != "open":
            self._state, self._opened_at = "open", self._clock()

    def withdrawn(self) -> None:
        """The trial was given up without an outcome; the next request is one again."""
        if self._state == "half_open":
            self._state = "open"
