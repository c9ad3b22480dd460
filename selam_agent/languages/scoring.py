"""Character and word error rates, raw and normalised.

Raw compares what was written; normalised ignores case, punctuation and the form of apostrophes and, for
Amharic only, which of several letters writes one sound (languages.md §7.1: collapsing them alone moved a
published word error rate from 41.7 to 37.6). In Tigrinya those letters are different sounds.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from selam_agent.languages.normalise import words


@dataclass(frozen=True, slots=True)
class Errors:
    """``edits`` (insertions, deletions and substitutions) against ``length`` units of the reference."""

    edits: int = 0
    length: int = 0

    def __add__(self, other: Errors) -> Errors:
        return Errors(self.edits + other.edits, self.length + other.length)

    @property
    def rate(self) -> float | None:
        """Edits per unit; above 1 when more was invented than said; None without a reference."""
        return self.edits / self.length if self.length else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Errors over characters (cer) and words (wer). Sums weigh every unit alike, not every recording."""

    cer_raw: Errors = Errors()
    wer_raw: Errors = Errors()
    cer: Errors = Errors()
    wer: Errors = Errors()

    def __add__(self, other: Score) -> Score:
        return Score(
            cer_raw=self.cer_raw + other.cer_raw,
            wer_raw=self.wer_raw + other.wer_raw,
            cer=self.cer + other.cer,
            wer=self.wer + other.wer,
        )


def score(reference: str, heard: str, language: str) -> Score:
    """Compares a transcript with what was said.

    Args:
        language: ISO 639-1 code of the reference.
    """
    raw = [" ".join(unicodedata.normalize("NFC", text).split()) for text in (reference, heard)]
    # Only Amharic has letters to fold; any other code would be folded for Tigrinya as well.
    folded = [words(text, "am" if language == "am" else "") for text in (reference, heard)]
    return Score(
        cer_raw=errors(raw[0], raw[1]),
        wer_raw=errors(raw[0].split(), raw[1].split()),
        cer=errors(" ".join(folded[0]), " ".join(folded[1])),
        wer=errors(folded[0], folded[1]),
    )


def errors(reference: Sequence[Hashable], heard: Sequence[Hashable]) -> Errors:
    """The Levenshtein distance of two sequences."""
    row = list(range(len(heard) + 1))
    for i, said in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, written in enumerate(heard, 1):
            substituted = diagonal + (said != written)
            diagonal, row[j] = row[j], min(substituted, row[j] + 1, row[j - 1] + 1)
    return Errors(row[-1], len(reference))
