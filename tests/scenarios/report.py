"""The scenarios' results as one HTML page without anything to load."""

from __future__ import annotations

from html import escape

from tests.scenarios import scores
from tests.scenarios.measure import Figure
from tests.scenarios.outcome import Outcome, over_bounds

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}
body{color:#1c1c1c;background:#fff}
table{border-collapse:collapse;margin:1rem 0;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ddd;vertical-align:top}
th{font-weight:600}.yes{color:#176a2e}.no{color:#a41e1e}.known{color:#8a5a00}
.wide{overflow-x:auto}small{color:#555}
@media(prefers-color-scheme:dark){body{background:#151515;color:#e6e6e6}th,td{border-color:#333}
.yes{color:#6fce8b}.no{color:#ff8f8f}.known{color:#e0b060}small{color:#aaa}}
"""


def page(
    outcomes: list[Outcome], figures: list[Figure], left_out: list[tuple[str, str]], engines: str
) -> str:
    """The whole page."""
    marks = {True: '<span class="yes">yes</span>', False: '<span class="no">no</span>', None: ""}
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{scores.NAME}</title><style>{_STYLE}</style><h1>{scores.NAME}</h1>",
        f"<p>{len(outcomes)} calls. Engines: {escape(engines)}. Callers are espeak voices; ",
        "nobody real has been heard. Times in ms.</p>",
        _table(
            scores.HEADINGS, [[escape(cell) for cell in row] for row in scores.rows(scores.score(outcomes))]
        ),
    ]
    if figures:
        lines = [[escape(f.name), escape(f.value), escape(f.wanted), marks[f.met]] for f in figures]
        parts.append("<h2>Figures</h2>" + _table(("figure", "measured", "wanted", "met"), lines))
    parts.append("<h2>Calls</h2>")
    parts.append(
        _table(
            ("scenario", "file", "result", "heard", "v2v", "stop", "gap"),
            [_call(each) for each in sorted(outcomes, key=lambda each: (each.ok, each.scenario.name))],
        )
    )
    if left_out:
        parts.append(f"<h2>Not run here ({len(left_out)})</h2>")
        parts.append(_table(("scenario", "why"), [[escape(name), escape(why)] for name, why in left_out]))
    return "".join(parts)


def _call(out: Outcome) -> list[str]:
    scenario = out.scenario
    if out.ok:
        result = '<span class="yes">passed</span>'
    else:
        kind = "known" if scenario.known else "no"
        result = f'<span class="{kind}">{escape("; ".join(out.problems))}</span>'
    if scenario.known:
        result += f"<br><small>known: {escape(scenario.known)}</small>"
    late = over_bounds(out)
    if late:
        result += f"<br><small>{escape('; '.join(late))}</small>"

    def times(values: list[float]) -> str:
        return ", ".join(f"{value:.0f}" for value in values)

    return [
        escape(scenario.id),
        escape(scenario.file),
        result,
        escape(" / ".join(out.transcripts)),
        times(out.v2v),
        times(out.stop),
        times(out.gaps),
    ]


def _table(headings: tuple[str, ...], lines: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(each)}" for each in headings)
    body = "".join("<tr>" + "".join(f"<td>{cell}" for cell in line) for line in lines)
    return f"<div class=wide><table><tr>{head}{body}</table></div>"
