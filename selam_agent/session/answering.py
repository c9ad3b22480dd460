"""From committed turns to replies: transcribe, ask, speak, remember what was heard.

Owned and called by the session's actor only. Turns are answered in order, one reply at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import datetime
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from selam_agent import events
from selam_agent.dialogue.history import History
from selam_agent.dialogue.turns import Commit
from selam_agent.errors import EngineError, SelamError, SessionError
from selam_agent.languages.packs import Packs
from selam_agent.ports import ChatItem, ChatRequest, Message, Pcm16, Transcript, TranscriptionRequest
from selam_agent.session.config import Engines, SessionConfig
from selam_agent.session.messages import Transcribed
from selam_agent.session.pending import PendingTurn
from selam_agent.session.reply import Audible, Over, Reply
from selam_agent.session.speaker import Speaker, choose
from selam_agent.settings import Turns

log = logging.getLogger(__name__)

# Turns that wait for their answer; only audio sent faster than real time makes more than two.
_MAX_WAITING = 16
# A shorter sound without words is a cough or a knock, not a sentence that was not understood.
_NOISE_MS = 400
_WITHOUT_WORDS = frozenset({"no_speech", "empty"})


class Answering:
    """The answering half of a session. Times are loop seconds unless named otherwise."""

    def __init__(
        self,
        *,
        session_id: str,
        config: SessionConfig,
        engines: Engines,
        packs: Packs,
        timings: Turns,
        speaker: Speaker,
        emit: Callable[[events.Event], None],
        post: Callable[[Transcribed | Audible | Over], None],
        now: Callable[[ZoneInfo], datetime],
    ) -> None:
        self._session_id = session_id
        self._config = config
        self._engines = engines
        self._packs = packs
        self._timings = timings
        self._speaker = speaker
        self._emit = emit
        self._post = post
        self._now = now
        self._clock = asyncio.get_running_loop().time
        self._history = History()
        self._waiting: deque[PendingTurn] = deque()
        self._current: tuple[Reply, PendingTurn | None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._reply_numbers = count(1)
        self._misunderstood = 0
        self._paused = False

    # ------------------------------------------------------------ turns

    def commit(self, commit: Commit, audio: Pcm16) -> None:
        """A turn is over; ``audio`` is int16 [n] at 16 kHz."""
        if len(self._waiting) >= _MAX_WAITING:
            self._emit_error(
                SessionError("Too many turns wait for an answer; this one is dropped.", code="too_many_turns")
            )
            return
        turn = PendingTurn(commit, self._clock())
        self._waiting.append(turn)
        turn.task = self._own(self._transcribe(turn, audio), f"transcribe {commit.turn}.{commit.revision}")

    def reopen(self, number: int) -> None:
        """The turn goes on: what was made for it so far is dropped."""
        for turn in list(self._waiting):
            if turn.commit.turn == number:
                self._waiting.remove(turn)
                if turn.task is not None:
                    turn.task.cancel()
        if self._current is not None:
            reply, current = self._current
            if current is not None and current.commit.turn == number and not reply.audible:
                self._current = None
                reply.stop(silently=True)
        self.advance()

    def transcribed(self, message: Transcribed) -> None:
        """The recogniser has answered; answers for stale revisions are dropped."""
        for turn in self._waiting:
            if (turn.commit.turn, turn.commit.revision) == (message.turn, message.revision):
                turn.transcript, turn.error = message.transcript, message.error
                turn.transcribed_at = self._clock()
                break
        self.advance()

    def advance(self) -> None:
        """Begins the next reply if it is its time."""
        while self._current is None and self._waiting and self._waiting[0].ready:
            self._answer(self._waiting.popleft())

    # ------------------------------------------------------------ replies

    @property
    def speaking(self) -> bool:
        """Whether a reply is audible."""
        return self._current is not None and self._current[0].audible

    def say(self, text: str, turn: PendingTurn | None = None) -> None:
        """Speaks a fixed text, such as the greeting, as the current reply."""
        self._begin(text, turn)

    def audible(self, message: Audible) -> None:
        """The first sample left: from now on the caller's turn is history."""
        if self._current is None or self._current[0] is not message.reply:
            return
        reply, turn = self._current
        if turn is None:
            return
        self._emit(turn.metrics(reply.reply_id, reply.marks, message.at))

    def over(self, message: Over) -> bool:
        """A reply has ended by itself. Returns whether it was the current one."""
        if self._current is None or self._current[0] is not message.reply:
            return False
        self._settle()
        self.advance()
        return True

    def interrupt(self, *, prepared: bool) -> None:
        """Stops the reply that is being spoken or, with ``prepared``, any that is being made."""
        if self._current is not None and (prepared or self._current[0].audible):
            self._current[0].stop()
            self._settle()
        if prepared:
            for turn in self._waiting:
                turn.muted = True
        self.advance()

    def pause(self) -> None:
        self._paused = True
        if self._current is not None:
            self._current[0].pause()

    def resume(self) -> None:
        self._paused = False
        if self._current is not None:
            self._current[0].resume()

    async def aclose(self) -> None:
        """Stops everything, within the cancel budget."""
        if self._current is not None:
            self._current[0].stop()
            self._current = None
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, hanging = await asyncio.wait(self._tasks, timeout=self._timings.cancel_budget_s)
            for task in hanging:
                log.error("session %s: %s ignores cancellation; abandoned", self._session_id, task.get_name())

    # ------------------------------------------------------------ inside

    async def _transcribe(self, turn: PendingTurn, audio: Pcm16) -> None:
        transcript: Transcript | None = None
        error: SelamError | None = None
        deadline = self._timings.stt_deadline_s
        try:
            async with asyncio.timeout(deadline):
                transcript = await self._engines.transcriber.transcribe(
                    TranscriptionRequest(audio=audio, language=self._config.language, deadline=deadline)
                )
        except TimeoutError:
            error = EngineError("The recogniser took too long.", code="stt_timeout")
        except SelamError as raised:
            error = raised
        except Exception:
            log.exception("session %s: the recogniser failed", self._session_id)
            error = EngineError("The recogniser failed.", code="stt_failed")
        self._post(Transcribed(turn.commit.turn, turn.commit.revision, transcript, error))

    def _answer(self, turn: PendingTurn) -> None:
        if turn.error is not None:
            self._emit_error(turn.error)
            if not turn.muted:
                self._begin(self._speaker.pack.says["failed"], turn)
            return
        transcript = turn.transcript
        assert transcript is not None
        if turn.rejected is not None:
            self._not_understood(turn, turn.rejected)
            return
        self._misunderstood = 0
        language = self._config.language or transcript.language or self._speaker.pack.code
        self._emit(
            events.Transcription(
                text=transcript.text,
                is_final=True,
                language=transcript.language or language,
                turn_id=turn.commit.turn,
                revision=turn.commit.revision,
            )
        )
        self._follow(language)
        if turn.muted:
            self._history.caller_said(transcript.text)
            return
        request = self._request(transcript.text)
        self._begin(self._engines.chat_model.reply(request), turn)

    def _not_understood(self, turn: PendingTurn, reason: str) -> None:
        noise = reason in _WITHOUT_WORDS and turn.commit.voiced_ms < _NOISE_MS
        self._emit(
            events.Notice(
                code="not_understood",
                message="A sound without words was ignored." if noise else "The caller was not understood.",
                details={"reason": reason, "turn_id": turn.commit.turn},
            )
        )
        if noise or turn.muted:
            return
        self._misunderstood += 1
        says = self._speaker.pack.says
        phrases = self._engines.chat_model.suggestions(self._request(None))
        if self._misunderstood < 2 or not phrases:
            self._begin(says["say_again"], turn)
            return
        separator = "፣ " if self._speaker.pack.script == "Ethiopic" else ", "
        examples = separator.join(phrase.rstrip(".።?!") for phrase in phrases)
        self._begin(says["can_say"].format(examples=examples), turn)

    def _follow(self, language: str) -> None:
        """Without a fixed language the agent answers in the caller's, with a voice of it."""
        old = self._speaker
        if language == old.pack.code or language not in self._packs:
            return
        try:
            self._speaker = choose(
                self._packs, self._engines.synthesizers, self._packs.default_voice(language).name
            )
        except SessionError as error:
            self._emit(events.Notice(code=error.code, message=error.message, details=error.details or {}))
            return
        self._emit(
            events.VoiceChanged(
                old_voice=old.voice.name,
                new_voice=self._speaker.voice.name,
                language=language,
                reason="caller_language",
            )
        )

    def _request(self, text: str | None) -> ChatRequest:
        messages = self._history.messages
        if text is not None:
            messages = (*messages, Message(role="user", content=text))
        pack = self._speaker.pack
        return ChatRequest(
            messages=messages,
            language=pack.code,
            now=self._now(ZoneInfo(pack.timezone)),
            instructions=self._config.instructions,
            session_id=self._session_id,
        )

    def _begin(self, items: AsyncIterator[ChatItem] | str, turn: PendingTurn | None) -> None:
        reply = Reply(
            reply_id=f"{self._session_id}-{next(self._reply_numbers)}",
            turn_id=turn.commit.turn if turn is not None else 0,
            items=items,
            speaker=self._speaker,
            config=self._config,
            timings=self._timings,
            emit=self._emit,
            report=self._post,
        )
        self._current = (reply, turn)
        if self._paused:
            reply.pause()
        reply.open()
        self._own(reply.run(), f"reply {reply.reply_id}")

    def _settle(self) -> None:
        """The current reply is over: the conversation is what was said and what was heard."""
        assert self._current is not None
        reply, turn = self._current
        self._current = None
        if turn is not None and turn.understood:
            assert turn.transcript is not None
            self._history.caller_said(turn.transcript.text)
        self._history.agent_was_heard(reply.heard_text, interrupted=reply.interrupted)

    def _own(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _emit_error(self, error: SelamError) -> None:
        self._emit(events.ErrorEvent.of(error))
