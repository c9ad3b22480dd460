"""Whose turn is it? A sans-I/O turn-taker: frames, words and times in, decisions out.

Two clocks. *Audio time* counts the milliseconds of audio received since the session began; all
endpointing runs on it, so a recording decides the same at any speed. *Arrival time* is the server's
monotonic clock in milliseconds and comes in as data with each frame and each tick; it is needed for
two questions only: has the client stopped sending, and was the agent already audible when this
speech arrived?

A pause is answered in two steps. After ``speculate_ms`` of silence the turn-taker asks for a guess
(``Speculate``): the pause is transcribed and an answer prepared, unheard. How long it then waits
before the ``Commit`` depends on how complete the words sound (``words``). Speech that goes on makes
the next revision of the same turn.

The caller feeds ``frame``, ``words`` and ``tick`` in order of arrival and calls ``tick`` no later
than ``next_deadline``.
"""

from __future__ import annotations

from collections.abc import Sequence

from selam_agent.dialogue.completeness import Ending
from selam_agent.dialogue.decisions import (
    FRAME_MS,
    CommitReason,
    Decision,
    Ignore,
    Known,
    Listen,
    Reopen,
    SpeechStarted,
    TurnSettings,
)
from selam_agent.dialogue.interruption import Verdict
from selam_agent.dialogue.onset import ONSET_WINDOW, Onset
from selam_agent.dialogue.over_agent import OverAgent
from selam_agent.dialogue.packets import Packets
from selam_agent.dialogue.utterance import Patience, Utterance

# Of audio that may wait for a decision: an echo is found, and what was kept is forgotten, this late at most.
MOST_FRAMES = 16


