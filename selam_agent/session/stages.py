"""When a turn reached each stage on its way to an audible answer, and how long each took."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from selam_agent.events import TurnMetrics


@dataclass(slots=True)
class Marks:
    """When things happened in a reply, in loop time (s); None when they did not."""

    begun: float
    first_token: float | None = None
    first_fragment: float | None = None
    first_pcm: float | None = None
    first_sent: float | None = None
    _model_until: float | None = None
    _voice_since: float | None = None
    _voice_s: float = 0.0

    def model_rests(self, now: float) -> None:
        """The model has written all that it writes by itself."""
        if self._model_until is None:
            self._model_until = now

    def voice_works(self, now: float) -> None:
        """The voice was asked for more."""
        self._voice_since = now

    def voice_rests(self, now: float) -> None:
        """It has answered."""
        if self._voice_since is not None:
            self._voice_s += now - self._voice_since
            self._voice_since = None

    def work_ms(self, now: float) -> float:
        """How long the model and the voice have been at work on this reply, together, in ms.

        Waiting for the gate, and for the playout to need more, is no work; waiting in an engine's queue is.
        """
        model_s = (self._model_until if self._model_until is not None else now) - self.begun
        voice_s = self._voice_s + (now - self._voice_since if self._voice_since is not None else 0.0)
        return (model_s + voice_s) * 1000


def stages(
    marks: Marks, *, speech_end: float, committed: float, transcribed: float, audible: float, **about: Any
) -> TurnMetrics:
    """The stages from the end of the caller's speech to the first sample sent, in ms.

    What was ready before the commit cost nothing, so each stage counts from the end of the one
    before it and from the commit, whichever is later; that way they add up. Arguments are loop
    times (s); ``about`` are the event's other fields.
    """
    ends = [
        speech_end,
        committed,
        transcribed,
        marks.first_fragment or audible,
        marks.first_pcm or audible,
        audible,
    ]
    endpoint, stt, llm, tts, send = (
        round((after - before) * 1000, 1) for before, after in pairwise(accumulate(ends, max))
    )
    asked = max(speech_end, committed, transcribed)
    first_token = min(max((marks.first_token or audible) - asked, 0.0) * 1000, llm)
    return TurnMetrics(
        first_token_ms=round(first_token, 1),
        endpoint_ms=endpoint,
        stt_ms=stt,
        llm_ms=llm,
        tts_ms=tts,
        send_ms=send,
        v2v_ms=round((audible - speech_end) * 1000, 1),
        **about,
    )
