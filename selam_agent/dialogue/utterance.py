"""Speech that has begun and is not yet a turn, and how long to wait after it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from selam_agent.dialogue.completeness import Ending, LearnedPause, wait_ms
from selam_agent.dialogue.decisions import FRAME_MS, Commit, CommitReason, Speculate, TurnSettings

# Of voiced speech: one word or two.
SHORT_MS = 600


@dataclass(slots=True)
class Utterance:
    """Times are audio time (ms) unless named otherwise."""

    turn: int
    # With what was heard just before the onset.
    start_ms: int
    onset_ms: int
    last_sound_ms: int
    last_sound_arrived: float
    voiced_ms: int
    # Voiced sound that came while the agent was silent, or that stopped it: only then is it a turn.
    counts: bool
    revision: int = 0
    # How the words of this revision sound; unknown until they are there.
    ending: Ending = Ending.UNKNOWN
    guesses: int = 0
    # A guess was asked for since the last speech.
    guessed: bool = False
    # It began over the agent; it has stopped the agent.
    over_agent: bool = False
    interrupts: bool = False

    @property
    def likely_ending(self) -> Ending:
        """``ending``, but who cuts in with one word ("No.", "Wait.") mostly has more to say."""
        short = self.interrupts and self.voiced_ms < SHORT_MS
        return Ending.UNKNOWN if short and self.ending is Ending.COMPLETE else self.ending

    def silence_ms(self, now_ms: int) -> int:
        """Since the acoustic end of what was said."""
        return now_ms - self.last_sound_ms

    def may_guess(self, settings: TurnSettings, now_ms: int) -> bool:
        """Whether this pause is worth an answer prepared for it; the cost per turn is bounded."""
        return (
            settings.speculate_ms is not None
            and not self.guessed
            and self.counts
            and self.guesses < settings.max_guesses
            and self.voiced_ms >= settings.min_speech_ms
            and now_ms - self.start_ms <= settings.max_guessed_speech_ms
        )

    def extend(self, now_ms: int, voiced_ms: int, arrived: float, *, over_agent: bool) -> None:
        """It goes on, with this much more voiced sound up to now."""
        self.voiced_ms += voiced_ms
        self.last_sound_ms = now_ms
        self.last_sound_arrived = arrived
        self.counts |= not over_agent

    def fade(self, now_ms: int, arrived: float) -> None:
        """A word's end up to now, which is no voice any more."""
        self.last_sound_ms = now_ms
        self.last_sound_arrived = arrived

    def next_revision(self) -> None:
        """Speech after a guess: its words are not known yet."""
        self.revision += 1
        self.guessed = False
        self.ending = Ending.UNKNOWN

    def speculate(self, end_ms: int) -> Speculate:
        """A pause that may be the end of it."""
        return Speculate(
            turn=self.turn,
            revision=self.revision,
            start_ms=self.start_ms,
            end_ms=end_ms,
            spoken_ms=self.last_sound_ms - self.onset_ms,
        )

    def commit(self, end_ms: int, reason: CommitReason) -> Commit:
        """It is the turn."""
        return Commit(
            turn=self.turn,
            revision=self.revision,
            start_ms=self.start_ms,
            end_ms=end_ms,
            speech_end_ms=self.last_sound_ms,
            speech_end_arrived_ms=self.last_sound_arrived,
            voiced_ms=self.voiced_ms,
            reason=reason,
            over_agent=self.over_agent and not self.interrupts,
        )


class Patience:
    """How long to wait after words, for this caller."""

    def __init__(self, settings: TurnSettings) -> None:
        self.settings = settings
        self._pauses = LearnedPause()

    def learn(self, pause_ms: int) -> None:
        """The caller paused this long and went on."""
        self._pauses.add(pause_ms)

    def wait_ms(self, ending: Ending) -> int:
        """Silence that ends a turn with such an ending."""
        return self._wait_ms(ending, self._pauses.value)

    def frames_to_end(self, utterance: Utterance, now_ms: int) -> int:
        """At least so many more frames come before silence, or its length, decides about it."""
        settings = self.settings
        # What it has said may yet become long enough, or a turn; its words change only between frames.
        endings = (utterance.ending, utterance.likely_ending)
        enough = [self.wait_ms(each) for each in endings]
        # After more speech, when what was learned of it has changed.
        least = [self._wait_ms(each, None) for each in endings]
        if settings.speculate_ms is not None and not utterance.guessed:
            enough.append(settings.speculate_ms)
        if not utterance.counts:
            enough.append(settings.sound_over_ms)
        left_ms = (
            min(enough) - utterance.silence_ms(now_ms),
            min(least),
            utterance.start_ms + settings.max_utterance_ms - now_ms,
        )
        return math.ceil(min(left_ms) / FRAME_MS)

    def _wait_ms(self, ending: Ending, learned_pause_ms: float | None) -> int:
        settings = self.settings
        return wait_ms(
            ending,
            complete=settings.complete_ms,
            unknown=settings.unknown_ms,
            incomplete=settings.incomplete_ms,
            learned_pause_ms=learned_pause_ms,
            min_silence=settings.min_silence_ms,
            max_silence=settings.max_silence_ms,
            limit=settings.silence_limit_ms,
        )
