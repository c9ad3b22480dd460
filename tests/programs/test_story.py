"""The demo says only what the built-in recogniser can know, and knows what must come out."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from selam_agent.programs.caller_voice import RATE, SOUNDS
from selam_agent.programs.story import AMHARIC, INTERPRETED, STORIES, SWITCHING, Story, same_words

ALL = (*STORIES.values(), SWITCHING, INTERPRETED)
VOICES = Path(__file__).parents[2] / "voices"


def known(language: str) -> set[str]:
    pack = tomllib.loads((VOICES / f"{language}.toml").read_text(encoding="utf-8"))
    return {
        phrase for table in ("phrases", "slots") for phrases in pack[table].values() for phrase in phrases
    }


@pytest.mark.parametrize("story", ALL, ids=[story.label for story in ALL])
def test_every_line_is_made_of_phrases_of_the_pack(story: Story) -> None:
    for line in story.lines:
        if line.sound is not None:
            continue
        phrases = known(story.spoken(line))
        parts = [line.text] if line.text in phrases else re.findall(r"[^።.?]+[።.?]", line.text)
        assert parts and all(part.strip() in phrases for part in parts), line.text


def test_what_is_interpreted_means_the_same_in_both_packs() -> None:
    """Phrases of one key, and days of one number, mean the same in every language."""
    packs = {
        code: tomllib.loads((VOICES / f"{code}.toml").read_text(encoding="utf-8"))
        for code in INTERPRETED.between
    }
    for line in INTERPRETED.lines:
        spoken = INTERPRETED.spoken(line)
        (other,) = set(INTERPRETED.between) - {spoken}
        pairs = {
            said: meant
            for table in ("phrases", "slots")
            for key, texts in packs[spoken][table].items()
            for said, meant in zip(texts, packs[other][table][key], strict=False)
        }
        assert pairs[line.text] == line.answer


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_every_caller_interrupts_the_confirmation(story: Story) -> None:
    pack = tomllib.loads((VOICES / f"{story.language}.toml").read_text(encoding="utf-8"))
    (cut,) = [line for line in story.lines if line.cut_in_ms is not None and not line.goes_on]
    stop, day = re.findall(r"[^።.?]+[።.?]", cut.text)
    assert stop in pack["phrases"]["stop"]
    assert pack["slots"]["days"].index(day.strip()) == story.weekday


def test_what_is_said_over_the_agent_asks_for_nothing() -> None:
    pack = tomllib.loads((VOICES / "am.toml").read_text(encoding="utf-8"))
    over = [line for line in AMHARIC.lines if line.goes_on]
    assert [line.sound for line in over] == [None, "cough"]
    assert over[0].text in pack["phrases"]["backchannel"] and over[1].sound in SOUNDS
    meant = AMHARIC.lines[AMHARIC.lines.index(over[1]) + 1]
    assert meant.cut_in_ms is not None and meant.text.split()[0] in pack["phrases"]["stop"]


def test_a_cough_is_as_loud_as_speech_and_short() -> None:
    cough = SOUNDS["cough"]()
    assert cough.size == RATE // 4
    assert 11_000 < np.abs(cough.astype(int)).max() <= 0.35 * 32_768
    early, late = (float(np.sqrt((part.astype(float) ** 2).mean())) for part in np.split(cough, 2))
    assert early > 2 * late > 0


@pytest.mark.parametrize("story", ALL, ids=[story.label for story in ALL])
def test_the_caller_is_not_the_agent(story: Story) -> None:
    pack = tomllib.loads((VOICES / f"{story.language}.toml").read_text(encoding="utf-8"))
    voices = {voice["name"]: [engine["voice"] for engine in voice["engines"]] for voice in pack["voices"]}
    callers = {story.caller, *(line.caller for line in story.lines)}
    assert story.voice in voices
    assert all(not callers & set(engines) for engines in voices.values())


@pytest.mark.parametrize(
    ("now", "accepted"),
    [
        # A Friday, a Sunday evening that is Monday in Addis Ababa, a Monday, a Tuesday.
        ("2026-11-20T12:00", ("2026-11-23T09:00+03:00",)),
        ("2026-11-22T22:00", ("2026-11-23T09:00+03:00", "2026-11-30T09:00+03:00")),
        ("2026-11-23T12:00", ("2026-11-23T09:00+03:00", "2026-11-30T09:00+03:00")),
        ("2026-12-29T12:00", ("2027-01-04T09:00+03:00",)),
    ],
)
def test_next_monday(now: str, accepted: tuple[str, ...]) -> None:
    assert AMHARIC.accepted(datetime.fromisoformat(now).replace(tzinfo=UTC)) == accepted


def test_words_are_compared_without_punctuation() -> None:
    assert same_words("አይ። ሰኞ።", "አይ ሰኞ")
    assert same_words("Three o'clock.", "three o'clock")
    assert not same_words("ሰኞ።", "ማክሰኞ።")
    assert not same_words("Yes.", "")
