"""One spoken reply: the model writes, a voice speaks, the playout lets the audio go.

Three tasks in one group, joined by bounded queues. Nothing leaves before ``open`` is called; after
``stop`` nothing leaves at all. The reply never changes the session: it reports through ``report``
and emits through ``emit``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from selam_agent import events
from selam_agent.audio.encode import EncodedChunk
from selam_agent.dialogue.playhead import SpokenText
from selam_agent.errors import EngineError, SelamError
from selam_agent.events_signals import ReplyEnded, ReplyStarted, ToolsAwaited, Trigger
from selam_agent.session.answer import Answer
from selam_agent.session.config import SessionConfig
from selam_agent.session.handover import Fallback
from selam_agent.session.phrases import Phrases
from selam_agent.session.playout import Playout, start_ms
from selam_agent.session.room import Room
from selam_agent.session.speaker import Speaker
from selam_agent.session.speaking import Speaking
from selam_agent.session.stages import Marks
from selam_agent.session.tasks import Tasks
from selam_agent.session.writing import Writing
from selam_agent.settings import Turns

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Audible:
    """The first sample of the reply left at ``at`` (loop time, s)."""

    reply: Reply
    at: float


@dataclass(frozen=True, slots=True)
class Over:
    """The reply has been played to its end, or it failed."""

    reply: Reply


class Reply:
    """See the module's docstring. ``items`` is the model's answer, or a fixed text."""

    def __init__(
        self,
        *,
        reply_id: str,
        turn_id: int,
        trigger: Trigger,
        items: Answer | str,
        speaker: Speaker,
        config: SessionConfig,
        timings: Turns,
        phrases: Phrases,
        room: Room,
        tasks: Tasks,
        emit: Callable[[events.Event], None],
        report: Callable[[Audible | Over], None],
        on_fallback: Callable[[Fallback], None],
        voice_of: Callable[[str], Speaker | None],
    ) -> None:
        self.reply_id = reply_id
        self.turn_id = turn_id
        self.trigger = trigger
        # Whether it has nothing to say at the moment: it is thought over, or waits for tools.
        self.thinking = True
        self._tools_ahead = 0
        self._items = items
        self._speaker = speaker
        self._config = config
        self._timings = timings
        self._phrases = phrases
        self._room = room
        self._tasks = tasks
        self._emit = emit
        self._report = report
        self._on_fallback = on_fallback
        self._voice_of = voice_of
        self._clock = asyncio.get_running_loop().time
        self.marks = Marks(begun=self._clock())
        self.spoken = SpokenText()
        self._playout = Playout(config.playback, timings.lead_ms)
        self._writing = Writing(
            items,
            turn_id=turn_id,
            reply_id=reply_id,
            failed=speaker.pack.says["failed"],
            deadline_s=timings.reply_deadline_s,
            marks=self.marks,
            emit=emit,
        )
        self._gate = self._writing.gate
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
            self._emit(ReplyStarted(turn_id=self.turn_id, reply_id=self.reply_id, trigger=self.trigger))
            self._writing.open()

    @property
    def audible(self) -> bool:
        """Whether a sample has left and the last one has not been played yet."""
        return self._playout.sent > 0 and not self._stopped

    @property
    def text(self) -> str:
        """What the model has written so far."""
        return self._writing.text

    @property
    def language(self) -> str:
        """That of its voice."""
        return self._speaker.pack.code

    @property
    def over(self) -> bool:
        """Whether nothing of it will leave any more."""
        return self._stopped

    @property
    def answer(self) -> Answer | None:
        """The model's side of it; None for a fixed text."""
        return self._items if isinstance(self._items, Answer) else None

    def pause(self) -> None:
        """Stops sending; the playhead stands still."""
        self._playout.pause()

    def resume(self, *, repeat: bool = False) -> None:
        """Goes on where it stopped, or from the beginning of the phrase that was cut."""
        phrase = self.spoken.phrase_start(self._playout.heard_ms()) if repeat and self._playout.sent else None
        self._playout.resume(repeat_from=phrase)

    def lose(self, since: float) -> None:
        """The client is gone and was last there at ``since`` (loop time, s); see ``Playout.lose``."""
        self._playout.lose(since)

    def reached(self, at: float) -> None:
        """The client was certainly there at this time (loop time, s): what it had heard by then is not kept.

        Only the phrase that was being spoken may still be said again.
        """
        self._playout.forget_before(self.spoken.phrase_start(self._playout.heard_ms(at * 1000)))

    def played(self, played_ms: float) -> None:
        """The client says how much of the reply it has played."""
        self._playout.played(played_ms)

    def stop(self, *, silently: bool = False) -> None:
        """Ends the reply at once; harmless when it is over. ``silently``: no text that was not sent yet."""
        if not self._stopped:
            if silently:
                self._writing.text = ""
            self._close(interrupted=True, heard=self.heard())
            if self._task is not None:
                self._tasks.cancel(self._task)

    def heard(self) -> str:
        """The text the caller has heard so far."""
        return self.spoken.heard(self._playout.furthest_ms()) if self._playout.sent else ""

    # ------------------------------------------------------------ the work

    def begin(self) -> None:
        """Starts the work; ``stop`` cancels it."""
        self._task = self._tasks.own(self._run(), f"reply {self.reply_id}")

    async def _run(self) -> None:
        try:
            await self._work()
        except asyncio.CancelledError as cancelled:
            # Before Python 3.13 the exception of a cancelled group holds the frame that holds it.
            raise cancelled.with_traceback(None) from None
        finally:
            if not self._stopped:
                heard = self.heard() if self._failed else self.spoken.heard(float("inf"))
                self._close(interrupted=self._failed, heard=heard)
            # Half a megabyte of audio is given back now, and not when the garbage collector comes round.
            self._playout.close()
            self._task = None
            self._report(Over(self))

    async def _work(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._writing.run(self._tools_asked))
                # Before the voice: its first piece leaves while it makes the next.
                group.create_task(self._let_out())
                group.create_task(self._speaking().run())
        except* SelamError as group_error:
            self._fail(group_error.exceptions[0])
        except* Exception as group_error:
            log.exception("reply %s failed", self.reply_id, exc_info=group_error)
            self._fail(EngineError("The reply could not be made.", code="reply_failed"))

    def _speaking(self) -> Speaking:
        return Speaking(
            speaker=self._speaker,
            config=self._config,
            timings=self._timings,
            phrases=self._phrases,
            writing=self._writing,
            playout=self._playout,
            spoken=self.spoken,
            marks=self.marks,
            fixed=isinstance(self._items, str),
            emit=self._emit,
            on_tools=self._tools_reached,
            on_fallback=self._on_fallback,
            voice_of=self._voice_of,
        )

    async def _let_out(self) -> None:
        await self._gate.wait()
        await self._playout.run(self._send)

    # ------------------------------------------------------------ what goes out

    def _send(self, chunk: EncodedChunk, index: int, plays_at: float) -> None:
        self._room.plays(chunk, plays_at)
        if not self._tools_ahead:
            self.thinking = False
        if index == 0:
            self.marks.first_sent = self._clock()
            self._report(Audible(self, self.marks.first_sent))
        duration_ms = chunk.samples * 1000 / chunk.sample_rate
        end_ms = start_ms(chunk) + duration_ms
        self._emit(
            events.AudioChunk(
                audio=chunk.data,
                format=chunk.format,
                sample_rate=chunk.sample_rate,
                index=index,
                start_ms=start_ms(chunk),
                duration_ms=duration_ms,
                text=self.spoken.next_text(end_ms),
                words=self.spoken.next_words(end_ms),
                turn_id=self.turn_id,
                reply_id=self.reply_id,
            )
        )

    def _tools_asked(self) -> None:
        self.thinking = True
        self._tools_ahead += 1

    def _tools_reached(self, at_ms: float) -> None:
        """Everything before the call for tools has been played."""
        self._tools_ahead -= 1
        if not self._stopped:
            spoken = self.spoken.heard(at_ms) if self._playout.sent else ""
            self._emit(ToolsAwaited(reply_id=self.reply_id, spoken_text=spoken, at_ms=at_ms))

    def _fail(self, error: BaseException) -> None:
        self._failed = True
        if isinstance(error, SelamError) and not self._stopped and self._gate.is_set():
            self._emit(events.ErrorEvent.of(error, reply_id=self.reply_id))

    def _close(self, *, interrupted: bool, heard: str) -> None:
        """The last events of the reply; exactly one ``audio_end`` if anything was sent."""
        self.interrupted = interrupted
        self.heard_text = heard if self._playout.sent else ""
        self._playout.close()
        self._writing.close()
        if self._gate.is_set():
            if interrupted and self._playout.sent and self._config.playback == "buffered":
                self._emit(events.Clear(reply_id=self.reply_id))
                self._room.falls_silent(self._clock() * 1000)
            if self._playout.sent or self._writing.told:
                self._emit(
                    events.AudioEnd(
                        total_chunks=self._playout.sent,
                        interrupted=interrupted,
                        spoken_text=self.heard_text,
                        turn_id=self.turn_id,
                        reply_id=self.reply_id,
                    )
                )
            self._emit(
                ReplyEnded(
                    turn_id=self.turn_id,
                    reply_id=self.reply_id,
                    interrupted=interrupted,
                    spoken_text=self.heard_text,
                )
            )
        self._stopped = True
