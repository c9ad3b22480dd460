"""How well the guard tells a caller from echo: ``python -m tests.audio.echo_table [--quick] [--aec3]``.

A barge-in is 240 ms of voice in a run that survives gaps of 200 ms and bridges those of 40 ms, as the
turn-taker counts it; frames that the guard suspects do not count, nor any while it is not trusted.
``alone`` is the same caller without echo: what the voice gate needs anyway. ``silent``: where the words
decide, sending is held at the onset, and the client has played its lead after 240 ms. Synthetic voices only.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from selam_agent.audio import echo_aec3
from selam_agent.audio.echo import EchoGuard
from selam_agent.audio.frames import FRAME_MS
from selam_agent.audio.vad import VoiceGate
from selam_agent.dialogue.bargein import Action, BargeIn, BargeInSettings
from selam_agent.dialogue.interruption import Verdict
from tests.audio.echo_scenes import LANGUAGES, Call, Scene, make

# With --aec3 (the extra ``aec``) what takes the echo out.
CANCELLER = echo_aec3.load() if __name__ == "__main__" and "--aec3" in sys.argv else None
BARGE_IN_FRAMES = 12
RUN_GAP_FRAMES = 10
BRIDGED_FRAMES = 2
# What the pacer sends ahead, and what a client packs into one packet.
_LEAD_MS = 240
_PACKET_FRAMES = 2
# Interruptions and false ones count from here: the guard may take 1.5 s of agent audio, and 0.8 to settle.
COUNTED_FROM_MS = 3000.0


@dataclass(frozen=True)
class Listened:
    """``counted``: bool [n], frames that count towards a barge-in."""

    guard: EchoGuard
    counted: NDArray[np.bool_]
    trusted: NDArray[np.bool_]
    found_ms: float | None
    untouched: bool
    microseconds: dict[str, list[float]]


def listen(call: Call, guard: EchoGuard | None = None) -> Listened:
    """The call as a session hears it."""
    guard = guard or EchoGuard(CANCELLER)
    gate = VoiceGate()
    counted, trusted, found, untouched = [], [], None, True
    cost: dict[str, list[float]] = {}
    sent = 0
    for first in range(0, len(call.near), _PACKET_FRAMES):
        now = first * FRAME_MS
        while sent < len(call.far) and call.far[sent][0] <= now + _LEAD_MS:
            guard.far(call.far[sent][1], call.far[sent][0])
            sent += 1
        packet = call.near[first : first + _PACKET_FRAMES]
        state = guard.state
        begun = time.perf_counter()
        cleaned = guard.near(packet, now)
        took = (time.perf_counter() - begun) * 1e6 / len(packet)
        cost.setdefault(state if cleaned.frames is packet else "subtracting", []).append(took)
        untouched &= cleaned.frames is packet
        suspect = False if cleaned.suspect is None else cleaned.suspect
        counted.append(gate.feed(cleaned.frames).voiced & np.logical_not(suspect) & guard.trusted)
        trusted.append(np.full(len(packet), guard.trusted))
        if found is None and guard.state == "guarding":
            found = float(now)
    return Listened(guard, np.concatenate(counted), np.concatenate(trusted), found, untouched, cost)


def barge_ins(counted: NDArray[np.bool_]) -> list[float]:
    """When the agent would have been stopped; it then speaks on, and may be stopped again."""
    run = gap = 0
    times = []
    for number, counts in enumerate(counted.tolist(), 1):
        if counts:
            bridged = gap if run and gap <= BRIDGED_FRAMES else 0
            run, gap = run + 1 + bridged, 0
        else:
            gap += 1
        if run >= BARGE_IN_FRAMES:
            times.append(float(number * FRAME_MS))
        if run >= BARGE_IN_FRAMES or gap > RUN_GAP_FRAMES:
            run = 0
    return times


def holds(listened: Listened) -> list[float]:
    """When sending would be held by sound, with a recogniser that never hears a word."""
    times = []
    barge_in = BargeIn(BargeInSettings())
    for number, (counts, trusted) in enumerate(
        zip(listened.counted.tolist(), listened.trusted.tolist(), strict=True), 1
    ):
        for action in barge_in.frame(counts, number * FRAME_MS, trusted=trusted, may_hold=trusted):
            if action is Action.HOLD:
                times.append(float(number * FRAME_MS))
            elif action is Action.LISTEN:
                barge_in.verdict(Verdict.NOTHING, asked_voiced_ms=barge_in.voiced_ms)
            elif action is Action.STOP:
                barge_in.reset()
    return times


@dataclass
class Tally:
    """Sums over calls. ``late_ms``, ``held_ms``: of each interruption, ``inf`` if it was missed."""

    minutes: float = 0.0
    false: int = 0
    late_ms: list[float] = field(default_factory=list)
    false_holds: int = 0
    held_ms: list[float] = field(default_factory=list)

    def add(self, call: Call, listened: Listened) -> None:
        """One call more."""
        times = [at for at in barge_ins(listened.counted) if at > COUNTED_FROM_MS]
        held = [at for at in holds(listened) if at > COUNTED_FROM_MS]
        self.minutes += (len(listened.counted) * FRAME_MS - COUNTED_FROM_MS) / 60_000
        for onset, end in call.spoken_ms:
            for found, late in ((times, self.late_ms), (held, self.held_ms)):
                mine = [at for at in found if onset < at <= end + 300]
                found[:] = [at for at in found if at not in mine]
                late.append(mine[0] - onset if mine else np.inf)
        self.false += len(times)
        self.false_holds += len(held)

    @property
    def per_minute(self) -> float:
        """False barge-ins."""
        return self.false / self.minutes

    def within(self, ms: float) -> float:
        """The share of interruptions that were heard in this time."""
        return float(np.mean(np.array(self.late_ms) <= ms))

    @property
    def silent(self) -> float:
        """The share of interruptions after which the agent is silent within 400 ms."""
        return float(np.mean(np.array(self.held_ms) + _LEAD_MS <= 400))

    def __str__(self) -> str:
        if not self.late_ms:
            return f"{self.per_minute:5.2f} in {self.minutes:4.1f} min"
        middle, slow = np.percentile(self.late_ms, (50, 90), method="nearest")
        return f"{self.within(400):4.0%} {self.within(600):4.0%} {middle:4.0f}/{slow:3.0f}"


def scenes(seeds: Iterable[int], **changes: object) -> Iterator[Scene]:
    """Every language at every level, with delay, band and drift going round; ``changes`` hold for all."""
    for seed in seeds:
        for number, language in enumerate(LANGUAGES):
            for place, level_db in enumerate((-6.0, -12.0, -20.0)):
                turn = seed + 3 * number + place
                scene = Scene(
                    language=language,
                    level_db=level_db,
                    delay_ms=(80.0, 200.0, 350.0, 600.0)[turn % 4],
                    telephone=(turn + seed // 2) % 2 == 0,
                    drift_ppm=(0.0, 50.0, -50.0)[turn % 3],
                    seed=15 * seed + turn,
                )
                yield replace(scene, **changes)  # type: ignore[arg-type]


CASES = ((None, False), (5.0, False), (10.0, False), (5.0, True))
Heard = tuple[Scene, list[tuple[Call, Listened]]]


def hear(scene: Scene, cases: tuple[tuple[float | None, bool], ...] = CASES) -> Heard:
    """Echo only; the caller 5 and 10 dB over the echo; 5 dB without echo."""
    calls = [
        make(replace(scene, over_db=over_db, headphones=headphones or scene.headphones))
        for over_db, headphones in cases
    ]
    return scene, [(call, listen(call)) for call in calls]


def row(name: str, heard: list[Heard]) -> str:
    """One line for these scenes."""
    tallies = [Tally() for _ in heard[0][1]]
    for _, cases in heard:
        for tally, (call, listened) in zip(tallies, cases, strict=True):
            tally.add(call, listened)
    found = [cases[0][1].found_ms for _, cases in heard]
    latest = max((at for at in found if at is not None), default=0.0)
    there = sum(at is not None for at in found)
    cells = " | ".join(str(tally) for tally in tallies)
    silent = f"{tallies[1].silent:4.0%} {tallies[0].false_holds / tallies[0].minutes:5.2f}"
    return f"{name:22} | {cells} | {silent:13} | {there}/{len(found)} {latest / 1000:4.2f} s"


def main(seeds: range) -> None:
    """Prints the table."""
    print(
        "false = barge-ins per minute of echo alone; ≤ 400 ms, ≤ 600 ms, median/p90 ms of interruptions\n"
        "silent = within 400 ms at +5 dB, and how often per minute of echo alone sending is held in vain"
    )
    print(
        f"{'':22} | {'false':17} | {'caller +5 dB':17} | {'+10 dB':17} | {'alone':17} "
        "| silent, false | found, latest"
    )
    usual = [hear(scene) for scene in scenes(seeds)]
    groups: dict[str, list[Heard]] = {"all": usual}
    for each in usual:
        scene = each[0]
        for name in (
            scene.language,
            f"{scene.level_db:.0f} dB",
            "telephone, G.711" if scene.telephone else "wide band",
            f"delay {scene.delay_ms:.0f} ms",
        ):
            groups.setdefault(name, []).append(each)
    for name in sorted(groups, key=lambda name: (name != "all", name)):
        print(row(name, groups[name]), flush=True)
    cost: dict[str, list[float]] = {}
    for _, cases in usual:
        for _, listened in cases:
            for state, took in listened.microseconds.items():
                cost.setdefault(state, []).extend(took)
    for state, took in sorted(cost.items()):
        slow = np.percentile(took, 99)
        print(f"{state}: {np.median(took):.1f} µs per frame, mean {np.mean(took):.1f}, p99 {slow:.0f}")
    for name, changes in OFF_DESIGN.items():
        print(row(name, [hear(scene, CASES[:2]) for scene in scenes(seeds[:1], **changes)]), flush=True)


OFF_DESIGN: dict[str, dict[str, object]] = {
    "headphones": {"headphones": True},
    "delay jumps 60 ms": {"jump_at_s": 8.0},
    "each reply +0…150 ms": {"jitter_ms": 150.0},
    "each reply +0…30 ms": {"jitter_ms": 30.0},
    "level +6 dB at 8 s": {"swing_at_s": 8.0},
    "level −6 dB at 8 s": {"swing_at_s": 8.0, "swing_db": -6.0},
    "echo as loud as sent": {"level_db": 0.0},
    "RT60 0.6 s": {"rt60_s": 0.6},
    "delay 750 ms": {"delay_ms": 750.0},
    "drift 100 ppm": {"drift_ppm": 100.0},
    "noise −40 dBFS": {"noise_dbfs": -40.0},
}

if __name__ == "__main__":
    main(range(30, 31) if "--quick" in sys.argv else range(30, 33))
