"""selam-scenarios: the scores of a set of calls, per language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from tests.scenarios.dsl import LANGUAGES
from tests.scenarios.measure import percentile
from tests.scenarios.outcome import Outcome

NAME = "selam-scenarios"


@dataclass(slots=True)
class Score:
    """Of one language. Times in ms; lists until ``table`` sums them up."""

    calls: int = 0
    passed: int = 0
    known: int = 0
    pauses: int = 0
    cut_offs: int = 0
    turns: int = 0
    missed_turns: int = 0
    false_interruptions: int = 0
    interruptions: int = 0
    missed_interruptions: int = 0
    resume_delay: list[float] = field(default_factory=list)
    stop_buffered: list[float] = field(default_factory=list)
    stop_immediate: list[float] = field(default_factory=list)
    v2v: list[float] = field(default_factory=list)
    v2v_sequential: list[float] = field(default_factory=list)

    def add(self, out: Outcome) -> None:
        expect = out.scenario.expect
        self.calls += 1
        self.passed += out.ok
        self.known += not out.ok and bool(out.scenario.known)
        if expect.cut_offs == 0:
            # Where a cut-off is only reported, the pause is not this score's.
            self.pauses += out.pauses
            self.cut_offs += out.cut_offs
        if isinstance(expect.turns, int):
            self.turns += expect.turns
            self.missed_turns += max(0, expect.turns - len(out.transcripts))
        if isinstance(expect.interrupted, int):
            self.interruptions += expect.interrupted
            self.missed_interruptions += max(0, expect.interrupted - out.interrupted)
            self.false_interruptions += max(0, out.interrupted - expect.interrupted)
        self.resume_delay += out.gaps
        buffered = out.scenario.playback == "buffered"
        (self.stop_buffered if buffered else self.stop_immediate).extend(out.stop)
        sequential = out.scenario.settings.get("speculation") is False
        (self.v2v_sequential if sequential else self.v2v).extend(out.v2v)


def score(outcomes: Iterable[Outcome]) -> dict[str, Score]:
    """Per language, in the project's order."""
    scores = {language: Score() for language in LANGUAGES}
    for each in outcomes:
        scores[each.scenario.language].add(each)
    return {language: each for language, each in scores.items() if each.calls}


HEADINGS = (
    "language", "passed", "known", "cut-offs", "missed turns", "false int.", "missed int.", "resume p50/p95",
    "stop buffered p50/p95", "stop immediate p50/p95", "v2v p50/p95", "v2v sequential p50",
)  # fmt: skip


def rows(scores: dict[str, Score]) -> list[tuple[str, ...]]:
    """The table's cells."""
    return [
        (
            language,
            f"{each.passed}/{each.calls}",
            str(each.known),
            f"{each.cut_offs}/{each.pauses}",
            f"{each.missed_turns}/{each.turns}",
            str(each.false_interruptions),
            f"{each.missed_interruptions}/{each.interruptions}",
            _two(each.resume_delay),
            _two(each.stop_buffered),
            _two(each.stop_immediate),
            _two(each.v2v),
            f"{median(each.v2v_sequential):.0f}" if each.v2v_sequential else "–",
        )
        for language, each in scores.items()
    ]


def plain(scores: dict[str, Score]) -> dict[str, dict[str, Any]]:
    """For JSON: counts, and p50 and p95 of the times."""

    def short(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return (
            {
                "n": len(value),
                "p50": round(percentile(value, 0.5)),
                "p95": round(percentile(value, 0.95)),
            }
            if value
            else {"n": 0}
        )

    return {
        language: {name: short(value) for name, value in asdict(each).items()}
        for language, each in scores.items()
    }


def text_table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Columns as wide as needed."""
    widths = [max(len(line[n]) for line in (headings, *lines)) for n in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (headings, *lines)
    )


def _two(values: list[float]) -> str:
    return f"{percentile(values, 0.5):.0f}/{percentile(values, 0.95):.0f}" if values else "–"
