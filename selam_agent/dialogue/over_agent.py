"""The agent is audible: which sound over it may act on it, and how.

Until it is known whether the session has echo (``Known.trusted``), sound alone does not interrupt. It may
still hold the agent, where the room has been quiet under it so far: with an echo the microphone hears the
agent almost from its first word.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from selam_agent.dialogue.bargein import Action, BargeIn, BargeInSettings
from selam_agent.dialogue.decisions import (
    FRAME_MS,
    Decision,
    Interrupt,
    InterruptReason,
    Known,
    Listen,
    PausePlayback,
    ResumePlayback,
    TurnSettings,
)
from selam_agent.dialogue.interruption import Verdict
from selam_agent.dialogue.utterance import Utterance

# So long must a reply have been heard by nobody's microphone. Most echoes come within 80 to 300 ms; a later
# one may hold the agent once, and its words then let it go on.
_QUIET_MS = 300


class OverAgent:
    """Owned by the turn-taker. Times are audio time (ms) unless named otherwise."""

    def __init__(self, settings: TurnSettings, known: Known) -> None:
        self._settings = settings
        self._known = known
        self._barge_in = BargeIn(BargeInSettings.of(settings))
        # When the agent became audible, on the clock of arrivals; None while it is silent.
        self._since: float | None = None
        self._quiet_ms = 0
        self._heard_something = False
        # The agent was held without trust, for a sound without words: no caller, then.
        self._held_in_vain = False

    def configure(self, settings: TurnSettings) -> None:
        """Other settings from now on."""
        self._settings = settings
        self._barge_in.settings = BargeInSettings.of(settings)

    def started(self, at: float) -> None:
        """The first sample of a reply left at this arrival time."""
        self._since = at
        self._quiet_ms = 0
        self._heard_something = False
        self._barge_in.reset()

    def stopped(self) -> None:
        """The agent is silent."""
        self._since = None
        self._barge_in.reset()

    # ------------------------------------------------------------ what is known

    @property
    def audible(self) -> bool:
        return self._since is not None

    def covers(self, arrived: float) -> bool:
        """Whether the agent was audible when this arrived."""
        return self._since is not None and arrived >= self._since

    @property
    def unsettled(self) -> bool:
        """Whether a sound has been heard of which it is not known what it was."""
        return self._barge_in.unsettled

    @property
    def undecided(self) -> bool:
        """Whether the agent is held, or an answer of the recogniser is outstanding."""
        return self._barge_in.undecided

    @property
    def frames_to_decision(self) -> float:
        """At least so many more frames come before one of them decides anything."""
        if not self.audible:
            return math.inf
        by_energy = self._barge_in.frames_to(self._settings.interrupt_frames * FRAME_MS)
        return min(self._barge_in.frames_to_action, by_energy)

    # ------------------------------------------------------------ what happens

    def frame(self, voiced: bool, at_ms: int, utterance: Utterance | None) -> list[Decision]:
        """A frame that the agent covers; ``utterance``: what it is part of, if it may be speech."""
        self._heard_something |= voiced
        if not self._heard_something:
            self._quiet_ms += FRAME_MS
        quiet = self._quiet_ms >= _QUIET_MS and not self._known.echo_suspected and not self._held_in_vain
        by_energy = self._settings.interruption == "energy"
        trusted = self._known.trusted or by_energy
        actions = self._barge_in.frame(
            voiced, at_ms, speech=utterance is not None, trusted=trusted, may_hold=trusted or quiet
        )
        decisions = self._decide(actions, at_ms, utterance, "energy" if by_energy else "duration")
        if self._talked_into(utterance):
            decisions += self._decide([Action.STOP], at_ms, utterance, "energy")
        return decisions

    @property
    def heard_sound(self) -> bool:
        """Whether there is a run of sound over the agent that the next frames belong to, or end."""
        return self._barge_in.going

    def silence(self, frames: int) -> None:
        """So many frames that the agent covers and in which nothing is voiced; not while ``heard_sound``."""
        if not self._heard_something:
            self._quiet_ms += FRAME_MS * frames

    def verdict(
        self, asked: Listen, verdict: Verdict, at_ms: int, utterance: Utterance | None
    ) -> list[Decision]:
        """What was said over the agent is known."""
        if (
            verdict is Verdict.SPEECH
            and not asked.finished
            and asked.voiced_ms < self._settings.interrupt_frames * FRAME_MS
        ):
            # Words from less sound than stops the agent by energy are a guess of the recogniser's.
            verdict = Verdict.NOTHING
        actions = self._barge_in.verdict(verdict, asked_voiced_ms=asked.voiced_ms)
        if not self._known.trusted and (Action.REPEAT in actions or verdict is Verdict.ECHO):
            self._held_in_vain = True
        return self._decide(actions, at_ms, utterance, "words")

    def silent_line(self, at_ms: int, utterance: Utterance | None) -> list[Decision]:
        """No packets come any more: what was heard up to now is all there is."""
        return self._decide(self._barge_in.silent_line(at_ms), at_ms, utterance, "words")

    def let_go(self, at_ms: int) -> list[Decision]:
        """What held the agent is over, whatever it was."""
        if not self._barge_in.held:
            return []
        self._barge_in.reset()
        return self._decide([Action.RELEASE], at_ms, None, "words")

    # ------------------------------------------------------------ inside

    def _talked_into(self, utterance: Utterance | None) -> bool:
        """Whether a caller who was speaking before the agent began speaks on, and means to."""
        return (
            utterance is not None
            and utterance.counts
            and self.audible
            and self._settings.interruption != "off"
            and self._known.trusted
            and self._barge_in.voiced_ms >= self._settings.interrupt_frames * FRAME_MS
        )

    def _decide(
        self, actions: Iterable[Action], at_ms: int, utterance: Utterance | None, reason: InterruptReason
    ) -> list[Decision]:
        decisions: list[Decision] = []
        for action in actions:
            if action is Action.STOP and utterance is not None:
                utterance.counts = utterance.interrupts = True
                self.stopped()
                decisions.append(Interrupt(turn=utterance.turn, at_ms=at_ms, reason=reason))
            elif action is Action.HOLD:
                decisions.append(PausePlayback(at_ms=at_ms))
            elif action in (Action.RELEASE, Action.REPEAT):
                decisions.append(ResumePlayback(at_ms=at_ms, repeat=action is Action.REPEAT))
            elif action is Action.LISTEN and utterance is not None:
                decisions.append(self._listen(utterance, at_ms))
        return decisions

    def _listen(self, utterance: Utterance, end_ms: int) -> Listen:
        """The question to the recogniser about what was said up to now."""
        return Listen(
            turn=utterance.turn,
            start_ms=utterance.start_ms,
            end_ms=end_ms,
            voiced_ms=self._barge_in.voiced_ms,
            finished=self._barge_in.finished,
        )
