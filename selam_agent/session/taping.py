"""What a session's record is made of besides its events: the tape of its decisions, and both sides' audio."""

from __future__ import annotations

from collections.abc import Callable

import orjson

from selam_agent.audio.call_recording import CallRecording
from selam_agent.dialogue.decisions import TurnSettings
from selam_agent.dialogue.tape import Entry, TapedTurnTaker
from selam_agent.dialogue.turns import TurnTaker
from selam_agent.events import Event
from selam_agent.events_signals import Recorded, Taped
from selam_agent.settings import Keep

# About four hours of a client that sends 20 ms at a time; the end of a longer session is missing.
_MAX_TAPE = 16 * 1024 * 1024
# Handed over when it is this long: every quarter of a minute.
_TAPE_PIECE = 16 * 1024
# Audio is handed over in pieces of a good size for a disk; the newest may still be thrown away unheard.
_PIECE_MS = 10_000
_UNSURE_MS = 30_000


class Taping:
    """Keeps as much as ``keep`` allows. ``record`` takes events that only the session's record sees."""

    def __init__(self, keep: Keep, record: Callable[[Event], None]) -> None:
        self._record = record
        self._tape = bytearray() if keep != "none" else None
        self._taped = 0
        self.call = CallRecording() if keep == "audio" else None
        self._handed_over: float | None = None

    def turn_taker(self, settings: TurnSettings) -> TurnTaker:
        """A turn-taker whose decisions are taped, if they are to be kept."""
        return TurnTaker(settings) if self._tape is None else TapedTurnTaker(settings, self._write)

    def at(self, now_ms: float) -> None:
        """Hands over the audio of the time before, now and then."""
        if self.call is None:
            return
        if self._handed_over is None:
            self._handed_over = now_ms
        if now_ms - self._handed_over >= _PIECE_MS + _UNSURE_MS:
            self._handed_over = now_ms - _UNSURE_MS
            self._record(Recorded(pcm=self.call.take(self._handed_over).tobytes()))

    def close(self, turns: TurnTaker) -> None:
        """The session ends: hands over what is left."""
        if isinstance(turns, TapedTurnTaker):
            turns.finish()
        self._hand_over_tape()
        if self.call is not None:
            self._record(Recorded(pcm=self.call.take().tobytes()))

    def _write(self, entry: Entry) -> None:
        assert self._tape is not None
        if self._taped + len(self._tape) < _MAX_TAPE:
            self._tape += orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE)
        if len(self._tape) >= _TAPE_PIECE:
            self._hand_over_tape()

    def _hand_over_tape(self) -> None:
        if self._tape:
            self._taped += len(self._tape)
            self._record(Taped(tape=bytes(self._tape)))
            self._tape.clear()
