"""The command: measures what was asked for, prints tables, writes JSON and a page."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from selam_agent.event_loop import run as run_loop
from selam_agent.programs.bench.crowd import CrowdFailed
from selam_agent.programs.bench.footprint import footprint
from selam_agent.programs.bench.page import write_page
from selam_agent.programs.bench.profile import LEVELS, VARIANTS, Profile
from selam_agent.programs.bench.real import calls_per_core
from selam_agent.programs.bench.run import ServerFailed, level, machine
from selam_agent.programs.bench.search import largest, no_figures, window
from selam_agent.programs.bench.speech import Speech, speak
from selam_agent.programs.bench.tables import markdown, print_report
from selam_agent.programs.caller_voice import VoiceFailed

# What can be measured, in this order.
PARTS = ("levels", "variants", "max", "real", "footprint")
_VARIANTS_AT = 64
# Columns for the tables where they go to a file.
_WIDE = 140


def run(
    profile: Profile,
    *,
    parts: Sequence[str] = ("levels",),
    levels: Sequence[int] = LEVELS,
    seconds: float = 25.0,
    json_to: str | None = None,
    html_to: Path | None = None,
    markdown_to: Path | None = None,
) -> int:
    """Measures ``parts`` (of ``PARTS``) and reports; the exit status: 1 failed, 3 a run was invalid.

    Files are written after each part, so that what was measured outlives what fails.
    """
    # Standard output belongs to the JSON when it goes there.
    console = Console(stderr=json_to == "-", highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    report: dict[str, Any] = {
        "seconds": seconds,
        "profile": profile.as_dict(),
        "machine": machine(),
        "made": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    bench = _Bench(profile, levels, seconds, console)
    try:
        for part in parts:
            measured = bench.measure(part)
            # The search alone is the report; among others it has its name, and its own levels.
            report |= {"max": measured} if part == "max" and len(parts) > 1 else measured
            if html_to is not None:
                write_page(html_to, report)
            if markdown_to is not None:
                markdown_to.parent.mkdir(parents=True, exist_ok=True)
                markdown_to.write_text(markdown(report), encoding="utf-8")
            if json_to != "-":
                _write_json(json_to, report)
    except (ServerFailed, CrowdFailed, VoiceFailed) as error:
        console.print(f"The bench failed: {error}", style="bold red", markup=False, soft_wrap=True)
        return 1
    print_report(console, report)
    if html_to is not None:
        console.print(f"The page: {html_to}", soft_wrap=True)
    if json_to == "-":
        _write_json(json_to, report)
    if bench.failed:
        return 1
    return 0 if all(row["valid"] for row in rows(report)) else 3


class _Bench:
    def __init__(self, profile: Profile, levels: Sequence[int], seconds: float, console: Console) -> None:
        self._profile, self._levels, self._seconds, self._console = profile, levels, seconds, console
        # Whether a level has no figures.
        self.failed = False

    def measure(self, part: str) -> dict[str, Any]:
        """The figures of one part. Raises ServerFailed, CrowdFailed, VoiceFailed."""
        if part == "real":
            return {"real": calls_per_core(self._level, self._seconds)}
        if part == "footprint":
            self._console.print("Starting and stopping a server …")
            return {"footprint": footprint(self._level, self._seconds)}
        if part == "variants":
            others = [each for each in VARIANTS.values() if each.name != self._profile.name]
            measured = self._rows([(each, _VARIANTS_AT) for each in others])
            return {"variants": {each.name: row for each, row in zip(others, measured, strict=True)}}
        if part == "max":
            speeches = speak(self._profile)
            return largest(
                lambda each: self._level(self._profile, speeches, each, window(self._seconds, each))
            )
        measured = self._rows([(self._profile, each) for each in self._levels])
        return measured[0] if len(measured) == 1 else {"levels": measured}

    def _rows(self, wanted: Sequence[tuple[Profile, int]]) -> list[dict[str, Any]]:
        """Levels that stand beside each other: after the first, one that fails does not end the others."""
        measured: list[dict[str, Any]] = []
        for profile, sessions in wanted:
            try:
                measured.append(self._level(profile, speak(profile), sessions, self._seconds))
            except (CrowdFailed, ServerFailed) as error:
                if not measured:
                    raise
                self.failed = True
                measured.append(no_figures(measured[0], sessions, error))
        return measured

    def _level(
        self,
        profile: Profile,
        speeches: Sequence[Speech],
        sessions: int,
        seconds: float,
        within: Path | None = None,
    ) -> dict[str, Any]:
        self._console.print(f"{profile.name}: {sessions} session{'s' * (sessions > 1)}, {seconds:.0f} s …")
        return run_loop(level(profile, speeches, sessions, seconds, within=within))


def rows(report: Any) -> Iterator[dict[str, Any]]:
    """All levels in a report, wherever they are in it."""
    if isinstance(report, dict):
        if "valid" in report:
            yield report
        report = list(report.values())
    for each in report if isinstance(report, list) else ():
        yield from rows(each)


def _write_json(target: str | None, report: dict[str, Any]) -> None:
    if target == "-":
        sys.stdout.write(json.dumps(report) + "\n")
    elif target is not None:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
