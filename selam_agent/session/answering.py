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
from selam_agent.dialogue.completeness import Ending, judge
from selam_agent.dialogue.decisions import Commit, Listen, Speculate
from selam_agent.dialogue.equivalence import equivalent
from selam_agent.dialogue.history import History
from selam_agent.dialogue.interruption import Verdict, asks
from selam_agent.dialogue.interruption import judge as judge_interruption
from selam_agent.errors import SelamError, SessionError
from selam_agent.languages.packs import Packs
from selam_agent.ports import (
    ChatItem,
    ChatRequest,
    Message,
    Pcm16,
    Priority,
    Transcript,
)
from selam_agent.session.config import Engines, SessionConfig
from selam_agent.session.messages import Overheard, Transcribed
from selam_agent.session.pending import PendingTurn
from selam_agent.session.recognition import Recognition
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
        post: Callable[[Transcribed | Overheard | Audible | Over], None],
        now: Callable[[ZoneInfo], datetime],
        on_words: Callable[[int, int, Ending], None],
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
        self._on_words = on_words
        self._clock = asyncio.get_running_loop().time
        self._history = History()
        self._waiting: deque[PendingTurn] = deque()
        # The turn that may be over, or that was and goes on.
        self._guess: PendingTurn | None = None
        self._current: tuple[Reply, PendingTurn | None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._recognition = Recognition(
            transcriber=engines.transcriber,
            language=config.language,
            deadline_s=timings.stt_deadline_s,
            post=post,
            own=self._own,
        )
        self._reply_numbers = count(1)
        self._misunderstood = 0
        self._paused = False

    # ------------------------------------------------------------ turns

    def guess(self, pause: Speculate, audio: Pcm16) -> None:
        """The caller pauses: transcribe what was said and prepare an answer that nobody hears yet."""
        turn = PendingTurn(pause.turn, pause.revision)
        self._inherit(turn)
        self._guess = turn
        turn.task = self._recognition.transcribe(turn.turn, turn.revision, audio, Priority.SPECULATIVE)

    def commit(self, commit: Commit, audio: Pcm16) -> None:
        """A turn is over; ``audio`` is int16 [n] at 16 kHz."""
        turn = self._guess
        if turn is None or (turn.turn, turn.revision) != (commit.turn, commit.revision):
            turn = PendingTurn(commit.turn, commit.revision)
            self._inherit(turn)
            turn.task = self._recognition.transcribe(turn.turn, turn.revision, audio, Priority.FINAL)
        self._guess = None
        turn.commit, turn.committed_at = commit, self._clock()
        if len(self._waiting) >= _MAX_WAITING:
            self._emit_error(
                SessionError("Too many turns wait for an answer; this one is dropped.", code="too_many_turns")
            )
            self._discard(turn)
            return
        self._waiting.append(turn)
        self.advance()

    def reopen(self, number: int) -> None:
        """The turn goes on. A prepared answer is kept in case the words come out the same."""
        for turn in list(self._waiting):
            if turn.turn == number:
                self._waiting.remove(turn)
                self._guess = turn
        if self._guess is not None and self._guess.task is not None:
            self._guess.task.cancel()
        if self._current is not None:
            reply, current = self._current
            if current is not None and current.turn == number and not reply.audible:
                self._current = None
                reply.stop(silently=True)
        self.advance()

    def transcribed(self, message: Transcribed) -> None:
        """The recogniser has answered; answers for stale revisions are dropped."""
        for turn in (*self._waiting, *((self._guess,) if self._guess else ())):
            if (turn.turn, turn.revision) == (message.turn, message.revision):
                turn.transcript, turn.error = message.transcript, message.error
                turn.transcribed_at = self._clock()
                if turn.commit is None:
                    self._prepare(turn)
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
        if turn is not None:
            self._emit(turn.metrics(reply.marks, reply.reply_id, message.at))

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

    def hold(self) -> None:
        """Stops sending for the moment."""
        if self._current is not None:
            self._current[0].pause()

    def release(self, *, repeat: bool) -> None:
        """Goes on with what was held, unless the client has paused the session."""
        if self._current is not None and not self._paused:
            self._current[0].resume(repeat=repeat)

    def overhear(self, asked: Listen, audio: Pcm16) -> None:
        """What is being said over the agent? The answer comes as ``Overheard``, within a second."""
        self._recognition.overhear(asked, audio)

    def verdict(self, message: Overheard) -> Verdict:
        """What those words mean for the reply that is being spoken."""
        if message.text is None or self._current is None:
            return Verdict.NOTHING
        reply = self._current[0]
        pack = self._speaker.pack
        return judge_interruption(
            message.text,
            pack,
            speech_ms=message.asked.voiced_ms,
            agent_asked=asks(reply.heard(), pack),
            finished=message.asked.finished,
        )

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
        if self._guess is not None:
            self._discard(self._guess)
            self._guess = None
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, hanging = await asyncio.wait(self._tasks, timeout=self._timings.cancel_budget_s)
            for task in hanging:
                log.error("session %s: %s ignores cancellation; abandoned", self._session_id, task.get_name())

    # ------------------------------------------------------------ inside

    def _inherit(self, turn: PendingTurn) -> None:
        """A new revision takes over the answer that was prepared for the one before."""
        old, self._guess = self._guess, None
        if old is None:
            return
        if old.turn == turn.turn:
            turn.reply, turn.reply_text, turn.wasted_ms = old.reply, old.reply_text, old.wasted_ms
            old.reply = None
        self._discard(old)

    def _discard(self, turn: PendingTurn) -> None:
        if turn.task is not None:
            turn.task.cancel()
        turn.drop_reply(self._clock())

    def _prepare(self, turn: PendingTurn) -> None:
        """The words of a pause are known: prepare an answer, and say how complete they sound."""
        if not turn.understood:
            return
        assert turn.transcript is not None
        text = turn.transcript.text
        language = self._language_of(turn.transcript)
        self._emit_transcription(turn, language, is_final=False)
        if self._current is None and not self._waiting:
            self._use_or_drop(turn, text, language)
            if turn.reply is None:
                speaker = self._speaker_for(language)
                turn.reply = self._make(self._ask(text, speaker), turn.turn, speaker)
                turn.reply_text = text
        self._on_words(turn.turn, turn.revision, judge(text, self._packs[language]))

    def _use_or_drop(self, turn: PendingTurn, text: str, language: str) -> None:
        """A prepared answer is kept if it answers the same words, and has not failed meanwhile."""
        if turn.reply is None:
            return
        if turn.reply.over or not equivalent(turn.reply_text, text, language):
            turn.drop_reply(self._clock())

    def _answer(self, turn: PendingTurn) -> None:
        if turn.error is not None:
            turn.drop_reply(self._clock())
            self._emit_error(turn.error)
            if not turn.muted:
                self._begin(self._speaker.pack.says["failed"], turn)
            return
        if turn.rejected is not None:
            turn.drop_reply(self._clock())
            self._not_understood(turn, turn.rejected)
            return
        assert turn.transcript is not None
        self._misunderstood = 0
        text = turn.transcript.text
        language = self._language_of(turn.transcript)
        self._emit_transcription(turn, language, is_final=True)
        self._use_or_drop(turn, text, language)
        self._follow(language)
        if turn.muted:
            turn.drop_reply(self._clock())
            self._history.caller_said(text)
        elif turn.reply is not None:
            self._let_go(turn.reply, turn)
        else:
            self._begin(self._ask(text, self._speaker), turn)

    def _language_of(self, transcript: Transcript) -> str:
        language = self._config.language or transcript.language
        return language if language is not None and language in self._packs else self._speaker.pack.code

    def _emit_transcription(self, turn: PendingTurn, language: str, *, is_final: bool) -> None:
        assert turn.transcript is not None
        self._emit(
            events.Transcription(
                text=turn.transcript.text,
                is_final=is_final,
                language=turn.transcript.language or language,
                turn_id=turn.turn,
                revision=turn.revision,
            )
        )

    def _not_understood(self, turn: PendingTurn, reason: str) -> None:
        assert turn.commit is not None
        noise = reason in _WITHOUT_WORDS and turn.commit.voiced_ms < _NOISE_MS
        self._emit(
            events.Notice(
                code="not_understood",
                message="A sound without words was ignored." if noise else "The caller was not understood.",
                details={"reason": reason, "turn_id": turn.turn},
            )
        )
        if noise or turn.muted:
            return
        self._misunderstood += 1
        says = self._speaker.pack.says
        phrases = self._engines.chat_model.suggestions(self._request(None, self._speaker))
        if self._misunderstood < 2 or not phrases:
            self._begin(says["say_again"], turn)
            return
        separator = "፣ " if self._speaker.pack.script == "Ethiopic" else ", "
        examples = separator.join(phrase.rstrip(".።?!") for phrase in phrases)
        self._begin(says["can_say"].format(examples=examples), turn)

    def _speaker_for(self, language: str) -> Speaker:
        """A voice of this language. Raises SessionError when its engine is missing."""
        if language == self._speaker.pack.code:
            return self._speaker
        voice = self._packs.default_voice(language).name
        return choose(self._packs, self._engines.synthesizers, voice)

    def _follow(self, language: str) -> None:
        """Without a fixed language the agent answers in the caller's, with a voice of it."""
        old, self._speaker = self._speaker, self._speaker_for(language)
        if self._speaker is not old:
            self._emit(
                events.VoiceChanged(
                    old_voice=old.voice.name,
                    new_voice=self._speaker.voice.name,
                    language=language,
                    reason="caller_language",
                )
            )

    def _ask(self, text: str, speaker: Speaker) -> AsyncIterator[ChatItem]:
        return self._engines.chat_model.reply(self._request(text, speaker))

    def _request(self, text: str | None, speaker: Speaker) -> ChatRequest:
        messages = self._history.messages
        if text is not None:
            messages = (*messages, Message(role="user", content=text))
        return ChatRequest(
            messages=messages,
            language=speaker.pack.code,
            now=self._now(ZoneInfo(speaker.pack.timezone)),
            instructions=self._config.instructions,
            session_id=self._session_id,
        )

    def _make(self, items: AsyncIterator[ChatItem] | str, number: int, speaker: Speaker) -> Reply:
        """A reply at work behind its closed gate."""
        reply = Reply(
            reply_id=f"{self._session_id}-{next(self._reply_numbers)}",
            turn_id=number,
            items=items,
            speaker=speaker,
            config=self._config,
            timings=self._timings,
            emit=self._emit,
            report=self._post,
        )
        self._own(reply.run(), f"reply {reply.reply_id}")
        return reply

    def _begin(self, items: AsyncIterator[ChatItem] | str, turn: PendingTurn | None) -> None:
        number = turn.turn if turn is not None else 0
        self._let_go(self._make(items, number, self._speaker), turn)

    def _let_go(self, reply: Reply, turn: PendingTurn | None) -> None:
        """This is the answer: its gate opens."""
        self._current = (reply, turn)
        if self._paused:
            reply.pause()
        reply.open()

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
