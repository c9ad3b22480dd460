"""The caller's half of a conversation: audio in, decisions of the turn-taker out and acted on.

Owned and called by the session's actor only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from selam_agent import events
from selam_agent.dialogue import decisions
from selam_agent.dialogue.completeness import Ending
from selam_agent.dialogue.decisions import FRAME_MS
from selam_agent.dialogue.interruption import Verdict, asks, judge
from selam_agent.errors import SelamError
from selam_agent.events_signals import SpeechStarted, SpeechStopped, SpokenOver
from selam_agent.ports import Pcm16
from selam_agent.session.answering import Answering
from selam_agent.session.config import SessionConfig
from selam_agent.session.ears import SAMPLE_RATE, Ears
from selam_agent.session.messages import Heard, Interim, Overheard
from selam_agent.session.recognition import Recognition
from selam_agent.session.replies import Replies
from selam_agent.session.room import Room
from selam_agent.session.silence import Prompt, Silence
from selam_agent.session.taping import Taping
from selam_agent.session.turn_settings import turn_settings
from selam_agent.settings import Settings

# At most so often a meter is told how loud it is.
_LEVEL_EVERY_S = 0.1
# Words that are shown while they are spoken are at most so much later for batches.
_INTERIM_FRAMES = 5
# Neither voiced nor fading.
_SILENT = (False, False)


class Listening:
    """See the module's docstring. ``turns`` is the turn-taker; ``on``: whether the client wants it."""

    def __init__(
        self,
        *,
        config: SessionConfig,
        settings: Settings,
        answering: Answering,
        replies: Replies,
        recognition: Recognition,
        room: Room,
        taping: Taping,
        emit: Callable[[events.Event], None],
    ) -> None:
        self._config = config
        self._room = room
        self._settings = settings
        self._answering = answering
        self._replies = replies
        self._recognition = recognition
        self._emit = emit
        self._ears = Ears(settings.audio, config.vad_threshold, room)
        self._taping = taping
        self.turns = taping.turn_taker(turn_settings(settings.turns, config))
        self.on = True
        # The client has said that its caller is done.
        self._says_when = False
        prompt_s = config.silence_prompt_s
        self._silence = Silence(settings.turns.silence_prompt_s if prompt_s is None else prompt_s)
        # Speech of the open turn at the last interim transcript.
        self._interim_turn, self._interim_ms = 0, 0
        self._warned_quiet = False
        # The turn whose beginning was told and whose end was not.
        self._told_turn: int | None = None
        self._level_told = 0.0

    def close(self) -> None:
        """The session ends."""
        self._taping.close(self.turns)

    def configure(self, config: SessionConfig) -> None:
        """New wishes of the client, between two turns."""
        self._config = config
        self._ears.set_threshold(config.vad_threshold)
        self.turns.reconfigure(turn_settings(self._settings.turns, config))

    @property
    def patience_ms(self) -> float:
        """How much audio may wait before it is to be heard: none of it can decide anything."""
        if self._ears.recorder or self._config.input_level:
            return 0.0
        frames = self.turns.frames_to_decision
        if self._config.interim:
            frames = min(frames, _INTERIM_FRAMES)
        return frames * FRAME_MS - self._ears.held_ms

    @property
    def in_one_piece(self) -> bool:
        """Whether audio may come when it can decide something, and not before.

        The client's other words are found a moment later then: not for those who release a button.
        """
        return not self._says_when and not self.turns.push_to_talk

    def released(self) -> None:
        """The client says that its caller is done, and sends nothing to be heard from now on."""
        self.on = False
        self._says_when = True

    async def hear(self, packets: Sequence[Heard], *, discard: bool) -> float:
        """Audio has arrived. With ``discard`` only the stream's state goes on. Returns its seconds."""
        if self.on and not discard and (pcm := self._ears.plain(packets)) is not None:
            await self._listen(pcm, [(len(each.data) // 2, each.arrived * 1000) for each in packets])
            return len(pcm) / SAMPLE_RATE
        samples = 0
        decoded: list[Pcm16] = []
        pieces: list[tuple[int, float]] = []
        for packet in packets:
            try:
                # A recorder's stream is decoded even when nobody listens: its state must go on.
                pcm = await self._decode(packet)
                samples += len(pcm)
                if not self.on or discard or not len(pcm):
                    continue
                self._ears.admit(pcm, packet.arrived)
                decoded.append(pcm)
                pieces.append((len(pcm), packet.arrived * 1000))
            except SelamError as error:
                self._emit(events.ErrorEvent.of(error))
        if pieces:
            await self._listen(np.concatenate(decoded), pieces)
        return samples / SAMPLE_RATE

    async def _listen(self, pcm: Pcm16, pieces: Sequence[tuple[int, float]]) -> None:
        turns = self.turns
        turns.known.recorder = self._ears.recorder
        for number, (arrivals, sounds) in enumerate(self._ears.listen(pcm, pieces)):
            if number:
                # Long audio is worked through in slices; other sessions go in between.
                await asyncio.sleep(0)
            turns.known.trusted = self._room.trusted
            turns.known.echo_suspected = self._room.suspected
            if sounds is not None or not turns.silence(arrivals):
                self._feed(arrivals, sounds or [_SILENT] * len(arrivals))
            self._ears.forget_before(turns.keep_from_ms)
        arrived = pieces[-1][1]
        self._taping.at(arrived)
        if self._config.interim:
            self._ask_interim()
        self._mind_silence()
        if not self._warned_quiet:
            self._warn_if_quiet()
        if self._config.input_level:
            self._tell_level(arrived / 1000)

    def _feed(self, arrivals: list[float], sounds: list[tuple[bool, bool]]) -> None:
        """Tells the turn-taker; frame by frame where one of them may decide something."""
        if self.turns.goes_on(arrivals, sounds):
            return
        for arrived, (voiced, fading) in zip(arrivals, sounds, strict=True):
            if made := self.turns.frame(voiced, arrived, fading=fading):
                self.act(made)
        self._mind_speech()

    async def _decode(self, message: Heard) -> Pcm16:
        audio = (message.data, message.format, message.sample_rate)
        if self._ears.heavy(message.data):
            # The actor waits, so the order is kept; the other sessions do not.
            return await asyncio.to_thread(self._ears.decode, *audio)
        return self._ears.decode(*audio)

    # ------------------------------------------------------------ decisions

    def act(self, made: Iterable[decisions.Decision]) -> None:
        """Does what the turn-taker decided."""
        for decision in made:
            self._log(decision)
            if isinstance(decision, decisions.Commit | decisions.Ignore):
                self._speech_stopped(decision)
            else:
                self._mind_speech()
            self._act(decision)

    def on_words(self, turn: int, revision: int, ending: Ending) -> None:
        """The words of a guess are known, and how complete they sound."""
        self.act(self.turns.words(turn, revision, ending))

    def overheard(self, message: Overheard) -> None:
        """What was said over the agent is known."""
        self.act(self.turns.verdict(message.asked, self._verdict(message)))

    def interim(self, message: Interim) -> None:
        """What was said so far is known; it is told if the turn still goes on."""
        speech = self.turns.open_speech
        if speech is not None and (speech.turn, speech.revision) == (message.turn, message.revision):
            self._answering.interim(message)

    def typed(self, *, stops_agent: bool) -> int:
        """A turn without audio has come: its number."""
        self._silence.caller_spoke()
        if stops_agent and self._replies.speaking:
            self.turns.agent_stopped()
        return self.turns.next_turn()

    def _act(self, decision: decisions.Decision) -> None:
        if isinstance(decision, decisions.Speculate):
            self._answering.guess(decision, self._ears.take(decision.start_ms, decision.end_ms))
        elif isinstance(decision, decisions.Commit):
            self._silence.caller_spoke()
            self._answering.commit(decision, self._ears.take(decision.start_ms, decision.end_ms))
        elif isinstance(decision, decisions.Reopen):
            self._answering.reopen(decision.turn)
        elif isinstance(decision, decisions.Listen):
            self._recognition.overhear(decision, self._ears.take(decision.start_ms, decision.end_ms))
        elif isinstance(decision, decisions.PausePlayback):
            self._replies.hold()
        elif isinstance(decision, decisions.ResumePlayback):
            self._emit(SpokenOver(verdict=decision.reason))
            self._replies.release(repeat=decision.repeat)
        elif isinstance(decision, decisions.Interrupt):
            self._emit(SpokenOver(verdict=decision.reason))
            self._answering.interrupt(prepared=False)

    def _verdict(self, message: Overheard) -> Verdict:
        """What those words mean for the reply that is being spoken."""
        if message.text is None or self._replies.current is None:
            return Verdict.NOTHING
        pack, reply = self._replies.speaker.pack, self._replies.current[0]
        # A question in the middle of what it says is not one it waits for.
        asked = asks(reply.heard(), pack) and asks(reply.text, pack)
        # Only where there may be echo: a caller may use the agent's words.
        may_echo = self._room.echoes or not self._room.trusted
        verdict = judge(
            message.text,
            pack,
            speech_ms=message.asked.voiced_ms,
            agent_asked=asked,
            finished=message.asked.finished,
            being_said=self._replies.being_said() if may_echo else "",
        )
        if verdict is Verdict.ECHO:
            self._room.echo_was_taken_for_words()
        return verdict

    def _log(self, decision: decisions.Decision) -> None:
        self._emit(
            events.Decision(
                decision=_DECISION_NAMES[type(decision)],
                reason=getattr(decision, "reason", ""),
                at_ms=self.turns.audio_ms,
                turn_id=getattr(decision, "turn", 0),
            )
        )

    # ------------------------------------------------------------ besides

    def _mind_speech(self) -> None:
        """Tells once that a turn is being spoken; sound over the agent may become one later."""
        speech = self.turns.open_speech
        if speech is not None and self._told_turn is None:
            self._told_turn = speech.turn
            self._emit(SpeechStarted(turn_id=speech.turn))

    def _speech_stopped(self, decision: decisions.Commit | decisions.Ignore) -> None:
        turn, self._told_turn = self._told_turn, None
        if turn is None and isinstance(decision, decisions.Commit):
            turn = decision.turn
            self._emit(SpeechStarted(turn_id=turn))
        if turn is not None:
            self._emit(SpeechStopped(turn_id=turn))

    def _ask_interim(self) -> None:
        """Asks what was said so far, after each so much speech of a turn, if that costs nobody anything."""
        every_ms, speech = self._settings.turns.interim_ms, self.turns.open_speech
        if not every_ms or speech is None:
            return
        if speech.turn != self._interim_turn:
            self._interim_turn, self._interim_ms = speech.turn, 0
        long = self.turns.audio_ms - speech.start_ms > self._settings.turns.max_guessed_speech_ms
        if long or speech.voiced_ms - self._interim_ms < every_ms or not self._recognition.has_time:
            return
        self._interim_ms = speech.voiced_ms
        audio = self._ears.take(speech.start_ms, self.turns.audio_ms)
        self._recognition.interim(speech.turn, speech.revision, audio)

    def _mind_silence(self) -> None:
        if not self._silence.asks:
            return
        busy = self.turns.open_speech is not None or not self._answering.idle
        prompt = self._silence.at(self.turns.audio_ms, busy=busy)
        says = self._replies.speaker.pack.says
        if prompt is Prompt.ASK:
            self._replies.say(says["still_there"])
        elif prompt is Prompt.LEAVE:
            self._replies.say(says["goodbye"], last="silence")

    def _tell_level(self, arrived: float) -> None:
        if arrived - self._level_told < _LEVEL_EVERY_S:
            return
        self._level_told = arrived
        rms, voiced = self._ears.take_level()
        self._emit(events.InputLevel(rms=round(rms, 1), gate=self._config.vad_threshold, voiced=voiced))

    def _warn_if_quiet(self) -> None:
        if self._ears.too_quiet_ms < self._settings.turns.too_quiet_ms:
            return
        self._warned_quiet = True
        self._emit(
            events.Notice(
                code="too_quiet",
                message="Speech is heard, but it is too quiet to count: "
                "raise the microphone's level or lower vad_threshold.",
                details={"vad_threshold": self._config.vad_threshold},
            )
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
