"""The actor that runs one conversation.

Sockets and engines post messages to the inbox; only the actor's task changes the session. Audio is
worked through as fast as it arrives; one timer wakes the actor for what happens without audio.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

from selam_agent import events
from selam_agent.dialogue import decisions
from selam_agent.dialogue.completeness import Ending
from selam_agent.dialogue.turns import TurnTaker
from selam_agent.errors import AudioError, SelamError, SessionError, ValidationError
from selam_agent.languages.packs import Packs
from selam_agent.ports import Outlet
from selam_agent.session.answering import Answering
from selam_agent.session.config import Engines, SessionConfig, describe_engines
from selam_agent.session.ears import SAMPLE_RATE, Ears
from selam_agent.session.messages import Control, End, Heard, Overheard, Tick, Transcribed
from selam_agent.session.reply import Audible, Over
from selam_agent.session.speaker import Speaker
from selam_agent.settings import Settings, Turns

log = logging.getLogger(__name__)

CONTROLS = ("interrupt", "start_listening", "stop_listening", "pause", "resume")

# What has arrived and is not worked through yet. 8 MiB is 30 s of the fattest audio there is.
_MAX_INBOX = 4096
_MAX_INBOX_BYTES = 8 << 20

_Message: TypeAlias = Heard | Control | End | Transcribed | Overheard | Tick | Audible | Over


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
        now: Callable[[ZoneInfo], datetime],
    ) -> None:
        self.id = session_id
        self.owner = owner
        self.config = config
        # Set by the registry when nothing of the session is left.
        self.ended = asyncio.Event()
        self._speaker = speaker
        self._outlet: Outlet | None = outlet
        self._engines = engines
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[_Message] = deque()
        self._inbox_bytes = 0
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._ears = Ears(settings.audio, config.vad_threshold)
        timings = settings.turns
        self._turns = TurnTaker(_turn_settings(timings, config))
        self._answering = Answering(
            session_id=session_id,
            config=config,
            engines=engines,
            packs=packs,
            timings=timings,
            speaker=speaker,
            emit=self._emit,
            post=self._post,
            now=now,
            on_words=self._on_words,
        )
        self._listening = True
        self._paused_at: float | None = None
        self._ending: End | None = None
        self._begun = self._loop.time()
        self._last_packet = self._begun
        self._warned_quiet = False

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

    def end(self, reason: str = "client") -> None:
        """Ends the session; ``session_ended`` is its last event."""
        self._post(End(reason))

    def abandon(self) -> None:
        """The client is gone: nothing is sent any more, and the session ends."""
        self._outlet = None
        self._post(End("disconnected", silently=True))

    def replace(self) -> None:
        """Another session takes this one's place: it ends without ``session_ended``."""
        self._post(End("replaced", silently=True))

    # ------------------------------------------------------------ the actor

    async def run(self, after: asyncio.Event | None = None) -> None:
        """Runs the session to its end. ``after``: the end of the session that this one replaces."""
        try:
            if after is not None:
                await asyncio.wait_for(after.wait(), 2 * self._settings.turns.cancel_budget_s)
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
        except Exception:
            log.exception("session %s failed", self.id)
            self._emit(events.ErrorEvent.of(SessionError("The session failed.", code="internal_error")))
            self._ending = self._ending or End("error")
        finally:
            if self._timer is not None:
                self._timer.cancel()
            await self._answering.aclose()
            if self._ending is not None and not self._ending.silently:
                self._emit(events.SessionEnded(session_id=self.id, reason=self._ending.reason))
            self._outlet = None
            self._inbox.clear()

    def _announce(self) -> None:
        config = self.config
        self._emit(
            events.SessionStarted(
                session_id=self.id,
                voice=config.voice,
                language=config.language,
                output_format=config.output_format,
                sample_rate=config.output_sample_rate,
                engines=describe_engines(self._engines, self._speaker.synthesizer),
            )
        )
        model = self._engines.chat_model.info
        if config.instructions and not model.follows_instructions:
            self._emit(
                events.Notice(
                    code="instructions_ignored",
                    message=f"The model {model.name} is rule-based and cannot follow instructions; "
                    f"set llm.base_url to a language model.",
                )
            )
        if config.greeting:
            self._answering.say(config.greeting)

    def _handle(self, message: _Message) -> None:
        if isinstance(message, Transcribed):
            self._answering.transcribed(message)
        elif isinstance(message, Overheard):
            for decision in self._turns.verdict(message.asked, self._answering.verdict(message)):
                self._act(decision)
        elif isinstance(message, Audible):
            self._turns.agent_started(message.at * 1000)
            self._answering.audible(message)
        elif isinstance(message, Over):
            if self._answering.over(message):
                self._turns.agent_stopped()
        elif isinstance(message, Control):
            self._control(message.action)
            self._emit(events.ControlAck(action=message.action))
        elif isinstance(message, Tick):
            self._tick()
        elif isinstance(message, End):
            self._ending = message

    # ------------------------------------------------------------ hearing

    async def _heard(self, message: Heard) -> None:
        self._inbox_bytes -= len(message.data)
        self._last_packet = message.arrived
        try:
            # A recorder's stream is decoded even when nobody listens: its state must go on.
            pcm = self._ears.decode(message.data, message.format, message.sample_rate)
            if not self._listening or self._paused_at is not None or not len(pcm):
                return
            self._ears.admit(pcm, message.arrived)
        except SelamError as error:
            self._emit(events.ErrorEvent.of(error))
            return
        self._turns.recorder = self._ears.recorder
        arrived = message.arrived * 1000
        for number, verdicts in enumerate(self._ears.listen(pcm)):
            if number:
                # Long audio is worked through in slices; other sessions go in between.
                await asyncio.sleep(0)
            for voiced in verdicts:
                for decision in self._turns.frame(voiced, arrived):
                    self._act(decision)
            self._ears.forget_before(self._turns.keep_from_ms)
        self._warn_if_quiet()

    def _warn_if_quiet(self) -> None:
        if self._warned_quiet or self._ears.too_quiet_ms < self._settings.turns.too_quiet_ms:
            return
        self._warned_quiet = True
        self._emit(
            events.Notice(
                code="too_quiet",
                message="Speech is heard, but it is too quiet to count: "
                "raise the microphone's level or lower vad_threshold.",
                details={"vad_threshold": self.config.vad_threshold},
            )
        )

    def _act(self, decision: decisions.Decision) -> None:
        self._log_decision(decision)
        if isinstance(decision, decisions.Speculate):
            self._answering.guess(decision, self._ears.take(decision.start_ms, decision.end_ms))
        elif isinstance(decision, decisions.Commit):
            self._answering.commit(decision, self._ears.take(decision.start_ms, decision.end_ms))
        elif isinstance(decision, decisions.Reopen):
            self._answering.reopen(decision.turn)
        elif isinstance(decision, decisions.Listen):
            self._answering.overhear(decision, self._ears.take(decision.start_ms, decision.end_ms))
        elif isinstance(decision, decisions.PausePlayback):
            self._answering.hold()
        elif isinstance(decision, decisions.ResumePlayback):
            self._answering.release(repeat=decision.repeat)
        elif isinstance(decision, decisions.Interrupt):
            self._answering.interrupt(prepared=False)

    def _on_words(self, turn: int, revision: int, ending: Ending) -> None:
        for decision in self._turns.words(turn, revision, ending):
            self._act(decision)

    def _log_decision(self, decision: decisions.Decision) -> None:
        if not self.config.decisions:
            return
        self._emit(
            events.Decision(
                decision=_DECISION_NAMES[type(decision)],
                reason=getattr(decision, "reason", ""),
                at_ms=self._turns.audio_ms,
                turn_id=getattr(decision, "turn", 0),
            )
        )

    # ------------------------------------------------------------ controls and timers

    def _control(self, action: str) -> None:
        if action == "interrupt":
            self._answering.interrupt(prepared=True)
            self._turns.agent_stopped()
            self._turns.forget_reopenable()
        elif action == "stop_listening":
            self._listening = False
            for decision in self._turns.flush():
                self._act(decision)
        elif action == "start_listening":
            self._listening = True
        elif action == "pause" and self._paused_at is None:
            self._paused_at = self._loop.time()
            self._answering.pause()
        elif action == "resume" and self._paused_at is not None:
            paused_s = self._loop.time() - self._paused_at
            self._paused_at = None
            self._last_packet += paused_s
            self._turns.frozen(paused_s * 1000)
            self._answering.resume()

    def _arm(self) -> None:
        """Keeps one timer, never later than the earliest deadline."""
        due = self._begun + self._settings.turns.max_session_s
        if self._paused_at is None:
            due = min(due, self._last_packet + self._settings.turns.idle_s)
            packets = self._turns.next_deadline
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
        timings = self._settings.turns
        if now >= self._begun + timings.max_session_s:
            self._ending = End("max_duration")
        elif self._paused_at is None:
            if now >= self._last_packet + timings.idle_s:
                self._ending = End("idle")
            for decision in self._turns.tick(now * 1000):
                self._act(decision)

    # ------------------------------------------------------------ in and out

    def _post(self, message: _Message) -> None:
        self._inbox.append(message)
        self._wake.set()

    def _post_bounded(self, message: _Message) -> None:
        if len(self._inbox) >= 2 * _MAX_INBOX:
            raise SessionError("The session is overloaded.", code="overloaded", retryable=True)
        self._post(message)

    def _emit(self, event: events.Event) -> None:
        if self._outlet is not None:
            self._outlet.send(event)


