"""What the operator sees of a session: its numbers and one log line per turn, both from its events.

Never audio; what was said only when the logger ``selam_agent.turns`` is at debug.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from selam_agent import events, events_signals, metrics
from selam_agent.errors import EngineError
from selam_agent.metrics import Metrics

log = logging.getLogger("selam_agent.turns")

_STAGES = {
    "endpoint": "endpoint_ms",
    "stt": "stt_ms",
    "llm_first_token": "first_token_ms",
    "llm": "llm_ms",
    "tts": "tts_ms",
    "send": "send_ms",
}
# Turns of one session whose end was not seen; a reply's end follows its words within seconds.
_MAX_OPEN = 32


@dataclass(slots=True)
class _Turn:
    said: str = ""
    about: dict[str, Any] = field(default_factory=dict)


class SessionWatch:
    """Is called with the events of one session (see ``Line``), in order; returns at once."""

    def __init__(self, session_id: str, owner: str, numbers: Metrics) -> None:
        self._about = {"session": session_id, "key": owner}
        self._numbers = numbers
        self._turns: dict[int, _Turn] = {}
        # What an engine failed with since the last turn's words were known.
        self._error: str | None = None

    def __call__(self, event: events.Event) -> None:
        if (teller := _TELLERS.get(type(event))) is not None:
            teller(self, event)

    def _interrupted(self, event: events_signals.SpokenOver) -> None:
        self._numbers.count(metrics.INTERRUPTIONS, verdict=event.verdict)

    # ------------------------------------------------------------ turns

    def _said(self, event: events.Transcription) -> None:
        if not event.is_final:
            return
        self._error = None
        while len(self._turns) >= _MAX_OPEN:
            del self._turns[next(iter(self._turns))]
        about = {"language": event.language, "source": event.source}
        self._turns[event.turn_id] = _Turn(event.text, about)

    def _measured(self, event: events.TurnMetrics) -> None:
        numbers = self._numbers
        for stage, name in _STAGES.items():
            numbers.observe(metrics.STAGE_SECONDS, getattr(event, name) / 1000, stage=stage)
        numbers.observe(metrics.V2V_SECONDS, event.v2v_ms / 1000)
        numbers.count(metrics.SPECULATIONS, outcome=event.speculation)
        numbers.count(metrics.SPECULATIONS_DROPPED, event.dropped)
        numbers.count(metrics.SPECULATION_WASTED, event.wasted_ms / 1000)
        if (turn := self._turns.get(event.turn_id)) is not None:
            turn.about |= {name: getattr(event, name) for name in (*_STAGES.values(), "v2v_ms")}
            turn.about |= {"reason": event.reason, "speculation": event.speculation}

    def _answered(self, event: events_signals.ReplyEnded) -> None:
        turn = self._turns.pop(event.turn_id, None)
        error, self._error = self._error, None
        if error is not None and event.turn_id:
            # Without its words, when it was the recogniser that failed.
            turn = turn or _Turn()
            turn.about["error"] = error
            self._tell(event.turn_id, "failed", turn, heard=event.spoken_text)
        elif turn is not None:
            outcome = "interrupted" if event.interrupted else "answered"
            self._tell(event.turn_id, outcome, turn, heard=event.spoken_text)

    def _tell(self, number: int, outcome: str, turn: _Turn, heard: str = "") -> None:
        self._numbers.count(metrics.TURNS, outcome=outcome)
        about = {**self._about, "turn": number, **turn.about, "outcome": outcome}
        if log.isEnabledFor(logging.DEBUG):
            about |= {"said": turn.said, "heard": heard}
        log.info("turn", extra=about)

    # ------------------------------------------------------------ what goes wrong

    def _failed(self, event: events.ErrorEvent) -> None:
        self._numbers.count(metrics.ERRORS, type=event.type, code=event.code)
        if event.type == EngineError.type:
            self._error = event.code
        log.warning(
            "error", extra={**self._about, "type": event.type, "code": event.code, "reason": event.message}
        )

    def _warned(self, event: events.Notice) -> None:
        self._numbers.count(metrics.WARNINGS, code=event.code)
        if event.code == "wrong_language":
            self._numbers.count(metrics.WRONG_LANGUAGE, remedy=str(event.details.get("remedy", "")))
        number = event.details.get("turn_id")
        if event.code == "not_understood" and isinstance(number, int):
            self._tell(number, "not_understood", _Turn(about={"reason": event.details.get("reason")}))

    # ------------------------------------------------------------ sessions

    def _started(self, event: events.SessionStarted) -> None:
        resumed = event.resumed
        self._numbers.count(metrics.SESSIONS_RESUMED if resumed else metrics.SESSIONS_STARTED)
        about = {"voice": event.voice, "language": event.language}
        log.info("session resumed" if resumed else "session started", extra={**self._about, **about})

    def _ended(self, event: events.SessionEnded) -> None:
        self._numbers.count(metrics.SESSIONS_ENDED, reason=event.reason)
        self._numbers.count(metrics.AUDIO_RECEIVED, event.audio_s)
        about = {"reason": event.reason, "duration_s": event.duration_s, "audio_s": event.audio_s}
        log.info("session ended", extra={**self._about, **about})


_TELLERS: dict[type[events.Event], Callable[[SessionWatch, Any], None]] = {
    events.Transcription: SessionWatch._said,
    events.TurnMetrics: SessionWatch._measured,
    events_signals.SpokenOver: SessionWatch._interrupted,
    events_signals.ReplyEnded: SessionWatch._answered,
    events.ErrorEvent: SessionWatch._failed,
    events.Notice: SessionWatch._warned,
    events.SessionStarted: SessionWatch._started,
    events.SessionEnded: SessionWatch._ended,
}
