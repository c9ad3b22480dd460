"""What a simulated call leaves behind: both voices on one timeline, and every event with its time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from selam_agent.client import AudioChunk, ClientEvent
from selam_agent.ports import Pcm16
from selam_agent.programs.media import resample


class Playout:
    """The listener's loudspeaker, on the timeline of the call.

    Chunks are queued behind each other; one that arrives too late to continue without a gap starts
    ``cushion_ms`` after its arrival. What was heard stays; :meth:`clear` drops the rest.
    """

    def __init__(self, rate: int, cushion_ms: float = 40.0) -> None:
        self.rate = rate
        self._cushion = cushion_ms
        self._pieces: list[tuple[int, Pcm16]] = []
        self.end_ms = 0.0
        """When the last queued sample will have been heard."""

    def add(self, at_ms: float, samples: Pcm16) -> float:
        """Queues a chunk that arrived at ``at_ms``; when its first sample is heard, in ms."""
        start = self.end_ms if self.end_ms > at_ms else at_ms + self._cushion
        self._pieces.append((round(start * self.rate / 1000), samples))
        self.end_ms = start + samples.size * 1000 / self.rate
        return start

    def clear(self, at_ms: float) -> None:
        """Drops what would be heard after ``at_ms``."""
        now = round(at_ms * self.rate / 1000)
        self._pieces = [
            (start, samples[: max(0, now - start)]) for start, samples in self._pieces if start < now
        ]
        self.end_ms = min(self.end_ms, at_ms)

    def gap(self, since_ms: float, until_ms: float) -> tuple[float, float]:
        """The longest time between two moments in which nothing was played: length and end, in ms.

        Silence that lasts beyond ``until_ms`` counts if what ends it is queued. ``(0, since_ms)``
        without any.
        """
        played_to, longest, again = since_ms, 0.0, since_ms
        for start, samples in self._pieces:
            begin, end = start * 1000 / self.rate, (start + samples.size) * 1000 / self.rate
            if played_to > until_ms:
                break
            # Pieces lie on whole samples: less than a millisecond is none.
            if begin - played_to > max(longest, 1.0):
                longest, again = begin - played_to, begin
            played_to = max(played_to, end)
        return longest, again

    def heard(self, length: int) -> Pcm16:
        """int16 [length] at :attr:`rate`."""
        out = np.zeros(length, np.int16)
        for start, samples in self._pieces:
            part = samples[: max(0, length - start)]
            out[start : start + part.size] = part
        return out


@dataclass(slots=True)
class Spoken:
    """A line of the caller: when its first and its last sample left, in ms.

    ``goes_on``: it asks for nothing, and the agent is to go on; ``gap_ms`` is for how long the agent
    was silent all the same, None as long as (or if) it was not heard again. ``sound``: a sound
    without words, such as ``cough``.
    """

    text: str
    start_ms: float
    end_ms: float
    cut_in: bool = False
    goes_on: bool = False
    sound: str | None = None
    gap_ms: float | None = None


@dataclass(frozen=True, slots=True)
class WentOn:
    """The agent was heard again after a line that asks for nothing."""

    line: Spoken


@dataclass(slots=True)
class Recording:
    """One call. Times are ms from its beginning; ``caller`` and ``agent`` are int16 [n] at ``rate``."""

    language: str
    voice: str
    rate: int
    caller: Pcm16
    agent: Pcm16
    lines: list[Spoken] = field(default_factory=list)
    events: list[tuple[float, ClientEvent]] = field(default_factory=list)
    heard: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Per reply: when its first and its last sample were heard."""

    @property
    def duration_ms(self) -> float:
        return self.caller.size * 1000 / self.rate


def combine(
    *,
    language: str,
    voice: str,
    sent: list[Pcm16],
    sent_rate: int,
    playout: Playout,
    lines: list[Spoken],
    events: list[tuple[float, ClientEvent]],
    heard: dict[str, tuple[float, float]],
) -> Recording:
    """Brings both voices to the agent's rate and to one length. Audio is not kept in ``events`` too."""
    caller = resample(np.concatenate(sent) if sent else np.zeros(0, np.int16), sent_rate, playout.rate)
    kept = [(at, event) for at, event in events if not isinstance(event, AudioChunk)]
    return Recording(
        language=language,
        voice=voice,
        rate=playout.rate,
        caller=caller,
        agent=playout.heard(caller.size),
        lines=lines,
        events=kept,
        heard=heard,
    )
