"""What the turn-taker is told and what it decides: plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

FRAME_MS = 20

CommitReason = Literal["silence", "no_packets", "max_utterance", "stop_listening", "text"]
InterruptReason = Literal["energy", "words", "duration"]
IgnoreReason = Literal["too_short", "below_interrupt_threshold", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSettings:
    """Milliseconds throughout; the defaults and their reasons are in ``settings.Turns``."""

    # Silence after which the pause is transcribed and an answer prepared; None: only after the commit.
    speculate_ms: int | None = 200
    # Silence that ends a turn whose words sound complete, unclear or incomplete.
    complete_ms: int = 400
    unknown_ms: int = 800
    incomplete_ms: int = 1800
    # Stated by the client: obeyed exactly.
    min_silence_ms: int | None = None
    max_silence_ms: int | None = None
    silence_limit_ms: int = 3000
    max_guesses: int = 3
    max_guessed_speech_ms: int = 15_000
    gap_ms: int = 200
    pre_roll_ms: int = 300
    min_speech_ms: int = 120
    no_packets_ms: int = 1500
    no_packets_ptt_ms: int = 500
    max_utterance_ms: int = 30_000
    # Whether and how speech over the agent stops it.
    interruption: Literal["semantic", "energy", "off"] = "energy"
    # interrupt_threshold × 30 ms of voiced speech, in whole frames.
    interrupt_frames: int = 12
    hold_ms: int = 60
    listen_ms: int = 40
    interrupt_speech_ms: int = 600
    sound_over_ms: int = 300


@dataclass(slots=True)
class Known:
    """What the session knows of the line, and keeps up to date for the turn-taker.

    ``recorder``: the audio is a recorder's container; such clients just stop sending. ``trusted``: sound
    over the agent is certainly the caller's, words always may be. ``echo_suspected``: something of the
    agent was found in the microphone.
    """

    recorder: bool = False
    trusted: bool = True
    echo_suspected: bool = False


def interrupt_frames(threshold: int) -> int:
    """Voiced 20 ms frames that stop the agent: ``threshold`` is in units of 30 ms, rounded up."""
    return -(-threshold * 30 // FRAME_MS)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """The caller began to speak at ``at_ms`` of audio time."""

    turn: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The turn is over: answer the audio from ``start_ms`` to ``end_ms`` (audio time).

    ``speech_end_ms`` is the acoustic end of the words and ``speech_end_arrived_ms`` when that
    frame arrived; ``voiced_ms`` is how much of it counts as speech. ``over_agent``: it began while
    the agent was audible and did not stop it.
    """

    turn: int
    revision: int
    start_ms: int
    end_ms: int
    speech_end_ms: int
    speech_end_arrived_ms: float
    voiced_ms: int
    reason: CommitReason
    over_agent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Speculate:
    """A pause that may be the end: transcribe from ``start_ms`` to ``end_ms`` and prepare an answer.

    ``spoken_ms``: from the first voiced frame to the acoustic end.
    """

    turn: int
    revision: int
    start_ms: int
    end_ms: int
    spoken_ms: int
    reason: Literal["pause", "no_packets"] = "pause"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopen:
    """The turn goes on after all: what was made for an earlier revision is out of date."""

    turn: int
    revision: int
    reason: Literal["speech_goes_on"] = "speech_goes_on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupt:
    """The caller means to stop the agent."""

    turn: int
    at_ms: int
    reason: InterruptReason


@dataclass(frozen=True, slots=True, kw_only=True)
class PausePlayback:
    """Somebody speaks over the agent: stop sending until it is known what it is."""

    at_ms: int
    reason: Literal["speech_over_agent"] = "speech_over_agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePlayback:
    """It was no interruption. ``repeat``: from the beginning of the phrase, else where it stopped."""

    at_ms: int
    repeat: bool

    @property
    def reason(self) -> Literal["no_words", "not_meant"]:
        """``no_words`` for a cough or a click, ``not_meant`` for a backchannel or an echo."""
        return "no_words" if self.repeat else "not_meant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """What was said over the agent, from ``start_ms`` to ``end_ms``, of which ``voiced_ms`` is speech?

    ``finished``: the sound is over.
    """

    turn: int
    start_ms: int
    end_ms: int
    voiced_ms: int
    finished: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """What sounded like speech is no turn."""

    at_ms: int
    reason: IgnoreReason


Decision: TypeAlias = (
    SpeechStarted | Speculate | Commit | Reopen | PausePlayback | ResumePlayback | Listen | Interrupt | Ignore
)
