"""The actor that runs one conversation.

Sockets and engines post messages to the inbox; only the actor's task changes the session. Audio is
worked through as fast as it arrives; one timer wakes the actor for what happens without audio. A
session outlives a connection that breaks: it pauses, and the next one may take it up again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from secrets import token_urlsafe
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from selam_agent import events
from selam_agent.dialogue.completeness import Ending
from selam_agent.errors import AudioError, SessionError, ValidationError
from selam_agent.languages.packs import Packs
from selam_agent.ports import Outlet
from selam_agent.session import messages
from selam_agent.session.answering import Answering
from selam_agent.session.config import Engines, SessionConfig, describe_engines
from selam_agent.session.ears import SAMPLE_RATE
from selam_agent.session.line import Line
from selam_agent.session.listening import Listening
from selam_agent.session.messages import Control, End, Heard, Tick
from selam_agent.session.phrases import Phrases
from selam_agent.session.recognition import Recognition
from selam_agent.session.replies import Replies
from selam_agent.session.reply import Audible, Over
from selam_agent.session.speaker import Speaker, check_language, check_voice, choose
from selam_agent.session.tasks import Tasks
from selam_agent.session.tools import Toolbox, result_text
from selam_agent.settings import Settings

log = logging.getLogger(__name__)

CONTROLS = ("interrupt", "start_listening", "stop_listening", "pause", "resume")

# What has arrived and is not worked through yet. 8 MiB is 30 s of the fattest audio there is.
_MAX_INBOX = 4096
_MAX_INBOX_BYTES = 8 << 20
# Longer than it takes to notice that a client is gone: two pings.
_UNNOTICED_S = 25.0

_Message: TypeAlias = (
    Heard
    | Control
    | End
    | Tick
    | Audible
    | Over
    | messages.Transcribed
    | messages.Overheard
    | messages.Interim
    | messages.Typed
    | messages.Update
    | messages.ToolResult
    | messages.Played
    | messages.Away
    | messages.Back
)


class Session:
    """One conversation. Made by the registry; all methods are for the event loop's thread."""

    def __init__(
        self,
        *,
        session_id: str,
        owner: str,
        config: SessionConfig,
        speaker: Speaker,
        outlet: Outlet,
        engines: Engines,
        packs: Packs,
        settings: Settings,
        phrases: Phrases,
        now: Callable[[ZoneInfo], datetime],
    ) -> None:
        self.id = session_id
        self.owner = owner
        self.config = config
        # Set by the registry when nothing of the session is left.
        self.ended = asyncio.Event()
        # What the client wishes from the next turn on.
        self._wishes = config
        self._update: messages.Update | None = None
        self._engines = engines
        self._packs = packs
        self._timings = settings.turns
        self._loop = asyncio.get_running_loop()
        self._line = Line(outlet)
        self._outlet = outlet
        self._token = self._new_token()
        self._inbox: deque[_Message] = deque()
        self._inbox_bytes = 0
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks = Tasks(f"session {session_id}", settings.turns.cancel_budget_s)
        emit = self._line.send
        self._toolbox = Toolbox(emit, settings.turns.tool_timeout_s)
        self._toolbox.offer(config.tools, end_call=config.end_call)
        self._recognition = Recognition(
            session_id=session_id,
            transcriber=engines.transcriber,
            language=config.language,
            deadline_s=settings.turns.stt_deadline_s,
            post=self._post,
            own=self._tasks.own,
        )
        self._replies = Replies(
            session_id=session_id,
            config=config,
            engines=engines,
            packs=packs,
            timings=settings.turns,
            speaker=speaker,
            toolbox=self._toolbox,
            phrases=phrases,
            emit=emit,
            report=self._post,
            now=now,
            own=self._tasks.own,
        )
        self._answering = Answering(
            config=config,
            packs=packs,
            replies=self._replies,
            recognition=self._recognition,
            emit=emit,
            on_words=self._on_words,
        )
        self._listening = Listening(
            config=config,
            settings=settings,
            answering=self._answering,
            replies=self._replies,
            recognition=self._recognition,
            emit=emit,
        )
        self._paused_at: float | None = None
        self._away_since: float | None = None
        self._ending: End | None = None
        self._begun = self._loop.time()
        self._last_packet = self._begun

    # ------------------------------------------------------------ the door's side

    def hear(self, data: bytes, *, format: str = "pcm16", sample_rate: int = SAMPLE_RATE) -> None:
        """Takes audio in any size of pieces. Raises AudioError when the inbox is full."""
        if len(self._inbox) >= _MAX_INBOX or self._inbox_bytes + len(data) > _MAX_INBOX_BYTES:
            raise AudioError(
                f"Audio arrives faster than it can be worked through; {len(data)} bytes were refused.",
                code="audio_rate_violation",
                retryable=True,
            )
        self._inbox_bytes += len(data)
        self._post(Heard(data, format, sample_rate, self._loop.time()))

    def control(self, action: str) -> None:
        """Takes a control; ``control_ack`` follows its effect. Raises ValidationError."""
        if action not in CONTROLS:
            raise ValidationError(
                f"Unknown action {action!r}; known are {', '.join(CONTROLS)}.",
                code="unknown_action",
                details={"actions": list(CONTROLS)},
            )
        self._post_bounded(Control(action))

    def text_input(self, text: str) -> None:
        """Takes a turn as text; it interrupts the reply that is being spoken."""
        self._post_bounded(messages.Typed(text))

    def tool_result(self, call_id: str, result: Any, *, is_error: bool = False) -> None:
        """Takes what came of a tool call. Raises ValidationError when no such call waits."""
        self._toolbox.check(call_id)
        self._post_bounded(messages.ToolResult(call_id, result_text(result, is_error=is_error)))

    def playback_position(self, reply_id: str, played_ms: float) -> None:
        """Takes how much of a reply the client has played."""
        self._post_bounded(messages.Played(reply_id, played_ms))

    def update(self, changes: Mapping[str, Any]) -> None:
        """Takes new wishes, effective from the next turn; ``session_updated`` follows.

        Args:
            changes: fields of ``SessionConfig``, checked for type and range.

        Raises:
            ValidationError: unknown voice or language, or they do not fit together.
            SessionError: the voice's engine is missing.
        """
        config = replace(self._wishes, **changes)
        if config.language is not None and "voice" not in changes:
            pack, _ = self._packs.voice(config.voice)
            if pack.code != config.language:
                # A language alone means its usual voice.
                config = replace(config, voice=self._packs.default_voice(config.language).name)
        check_voice(self._packs, config.voice)
        check_language(self._packs, config.voice, config.language)
        speaker = choose(self._packs, self._engines.synthesizers, config.voice)
        told = {name: getattr(config, name) for name in {*changes, "voice", "language"}}
        self._post_bounded(messages.Update(config, speaker, told))
        self._wishes = config

    def end(self, reason: str = "client") -> None:
        """Ends the session; ``session_ended`` is its last event."""
        self._post(End(reason))

    def abandon(self) -> None:
        """The client has left: nothing is sent any more, and the session ends."""
        self._line.close()
        self._post(End("disconnected", silently=True))

    def detach(self, outlet: Outlet) -> None:
        """The connection behind this outlet broke: the session waits for the next one, for a while.

        Harmless when the session has another outlet by now.
        """
        if self._outlet is not outlet:
            return
        if not self._timings.resume_s:
            self.abandon()
            return
        self._line.cut()
        self._post(messages.Away(self._last_sign()))

    def attach(self, outlet: Outlet) -> None:
        """The client is here again; ``session_started`` with a new token follows.

        It may come back before anybody has noticed that it was gone.
        """
        self._token = self._new_token()
        self._outlet = outlet
        if self._line.connected:
            self._line.cut()
            self._post(messages.Away(self._last_sign()))
        self._post(messages.Back(outlet))

    def uses(self, outlet: Outlet) -> bool:
        """Whether the session is this outlet's: it is not, once it was taken up at another."""
        return self._outlet is outlet

    @property
    def away(self) -> bool:
        """Whether the session waits for its client to come back."""
        return not self._line.connected

    @property
    def ending(self) -> bool:
        """Whether the session is ending, or about to."""
        return self._ending is not None or any(isinstance(each, End) for each in self._inbox)

    @property
    def resume_token(self) -> str:
        """With it a client may come back once; empty when none may."""
        return self._token

    def replace(self) -> None:
        """Another session takes this one's place: it ends without ``session_ended``."""
        self._post(End("replaced", silently=True))

    # ------------------------------------------------------------ the actor

    async def run(self, after: asyncio.Event | None = None) -> None:
        """Runs the session to its end. ``after``: the end of the session that this one replaces."""
        try:
            if after is not None:
                await asyncio.wait_for(after.wait(), 2 * self._timings.cancel_budget_s)
            self._announce()
            while self._ending is None:
                self._arm()
                if not self._inbox:
                    self._wake.clear()
                    await self._wake.wait()
                message = self._inbox.popleft()
                if isinstance(message, Heard):
                    await self._heard(message)
                else:
                    self._handle(message)
                self._apply_update()
        except Exception:
            log.exception("session %s failed", self.id)
            self._line.send(events.ErrorEvent.of(SessionError("The session failed.", code="internal_error")))
            self._ending = self._ending or End("error")
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._answering.close()
            await self._tasks.aclose()
            if self._ending is not None and not self._ending.silently:
                self._line.send(events.SessionEnded(session_id=self.id, reason=self._ending.reason))
            self._line.close()
            for message in self._inbox:
                if isinstance(message, messages.Back):
                    message.outlet.send(events.ErrorEvent.of(resume_failed()))
            self._inbox.clear()

    def _started(self, *, resumed: bool = False) -> events.SessionStarted:
        return events.SessionStarted(
            session_id=self.id,
            voice=self._replies.speaker.voice.name if resumed else self.config.voice,
            language=self.config.language,
            output_format=self.config.output_format,
            sample_rate=self.config.output_sample_rate,
            engines=describe_engines(self._engines, self._replies.speaker.synthesizer),
            resume_token=self._token or None,
            resumed=resumed,
        )

    def _announce(self) -> None:
        config, model = self.config, self._engines.chat_model.info
        self._line.send(self._started())
        if config.instructions and not model.follows_instructions:
            self._line.send(
                events.Notice(
                    code="instructions_ignored",
                    message=f"The model {model.name} is rule-based and cannot follow instructions; "
                    f"set llm.base_url to a language model.",
                )
            )
        if self._toolbox.tools and not model.calls_tools:
            self._line.send(
                events.Notice(code="tools_ignored", message=f"The model {model.name} cannot call tools.")
            )
        if config.greeting:
            self._replies.say(config.greeting, protected=config.uninterruptible_greeting)

    def _handle(self, message: _Message) -> None:
        if isinstance(message, messages.Transcribed):
            self._answering.transcribed(message)
        elif isinstance(message, messages.Overheard):
            self._listening.overheard(message)
        elif isinstance(message, messages.Interim):
            self._listening.interim(message)
        elif isinstance(message, Audible):
            self._listening.turns.agent_started(message.at * 1000)
            self._replies.audible(message)
        elif isinstance(message, Over):
            self._over(message)
        elif isinstance(message, Control):
            self._control(message.action)
            self._line.send(events.ControlAck(action=message.action))
        elif isinstance(message, messages.Typed):
            self._typed(message.text)
        elif isinstance(message, messages.Update):
            self._update = message
            self._line.send(events.SessionUpdated(session_id=self.id, changes=message.told))
        elif isinstance(message, messages.ToolResult):
            self._toolbox.finish(message.call_id, message.result)
        elif isinstance(message, messages.Played):
            self._replies.played(message.reply_id, message.played_ms)
        elif isinstance(message, messages.Away):
            self._leave(message.since)
        elif isinstance(message, messages.Back):
            self._come_back(message.outlet)
        elif isinstance(message, Tick):
            self._tick()
        elif isinstance(message, End):
            self._ending = message

    # ------------------------------------------------------------ what happens

    async def _heard(self, message: Heard) -> None:
        self._inbox_bytes -= len(message.data)
        self._last_packet = message.arrived
        discard = self._paused_at is not None or self._away_since is not None or self._replies.protected
        await self._listening.hear(message, discard=discard)

    def _on_words(self, turn: int, revision: int, ending: Ending) -> None:
        self._listening.on_words(turn, revision, ending)

    def _over(self, message: Over) -> None:
        was_current, last = self._replies.over(message)
        if was_current:
            self._listening.turns.agent_stopped()
            self._answering.advance()
        if last:
            self._ending = self._ending or End(last)

    def _typed(self, text: str) -> None:
        protected = self._replies.protected
        number = self._listening.typed(stops_agent=not protected)
        if not protected:
            self._answering.interrupt(prepared=False)
        self._answering.typed(text, number)

    def _apply_update(self) -> None:
        """New wishes take effect when no turn is on its way."""
        update = self._update
        if update is None or self._answering.pending or not self._listening.turns.between_turns:
            return
        self._update = None
        old, self.config = self.config, update.config
        same = (old.voice, old.language) == (self.config.voice, self.config.language)
        self._toolbox.offer(self.config.tools, end_call=self.config.end_call)
        self._replies.configure(self.config, self._replies.speaker if same else update.speaker)
        self._answering.configure(self.config)
        self._listening.configure(self.config)

    # ------------------------------------------------------------ going and coming back

    def _last_sign(self) -> float:
        """When the client was certainly there (loop time, s): its last packet, if it sends all the time."""
        now = self._loop.time()
        silent = self._listening.turns.push_to_talk or now - self._last_packet > _UNNOTICED_S
        return now if silent else self._last_packet

    def _leave(self, since: float) -> None:
        # Once more: the next connection may have broken before it was greeted.
        self._line.cut()
        if self._away_since is None:
            self._away_since = self._loop.time()
            self._replies.lose(since)
            self._toolbox.leave()

    def _come_back(self, outlet: Outlet) -> None:
        if self._away_since is None:
            return
        away_s = self._loop.time() - self._away_since
        self._away_since = None
        self._last_packet += away_s
        if self._paused_at is None:
            self._listening.turns.frozen(away_s * 1000)
        self._line.connect(outlet, self._started(resumed=True))
        self._toolbox.come_back()
        self._replies.resume("away")

    def _new_token(self) -> str:
        return token_urlsafe(24) if self._timings.resume_s else ""

    # ------------------------------------------------------------ controls and timers

    def _control(self, action: str) -> None:
        if action == "interrupt":
            self._answering.interrupt(prepared=True)
            self._listening.turns.agent_stopped()
            self._listening.turns.forget_reopenable()
        elif action == "stop_listening":
            self._listening.on = False
            self._listening.act(self._listening.turns.flush())
        elif action == "start_listening":
            self._listening.on = True
        elif action == "pause" and self._paused_at is None:
            self._paused_at = self._loop.time()
            self._replies.pause("client")
        elif action == "resume" and self._paused_at is not None:
            paused_s = self._loop.time() - self._paused_at
            self._paused_at = None
            self._last_packet += paused_s
            self._listening.turns.frozen(paused_s * 1000)
            self._replies.resume("client")

    def _arm(self) -> None:
        """Keeps one timer, never later than the earliest deadline."""
        due = self._begun + self._timings.max_session_s
        if self._away_since is not None:
            due = min(due, self._away_since + self._timings.resume_s)
        elif self._paused_at is None:
            due = min(due, self._last_packet + self._timings.idle_s)
            packets = self._listening.turns.next_deadline
            if packets is not None:
                due = min(due, packets / 1000)
        if self._timer is not None and not self._timer.cancelled() and self._timer.when() <= due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._post(Tick())

    def _tick(self) -> None:
        now = self._loop.time()
        timings = self._timings
        if now >= self._begun + timings.max_session_s:
            self._ending = End("max_duration")
        elif self._away_since is not None:
            if now >= self._away_since + timings.resume_s:
                self._ending = End("disconnected", silently=True)
        elif self._paused_at is None:
            if now >= self._last_packet + timings.idle_s:
                self._ending = End("idle")
            self._listening.act(self._listening.turns.tick(now * 1000))

    # ------------------------------------------------------------ in and out

    def _post(self, message: _Message) -> None:
        self._inbox.append(message)
        self._wake.set()

    def _post_bounded(self, message: _Message) -> None:
        if len(self._inbox) >= 2 * _MAX_INBOX:
            raise SessionError("The session is overloaded.", code="overloaded", retryable=True)
        self._post(message)


def resume_failed() -> SessionError:
    """There is no session that this client may come back to."""
    return SessionError(
        "The session cannot be resumed: the token is unknown, used or too old. Start a new one.",
        code="resume_failed",
    )
