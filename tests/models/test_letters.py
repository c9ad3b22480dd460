"""Spelling for CTC, and its scores against a plain enumeration of all paths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from selam_agent.engines.ctc_letters import CLASSES, LETTERS, spell
from selam_agent.engines.ctc_phrases import free_path, spelling_scores
from selam_agent.models import COMMAND_MODEL, phrases
from selam_agent.train.model_file import read_variables, weight
from selam_agent.train.unknown import UNSEEN, WORDS, plain


def shown(text: str, language: str) -> list[str]:
    return [LETTERS[number - 1] for number in spell(text, language)]


def test_a_geez_letter_is_a_consonant_and_a_vowel() -> None:
    assert shown("ስም ሰዓት።", "ti") == ["ሰ", "መ", " ", "ሰ", "-0", "ዐ", "-3", "ተ"]
    assert shown("Har'a?", "om") == ["h", "a", "r", "'", "a"]
    # In Amharic these are one sound.
    assert spell("ሦስት ሰዓት", "am") == spell("ሶስት ሰአት", "am")


def test_every_phrase_can_be_spelled_and_no_two_of_a_language_alike() -> None:
    for language, texts in phrases().items():
        spelled = [tuple(spell(text, language)) for text in (*texts, *UNSEEN[language])]
        assert len(set(spelled)) == len(spelled)
        assert all(1 <= number < CLASSES for each in spelled for number in each)


def test_unseen_phrases_are_not_in_the_book() -> None:
    assert sum(map(len, UNSEEN.values())) == 20
    for language, texts in UNSEEN.items():
        assert not set(texts) & set(phrases()[language])
        content = {word for text in texts for word in plain(text).split() if len(word) > 4}
        assert not content & set(WORDS[language].split())


@pytest.mark.parametrize("spelling", [[1], [1, 2], [1, 1], [2, 1, 2]])
def test_scores_are_the_sum_over_all_paths(spelling: list[int]) -> None:
    rng = np.random.default_rng(3)
    log_probs = np.log(rng.dirichlet([1, 1, 1], size=5)).astype(np.float32)
    total = -np.inf
    for path in itertools.product(range(3), repeat=5):
        said = [letter for letter, _ in itertools.groupby(path) if letter]
        if said == spelling:
            total = np.logaddexp(total, sum(log_probs[at, letter] for at, letter in enumerate(path)))
    # Beside a longer one, which must not change it.
    score = spelling_scores(log_probs, [spelling, [1, 2, 1, 2]])[0]
    assert score == pytest.approx(total, abs=1e-4)
    assert free_path(log_probs) >= log_probs.max(axis=1).min() * 5


def test_the_shipped_weights_can_be_read_back() -> None:
    found = read_variables(COMMAND_MODEL / "model.bin")
    embeddings = weight(found, "decoder/embeddings")
    assert embeddings.shape[1] == len(found["encoder/layer_norm/gamma"])
    assert 0.01 < np.abs(embeddings).mean() < 1
    assert found["decoder/projection/weight"] is found["decoder/embeddings/weight"]
