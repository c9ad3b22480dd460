"""The page that shows and plays recorded calls: one file, opens from disk, nothing from elsewhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from selam_agent.programs.media import encode_mp3, outline, write_wav
from selam_agent.programs.recording import Recording

_POINT_MS = 40
_FONT = "noto-sans-ethiopic-ethiopic-400-normal.woff2"


def write_page(
    folder: Path,
    calls: Sequence[tuple[Recording, dict[str, Any]]],
    *,
    engines: str,
    made: datetime,
    languages: Mapping[str, Mapping[str, Any]],
) -> Path:
    """Writes ``index.html`` and a stereo WAV per call (caller left, agent right) into ``folder``.

    Args:
        calls: recordings with their :func:`~selam_agent.programs.report.report`.
        engines: the line that says what listened and what it can do.
        languages: the scoreboard (:func:`~selam_agent.programs.scoreboard.scores`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    shown = []
    for recording, data in calls:
        both = [recording.caller, recording.agent]
        wav = f"{data['name']}.wav"
        write_wav(folder / wav, both, recording.rate)
        points = max(1, round(recording.duration_ms / _POINT_MS))
        audio = base64.b64encode(encode_mp3(both, recording.rate)).decode()
        shown.append(
            data
            | {
                "wav": wav,
                "audio": f"data:audio/mpeg;base64,{audio}",
                "outlines": [outline(track, recording.rate, points) for track in both],
            }
        )
    content = {
        "engines": engines,
        "made": made.strftime("%Y-%m-%d %H:%M"),
        "calls": shown,
        "languages": languages,
    }
    # "</" inside a script element would end it.
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    template = resources.files("selam_agent.programs").joinpath("page.html").read_text(encoding="utf-8")
    font = resources.files("selam_agent.wire").joinpath("web", "vendor", _FONT).read_bytes()
    template = template.replace("ETHIOPIC", base64.b64encode(font).decode(), 1)
    page = folder / "index.html"
    page.write_text(template.replace("/*CONTENT*/null", text, 1), encoding="utf-8")
    return page