def _turn_settings(timings: Turns, config: SessionConfig) -> decisions.TurnSettings:
    return decisions.TurnSettings(
        speculate_ms=timings.speculate_ms if timings.speculation else None,
        complete_ms=timings.complete_ms,
        unknown_ms=timings.unknown_ms,
        incomplete_ms=timings.incomplete_ms,
        min_silence_ms=config.min_silence_ms if config.min_silence_ms is not None else timings.silence_ms,
        max_silence_ms=config.max_silence_ms if config.max_silence_ms is not None else timings.silence_ms,
        silence_limit_ms=timings.silence_limit_ms,
        max_guesses=timings.max_guesses,
        max_guessed_speech_ms=timings.max_guessed_speech_ms,
        gap_ms=timings.gap_ms,
        pre_roll_ms=timings.pre_roll_ms,
        min_speech_ms=timings.min_speech_ms,
        no_packets_ms=timings.no_packets_ms,
        no_packets_ptt_ms=timings.no_packets_ptt_ms,
        max_utterance_ms=timings.max_utterance_ms,
        interruption=config.interruption or timings.interruption,
        hold_ms=timings.hold_ms,
        listen_ms=timings.listen_ms,
        interrupt_speech_ms=timings.interrupt_speech_ms,
        sound_over_ms=timings.sound_over_ms,
        interrupt_frames=decisions.interrupt_frames(config.interrupt_threshold),
    )


_DECISION_NAMES: dict[type, str] = {
    decisions.SpeechStarted: "speech_started",
    decisions.Speculate: "speculate",
    decisions.Commit: "commit",
    decisions.Reopen: "reopen",
    decisions.PausePlayback: "pause",
    decisions.ResumePlayback: "resume",
    decisions.Listen: "listen",
    decisions.Interrupt: "interrupt",
    decisions.Ignore: "ignore",
}
