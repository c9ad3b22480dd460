"""The one way out of a connection: a bounded queue and the task that empties it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from selam_agent import metrics
from selam_agent.errors import SelamError
from selam_agent.events import ErrorEvent, Event, Notice
from selam_agent.metrics import Metrics
from selam_agent.wire.limits import Limits
from selam_agent.wire.selam_events import payload, weight

log = logging.getLogger(__name__)

_SLOW = "What is sent is not read fast enough; the connection will be closed if that goes on."

Emit = Callable[[str, dict[str, Any]], Awaitable[None]]
Write = Callable[[Event], bool]


class ConnectionOutlet:
    """Sends a connection's events in order; never blocks and never raises.

    The writer hands over one event at a time and waits until the transport has taken it, so what a
    client does not read piles up here, where it is counted, and not in Engine.IO's endless queue.

    Args:
        emit: hands one event to the transport and returns when it was taken.
        write: sends an event at once; false when it cannot, because something waits before it or the
            client does not read.
        on_overflow: called once, with the reason, when the client has fallen too far behind.
    """

    def __init__(
        self,
        emit: Emit,
        write: Write,
        on_overflow: Callable[[str], None],
        limits: Limits,
        numbers: Metrics,
    ) -> None:
        self._emit = emit
        self._write_now = write
        self._on_overflow = on_overflow
        self._limits = limits
        self._numbers = numbers
        self._queue: deque[tuple[Event, bool, int, float]] = deque()
        self._bytes = 0
        self._audio_ms = 0.0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        # Once for each time that it falls behind.
        self._warned = False
        self._errors = _ErrorBudget(limits.errors_per_s, self._put)
        self._writer = asyncio.create_task(self._write(), name="selam-outlet")

    def send(self, event: Event, *, binary: bool = False) -> None:
        if isinstance(event, ErrorEvent) and not self._errors.spend(event):
            return
        self._put(event, binary)

    def refuse(self, error: SelamError) -> None:
        """Sends ``error`` as the event it becomes. A session's errors are counted where they are made."""
        self._numbers.count(metrics.ERRORS, type=error.type, code=error.code)
        self.send(ErrorEvent.of(error))

    async def flush(self, timeout_s: float) -> bool:
        """Waits until everything has left; false when it did not within ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Drops what is left; safe to call again."""
        self._closed = True
        self._queue.clear()
        self._errors.close()
        self._writer.cancel()

    def _put(self, event: Event, binary: bool = False) -> None:
        if self._closed or (not binary and self._idle.is_set() and self._leaves_at_once(event)):
            return
        size, audio_ms = weight(event)
        self._queue.append((event, binary, size, audio_ms))
        self._bytes += size
        self._audio_ms += audio_ms
        self._idle.clear()
        self._wake.set()
        limits = self._limits
        behind = self._bytes * 2 > limits.queue_bytes or self._audio_ms * 2 > limits.queue_audio_ms
        if behind and not self._warned:
            self._warned = True
            self._put(Notice(code="slow_client", message=_SLOW))
        if (
            self._bytes > limits.queue_bytes
            or self._audio_ms > limits.queue_audio_ms
            or len(self._queue) > limits.queue_events
        ):
            waiting = f"{self._bytes} bytes, {self._audio_ms:.0f} ms of audio, {len(self._queue)} events"
            self.close()
            self._numbers.count(metrics.SLOW_CLIENTS)
            self._on_overflow(waiting)

    def _leaves_at_once(self, event: Event) -> bool:
        try:
            return self._write_now(event)
        except Exception:
            log.exception("could not send %s", event.name)
            return True

    async def _emit_one(self, event: Event, binary: bool) -> None:
        try:
            await self._emit(event.name, payload(event, binary=binary))
        except Exception:
            log.exception("could not send %s", event.name)

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                event, binary, size, audio_ms = self._queue.popleft()
                # What follows a message that had to wait need not wait as well: on a busy machine each
                # wait is several turns of a slow loop, and a client that reads everything would fall behind.
                if binary or not self._leaves_at_once(event):
                    await self._emit_one(event, binary)
                self._bytes -= size
                self._audio_ms -= audio_ms
            self._warned = False
            self._idle.set()


class SessionOutlet:
    """A session's view of the connection: the same queue, in the encoding this session asked for."""

    def __init__(self, connection: ConnectionOutlet, *, binary: bool) -> None:
        self._connection = connection
        self._binary = binary

    def send(self, event: Event) -> None:
        self._connection.send(event, binary=self._binary)


class _ErrorBudget:
    """Lets so many errors through each second and sums up the others in one."""

    def __init__(self, per_second: int, put: Callable[[Event], None]) -> None:
        self._per_second = per_second
        self._put = put
        self._loop = asyncio.get_running_loop()
        self._window_ends = 0.0
        self._spent = 0
        self._held: dict[str, int] = {}
        self._last: ErrorEvent | None = None
        self._timer: asyncio.TimerHandle | None = None

    def spend(self, event: ErrorEvent) -> bool:
        now = self._loop.time()
        if now >= self._window_ends and self._timer is None:
            self._window_ends = now + 1.0
            self._spent = 0
        self._spent += 1
        if self._spent <= self._per_second:
            return True
        self._last = event
        self._held[event.code] = self._held.get(event.code, 0) + 1
        if self._timer is None:
            self._timer = self._loop.call_at(self._window_ends, self._sum_up)
        return False

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _sum_up(self) -> None:
        self._timer = None
        held, last, self._held, self._last = self._held, self._last, {}, None
        assert last is not None
        count = sum(held.values())
        self._put(
            ErrorEvent(
                type=last.type,
                code=last.code,
                message=f"{count} more errors within one second; the last one: {last.message}",
                retryable=last.retryable,
                details={"suppressed": count, "codes": held},
            )
        )
