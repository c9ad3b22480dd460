"""Does speech over the agent stop it? Decide first, then act, without a stutter.

Two ways. ``energy``: so much voiced speech stops the agent, whatever it is. ``semantic``: at the onset of
speech sending is held, so that the client falls silent when its lead has been played; meanwhile the
recogniser is asked again and again what was said. Stop words and real speech interrupt; backchannels,
or what may become one, and echo let the agent go on where it was, and so do sounds without words, from
the beginning of the phrase. With a recogniser that answers within the lead nothing is heard of it.

Frames and times in (audio time, ms), actions out; no clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from selam_agent.dialogue.decisions import FRAME_MS, TurnSettings
from selam_agent.dialogue.interruption import Verdict

Mode = Literal["semantic", "energy", "off"]

# Voiced ms. The shortest backchannels and stop words last 270 ms; what is over before this is a click, and
# is over after a shorter silence than a word.
WORD_MS = 120
# Before this, from its onset, no word is known by anybody; a slow recogniser is not to be busy with less.
_FIRST_ASKED_MS = 200
_CLICK_OVER_MS = 100
_FADING_MS = 120
# A stop of the voice this short is part of a word: a plosive's closure, a dropped frame.
_BRIDGED_MS = 2 * FRAME_MS
# How much longer than ``speech_ms`` speech may last while an answer about that much is on its way, and
# while what was heard so far may become a backchannel: the longest in the packs last a second.
_LATE, _PERHAPS = 1.5, 2.5


class Action(Enum):
    """What the turn-taker is to do."""

    HOLD = auto()  # stop sending
    LISTEN = auto()  # ask what was said
    RELEASE = auto()  # go on where it stopped
    REPEAT = auto()  # go on from the beginning of the phrase
    STOP = auto()  # it is an interruption


@dataclass(frozen=True, slots=True, kw_only=True)
class BargeInSettings:
    """Milliseconds of voiced speech unless named otherwise; reasons in DESIGN §4."""

    mode: Mode = "semantic"
    interrupt_frames: int = 12
    # Held this early, hold + lead + one chunk are under the 350 ms in which a stop must be heard.
    hold_ms: int = 60
    # From a sound as long as a word on the recogniser is asked this often (audio time); each answer
    # costs a few ms with the embedded one, and a slow one is asked again when it has answered.
    listen_ms: int = 40
    # So much speech is an interruption, whatever the words.
    speech_ms: int = 600
    gap_ms: int = 200
    # Silence (audio time) after which a sound without words is over.
    over_ms: int = 300

    @classmethod
    def of(cls, settings: TurnSettings) -> BargeInSettings:
        """The part of a turn-taker's settings that concerns speech over the agent."""
        return cls(
            mode=settings.interruption,
            interrupt_frames=settings.interrupt_frames,
            hold_ms=settings.hold_ms,
            listen_ms=settings.listen_ms,
            speech_ms=settings.interrupt_speech_ms,
            gap_ms=settings.gap_ms,
            over_ms=settings.sound_over_ms,
        )


