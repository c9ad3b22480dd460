"""What one key may use of the server, and how much of it is used up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from selam_agent.errors import SessionError


class Allowance(Protocol):
    """Limits of one key; None: as much as the server allows."""

    @property
    def max_sessions(self) -> int | None: ...

    @property
    def max_session_s(self) -> float | None: ...

    @property
    def audio_s_per_day(self) -> float | None: ...


class Accounts(Protocol):
    """Where the limits of the keys and what they have used are kept. Days are those of UTC."""

    def allowance(self, owner: str) -> Allowance: ...

    def used_s(self, owner: str, day: date) -> float:
        """Audio (s) that this key's ended sessions have sent on that day."""
        ...

    async def add_used(self, owner: str, day: date, seconds: float) -> None:
        """Adds to it. Never raises."""
        ...


class _Unlimited:
    max_sessions = None
    max_session_s = None
    audio_s_per_day = None

    def allowance(self, owner: str) -> Allowance:
        return self

    def used_s(self, owner: str, day: date) -> float:
        return 0.0

    async def add_used(self, owner: str, day: date, seconds: float) -> None:
        pass


UNLIMITED: Accounts = _Unlimited()


class Meter:
    """The audio that one key's sessions send on one day; they share it.

    A session that goes on beyond midnight stays with the day on which it began.
    """

    def __init__(self, day: date, used_s: float, now: Callable[[], datetime]) -> None:
        self.day = day
        self.used_s = used_s
        # Read anew at each session's start, so that a changed limit holds for those that run.
        self.limit_s: float | None = None
        self._now = now

    def add(self, seconds: float) -> None:
        self.used_s += seconds

    def check(self) -> None:
        """Raises SessionError (``audio_quota_exceeded``) when the day's audio is used up."""
        if self.limit_s is None or self.used_s < self.limit_s:
            return
        midnight = datetime.combine(self.day + timedelta(days=1), datetime.min.time(), UTC)
        raise SessionError(
            f"This key's {self.limit_s / 60:g} minutes of audio for today are used up.",
            code="audio_quota_exceeded",
            retryable=True,
            retry_after=max(1, round((midnight - self._now()).total_seconds())),
        )


class Meters:
    """The meters of all keys that have opened a session since the server started."""

    def __init__(self, accounts: Accounts, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._accounts = accounts
        self._now = now
        self._meters: dict[str, Meter] = {}

    def of(self, owner: str, limit_s: float | None) -> Meter:
        """Today's meter of a key."""
        today = self._now().date()
        meter = self._meters.get(owner)
        if meter is None or meter.day != today:
            meter = self._meters[owner] = Meter(today, self._accounts.used_s(owner, today), self._now)
        meter.limit_s = limit_s
        return meter
