"""The report as tables: what they hold, on the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from selam_agent.programs.bench.profile import VARIANTS
from selam_agent.programs.bench.run import MOST_BUSY
from selam_agent.programs.bench.search import KEEPS_MS

_COLUMNS = (
    ("sessions", "sessions"),
    ("CPU ms/s", "cpu_ms_per_session_second"),
    ("MB each", "rss_mb_per_session"),
    ("v2v p50", "v2v_over_silence_ms_p50"),
    ("p95", "v2v_over_silence_ms_p95"),
    ("p99", "v2v_over_silence_ms_p99"),
    ("decided→chunk p50", "decision_to_first_chunk_ms_p50"),
    ("p95", "decision_to_first_chunk_ms_p95"),
    ("barge-in p50", "barge_in_over_threshold_ms_p50"),
    ("p95", "barge_in_over_threshold_ms_p95"),
    ("underruns", "underruns"),
    ("missed", "missed_turns"),
    ("callers", "callers_busy"),
)
FIGURES = {
    "cpu_ms_per_session_second": "CPU, ms per session-second",
    "rss_mb_per_session": "memory per session, MB",
    "base_rss_mb": "memory of the server, MB",
    "v2v_over_silence_ms_p50": "v2v over the configured silence, p50, ms",
    "v2v_over_silence_ms_p95": "the same, p95",
    "v2v_over_silence_ms_p99": "the same, p99",
    "decision_to_first_chunk_ms_p50": "decision to first chunk, p50, ms",
    "decision_to_first_chunk_ms_p95": "the same, p95",
    "barge_in_over_threshold_ms_p50": "barge-in over the threshold, p50, ms",
    "barge_in_over_threshold_ms_p95": "the same, p95",
    "underruns": "underruns",
    "silent_ms_per_reply_p95": "silence in a reply, p95, ms",
    "missed_turns": "missed turns",
    "missed_barge_ins": "missed barge-ins",
    "cut_offs": "answered before the line was over",
    "turns": "turns",
    "callers_busy": "the callers' share of a processor",
}
"""What Markdown tables show of a level."""
_RULE = f"no turn missed, v2v p95 within {KEEPS_MS:g} ms of a single session's"


@dataclass(frozen=True, slots=True)
class Levels:
    """A table of levels. ``names``: what a row is called, if not by its number of sessions."""

    title: str
    note: str
    rows: Sequence[dict[str, Any]]
    names: Sequence[str] = ()


def tables(report: Mapping[str, Any]) -> Iterator[Levels]:
    """The report's tables of levels, in order."""
    if own := _own_levels(report):
        profile = report["profile"]["name"]
        title = "Sessions" if profile == "base" else f"Sessions, {profile}"
        yield Levels(title, _most(report) if "max_sessions" in report else "", own)
    if variants := report.get("variants"):
        sessions = next(iter(variants.values()))["sessions"]
        yield Levels(f"Variants at {sessions} sessions", "", list(variants.values()), list(variants))
    if found := report.get("max"):
        yield Levels("The largest number of sessions", _most(found), found["levels"])
    for name, found in report.get("real", {}).items():
        model = found["profile"]["transcriber_model"]
        about = (
            "random weights of the true shape, int8, one thread; every utterance becomes "
            f"{found['writes_tokens']} tokens"
            if model
            else "the embedded recogniser"
        )
        note = (
            f"{_most(found)} Answered within {found['within_ms']:g} ms over the silence (v2v p95): "
            f"{found['max_sessions_within']}. Recogniser: {about}; voice: espeak; chat model: takes no time."
        )
        yield Levels(f"Real work: {name}", note, found["levels"])
    if footprint := report.get("footprint"):
        limited = footprint["limited"]
        note = (
            f"{'Fits' if limited['fits'] else 'Does not fit'}: at most {limited['peak_rss_mb']:g} MB, "
            f"server and voice; limit by {limited['by']}."
        )
        yield Levels(f"One processor, {limited['limit_mb']} MB, embedded set", note, limited["levels"])


