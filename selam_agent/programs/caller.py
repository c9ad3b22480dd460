"""A simulated caller: it speaks its lines in real time, listens, waits its turn, and cuts in.

Its microphone never stops: 20 ms packets leave on an absolute schedule, silence included, over a
real connection. What it hears is placed where a listener would hear it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from selam_agent.client import (
    AudioChunk,
    AudioEnd,
    Clear,
    ClientEvent,
    Response,
    SelamClient,
    SessionEnded,
    Transcription,
)
from selam_agent.ports import Pcm16
from selam_agent.programs.caller_voice import RATE
from selam_agent.programs.recording import Playout, Recording, Spoken, combine

PACKET_MS = 20
_PACKET = RATE * PACKET_MS // 1000
_OUTPUT_RATE = 24_000


class CallFailed(Exception):  # noqa: N818
    """The call could not go on; the message says what the caller was waiting for."""


@dataclass(frozen=True, slots=True)
class Say:
    """A line and its cue.

    ``cut_in_ms`` None: when the agent has finished, after the pause a person makes. Otherwise that
    many ms after the agent's answer to the line before began to be heard.
    """

    text: str
    audio: Pcm16
    cut_in_ms: float | None = None


Listener = Callable[[float, "Spoken | ClientEvent"], None]


class SimulatedCaller:
    """Holds one call on a connected client.

    Args:
        on_event: told, with ms since the call began, of each line as it starts and of each event.
        noise_dbfs: level of the room's steady noise.
        pause_ms: how long a person waits after the agent; drawn from this range.
        patience_s: how long the caller waits for any cue.
        linger_ms: how long it must have been quiet before the caller hangs up.
    """

    def __init__(
        self,
        client: SelamClient,
        *,
        on_event: Listener = lambda at, what: None,
        noise_dbfs: float = -52.0,
        pause_ms: tuple[int, int] = (300, 500),
        patience_s: float = 15.0,
        linger_ms: float = 0.0,
        seed: int = 7,
    ) -> None:
        self._client = client
        self._on_event = on_event
        self._random = random.Random(seed)
        self._pause_ms = pause_ms
        self._patience = patience_s
        self._linger_ms = linger_ms
        noise = np.random.default_rng(seed).standard_normal(RATE * 4)
        self._noise: Pcm16 = (noise * 32768 * 10 ** (noise_dbfs / 20)).astype(np.int16)
        self._line: Pcm16 = np.zeros(0, np.int16)
        self._said = asyncio.Event()
        self._sent: list[Pcm16] = []
        self._lines: list[Spoken] = []
        self._events: list[tuple[float, ClientEvent]] = []
        self._heard: dict[str, tuple[float, float]] = {}
        self._changed = asyncio.Event()
        self._playout = Playout(_OUTPUT_RATE)
        self._begun = 0.0
        self._since = 0.0

    async def call(
        self, script: Sequence[Say], *, language: str, voice: str, greeting: str | None = None
    ) -> Recording:
        """Speaks the script and hangs up.

        Raises:
            CallFailed: a cue did not come.
            selam_agent.client.ClientError: the server refused or went away.
        """
        session = await self._client.start_session(
            voice=voice,
            language=language,
            greeting=greeting,
            output_format="pcm16",
            output_sample_rate=_OUTPUT_RATE,
            playback="buffered",
            decisions=True,
        )
        self._playout = Playout(session.sample_rate)
        self._begun = time.monotonic()
        self._on_event(0.0, session)
        microphone = asyncio.create_task(self._microphone())
        ears = asyncio.create_task(self._listen())
        try:
            await self._follow(script, greeted=bool(greeting), watch=(microphone, ears))
            await self._client.end_session()
        finally:
            for task in (microphone, ears):
                task.cancel()
            await asyncio.gather(microphone, ears, return_exceptions=True)
        return combine(
            language=language,
            voice=voice,
            sent=self._sent,
            sent_rate=RATE,
            playout=self._playout,
            lines=self._lines,
            events=self._events,
            heard=self._heard,
        )

    # ------------------------------------------------------------ the script

    async def _follow(
        self, script: Sequence[Say], *, greeted: bool, watch: tuple[asyncio.Task[None], ...]
    ) -> None:
        director = asyncio.create_task(self._direct(script, greeted))
        try:
            done, _ = await asyncio.wait({director, *watch}, return_when=asyncio.FIRST_COMPLETED)
            if director not in done:
                # A microphone or an ear that stopped has a reason, and that is the better message.
                for task in done:
                    task.result()
                raise CallFailed("the session ended before the caller was done")
            director.result()
        finally:
            director.cancel()
            await asyncio.gather(director, return_exceptions=True)

    async def _direct(self, script: Sequence[Say], greeted: bool) -> None:
        if greeted:
            await self._until(self._finished, "the agent's greeting")
        await self._pause()
        for say, following in zip(script, (*script[1:], None), strict=True):
            if say.cut_in_ms is not None:
                await self._until(lambda: self._began() is not None, f"an answer before “{say.text}”")
                moment = (self._began() or 0.0) + say.cut_in_ms
                await asyncio.sleep(max(0.0, moment - self._now()) / 1000)
            await self._say(say)
            if following is None or following.cut_in_ms is None:
                await self._until(self._finished, f"an answer to “{say.text}”")
                await self._pause()
        while (left := self._linger_ms - (self._now() - self._last_word())) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left / 1000)

    async def _say(self, say: Say) -> None:
        """Speaks a line to its last sample."""
        self._said.clear()
        start = len(self._sent) * PACKET_MS
        spoken = Spoken(say.text, start, start + say.audio.size * 1000 / RATE, say.cut_in_ms is not None)
        self._lines.append(spoken)
        self._line = say.audio
        self._since = start
        self._on_event(start, spoken)
        await self._said.wait()

    async def _pause(self) -> None:
        await asyncio.sleep(self._random.uniform(*self._pause_ms) / 1000)

    async def _until(self, cue: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(self._patience):
                while not cue():
                    self._changed.clear()
                    remaining = self._playout.end_ms - self._now()
                    try:
                        # Playout ends without an event: wake up for it.
                        async with asyncio.timeout(remaining / 1000 + 0.005 if remaining > 0 else None):
                            await self._changed.wait()
                    except TimeoutError:
                        continue
        except TimeoutError:
            raise CallFailed(f"the caller waited {self._patience:g} s for {what} and gave up") from None

    def _began(self) -> float | None:
        """When an answer to the last line was first heard."""
        starts = [start for start, _ in self._heard.values() if start >= self._since]
        return min(starts) if starts else None

    def _finished(self) -> bool:
        """An answer to the last line was spoken to its end, and nothing is left to hear."""
        ended = any(
            isinstance(event, AudioEnd)
            and not event.interrupted
            and self._heard.get(event.reply_id, (-1.0, 0.0))[0] >= self._since
            for _, event in self._events
        )
        return ended and self._now() >= self._playout.end_ms

    def _last_word(self) -> float:
        said = [at for at, event in self._events if isinstance(event, Transcription | Response)]
        return max([self._playout.end_ms, *said, *(line.end_ms for line in self._lines)])

    # ------------------------------------------------------------ ears and mouth

    def _now(self) -> float:
        return (time.monotonic() - self._begun) * 1000

    async def _microphone(self) -> None:
        # A packet leaves when its last sample has been spoken: 20 ms after its first.
        while True:
            due = self._begun + (len(self._sent) + 1) * PACKET_MS / 1000
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            packet = self._next_packet()
            self._sent.append(packet)
            await self._client.send_audio(packet.tobytes(), sample_rate=RATE)

    def _next_packet(self) -> Pcm16:
        offset = len(self._sent) * _PACKET % (self._noise.size - _PACKET)
        packet = self._noise[offset : offset + _PACKET].astype(np.int32)
        if self._line.size:
            part, self._line = self._line[:_PACKET], self._line[_PACKET:]
            packet[: part.size] += part
            if not self._line.size:
                self._said.set()
        return np.clip(packet, -32768, 32767).astype(np.int16)

    async def _listen(self) -> None:
        async for event in self._client.events():
            at = (event.received - self._begun) * 1000
            if at < 0:
                continue  # the answer to start_session itself
            self._events.append((at, event))
            if isinstance(event, AudioChunk):
                self._hear(at, event)
            elif isinstance(event, Clear) or (isinstance(event, AudioEnd) and event.interrupted):
                self._playout.clear(at)
                start, end = self._heard.get(event.reply_id, (at, at))
                self._heard[event.reply_id] = (start, min(end, at))
            self._on_event(at, event)
            self._changed.set()
            if isinstance(event, SessionEnded):
                return

    def _hear(self, at: float, chunk: AudioChunk) -> None:
        samples = np.frombuffer(chunk.audio[: len(chunk.audio) // 2 * 2], np.int16)
        start = self._playout.add(at, samples)
        first, _ = self._heard.get(chunk.reply_id, (start, 0.0))
        self._heard[chunk.reply_id] = (first, self._playout.end_ms)
