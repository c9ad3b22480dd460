"""Known failures are named at the end of the run, not just counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

HERE = Path(__file__).parent.name


def pytest_terminal_summary(terminalreporter: Any) -> None:
    known = [
        report for report in terminalreporter.stats.get("xfailed", []) if f"/{HERE}/" in f"/{report.nodeid}"
    ]
    if known:
        terminalreporter.section(f"{len(known)} scenarios fail for known reasons")
    for report in known:
        terminalreporter.line(f"{report.nodeid.partition('[')[2].rstrip(']')}: {report.wasxfail}")