def facts(footprint: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was found of the server that nobody calls."""
    install = footprint["install"]
    starts = ", ".join(f"{each:g}" for each in footprint["cold_starts_s"])
    return [
        ("ready after, median", f"{footprint['cold_start_s']:g} s (of {starts})"),
        ("memory of the server when ready", f"{footprint['base_rss_mb']:g} MB"),
        ("memory of the voice's process", f"{footprint['voice_rss_mb']:g} MB"),
        ("both at most", f"{footprint['peak_rss_mb']:g} MB"),
        ("installed", f"{install['total_mb']:g} MB in {install['packages']} packages"),
        ("the largest", ", ".join(f"{name} {size:g}" for name, size in install["largest"].items())),
    ]


def profiles(report: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The profiles of all that was measured, by name."""
    measured = [report["profile"]]
    measured += [VARIANTS[name].as_dict() for name in report.get("variants", ())]
    measured += [each["profile"] for each in report.get("real", {}).values()]
    measured += [report["footprint"]["limited"]["profile"]] if "footprint" in report else []
    return {each["name"]: each for each in measured}


def print_report(console: Console, report: Mapping[str, Any]) -> None:
    """All tables, and what makes them untrue."""
    for each in tables(report):
        console.print(each.title, style="bold")
        _print(console, each)
    if "footprint" in report:
        console.print("Without calls", style="bold")
        for name, value in facts(report["footprint"]):
            console.print(f"{name}: {value}", soft_wrap=True)


def markdown(report: Mapping[str, Any]) -> str:
    """All tables, the figures below each other."""
    lines: list[str] = []
    for each in tables(report):
        lines += [f"### {each.title}", "", *([each.note, ""] if each.note else [])]
        heads = each.names or [row["sessions"] for row in each.rows]
        lines += [f"| {'' if each.names else 'sessions'} | {' | '.join(map(str, heads))} |"]
        lines += ["|---" * (1 + len(each.rows)) + "|"]
        for key, title in FIGURES.items():
            lines.append(f"| {title} | {' | '.join(shown(row[key]) for row in each.rows)} |")
        lines.append("")
    if "footprint" in report:
        lines += ["### Without calls", "", "| | |", "|---|---|"]
        lines += [f"| {name} | {value} |" for name, value in facts(report["footprint"])]
    return "\n".join(lines).rstrip() + "\n"


def shown(value: Any) -> str:
    """A figure, or a dash for none."""
    return "–" if value is None else f"{value:g}"


def _own_levels(report: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    if "sessions" in report:
        return [dict(report)]
    levels: Sequence[dict[str, Any]] = report.get("levels", ())
    return levels


def _most(found: Mapping[str, Any]) -> str:
    limit = " (the callers were the limit)" if found["limited_by_callers"] else ""
    return f"In real time on one processor: {found['max_sessions']}{limit}; {_RULE}."


def _print(console: Console, levels: Levels) -> None:
    names = [("", "")] if levels.names else []
    table = Table(*(name for name, _ in [*names, *_COLUMNS]), box=None, pad_edge=False)
    for number, row in enumerate(levels.rows):
        first = [levels.names[number]] if levels.names else []
        table.add_row(*first, *(shown(row[key]) for _, key in _COLUMNS))
    console.print(table)
    console.print(
        "v2v: over the configured silence; barge-in: over the threshold; both heard by the caller, in ms. "
        f"Base {levels.rows[0]['base_rss_mb']:.0f} MB.",
        soft_wrap=True,
    )
    if levels.note:
        console.print(levels.note, style="bold", soft_wrap=True)
    for row in levels.rows:
        for what, times in row["errors"].items():
            console.print(f"{row['sessions']} sessions: {times} × {what}", style="yellow", markup=False)
        if not row["valid"]:
            console.print(
                f"INVALID at {row['sessions']} sessions: playing the callers took "
                f"{row['callers_busy']:.0%} of a processor, and over {MOST_BUSY:.0%} the figures are theirs.",
                style="bold red",
                soft_wrap=True,
            )
