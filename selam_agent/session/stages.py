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
    first_fragment: float | None = None
    first_pcm: float | None = None
    first_sent: float | None = None


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
    return TurnMetrics(
        endpoint_ms=endpoint,
        stt_ms=stt,
        llm_ms=llm,
        tts_ms=tts,
        send_ms=send,
        v2v_ms=round((audible - speech_end) * 1000, 1),
        **about,
    )
