"""Does speech over the agent stop it? Decide first, then act, without a stutter.

Two ways. ``energy``: so much voiced speech stops the agent, whatever it is. ``semantic``: after
100 ms of voiced speech sending is held, so that the client falls silent when its lead has been
played; meanwhile the recogniser is asked what was said. Stop words and real speech interrupt;
backchannels and echo let the agent go on where it was, and so do sounds without words, from the
beginning of the phrase. With a recogniser that answers within the lead nothing is heard of it.

Frames and times in (audio time, ms), actions out; no clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from selam_agent.dialogue.decisions import FRAME_MS, TurnSettings
from selam_agent.dialogue.interruption import Verdict

Mode = Literal["semantic", "energy", "off"]


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
    # Held early enough that hold + lead (240) is under the 350 ms in which a stop must be heard.
    hold_ms: int = 100
    # Then the recogniser is asked this often; each answer costs a few ms with the embedded one.
    listen_ms: int = 60
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
        self._last_voiced_ms: int | None = None
        self._held = False
        # Voiced speech at the last question to the recogniser; whether an answer is outstanding.
        self._asked_ms = 0
        self._pending = False
        self._final_asked = False
        # A verdict has let this run pass; only more speech than that counts again.
        self._passed_ms = 0

    @property
    def voiced_ms(self) -> int:
        """Voiced speech of this run."""
        return self._voiced_ms

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
            self.settings.mode == "semantic" and fresh_ms >= self.settings.hold_ms and not self._final_asked
        )

    @property
    def undecided(self) -> bool:
        """Whether the agent is held, or an answer of the recogniser is outstanding."""
        return self._held or self._pending

    def frame(self, voiced: bool, at_ms: int, *, trusted: bool = True) -> list[Action]:
        """One frame that arrived while the agent is audible; ``at_ms`` is its end in audio time.

        ``trusted``: the sound is certainly not the agent's own echo. If not, only words count.
        """
        silence = 0 if self._last_voiced_ms is None else at_ms - self._last_voiced_ms
        if voiced:
            if silence > self.settings.gap_ms + FRAME_MS and not self._held:
                self.reset()
            self._voiced_ms += FRAME_MS
            self._last_voiced_ms = at_ms
            silence = 0
        if self._last_voiced_ms is None or self.settings.mode == "off":
            return []
        if self.settings.mode == "energy":
            enough = self._voiced_ms >= self.settings.interrupt_frames * FRAME_MS
            return [Action.STOP] if voiced and enough else []
        return self._semantic(voiced, silence, trusted)

    def _semantic(self, voiced: bool, silence: int, trusted: bool) -> list[Action]:
        actions: list[Action] = []
        fresh_ms = self._voiced_ms - self._passed_ms
        # An answer about so much speech is on its way, or will be: it decides, if it comes in time.
        late = self._pending or self._asked_ms < self._passed_ms + self.settings.speech_ms
        if trusted and voiced and fresh_ms >= self.settings.speech_ms * (1.5 if late else 1):
            return [Action.STOP]
        if (
            trusted
            and voiced
            and not self._held
            and fresh_ms >= self.settings.hold_ms
            and not self._passed_ms
        ):
            self._held = True
            actions.append(Action.HOLD)
        due = self._voiced_ms - self._asked_ms >= self.settings.listen_ms
        if voiced and fresh_ms >= self.settings.hold_ms and due and not self._pending:
            actions.append(self._ask())
        if silence >= self.settings.over_ms:
            # The whole of it, with its end: the last word on what it was.
            actions += self.silent_line()
        return actions

    def _ask(self) -> Action:
        self._asked_ms = self._voiced_ms
        self._pending = True
        return Action.LISTEN

    def verdict(self, verdict: Verdict, *, asked_voiced_ms: int) -> list[Action]:
        """What the words were, of the first ``asked_voiced_ms`` of speech."""
        self._pending = False
        if self.settings.mode != "semantic":
            return []
        if verdict in (Verdict.STOP, Verdict.SPEECH):
            return [Action.STOP]
        if verdict in (Verdict.BACKCHANNEL, Verdict.ECHO):
            self._passed_ms = max(self._passed_ms, asked_voiced_ms)
            if self._held:
                self._held = False
                self._final_asked = False
                return [Action.RELEASE]
            return []
        return self._give_up() if self._final_asked else []

    def silent_line(self) -> list[Action]:
        """No packets come any more: what was heard is all there is."""
        if self._pending or not self.unsettled:
            return []
        if self._final_asked:
            return self._give_up()
        self._final_asked = True
        return [self._ask()]

    def _give_up(self) -> list[Action]:
        """A sound without words: the agent says the phrase again."""
        held = self._held
        self.reset()
        return [Action.REPEAT] if held else []
