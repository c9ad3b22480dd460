"""Error rates against values worked out by hand, and what normalisation folds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_agent.languages.scoring import Errors, Score, errors, score


@pytest.mark.parametrize(
    ("reference", "heard", "edits"),
    [
        ("kitten", "sitting", 3),
        ("", "", 0),
        ("abc", "", 3),
        ("", "abc", 3),
        ("abc", "abc", 0),
        ("ab", "ba", 2),
    ],
)
def test_edits_are_counted(reference: str, heard: str, edits: int) -> None:
    assert errors(reference, heard) == Errors(edits, len(reference))


def test_words_and_characters_raw_and_normalised() -> None:
    made = score("Haa, waan rabaa.", "haa waan raba", "so")
    assert made.wer_raw == Errors(2, 3) and made.wer == Errors(1, 3)
    assert made.cer_raw == Errors(4, 16) and made.cer == Errors(1, 14)
    assert made.wer.rate == pytest.approx(1 / 3)


def test_homophones_are_one_in_amharic_only() -> None:
    assert score("ሠላም ፀሐይ", "ሰላም ጸሀይ", "am").cer.rate == 0
    assert score("ሠላም ፀሐይ", "ሰላም ጸሀይ", "am").cer_raw.rate > 0
    for language in ("ti", "en"):
        assert score("ሠላም ፀሐይ", "ሰላም ጸሀይ", language).cer.edits == 3
        assert score("ዓይኒ", "ኣይኒ", language).cer.edits == 1


def test_apostrophes_and_marks_do_not_count_when_normalised() -> None:
    assert score("Har’a maal?", "har'a maal", "om").wer.rate == 0
    assert score("ሰላም፡፡ እንዴት ነህ?", "ሰላም እንዴት ነህ።", "am").wer.rate == 0


def test_more_may_be_invented_than_was_said() -> None:
    assert score("ok", "no no no", "en").wer.rate == 3.0
    assert score("", "no", "en").wer.rate is None


def test_sums_weigh_every_word_alike() -> None:
    total = sum((score("one", "won", "en"), score("two three four", "two three four", "en")), Score())
    assert total.wer == Errors(1, 4)


@given(st.text("abc ", max_size=12), st.text("abc ", max_size=12))
def test_it_is_a_distance(one: str, other: str) -> None:
    forth, back = errors(one, other), errors(other, one)
    assert forth.edits == back.edits
    assert abs(len(one) - len(other)) <= forth.edits <= max(len(one), len(other))
    assert (forth.edits == 0) is (one == other)
