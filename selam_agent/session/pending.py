"""A turn on its way to an answer: guessed at in a pause, committed, answered."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from selam_agent.dialogue.decisions import Commit
from selam_agent.errors import SelamError
from selam_agent.events import TurnMetrics
from selam_agent.ports import Transcript
from selam_agent.session.reply import Reply
from selam_agent.session.stages import stages


@dataclass(slots=True, eq=False)
class PendingTurn:
    """One revision of a turn. Times are loop seconds; ``commit`` is None while it is only a guess."""

    turn: int
    revision: int
    # How long the caller spoke before the pause in which it was guessed at.
    spoken_ms: int = 0
    commit: Commit | None = None
    committed_at: float = 0.0
    task: asyncio.Task[None] | None = None
    transcript: Transcript | None = None
    error: SelamError | None = None
    transcribed_at: float = 0.0
    # An answer to the words of this revision, or of an earlier one (``reply_text``), not yet heard.
    reply: Reply | None = None
    reply_text: str = ""
    # Answers that were prepared and thrown away, and how long the engines were at work on them.
    dropped: int = 0
    wasted_ms: float = 0.0
    # The client interrupted while this was being prepared: remembered, not answered.
    muted: bool = False
    # ``speech`` or ``text``.
    source: str = "speech"
    # Not a turn of the caller's: the agent is to speak, with these instructions.
    created: str | None = None

    @property
    def ready(self) -> bool:
        return self.created is not None or self.transcript is not None or self.error is not None

    @property
    def rejected(self) -> str | None:
        """Why the transcript must not be answered; None when it was understood or is not there."""
        if self.transcript is None:
            return None
        return self.transcript.rejected or (None if self.transcript.text.strip() else "empty")

    @property
    def understood(self) -> bool:
        return self.transcript is not None and self.rejected is None

    def drop_reply(self, now: float) -> None:
        """Throws the prepared answer away; nothing of it was heard."""
        if self.reply is not None:
            self.dropped += 1
            self.wasted_ms += self.reply.marks.work_ms(now)
            self.reply.stop(silently=True)
            self.reply = None

    def metrics(self, reply: Reply, audible: float) -> TurnMetrics:
        """The stages from the end of the caller's speech to the reply's first sample at ``audible``."""
        assert self.commit is not None
        marks = reply.marks
        prepared = marks.begun < self.committed_at
        return stages(
            marks,
            speech_end=self.commit.speech_end_arrived_ms / 1000,
            committed=self.committed_at,
            transcribed=self.transcribed_at,
            audible=audible,
            turn_id=self.turn,
            reply_id=reply.reply_id,
            reason=self.commit.reason,
            speculation="hit" if prepared else "miss" if self.dropped else "none",
            dropped=self.dropped,
            wasted_ms=round(self.wasted_ms, 1),
        )
