"""Whose turn is it? A sans-I/O turn-taker: frames and times in, decisions out.

Two clocks. *Audio time* counts the milliseconds of audio received since the session began; all
endpointing runs on it, so a recording decides the same at any speed. *Arrival time* is the server's
monotonic clock in milliseconds and comes in as data with each frame and each tick; it is needed for
two questions only: has the client stopped sending, and was the agent already audible when this
speech arrived?

The caller feeds ``frame`` and ``tick`` in order of arrival and calls ``tick`` no later than
``next_deadline``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, TypeAlias

FRAME_MS = 20

# Speech starts when 3 of the last 5 frames are voiced: a click is one or two frames long.
ONSET_VOICED = 3
ONSET_WINDOW = 5

CommitReason = Literal["silence", "no_packets", "max_utterance", "stop_listening"]
IgnoreReason = Literal["too_short", "below_interrupt_threshold", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSettings:
    """Milliseconds throughout; the defaults and their reasons are in ``settings.Turns``."""

    silence_ms: int = 800
    gap_ms: int = 200
    pre_roll_ms: int = 300
    min_speech_ms: int = 120
    no_packets_ms: int = 1500
    no_packets_ptt_ms: int = 500
    max_utterance_ms: int = 30_000
    # interrupt_threshold × 30 ms of voiced speech, in whole frames.
    interrupt_frames: int = 12


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

    ``speech_end_ms`` is the end of the last voiced frame and ``speech_end_arrived_ms`` when that
    frame arrived; ``voiced_ms`` is how much of it counts as speech.
    """

    turn: int
    revision: int
    start_ms: int
    end_ms: int
    speech_end_ms: int
    speech_end_arrived_ms: float
    voiced_ms: int
    reason: CommitReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Reopen:
    """The turn goes on after all: drop whatever was made for an earlier revision of it."""

    turn: int
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupt:
    """The caller means to stop the agent."""

    turn: int
    at_ms: int
    reason: Literal["energy"] = "energy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignore:
    """What sounded like speech is no turn."""

    at_ms: int
    reason: IgnoreReason


Decision: TypeAlias = SpeechStarted | Commit | Reopen | Interrupt | Ignore


@dataclass(slots=True)
class _Utterance:
    """Speech that has begun and is not yet committed. Times are audio time unless named otherwise."""

    turn: int
    revision: int
    start_ms: int
    last_voiced_ms: int
    last_voiced_arrived: float
    voiced_ms: int
    # Voiced sound that came while the agent was silent, or that stopped it: only then is it a turn.
    counts: bool


