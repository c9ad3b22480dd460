"""Phrases found by spelling, with a head that is told what it hears."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from selam_agent.engines.ctc_letters import CLASSES, spell
from selam_agent.engines.ctc_phrases import HEAD_FILE, SpelledPhrases
from selam_agent.engines.flow import FlowModel
from selam_agent.engines.whisper_decoding import Decoded, WhisperDecoder
from selam_agent.engines.whisper_decoding_files import Decoding
from selam_agent.languages.packs import load

TRAINED = {"en": ["Yes please.", "Cancel that."], "am": ["ሰላም ነው።"]}
ADDED = {"en": ["Send the bill.", "yes, please", "No."], "am": ["ቀጠሮ እፈልጋለሁ።"]}


@pytest.fixture
def spelled(tmp_path: Path) -> SpelledPhrases:
    """Its "encoder" gives the letters themselves."""
    np.savez(tmp_path / HEAD_FILE, weight=np.eye(CLASSES), bias=np.zeros(CLASSES))
    return SpelledPhrases(tmp_path, TRAINED, ADDED)


def heard(spelled: SpelledPhrases, text: str, language: str, clarity: float = 9.0) -> NDArray[np.float32]:
    """Log-probabilities of a voice that says ``text``, each letter for two positions and a pause."""
    positions = np.zeros((3 * len(spell(text, language)) + 4, CLASSES), np.float32)
    positions[:, 0] = clarity / 2
    for number, letter in enumerate(spell(text, language)):
        positions[3 * number + 2 : 3 * number + 4, letter] = clarity
    return spelled.log_probs(positions)


def test_an_added_phrase_is_found_in_the_languages_asked_for(spelled: SpelledPhrases) -> None:
    # What is trained is no addition, whatever its punctuation; "No." is found in any speech.
    assert len(spelled) == 2
    found = spelled.best(heard(spelled, "send the bill", "en"), ["am", "en"])
    assert found is not None and (found.text, found.language) == ("Send the bill.", "en")
    assert found.ratio > -0.5
    other = spelled.best(heard(spelled, "send the bill", "en"), ["am"])
    assert other is None or other.ratio < -2
    assert spelled.best(heard(spelled, "send the bill", "en"), ["so"]) is None
    geez = spelled.best(heard(spelled, "ቀጠሮ እፈልጋለሁ", "am"), ["en", "am"])
    assert geez is not None and geez.text == "ቀጠሮ እፈልጋለሁ።"


def test_a_trained_phrase_that_fits_better_wins(spelled: SpelledPhrases) -> None:
    assert spelled.best(heard(spelled, "cancel that", "en"), ["en"]) is None


def test_half_of_it_is_not_it(spelled: SpelledPhrases) -> None:
    half = heard(spelled, "send the", "en")
    _, whole = spelled.likeliest(half, "Send the bill.", "en")
    _, part = spelled.likeliest(half, "Send the", "en")
    assert whole is not None and part is not None and whole < -1 < part
    assert spelled.likeliest(half, "!?", "en") == ("!?", None)


@pytest.mark.parametrize(
    ("said", "written", "expected"),
    [
        ("stop monday", "Stop. Monday. Monday.", "Stop. Monday."),
        ("stop stop monday", "Stop. Stop. Monday.", "Stop. Stop. Monday."),
        ("stop monday", "Stop. Stop. Monday.", "Stop. Monday."),
        ("stop", "Stop. Monday. Tuesday.", "Stop."),
        ("two two", "Two. Two.", "Two. Two."),
    ],
)
def test_a_phrase_too_many_is_dropped(
    spelled: SpelledPhrases, said: str, written: str, expected: str
) -> None:
    text, ratio = spelled.likeliest(heard(spelled, said, "en"), written, "en")
    assert text == expected and ratio is not None and ratio > -0.5


@pytest.mark.parametrize(
    ("said", "model", "expected"),
    [
        # The model is sure, and the sound spells it.
        ("yes please", Decoded("Yes please.", "en", -0.01, 0.0), "Yes please."),
        # It is sure of something that the sound does not spell.
        ("send the bill", Decoded("Yes please.", "en", -0.01, 0.0), "Send the bill."),
        ("send the bill", Decoded("", "en", float("nan"), 0.0), "Send the bill."),
        # Nothing that anybody knows: what it said stays, with the ratio that speaks against it.
        ("what a lovely day", Decoded("Yes please.", "en", -0.01, 0.0), "Yes please."),
        ("what a lovely day", Decoded("", "en", float("nan"), 0.0), ""),
    ],
)
def test_the_second_opinion(spelled: SpelledPhrases, said: str, model: Decoded, expected: str) -> None:
    decoder = WhisperDecoder.__new__(WhisperDecoder)
    decoder.decoding = Decoding(log_prob_threshold=-0.3, spelling_threshold=-1.0, added_threshold=-1.0)
    decoder.languages = ("en", "am")
    answer = decoder._verified(spelled, model, heard(spelled, said, "en"), None)
    assert answer.text == expected
    believed = answer.ratio is not None and answer.ratio >= -1.0
    assert believed == (said != "what a lovely day")


def test_a_flow_says_what_it_listens_for() -> None:
    phrases = FlowModel("clinic_booking", load()).phrases
    assert set(phrases) == {"en", "am", "so", "om", "ti"}
    assert {"Never mind.", "An appointment.", "The day.", "I want to book an appointment."} <= set(
        phrases["en"]
    )
    assert len(set(phrases["so"])) == len(phrases["so"])
