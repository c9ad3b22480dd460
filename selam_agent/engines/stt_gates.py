"""Reasons not to believe a transcript: pure functions over text, durations and probabilities.

Whisper fails in known ways: subtitles invented on silence, endless repetition, the wrong script, a
translation instead of a transcript. Amharic word error rates above 100 % are insertion loops (figures
in Radford et al. 2022, appendix D, and the model cards of fine-tunes). A rejected text is never
answered; the caller is asked to repeat.
"""

from __future__ import annotations

import math
import re
import zlib
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["SCRIPTS", "Rejection", "Thresholds", "is_repetitive", "rejection", "script_share"]

Rejection = Literal["empty", "no_speech", "wrong_script", "repetition", "too_fast", "low_confidence"]
Script = Literal["Ethiopic", "Latin"]

SCRIPTS: Final[dict[str, Script]] = {
    "am": "Ethiopic",
    "ti": "Ethiopic",
    "en": "Latin",
    "om": "Latin",
    "so": "Latin",
}

# Characters per second no caller reaches, spaces and punctuation included. Fast speech has about 8
# syllables a second; a Ge'ez letter is a syllable, an English one takes 3 to 4 letters.
_FASTEST: Final[dict[Script, float]] = {"Ethiopic": 18.0, "Latin": 35.0}
# openai-whisper's compression_ratio_threshold.
_COMPRESSION: Final = 2.4
# "No no no no" is human; how often a phrase of so many words may follow itself is not without limit.
_REPEATS: Final = {1: 6, 2: 4, 3: 3, 4: 3, 5: 3, 6: 3}
_LETTER_LOOP: Final = re.compile(r"(\w{1,6}?)\1{8,}")
_ETHIOPIC: Final = ((0x1200, 0x139F), (0x2D80, 0x2DDF), (0xAB00, 0xAB2F), (0x1E7E0, 0x1E7FF))
_LATIN: Final = ((0x41, 0x24F), (0x1E00, 0x1EFF))


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Of one model. ``log_prob``: mean log-probability per token below which a text is not believed.

    ``no_speech``: probability of "no speech" above which it is not, unless its log-probability is
    above ``sure`` (0: always). Stock Whisper overrules by any text above its threshold of -1; half-way
    is stricter, because the subtitles it invents on noise are moderately sure of themselves.
    ``spelling``: likelihood ratio per letter below which the sound does not spell the text.
    """

    log_prob: float = -1.0
    no_speech: float = 0.6
    sure: float = -0.5
    spelling: float = -math.inf


def rejection(
    text: str,
    *,
    language: str | None,
    seconds: float,
    log_prob: float | None,
    no_speech: float | None,
    thresholds: Thresholds,
    ratio: float | None = None,
) -> Rejection | None:
    """The first reason not to believe ``text``, or None.

    Args:
        language: ISO 639-1 code of the transcript; None or an unknown one skips the script's gates.
        seconds: length of the audio.
        log_prob: mean log-probability per token. no_speech: probability. ratio: see Thresholds. None where
            unknown.
    """
    if not any(character.isalnum() for character in text):
        return "empty"
    unsure = log_prob is None or log_prob <= thresholds.sure
    if no_speech is not None and no_speech > thresholds.no_speech and unsure:
        return "no_speech"
    script = SCRIPTS.get(language or "")
    # Half, because Amharic and Tigrinya callers mix English in, and models write that in Latin.
    if script is not None and script_share(text, script) < 0.5:
        return "wrong_script"
    if is_repetitive(text):
        return "repetition"
    if len(text) > _FASTEST[script or "Latin"] * (seconds + 0.5):
        return "too_fast"
    if log_prob is not None and log_prob < thresholds.log_prob:
        return "low_confidence"
    if ratio is not None and ratio < thresholds.spelling:
        return "low_confidence"
    return None


def script_share(text: str, script: Script) -> float:
    """Share of the letters of ``text`` that belong to ``script``; 1.0 when it has no letters."""
    ranges = _ETHIOPIC if script == "Ethiopic" else _LATIN
    letters = [ord(character) for character in text if character.isalpha()]
    if not letters:
        return 1.0
    return sum(any(low <= c <= high for low, high in ranges) for c in letters) / len(letters)


def is_repetitive(text: str) -> bool:
    """Whether a loop of words or letters, or a very high compression ratio, gives the text away."""
    words = [word.strip(".,!?…።፣፤፥፧").casefold() for word in text.split()]
    for size, limit in _REPEATS.items():
        run = 0
        for index in range(size, len(words)):
            run = run + 1 if words[index] == words[index - size] else 0
            # ``limit`` copies in a row are limit - 1 copies of what came before.
            if run >= size * (limit - 1):
                return True
    if _LETTER_LOOP.search(text):
        return True
    # One byte per distinct character: in UTF-8 a Ge'ez text compresses by its constant lead bytes.
    alphabet = {character: index % 256 for index, character in enumerate(dict.fromkeys(text))}
    symbols = bytes(alphabet[character] for character in text)
    return len(symbols) >= 40 and len(symbols) / len(zlib.compress(symbols)) > _COMPRESSION
