"""A Whisper model's directory: which files it needs, and how the model wants to be decoded."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from selam_agent.errors import SettingsError

__all__ = ["Decoding", "missing_files", "read_decoding"]


# Of the values that are not simply numbers.
_KINDS: Final[dict[str, type | tuple[type, ...]]] = {
    "hints": bool,
    "margin_frames": int,
    "max_new_tokens": int,
    "language_tokens": dict,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How one model wants to be decoded; ``decoding.json`` beside a model overrides any of it.

    Attributes:
        min_window_s: shortest window encoded, in seconds. Models trained on 30 s windows repeat
            themselves on much shorter ones (handy-computer/transcribe.cpp, PR 149).
        margin_frames: of 10 ms, empty, after the utterance. max_window_s: longer utterances are split.
        max_tokens: for 10 s of Latin-script speech; scaled by duration and by the tokenizer's cost of
            the language's script (Amharic takes about six times the tokens per letter).
        max_new_tokens: instead of all that, where it is known.
        log_prob_threshold, no_speech_threshold, sure_log_prob: see ``stt_gates.Thresholds``.
        hints: whether expected words may be given as previous text.
        spelling_threshold, added_threshold: below this likelihood ratio per letter a text of the model's,
            or a phrase that was added to them, was not said (``ctc_phrases``).
        language_tokens: language → the token it was trained with, for fine-tunes of languages that
            Whisper has no token for, such as ``{"ti": "am"}``.
    """

    min_window_s: float = 10.0
    margin_frames: int = 200
    max_window_s: float = 30.0
    max_tokens: int = 96
    max_new_tokens: int | None = None
    log_prob_threshold: float = -1.0
    no_speech_threshold: float = 0.6
    sure_log_prob: float = -0.5
    hints: bool = True
    spelling_threshold: float = -math.inf
    added_threshold: float = -1.0
    language_tokens: Mapping[str, str] | None = None

    def override(self, values: Mapping[str, Any]) -> Decoding:
        """With those of ``values`` that are fields; other names are someone else's.

        Raises:
            SettingsError: a value of the wrong kind.
        """
        names = {field.name for field in fields(self)}
        known = {name: value for name, value in values.items() if name in names}
        for name, value in known.items():
            kind = _KINDS.get(name, (int, float))
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                raise SettingsError(f"stt: {name} cannot be {value!r}")
        return replace(self, **known)


def read_decoding(directory: Path) -> dict[str, Any]:
    """The model's own ``decoding.json``; empty when it has none. Raises SettingsError."""
    path = directory / "decoding.json"
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}") from error
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: must hold a JSON object")
    return values


def missing_files(directory: Path) -> list[str]:
    """What a directory lacks to be a model that loads without the network."""
    missing = [n for n in ("model.bin", "config.json", "tokenizer.json") if not (directory / n).is_file()]
    if not any((directory / f"vocabulary.{kind}").is_file() for kind in ("json", "txt")):
        missing.append("vocabulary.json")
    return missing
