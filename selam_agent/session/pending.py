"""A committed turn on its way to an answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise

from selam_agent import events
from selam_agent.dialogue.turns import Commit
from selam_agent.errors import SelamError
from selam_agent.ports import Transcript
from selam_agent.session.reply import Marks


@dataclass(slots=True, eq=False)
class PendingTurn:
    """A committed turn on its way to an answer. Times are loop seconds."""

    commit: Commit
    committed_at: float
    task: asyncio.Task[None] | None = None
    transcript: Transcript | None = None
    error: SelamError | None = None
    transcribed_at: float = 0.0
    # The client interrupted while this was being prepared: remembered, not answered.
    muted: bool = False

    @property
    def ready(self) -> bool:
        return self.transcript is not None or self.error is not None

    @property
    def rejected(self) -> str | None:
        """Why the transcript must not be answered; None when it was understood or is not there."""
        if self.transcript is None:
            return None
        return self.transcript.rejected or (None if self.transcript.text.strip() else "empty")

    @property
    def understood(self) -> bool:
        return self.transcript is not None and self.rejected is None

    def metrics(self, reply_id: str, marks: Marks, audible: float) -> events.TurnMetrics:
        """The stages from the end of the caller's speech to the first sample sent, in ms."""
        speech_end = self.commit.speech_end_arrived_ms / 1000
        fragment = marks.first_fragment or audible
        pcm = marks.first_pcm or audible
        stages = [speech_end, self.committed_at, self.transcribed_at, fragment, pcm, audible]
        endpoint, stt, llm, tts, send = (
            round((after - before) * 1000, 1) for before, after in pairwise(stages)
        )
        return events.TurnMetrics(
            turn_id=self.commit.turn,
            reply_id=reply_id,
            endpoint_ms=endpoint,
            stt_ms=stt,
            llm_ms=llm,
            tts_ms=tts,
            send_ms=send,
            v2v_ms=round((audible - speech_end) * 1000, 1),
            reason=self.commit.reason,
        )
