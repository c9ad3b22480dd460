"""The caller of a scenario: a microphone that follows the script, and ears on the agent.

The same for the virtual clock and for a real server: time comes from the event loop, the line is
whatever takes packets. Times are ms since the call began.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np

from selam_agent.ports import Pcm16
from tests.scenarios.dsl import Cue, Pause, Scenario, Sound, Stall, Words
from tests.scenarios.sound import RATE, Said, background, say, sound

PACKET_MS = 20
PACKET = RATE * PACKET_MS // 1000
# The room's own noise: no two packets are the same, so audio can be found again by its samples.
_ROOM_DBFS = -72.0
# After the last word the call goes on for longer than any patience and any engine.
_SETTLE_MS = 3000.0
_QUIET_MS = 500.0
_CALL_MS = 75_000.0
# When the delay of an echo jumps, and in what time its level goes up and down once.
_JUMP_MS, _SWING_MS = 5000.0, 4000.0
# At the beginning of a call nobody speaks yet.
_LEAD_IN_MS = 300


@dataclass(slots=True)
class Spoken:
    """A step as it left the microphone; ``over_agent``: it began while the agent was to be heard."""

    step: Words | Sound
    said: Said | None
    start_ms: float
    end_ms: float
    over_agent: bool


@dataclass(slots=True)
class Chunk:
    """A piece of a reply: when it arrived, when it is heard, and its samples (16 kHz) if they are needed."""

    arrived: float
    start: float
    end: float
    pcm: Pcm16 | None = None


@dataclass(slots=True)
class ReplyHeard:
    """``stopped``: when it was interrupted. ``ended``: its last event came."""

    reply_id: str
    turn_id: int
    chunks: list[Chunk] = field(default_factory=list)
    stopped: float | None = None
    ended: bool = False

    @property
    def first_sent(self) -> float:
        return self.chunks[0].arrived

    @property
    def begin(self) -> float:
        return self.chunks[0].start

    @property
    def last_audible(self) -> float:
        """When its last sample was heard."""
        end = self.chunks[-1].end
        return end if self.stopped is None else min(end, max(self.stopped, self.begin))


@dataclass(slots=True)
class Ears:
    """What the caller hears: chunks behind each other. A buffering client drops them when told to."""

    buffered: bool
    replies: dict[str, ReplyHeard] = field(default_factory=dict)
    _end: float = 0.0

    def chunk(self, at: float, reply_id: str, turn_id: int, ms: float, pcm: Pcm16 | None = None) -> None:
        reply = self.replies.setdefault(reply_id, ReplyHeard(reply_id, turn_id))
        start = max(at, self._end)
        self._end = start + ms
        reply.chunks.append(Chunk(at, start, self._end, pcm))

    def clear(self, at: float, reply_id: str) -> None:
        if reply_id in self.replies and self.replies[reply_id].stopped is None:
            self.replies[reply_id].stopped = at
            self._end = min(self._end, at)

    def ended(self, at: float, reply_id: str, interrupted: bool) -> None:
        reply = self.replies.get(reply_id)
        if reply is not None:
            reply.ended = True
            if interrupted and self.buffered:
                self.clear(at, reply_id)

    def began(self, since: float) -> float | None:
        """When the first reply began to be heard that did so after ``since``."""
        begins = [reply.begin for reply in self.replies.values() if reply.begin >= since]
        return min(begins, default=None)

    def finished(self, since: float, now: float) -> float | None:
        """When the agent fell silent after a reply that began after ``since``."""
        of = [reply for reply in self.replies.values() if reply.begin >= since]
        if not of or not all(reply.ended for reply in of) or now < self._end:
            return None
        return max(reply.last_audible for reply in of)

    def busy(self, now: float) -> bool:
        return now < self._end or any(not reply.ended for reply in self.replies.values())

    @property
    def last(self) -> float:
        return self._end

    def heard(self, start: float, ms: float) -> np.ndarray:
        """What the loudspeaker played from ``start`` on: float [n] at 16 kHz."""
        out = np.zeros(round(ms * RATE / 1000))
        for reply in self.replies.values():
            for chunk in reply.chunks:
                stop = chunk.end if reply.stopped is None else min(chunk.end, reply.stopped)
                if chunk.pcm is None or stop <= start or chunk.start >= start + ms:
                    continue
                at = round((chunk.start - start) * RATE / 1000)
                pcm = chunk.pcm[: max(0, round((stop - chunk.start) * RATE / 1000))]
                first = max(0, -at)
                part = pcm[first : first + max(0, len(out) - max(0, at))]
                out[max(0, at) : max(0, at) + len(part)] += part
        return out


class Caller:
    """Follows one scenario. ``send`` takes a packet; ``ears`` must be fed by whoever hears the agent."""

    def __init__(
        self, scenario: Scenario, send: Callable[[Pcm16, float], Awaitable[None]], seed: int = 1
    ) -> None:
        self.scenario = scenario
        self.ears = Ears(scenario.playback == "buffered")
        self.spoken: list[Spoken] = []
        # (end of what was said, when it went on) of each pause within a turn.
        self.pauses: list[tuple[float, float]] = []
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._begun = self._loop.time()
        self._rng = np.random.default_rng(seed)
        self._noise = background(scenario.noise, scenario.language) if scenario.noise else None
        self._steps = list(scenario.steps)
        self._sent = 0
        self._line: Pcm16 = np.zeros(_LEAD_IN_MS * RATE // 1000, np.int16)
        self._speaking = False
        self._cue: Cue | None = None
        self._since = 0.0
        self._paused_from: float | None = None
        # When packets may arrive again, and when the last one did.
        self._stalled_until = 0.0
        self._last_arrival = 0.0
        self._deliveries: asyncio.Queue[tuple[float, Pcm16, float] | None] = asyncio.Queue()

    @property
    def now(self) -> float:
        return (self._loop.time() - self._begun) * 1000

    async def call(self) -> None:
        """The whole call, to the end of its last answer."""
        if self.scenario.sends == "at once":
            await self._at_once()
            return
        network = asyncio.create_task(self._deliver())
        try:
            while not self._done:
                due = self._begun + (self._sent + PACKET_MS) / 1000
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                talking = self._talking
                packet = self._packet()
                if self.scenario.sends != "push to talk" or talking or self._talking:
                    self._transmit(packet, self._sent - PACKET_MS)
            await self._deliveries.put(None)
            await network
        finally:
            network.cancel()

    async def _at_once(self) -> None:
        sent_ms = 0.0
        while self._steps or len(self._line):
            await self._send(self._packet(), sent_ms)
            sent_ms = self._sent
        # "at once": the silence after it belongs to the file.
        for _ in range(round(_SETTLE_MS) // PACKET_MS):
            await self._send(self._packet(), self._sent)
        while self.now < _CALL_MS and (self.now < _SETTLE_MS or self.ears.busy(self.now)):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        await asyncio.sleep(_QUIET_MS / 1000)

    # ------------------------------------------------------------ the microphone

    @property
    def _done(self) -> bool:
        if self._sent >= _CALL_MS:
            return True
        if self._steps or len(self._line) or self._cue is not None:
            return False
        last_word = max((each.end_ms for each in self.spoken), default=0.0)
        delays = self.scenario.engines
        work = delays.stt + delays.llm + delays.tts
        quiet_from = max(last_word + _SETTLE_MS + work, self.ears.last + _QUIET_MS + work)
        return not self.ears.busy(self.now) and self.now >= quiet_from

    @property
    def _talking(self) -> bool:
        """Whether somebody who pushes to talk holds the key."""
        return self._speaking or bool(self._paused_from is not None and self._steps)

    def _packet(self) -> Pcm16:
        filled = 0
        out = self._rng.normal(0, 32768 * 10 ** (_ROOM_DBFS / 20), PACKET)
        while filled < PACKET:
            if not len(self._line) and not self._advance(self._sent + filled * 1000 / RATE):
                break
            part = self._line[: PACKET - filled]
            self._line = self._line[len(part) :]
            out[filled : filled + len(part)] += part
            filled += len(part)
        if self._noise is not None:
            at = self._sent * RATE // 1000 % len(self._noise)
            out += np.take(self._noise, range(at, at + PACKET), mode="wrap")
        if self.scenario.echo is not None:
            echo = self.scenario.echo
            delay = echo.delay + (echo.jump if self._sent >= _JUMP_MS else 0)
            db = echo.db + echo.swing * np.sin(2 * np.pi * self._sent / _SWING_MS)
            out += 10 ** (db / 20) * self.ears.heard(self._sent - delay, PACKET_MS)
        self._sent += PACKET_MS
        return np.clip(np.round(out), -32768, 32767).astype(np.int16)

    def _advance(self, at: float) -> bool:
        """Makes the next step of the script the line; False while it waits or is over."""
        self._speaking = False
        if self._cue is not None:
            moment = (
                self.ears.began(self._since)
                if self._cue.of == "begin"
                else self.ears.finished(self._since, at)
            )
            if moment is None or at < moment + self._cue.ms:
                return False
            self._cue = None
        if not self._steps:
            return False
        step = self._steps.pop(0)
        if isinstance(step, Pause):
            self._line = np.zeros(step.ms * RATE // 1000, np.int16)
            self._paused_from = None if step.new_turn else at
        elif isinstance(step, Cue):
            self._cue, self._paused_from = step, None
        elif isinstance(step, Stall):
            self._stalled_until = max(self._stalled_until, at + step.ms)
        else:
            self._speak(step, at)
        return True

    def _speak(self, step: Words | Sound, at: float) -> None:
        said = None
        if isinstance(step, Words):
            said = say(step.text, self.scenario.language, step.voice, step.rate, step.dbfs)
            self._line = said.pcm
            self._since = at
            if self._paused_from is not None:
                self.pauses.append((self._paused_from, at))
            self._paused_from = None
        else:
            self._line = sound(step, seed=len(self.spoken) + len(self.scenario.name))
        self._speaking = True
        over = any(r.begin <= at < r.last_audible for r in self.ears.replies.values())
        self.spoken.append(Spoken(step, said, at, at + len(self._line) * 1000 / RATE, over))

    # ------------------------------------------------------------ the network

    def _transmit(self, packet: Pcm16, at: float) -> None:
        network = self.scenario.network
        if network.loss and self._rng.random() < network.loss:
            return
        late = self._rng.uniform(0, network.jitter) if network.jitter else 0.0
        # The order is kept, as on a stream.
        arrival = max(self._last_arrival, self._stalled_until, at + PACKET_MS + late)
        self._last_arrival = arrival
        self._deliveries.put_nowait((arrival, packet, at))

    async def _deliver(self) -> None:
        while (item := await self._deliveries.get()) is not None:
            arrival, packet, at = item
            left = arrival - self.now
            if left > 0:
                await asyncio.sleep(left / 1000)
            await self._send(packet, at)
