"""The embedded command recogniser: where it is and what it knows (its card: ``command/CARD.md``)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Final

COMMAND_MODEL: Final = Path(__file__).with_name("command")
"""Directory that faster-whisper's ``WhisperModel`` loads."""


@cache
def phrases() -> dict[str, list[str]]:
    """``{language: [phrase, …]}``: everything the recogniser can write. Do not change it."""
    loaded: dict[str, list[str]] = json.loads((COMMAND_MODEL / "phrases.json").read_text(encoding="utf-8"))
    return loaded
