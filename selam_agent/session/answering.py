"""From turns to answers: transcribe, prepare, answer in order.

Owned and called by the session's actor only. Turns are answered in order, one reply at a time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Literal

from selam_agent import events
from selam_agent.dialogue.completeness import Ending, hurried, judge
from selam_agent.dialogue.decisions import Commit, Speculate
from selam_agent.dialogue.equivalence import equivalent
from selam_agent.dialogue.interruption import Verdict, asks
from selam_agent.dialogue.interruption import judge as judge_interruption
from selam_agent.errors import SelamError, SessionError
from selam_agent.events_signals import Trigger
from selam_agent.languages.packs import Packs
from selam_agent.ports import Pcm16, Priority, Transcript
from selam_agent.session.config import SessionConfig
from selam_agent.session.messages import Interim, Transcribed
from selam_agent.session.misunderstood import Misunderstood
from selam_agent.session.pending import PendingTurn
from selam_agent.session.recognition import Recognition
from selam_agent.session.replies import Replies
from selam_agent.session.speaker import Speaker
from selam_agent.session.tongues import Tongues

# Turns that wait for their answer; only audio sent faster than real time makes more than two.
_MAX_WAITING = 16


class Answering:
    """The turns of a session on their way to an answer. Times are loop seconds unless named otherwise."""

    def __init__(
        self,
        *,
        config: SessionConfig,
        packs: Packs,
        replies: Replies,
        recognition: Recognition,
        emit: Callable[[events.Event], None],
        on_words: Callable[[int, int, Ending], None],
    ) -> None:
        self._packs = packs
        self._replies = replies
        self._tongues = Tongues(config, packs, lambda: replies.speaker.pack.code)
        self._recognition = recognition
        recognition.language = self._tongues.expected
        self._emit = emit
        self._on_words = on_words
        self._clock = asyncio.get_running_loop().time
        self._waiting: deque[PendingTurn] = deque()
        # The turn that may be over, or that was and goes on.
        self._guess: PendingTurn | None = None
        self._misunderstood = Misunderstood(replies, emit)

    @property
    def idle(self) -> bool:
        """Whether nothing is asked, being answered or being said."""
        return not self._waiting and self._guess is None and self._replies.current is None

    @property
    def pending(self) -> bool:
        """Whether a turn waits for its answer, or is about to."""
        return bool(self._waiting) or self._guess is not None

    def configure(self, config: SessionConfig) -> None:
        """New wishes of the client; an answer prepared under the old ones is out of date."""
        self._tongues.configure(config)
        self._recognition.language = self._tongues.expected
        self._recognition.hints = config.hints
        if self._guess is not None:
            self._guess.drop_reply(self._clock())

    # ------------------------------------------------------------ turns

    def guess(self, pause: Speculate, audio: Pcm16) -> None:
        """The caller pauses: transcribe what was said and prepare an answer that nobody hears yet."""
        turn = PendingTurn(pause.turn, pause.revision, spoken_ms=pause.spoken_ms)
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
        self._enqueue(turn)

    def _enqueue(self, turn: PendingTurn) -> None:
        if len(self._waiting) >= _MAX_WAITING:
            self._emit_error(
                SessionError(
                    "Too many turns wait for an answer; this one is dropped.",
                    code="too_many_turns",
                    retryable=True,
                )
            )
            self._discard(turn)
            return
        self._waiting.append(turn)
        self.advance()

    def typed(self, text: str, number: int) -> None:
        """The caller has written instead of spoken: a turn without audio, answered like the others."""
        now = self._clock()
        turn = PendingTurn(number, 0, source="text", transcript=Transcript(text=text))
        turn.commit = Commit(
            turn=number,
            revision=0,
            start_ms=0,
            end_ms=0,
            speech_end_ms=0,
            speech_end_arrived_ms=now * 1000,
            voiced_ms=0,
            reason="text",
        )
        turn.committed_at = turn.transcribed_at = now
        if self._guess is not None:
            # Prepared for a conversation without these words.
            self._guess.drop_reply(now)
        self._enqueue(turn)

    def note(self, role: Literal["user", "system"], text: str) -> None:
        """Something for the model to know; an answer prepared without it is out of date."""
        self._replies.history.note(role, text)
        if self._guess is not None:
            self._guess.drop_reply(self._clock())

    def create(self, instructions: str) -> None:
        """The agent is to speak. Who asks for no more than the answer being prepared gets that one."""
        awaited = self._replies.thinking or bool(self._waiting)
        if instructions or not awaited:
            self._enqueue(PendingTurn(0, 0, created=instructions))

    def reopen(self, number: int) -> None:
        """The turn goes on. A prepared answer is kept in case the words come out the same."""
        for turn in list(self._waiting):
            if turn.turn == number:
                self._waiting.remove(turn)
                self._guess = turn
        if self._guess is not None and self._guess.task is not None:
            self._guess.task.cancel()
        if self._replies.current is not None:
            reply, current = self._replies.current
            if current is not None and current.turn == number and not reply.audible:
                self._replies.current = None
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
        while self._replies.current is None and self._waiting and self._waiting[0].ready:
            self._answer(self._waiting.popleft())

    def interrupt(self, *, prepared: bool) -> None:
        """Stops the reply that is being spoken or, with ``prepared``, any that is being made."""
        if prepared or self._replies.speaking:
            self._replies.stop()
        if prepared:
            for turn in self._waiting:
                turn.muted = True
        self.advance()

    def interim(self, message: Interim) -> None:
        """What was said so far of a turn that goes on."""
        if message.text:
            self._emit(
                events.Transcription(
                    text=message.text,
                    is_final=False,
                    language=message.language or self._replies.speaker.pack.code,
                    turn_id=message.turn,
                    revision=message.revision,
                )
            )

    def close(self) -> None:
        """Stops everything; the tasks are the session's to cancel."""
        if self._replies.current is not None:
            self._replies.current[0].stop()
            self._replies.current = None
        self._waiting.clear()
        if self._guess is not None:
            self._discard(self._guess)
            self._guess = None
        # The listening that it belongs to knows this. A session that is a circle of references, with its half
        # a megabyte, would be kept until the garbage collector looks at what is old, which it seldom does.
        del self._on_words

    # ------------------------------------------------------------ inside

    def _inherit(self, turn: PendingTurn) -> None:
        """A new revision takes over the answer that was prepared for the one before."""
        old, self._guess = self._guess, None
        if old is None:
            return
        if old.turn == turn.turn:
            turn.reply, turn.reply_text = old.reply, old.reply_text
            turn.dropped, turn.wasted_ms = old.dropped, old.wasted_ms
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
        heard = self._tongues.heard(turn.transcript)
        self._emit_transcription(turn, heard, is_final=False)
        if self._replies.current is None and not self._waiting:
            speaker = self._replies.voices.to_answer_in(self._tongues.answer(turn.transcript))
            self._use_or_drop(turn, text, heard, speaker)
            if turn.reply is None:
                turn.reply = self._replies.ask(text, turn.turn, speaker, heard=heard)
                turn.reply_text = text
        ending = judge(text, self._packs[heard])
        completes = not self._recognition.info.open_vocabulary
        if ending is Ending.COMPLETE and completes and hurried(text, self._packs[heard], turn.spoken_ms):
            ending = Ending.UNKNOWN
        self._on_words(turn.turn, turn.revision, ending)

    def _use_or_drop(self, turn: PendingTurn, text: str, language: str, speaker: Speaker) -> None:
        """A prepared answer is kept if it answers these words in this language, and has not failed."""
        if turn.reply is None:
            return
        same = turn.reply.language == speaker.pack.code and equivalent(turn.reply_text, text, language)
        if turn.reply.over or not same:
            turn.drop_reply(self._clock())

    def _answer(self, turn: PendingTurn) -> None:
        if turn.created is not None:
            if not turn.muted:
                speaker = self._replies.speaker
                reply = self._replies.ask(None, 0, speaker, trigger="reply_create", steering=turn.created)
                self._replies.let_go(reply, None)
            return
        if turn.error is not None:
            turn.drop_reply(self._clock())
            self._emit_error(turn.error)
            if not turn.muted:
                self._replies.say(self._replies.speaker.pack.says["failed"], turn)
            return
        if turn.rejected is not None:
            turn.drop_reply(self._clock())
            self._misunderstood.answer(turn, turn.rejected)
            return
        assert turn.transcript is not None
        self._misunderstood.forget()
        text = turn.transcript.text
        heard = self._tongues.heard(turn.transcript)
        if self._is_backchannel(turn, text, heard):
            turn.drop_reply(self._clock())
            return
        self._emit_transcription(turn, heard, is_final=True)
        reason = "interpreter" if self._tongues.interpreting else "caller_language"
        self._replies.voices.follow(self._tongues.settle(turn.transcript), reason)
        self._use_or_drop(turn, text, heard, self._replies.speaker)
        if turn.muted:
            turn.drop_reply(self._clock())
            self._replies.history.caller_said(text)
        else:
            trigger: Trigger = "text" if turn.source == "text" else "user_speech"
            reply = turn.reply or self._replies.ask(
                text, turn.turn, self._replies.speaker, heard=heard, trigger=trigger
            )
            self._replies.let_go(reply, turn)

    def _is_backchannel(self, turn: PendingTurn, text: str, language: str) -> bool:
        """Whether this is a sign of listening that outlasted the reply: nothing to answer."""
        if turn.commit is None or not turn.commit.over_agent:
            return False
        pack = self._packs[language]
        said = [each.content for each in self._replies.history.messages if each.role == "assistant"]
        asked = bool(said) and asks(said[-1], pack)
        verdict = judge_interruption(text, pack, speech_ms=turn.commit.voiced_ms, agent_asked=asked)
        return verdict is Verdict.BACKCHANNEL

    def _emit_transcription(self, turn: PendingTurn, language: str, *, is_final: bool) -> None:
        assert turn.transcript is not None
        self._emit(
            events.Transcription(
                text=turn.transcript.text,
                is_final=is_final,
                language=turn.transcript.language or language,
                turn_id=turn.turn,
                revision=turn.revision,
                source=turn.source,
            )
        )

    def _emit_error(self, error: SelamError) -> None:
        self._emit(events.ErrorEvent.of(error))
