"""The agent's half of a conversation: which voice, which reply is current, what was heard.

Owned and called by the session's actor only. One reply is current at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from secrets import token_hex
from zoneinfo import ZoneInfo

from selam_agent import events
from selam_agent.dialogue.history import History
from selam_agent.events_signals import Trigger
from selam_agent.ports import ChatRequest, Message
from selam_agent.session.answer import Answer, Filler
from selam_agent.session.config import Engines, SessionConfig
from selam_agent.session.pending import PendingTurn
from selam_agent.session.phrases import Phrases
from selam_agent.session.reply import Audible, Over, Reply
from selam_agent.session.room import Room
from selam_agent.session.speaker import Speaker
from selam_agent.session.tasks import Tasks
from selam_agent.session.tools import Toolbox
from selam_agent.session.voices import Voices
from selam_agent.session.writers import Writers
from selam_agent.settings import Turns

# Around the playhead: the client plays what it has, and the echo comes late.
_AHEAD_CHARACTERS, _SAID_CHARACTERS = 40, 400


class Replies:
    """Makes replies, lets one out at a time, and remembers the conversation."""

    def __init__(
        self,
        *,
        session_id: str,
        config: SessionConfig,
        engines: Engines,
        timings: Turns,
        writers: Writers,
        voices: Voices,
        toolbox: Toolbox,
        phrases: Phrases,
        room: Room,
        emit: Callable[[events.Event], None],
        report: Callable[[Audible | Over], None],
        now: Callable[[ZoneInfo], datetime],
        tasks: Tasks,
    ) -> None:
        self._session_id = session_id
        self._config = config
        self._engines = engines
        self._timings = timings
        self._toolbox = toolbox
        self._phrases = phrases
        self._room = room
        self._emit = emit
        self._report = report
        self._now = now
        self._tasks = tasks
        self._writers = writers
        # Why nothing may be sent at the moment.
        self._pauses: set[str] = set()
        # Why the session ends when a certain reply has been heard.
        self._last_words: tuple[Reply, str] | None = None
        self.voices = voices
        self.history = History()
        self.current: tuple[Reply, PendingTurn | None] | None = None
        # A reply that nothing the caller says may stop.
        self._protected: Reply | None = None

    # ------------------------------------------------------------ known

    @property
    def speaking(self) -> bool:
        """Whether a reply is audible."""
        return self.current is not None and self.current[0].audible

    @property
    def thinking(self) -> bool:
        """Whether a reply is made, or goes on being made, that has nothing to say at the moment."""
        return self.current is not None and self.current[0].thinking

    @property
    def greeting(self) -> bool:
        """Whether the agent greets the caller."""
        return self.current is not None and self.current[0].trigger == "greeting"

    @property
    def protected(self) -> bool:
        """Whether the current reply is one that the caller cannot interrupt."""
        return self.current is not None and self.current[0] is self._protected

    def being_said(self) -> str:
        """What the loudspeaker may be saying, with a word or two on either side of the playhead."""
        if self.current is None:
            return ""
        reply = self.current[0]
        end = len(reply.heard()) + _AHEAD_CHARACTERS
        return reply.text[max(0, end - _SAID_CHARACTERS) : end]

    # ------------------------------------------------------------ making

    def ask(
        self,
        text: str | None,
        number: int,
        speaker: Speaker,
        *,
        heard: str | None = None,
        trigger: Trigger = "user_speech",
        steering: str = "",
    ) -> Reply:
        """An answer to the caller's words, which are in ``heard``, at work behind its closed gate.

        ``text`` None: the agent speaks of its own accord. ``steering``: instructions for this reply only.
        """
        reply_id = self._next_id()
        pack = speaker.pack
        filler_ms = self._config.filler_ms if self._config.filler_ms is not None else self._timings.filler_ms
        answer = Answer(
            model=self._writers.writer(self._config, heard, speaker),
            request=self.request(text, speaker, steering),
            toolbox=self._toolbox,
            turn_id=number,
            reply_id=reply_id,
            goodbye=pack.says["goodbye"],
            filler=Filler(pack.says["filler"], filler_ms / 1000) if filler_ms else None,
            tool_filler=Filler(pack.says["filler"], self._timings.tool_filler_ms / 1000),
            filled_tools=self._config.filled_tools,
        )
        return self._make(answer, number, speaker, reply_id, trigger)

    def say(
        self,
        text: str,
        turn: PendingTurn | None = None,
        *,
        protected: bool = False,
        last: str = "",
        trigger: Trigger = "server",
    ) -> None:
        """Speaks a fixed text as the current reply; ``last``: why the session ends when it was heard."""
        number = turn.turn if turn is not None else 0
        reply = self._make(text, number, self.speaker, self._next_id(), trigger)
        if protected:
            self._protected = reply
        if last:
            self._last_words = (reply, last)
        self.let_go(reply, turn)

    def request(self, text: str | None, speaker: Speaker, steering: str = "") -> ChatRequest:
        """The conversation so far, with the caller's new words."""
        messages = self.history.messages
        if text is not None:
            messages = (*messages, Message(role="user", content=text))
        if steering:
            messages = (*messages, Message(role="system", content=steering))
        now = self._now(ZoneInfo(speaker.pack.timezone))
        model = speaker.model or self._engines.chat_model
        return ChatRequest(
            messages=messages,
            language=speaker.pack.code,
            now=now,
            preamble=self._writers.preamble(speaker.pack, now),
            instructions=self._config.instructions,
            tools=self._toolbox.tools if model.info.calls_tools else (),
            session_id=self._session_id,
            voice=speaker.model_voice,
            locale=speaker.pack.locale,
        )

    def suggestions(self) -> tuple[str, ...]:
        """What the caller could say now, or to the reply that is being spoken."""
        if self._config.translation == "interpreter":
            return ()
        model = self.speaker.model or self._engines.chat_model
        turn = None if self.current is None else self.current[1]
        answered = turn.transcript if turn is not None and turn.understood else None
        return model.suggestions(self.request(answered.text if answered is not None else None, self.speaker))

    # ------------------------------------------------------------ running

    def let_go(self, reply: Reply, turn: PendingTurn | None) -> None:
        """This is the answer: its gate opens."""
        self.current = (reply, turn)
        if self._pauses:
            reply.pause()
        reply.open()

    def audible(self, message: Audible) -> None:
        """The first sample left."""
        if self.current is None or self.current[0] is not message.reply:
            return
        reply, turn = self.current
        if turn is not None:
            self._emit(turn.metrics(reply, message.at))

    def over(self, message: Over) -> tuple[bool, str]:
        """A reply has ended by itself.

        Returns whether it was the current one, and why the session is to end now, or nothing.
        """
        if self.current is None or self.current[0] is not message.reply:
            return False, ""
        reply = message.reply
        last = ""
        if self._last_words is not None and self._last_words[0] is reply:
            last = self._last_words[1]
        if not reply.interrupted and reply.answer is not None and reply.answer.ends_call:
            last = "agent"
        self.settle()
        return True, last

    def stop(self) -> None:
        """Ends the current reply, if there is one."""
        if self.current is not None:
            self.current[0].stop()
            self.settle()

    def settle(self) -> None:
        """The current reply is over: the conversation is what was said and what was heard."""
        assert self.current is not None
        reply, turn = self.current
        self.current = None
        if turn is not None and turn.understood:
            assert turn.transcript is not None
            self.history.caller_said(turn.transcript.text)
        if reply.answer is not None:
            reply.answer.close()
            self.history.add(reply.answer.record(reply.heard_text, interrupted=reply.interrupted))
        else:
            self.history.agent_was_heard(reply.heard_text, interrupted=reply.interrupted)

    def hold(self) -> None:
        """Stops sending for the moment."""
        if self.current is not None:
            self.current[0].pause()

    def release(self, *, repeat: bool) -> None:
        """Goes on with what was held, unless there is another reason to wait."""
        if self.current is not None and not self._pauses:
            self.current[0].resume(repeat=repeat)

    def pause(self, reason: str) -> None:
        """Nothing is sent until ``resume`` for the same reason."""
        self._pauses.add(reason)
        self.hold()

    def resume(self, reason: str) -> None:
        self._pauses.discard(reason)
        self.release(repeat=False)

    def lose(self, since: float) -> None:
        """The client is gone and was last there at ``since`` (loop time, s)."""
        self._pauses.add("away")
        if self.current is not None:
            self.current[0].lose(since)

    def reached(self, at: float) -> None:
        """The client was certainly there at this time (loop time, s)."""
        if self.current is not None:
            self.current[0].reached(at)

    def played(self, reply_id: str, played_ms: float) -> None:
        """The client says how much of a reply it has played; of another than the current it is late."""
        if self.current is not None and self.current[0].reply_id == reply_id:
            self.current[0].played(played_ms)

    # ------------------------------------------------------------ voices and wishes

    @property
    def speaker(self) -> Speaker:
        """The voice that speaks now."""
        return self.voices.speaker

    def configure(self, config: SessionConfig, speaker: Speaker) -> None:
        """New wishes of the client, for the replies from now on."""
        self._config = config
        self.voices.configure(config, speaker)

    # ------------------------------------------------------------ inside

    def _next_id(self) -> str:
        return f"resp_{token_hex(16)}"

    def _make(
        self, items: Answer | str, number: int, speaker: Speaker, reply_id: str, trigger: Trigger
    ) -> Reply:
        reply = Reply(
            reply_id=reply_id,
            turn_id=number,
            trigger=trigger,
            items=items,
            speaker=speaker,
            config=self._config,
            timings=self._timings,
            phrases=self._phrases,
            room=self._room,
            tasks=self._tasks,
            emit=self._emit,
            report=self._report,
            on_fallback=self.voices.fell_back,
            voice_of=self.voices.of,
        )
        reply.begin()
        return reply
