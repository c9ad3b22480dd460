"""What a translation must not change: numbers, addresses, placeholders and names, hidden behind marks.

``mask`` puts a mark such as ``<x1/>`` in the place of each; ``restore`` puts them back and says whether
all came through. Names are known by their capital letter inside a sentence, so only in Latin script;
Ethiopic does not mark them, and a name that begins a sentence looks like any other word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_FIXED = re.compile(
    r"""
    https?://\S*[\w/]                                   # an address
    | (?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+                      # of electronic mail
    | \{[^{}\s]*\} | %\([a-z_]+\)[sd] | %[sd] | <[^<>]+>  # a placeholder of a program
    | [+]?\d+(?:[.,:/\-]\d+)*(?!\d|st\b|nd\b|rd\b|th\b)  # a number, a time, a date; not 3rd
    | [\u1369-\u137c]+                                  # Ge'ez numerals
    """,
    re.VERBOSE,
)
_CAPITAL = re.compile(r"(?<![\w'’])[A-Z][\w'’-]*")
_INITIAL = frozenset('.?!…:;"“(')
_TITLES = ("Dr.", "Mr.", "Mrs.", "Ms.", "Prof.")
_MARK = re.compile(r"<\s*[xX]\s*(\d+)\s*/?\s*>")
# Written with a capital letter in English and yet no name to keep.
_NO_NAMES = frozenset(
    (
        *("I", "I'm", "I'll", "I've", "I'd", "OK", "Dr", "Mr", "Mrs", "Ms", "Prof", "God", "Afaan", "Arabic"),
        *("Ethiopian", "Eritrean", "Christian", "Muslim", "January", "February", "March", "April", "May"),
        *("June", "July", "August", "September", "October", "November", "December", "Monday", "Tuesday"),
        *("Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    )
)


@dataclass(frozen=True, slots=True)
class Masked:
    """``text`` with its marks; ``hidden``: what stands behind mark 1, 2 …"""

    text: str
    hidden: tuple[str, ...]

    @property
    def words(self) -> str:
        """The text without its marks: empty when there is nothing to translate."""
        return " ".join(re.findall(r"[^\W\d_]+", _MARK.sub(" ", self.text)))


def mask(text: str, ordinary: Collection[str] = ()) -> Masked:
    """Hides what must stay.

    Args:
        text: one or more sentences.
        ordinary: words with a capital letter that are to be translated, such as a pack's weekdays.
    """
    hidden: list[str] = []
    parts: list[str] = []
    end = 0
    for start, stop in _places(text, ordinary):
        hidden.append(text[start:stop])
        parts += [text[end:start], f"<x{len(hidden)}/>"]
        end = stop
    return Masked("".join(parts) + text[end:], tuple(hidden))


def restore(translated: str, hidden: Collection[str]) -> str | None:
    """The translation with its marks replaced; None unless each is there exactly once."""
    found = [int(number) for number in _MARK.findall(translated)]
    if sorted(found) != list(range(1, len(hidden) + 1)):
        return None
    kept = tuple(hidden)
    return _MARK.sub(lambda mark: kept[int(mark[1]) - 1], translated)


def _places(text: str, ordinary: Collection[str]) -> Iterator[tuple[int, int]]:
    """Where something stays as it is, in order and apart."""
    end = 0
    for start, stop in sorted([*_fixed(text), *_names(text, ordinary)]):
        if start >= end:
            yield start, stop
            end = stop


def _fixed(text: str) -> Iterator[tuple[int, int]]:
    for found in _FIXED.finditer(text):
        yield found.span()


def _names(text: str, ordinary: Collection[str]) -> Iterator[tuple[int, int]]:
    """Runs of capitalised words that do not begin a sentence; a word known from there also where it does."""
    words = [found for found in _CAPITAL.finditer(text) if _may_be_name(found[0], ordinary)]
    inner = {found[0] for found in words if not _begins(text, found.start())}
    for found in words:
        if found[0] in inner:
            yield found.span()


def _may_be_name(word: str, ordinary: Collection[str]) -> bool:
    plain = word.replace("’", "'")
    return plain not in _NO_NAMES and plain not in ordinary and plain.removesuffix("'s") not in ordinary


def _begins(text: str, at: int) -> bool:
    before = text[max(0, at - 64) : at].rstrip()
    return not before or (before[-1] in _INITIAL and not before.endswith(_TITLES))
