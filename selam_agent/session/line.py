"""A session's way out: to its client, or kept while the client is away."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from selam_agent import events
from selam_agent.events_signals import Signal
from selam_agent.ports import Outlet

# What a client that comes back is told of the meantime; a paused session says little.
_MAX_KEPT = 256


class Line:
    """The outlet, when there is one. Events keep their order across a break; audio is not kept.

    Args:
        signals, decisions: whether the client is told of these.
        record: sees every event before the client does, but of each reply's audio only the first chunk;
            must neither wait nor raise.
    """

    def __init__(
        self,
        outlet: Outlet,
        *,
        signals: bool = False,
        decisions: bool = False,
        record: Callable[[events.Event], None] | None = None,
    ) -> None:
        self._outlet: Outlet | None = outlet
        self._signals = signals
        self._decisions = decisions
        self._record = record
        self._kept: deque[events.Event] = deque(maxlen=_MAX_KEPT)
        self._closed = False
        # With it the client may come back once; empty when it may not.
        self.token = ""

    @property
    def connected(self) -> bool:
        return self._outlet is not None

    def record(self, event: events.Event) -> None:
        """Only the record sees this one."""
        if self._record is not None:
            self._record(event)

    def send(self, event: events.Event) -> None:
        if isinstance(event, events.AudioChunk):
            if not event.index:
                self.record(event)
            if self._outlet is not None:
                self._outlet.send(event)
            return
        self.record(event)
        if isinstance(event, Signal) and not self._signals:
            return
        if isinstance(event, events.Decision) and not self._decisions:
            return
        if self._outlet is not None:
            self._outlet.send(event)
        elif not self._closed:
            self._kept.append(event)

    def cut(self) -> None:
        """The client is gone; what is sent from now on waits for the next."""
        self._outlet = None

    def connect(self, outlet: Outlet, greeting: events.Event) -> None:
        """The client is here again: it gets ``greeting``, then what it has missed."""
        self._outlet = outlet
        outlet.send(greeting)
        while self._kept:
            outlet.send(self._kept.popleft())

    def close(self) -> None:
        """Nothing is sent any more."""
        self._outlet = None
        self._closed = True
        self._kept.clear()
