"""A session's turn-taking on tape: everything the turn-taker was told and decided, without audio and text.

A tape is a list of entries that JSON can hold; the first is the header. Frames are kept as the verdicts of
the voice activity detection with their arrival time, words as how complete they sounded, what was said over
the agent as the verdict on it. That is enough to take the same decisions again (see ``replay``).

=======================================  =====================================================
entry                                    meaning
=======================================  =====================================================
``["tape", 2, {setting: value}]``        the header: format version and ``TurnSettings``
``["f", [arrived, ...], "0111~"]``       frames, about a second: voiced (1), fading (~) or not (0)
``["w", turn, revision, ending]``        how complete a guess's words sound
``["v", listen, verdict]``               the verdict on sound over the agent; ``listen``: its fields
``["is", attribute, value]``             what is ``Known`` changed
``["do", method, *arguments]``           any other call
``["d", audio_ms, name, reason, turn]``  a decision
=======================================  =====================================================
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from selam_agent.dialogue.completeness import Ending
from selam_agent.dialogue.decisions import Decision, Listen, TurnSettings
from selam_agent.dialogue.interruption import Verdict
from selam_agent.dialogue.turns import TurnTaker

Entry: TypeAlias = list[Any]
VERSION = 2

# So many frames are written as one entry.
_TOGETHER = 50
_BITS = {(True, False): "1", (True, True): "1", (False, True): "~", (False, False): "0"}


class TapedTurnTaker(TurnTaker):
    """A turn-taker that writes down what it is told and what it decides.

    Args:
        settings: as for any turn-taker.
        write: takes each entry, in order; must not block.
    """

    def __init__(self, settings: TurnSettings, write: Callable[[Entry], None]) -> None:
        super().__init__(settings)
        self._write = write
        self._arrived: list[float] = []
        self._bits = ""
        self._told = dataclasses.replace(self.known)
        write(["tape", VERSION, dataclasses.asdict(settings)])

    def frame(self, voiced: bool, arrived: float, *, fading: bool = False) -> list[Decision]:
        arrived = _tenths(arrived)
        self._put_frames([arrived], _BITS[voiced, fading])
        made = super().frame(voiced, arrived, fading=fading)
        return self._decided(made) if made else made

    def silence(self, arrived: Sequence[float]) -> bool:
        arrived = [_tenths(at) for at in arrived]
        if not super().silence(arrived):
            return False
        self._put_frames(arrived, "0" * len(arrived))
        return True

    def goes_on(self, arrived: Sequence[float], sounds: Sequence[tuple[bool, bool]]) -> bool:
        arrived = [_tenths(at) for at in arrived]
        if not super().goes_on(arrived, sounds):
            return False
        self._put_frames(arrived, "".join([_BITS[sound] for sound in sounds]))
        return True

    def words(self, turn: int, revision: int, ending: Ending) -> list[Decision]:
        self._put("w", turn, revision, ending.value)
        return self._decided(super().words(turn, revision, ending))

    def verdict(self, asked: Listen, verdict: Verdict) -> list[Decision]:
        self._put("v", dataclasses.asdict(asked), verdict.value)
        return self._decided(super().verdict(asked, verdict))

    def tick(self, now: float) -> list[Decision]:
        self._put("do", "tick", now)
        return self._decided(super().tick(now))

    def flush(self) -> list[Decision]:
        self._put("do", "flush")
        return self._decided(super().flush())

    def frozen(self, for_ms: float) -> None:
        self._put("do", "frozen", for_ms)
        super().frozen(for_ms)

    def next_turn(self) -> int:
        self._put("do", "next_turn")
        return super().next_turn()

    def reconfigure(self, settings: TurnSettings) -> None:
        self._put("do", "reconfigure", dataclasses.asdict(settings))
        super().reconfigure(settings)

    def agent_started(self, at: float) -> None:
        self._put("do", "agent_started", at)
        super().agent_started(at)

    def agent_stopped(self) -> None:
        self._put("do", "agent_stopped")
        super().agent_stopped()

    def forget_reopenable(self) -> None:
        self._put("do", "forget_reopenable")
        super().forget_reopenable()

    def finish(self) -> None:
        """Writes what is still held."""
        self._flush_frames()

    def _put_frames(self, arrived: Sequence[float], bits: str) -> None:
        self._put_known()
        self._arrived += arrived
        self._bits += bits
        if len(self._bits) >= _TOGETHER:
            self._flush_frames()

    def _put_known(self) -> None:
        known, told = self.known, self._told
        # Field by field: comparing two dataclasses makes two tuples, fifty times a second.
        if (
            known.trusted is not told.trusted
            or known.recorder is not told.recorder
            or known.echo_suspected is not told.echo_suspected
        ):
            for name, value in dataclasses.asdict(known).items():
                if value != getattr(told, name):
                    self._put("is", name, value)
            self._told = dataclasses.replace(known)

    def _decided(self, decisions: list[Decision]) -> list[Decision]:
        for each in decisions:
            self._put("d", *described(each, self.audio_ms))
        return decisions

    def _put(self, *entry: Any) -> None:
        self._flush_frames()
        self._write(list(entry))

    def _flush_frames(self) -> None:
        if self._bits:
            self._write(["f", self._arrived, self._bits])
            self._arrived, self._bits = [], ""


def _tenths(ms: float) -> float:
    # Exact enough, and shorter to write; ``round`` goes by its text.
    return int(ms * 10 + 0.5) / 10


def described(decision: Decision, audio_ms: int) -> tuple[int, str, str, int]:
    """When (audio time), what, why and about which turn (0: none)."""
    name = type(decision).__name__
    return audio_ms, name, str(getattr(decision, "reason", "")), int(getattr(decision, "turn", 0))
