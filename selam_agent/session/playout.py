"""Sending one reply's audio when it is due, and knowing how much of it has been heard.

Two opinions on what was heard: the pacer's, from what was sent and when, and the client's own
(``playback_position``), which counts while it is fresh. What was sent last is kept, in case it must
be sent again: a phrase that a cough cut off, or what a broken connection swallowed.

There is no task that sleeps between chunks. A reply has one timer at most, set for the time at which
the next thing is due; it lets go all that is due by then.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from selam_agent.audio.encode import EncodedChunk
from selam_agent.audio.pacer import Pacer
from selam_agent.session.config import Playback

# 40 s of 40 ms chunks ahead at most.
_MAX_CHUNKS = 1024
# A buffering client's chunks wait for each other this long (ms): two of 40 ms then cost one wake-up, one
# write and one packet. At most so much of the lead is missing meanwhile.
_TOGETHER_MS = 40.0
_LEAD_FOR_THAT = 0.25
# They leave at multiples of this (ms), and so with what other replies have to send: to wake the process costs
# more than to send. At most so much more of the lead is missing.
_GRID_MS = 20.0
# uvloop rounds to whole ms: a timer that fires this early (ms) is not set again.
_EARLY_MS = 0.6
# 25 s of them: longer than it takes to notice that a client is gone.
_KEPT_CHUNKS = 640
# A client's report is extrapolated for this long (ms); no report delays the reply's end by more.
_FRESH_MS = 2000.0


Mark: TypeAlias = Callable[[float], None]
Item: TypeAlias = EncodedChunk | Mark | None


@dataclass(frozen=True, slots=True)
class _Report:
    """The client had played up to ``position`` (ms of the reply) at ``at`` (ms of loop time)."""

    position: float
    at: float


class Playout:
    """The sending half of a reply. Times are ms of loop time, positions ms of the reply's audio."""

    def __init__(self, mode: Playback, lead_ms: float) -> None:
        self._immediate = mode == "immediate"
        self._pacer = Pacer(mode, lead_ms=lead_ms)
        self._together_ms = 0.0 if self._immediate else min(_TOGETHER_MS, lead_ms * _LEAD_FOR_THAT)
        self._loop = asyncio.get_running_loop()
        # Everything that is to come; before it, what is to be sent again.
        self._items: deque[Item] = deque()
        self._again: deque[Item] = deque()
        # Set while another item may be put.
        self._room = asyncio.Event()
        self._room.set()
        self._kept: deque[tuple[float, EncodedChunk]] = deque(maxlen=_KEPT_CHUNKS)
        # While ``run`` waits for the end.
        self._send: Callable[[EncodedChunk, int, float], None] | None = None
        self._over: asyncio.Future[None] | None = None
        self._timer: asyncio.Handle | None = None
        self._running = asyncio.Event()
        self._running.set()
        self._report: _Report | None = None
        # Audio that was sent twice: a client's position counts it twice as well.
        self._repeated_ms = 0.0
        self._lost_from: float | None = None
        # How far it had been heard when it was last rewound.
        self._heard_before = 0.0
        self.sent = 0

    # ------------------------------------------------------------ in

    async def put(self, chunk: Item) -> None:
        """Adds a chunk; None ends the reply. Waits while too much is ahead.

        A function is called when everything before it has been played, with its position (ms).
        """
        while len(self._items) >= _MAX_CHUNKS:
            self._room.clear()
            await self._room.wait()
        self._items.append(chunk)
        if self._timer is None:
            self._on_time()

    def pause(self) -> None:
        """Stops sending; the playhead stands still when the client has played what it has."""
        # The client is to have its whole lead.
        self._send_due()
        self._hold()

    def resume(self, *, repeat_from: float | None = None) -> None:
        """Goes on where it stopped, or from this position."""
        if self._running.is_set():
            return
        now = self._now()
        heard = self.heard_ms(now)
        if self._lost_from is not None:
            # What was sent after this never arrived.
            heard = repeat_from = self._lost_from
            self._lost_from = None
        if repeat_from is not None:
            self._heard_before = max(self._heard_before, heard)
            self._rewind(now, repeat_from)
        self._pacer.resume(now)
        self._running.set()
        # Not within the caller, who has not finished resuming.
        self._rest()
        self._timer = self._loop.call_soon(self._on_time)

    def lose(self, since_s: float) -> None:
        """The client is gone and was last there at ``since_s`` (s of loop time).

        Pauses; ``resume`` then goes on from what had been heard at that time.
        """
        since = since_s * 1000
        if self.sent and self._lost_from is None:
            self._lost_from = self.heard_ms(since)
            if self._immediate:
                unheard = [chunk for at, chunk in self._kept if at > since]
                self._lost_from = start_ms(unheard[0]) if unheard else self._pacer.sent_ms
        self._hold()

    def forget_before(self, position: float) -> None:
        """What ends before this position will not be played again."""
        while self._kept and _end_ms(self._kept[0][1]) <= position:
            self._kept.popleft()

    def played(self, played_ms: float) -> None:
        """The client says how much of the reply it has played."""
        position = min(max(0.0, played_ms - self._repeated_ms), self._pacer.sent_ms)
        if self._report is not None:
            position = max(position, self._report.position)
        self._report = _Report(position, self._now())

    # ------------------------------------------------------------ known

    @property
    def running(self) -> asyncio.Event:
        """Set unless paused."""
        return self._running

    def heard_ms(self, now: float | None = None) -> float:
        """How much of the reply has been heard."""
        now = self._now() if now is None else now
        report = self._report
        if report is None or now - report.at > _FRESH_MS:
            return self._pacer.playhead_ms(now)
        return min(self._pacer.sent_ms, report.position + max(0.0, now - report.at))

    def furthest_ms(self) -> float:
        """How much has been heard at least once: a phrase that is said again was heard before."""
        return max(self._heard_before, self.heard_ms())

    def _ends_at(self, now: float) -> float:
        ends = self._pacer.playout_ends_at(now)
        return min(ends + _FRESH_MS, max(ends, now + self._pacer.sent_ms - self.heard_ms(now)))

    # ------------------------------------------------------------ out

    async def run(self, send: Callable[[EncodedChunk, int, float], None]) -> None:
        """Sends everything; returns when the last of it has been played. Raises what ``send`` raises.

        ``send`` gets each chunk when it is due, with its number and when it will be played.
        """
        self._send, self._over = send, self._loop.create_future()
        try:
            self._on_time()
            await self._over
        finally:
            self.close()

    def close(self) -> None:
        """Nothing is sent any more: the audio is dropped. What was heard is still known."""
        self._send = self._over = None
        self._rest()
        self._kept.clear()
        self._again.clear()
        self._items.clear()

    def _hold(self) -> None:
        if self._running.is_set():
            self._running.clear()
            self._pacer.pause(self._now())
            self._rest()

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_time(self) -> None:
        self._timer = None
        while self._going:
            due = self._send_due()
            if due is not None:
                due = self._with_others(due)
            elif not self._going or not self._items:
                return
            else:
                now = self._now()
                due = self._ends_at(now) if self.sent else now
                if due - now <= _EARLY_MS:
                    self._reach(self._items.popleft())
                    continue
            self._timer = self._loop.call_at(due / 1000, self._on_time)
            return

    def _with_others(self, due: float) -> float:
        """When a chunk that is due then leaves: with the next one, and with what other replies send."""
        return -(-(due + self._together_ms) // _GRID_MS) * _GRID_MS if self._together_ms else due

    def _send_due(self) -> float | None:
        """Sends the chunks that are due; returns when the next one is (ms), None where no chunk is next."""
        send, now = self._send, self._now()
        while send is not None and self._going:
            queue: deque[Item] = self._again or self._items
            if not queue or not isinstance(chunk := queue[0], EncodedChunk):
                return None
            due = self._pacer.due(now)
            if due - now > _EARLY_MS:
                return due
            queue.popleft()
            self._room.set()
            self._kept.append((now, chunk))
            plays_at = self._pacer.plays_at(now)
            self._pacer.sent(now, chunk.samples * 1000 / chunk.sample_rate)
            self.sent += 1
            self._call(send, chunk, self.sent - 1, plays_at)
        return None

    def _reach(self, mark: Item) -> None:
        """Everything before this has been played."""
        self._room.set()
        if callable(mark):
            self._call(mark, self._pacer.sent_ms)
        elif self._over is not None:
            self._over.set_result(None)

    def _call(self, function: Callable[..., None], *about: object) -> None:
        """An error of the reply's is raised by ``run``, not by whoever has paused it."""
        try:
            function(*about)
        except Exception as error:
            if self._over is not None and not self._over.done():
                self._over.set_exception(error)

    @property
    def _going(self) -> bool:
        return self._over is not None and not self._over.done() and self._running.is_set()

    def _rewind(self, now: float, position: float) -> None:
        again = [chunk for _, chunk in self._kept if _end_ms(chunk) > position + 1]
        if again:
            self._repeated_ms += self._pacer.sent_ms - start_ms(again[0])
            self._report = None
            self._again.extendleft(reversed(again))
            self._kept.clear()
            self._pacer.rewind(now, start_ms(again[0]))

    def _now(self) -> float:
        return self._loop.time() * 1000


def start_ms(chunk: EncodedChunk) -> float:
    """Where the chunk begins, in ms of the reply."""
    return chunk.start_sample * 1000 / chunk.sample_rate


def _end_ms(chunk: EncodedChunk) -> float:
    return (chunk.start_sample + chunk.samples) * 1000 / chunk.sample_rate
