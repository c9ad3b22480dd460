"""The tokenizer keeps what CTranslate2 and faster-whisper silently rely on."""

from __future__ import annotations

from pathlib import Path

import pytest
from faster_whisper.tokenizer import Tokenizer as WhisperTokenizer

from selam_agent.train.book import LANGUAGES, Book, read_book
from selam_agent.train.tokens import build_tokenizer, encode_book, special_ids

BOOK = read_book(Path(__file__).parents[2] / "voices")
TOKENIZER = build_tokenizer(BOOK)
IDS = special_ids(TOKENIZER, LANGUAGES)


def test_every_phrase_comes_back_exactly() -> None:
    for language, phrases in encode_book(TOKENIZER, BOOK).items():
        assert [TOKENIZER.decode(ids) for ids in phrases] == [f" {text}" for text in BOOK.phrases[language]]


def test_a_word_is_one_token() -> None:
    assert len(TOKENIZER.encode(" እንደምን አደሩ?").ids) == 3
    assert len(TOKENIZER.encode(" Waxaan rabaa dhakhtar.").ids) == 4


def test_the_special_tokens_follow_whispers_order() -> None:
    assert TOKENIZER.token_to_id("") == IDS.end - 1  # CTranslate2's sign of a multilingual model
    assert IDS.start == IDS.end + 1
    assert list(IDS.languages.values()) == list(range(IDS.start + 1, IDS.start + 1 + len(LANGUAGES)))
    assert IDS.vocabulary - 1 - IDS.no_timestamps == 1501


def test_faster_whisper_reads_it() -> None:
    stock = WhisperTokenizer(TOKENIZER, True, task="transcribe", language="am")
    assert stock.sot_sequence == IDS.prompt("am")[:3]
    assert stock.no_timestamps == IDS.no_timestamps
    assert stock.timestamp_begin == IDS.no_timestamps + 1
    assert stock.no_speech == IDS.no_speech
    forbidden = set(stock.non_speech_tokens)
    used = {i for phrases in encode_book(TOKENIZER, BOOK).values() for ids in phrases for i in ids}
    assert not used & forbidden


def test_a_missing_special_token_is_named() -> None:
    with pytest.raises(ValueError, match="xx"):
        special_ids(TOKENIZER, ("xx",))


def test_building_is_repeatable() -> None:
    assert build_tokenizer(Book(BOOK.phrases, BOOK.keys)).to_str() == TOKENIZER.to_str()
