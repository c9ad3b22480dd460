"""The tokenizer: byte-level BPE in which every word of the book is one token.

The order of the special tokens is not free. CTranslate2 calls a Whisper model multilingual if its
vocabulary holds an empty string, and counts languages by the distance between tokens;
faster-whisper takes every id from <|notimestamps|> + 1 on for a timestamp.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from selam_agent.train.book import Book

_TIMESTAMPS: Final = 1501  # 0.00 … 30.00 s in steps of 20 ms; unused here, but faster-whisper needs them
# faster-whisper forbids the first token of these; as tokens of their own they take no phrase with them.
_FORBIDDEN: Final = (" -", " '", " ♪")


@dataclass(frozen=True, slots=True)
class Ids:
    """The special tokens. ``languages`` is in the order of :data:`book.LANGUAGES`."""

    end: int
    start: int
    languages: dict[str, int]
    transcribe: int
    no_speech: int
    no_timestamps: int
    vocabulary: int

    def prompt(self, language: str) -> list[int]:
        """What the decoder is given before the text."""
        return [self.start, self.languages[language], self.transcribe, self.no_timestamps]


def build_tokenizer(book: Book) -> Tokenizer:
    """Trains the tokenizer on the book.

    Raises:
        ValueError: a phrase does not survive encoding, or uses a token that faster-whisper forbids.
    """
    texts = [f" {text}" for phrases in book.phrases.values() for text in phrases]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=8000,  # an upper limit: merging ends when every word is one token
        min_frequency=1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*texts, *_FORBIDDEN * 2], trainer)
    tokenizer = _with_empty_token(tokenizer)
    tokenizer.add_special_tokens(
        [AddedToken(name, special=True, normalized=False) for name in _special_names(book.phrases)]
    )
    _check(tokenizer, texts)
    return tokenizer


def special_ids(tokenizer: Tokenizer, languages: Iterable[str]) -> Ids:
    """Looks the special tokens up by name."""

    def of(name: str) -> int:
        found: int | None = tokenizer.token_to_id(f"<|{name}|>")
        if found is None:
            raise ValueError(f"the tokenizer has no token {name!r}")
        return found

    return Ids(
        end=of("endoftext"),
        start=of("startoftranscript"),
        languages={language: of(language) for language in languages},
        transcribe=of("transcribe"),
        no_speech=of("nospeech"),
        no_timestamps=of("notimestamps"),
        vocabulary=tokenizer.get_vocab_size(),
    )


def encode_book(tokenizer: Tokenizer, book: Book) -> dict[str, list[list[int]]]:
    """``[language][index]``: the token ids of each phrase, with its leading space."""
    return {
        language: [list(tokenizer.encode(f" {text}").ids) for text in phrases]
        for language, phrases in book.phrases.items()
    }


def save_tokenizer(tokenizer: Tokenizer, path: Path) -> None:
    """Writes ``tokenizer.json``."""
    tokenizer.save(str(path), pretty=False)


def load_tokenizer(path: Path) -> Tokenizer:
    """Reads ``tokenizer.json``."""
    return Tokenizer.from_file(str(path))


def _special_names(languages: Iterable[str]) -> list[str]:
    names = ["endoftext", "startoftranscript", *languages]
    names += ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    names += [f"{index * 0.02:.2f}" for index in range(_TIMESTAMPS)]
    return [f"<|{name}|>" for name in names]


def _with_empty_token(tokenizer: Tokenizer) -> Tokenizer:
    """Adds the empty token after the text tokens (see the module's text)."""
    state: dict[str, Any] = json.loads(tokenizer.to_str())
    vocabulary = state["model"]["vocab"]
    vocabulary[""] = len(vocabulary)
    return Tokenizer.from_str(json.dumps(state))


def _check(tokenizer: Tokenizer, texts: Sequence[str]) -> None:
    forbidden = {tokenizer.encode(text).ids[0] for text in _FORBIDDEN}
    for text in texts:
        ids = tokenizer.encode(text).ids
        if tokenizer.decode(ids) != text:
            raise ValueError(f"the tokenizer does not give {text!r} back")
        if forbidden & set(ids):
            raise ValueError(f"{text!r} uses a token that faster-whisper never writes")
