"""The demo's figures per language: how much of what the simulated callers said was understood."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from rich.table import Table

from selam_agent.programs.story import same_words

CAUTION = "Synthetic voices throughout: these figures say nothing about how people are understood."


def scores(reports: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Per language of the caller's lines, over all calls.

    Args:
        reports: what :func:`~selam_agent.programs.report.report` returned.

    Returns:
        ``{language: {turns, understood, exact, language_right, latency_ms, voices}}``. ``turns``: lines that
        ask for an answer; of these ``understood``: the same words were heard, ``exact``: letter for
        letter, ``language_right``: in that language. ``latency_ms``: ``{median, worst}`` from the end
        of a line to the first sound of its answer, by the server's own clock; None without any.
    """
    lines: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    waits: dict[str, list[int]] = defaultdict(list)
    for report in reports:
        for line, answers in _exchanges(report):
            lines[line["language"]].append(line)
            waits[line["language"]] += [each["latency"]["total"] for each in answers if each["latency"]]
    return {
        language: {
            "turns": len(said),
            "understood": sum(same_words(each["text"], each["understood"]) for each in said),
            "exact": sum(each["text"] == each["understood"] for each in said),
            "language_right": sum(each["language"] == each["heard_language"] for each in said),
            "latency_ms": _latency(waits[language]),
            "voices": "synthetic",
        }
        for language, said in lines.items()
    }


def table(languages: Mapping[str, Mapping[str, Any]]) -> Table:
    """The scoreboard for a terminal."""
    shown = Table("language", "turns", "understood", "exact", "language right", "median", "worst", title=None)
    for language, score in languages.items():
        latency = score["latency_ms"] or {}
        shown.add_row(
            language,
            *(str(score[key]) for key in ("turns", "understood", "exact", "language_right")),
            *(f"{latency[key]} ms" if key in latency else "" for key in ("median", "worst")),
        )
    return shown


def _latency(waits: Sequence[int]) -> dict[str, int] | None:
    return {"median": round(median(waits)), "worst": max(waits)} if waits else None


def _exchanges(report: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]:
    """Each line that asks for an answer, with the agent's turns up to the next one."""
    line: Mapping[str, Any] | None = None
    answers: list[Mapping[str, Any]] = []
    for turn in report["turns"]:
        if turn["who"] == "agent":
            answers.append(turn)
        elif not turn["goes_on"]:
            if line is not None:
                yield line, answers
            line, answers = turn, []
    if line is not None:
        yield line, answers
