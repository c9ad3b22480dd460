"""What the demo counts, and what it prints where a program reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from selam_agent.programs import demo
from selam_agent.programs.scoreboard import scores
from selam_agent.programs.story import QUICK, STORIES


def line(
    said: str, heard: str, language: str = "so", heard_language: str = "so", **more: Any
) -> dict[str, Any]:
    return {
        "who": "caller", "text": said, "understood": heard, "language": language,
        "heard_language": heard_language, "goes_on": False, **more,
    }  # fmt: skip


def answer(total: int | None) -> dict[str, Any]:
    return {"who": "agent", "latency": None if total is None else {"total": total}}


REPORTS = [
    {
        "problems": [], "title": "Somali", "result": {"at": "2026-11-23T10:00+03:00"},
        "turns": [
            answer(None),
            line("Haa.", "Haa."), answer(400),
            line("Maya.", "maya"), answer(600), answer(None),
            line("Hagaag.", "", goes_on=True),
            line("Sug.", "Hold on.", heard_language="en"),
            line("Yes.", "Yes.", language="en", heard_language="en"), answer(500),
        ],
    },
    {
        "problems": [], "title": "x", "result": None,
        "turns": [line("Haa.", "", heard_language=""), answer(900)],
    },
]  # fmt: skip
SCORES = {
    "so": {
        "turns": 4, "understood": 2, "exact": 1, "language_right": 2,
        "latency_ms": {"median": 600, "worst": 900}, "voices": "synthetic",
    },
    "en": {
        "turns": 1, "understood": 1, "exact": 1, "language_right": 1,
        "latency_ms": {"median": 500, "worst": 500}, "voices": "synthetic",
    },
}  # fmt: skip


def test_lines_are_counted_in_the_language_they_are_spoken_in() -> None:
    assert scores(REPORTS) == SCORES
    assert scores([]) == {}


def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: str) -> int:
    async def calls(*_: object) -> tuple[list[tuple[None, dict[str, Any]]], str]:
        names = ({"session_id": f"sess_{at}", "name": f"call-{at}"} for at in range(len(REPORTS)))
        (tmp_path / "sess_0.tape").write_text("of the first call")
        return [
            (None, data | name) for data, name in zip(REPORTS, names, strict=True)
        ], "Built-in command recogniser"

    monkeypatch.setattr(demo, "_calls", calls)
    monkeypatch.setattr(demo, "write_page", lambda *_, **__: tmp_path / "index.html")
    return demo.run(tmp_path, "all", target)


def test_standard_output_is_the_scores_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(monkeypatch, tmp_path, "-") == 0
    assert (tmp_path / "call-0.tape").read_text() == "of the first call"
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"languages": SCORES}
    assert "Synthetic voices" in printed.err and "make serve" in printed.err


def test_a_file_has_the_calls_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert told(monkeypatch, tmp_path, str(tmp_path / "report.json")) == 0
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert written["languages"] == SCORES
    assert [each["turns"] for each in written["calls"]] == [each["turns"] for each in REPORTS]
    assert written["calls"][0]["session_id"] == "sess_0"


def test_which_stories_are_told() -> None:
    assert [story.label for story in demo.chosen(None)] == list(QUICK)
    assert [story.label for story in demo.chosen("so")] == ["so"]
    assert [story.label for story in demo.chosen("all")] == [*STORIES, "am-en", "so-en"]
