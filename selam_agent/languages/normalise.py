"""Text made comparable: for matching, never for display (languages.md §7.1, §7.4)."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache


def _rows(pairs: dict[str, str]) -> dict[int, int]:
    # An Ethiopic row holds one consonant with its vowels in eight consecutive code points.
    return {
        ord(old) + i: ord(new) + i for old, new in pairs.items() for i in range(8) if old not in "ዐ" or i < 7
    }


# Amharic writes one sound with several letters; in Tigrinya ሐ/ሀ, ዐ/አ, ቐ/ቀ and ኸ/ከ differ.
_SAFE = _rows({"ሠ": "ሰ", "ኀ": "ሀ", "ፀ": "ጸ"})
_AMHARIC = {**_SAFE, **_rows({"ሐ": "ሀ", "ዐ": "አ"})}
_AMHARIC_FINAL = {ord("ሃ"): ord("ሀ"), ord("ኣ"): ord("አ")}
_APOSTROPHES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'", "`": "'", "\u00b4": "'"})

_SENTENCE = re.compile(r"(?<=[።፧፨?!…\n])|(?<=[.])(?=\s|$)")
_AM_PM = re.compile(r"\b([ap])\.\s?m\b\.?", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?::\d\d)?(?:['.][^\W_]+)*")


def sentences(text: str) -> tuple[str, ...]:
    """The text cut after sentence marks; an old-style ``፡፡`` counts as ``።``. Never empty strings."""
    text = _AM_PM.sub(r"\1m", text.replace("፡፡", "።"))
    return tuple(part.strip() for part in _SENTENCE.split(text) if part.strip())


@lru_cache(maxsize=4096)
def words(text: str, language: str) -> tuple[str, ...]:
    """Lower-case words without punctuation; Amharic homophones collapsed, apostrophes unified.

    Clock times such as ``9:00`` and decimals stay one word.
    """
    text = unicodedata.normalize("NFC", text).translate(_APOSTROPHES).lower()
    text = _AM_PM.sub(r"\1m", text)
    text = re.sub(r"(?<=\d)፡(?=\d)", ":", text)
    if language == "am":
        text = text.translate(_AMHARIC).translate(_AMHARIC_FINAL)
    elif language == "ti":
        text = text.translate(_SAFE)
    return tuple(_WORD.findall(text))


def similar(one: str, other: str) -> bool:
    """Equal, or one edit apart if both have at least four letters and no digits."""
    if one == other:
        return True
    if len(one) < 4 or len(other) < 4 or abs(len(one) - len(other)) > 1:
        return False
    if any(c.isdigit() for c in one + other):
        return False
    short, long = sorted((one, other), key=len)
    start = 0
    while start < len(short) and short[start] == long[start]:
        start += 1
    skip = 1 if len(short) == len(long) else 0
    return short[start + skip :] == long[start + 1 :]
