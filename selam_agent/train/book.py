"""The phrase book: everything the recogniser can write, collected from the language packs.

A phrase is what a caller says and exactly what the recogniser writes. The book is frozen into
``phrases.json`` beside the model, because a pack that was edited afterwards names phrases the
model has never heard; a test compares the two.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LANGUAGES: Final = ("en", "am", "so", "om", "ti")
"""In the order of the model's language tokens; a pack for another language needs a training run."""

_SEQUENCES: Final[tuple[tuple[str, ...], ...]] = (
    ("no", "days"),
    ("hours", "morning"),
    ("hours", "afternoon"),
    ("hours", "evening"),
    ("days", "hours"),
    ("days", "morning"),
    ("yes", "thanks"),
    ("no", "thanks"),
    ("stop", "no", "days"),
    ("days", "hours", "morning"),
    ("digits", "digits", "digits"),
    ("no", "hours"),
    ("backchannel", "thanks"),
    ("thanks", "goodbye"),
    ("greeting", "book"),
    ("greeting", "how_are_you"),
)
"""What callers say in one breath; these keys follow each other more often than chance in training."""


@dataclass(frozen=True, slots=True)
class Book:
    """``phrases[language]``: each phrase once, in pack order; an index into it names a phrase.

    ``keys[language][key]``: the indices of the phrases under one key of the pack.
    """

    phrases: Mapping[str, tuple[str, ...]]
    keys: Mapping[str, Mapping[str, tuple[int, ...]]]

    def sequences(self, language: str) -> tuple[tuple[str, ...], ...]:
        """The usual sequences of keys that this language has phrases for."""
        known = self.keys[language]
        return tuple(s for s in _SEQUENCES if all(key in known for key in s))

    def text(self, language: str, indices: tuple[int, ...]) -> str:
        """The transcript of these phrases said one after the other."""
        return " ".join(self.phrases[language][i] for i in indices)


def read_book(voices: Path) -> Book:
    """Reads ``[phrases]`` and ``[slots]`` of every pack in ``voices``.

    Raises:
        ValueError: a language is missing, or an entry is neither a string nor a list of strings.
    """
    phrases: dict[str, tuple[str, ...]] = {}
    keys: dict[str, dict[str, tuple[int, ...]]] = {}
    for language in LANGUAGES:
        path = voices / f"{language}.toml"
        if not path.is_file():
            raise ValueError(f"no pack for {language!r} in {voices}")
        pack = tomllib.loads(path.read_text(encoding="utf-8"))
        known: dict[str, int] = {}
        keys[language] = {}
        for section in ("phrases", "slots"):
            for key, entry in pack.get(section, {}).items():
                texts = [entry] if isinstance(entry, str) else entry
                if not isinstance(texts, list) or not all(isinstance(t, str) and t.strip() for t in texts):
                    raise ValueError(f"{path.name}: [{section}] {key} must be a list of phrases")
                keys[language][key] = tuple(known.setdefault(text, len(known)) for text in texts)
        phrases[language] = tuple(known)
    return Book(phrases, keys)


def is_frozen(book: Book, path: Path) -> bool:
    """Whether ``path`` was written from this very book."""
    frozen = json.loads(path.read_text(encoding="utf-8"))
    return bool(frozen == {language: list(texts) for language, texts in book.phrases.items()})


def write_phrases(book: Book, path: Path) -> None:
    """Freezes the book as ``{language: [phrase, …]}``."""
    frozen = {language: list(texts) for language, texts in book.phrases.items()}
    path.write_text(json.dumps(frozen, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
