"""One of many callers: speaks, waits for the answer, cuts into every other one, and takes the time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from random import Random
from typing import Any

from selam_agent.programs.bench.dialect import Dialect
from selam_agent.programs.bench.player import Player
from selam_agent.programs.bench.sockets import WebSocket
from selam_agent.programs.bench.speech import Speech

# So long after the end of a line the agent has said something, or the turn is missed.
PATIENCE_MS = 4000.0
# The caller cuts in when it has heard so much of the answer.
_CUT_IN_MS = 900.0
_PAUSE_MS = (200.0, 900.0)
# An agent that says nothing for so long, its audio played, has finished. Longer than a stall.
_FINISHED_MS = 400.0


def now_ms() -> float:
    """The callers' clock."""
    return time.perf_counter() * 1000


@dataclass(slots=True)
class Log:
    """What callers have seen; lists are ms."""

    v2v: list[float] = field(default_factory=list)
    decision_to_first_chunk: list[float] = field(default_factory=list)
    barge_in: list[float] = field(default_factory=list)
    silent: list[float] = field(default_factory=list)
    turns: int = 0
    missed_turns: int = 0
    # Lines over the agent that did not stop it.
    missed_barge_ins: int = 0
    # Answers that began while the caller spoke.
    cut_offs: int = 0
    underruns: int = 0
    errors: dict[str, int] = field(default_factory=dict)


class Caller:
    """A state machine on the schedule of its packets. ``speech``: frames of the dialect, ready to send."""

    def __init__(self, dialect: Dialect, speech: Speech, buffer_ms: float, seed: int) -> None:
        self._dialect = dialect
        self._speech = speech
        self._random = Random(seed)
        self._player = Player(buffer_ms)
        # What is heard before somebody wants to know.
        self.log = Log()
        self.socket: WebSocket | None = None
        self.is_ready = False
        self.lost = False
        self._closing = False
        self._sent = 0
        self._pause_until = 0.0
        # The line that is being spoken, and how far.
        self._line: list[bytes] = []
        self._at = 0
        self._cut_off = False
        # When the line ended that waits for its answer; since when that is heard.
        self._line_ended: float | None = None
        self._heard_from: float | None = None
        self._last_audio = 0.0
        self._underruns, self._silent_ms = 0, 0.0
        # Every other answer is cut into; when that began, and when the agent was last heard.
        self._cuts_in = bool(seed % 2)
        self._onset: float | None = None
        self._stopped: float | None = None

    # ------------------------------------------------------------ the crowd's side

    def rest(self, at_most_ms: float) -> None:
        """Waits a little before the first line, so that callers do not speak in step."""
        self._pause_until = now_ms() + self._random.uniform(0, at_most_ms)

    def close(self) -> None:
        """Begins no new line."""
        self._closing = True

    @property
    def busy(self) -> bool:
        """Whether a line is being spoken or waits for its answer."""
        return bool(self._line) or self._line_ended is not None

    def send_packet(self, due: float) -> None:
        """Sends the packet that is due at this time and holds what was said up to then.

        A line begins and ends on the microphone's clock, whatever this process is late.
        """
        now = due
        if self._line:
            packet = self._line[self._at]
            self._at += 1
            if self._at == len(self._line):
                self._line = []
                self._end_of_line(now)
        else:
            packet = self._speech.room[self._sent % len(self._speech.room)]
            self._decide(now)
        self._sent += 1
        if self.socket is not None:
            self.socket.send(packet)

    def message(self, payload: bytes, kind: int) -> None:
        """A message of the server."""
        assert self.socket is not None
        self._dialect.received(payload, kind, self, self.socket.send)

    def gone(self) -> None:
        """The connection has ended."""
        self.lost = True

    # ------------------------------------------------------------ what it hears

    def ready(self) -> None:
        self.is_ready = True

    def audio(self, duration_ms: float) -> None:
        now = now_ms()
        if self._line_ended is not None:
            self._answered(now)
        elif self._heard_from is None or self._stopped is not None:
            # Nobody asked, or not yet: an answer to half a line, or one that was given up.
            self._cut_off |= bool(self._line)
            return
        self._player.add(now, duration_ms)
        self._last_audio = now

    def clear(self) -> None:
        now = now_ms()
        if self._onset is not None and self._stopped is None:
            self._stopped = min(now, self._player.ends)
        self._player.clear(now)

    def turn_metrics(self, figures: dict[str, Any]) -> None:
        self.log.decision_to_first_chunk.append(figures["v2v_ms"] - figures["endpoint_ms"])

    def failed(self, message: str) -> None:
        self.log.errors[message] = self.log.errors.get(message, 0) + 1

    # ------------------------------------------------------------ what it does

    def _decide(self, now: float) -> None:
        """The caller says nothing: it waits, cuts in, or begins the next turn with the next packet."""
        if self._line_ended is not None:
            if now - self._line_ended > PATIENCE_MS:
                self.log.missed_turns += 1
                self._line_ended = None
                self._pause(now)
        elif self._heard_from is not None:
            if self._cuts_in and now - self._heard_from >= _CUT_IN_MS and not self._closing:
                self._cuts_in = False
                self._onset = now + self._speech.lead_ms
                self._begin(self._speech.line)
            elif now > self._player.ends and now - self._last_audio > _FINISHED_MS:
                self._finish_reply()
                self._cuts_in = True
                self._pause(now)
        elif now >= self._pause_until and not self._closing:
            self._begin(self._speech.line)

    def _begin(self, line: list[bytes]) -> None:
        self._line, self._at, self._cut_off = line, 0, False

    def _end_of_line(self, now: float) -> None:
        if self._onset is not None:
            self._judge_barge_in(self._onset, now)
        self._finish_reply()
        self._line_ended = now
        self.log.turns += 1
        self.log.cut_offs += self._cut_off

    def _judge_barge_in(self, onset: float, now: float) -> None:
        stopped, self._onset, self._stopped = self._stopped, None, None
        if stopped is not None:
            self.log.barge_in.append(stopped - onset)
        elif self._player.ends >= now - _FINISHED_MS:
            self.log.missed_barge_ins += 1
        # Else the answer was over before it could be interrupted.

    def _answered(self, now: float) -> None:
        assert self._line_ended is not None
        self.log.v2v.append(now - self._line_ended)
        self._line_ended = None
        self._heard_from = now
        self._player.begin()
        self._underruns, self._silent_ms = self._player.underruns, self._player.silent_ms

    def _finish_reply(self) -> None:
        if self._heard_from is not None:
            self._heard_from = None
            self.log.underruns += self._player.underruns - self._underruns
            self.log.silent.append(self._player.silent_ms - self._silent_ms)

    def _pause(self, now: float) -> None:
        self._pause_until = now + self._random.uniform(*_PAUSE_MS)
