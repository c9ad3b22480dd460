"""The phrase book, and the words that are kept out of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selam_agent.train.book import LANGUAGES, Book, is_frozen, read_book, write_phrases
from selam_agent.train.unknown import EXAMINATION, WORDS, Unknown, plain

VOICES = Path(__file__).parents[2] / "voices"


@pytest.fixture(scope="module")
def book() -> Book:
    return read_book(VOICES)


def write_packs(directory: Path, pack: str) -> Path:
    for language in LANGUAGES:
        (directory / f"{language}.toml").write_text(pack, encoding="utf-8")
    return directory


def test_phrases_and_slots_are_taken_in_order_and_once(tmp_path: Path) -> None:
    packs = write_packs(
        tmp_path,
        '[phrases]\nyes = ["Yes.", "Okay."]\nagree = ["Okay."]\n'
        '[slots]\ndays = ["Monday.", "Tuesday."]\n[says]\nx = "no"\n',
    )
    book = read_book(packs)
    assert book.phrases["ti"] == ("Yes.", "Okay.", "Monday.", "Tuesday.")
    assert book.keys["ti"]["agree"] == (1,)
    assert book.text("ti", (0, 2)) == "Yes. Monday."


def test_a_missing_pack_is_named(tmp_path: Path) -> None:
    write_packs(tmp_path, '[phrases]\nyes = ["Yes."]\n')
    (tmp_path / "om.toml").unlink()
    with pytest.raises(ValueError, match="'om'"):
        read_book(tmp_path)


@pytest.mark.parametrize("entry", ["3", "[1, 2]", '[""]'])
def test_an_entry_that_is_no_list_of_phrases_is_named(tmp_path: Path, entry: str) -> None:
    with pytest.raises(ValueError, match=r"\[phrases\] yes"):
        read_book(write_packs(tmp_path, f"[phrases]\nyes = {entry}\n"))


def test_usual_sequences_need_all_their_keys(book: Book) -> None:
    assert ("no", "days") in book.sequences("am")
    dayless = {key: indices for key, indices in book.keys["am"].items() if key != "days"}
    assert ("no", "days") not in Book(book.phrases, {"am": dayless}).sequences("am")
    for language in LANGUAGES:
        assert ("yes", "thanks") in book.sequences(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_phrase_is_contained_in_unknown_speech(book: Book, language: str) -> None:
    unknown = Unknown(book, np.random.default_rng(3))
    drawn = [unknown.text(language) for _ in range(300)]
    assert not [text for text in drawn if unknown.is_known(language, text)]
    assert not [text for text in EXAMINATION[language] if unknown.is_known(language, text)]
    assert len(set(drawn)) > 250


@pytest.mark.parametrize("language", LANGUAGES)
def test_examination_sentences_are_not_made_of_training_words(book: Book, language: str) -> None:
    trained = set(plain(WORDS[language]).split()) | {
        w for t in book.phrases[language] for w in plain(t).split()
    }
    for sentence in EXAMINATION[language]:
        words = plain(sentence).split()
        assert sum(word in trained for word in words) <= len(words) / 3, sentence


def test_a_phrase_is_known_only_as_whole_words(book: Book) -> None:
    unknown = Unknown(book, np.random.default_rng(0))
    assert unknown.is_known("en", "well, no")
    assert not unknown.is_known("en", "nobody knows")


def test_a_frozen_book_is_recognised_until_a_pack_is_edited(book: Book, tmp_path: Path) -> None:
    path = tmp_path / "phrases.json"
    write_phrases(book, path)
    assert is_frozen(book, path)
    assert not is_frozen(Book({**book.phrases, "en": ("Hi.",)}, book.keys), path)
