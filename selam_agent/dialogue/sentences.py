"""Cuts a model's growing text into fragments that can be spoken.

The first fragment is short, so that the first sound comes early; later ones are whole sentences, for
prosody. Concatenated, the fragments are the text, character for character. Values: DESIGN §4;
marks: Ethiopic and Latin (languages.md §7.1).
"""

from __future__ import annotations

SENTENCE_MARKS = frozenset("።፧፨.?!…\n")
CLAUSE_MARKS = frozenset("፣፤፥፦,;:")
CLOSERS = frozenset("\"'”’»)]")

FIRST_CLAUSE_LETTERS = 12
SENTENCE_LETTERS = 20
FLUSH_CHARACTERS = 180

# A full stop after these is no end. Lower case.
ABBREVIATIONS = frozenset(
    {"dr", "mr", "mrs", "ms", "prof", "st", "no", "vs", "etc", "e.g", "i.e", "k.k.f", "fkn", "m.sh"}
)


class Fragmenter:
    """Push text, take fragments.

    ``፡፡`` counts as ``።``. A full stop between digits, or after an abbreviation or a single letter,
    ends nothing. An end is only certain once the next character is there. Without ``clauses`` the first
    fragment is a whole sentence as well.
    """

    def __init__(self, *, clauses: bool = True) -> None:
        self._text = ""
        self._first = True
        self._clauses = clauses

    def push(self, text: str) -> list[str]:
        """Returns the fragments that ``text`` completes, in order."""
        self._text += text
        fragments: list[str] = []
        while (cut := self._cut()) is not None:
            fragments.append(self._text[:cut])
            self._text = self._text[cut:]
            self._first = False
        return fragments

    def finish(self) -> list[str]:
        """Returns what is left, if it is more than white space."""
        rest, self._text = self._text, ""
        self._first = False
        return [rest] if rest.strip() else []

    def _cut(self) -> int | None:
        text = self._text
        letters = 0
        last_space = 0
        for i, character in enumerate(text):
            letters += character.isalnum()
            if character.isspace():
                last_space = i + 1
            wanted = FIRST_CLAUSE_LETTERS if self._first else SENTENCE_LETTERS
            if letters >= wanted:
                end = self._end_of_unit(i)
                if end is not None and end < len(text):
                    return end
            if i >= FLUSH_CHARACTERS:
                return last_space or i
        return None

    def _end_of_unit(self, i: int) -> int | None:
        """The index after the mark at ``i`` with what belongs to it, or None if no unit ends there."""
        text = self._text
        mark = text[i]
        double_colon = mark == "፡" and i > 0 and text[i - 1] == "፡"
        if mark in SENTENCE_MARKS or double_colon:
            if mark == "." and self._inside_word(i):
                return None
        elif not (self._clauses and self._first and mark in CLAUSE_MARKS):
            return None
        elif i + 1 < len(text) and text[i - 1].isdigit() and text[i + 1].isdigit():
            return None  # 9:00, 1,000
        end = i + 1
        while end < len(text) and (
            text[end] in CLOSERS or text[end] in SENTENCE_MARKS or text[end].isspace()
        ):
            end += 1
        # Latin marks end nothing in the middle of a word or address: "selam.example".
        if mark in ".?!,;:" and end == i + 1 and end < len(text):
            return None
        return end

    def _inside_word(self, i: int) -> bool:
        text = self._text
        if i + 1 < len(text) and text[i + 1].isdigit() and i > 0 and text[i - 1].isdigit():
            return True
        word = text[:i].rsplit(None, 1)[-1].lower() if text[:i].split() else ""
        return word in ABBREVIATIONS or (len(word) == 1 and word.isalpha() and word.isascii())
