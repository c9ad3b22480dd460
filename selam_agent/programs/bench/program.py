"""The command: measures the levels, prints a table, writes JSON and a page."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from selam_agent.event_loop import run as run_loop
from selam_agent.programs.bench.crowd import CrowdFailed
from selam_agent.programs.bench.page import write_page
from selam_agent.programs.bench.profile import LEVELS, Profile
from selam_agent.programs.bench.run import MOST_BUSY, ServerFailed, level, machine
from selam_agent.programs.bench.speech import Speech, make_speech
from selam_agent.programs.caller_voice import VoiceFailed

# Real time is kept while the 95th percentile of v2v is within this of a single session's.
KEEPS_MS = 250.0
_FIRST_GUESS, _MOST_SESSIONS, _STEP = 64, 2048, 8

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


def run(
    profile: Profile,
    *,
    levels: Sequence[int] = LEVELS,
    seconds: float = 25.0,
    find_max: bool = False,
    json_to: str | None = None,
    html_to: Path | None = None,
) -> int:
    """Measures and reports; the exit status: 1 failed, 3 a run was invalid."""
    # Standard output belongs to the JSON when it goes there.
    console = Console(stderr=json_to == "-", highlight=False)
    try:
        speech = make_speech(profile.packet_ms)
        if find_max:
            report = _most(profile, speech, seconds, console)
        else:
            measured = [_level(profile, speech, each, seconds, console) for each in levels]
            report = measured[0] if len(measured) == 1 else {"levels": measured}
    except (ServerFailed, CrowdFailed, VoiceFailed) as error:
        console.print(f"The bench failed: {error}", style="bold red", markup=False, soft_wrap=True)
        return 1
    rows: list[dict[str, Any]] = report.get("levels", [report])
    report |= {
        "seconds": seconds,
        "profile": profile.as_dict(),
        "machine": machine(),
        "made": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    _print(console, rows, report)
    if html_to is not None:
        write_page(html_to, report, rows)
        console.print(f"The page: {html_to}", soft_wrap=True)
    _write_json(json_to, report)
    return 0 if all(row["valid"] for row in rows) else 3


def _level(
    profile: Profile, speech: Speech, sessions: int, seconds: float, console: Console
) -> dict[str, Any]:
    console.print(f"{sessions} session{'s' * (sessions > 1)}, {seconds:g} s …")
    return run_loop(level(profile, speech, sessions, seconds))


def _most(profile: Profile, speech: Speech, seconds: float, console: Console) -> dict[str, Any]:
    """The largest number of sessions in real time: doubled until it is too many, then halved between."""
    tried: dict[int, dict[str, Any]] = {}

    def keeps(sessions: int) -> bool:
        figures = tried[sessions] = _level(profile, speech, sessions, seconds, console)
        alone, crowded = (tried[each]["v2v_over_silence_ms_p95"] for each in (1, sessions))
        return bool(
            figures["valid"]
            and not figures["missed_turns"]
            and None not in (alone, crowded)
            and crowded - alone <= KEEPS_MS
        )

    keeps(1)
    good, bad = 1, _FIRST_GUESS
    while bad <= _MOST_SESSIONS and keeps(bad):
        good, bad = bad, bad * 2
    while bad - good > max(_STEP, good // 16):
        middle = (good + bad) // 2 // _STEP * _STEP or (good + bad) // 2
        if keeps(middle):
            good = middle
        else:
            bad = middle
    levels = [tried[each] for each in sorted(tried)]
    return {"max_sessions": good, "limited_by_callers": not tried[bad]["valid"], "levels": levels}


def _print(console: Console, rows: Sequence[dict[str, Any]], report: dict[str, Any]) -> None:
    table = Table(*(name for name, _ in _COLUMNS), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_shown(row[key]) for _, key in _COLUMNS))
    console.print(table)
    console.print(
        "v2v: over the configured silence; barge-in: over the threshold; both heard by the caller, in ms. "
        f"Base {rows[0]['base_rss_mb']:.0f} MB.",
        soft_wrap=True,
    )
    if "max_sessions" in report:
        console.print(f"In real time on one processor: {report['max_sessions']} sessions.", style="bold")
    for row in rows:
        for what, times in row["errors"].items():
            console.print(f"{row['sessions']} sessions: {times} × {what}", style="yellow", markup=False)
        if not row["valid"]:
            console.print(
                f"INVALID at {row['sessions']} sessions: playing the callers took "
                f"{row['callers_busy']:.0%} of a processor, and over {MOST_BUSY:.0%} the figures are theirs.",
                style="bold red",
                soft_wrap=True,
            )


def _shown(value: Any) -> str:
    return "–" if value is None else f"{value:g}"


def _write_json(target: str | None, report: dict[str, Any]) -> None:
    if target == "-":
        sys.stdout.write(json.dumps(report) + "\n")
    elif target is not None:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