class TurnTaker:
    """The state of one caller's turns. Not thread-safe; owned by one session."""

    def __init__(self, settings: TurnSettings) -> None:
        self.settings = settings
        # Set by the session when the audio is a recorder's container: such clients just stop sending.
        self.recorder = False
        # Learned: the client has stopped in mid-speech before, and nothing came late.
        self._stops_in_speech = False
        self._audio_ms = 0
        self._turn = 0
        self._open: _Utterance | None = None
        # The committed turn that late audio may still reopen.
        self._reopenable: _Utterance | None = None
        self._recent: deque[bool] = deque(maxlen=ONSET_WINDOW)
        self._last_arrival: float | None = None
        # Where the last utterance was closed: no sample belongs to two turns.
        self._closed_ms = 0
        # When the agent became audible; None while it is silent.
        self._agent_since: float | None = None
        # Voiced frames of the current run of speech over the agent, and when the run last had one.
        self._run_frames = 0
        self._run_last_ms = 0

    # ------------------------------------------------------------ what is known

    @property
    def audio_ms(self) -> int:
        """Audio time: milliseconds received so far."""
        return self._audio_ms

    @property
    def utterance_open(self) -> bool:
        return self._open is not None

    @property
    def keep_from_ms(self) -> int:
        """Audio before this time is needed no more."""
        oldest = self._audio_ms - self.settings.pre_roll_ms - ONSET_WINDOW * FRAME_MS
        for utterance in (self._open, self._reopenable):
            if utterance is not None:
                oldest = min(oldest, utterance.start_ms)
        return max(0, oldest)

    @property
    def next_deadline(self) -> float | None:
        """Arrival time at which ``tick`` must be called, or None."""
        if self._open is None or self._last_arrival is None:
            return None
        return self._last_arrival + self._packet_patience

    @property
    def _packet_patience(self) -> int:
        if self.recorder or self._stops_in_speech:
            return self.settings.no_packets_ptt_ms
        return self.settings.no_packets_ms

    # ------------------------------------------------------------ what happens

    def frame(self, voiced: bool, arrived: float) -> list[Decision]:
        """One 20 ms frame. ``arrived`` is its arrival time in ms."""
        decisions: list[Decision] = []
        self._audio_ms += FRAME_MS
        self._last_arrival = arrived
        over_agent = self._agent_since is not None and arrived >= self._agent_since
        if voiced:
            self._count_over_agent(over_agent)
        self._recent.append(voiced)
        if self._open is None:
            if self._reopenable and self._silence_since(self._reopenable) > self.settings.silence_ms:
                self._reopenable = None
            if sum(self._recent) >= ONSET_VOICED:
                decisions.append(self._begin(arrived, over_agent))
        elif voiced:
            self._open.voiced_ms += FRAME_MS
            self._open.last_voiced_ms = self._audio_ms
            self._open.last_voiced_arrived = arrived
            self._open.counts |= not over_agent
        if over_agent and self._open and self._run_frames >= self.settings.interrupt_frames:
            decisions.append(Interrupt(turn=self._open.turn, at_ms=self._audio_ms))
            self._open.counts = True
            self.agent_stopped()
        if self._open is not None:
            if self._silence_since(self._open) >= self.settings.silence_ms:
                decisions.append(self._close("silence"))
            elif self._audio_ms - self._open.start_ms >= self.settings.max_utterance_ms:
                decisions.append(self._close("max_utterance"))
        return decisions

    def tick(self, now: float) -> list[Decision]:
        """Time passed without packets. ``now`` is on the clock of ``arrived``."""
        deadline = self.next_deadline
        if deadline is None or now < deadline:
            return []
        decision = self._close("no_packets", reopenable=True)
        self._stops_in_speech = True
        return [decision]

    def flush(self) -> list[Decision]:
        """The caller says that the turn is over (``stop_listening``)."""
        return [] if self._open is None else [self._close("stop_listening")]

    def frozen(self, for_ms: float) -> None:
        """The session was paused for this long; the packet clock stood still."""
        if self._last_arrival is not None:
            self._last_arrival += for_ms

    def agent_started(self, at: float) -> None:
        """The first sample of a reply left at this arrival time; nothing can be reopened any more."""
        self._agent_since = at
        self._reopenable = None
        self._run_frames = 0

    def agent_stopped(self) -> None:
        """The agent is silent: played to its end, or interrupted."""
        self._agent_since = None
        self._run_frames = 0

    def forget_reopenable(self) -> None:
        """The client interrupted the reply in preparation: new speech is a new turn."""
        self._reopenable = None

    # ------------------------------------------------------------ inside

    def _silence_since(self, utterance: _Utterance) -> int:
        return self._audio_ms - utterance.last_voiced_ms

    def _count_over_agent(self, over_agent: bool) -> None:
        if self._audio_ms - self._run_last_ms > self.settings.gap_ms + FRAME_MS:
            self._run_frames = 0
        self._run_last_ms = self._audio_ms
        if over_agent:
            self._run_frames += 1

    def _begin(self, arrived: float, over_agent: bool) -> Decision:
        recent = list(self._recent)
        first_voiced = self._audio_ms - FRAME_MS * (len(recent) - recent.index(True))
        voiced_ms = FRAME_MS * sum(recent)
        self._recent.clear()
        late, self._reopenable = self._reopenable, None
        if late is not None:
            # Late audio of a stalled network: the same turn, with everything it had.
            self._stops_in_speech = False
            late.revision += 1
            late.voiced_ms += voiced_ms
            late.last_voiced_ms = self._audio_ms
            late.last_voiced_arrived = arrived
            self._open = late
            return Reopen(turn=late.turn, revision=late.revision)
        self._turn += 1
        self._open = _Utterance(
            turn=self._turn,
            revision=0,
            start_ms=max(self._closed_ms, first_voiced - self.settings.pre_roll_ms),
            last_voiced_ms=self._audio_ms,
            last_voiced_arrived=arrived,
            voiced_ms=voiced_ms,
            counts=not over_agent,
        )
        return SpeechStarted(turn=self._turn, at_ms=first_voiced)

    def _close(self, reason: CommitReason, *, reopenable: bool = False) -> Decision:
        utterance = self._open
        assert utterance is not None
        self._open = None
        self._recent.clear()
        self._closed_ms = self._audio_ms
        if not utterance.counts:
            self._turn = utterance.turn - 1
            return Ignore(at_ms=self._audio_ms, reason="below_interrupt_threshold")
        if utterance.voiced_ms < self.settings.min_speech_ms:
            self._turn = utterance.turn - 1
            return Ignore(at_ms=self._audio_ms, reason="too_short")
        if reopenable:
            self._reopenable = utterance
        return Commit(
            turn=utterance.turn,
            revision=utterance.revision,
            start_ms=utterance.start_ms,
            end_ms=self._audio_ms,
            speech_end_ms=utterance.last_voiced_ms,
            speech_end_arrived_ms=utterance.last_voiced_arrived,
            voiced_ms=utterance.voiced_ms,
            reason=reason,
        )
