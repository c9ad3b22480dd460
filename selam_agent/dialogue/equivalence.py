"""Do two transcripts say the same? Then an answer prepared for one serves the other.

Case, punctuation and white space are how an engine writes, not what was said; nor are the letters that
Amharic has several of for one sound. In Tigrinya most of those are different sounds, and only ሠ→ሰ,
ፀ→ጸ and ኀ→ሀ are folded (languages.md §7.4).
"""

from __future__ import annotations

import re
import unicodedata

from selam_agent.languages.normalise import words

# Marks that are words when read aloud: "5 %" is not "5", nor "-5".
_SPOKEN_MARKS = "%&@#+=<>*/"
_MINUS = re.compile(r"(?<![\w-])[-−](?=\d)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")


def equivalent(a: str, b: str, language: str) -> bool:
    """True if the transcripts differ only in writing. ``language``: ISO 639-1, for its homophones."""
    return _said(a, language) == _said(b, language)


def _said(text: str, language: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    text = unicodedata.normalize("NFC", text)
    text = _DECIMAL_COMMA.sub(".", _THOUSANDS.sub("", text))
    marks = [c for c in text if c in _SPOKEN_MARKS or unicodedata.category(c) == "Sc"]
    return words(text, language), (*marks, *_MINUS.findall(text))
