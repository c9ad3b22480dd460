"""How a text is spelled for CTC: one small alphabet for all five languages, fixed for good.

A Ge'ez letter is written as its consonant and its vowel (the sixth order has none), so that syllables
which no phrase of the book happens to contain are known from their parts. The alphabet does not
depend on the book: phrases added later can be spelled with it.
"""

from __future__ import annotations

import string
import unicodedata
from typing import Final

from selam_agent.languages.normalise import words

_FIRST_ROW: Final = 0x1200
_LAST_ROW: Final = 0x1350
_SIXTH_ORDER: Final = 5
_ROWS: Final = [chr(row) for row in range(_FIRST_ROW, _LAST_ROW + 1, 8)]
_ORDERS: Final = [f"-{order}" for order in range(8) if order != _SIXTH_ORDER]

__all__ = ["BLANK", "CLASSES", "LETTERS", "spell"]

BLANK: Final = 0
"""CTC's blank; letters are counted from 1."""
LETTERS: Final = (" ", "'", *string.ascii_lowercase, *_ROWS, *_ORDERS)
CLASSES: Final = len(LETTERS) + 1
_NUMBERS: Final = {letter: number for number, letter in enumerate(LETTERS, 1)}


def spell(text: str, language: str) -> list[int]:
    """The letters of ``text`` as numbers from 1; what the alphabet does not have is left out.

    Words are compared as everywhere (:func:`~selam_agent.languages.normalise.words`): lower case, no
    punctuation, Amharic homophones as one letter.
    """
    plain = unicodedata.normalize("NFC", " ".join(words(text, language)))
    return [_NUMBERS[part] for letter in plain for part in _parts(letter) if part in _NUMBERS]


def _parts(letter: str) -> tuple[str, ...]:
    code = ord(letter)
    if not _FIRST_ROW <= code < _LAST_ROW + 8:
        return (letter,)
    order = (code - _FIRST_ROW) % 8
    consonant = chr(code - order)
    return (consonant,) if order == _SIXTH_ORDER else (consonant, f"-{order}")
