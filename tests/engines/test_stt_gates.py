from __future__ import annotations

import pytest

from selam_agent.engines.stt_gates import Thresholds, is_repetitive, rejection, script_share

SURE = {"seconds": 3.0, "log_prob": -0.1, "no_speech": 0.0, "thresholds": Thresholds()}


@pytest.mark.parametrize(
    ("text", "language", "changed", "reason"),
    [
        ("I would like to book an appointment.", "en", {}, None),
        ("ነገ ጠዋት ሐኪም ማየት እፈልጋለሁ።", "am", {}, None),
        ("ከመይ ሓዲርኩም?", "ti", {}, None),
        ("Akkam bulte?", "om", {}, None),
        ("Subax wanaagsan.", "so", {}, None),
        ("12", "am", {}, None),
        ("okay ነገ ጠዋት", "am", {}, None),
        ("ሰላም።", None, {}, None),
        ("", "en", {}, "empty"),
        (" ... ♪ ", "en", {}, "empty"),
        ("Thank you for watching.", "am", {}, "wrong_script"),
        ("ሰላም ነው", "om", {}, "wrong_script"),
        ("Спасибо", "en", {}, "wrong_script"),
        ("Thank you.", "en", {"no_speech": 0.9, "log_prob": -0.7}, "no_speech"),
        ("Thank you.", "en", {"no_speech": 0.9, "log_prob": None}, "no_speech"),
        ("Thank you.", "en", {"no_speech": 0.9, "log_prob": -0.1}, None),
        ("Thank you.", "en", {"log_prob": -1.2}, "low_confidence"),
        ("Yes.", "en", {"log_prob": -0.4, "thresholds": Thresholds(log_prob=-0.3)}, "low_confidence"),
        ("Yes.", "en", {"ratio": -9.0}, None),
        ("Yes.", "en", {"ratio": -2.1, "thresholds": Thresholds(spelling=-2.0)}, "low_confidence"),
        ("Yes.", "en", {"ratio": -1.9, "thresholds": Thresholds(spelling=-2.0)}, None),
        ("Yes.", "en", {"ratio": None, "thresholds": Thresholds(spelling=-2.0)}, None),
        ("I would like to book an appointment.", "en", {"seconds": 0.4}, "too_fast"),
        ("ነገ ጠዋት ሐኪም ማየት እፈልጋለሁ።", "am", {"seconds": 0.4}, "too_fast"),
        ("Yes.", "en", {"seconds": 0.1}, None),
        ("ላ " * 12, "am", {"seconds": 9.0}, "repetition"),
    ],
)
def test_reasons(text: str, language: str | None, changed: dict, reason: str | None) -> None:
    assert rejection(text, language=language, **{**SURE, **changed}) == reason


@pytest.mark.parametrize(
    "text",
    [
        "no no no no no no no",
        "ሰላም ነው ሰላም ነው ሰላም ነው ሰላም ነው",
        "I am going to I am going to I am going to",
        "ላላላላላላላላላላላላ",
        "ha" * 20,
        "the doctor, the doctor! the doctor. The Doctor",
    ],
)
def test_loops_are_found(text: str) -> None:
    assert is_repetitive(text)


@pytest.mark.parametrize(
    "text",
    [
        "No, no, no, no!",
        "hello hello hello can you hear me",
        "ሃሎ ሃሎ ሃሎ",
        "እንደምን አደሩ፣ ዛሬ እንዴት ልርዳዎት እችላለሁ? ነገ ጠዋት ሐኪም ማየት እፈልጋለሁ። እባክዎ ቀጠሮ ይያዙልኝ።",
        "Zero nine one one, two two, three three, four four.",
        "I would like to see the doctor tomorrow, and if the doctor is not there the day after tomorrow.",
        "",
    ],
)
def test_human_repetition_is_left_alone(text: str) -> None:
    assert not is_repetitive(text)


def test_script_share_counts_letters_only() -> None:
    assert script_share("ሰላም 123 ።!", "Ethiopic") == 1.0
    assert script_share("ab ሀለ", "Ethiopic") == 0.5
    assert script_share("123", "Latin") == 1.0
