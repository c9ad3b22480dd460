"""``python -m tests.scenarios``: plays the scenarios and prints selam-scenarios and the figures of issue 3.

With ``--live`` the same files against the real server with the embedded engines, in real time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.scenarios import dsl, live, measure, report, scores, scripted
from tests.scenarios.outcome import Outcome, over_bounds


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.scenarios", description=__doc__)
    arguments.add_argument("--live", action="store_true", help="the real server, in real time")
    arguments.add_argument("--parallel", type=int, default=8, help="calls at once (live)")
    arguments.add_argument("--only", default="", help="scenarios whose name or file contains this")
    arguments.add_argument("--language", action="append", choices=dsl.LANGUAGES, help="may be repeated")
    arguments.add_argument("--no-figures", action="store_true", help="leave the figures of issue 3 out")
    arguments.add_argument("--json", type=Path, help="write all of it here; - prints it instead of the table")
    arguments.add_argument("--html", type=Path, help="write a page")
    wanted = arguments.parse_args()
    scenarios = [
        each
        for each in dsl.load()
        if (wanted.only in each.id or wanted.only in each.file)
        and (not wanted.language or each.language in wanted.language)
    ]
    began = time.perf_counter()
    figures: list[measure.Figure] = []
    left_out: list[tuple[str, str]] = []
    if wanted.live:
        left_out = [(each.id, why) for each in scenarios if (why := live.cannot_run(each))]
        can = [each for each in scenarios if not live.cannot_run(each)]
        outcomes, engines = live.play_all(can, parallel=wanted.parallel, tell=_progress)
        if not wanted.no_figures:
            figures = live.figures(outcomes)
    else:
        engines = (
            "scripted: 150 ms a transcript, 250 ms the first token, 150 ms the first audio; virtual clock"
        )
        outcomes = [scripted.play(each) for each in scenarios]
        if not wanted.no_figures:
            figures = measure.latency(scripted.play) + measure.patience(scripted.play)
            more, played = measure.interruption(scripted.play)
            figures += more + measure.fast_recogniser(scripted.play)
            outcomes += played
    everything = _plain(outcomes, figures, left_out, engines)
    everything["seconds"] = round(time.perf_counter() - began, 1)
    if wanted.html:
        wanted.html.parent.mkdir(parents=True, exist_ok=True)
        wanted.html.write_text(report.page(outcomes, figures, left_out, engines), encoding="utf-8")
        print(f"Report: {wanted.html}", file=sys.stderr)
    if str(wanted.json) == "-":
        json.dump(everything, sys.stdout, ensure_ascii=False, indent=1)
        print()
    else:
        if wanted.json:
            wanted.json.write_text(json.dumps(everything, ensure_ascii=False, indent=1), encoding="utf-8")
        _print(outcomes, figures, left_out, engines)
    return 0 if all(each.ok or each.scenario.known for each in outcomes) or wanted.live else 1


def _progress(out: Outcome) -> None:
    print("." if out.ok else "k" if out.scenario.known else "F", end="", flush=True, file=sys.stderr)


def _plain(
    outcomes: list[Outcome], figures: list[measure.Figure], left_out: list[tuple[str, str]], engines: str
) -> dict[str, Any]:
    return {
        "engines": engines,
        scores.NAME: scores.plain(scores.score(outcomes)),
        "figures": [asdict(each) for each in figures],
        "failed": {
            each.scenario.id: each.problems for each in outcomes if not each.ok and not each.scenario.known
        },
        "known": {
            each.scenario.id: {"reason": each.scenario.known, "problems": each.problems}
            for each in outcomes
            if each.scenario.known
        },
        "over_bounds": {each.scenario.id: late for each in outcomes if (late := over_bounds(each))},
        "not_run": dict(left_out),
    }


def _print(
    outcomes: list[Outcome], figures: list[measure.Figure], left_out: list[tuple[str, str]], engines: str
) -> None:
    print(f"{scores.NAME}: {len(outcomes)} calls; engines {engines}; times in ms\n")
    print(scores.text_table(scores.HEADINGS, scores.rows(scores.score(outcomes))))
    if figures:
        print()
        marks = {True: "yes", False: "NO", None: ""}
        lines = [(each.name, each.value, each.wanted, marks[each.met]) for each in figures]
        print(scores.text_table(("figure", "measured", "wanted", "met"), lines))
    for title, some in (
        ("Failed", [each for each in outcomes if not each.ok and not each.scenario.known]),
        ("Known", [each for each in outcomes if each.scenario.known]),
    ):
        if some:
            print(f"\n{title}:")
        for each in some:
            reason = f" [{each.scenario.known}]" if each.scenario.known else ""
            print(f"  {each.scenario.id}: {'; '.join(each.problems) or 'passes now'}{reason}")
    late = [(each.scenario.id, words) for each in outcomes if (words := over_bounds(each))]
    if late:
        print("\nSlower than the scenario wants:")
    for name, words in late:
        print(f"  {name}: {'; '.join(words)}")
    if left_out:
        print(f"\n{len(left_out)} were not run here:")
    for name, why in left_out:
        print(f"  {name}: {why}")


if __name__ == "__main__":
    sys.exit(main())
