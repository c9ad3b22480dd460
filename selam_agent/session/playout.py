"""Sending one reply's audio when it is due, and knowing how much of it has been heard.

Two opinions on what was heard: the pacer's, from what was sent and when, and the client's own
(``playback_position``), which counts while it is fresh. What was sent last is kept, in case it must
be sent again: a phrase that a cough cut off, or what a broken connection swallowed.
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
# 25 s of them: longer than it takes to notice that a client is gone.
_KEPT_CHUNKS = 640
# A client's report is extrapolated for this long (ms); no report delays the reply's end by more.
_FRESH_MS = 2000.0


Item: TypeAlias = EncodedChunk | Callable[[float], None] | None


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
        self._loop = asyncio.get_running_loop()
        self._chunks: asyncio.Queue[Item] = asyncio.Queue(_MAX_CHUNKS)
        # The end, or a mark, that came up for its turn before all that is to be played again was.
        self._put_off: deque[Item] = deque()
        self._kept: deque[tuple[float, EncodedChunk]] = deque(maxlen=_KEPT_CHUNKS)
        self._again: deque[EncodedChunk] = deque()
        self._ready = asyncio.Event()
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
        await self._chunks.put(chunk)
        self._ready.set()

    def pause(self) -> None:
        """Stops sending; the playhead stands still when the client has played what it has."""
        if self._running.is_set():
            self._running.clear()
            self._pacer.pause(self._now())

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
        self.pause()

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

    def _ends_at(self) -> float:
        now = self._now()
        ends = self._pacer.playout_ends_at(now)
        return min(ends + _FRESH_MS, max(ends, now + self._pacer.sent_ms - self.heard_ms(now)))

    # ------------------------------------------------------------ out

    async def run(self, send: Callable[[EncodedChunk, int, float], None]) -> None:
        """Sends everything; returns when the last of it has been played.

        ``send`` gets each chunk when it is due, with its number and when it will be played.
        """
        while True:
            chunk = await self._next()
            if not isinstance(chunk, EncodedChunk):
                if self.sent:
                    await self._until(self._ends_at)
                if self._again:
                    self._put_off.append(chunk)
                elif chunk is None:
                    return
                else:
                    chunk(self._pacer.sent_ms)
                continue
            ahead = len(self._again)
            await self._until(lambda: self._pacer.due(self._now()))
            if len(self._again) > ahead:
                # Rewound meanwhile: this one comes after those that are played again.
                self._again.insert(len(self._again) - ahead, chunk)
                continue
            now = self._now()
            self._kept.append((now, chunk))
            plays_at = self._pacer.plays_at(now)
            self._pacer.sent(now, chunk.samples * 1000 / chunk.sample_rate)
            self.sent += 1
            send(chunk, self.sent - 1, plays_at)

    def close(self) -> None:
        """Nothing is sent any more: the audio is dropped. What was heard is still known."""
        self._kept.clear()
        self._again.clear()
        while not self._chunks.empty():
            self._chunks.get_nowait()

    async def _next(self) -> Item:
        while True:
            if self._again:
                return self._again.popleft()
            if self._put_off:
                return self._put_off.popleft()
            if not self._chunks.empty():
                return self._chunks.get_nowait()
            self._ready.clear()
            await self._ready.wait()

    async def _until(self, due: Callable[[], float]) -> None:
        """Sleeps until ``due()``, however often the reply is paused meanwhile."""
        while True:
            await self._running.wait()
            left = (due() - self._now()) / 1000
            if left <= 0:
                return
            await asyncio.sleep(left)

    def _rewind(self, now: float, position: float) -> None:
        again = [chunk for _, chunk in self._kept if _end_ms(chunk) > position + 1]
        if again:
            self._repeated_ms += self._pacer.sent_ms - start_ms(again[0])
            self._report = None
            self._again.extendleft(reversed(again))
            self._kept.clear()
            self._pacer.rewind(now, start_ms(again[0]))
            self._ready.set()

    def _now(self) -> float:
        return self._loop.time() * 1000


def start_ms(chunk: EncodedChunk) -> float:
    """Where the chunk begins, in ms of the reply."""
    return chunk.start_sample * 1000 / chunk.sample_rate


def _end_ms(chunk: EncodedChunk) -> float:
    return (chunk.start_sample + chunk.samples) * 1000 / chunk.sample_rate