class TurnTaker:
    """The state of one caller's turns. Not thread-safe; owned by one session."""

    def __init__(self, settings: TurnSettings) -> None:
        self.settings = settings
        self.known = Known()
        self._packets = Packets(self.known)
        self._patience = Patience(settings)
        self._audio_ms = 0
        self._turn = 0
        self._open: Utterance | None = None
        # The committed turn that late audio may still reopen.
        self._reopenable: Utterance | None = None
        self._onset = Onset()
        # Where the last utterance was closed: no sample belongs to two turns.
        self._closed_ms = 0
        self._over_agent = OverAgent(settings, self.known)

    # ------------------------------------------------------------ what is known

    @property
    def audio_ms(self) -> int:
        """Audio time: milliseconds received so far."""
        return self._audio_ms

    @property
    def open_speech(self) -> Utterance | None:
        """The turn that goes on; None between turns, and for speech over the agent that may be none."""
        return self._open if self._open is not None and self._open.counts else None

    @property
    def between_turns(self) -> bool:
        """Whether the caller says nothing at all."""
        return self._open is None

    @property
    def keep_from_ms(self) -> int:
        """Audio before this time is needed no more."""
        oldest = self._audio_ms - self.settings.pre_roll_ms - ONSET_WINDOW * FRAME_MS
        for utterance in (self._open, self._reopenable):
            if utterance is not None:
                oldest = min(oldest, utterance.start_ms)
        return max(0, oldest)

    @property
    def frames_to_decision(self) -> int:
        """At least so many more frames come before one of them decides anything, whatever is in them.

        So many may be fed at once, when the last of them has arrived: nothing is decided later for it. Only
        that something began may come later than it could: a sound over the agent, which tells nobody
        anything yet, and out of silence a turn, by 40 ms.
        """
        bound = self._over_agent.frames_to_decision
        if self._open is not None:
            bound = min(bound, self._patience.frames_to_end(self._open, self._audio_ms))
            if self._open.guessed:
                bound = min(bound, self._onset.frames_missing)
        elif self._over_agent.audible and self._reopenable is None:
            # A sound that begins now is told of when it is over.
            ends_in = self._onset.frames_missing + self.settings.sound_over_ms // FRAME_MS
            bound = min(bound, ends_in)
        elif self._onset.any_voiced or self._reopenable is not None:
            bound = min(bound, self._onset.frames_missing)
        else:
            bound = min(bound, ONSET_WINDOW)
        return max(1, int(min(bound, MOST_FRAMES)))

    @property
    def next_deadline(self) -> float | None:
        """Arrival time at which ``tick`` must be called, or None."""
        if self._open is None or self._packets.last is None:
            return None
        if self._over_agent.unsettled and not self._open.counts:
            return self._packets.last + self.settings.sound_over_ms
        if self._may_guess(self._open):
            assert self.settings.speculate_ms is not None
            return self._packets.last + min(self.settings.speculate_ms, self._packet_patience)
        return self._packets.last + self._packet_patience

    @property
    def push_to_talk(self) -> bool:
        """Whether the client sends audio only while its caller speaks, as far as is known."""
        return self._packets.push_to_talk

    @property
    def _packet_patience(self) -> int:
        return self._packets.patience_ms(self.settings, self._open.ending if self._open else None)

    # ------------------------------------------------------------ what happens

    def frame(self, voiced: bool, arrived: float, *, fading: bool = False) -> list[Decision]:
        """One 20 ms frame. ``arrived`` is its arrival time in ms.

        ``fading``: it is not voiced, but the end of a word that was; silence is counted from there.
        """
        decisions: list[Decision] = []
        self._audio_ms += FRAME_MS
        self._packets.last = arrived
        over_agent = self._over_agent.covers(arrived)
        self._onset.add(voiced, over_agent)
        utterance = self._open
        if utterance is None:
            late = self._reopenable
            if late and late.silence_ms(self._audio_ms) > self._patience.wait_ms(Ending.UNKNOWN):
                self._reopenable = None
            if self._onset.is_speech:
                decisions.append(self._begin(arrived, over_agent))
        elif not utterance.guessed:
            if voiced:
                self._extend(utterance, FRAME_MS, arrived, over_agent)
            elif fading:
                utterance.fade(self._audio_ms, arrived)
        elif self._onset.is_speech:
            decisions.append(self._go_on(utterance, arrived, over_agent))
        if over_agent:
            decisions += self._over_agent.frame(voiced, self._audio_ms, self._open)
        if self._open is not None:
            decisions += self._judge_silence(self._open)
        if utterance is not None:
            decisions += self._release_if_closed()
        return decisions

    def silence(self, arrived: Sequence[float]) -> bool:
        """Frames of which none is voiced or fading; true when they were all there was to it.

        The same as ``frame`` for each; false where one of them could matter, and then nothing has happened.
        """
        speaking = self._open is not None or self._reopenable is not None
        if speaking or self._onset.any_voiced or self._over_agent.heard_sound:
            return False
        self._audio_ms += FRAME_MS * len(arrived)
        self._packets.last = arrived[-1]
        over_agent = [self._over_agent.covers(at) for at in arrived]
        self._onset.add_silence(over_agent)
        self._over_agent.silence(sum(over_agent))
        return True

    def goes_on(self, arrived: Sequence[float], sounds: Sequence[tuple[bool, bool]]) -> bool:
        """Frames of the open turn, voiced or fading or neither; true when none of them could end it.

        The same as ``frame`` for each; false where one of them could matter, and then nothing has happened.
        """
        utterance = self._open
        if utterance is None or utterance.guessed or not utterance.counts or self._over_agent.audible:
            return False
        if len(arrived) >= self._patience.frames_to_end(utterance, self._audio_ms):
            return False
        for at, (voiced, fading) in zip(arrived, sounds, strict=True):
            self._audio_ms += FRAME_MS
            self._onset.add(voiced, False)
            if voiced:
                self._extend(utterance, FRAME_MS, at, False)
            elif fading:
                utterance.fade(self._audio_ms, at)
        self._packets.last = arrived[-1]
        return True

    def words(self, turn: int, revision: int, ending: Ending) -> list[Decision]:
        """The words of a guess are known, and how complete they sound. Stale ones are ignored."""
        utterance = self._open
        if utterance is None or (utterance.turn, utterance.revision) != (turn, revision):
            return []
        utterance.ending = ending
        return self._judge_silence(utterance)

    def verdict(self, asked: Listen, verdict: Verdict) -> list[Decision]:
        """What was said over the agent is known. An answer about an earlier turn is ignored."""
        if not self._over_agent.audible or self._open is None or self._open.turn != asked.turn:
            return []
        return self._over_agent.verdict(asked, verdict, self._audio_ms, self._open)

    def tick(self, now: float) -> list[Decision]:
        """Time passed without packets. ``now`` is on the clock of ``arrived``."""
        deadline = self.next_deadline
        if deadline is None or self._open is None or now < deadline:
            return []
        assert self._packets.last is not None
        if self._over_agent.unsettled and not self._open.counts:
            # The agent must not be held for ever by a client that has stopped sending.
            self._packets.last = now
            return self._over_agent.silent_line(self._audio_ms, self._open)
        if now < self._packets.last + self._packet_patience:
            return [self._guess(self._open)]
        self._packets.stopped_in_speech()
        return [self._close("no_packets", reopenable=True), *self._release_if_closed()]

    def flush(self) -> list[Decision]:
        """The caller says that the turn is over (``stop_listening``)."""
        if self._open is None:
            return []
        return [self._close("stop_listening"), *self._release_if_closed()]

    def frozen(self, for_ms: float) -> None:
        """The session was paused for this long; the packet clock stood still."""
        self._packets.frozen(for_ms)

    def next_turn(self) -> int:
        """The number of a turn without audio; late audio is no part of the one before any more."""
        self._turn += 1
        self._reopenable = None
        return self._turn

    def reconfigure(self, settings: TurnSettings) -> None:
        """Other settings from now on; what was learned of the caller stays."""
        self.settings = self._patience.settings = settings
        self._over_agent.configure(settings)

    def agent_started(self, at: float) -> None:
        """The first sample of a reply left at this arrival time; nothing can be reopened any more."""
        self._over_agent.started(at)
        self._reopenable = None

    def agent_stopped(self) -> None:
        """The agent is silent: played to its end, or interrupted."""
        self._over_agent.stopped()

    def forget_reopenable(self) -> None:
        """The client interrupted the reply in preparation: new speech is a new turn."""
        self._reopenable = None

    # ------------------------------------------------------------ inside

    def _may_guess(self, utterance: Utterance) -> bool:
        return utterance.may_guess(self.settings, self._audio_ms)

    def _judge_silence(self, utterance: Utterance) -> list[Decision]:
        if not utterance.counts and self._over_agent.undecided:
            return []
        silence = utterance.silence_ms(self._audio_ms)
        if not utterance.counts:
            # No turn; the next sound over the agent is to be judged by itself.
            return [self._close("silence")] if silence >= self.settings.sound_over_ms else []
        # A voiced frame or two may be the next word's beginning: a moment more decides it.
        resuming = utterance.guessed and self._onset.may_become_speech
        # Where there is none, this frame is voiced, or fading, and ends nothing.
        if silence and not resuming and silence >= self._patience.wait_ms(utterance.likely_ending):
            return [self._close("silence")]
        if self._audio_ms - utterance.start_ms >= self.settings.max_utterance_ms:
            return [self._close("max_utterance")]
        speculate_ms = self.settings.speculate_ms
        if speculate_ms is not None and silence >= speculate_ms and self._may_guess(utterance):
            return [self._guess(utterance)]
        return []

    def _guess(self, utterance: Utterance) -> Decision:
        utterance.guessed = True
        utterance.guesses += 1
        self._onset.clear()
        return utterance.speculate(self._audio_ms)

    def _release_if_closed(self) -> list[Decision]:
        """What held the agent is over, whatever it was: it must not be held by nothing."""
        return [] if self._open is not None else self._over_agent.let_go(self._audio_ms)

    def _extend(self, utterance: Utterance, voiced_ms: int, arrived: float, over_agent: bool) -> None:
        pause = utterance.silence_ms(self._audio_ms) - voiced_ms
        # What is said over the agent is no measure of how the caller speaks when it is their turn.
        if pause >= self.settings.gap_ms and utterance.counts:
            self._patience.learn(pause)
        utterance.extend(self._audio_ms, voiced_ms, arrived, over_agent=over_agent)

    def _go_on(self, utterance: Utterance, arrived: float, over_agent: bool) -> Decision:
        """Speech after a guess: the next revision of the turn."""
        self._extend(utterance, self._onset.voiced_ms, arrived, over_agent)
        self._onset.clear()
        utterance.next_revision()
        return Reopen(turn=utterance.turn, revision=utterance.revision)

    def _begin(self, arrived: float, over_agent: bool) -> Decision:
        late, self._reopenable = self._reopenable, None
        if late is not None:
            # Late audio of a stalled network: the same turn, with everything it had.
            self._packets.came_late()
            self._open = late
            return self._go_on(late, arrived, over_agent)
        onset = self._onset
        first_voiced = self._audio_ms - FRAME_MS * onset.frames
        # A word that began over the agent's last sound did, though the agent is silent by now.
        over_agent = over_agent or onset.began_over_agent
        voiced_ms = onset.voiced_ms
        onset.clear()
        self._turn += 1
        self._open = Utterance(
            turn=self._turn,
            start_ms=max(self._closed_ms, first_voiced - self.settings.pre_roll_ms),
            onset_ms=first_voiced,
            last_sound_ms=self._audio_ms,
            last_sound_arrived=arrived,
            voiced_ms=voiced_ms,
            counts=not over_agent,
            over_agent=over_agent,
        )
        return SpeechStarted(turn=self._turn, at_ms=first_voiced)

    def _close(self, reason: CommitReason, *, reopenable: bool = False) -> Decision:
        utterance = self._open
        assert utterance is not None
        self._open = None
        self._onset.clear()
        self._closed_ms = self._audio_ms
        if not utterance.counts:
            self._turn -= self._turn == utterance.turn
            return Ignore(at_ms=self._audio_ms, reason="below_interrupt_threshold")
        if utterance.voiced_ms < self.settings.min_speech_ms:
            self._turn -= self._turn == utterance.turn
            return Ignore(at_ms=self._audio_ms, reason="too_short")
        if reopenable:
            self._reopenable = utterance
        return utterance.commit(self._audio_ms, reason)
