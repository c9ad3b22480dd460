"""One spoken reply: the model writes, a voice speaks, the pacer lets the audio go.

Three tasks in one group, joined by bounded queues. Nothing leaves before ``open`` is called; after
``stop`` nothing leaves at all. The reply never changes the session: it reports through ``report``
and emits through ``emit``.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from selam_agent import events
from selam_agent.audio.encode import EncodedChunk
from selam_agent.audio.pacer import Pacer
from selam_agent.dialogue.playhead import SpokenText
from selam_agent.dialogue.sentences import Fragmenter
from selam_agent.errors import EngineError, SelamError
from selam_agent.ports import ChatItem, Result, Text
from selam_agent.session.config import SessionConfig
from selam_agent.session.speaker import Speaker
from selam_agent.session.voicing import Voicing
from selam_agent.settings import Turns

log = logging.getLogger(__name__)

# A reply of the longest permitted text has fewer fragments; chunks of 40 ms: 40 s ahead at most.
_MAX_FRAGMENTS = 256
_MAX_CHUNKS = 1024
# 10 s of 40 ms chunks: no phrase between two sentence marks is longer.
_KEPT_CHUNKS = 256


@dataclass(frozen=True, slots=True)
class Audible:
    """The first sample of the reply left at ``at`` (loop time, s)."""

    reply: Reply
    at: float


@dataclass(frozen=True, slots=True)
class Over:
    """The reply has been played to its end, or it failed."""

    reply: Reply


@dataclass(slots=True)
class Marks:
    """When things happened, in loop time (s); None when they did not."""

    begun: float
    first_fragment: float | None = None
    first_pcm: float | None = None
    first_sent: float | None = None


class Reply:
    """See the module's docstring. ``items`` is the model's stream, or a fixed text."""

    def __init__(
        self,
        *,
        reply_id: str,
        turn_id: int,
        items: AsyncIterator[ChatItem] | str,
        speaker: Speaker,
        config: SessionConfig,
        timings: Turns,
        emit: Callable[[events.Event], None],
        report: Callable[[Audible | Over], None],
    ) -> None:
        self.reply_id = reply_id
        self.turn_id = turn_id
        self._items = items
        self._speaker = speaker
        self._config = config
        self._timings = timings
        self._emit = emit
        self._report = report
        self._clock = asyncio.get_running_loop().time
        self.marks = Marks(begun=self._clock())
        self.spoken = SpokenText()
        self._pacer = Pacer(config.playback, lead_ms=timings.lead_ms)
        self._fragments: asyncio.Queue[str | None] = asyncio.Queue(_MAX_FRAGMENTS)
        self._chunks: asyncio.Queue[EncodedChunk | None] = asyncio.Queue(_MAX_CHUNKS)
        # What was sent last, in case the phrase must be said again; and what is to be sent again.
        self._kept: deque[EncodedChunk] = deque(maxlen=_KEPT_CHUNKS)
        self._again: deque[EncodedChunk] = deque()
        self._gate = asyncio.Event()
        self._running = asyncio.Event()
        self._running.set()
        self._text = ""
        self._text_complete = False
        self._responded = False
        self._sent = 0
        self._stopped = False
        self._failed = False
        # Known once the reply is over.
        self.heard_text = ""
        self.interrupted = False
        self._task: asyncio.Task[None] | None = None

    # ------------------------------------------------------------ the session's side

    def open(self) -> None:
        """Lets out what is ready, and what follows."""
        if not self._gate.is_set():
            self._gate.set()
            if self._text and not self._stopped:
                self._delta(self._text)
            self._respond_if_complete()

    @property
    def audible(self) -> bool:
        """Whether a sample has left and the last one has not been played yet."""
        return self._sent > 0 and not self._stopped

    @property
    def over(self) -> bool:
        """Whether nothing of it will leave any more."""
        return self._stopped

    @property
    def text(self) -> str:
        """What the model has written so far."""
        return self._text

    def pause(self) -> None:
        """Stops sending; the playhead stands still."""
        if self._running.is_set():
            self._running.clear()
            self._pacer.pause(self._clock() * 1000)

    def resume(self, *, repeat: bool = False) -> None:
        """Goes on where it stopped, or from the beginning of the phrase that was cut."""
        if not self._running.is_set():
            now = self._clock() * 1000
            if repeat and self._sent:
                self._rewind(now)
            self._pacer.resume(now)
            self._running.set()

    def _rewind(self, now: float) -> None:
        start = self.spoken.phrase_start(self._pacer.playhead_ms(now))
        again = [each for each in self._kept if _start_ms(each) >= start]
        if again:
            self._again.extend(again)
            self._kept.clear()
            self._pacer.rewind(now, _start_ms(again[0]))

    def stop(self, *, silently: bool = False) -> None:
        """Ends the reply at once; harmless when it is over. ``silently``: no text that was not sent yet."""
        if not self._stopped:
            if silently:
                self._text = ""
            self._close(interrupted=True, heard=self.heard())
            if self._task is not None:
                self._task.cancel()

    def heard(self) -> str:
        """The text the caller has heard so far."""
        return self.spoken.heard(self._pacer.playhead_ms(self._clock() * 1000)) if self._sent else ""

    # ------------------------------------------------------------ the work

    async def run(self) -> None:
        """Does the work; the caller owns the task, and ``stop`` cancels it."""
        self._task = asyncio.current_task()
        try:
            if self._stopped:
                return
            async with asyncio.TaskGroup() as group:
                group.create_task(self._think())
                group.create_task(self._speak())
                group.create_task(self._send())
        except* SelamError as group_error:
            self._fail(group_error.exceptions[0])
        except* Exception as group_error:
            log.exception("reply %s failed", self.reply_id, exc_info=group_error)
            self._fail(EngineError("The reply could not be made.", code="reply_failed"))
        finally:
            if not self._stopped:
                heard = self.heard() if self._failed else self.spoken.heard(float("inf"))
                self._close(interrupted=self._failed, heard=heard)
            self._report(Over(self))

    async def _think(self) -> None:
        fragmenter = Fragmenter()
        try:
            async with asyncio.timeout(self._timings.reply_deadline_s):
                if isinstance(self._items, str):
                    await self._write(self._items, fragmenter)
                else:
                    async for item in self._items:
                        if isinstance(item, Text):
                            await self._write(item.text, fragmenter)
                        elif isinstance(item, Result):
                            await self._gate.wait()
                            self._emit(
                                events.Result(task=item.name, data=dict(item.data), turn_id=self.turn_id)
                            )
        except (EngineError, TimeoutError) as error:
            failure = error if isinstance(error, EngineError) else _MODEL_TIMEOUT
            self._emit(events.ErrorEvent.of(failure))
            if not self._text:
                # The caller hears what happened, in their language; text so far is spoken as it is.
                await self._write(self._speaker.pack.says["failed"], fragmenter)
        for fragment in fragmenter.finish():
            await self._fragments.put(fragment)
        await self._fragments.put(None)
        self._text_complete = True
        self._respond_if_complete()

    async def _write(self, text: str, fragmenter: Fragmenter) -> None:
        self._text += text
        if self._gate.is_set():
            self._delta(text)
        for fragment in fragmenter.push(text):
            await self._fragments.put(fragment)

    async def _speak(self) -> None:
        voicing = Voicing(self._speaker, self._config, self.spoken, self._timings.tts_deadline_s)
        while (fragment := await self._fragments.get()) is not None:
            if self.marks.first_fragment is None:
                self.marks.first_fragment = self._clock()
            await self._until_needed(voicing.voiced_ms)
            async for chunk in voicing.speak(fragment):
                if self.marks.first_pcm is None:
                    self.marks.first_pcm = self._clock()
                await self._chunks.put(chunk)
        await self._chunks.put(None)

    async def _until_needed(self, voiced_ms: float) -> None:
        """Waits until at most ``next_fragment_ms`` of speech are left: little is wasted when stopped."""
        while True:
            await self._running.wait()
            left = voiced_ms - self._pacer.playhead_ms(self._clock() * 1000)
            if left <= self._timings.next_fragment_ms:
                return
            await asyncio.sleep(max(0.02, (left - self._timings.next_fragment_ms) / 1000))

    async def _send(self) -> None:
        await self._gate.wait()
        while True:
            chunk = self._again.popleft() if self._again else await self._chunks.get()
            if chunk is None:
                if self._sent:
                    await self._until(lambda: self._pacer.playout_ends_at(self._clock() * 1000))
                if not self._again:
                    return
                await self._chunks.put(None)
                continue
            ahead = len(self._again)
            await self._until(lambda: self._pacer.due(self._clock() * 1000))
            if len(self._again) > ahead:
                # Rewound meanwhile: this one comes after those that are played again.
                self._again.append(chunk)
                continue
            duration_ms = chunk.samples * 1000 / chunk.sample_rate
            start_ms = _start_ms(chunk)
            self._kept.append(chunk)
            self._pacer.sent(self._clock() * 1000, duration_ms)
            if self._sent == 0:
                self.marks.first_sent = self._clock()
                self._respond_if_complete()
                self._report(Audible(self, self.marks.first_sent))
            self._emit(
                events.AudioChunk(
                    audio=chunk.data,
                    format=chunk.format,
                    sample_rate=chunk.sample_rate,
                    index=self._sent,
                    duration_ms=duration_ms,
                    text=self.spoken.next_text(start_ms + duration_ms),
                    words=self.spoken.next_words(start_ms + duration_ms),
                    turn_id=self.turn_id,
                    reply_id=self.reply_id,
                )
            )
            self._sent += 1

    async def _until(self, due: Callable[[], float]) -> None:
        """Sleeps until ``due()`` (ms of loop time), however often the reply is paused meanwhile."""
        while True:
            await self._running.wait()
            left = due() / 1000 - self._clock()
            if left <= 0:
                return
            await asyncio.sleep(left)

    # ------------------------------------------------------------ what goes out

    def _delta(self, text: str) -> None:
        self._emit(events.ResponseDelta(delta=text, turn_id=self.turn_id, reply_id=self.reply_id))

    def _respond_if_complete(self) -> None:
        if self._text_complete and self._gate.is_set() and not self._stopped:
            self._respond()

    def _respond(self) -> None:
        if not self._responded and self._text:
            self._responded = True
            self._emit(events.Response(text=self._text.strip(), turn_id=self.turn_id, reply_id=self.reply_id))

    def _fail(self, error: BaseException) -> None:
        self._failed = True
        if isinstance(error, SelamError) and not self._stopped and self._gate.is_set():
            self._emit(events.ErrorEvent.of(error))

    def _close(self, *, interrupted: bool, heard: str) -> None:
        """The last events of the reply; exactly one ``audio_end`` if anything was sent."""
        self.interrupted = interrupted
        self.heard_text = heard if self._sent else ""
        if self._gate.is_set():
            self._respond()
            if interrupted and self._sent and self._config.playback == "buffered":
                self._emit(events.Clear(reply_id=self.reply_id))
            if self._sent or self._responded:
                self._emit(
                    events.AudioEnd(
                        total_chunks=self._sent,
                        interrupted=interrupted,
                        spoken_text=self.heard_text,
                        turn_id=self.turn_id,
                        reply_id=self.reply_id,
                    )
                )
        self._stopped = True


def _start_ms(chunk: EncodedChunk) -> float:
    return chunk.start_sample * 1000 / chunk.sample_rate


_MODEL_TIMEOUT = EngineError("The language model took too long.", code="llm_timeout")
