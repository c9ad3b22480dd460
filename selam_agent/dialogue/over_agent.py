"""The agent is audible: which sound over it may act on it, and how.

Until it is known whether the session has echo (``Known.trusted``), sound alone does not interrupt. It may
still hold the agent, where the room has been quiet under it so far: with an echo the microphone hears the
agent almost from its first word.
"""

from __future__ import annotations

from selam_agent.dialogue.bargein import Action, BargeIn, BargeInSettings
from selam_agent.dialogue.decisions import FRAME_MS, Known, Listen, TurnSettings
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
    def by_energy(self) -> bool:
        """Whether the amount of sound decides, and not the words."""
        return self._settings.interruption == "energy"

    @property
    def held(self) -> bool:
        """Whether sending is held."""
        return self._barge_in.held

    @property
    def unsettled(self) -> bool:
        """Whether a sound has been heard of which it is not known what it was."""
        return self._barge_in.unsettled

    @property
    def undecided(self) -> bool:
        """Whether the agent is held, or an answer of the recogniser is outstanding."""
        return self._barge_in.undecided

    def listen(self, utterance: Utterance, end_ms: int) -> Listen:
        """The question to the recogniser about what was said up to now."""
        return Listen(
            turn=utterance.turn,
            start_ms=utterance.start_ms,
            end_ms=end_ms,
            voiced_ms=self._barge_in.voiced_ms,
            finished=self._barge_in.finished,
        )

    # ------------------------------------------------------------ what happens

    def frame(self, voiced: bool, at_ms: int, *, speech: bool) -> list[Action]:
        """A frame that the agent covers; ``speech``: it is part of what may be speech."""
        self._heard_something |= voiced
        if not self._heard_something:
            self._quiet_ms += FRAME_MS
        quiet = self._quiet_ms >= _QUIET_MS and not self._known.echo_suspected and not self._held_in_vain
        trusted = self._known.trusted or self.by_energy
        return self._barge_in.frame(voiced, at_ms, speech=speech, trusted=trusted, may_hold=trusted or quiet)

    def verdict(self, asked: Listen, verdict: Verdict) -> list[Action]:
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
        return actions

    def talked_into(self, utterance: Utterance | None) -> bool:
        """Whether a caller who was speaking before the agent began speaks on, and means to."""
        return (
            utterance is not None
            and utterance.counts
            and self.audible
            and self._settings.interruption != "off"
            and self._known.trusted
            and self._barge_in.voiced_ms >= self._settings.interrupt_frames * FRAME_MS
        )

    def silent_line(self, at_ms: int) -> list[Action]:
        """No packets come any more: what was heard up to now is all there is."""
        return self._barge_in.silent_line(at_ms)

    def let_go(self) -> bool:
        """What held the agent is over, whatever it was; whether it was held."""
        held = self._barge_in.held
        if held:
            self._barge_in.reset()
        return held
