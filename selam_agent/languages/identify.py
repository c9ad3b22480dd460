"""Which language a text is in, and when a conversation changes its language.

The script first; then words and letters that one language has (``lexicon``) and, for Latin script, the
statistical identifier CLD2 restricted to the languages in question. The order and the rule of ``Followed``
are those of languages.md §6.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from selam_agent.languages.lexicon import LETTERS, LOANS, MARKS, WORDS
from selam_agent.languages.normalise import words

try:
    import pycld2
except ImportError:  # Linux on ARM has no wheel of it
    pycld2 = None

_ETHIOPIC = re.compile("[\u1200-\u139f\u2d80-\u2ddf\uab00-\uab2f]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_SCRIPTS = {"am": "Ethiopic", "ti": "Ethiopic"}

# CLD2 knows Afar, which is none of ours and near to Oromo (languages.md §6).
_NEAREST = {"aa": "om"}
# Below this CLD2 guesses: single words are wrong half of the time.
_CLD2_WORDS, _CLD2_LETTERS = 3, 8
_WORD, _MARK, _LETTER, _LETTERS_AT_MOST, _CLD2 = 2.0, 1.5, 0.5, 1.5, 3.0
# Anything less than this is no reason to doubt the language of the conversation.
_MARGIN = 0.5
# And so much leaves no doubt.
_CLEAR = 3.0
_CLEAR_WORDS = 3
# So many words, or two turns in a row, move a conversation to another language.
CHANGE_WORDS = 4


def identify(text: str, allowed: Sequence[str], current: str) -> str:
    """The language of one utterance, one of ``allowed``; ``current`` where nothing speaks against it.

    Args:
        text: what was said or written.
        allowed: ISO 639-1 codes; others are never returned (unless none are allowed).
        current: the session's language, the answer in doubt.
    """
    script = script_of(text)
    heard = words(text, "")
    loans = all(word in LOANS for word in heard)
    if script is None or (loans and (script == "Latin" or written_in(current) == script)):
        return current
    fitting = [code for code in allowed if written_in(code) == script]
    if len(fitting) < 2:
        return fitting[0] if fitting else current
    scores = _scores(heard, fitting, script)
    best = max(fitting, key=lambda code: (scores[code], code == current))
    if current not in scores:
        return best
    return best if scores[best] >= scores[current] + _MARGIN else current


def clearly_not(expected: str, text: str, allowed: Sequence[str]) -> str | None:
    """The language that a text is in rather than the expected one; None in doubt.

    For what a model has written, where a wrong verdict costs more than a missed one.
    """
    heard = words(text, "")
    script = script_of(text)
    if script is None or len(heard) < _CLEAR_WORDS:
        return None
    fitting = [code for code in allowed if written_in(code) == script]
    if not fitting:
        return None
    scores = _scores(heard, fitting, script)
    best = max(fitting, key=lambda code: scores[code])
    if expected in scores and scores[best] < scores[expected] + _CLEAR:
        return None
    return best


def script_of(text: str) -> str | None:
    """``Ethiopic`` or ``Latin``, whichever has more words (a tie is Ethiopic); None without letters."""
    ethiopic = sum(bool(_ETHIOPIC.search(word)) for word in text.split())
    latin = sum(bool(_LATIN.search(word)) for word in text.split())
    if not (ethiopic or latin):
        return None
    return "Ethiopic" if ethiopic >= latin else "Latin"


def written_in(code: str) -> str:
    """The script of a language."""
    return _SCRIPTS.get(code, "Latin")


@dataclass(frozen=True, slots=True)
class Followed:
    """The language of a conversation that follows its caller.

    One short turn in another language changes nothing: it takes two in a row, or one of four words. So
    it does not matter that single words are often misjudged.

    Attributes:
        language: of the answers.
        doubt: the other language that the last turn was in, if it was too short to follow.
    """

    language: str
    doubt: str | None = None
    begun: bool = False

    def after(self, heard: str, text: str, *, told: bool = False) -> Followed:
        """What follows from a turn in ``heard``.

        ``told``: the recogniser itself says so. A first turn in a script that the language is not written
        in is no matter of doubt either: the language was only the voice's so far.
        """
        sure = told or (not self.begun and written_in(heard) != written_in(self.language))
        if heard == self.language:
            return replace(self, doubt=None, begun=True)
        if sure or heard == self.doubt or len(words(text, "")) >= CHANGE_WORDS:
            return Followed(heard, None, True)
        return Followed(self.language, heard, True)


def _score(heard: tuple[str, ...], code: str) -> float:
    known = sum(_WORD for word in heard if word in WORDS.get(code, ()) and word not in LOANS)
    if code not in LETTERS:
        return known
    plain = " ".join(heard)
    marks, letters = len(MARKS[code].findall(plain)), len(LETTERS[code].findall(plain))
    return known + _MARK * marks + min(_LETTERS_AT_MOST, _LETTER * letters)


def _scores(heard: tuple[str, ...], fitting: Sequence[str], script: str) -> dict[str, float]:
    scores = {code: _score(heard, code) for code in fitting}
    guessed = _cld2(heard, fitting) if script == "Latin" else None
    if guessed is not None:
        scores[guessed] += _CLD2
    return scores


def _cld2(heard: tuple[str, ...], fitting: Sequence[str]) -> str | None:
    """The likeliest of the languages that fit; None for texts that are too short, or in none of them."""
    if pycld2 is None or len(heard) < _CLD2_WORDS or sum(map(len, heard)) < _CLD2_LETTERS:
        return None
    try:
        _, _, guesses = pycld2.detect(" ".join(heard), isPlainText=True, bestEffort=True)
    except pycld2.error:
        return None
    for _, code, _, _ in guesses:
        code = _NEAREST.get(code, code)
        if code in fitting:
            return str(code)
    return None
