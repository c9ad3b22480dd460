"""Tests that measure on synthetic speech measure the same speech, in any order and any process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from selam_agent.engines.espeak_library import EspeakError
from tests.espeak_afresh import speak

# A breathy voice, a clear one, and the one whose rules are compiled at the start.
SAID = [
    ("እንደምን አደሩ፣ ዛሬ እንዴት ነዎት?", "am+f3"),
    ("Good morning, how can I help you?", "en-us"),
    ("Waxaan rabaa.", "so+m3"),
]


@pytest.mark.parametrize(("text", "voice"), SAID)
def test_the_same_words_are_the_same_samples(text: str, voice: str) -> None:
    first = speak(text, voice)
    for other, another in SAID:
        speak(other, another, rate=200, pitch=80)
    assert speak(text, voice) == first
    assert len(first.pcm) > first.sample_rate  # half a second
    assert [mark.start for mark in first.marks][:1] == [0]


@pytest.mark.parametrize(("text", "voice"), SAID)
def test_another_take_is_other_samples_of_the_same_words(text: str, voice: str) -> None:
    takes = [speak(text, voice, take=take) for take in range(4)]
    assert len({take.pcm for take in takes}) == 4
    assert speak(text, voice, take=2) == takes[2]
    for take in takes[1:]:
        assert [mark.start for mark in take.marks] == [mark.start for mark in takes[0].marks]
        assert len(take.pcm) == pytest.approx(len(takes[0].pcm), rel=0.03)


def test_another_process_speaks_the_same() -> None:
    code = (
        f"import sys; from tests.espeak_afresh import speak; sys.stdout.buffer.write(speak(*{SAID[0]!r}).pcm)"
    )
    root = Path(__file__).parents[1]
    other = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, timeout=60, check=True
    )
    assert other.stdout == speak(*SAID[0]).pcm


def test_what_cannot_be_spoken_is_an_error_and_the_next_is_spoken() -> None:
    before = speak(*SAID[1])
    with pytest.raises(EspeakError, match="no voice"):
        speak("Hello.", "am+nobody")
    assert speak(*SAID[1]) == before
