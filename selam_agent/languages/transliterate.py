"""A foreign word in the letters that a voice can read: Latin in Ethiopic text, Ethiopic in Latin text.

By sound and by rule, so approximately; words that matter stand in the pack (``speech.loans``). An
Ethiopic letter is a consonant with its vowel: rows of eight code points in the order e u i a é – o.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from selam_agent.languages.pack import Pack

# The first letter of each consonant's row; longer spellings first.
_ROWS: Final = {
    "tch": "ቸ",
    "sch": "ሸ",
    "sh": "ሸ",
    "ch": "ቸ",
    "ph": "ፈ",
    "th": "ተ",
    "ck": "ከ",
    "gn": "ኘ",
    "ny": "ኘ",
    "ts": "ጸ",
    "zh": "ዠ",
    "wh": "ወ",
    "kh": "ኸ",
    "gh": "ገ",
    "qu": "ከ",
    "b": "በ",
    "c": "ከ",
    "d": "ደ",
    "f": "ፈ",
    "g": "ገ",
    "h": "ሀ",
    "j": "ጀ",
    "k": "ከ",
    "l": "ለ",
    "m": "መ",
    "n": "ነ",
    "p": "ፐ",
    "q": "ቀ",
    "r": "ረ",
    "s": "ሰ",
    "t": "ተ",
    "v": "ቨ",
    "w": "ወ",
    "y": "የ",
    "z": "ዘ",
}
# How far in its row, by the vowel.
_VOWELS: Final = {
    "ee": 2,
    "ea": 2,
    "oo": 1,
    "ou": 1,
    "ai": 4,
    "ay": 4,
    "ei": 4,
    "ie": 2,
    "aa": 3,
    "a": 3,
    "e": 4,
    "i": 2,
    "o": 6,
    "u": 1,
    "y": 2,
}
_BARE: Final = 5  # a consonant without a vowel
_SOUND: Final = re.compile(
    f"(?P<consonant>{'|'.join(_ROWS)})?(?P<same>(?P=consonant))?(?P<vowel>{'|'.join(_VOWELS)})?",
    re.IGNORECASE,
)
_LATIN: Final = re.compile(r"[A-Za-z\u00c0-\u024f]+(?:['’-][A-Za-z\u00c0-\u024f]+)*")
_ETHIOPIC: Final = re.compile("[\u1200-\u135a]+")
_ROMAN_VOWELS: Final = ("AA", "EE", "OA", "A", "E", "I", "O", "U")


def readable(text: str, pack: Pack) -> str:
    """The text without letters of the other script; total. ``text`` has no digits and no markup."""
    if pack.script == "Ethiopic":
        return _LATIN.sub(lambda match: _into_ethiopic(match.group(), pack), text)
    return _ETHIOPIC.sub(lambda match: _into_latin(match.group()), text)


@lru_cache(maxsize=1024)
def _into_ethiopic(word: str, pack: Pack) -> str:
    known = pack.speech.loans.get(word.lower())
    if known is not None:
        return known
    plain = "".join(c for c in unicodedata.normalize("NFKD", word) if c.isascii() and c.isalpha())
    if pack.speech.letters and (len(plain) == 1 or (plain.isupper() and len(plain) <= 5)):
        return " ".join(pack.speech.letters[ord(c) - ord("A")] for c in plain.upper())
    said, at, lower = "", 0, plain.lower()
    # A silent e ends many English words.
    if len(lower) > 3 and lower[-1] == "e" and lower[-2] not in "aeiouy":
        lower = lower[:-1]
    while at < len(lower):
        match = _SOUND.match(lower, at)
        assert match is not None
        if match.end() == at:
            # x and what no row stands for.
            said += {"x": "ክስ"}.get(lower[at], "")
            at += 1
            continue
        row, vowel = match["consonant"], match["vowel"]
        if row is None:
            said += chr(ord("አ") + _VOWELS[vowel])
        else:
            soft = row == "c" and vowel is not None and vowel[0] in "eiy"
            said += chr(ord("ሰ" if soft else _ROWS[row]) + (_BARE if vowel is None else _VOWELS[vowel]))
        at = match.end()
    return said


@lru_cache(maxsize=1024)
def _into_latin(word: str) -> str:
    said = vowel = ""
    for letter in word:
        # "ETHIOPIC SYLLABLE SZA": the last word is the consonant and its vowel.
        name = unicodedata.name(letter, "").rpartition(" ")[2]
        vowel = next((each for each in _ROMAN_VOWELS if name.endswith(each)), "")
        consonant = name.removesuffix(vowel).lower()
        consonant = {"hh": "h", "x": "h", "sz": "s", "th": "t", "ph": "p", "qh": "q"}.get(
            consonant, consonant
        )
        first = "a" if consonant in ("", "h") else "e"
        said += consonant + {"A": first, "AA": "a", "EE": "e", "E": "i", "OA": "wa"}.get(vowel, vowel.lower())
    # A consonant at the end has no vowel.
    return said[:-1] if len(said) > 2 and said.endswith("i") and vowel == "E" else said
