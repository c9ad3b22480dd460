"""The report as a page: its tables, and a plot of each figure over the number of sessions."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selam_agent.programs.bench.tables import Levels, facts, profiles, shown, tables

_PLOTS = (
    ("CPU, ms per session-second", ("cpu_ms_per_session_second",)),
    ("Memory per session, MB", ("rss_mb_per_session",)),
    (
        "Voice to voice over the configured silence, ms",
        ("v2v_over_silence_ms_p50", "v2v_over_silence_ms_p95", "v2v_over_silence_ms_p99"),
    ),
    (
        "Decision to first chunk, ms",
        ("decision_to_first_chunk_ms_p50", "decision_to_first_chunk_ms_p95"),
    ),
    (
        "Barge-in over the threshold, ms",
        ("barge_in_over_threshold_ms_p50", "barge_in_over_threshold_ms_p95"),
    ),
)
_COLOURS = ("#1f6f5c", "#c77d18", "#a8324a")
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 420, 220, 48, 32, 12

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #ddd}
td:first-child{text-align:left}
.plots{display:flex;flex-wrap:wrap;gap:1.5rem}figure{margin:0}figcaption{font-weight:600}
text{font:11px system-ui,sans-serif;fill:#555}pre{background:#f6f6f4;padding:1rem;overflow:auto}
td.text{text-align:left}.invalid{color:#a8324a;font-weight:600}
"""


def write_page(path: Path, report: dict[str, Any]) -> None:
    """One HTML file without anything outside it."""
    machine = report["machine"]
    sections = "".join(_section(each) for each in tables(report))
    if "footprint" in report:
        known = "".join(
            f"<tr><td>{name}</td><td class=text>{html.escape(value)}</td></tr>"
            for name, value in facts(report["footprint"])
        )
        sections += f"<h2>Without calls</h2><table>{known}</table>"
    about = [*(profiles(report).items()), ("machine", machine)]
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>selam-agent bench</title>"
        f"<style>{_STYLE}</style><h1>What a session costs</h1>"
        f"<p>{report['made']}, {html.escape(str(machine['processor']))}, one processor for the "
        f"server and one for the callers, engines that take no time where no others are named, "
        f"{report['seconds']:g} s per level.</p>{sections}"
        f"<h2>Profiles and machine</h2>{''.join(_about(*each) for each in about)}</html>"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _section(levels: Levels) -> str:
    rows = levels.rows
    names = [name for name, value in rows[0].items() if isinstance(value, int | float) or value is None]
    head = "".join(f"<th>{each}</th>" for each in levels.names or [row["sessions"] for row in rows])
    body = "".join(
        f"<tr><td>{name}</td>{''.join(f'<td>{shown(row[name])}</td>' for row in rows)}</tr>"
        for name in names
        if name not in ("sessions", "valid")
    )
    invalid = "".join(
        f"<p class=invalid>Invalid at {row['sessions']} sessions: the callers were the limit.</p>"
        for row in rows
        if not row["valid"]
    )
    plots = (
        "" if levels.names or len(rows) < 2 else "".join(_plot(title, keys, rows) for title, keys in _PLOTS)
    )
    return (
        f"<h2>{html.escape(levels.title)}</h2><p>{html.escape(levels.note)}</p>{invalid}"
        f"<table><tr><th>{'' if levels.names else 'sessions'}</th>{head}</tr>{body}</table>"
        f"<div class=plots>{''.join(plots)}</div>"
    )


def _about(title: str, what: Mapping[str, Any]) -> str:
    text = html.escape("\n".join(f"{name}: {value}" for name, value in what.items()))
    return f"<h3>{html.escape(title)}</h3><pre>{text}</pre>"


def _plot(title: str, keys: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    last = max(row["sessions"] for row in rows)
    most = float(max((row[key] or 0 for row in rows for key in keys), default=0) or 1)

    def x(sessions: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 12) * sessions / float(last)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * max(0.0, value) / most

    lines = []
    for key, colour in zip(keys, _COLOURS, strict=False):
        points = [(x(row["sessions"]), y(row[key])) for row in rows if row[key] is not None]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in points]
        lines.append(
            f'<text x="{_LEFT + 8}" y="{_TOP + 12 * (1 + list(keys).index(key))}" style="fill:{colour}">'
            f"{key.rsplit('_', 1)[-1] if len(keys) > 1 else ''}</text>"
        )
    ticks = "".join(
        f'<text x="{x(row["sessions"]):.1f}" y="{_HEIGHT - 14}" text-anchor="middle">{row["sessions"]}</text>'
        for row in rows
        if row["sessions"] * 16 >= last
    )
    marks = "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH - 12}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#ddd"/>'
        f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        for value in (0, most / 2, most)
    )
    return (
        f"<figure><figcaption>{title}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}">{marks}{"".join(lines)}{ticks}</svg>'
        "</figure>"
    )