class BargeIn:
    """One run of speech over the agent at a time. Owned by the turn-taker."""

    def __init__(self, settings: BargeInSettings) -> None:
        self.settings = settings
        self.reset()

    def reset(self) -> None:
        """The agent began or ceased to be audible."""
        self._voiced_ms = 0
        self._began_ms = 0
        self._last_voiced_ms: int | None = None
        self._held = False
        # Voiced speech and audio time at the last question; whether an answer is outstanding.
        self._asked_ms = 0
        self._asked_at_ms: int | None = None
        self._pending = False
        self._final_asked = False
        # A verdict has let this run pass; only more speech than that counts again.
        self._passed_ms = 0
        # The agent was let go on: it is not held a second time by one run.
        self._released = False
        # The last verdict was that it may become a backchannel.
        self._perhaps = False

    @property
    def voiced_ms(self) -> int:
        """Voiced speech of this run."""
        return self._voiced_ms

    @property
    def going(self) -> bool:
        """Whether it has begun."""
        return self._last_voiced_ms is not None

    @property
    def held(self) -> bool:
        """Whether sending is held."""
        return self._held

    @property
    def finished(self) -> bool:
        """Whether the last question to the recogniser was about the whole of a sound."""
        return self._final_asked

    @property
    def unsettled(self) -> bool:
        """Whether a sound has been heard of which it is not known what it was."""
        fresh_ms = self._voiced_ms - self._passed_ms
        return self._held or (
            self.settings.mode == "semantic"
            and fresh_ms > 0
            and self._voiced_ms >= self._word_ms
            and not self._final_asked
        )

    @property
    def undecided(self) -> bool:
        """Whether the agent is held, or an answer of the recogniser is outstanding."""
        return self._held or self._pending

    @property
    def _word_ms(self) -> int:
        return max(WORD_MS, self.settings.hold_ms)

    @property
    def frames_to_action(self) -> float:
        """At least so many more frames come before ``frame`` returns an action, whatever is in them."""
        if self.settings.mode == "off":
            return math.inf
        if self.settings.mode == "semantic":
            if self._last_voiced_ms is not None:
                return 1
            return math.ceil(min(self.settings.hold_ms, self.settings.speech_ms, self._word_ms) / FRAME_MS)
        return self.frames_to(self.settings.interrupt_frames * FRAME_MS)

    def frames_to(self, voiced_ms: int) -> int:
        """At least so many more frames come before there is so much voiced speech in this run."""
        # Only a stop that has begun can be bridged by a frame that comes: what follows it counts itself.
        bridged_ms = 0 if self._last_voiced_ms is None else _BRIDGED_MS
        return math.ceil((voiced_ms - self._voiced_ms - bridged_ms) / FRAME_MS)

    def frame(
        self, voiced: bool, at_ms: int, *, speech: bool = True, trusted: bool = True, may_hold: bool = True
    ) -> list[Action]:
        """One frame that arrived while the agent is audible; ``at_ms`` is its end in audio time.

        ``trusted``: the sound is certainly not the agent's own echo; if not, only words count.
        ``may_hold``: it is probably not. ``speech``: it may be speech, so there is something to ask about.
        """
        silence = 0 if self._last_voiced_ms is None else at_ms - self._last_voiced_ms
        if voiced:
            if silence > self.settings.gap_ms + FRAME_MS and not self._held:
                self.reset()
            if self._last_voiced_ms is None:
                self._began_ms = at_ms - FRAME_MS
            bridged = silence - FRAME_MS if self._last_voiced_ms is not None else 0
            self._voiced_ms += FRAME_MS + (bridged if bridged <= _BRIDGED_MS else 0)
            self._last_voiced_ms = at_ms
            silence = 0
        if self._last_voiced_ms is None or self.settings.mode == "off":
            return []
        if self.settings.mode == "energy":
            enough = self._voiced_ms >= self.settings.interrupt_frames * FRAME_MS
            return [Action.STOP] if voiced and enough else []
        return self._semantic(voiced, silence, at_ms, speech, trusted, may_hold)

    def _semantic(
        self, voiced: bool, silence: int, at_ms: int, speech: bool, trusted: bool, may_hold: bool
    ) -> list[Action]:
        fresh_ms = self._voiced_ms - self._passed_ms
        if trusted and voiced and fresh_ms >= self._longest_ms:
            return [Action.STOP]
        if silence >= _CLICK_OVER_MS and not self._pending and (self._voiced_ms < WORD_MS or not speech):
            held = self._held
            self.reset()
            return [Action.RELEASE] if held else []
        actions: list[Action] = []
        holds = may_hold and not self._held and not self._released
        if voiced and holds and fresh_ms >= self.settings.hold_ms:
            self._held = True
            actions.append(Action.HOLD)
        if silence >= self.settings.over_ms:
            # The whole of it, with its end: the last word on what it was.
            return actions + self.silent_line(at_ms)
        # A word fades: while the agent is held, silence may have its last letters.
        worth = (
            fresh_ms > 0
            and self._voiced_ms >= self._word_ms
            and (voiced or (self._held and silence <= _FADING_MS))
        )
        if self._asked_at_ms is None:
            due = at_ms - self._began_ms >= _FIRST_ASKED_MS
        else:
            due = at_ms - self._asked_at_ms >= self.settings.listen_ms
        if speech and worth and due and not self._pending:
            actions.append(self._ask(at_ms))
        return actions

    @property
    def _longest_ms(self) -> float:
        """So much fresh speech interrupts without a verdict."""
        if self._perhaps:
            return self.settings.speech_ms * _PERHAPS
        # An answer about so much speech is on its way, or will be: it decides, if it comes in time.
        late = self._pending or self._asked_ms < self._passed_ms + self.settings.speech_ms
        return self.settings.speech_ms * (_LATE if late else 1)

    def _ask(self, at_ms: int) -> Action:
        self._asked_ms, self._asked_at_ms = self._voiced_ms, at_ms
        self._pending = True
        return Action.LISTEN

    def verdict(self, verdict: Verdict, *, asked_voiced_ms: int) -> list[Action]:
        """What the words were, of the first ``asked_voiced_ms`` of speech."""
        self._pending = False
        if self.settings.mode != "semantic":
            return []
        self._perhaps = verdict is Verdict.PERHAPS
        if verdict in (Verdict.STOP, Verdict.SPEECH):
            return [Action.STOP]
        if verdict in (Verdict.BACKCHANNEL, Verdict.ECHO):
            self._passed_ms = max(self._passed_ms, asked_voiced_ms)
            return self._release()
        if verdict is Verdict.PERHAPS and not self._final_asked:
            return self._release()
        return self._give_up() if self._final_asked else []

    def _release(self) -> list[Action]:
        held = self._held
        self._held = False
        self._released = True
        self._final_asked = self._final_asked and not held
        return [Action.RELEASE] if held else []

    def silent_line(self, at_ms: int) -> list[Action]:
        """The sound is over, or no packets come any more: what was heard up to now is all there is."""
        if self._pending or not self.unsettled:
            return []
        if self._final_asked:
            return self._give_up()
        self._final_asked = True
        return [self._ask(at_ms)]

    def _give_up(self) -> list[Action]:
        """A sound without words: the agent says the phrase again."""
        held = self._held
        self.reset()
        return [Action.REPEAT] if held else []
