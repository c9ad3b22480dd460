"""A simulated caller: it speaks its lines in real time, listens, waits its turn, cuts in and coughs.

Its microphone never stops: 20 ms packets leave on an absolute schedule, silence included, over a
real connection. What it hears is placed where a listener would hear it.
"""

from __future__ import annotations

import asyncio
import contextlib
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
from selam_agent.programs.microphone import Microphone
from selam_agent.programs.recording import Playout, Recording, Spoken, WentOn, combine

_OUTPUT_RATE = 24_000
# Audio that comes so long after a sound over the agent shows that it talks on: by then a server, even
# a busy one, has noticed the sound and judged it.
_AFTER_MS = 600
# The caller gives the agent so long to be heard again.
_GOES_ON_S = 2.0


class CallFailed(Exception):  # noqa: N818
    """The call could not go on; the message says what the caller was waiting for."""


@dataclass(frozen=True, slots=True)
class Say:
    """A line and its cue.

    ``cut_in_ms`` None: when the agent has finished, after the pause a person makes. Otherwise that
    many ms after the agent's answer began to be heard; after a line over it that asked for nothing,
    from the end of that line or of the silence that it caused.
    ``goes_on``: it asks for nothing; the agent is to go on. ``sound``: what it is, when it has no words.
    """

    text: str
    audio: Pcm16
    cut_in_ms: float | None = None
    goes_on: bool = False
    sound: str | None = None


Listener = Callable[[float, "Spoken | WentOn | ClientEvent"], None]


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
        self._mouth = Microphone(noise_dbfs, seed)
        self._lines: list[Spoken] = []
        self._events: list[tuple[float, ClientEvent]] = []
        self._heard: dict[str, tuple[float, float]] = {}
        self._changed = asyncio.Event()
        self._playout = Playout(_OUTPUT_RATE)
        self._chunks_came: list[float] = []
        self._begun = 0.0
        # The last line that asks for an answer, and when the agent was heard again after one over it.
        self._since = 0.0
        self._again = 0.0

    async def call(
        self,
        script: Sequence[Say],
        *,
        language: str | None,
        voice: str,
        greeting: str | None = None,
        between: Sequence[str] = (),
    ) -> Recording:
        """Speaks the script and hangs up. Without a ``language`` the server finds out for itself.

        ``between``: two languages, of which each is to be interpreted into the other.

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
            translation="interpreter" if between else None,
            languages=list(between) or None,
        )
        self._playout = Playout(session.sample_rate)
        self._begun = time.monotonic()
        self._on_event(0.0, session)
        microphone = asyncio.create_task(
            self._mouth.run(self._begun, lambda packet: self._client.send_audio(packet, sample_rate=RATE))
        )
        ears = asyncio.create_task(self._listen())
        try:
            await self._follow(script, greeted=bool(greeting), watch=(microphone, ears))
            # Audio on its way after the end would be an error.
            microphone.cancel()
            await asyncio.gather(microphone, return_exceptions=True)
            await self._client.end_session()
        finally:
            for task in (microphone, ears):
                task.cancel()
            await asyncio.gather(microphone, ears, return_exceptions=True)
        return combine(
            language=language or session.language or "",
            voice=voice,
            sent=self._mouth.sent,
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
                moment = max(self._began() or 0.0, self._again) + say.cut_in_ms
                await asyncio.sleep(max(0.0, moment - self._now()) / 1000)
            spoken = await self._say(say)
            if say.goes_on and not await self._goes_on(spoken):
                return  # what follows would make no sense; the report says what went wrong
            if following is None or following.cut_in_ms is None:
                await self._until(self._finished, f"an answer to “{say.text}”")
                await self._pause()
        while (left := self._linger_ms - (self._now() - self._last_word())) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left / 1000)

    async def _say(self, say: Say) -> Spoken:
        """Speaks a line to its last sample."""
        start = self._mouth.sent_ms
        spoken = Spoken(
            say.text,
            start,
            start + say.audio.size * 1000 / RATE,
            cut_in=say.cut_in_ms is not None,
            goes_on=say.goes_on,
            sound=say.sound,
        )
        self._lines.append(spoken)
        if not say.goes_on:
            self._since, self._again = start, 0.0
        self._on_event(start, spoken)
        await self._mouth.say(say.audio)
        return spoken

    async def _goes_on(self, line: Spoken) -> bool:
        """Whether the agent talks on after a line that asks for nothing; notes how long it was silent."""

        def settled() -> bool:
            return self._stopped_since(line.start_ms) or self._talks_on(line)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOES_ON_S):
                while not settled():
                    self._changed.clear()
                    await self._changed.wait()
        if self._stopped_since(line.start_ms) or not self._talks_on(line):
            return False
        line.gap_ms, again = self._playout.gap(line.start_ms, self._now())
        self._again = max(again, line.end_ms)
        self._on_event(self._now(), WentOn(line))
        return True

    def _talks_on(self, line: Spoken) -> bool:
        return bool(self._chunks_came) and self._chunks_came[-1] >= line.end_ms + _AFTER_MS

    def _stopped_since(self, start_ms: float) -> bool:
        return any(at >= start_ms and isinstance(e, AudioEnd) and e.interrupted for at, e in self._events)

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
        self._chunks_came.append(at)
        first, _ = self._heard.get(chunk.reply_id, (start, 0.0))
        self._heard[chunk.reply_id] = (first, self._playout.end_ms)
